"""Real processes that send to real readers, killed at any moment, and the ledger that remembers.

The server sees all that the processes do, so it is the clock of the murders: a process dies
when the server meets the k-th command after the round began. All of it is drawn from one
seed. Time goes on by the file that the processes read the time from.
"""

import os
import signal
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from time import monotonic, sleep
from typing import Self

from sqlalchemy import Engine, and_, func, or_, select

from tests.acceptance.conftest import Trendbot
from tests.acceptance.sending import add_readers, freeze_digest
from tests.rawscript import Moment
from tests.rawsmtpd import RawSmtpd
from trendbot import compose, deliver
from trendbot.model import Cadence, DeliveryState
from trendbot.store import books, deliveries
from trendbot.store.schema import deliveries as rows

# Later than any day these tests run: PostgreSQL compares when a job is due with its own clock.
BEGIN = datetime(2100, 1, 1, tzinfo=UTC)
FIRST_DAY = date(2100, 1, 1)
CONNECTIONS = 4
# Copies too many for each process that dies: one group, and what the connections had in hand.
AT_RISK = deliver.LARGEST_GROUP + 3 * CONNECTIONS
SECRET = "a-secret-of-sixteen-characters"
SENDER = "digest@papers.example.org"
PATIENCE = 60

SETTINGS = """
[database]
url = "{database}"
[mail]
sender = "{sender}"
transport = "smtp"
lease = "{lease}"
max_age = "3650d"
[mail.smtp]
host = "127.0.0.1"
port = {port}
tls = "none"
connections = {connections}
timeout = 5
[web]
secret_key = "{secret}"
"""


@dataclass
class Office:
    """A trendbot with readers, digests to mail, and a clock in a file."""

    engine: Engine
    trendbot: Trendbot
    server: RawSmtpd
    readers: list[str]
    now: datetime = BEGIN
    days: dict[int, date] = field(default_factory=dict)

    @classmethod
    def open(
        cls, engine: Engine, home: Path, server: RawSmtpd, readers: int, lease: str = "10h"
    ) -> "Office":
        settings = SETTINGS.format(
            database=engine.url.render_as_string(hide_password=False),
            sender=SENDER,
            lease=lease,
            port=server.port,
            connections=CONNECTIONS,
            secret=SECRET,
        )
        (home / "trendbot.toml").write_text(settings)
        addresses = [f"reader{n}@example.org" for n in range(readers)]
        add_readers(engine, addresses)
        office = cls(engine, Trendbot(home, "@clock", {"QUICK": "1"}), server, addresses)
        office.pass_time(timedelta())
        return office

    def wait(self) -> None:
        """Let it be when the next mail is due."""
        with self.engine.connect() as conn:
            due = books.next_due(conn)
        self.pass_time(max(timedelta(seconds=1), (due or self.now) - self.now))

    def pass_time(self, by: timedelta) -> None:
        """Let it be later for everybody."""
        self.now += by
        new = self.trendbot.home / "clock.new"
        new.write_text(self.now.isoformat())
        new.replace(self.trendbot.home / "clock")

    def plan_digest(self) -> None:
        """One more digest for everybody."""
        day = FIRST_DAY + timedelta(days=len(self.days))
        digest = freeze_digest(self.engine, day)
        assert deliver.plan(self.engine, digest, self.now) == len(self.readers)
        self.days[digest.id] = day

    def open_batches(self) -> int:
        """How many batches are not done."""
        with self.engine.connect() as conn:
            return len(deliveries.open_batches(conn))

    def due(self) -> int:
        """How many mails are being sent, or could be now."""
        in_work = and_(
            rows.c.state.in_([DeliveryState.PENDING, DeliveryState.SENDING]),
            rows.c.next_at.is_(None),  # not waiting for its reader's hour
        )
        with self.engine.connect() as conn:
            return (
                conn.scalar(select(func.count()).where(or_(in_work, rows.c.next_at <= self.now)))
                or 0
            )

    def unwritten(self) -> set[str]:
        """The Message-IDs the server took and the database does not know as sent."""
        with self.engine.connect() as conn:
            sent = conn.execute(
                select(rows.c.digest_id, rows.c.subscriber_id).where(
                    rows.c.state == DeliveryState.SENT
                )
            ).all()
        known = {self._message_id(digest_id, reader) for digest_id, reader in sent}
        return {copy.message_id for copy in self.server.taken} - known

    def copies(self) -> Counter[str]:
        """How many copies of each mail there are, by Message-ID."""
        return Counter(copy.message_id for copy in self.server.taken)

    def too_many(self) -> int:
        """How many copies are more than one."""
        return len(self.server.taken) - len(self.copies())

    def states(self) -> Counter[str]:
        """How many deliveries are in each state."""
        with self.engine.connect() as conn:
            return Counter(conn.scalars(select(rows.c.state)))

    def check(self) -> None:
        """Everybody has every digest, is in the books as sent, and the books balance."""
        with self.engine.connect() as conn:
            for of in books.of_digests(conn, limit=len(self.days)):
                assert of.counts == {DeliveryState.SENT: len(self.readers)}
                assert of.balanced
            assert deliveries.open_batches(conn) == []
            pairs = conn.execute(select(rows.c.digest_id, rows.c.subscriber_id)).all()
        assert len(pairs) == len(self.days) * len(self.readers)
        copies = self.copies()
        lost = [pair for pair in pairs if not copies.pop(self._message_id(*pair), 0)]
        assert lost == []
        assert not copies  # nothing but what was planned
        got = defaultdict(set)
        for copy in self.server.taken:
            got[copy.recipient].add(copy.message_id)
        assert {len(ids) for ids in got.values()} == {len(self.days)}
        assert self.server.breaches == []

    def _message_id(self, digest_id: int, reader: int) -> str:
        return compose.message_id(SECRET, Cadence.DAILY, self.days[digest_id], reader, SENDER)


class Workers:
    """Three workers, asked to leave in the end."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self.processes = [self._begin(number) for number in range(3)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if error[0] is None:
                wait_until(self.all_listen, "every worker at work")
                assert self._leave() == [0, 0, 0]
        finally:
            for process in self.processes:
                process.kill()
                process.join()
                process.close()

    def all_listen(self) -> bool:
        """Whether every worker is far enough to hear that it should leave."""
        files = [self._office.trendbot.home / f"err-{number}" for number in range(3)]
        return all(file.exists() and "taking batches" in file.read_text() for file in files)

    def _leave(self) -> list[int | None]:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.join(20)
        return [process.exitcode for process in self.processes]

    def _begin(self, number: int) -> ForkServerProcess:
        return self._office.trendbot.begin("worker", NAME=f"-{number}")

    def replace(self, number: int) -> None:
        """Another one for one that was killed."""
        dead = self.processes[number]
        dead.join(20)
        assert dead.exitcode == -signal.SIGKILL
        dead.close()
        self.processes[number] = self._begin(number)

    def finish(self, lease: timedelta | None = None) -> None:
        """Wait until all is sent; the time passes when all waits for it.

        With `lease` it also passes by that much when nothing happened for a second: what
        a living process has lost sight of is free when its lease ends.
        """
        office, seen, since = self._office, (0, Counter[str]()), monotonic()

        def finished() -> bool:
            nonlocal seen, since
            now = (len(office.server.moments), office.states())
            if now != seen:
                seen, since = now, monotonic()
            if not office.due() and office.open_batches():
                office.wait()
            elif lease and monotonic() - since > 1:
                office.pass_time(lease + timedelta(seconds=1))
                since = monotonic()
            return not office.open_batches()

        wait_until(finished, "all is sent")


class Murder:
    """Kills a process when the server meets its k-th command from now, or a moment later."""

    def __init__(self, server: RawSmtpd, command: int, delay: float = 0.0) -> None:
        self._left = command
        self._delay = delay
        self._victim: ForkServerProcess | None = None
        self._known = threading.Event()
        self._timer = threading.Timer(delay, self._strike)
        self.done = threading.Event()
        server.watch = self._count
        if command <= 0:
            self._timer.start()

    def choose(self, victim: ForkServerProcess) -> None:
        """Say who it is; nobody dies before."""
        self._victim = victim
        self._known.set()

    def call_off(self) -> None:
        """Nobody dies any more."""
        self._left = -1
        self._timer.cancel()

    def _count(self, moment: Moment) -> None:
        self._left -= 1
        if self._left == 0:
            if self._delay:
                self._timer.start()
            else:
                self._strike()

    def _strike(self) -> None:
        assert self._known.wait(PATIENCE)
        assert self._victim is not None
        assert self._victim.pid
        with suppress(ProcessLookupError):  # done before it could be
            os.kill(self._victim.pid, signal.SIGKILL)
        self.done.set()


def wait_until(done: Callable[[], object], what: str) -> None:
    """Ask again and again until something is so."""
    end = monotonic() + PATIENCE
    while not done():
        assert monotonic() < end, f"never: {what}"
        sleep(0.02)
