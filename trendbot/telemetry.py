"""What one process tells of its work: figures for Prometheus, and how far sending is.

Figures are https://prometheus.io/docs/practices/naming: counters of this process, and
gauges read from the books when they are asked for.
"""

import logging
import platform
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Histogram, Info, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from trendbot import vitals
from trendbot.errors import SettingsError, TransportError
from trendbot.health import Asked
from trendbot.model import Cadence, DeliveryState, Digest
from trendbot.progress import Progress
from trendbot.store import books, health
from trendbot.store.deliveries import Settlement
from trendbot.store.engine import explain

SAY_EVERY = 60.0  # seconds
MEDIA_TYPE = prometheus_client.CONTENT_TYPE_LATEST

_OUTCOMES = (
    DeliveryState.SENT,
    DeliveryState.DEFERRED,
    DeliveryState.FAILED,
    DeliveryState.UNCERTAIN,
    DeliveryState.SUPPRESSED,
)
_WAITING = (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.DEFERRED)
# A warm line takes milliseconds; the answer to a final dot may take ten minutes.
_BUCKETS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0),
)
# A page from the shelf takes a tenth of a millisecond, a search some ten.
_ANSWER_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

log = logging.getLogger(__name__)


class Telemetry:
    """The figures of one process, in a registry of its own.

    `asked` are the sources and signals to tell of.
    """

    def __init__(
        self,
        engine: Engine,
        now: Callable[[], datetime],
        asked: Callable[[], Iterable[Asked]] = tuple,
    ) -> None:
        self._engine = engine
        self._now = now
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        Info("trendbot_build", "What runs here.", registry=registry).info(
            {"version": version("trendbot"), "python": platform.python_version()}
        )
        mails = Counter(
            "trendbot_mails",
            "Mails this process tried to send, by what became of them.",
            ["state"],
            registry=registry,
        )
        self._mails = {state: mails.labels(state.value) for state in _OUTCOMES}
        self._seconds = Histogram(
            "trendbot_mail_seconds",
            "From the beginning of a mail's envelope to the server's last reply.",
            buckets=_BUCKETS,
            registry=registry,
        )
        self._refusals = Counter(
            "trendbot_refusals",
            "Runs of this process that ended because the mail server refused us.",
            registry=registry,
        )
        self._answers = Histogram(
            "trendbot_request_seconds",
            "From a request's headers to the end of its answer.",
            ["route", "status"],
            buckets=_ANSWER_BUCKETS,
            registry=registry,
        )
        registry.register(_Standing(engine, now, asked))

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count an answer of the web: the template of its route, its status and how long it took.

        A status of 0 is a client that left before.
        """
        kind = f"{status // 100}xx" if status else "left"
        self._answers.labels(route, kind).observe(seconds)

    def watch(self, _digest: Digest, settled: Sequence[Settlement]) -> None:
        """Count what was written down; a `watch` of `deliver.Dispatch`."""
        tried = [one for one in settled if was_tried(one)]
        for state, count in Tally(one.state for one in tried).items():
            self._mails[state].inc(count)
        for one in tried:
            if one.seconds > 0:
                self._seconds.observe(one.seconds)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count it if what is done within, or decorated with it, ends in a refusal of us."""
        try:
            yield
        except TransportError:
            self._refusals.inc()
            raise

    @contextmanager
    def logged(self) -> Iterator["Follower"]:
        """A watch that logs how far the sending is, once a minute and at the end."""
        follower = Follower(
            self._engine,
            self._now,
            going=lambda progress: log.info("%s", progress.line),
            ended=lambda progress: log.info("%s", progress.ending),
        )
        try:
            yield follower
        finally:
            follower.close()

    def exposition(self) -> bytes:
        """All figures, as text of the `MEDIA_TYPE`."""
        return prometheus_client.generate_latest(self.registry)

    @contextmanager
    def served(self, host: str, port: int) -> Iterator[int]:
        """Answer `/metrics` over HTTP on a thread of its own; yields the port.

        For processes without a web of their own. Raises SettingsError if the port cannot be had.
        """
        try:
            server, thread = prometheus_client.start_http_server(port, host, self.registry)
        except OSError as error:
            raise SettingsError(
                f"figures cannot be served on {host} port {port}: {error.strerror}; "
                "choose another with --metrics-port"
            ) from error
        log.info("figures at http://%s:%d/metrics", host, server.server_port)
        try:
            yield server.server_port
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Standing(Collector):
    """How the newest digests stand, and who is asked, counted when asked for."""

    def __init__(
        self,
        engine: Engine,
        now: Callable[[], datetime],
        asked: Callable[[], Iterable[Asked]],
    ) -> None:
        self._engine = engine
        self._now = now
        self._asked = asked

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing: the registry need not ask the database to know the names."""
        return ()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The gauges; only that the database is down, when it is."""
        up = GaugeMetricFamily("trendbot_database_up", "Whether the database answers.")
        try:
            with self._engine.connect() as conn:
                gauges = self._gauges(conn)
                gauges += vitals.gauges(
                    health.standing(conn, self._asked(), self._now()), self._now()
                )
        except SQLAlchemyError as error:
            log.error("figures: %s", explain(error))
            up.add_metric([], 0)
            return [up]
        up.add_metric([], 1)
        return [up, *gauges]

    def _gauges(self, conn: Connection) -> list[GaugeMetricFamily]:
        standing = books.of_digests(conn)  # counts the deliveries of open ones alone
        waiting = GaugeMetricFamily(
            "trendbot_deliveries_open", "Deliveries that still wait.", labels=["cadence"]
        )
        for cadence in Cadence:
            counts = [one.counts for one in standing if one.cadence is cadence]
            total = sum(count.get(state, 0) for count in counts for state in _WAITING)
            waiting.add_metric([cadence.value], total)
        unbalanced = GaugeMetricFamily(
            "trendbot_digests_unbalanced", "Digests that do not account for all their audience."
        )
        unbalanced.add_metric([], sum(not one.balanced for one in standing))
        stopped = GaugeMetricFamily(
            "trendbot_digests_stopped", "Digests that rest because the mail server refused us."
        )
        stopped.add_metric([], sum(bool(one.stopped) for one in standing))
        return [waiting, unbalanced, stopped]


@dataclass(slots=True)
class _Followed:
    """A digest that is followed: when it was spoken of last, and whether a mail was tried."""

    progress: Progress
    said_at: float
    moved: bool = False
    is_new: bool = True


class Follower:
    """Follows the sending of digests; a `watch` of `deliver.Dispatch`.

    Calls `going` for a digest every `every` seconds while it is sent, and `ended` when all
    that is due of it was tried or, if a mail was tried, when the follower is closed.
    """

    def __init__(
        self,
        engine: Engine,
        now: Callable[[], datetime],
        going: Callable[[Progress], None],
        ended: Callable[[Progress], None] = lambda _progress: None,
        every: float = SAY_EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._now = now
        self._going = going
        self._ended = ended
        self._every = every
        self._clock = clock
        self._followed: dict[int, _Followed] = {}

    def __call__(self, digest: Digest, settled: Sequence[Settlement]) -> None:
        """Add what was written down of a digest, and say how far it is when it is time."""
        tried = [one for one in settled if was_tried(one)]
        followed = self._followed.get(digest.id) or self._begin(digest.id)
        if followed is None:
            return
        followed.moved |= bool(tried)
        if followed.is_new:  # the first count has them already
            followed.is_new = False
        elif self._add(digest.id, followed.progress, tried):
            self._end(digest.id)
            return
        if self._clock() - followed.said_at >= self._every:
            followed.said_at = self._clock()
            self._going(followed.progress)

    def close(self) -> None:
        """Say what became of what was followed and did not end."""
        for digest_id, followed in list(self._followed.items()):
            self._correct(digest_id, followed.progress)
            self._end(digest_id)

    def _begin(self, digest_id: int) -> _Followed | None:
        """Follow from what the books say, with what was just written in them."""
        if (found := self._books(digest_id)) is not None:
            progress = Progress(found, self._clock)
            self._followed[digest_id] = _Followed(progress, self._clock())
        return self._followed.get(digest_id)

    def _add(self, digest_id: int, progress: Progress, tried: Sequence[Settlement]) -> bool:
        """Add what was tried here, asking the books now and then; whether all is tried now."""
        was_going = progress.untried > 0
        progress.add(len(tried), sum(one.state is DeliveryState.SENT for one in tried))
        seems_over = was_going and not progress.untried
        if progress.is_old or seems_over:
            self._correct(digest_id, progress)
        return seems_over and not progress.untried

    def _correct(self, digest_id: int, progress: Progress) -> None:
        began = self._clock()
        if (found := self._books(digest_id)) is not None:
            progress.correct(found, self._clock() - began)

    def _end(self, digest_id: int) -> None:
        followed = self._followed.pop(digest_id)
        if followed.moved:
            self._ended(followed.progress)

    def _books(self, digest_id: int) -> books.Books | None:
        """The books of a digest; None if they cannot be read, which must not stop the sending."""
        try:
            with self._engine.connect() as conn:
                (found,) = books.of_digests(conn, digest_id, now=self._now())
        except SQLAlchemyError as error:
            log.warning("cannot count what was sent: %s", explain(error))
            return None
        return found


def was_tried(settlement: Settlement) -> bool:
    """Whether the mail was under way, and not given back unsent: then nothing took any time."""
    return settlement.state is not DeliveryState.DEFERRED or settlement.seconds > 0
