"""`trendbot worker` as processes: they share, leave in time, and outlive PostgreSQL's restarts."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from tests.acceptance.conftest import Trendbot
from tests.acceptance.killing import Office, wait_until
from tests.conftest import Server
from tests.rawscript import HANG
from tests.rawsmtpd import RawSmtpd
from trendbot import deliver
from trendbot.store.engine import open_store
from trendbot.store.schema import subscribers

READERS = 200
STOP_SECONDS = 10


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that there is something to share."""
    monkeypatch.setattr(deliver, "BATCH_SIZE", READERS // 10)


@contextmanager
def at_work(office: Office, *names: str) -> Iterator[dict[str, ForkServerProcess]]:
    """Workers that do not outlive the test."""
    workers = {name: office.trendbot.begin("worker", NAME=f"-{name}") for name in names}
    try:
        yield workers
    finally:
        for worker in workers.values():
            worker.kill()
            worker.join()
            worker.close()


def said(office: Office, name: str) -> str:
    """What a worker has logged so far."""
    log = office.trendbot.home / f"err-{name}"
    return log.read_text() if log.exists() else ""


def ask_to_leave(office: Office, name: str, worker: ForkServerProcess) -> str:
    """Ask a worker to leave; returns what it said to the end."""
    worker.terminate()
    worker.join(STOP_SECONDS)
    log = said(office, name)
    assert worker.exitcode == 0, log
    assert "Traceback" not in log
    return log


def test_two_share_and_one_that_leaves_leaves_no_mail_in_doubt(
    emptied_postgresql: Engine, tmp_path: Path
) -> None:
    with RawSmtpd(delay=0.01) as server:
        office = Office.open(emptied_postgresql, tmp_path, server, READERS)
        with at_work(office, "first", "second") as workers:
            wait_until(lambda: all("taking" in said(office, one) for one in workers), "workers")
            office.plan_digest()
            wait_until(lambda: len(server.taken) >= READERS // 4, "a quarter of the mails")
            first = ask_to_leave(office, "first", workers["first"])
            assert office.open_batches()
            wait_until(lambda: not office.open_batches(), "all mails")
            second = ask_to_leave(office, "second", workers["second"])
        office.check()
    assert office.too_many() == 0
    for log in (first, second):
        assert "sent" in log
        assert log.rstrip().endswith("stopped")


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_postgresql_is_restarted_while_mails_are_sent(
    restartable: Server, tmp_path: Path, mode: str
) -> None:
    engine = open_store(restartable.url.render_as_string(hide_password=False), tmp_path)
    with RawSmtpd(delay=0.01) as server:
        office = Office.open(engine, tmp_path, server, READERS)
        office.plan_digest()
        with at_work(office, "first", "second") as workers:
            wait_until(lambda: len(server.taken) >= READERS // 4, "a quarter of the mails")
            restartable.restart(mode)
            wait_until(lambda: not office.open_batches(), "all mails")
            for name, worker in workers.items():
                ask_to_leave(office, name, worker)
        office.check()
    assert office.too_many() == 0  # nobody died, and what was sent could be written down later
    engine.dispose()


def test_mails_wait_for_their_readers_hour(emptied_postgresql: Engine, tmp_path: Path) -> None:
    with RawSmtpd() as server:
        office = Office.open(emptied_postgresql, tmp_path, server, READERS)
        with emptied_postgresql.begin() as conn:
            later = update(subscribers).where(subscribers.c.id > READERS // 2 + 5)
            conn.execute(later.values(hour=5))
        office.plan_digest()
        with at_work(office, "first", "second") as workers:
            wait_until(lambda: office.due() == 0, "those without an hour")
            assert len(server.taken) == READERS // 2 + 5
            office.pass_time(timedelta(hours=5))
            wait_until(lambda: not office.open_batches(), "all mails")
            for name, worker in workers.items():
                ask_to_leave(office, name, worker)
        office.check()
    assert office.too_many() == 0


def test_a_mail_server_that_hangs_does_not_keep_a_worker(
    emptied_postgresql: Engine, tmp_path: Path
) -> None:
    with RawSmtpd({"DOT #1": HANG}) as server:
        office = Office.open(emptied_postgresql, tmp_path, server, 1)
        office.plan_digest()
        office.trendbot.environment["STOP_WITHIN"] = "0.5"
        with at_work(office, "only") as workers:
            server.wait_for("DOT reader0@example.org")
            log = ask_to_leave(office, "only", workers["only"])
        assert "another worker goes on from there" in log


def test_on_sqlite_there_is_nothing_to_share(tmp_path: Path) -> None:
    (tmp_path / "trendbot.toml").write_text('[database]\nurl = "sqlite:///trendbot.db"\n')
    (line,) = Trendbot(tmp_path)("worker", status=2).splitlines()
    assert "PostgreSQL" in line
    assert "database.url" in line
