"""What a process tells of its work: figures for Prometheus, and the line a minute."""

import logging
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, create_engine, delete, update

from tests.conftest import address_of
from tests.digests import MADE, planned
from trendbot.deliver import Dispatch, Watch, drain
from trendbot.errors import SettingsError, TransportError
from trendbot.health import Asked
from trendbot.model import (
    DeliveryState,
    Digest,
    Limits,
    Mail,
    Outcome,
)
from trendbot.progress import Progress
from trendbot.settings import MailSection, Site
from trendbot.store import hosts, runs
from trendbot.store.deliveries import Settlement
from trendbot.store.schema import deliveries as rows
from trendbot.store.schema import digests as frozen
from trendbot.telemetry import Follower, Telemetry, was_tried

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
DAY = date(2026, 11, 19)
GONE = "http://127.0.0.1:{}/metrics"


@dataclass
class Clock:
    """A monotonic clock that goes on with each mail."""

    now: float = 500.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Postbox:
    """A transport that takes every mail, with other outcomes for some."""

    clock: Clock
    answers: dict[int, Outcome] = field(default_factory=dict)
    refuses: bool = False
    seconds: float = 0.1
    repeatable: bool = False
    limits: Limits = field(default_factory=Limits)
    sent: list[Mail] = field(default_factory=list)

    def send(self, mails: Iterable[Mail]) -> Iterator[Outcome]:
        for mail in mails:
            if self.refuses:
                raise TransportError("535 wrong password")
            self.sent.append(mail)
            self.clock.now += self.seconds
            state = self.answers.get(len(self.sent))
            yield state or Outcome(mail.id, DeliveryState.SENT, 250, "ok", self.seconds)

    def close(self) -> None:
        pass

    def check(self) -> str:
        return "here"


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLite: what differs between databases is tested in the store."""
    return address_of("sqlite", request, tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def postbox(clock: Clock) -> Postbox:
    return Postbox(clock)


@pytest.fixture
def digest(engine: Engine) -> Digest:
    """A digest of a day, planned for 120 subscribers."""
    return planned(engine, DAY, 120)


class Sending(NamedTuple):
    """How to send what is due, watched by somebody."""

    engine: Engine
    postbox: Postbox

    def __call__(self, watch: Watch) -> None:
        dispatch = Dispatch(
            self.engine,
            self.postbox,
            Site(),
            MailSection(),
            "a-secret-of-sixteen-characters",
            lambda: NOW,
            watch=watch,
        )
        drain(dispatch)


@pytest.fixture
def send(engine: Engine, postbox: Postbox) -> Sending:
    return Sending(engine, postbox)


def figures(telemetry: Telemetry) -> dict[str, float]:
    """All samples as Prometheus reads them, for example `trendbot_mails_total{sent}`."""
    found = {}
    for family in text_string_to_metric_families(telemetry.exposition().decode()):
        for sample in family.samples:
            labels = ",".join(sample.labels.values())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def settlement(
    number: int = 1, state: DeliveryState = DeliveryState.SENT, seconds: float = 0.0
) -> Settlement:
    return Settlement(number, state, None, 1, 0, 0, 0, "", seconds)


def test_every_outcome_and_its_time_is_counted(engine: Engine, digest: Digest) -> None:
    telemetry = Telemetry(engine, lambda: MADE)
    assert figures(telemetry)["trendbot_mails_total{sent}"] == 0
    telemetry.watch(digest, [])
    telemetry.watch(
        digest,
        [
            settlement(1, seconds=0.02),
            settlement(2, seconds=400),
            settlement(3, DeliveryState.FAILED, seconds=0.004),
            settlement(4, DeliveryState.SUPPRESSED, seconds=0.004),
            settlement(5, DeliveryState.UNCERTAIN, seconds=600),
            settlement(6, DeliveryState.DEFERRED, seconds=0.3),
            settlement(7, DeliveryState.DEFERRED),  # given back, never under way
        ],
    )
    found = figures(telemetry)
    assert {name: count for name, count in found.items() if "mails_total" in name} == {
        "trendbot_mails_total{sent}": 2,
        "trendbot_mails_total{deferred}": 1,
        "trendbot_mails_total{failed}": 1,
        "trendbot_mails_total{uncertain}": 1,
        "trendbot_mails_total{suppressed}": 1,
    }
    assert found["trendbot_mail_seconds_count"] == 6
    assert found["trendbot_mail_seconds_sum"] == pytest.approx(1_000.328)
    assert found["trendbot_mail_seconds_bucket{0.005}"] == 2
    assert found["trendbot_mail_seconds_bucket{600.0}"] == 6


def test_what_was_given_back_was_not_tried() -> None:
    assert was_tried(settlement())  # a mailbox folder takes no time
    assert was_tried(settlement(state=DeliveryState.DEFERRED, seconds=0.1))
    assert not was_tried(settlement(state=DeliveryState.DEFERRED))


def test_two_processes_in_one_keep_their_figures_apart(engine: Engine, digest: Digest) -> None:
    one, other = Telemetry(engine, lambda: MADE), Telemetry(engine, lambda: MADE)
    one.watch(digest, [settlement()])
    assert figures(one)["trendbot_mails_total{sent}"] == 1
    assert figures(other)["trendbot_mails_total{sent}"] == 0
    assert any(name.startswith("trendbot_build_info{") for name in figures(one))


def test_the_gauges_are_what_the_books_say_when_asked(
    engine: Engine, digest: Digest, send: Sending, postbox: Postbox
) -> None:
    telemetry = Telemetry(engine, lambda: MADE)
    before = figures(telemetry)
    assert before["trendbot_database_up"] == 1
    assert before["trendbot_deliveries_open{daily}"] == 120
    assert before["trendbot_deliveries_open{weekly}"] == 0
    postbox.answers[120] = Outcome(120, DeliveryState.DEFERRED, 451, "later", 0.1)
    send(telemetry.watch)
    after = figures(telemetry)
    assert after["trendbot_deliveries_open{daily}"] == 1
    assert after["trendbot_digests_unbalanced"] == 0
    assert after["trendbot_digests_stopped"] == 0
    assert after["trendbot_mails_total{sent}"] == 119


def test_books_that_do_not_balance_are_seen(engine: Engine, digest: Digest) -> None:
    with engine.begin() as conn:
        conn.execute(delete(rows).where(rows.c.subscriber_id == 7))
    assert figures(Telemetry(engine, lambda: MADE))["trendbot_digests_unbalanced"] == 1


def test_a_digest_the_server_refused_is_seen_and_counted(
    engine: Engine, digest: Digest, send: Sending, postbox: Postbox
) -> None:
    telemetry = Telemetry(engine, lambda: MADE)
    postbox.refuses = True
    counted = telemetry.counted()(send.__call__)
    for _ in range(2):
        with pytest.raises(TransportError, match="wrong password"):
            counted(telemetry.watch)
        with engine.begin() as conn:
            conn.execute(update(frozen).values(resume_at=None))
    found = figures(telemetry)
    assert found["trendbot_refusals_total"] == 2
    assert found["trendbot_digests_stopped"] == 1
    assert found["trendbot_mails_total{deferred}"] == 0


def test_without_a_database_the_counters_are_told_all_the_same(
    engine: Engine, digest: Digest, caplog: pytest.LogCaptureFixture
) -> None:
    telemetry = Telemetry(engine, lambda: MADE)
    telemetry.watch(digest, [settlement()])
    with engine.begin() as conn:
        conn.exec_driver_sql("ALTER TABLE digests RENAME TO gone")
    try:
        found = figures(telemetry)
    finally:
        with engine.begin() as conn:
            conn.exec_driver_sql("ALTER TABLE gone RENAME TO digests")
    assert found["trendbot_database_up"] == 0
    assert found["trendbot_mails_total{sent}"] == 1
    assert "trendbot_digests_unbalanced" not in found
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_worker_answers_prometheus_until_it_ends(engine: Engine, digest: Digest) -> None:
    telemetry = Telemetry(engine, lambda: MADE)
    telemetry.watch(digest, [settlement()])
    with telemetry.served("127.0.0.1", 0) as port:
        answer = requests.get(GONE.format(port), timeout=5)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert 'trendbot_mails_total{state="sent"} 1.0' in answer.text
    with pytest.raises(requests.ConnectionError):
        requests.get(GONE.format(port), timeout=5)


def test_a_port_that_is_taken_is_an_error_of_settings(engine: Engine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(SettingsError, match=f"127.0.0.1 port {port}: .*--metrics-port"),
            Telemetry(engine, lambda: MADE).served("127.0.0.1", port),
        ):
            pass


class Told:
    """What a follower says."""

    def __init__(self, engine: Engine, clock: Clock, every: float) -> None:
        self.going: list[str] = []
        self.ended: list[str] = []
        self.follower = Follower(engine, lambda: MADE, self._go, self._end, every, clock)

    def _go(self, progress: Progress) -> None:
        self.going.append(progress.line)

    def _end(self, progress: Progress) -> None:
        self.ended.append(progress.ending)


def test_a_line_a_minute_and_one_at_the_end(
    engine: Engine, digest: Digest, send: Sending, postbox: Postbox, clock: Clock
) -> None:
    told = Told(engine, clock, every=20)
    postbox.seconds = 0.5
    send(told.follower)
    assert len(told.going) in (1, 2)  # at most one in 20 seconds, and one group is up to 25
    for line in told.going:
        assert line.startswith("daily digest of 2026-11-19: ")
        assert line.endswith(" of 120 sent, 2 a second, less than a minute left")
    assert told.ended == ["daily digest of 2026-11-19: 120 of 120 sent"]
    told.follower.close()
    assert len(told.ended) == 1


def test_a_short_run_says_its_end_alone(
    engine: Engine, digest: Digest, send: Sending, clock: Clock
) -> None:
    told = Told(engine, clock, every=60)
    send(told.follower)
    assert (told.going, len(told.ended)) == ([], 1)


def test_nothing_is_said_where_nothing_was_due(
    engine: Engine, digest: Digest, send: Sending, postbox: Postbox, clock: Clock
) -> None:
    postbox.answers[120] = Outcome(120, DeliveryState.DEFERRED, 451, "later", 0.1)
    send(Told(engine, clock, every=60).follower)
    again = Told(engine, clock, every=60)
    send(again.follower)
    again.follower.close()
    assert (again.going, again.ended) == ([], [])


def test_a_run_that_stops_says_how_far_it_came(
    engine: Engine, digest: Digest, send: Sending, postbox: Postbox, clock: Clock
) -> None:
    told = Told(engine, clock, every=60)
    send(lambda found, settled: told.follower(found, settled[:10] if settled else []))
    told.follower.close()
    assert len(told.ended) == 1


def test_others_who_send_are_counted(engine: Engine, digest: Digest, clock: Clock) -> None:
    told = Told(engine, clock, every=0)
    told.follower(digest, [])
    with engine.begin() as conn:
        conn.execute(update(rows).where(rows.c.subscriber_id <= 100).values(state="sent"))
    clock.now += 9
    told.follower(digest, [settlement(111)])
    assert told.going[-1].startswith("daily digest of 2026-11-19: 1 of 120 sent")
    clock.now += 1
    told.follower(digest, [settlement(112)])
    assert told.going[-1] == (
        "daily digest of 2026-11-19: 100 of 120 sent, 10 a second, less than a minute left"
    )


def test_what_was_tried_here_last_may_not_be_all(
    engine: Engine, digest: Digest, clock: Clock
) -> None:
    """Others still have some in hand: the end is theirs to tell."""
    told = Told(engine, clock, every=60)
    told.follower(digest, [])
    with engine.begin() as conn:
        conn.execute(update(rows).where(rows.c.subscriber_id <= 119).values(state="sent"))
    told.follower(digest, [settlement(number) for number in range(120)])
    assert told.ended == []
    with engine.begin() as conn:
        conn.execute(update(rows).values(state="sent"))
    told.follower(digest, [settlement(120)])
    assert told.ended == ["daily digest of 2026-11-19: 120 of 120 sent"]


def test_books_that_cannot_be_read_do_not_stop_the_sending(
    engine: Engine,
    digest: Digest,
    send: Sending,
    postbox: Postbox,
    clock: Clock,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = Told(create_engine(f"sqlite:///{tmp_path}/no/such.db"), clock, every=0)
    send(told.follower)
    told.follower.close()
    assert len(postbox.sent) == 120
    assert told.going == told.ended == []
    assert "cannot count what was sent: " in caplog.text


def test_the_daemon_logs_it(
    engine: Engine, digest: Digest, send: Sending, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.INFO, "trendbot"),
        Telemetry(engine, lambda: MADE).logged() as watch,
    ):
        send(watch)
    assert caplog.messages == ["daily digest of 2026-11-19: 120 of 120 sent"]


def test_how_sources_fare_is_told_when_asked(engine: Engine) -> None:
    hour = timedelta(hours=1)
    asked = [Asked("source", "arxiv", hour, hour, frozenset({"arxiv.org"}))]
    telemetry = Telemetry(engine, lambda: MADE, lambda: asked)
    assert figures(telemetry)["trendbot_source_state{arxiv,never asked}"] == 1
    with engine.begin() as conn:
        run = runs.start(conn, "source", "arxiv", MADE.date(), MADE.date(), MADE)
        runs.finish(conn, run, "ok", 5, "", MADE)
        hosts.failed(conn, "arxiv.org", "fell silent", True, MADE)
    found = figures(telemetry)
    assert found["trendbot_source_last_success_timestamp_seconds{arxiv}"] == MADE.timestamp()
    assert found["trendbot_source_state{arxiv,ok}"] == 1
    assert found["trendbot_host_failures{arxiv.org}"] == 1
