"""What else can happen in the middle of a run: asleep past the lease, no disk, no database.

Nobody is lost, and the copies too many are at most what was under way.
"""

import os
import resource
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, select, text

from tests.acceptance.killing import AT_RISK, CONNECTIONS, Office, Workers, wait_until
from tests.conftest import Server
from tests.rawscript import HOLD, Act, Moment
from tests.rawsmtpd import RawSmtpd
from trendbot import deliver
from trendbot.model import DeliveryState
from trendbot.store.engine import connect, open_store
from trendbot.store.schema import deliveries as rows
from trendbot.store.schema import subscribers as people

READERS = 120
LEASE = timedelta(minutes=15)


@pytest.fixture
def server() -> Iterator[RawSmtpd]:
    with RawSmtpd() as server:
        yield server


@pytest.fixture
def office(engine: Engine, tmp_path: Path, server: RawSmtpd) -> Office:
    """A digest planned for everybody, nothing sent."""
    office = Office.open(engine, tmp_path, server, READERS, lease="15m")
    office.plan_digest()
    return office


def hold_after(mails: int) -> Callable[[Moment], Act | None]:
    """Keep the replies to all final dots back after so many mails of a connection."""
    return lambda moment: HOLD if moment.mails >= mails else None


def finish(office: Office) -> None:
    """Run commands, and let the time pass, until all is done."""
    while office.open_batches():
        office.trendbot("deliver")
        office.wait()
    office.check()


def pid(process: ForkServerProcess) -> int:
    assert process.pid
    return process.pid


# Asleep


def stop_between_transactions(office: Office, process: ForkServerProcess) -> None:
    """In the middle of one, SQLite would wait for the sleeper, as it must."""

    def asleep() -> bool:
        os.kill(pid(process), signal.SIGSTOP)
        if nobody_writes(office):
            return True
        os.kill(pid(process), signal.SIGCONT)
        return False

    wait_until(asleep, "a pause between two transactions")


def nobody_writes(office: Office) -> bool:
    if office.engine.dialect.name == "sqlite":
        with closing(sqlite3.connect(office.trendbot.home / "trendbot.db", timeout=0)) as conn:
            try:
                conn.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
        return True
    with office.engine.connect() as conn:
        others = text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND state <> 'idle'"
        )
        return bool(conn.scalar(others) == 0)


@pytest.mark.parametrize(
    ("mails", "database_url"),
    [(0, "sqlite"), (3, "postgresql"), (12, "sqlite"), (12, "postgresql")],
    indirect=["database_url"],
)
def test_a_process_that_sleeps_past_its_lease(mails: int, office: Office, server: RawSmtpd) -> None:
    """Another takes over; the sleeper wakes up to claims that are not its own any more."""
    server.play({"DOT": hold_after(mails)})
    sleeper = office.trendbot.begin("deliver", NAME="-sleeper")
    server.wait_until(lambda: len(server.taken) >= CONNECTIONS * (mails + 1), "all lines wait")
    stop_between_transactions(office, sleeper)
    server.play({})
    server.release()
    try:
        office.trendbot("deliver")
        assert office.states()[DeliveryState.SENDING] > 0
        office.pass_time(LEASE + timedelta(seconds=1))
        office.trendbot("deliver")
        assert office.states()[DeliveryState.SENDING] == 0
        office.wait()
        office.trendbot("deliver")
    finally:
        os.kill(pid(sleeper), signal.SIGCONT)
    sleeper.join(30)
    assert sleeper.exitcode == 0, (office.trendbot.home / "err-sleeper").read_text()
    sleeper.close()
    finish(office)
    assert office.too_many() <= AT_RISK


# No disk


def fill_disk(office: Office, process: ForkServerProcess) -> None:
    """From now on the process can write nothing down."""
    if office.engine.dialect.name == "sqlite":
        quota = (office.trendbot.home / "trendbot.db-wal").stat().st_size
        resource.prlimit(pid(process), resource.RLIMIT_FSIZE, (quota, resource.RLIM_INFINITY))
        return
    with office.engine.begin() as conn:
        conn.execute(
            text(
                "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE "
                "EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full'; END $$"
            )
        )
        conn.execute(
            text(
                "CREATE TRIGGER full_disk BEFORE UPDATE ON deliveries "
                "FOR EACH STATEMENT EXECUTE FUNCTION full_disk()"
            )
        )


def free_disk(office: Office, process: ForkServerProcess) -> None:
    if office.engine.dialect.name == "sqlite":
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(pid(process), resource.RLIMIT_FSIZE, unlimited)
        return
    make_room(office.engine)


def make_room(engine: Engine) -> None:
    with engine.begin() as conn:
        conn.execute(text("DROP TRIGGER IF EXISTS full_disk ON deliveries"))
        conn.execute(text("DROP FUNCTION IF EXISTS full_disk"))


@pytest.fixture
def disk(office: Office) -> Iterator[None]:
    """The database is shared by tests: none leaves it full."""
    yield
    if office.engine.dialect.name == "postgresql":
        make_room(office.engine)


@contextmanager
def stuck_without_space(
    office: Office, server: RawSmtpd, retries: int
) -> Iterator[ForkServerProcess]:
    """A process whose disk is full while its mails are under way."""
    server.play({"DOT": hold_after(2)})
    process = office.trendbot.begin("deliver", RETRIES=str(retries))
    server.wait_until(lambda: len(server.taken) >= CONNECTIONS * 3, "all lines wait")
    fill_disk(office, process)
    server.release()
    yield process
    process.join(60)
    process.close()


def test_a_full_disk_stops_the_run_before_what_cannot_be_written_down(
    office: Office, server: RawSmtpd, disk: None
) -> None:
    with stuck_without_space(office, server, retries=2) as process:
        process.join(60)
        assert process.exitcode == 1
        assert "disk" in (office.trendbot.home / "err").read_text()
    unwritten = office.unwritten()
    assert CONNECTIONS * 3 <= len(server.taken) < READERS
    assert 0 < len(unwritten) <= AT_RISK
    # Tried again while it is full, nothing more leaves.
    before = len(server.taken)
    office.trendbot("deliver", status=1, RETRIES="2", QUOTA="4096")
    assert len(server.taken) == before
    if office.engine.dialect.name == "postgresql":
        make_room(office.engine)
    finish(office)
    assert office.too_many() <= len(unwritten)


def test_space_that_comes_back_in_time_costs_nothing(
    office: Office, server: RawSmtpd, disk: None
) -> None:
    with stuck_without_space(office, server, retries=200) as process:
        said = office.trendbot.home / "err"
        wait_until(lambda: "cannot write" in said.read_text(), "trouble")
        free_disk(office, process)
        process.join(60)
        assert process.exitcode == 0, said.read_text()
    office.check()
    assert office.too_many() == 0


# No database


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_of_the_database_under_three_workers(
    mode: str,
    restartable: Server,
    tmp_path: Path,
    server: RawSmtpd,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deliver, "BATCH_SIZE", READERS // 4)
    url = restartable.url.render_as_string(hide_password=False)
    open_store(url, tmp_path).dispose()
    engine = connect(url, tmp_path)
    try:
        office = Office.open(engine, tmp_path, server, READERS, lease="15m")
        office.plan_digest()
        server.play({"DOT": hold_after(2)})
        with Workers(office) as workers:
            wait_until(workers.all_listen, "every worker at work")  # who only starts gives up
            server.wait_until(lambda: len(server.taken) >= 3 * CONNECTIONS * 2, "mails under way")
            engine.dispose()
            restartable.restart(mode)
            server.release()
            workers.finish(LEASE)
        office.check()
        assert office.too_many() <= 3 * AT_RISK
    finally:
        engine.dispose()


# Gone in the middle of it


def test_who_leaves_before_the_claim_gets_nothing(office: Office, server: RawSmtpd) -> None:
    last = office.readers[-1]
    server.play({"DOT": HOLD})
    process = office.trendbot.begin("deliver", NAME="-sender")
    server.wait_until(lambda: bool(server.taken), "a mail under way")
    with office.engine.connect() as conn:
        assert state_of(conn, last) == DeliveryState.PENDING
    office.trendbot("unsubscribe", last)
    server.release()
    process.join(60)
    assert process.exitcode == 0
    process.close()
    assert server.copies() == dict.fromkeys(office.readers[:-1], 1)
    with office.engine.connect() as conn:
        assert state_of(conn, last) == DeliveryState.SUPPRESSED
    (of,) = office.trendbot.document("status")["digests"]
    assert (of["sent"], of["suppressed"], of["balanced"]) == (READERS - 1, 1, True)


def state_of(conn: Connection, reader: str) -> str | None:
    return conn.scalar(
        select(rows.c.state)
        .join(people, people.c.id == rows.c.subscriber_id)
        .where(people.c.email == reader)
    )
