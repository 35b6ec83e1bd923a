"""A worker calls for every batch, whatever dies: another worker, the database, the call itself."""

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, func, insert, select, text, update
from sqlalchemy.exc import OperationalError

from tests.conftest import Server
from trendbot import jobs
from trendbot.errors import TransportError
from trendbot.store.engine import open_store
from trendbot.store.schema import batches, digests

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
QUICK = jobs.Times(
    poll_every=0.02, heartbeat_every=0.1, stalled_after=5, sweep_every=0.1, pause=0.1, stop_within=4
)
PATIENCE = 30


@dataclass
class Desk:
    """Marks batches as done, in place of mailing them, and keeps which, and in which thread."""

    engine: Engine
    trouble: dict[int, Exception] = field(default_factory=dict)
    calls: SimpleQueue[tuple[int, int | None]] = field(default_factory=SimpleQueue)

    def __call__(self, batch_id: int) -> None:
        self.calls.put((batch_id, threading.current_thread().ident))
        if error := self.trouble.pop(batch_id, None):
            raise error
        with self.engine.begin() as conn:
            conn.execute(update(batches).where(batches.c.id == batch_id).values(done_at=NOW))

    def called(self, times: int) -> list[int]:
        """The next so many batches that were called for."""
        return [self.calls.get(timeout=PATIENCE)[0] for _ in range(times)]


@pytest.fixture
def engine(emptied_postgresql: Engine) -> Engine:
    return emptied_postgresql


@pytest.fixture
def desk(engine: Engine) -> Desk:
    return Desk(engine)


def planned(conn: Connection, number: int) -> list[int]:
    """Batches of a digest, without jobs."""
    days = dict.fromkeys(("date", "since", "until"), NOW.date())
    moments = dict.fromkeys(("counted_at", "made_at", "planned_at"), NOW)
    new = insert(digests).values(cadence="daily", **days, **moments).returning(digests.c.id)
    digest_id = conn.scalar(new)
    rows = [{"digest_id": digest_id, "first_id": n, "last_id": n} for n in range(number)]
    return list(conn.scalars(insert(batches).returning(batches.c.id), rows))


def deferred(engine: Engine, number: int) -> list[int]:
    with engine.begin() as conn:
        made = planned(conn, number)
        jobs.defer(conn, made)
    return made


@contextmanager
def working(
    engine: Engine, call: Callable[[int], object], now: datetime = NOW, times: jobs.Times = QUICK
) -> Iterator[threading.Event]:
    """A worker beside the test, stopped at the end."""
    stopping = threading.Event()
    with ThreadPoolExecutor(1) as thread:
        worker = thread.submit(jobs.run, engine, call, lambda: now, stopping, times)
        try:
            yield stopping
        finally:
            stopping.set()
            worker.result(PATIENCE)


def count(engine: Engine, what: str, where: str = "true") -> int:
    with engine.connect() as conn:
        return int(conn.scalar(text(f"SELECT count(*) FROM {what} WHERE {where}")) or 0)


def undone(engine: Engine) -> int:
    with engine.connect() as conn:
        query = select(func.count()).select_from(batches).where(batches.c.done_at.is_(None))
        return int(conn.scalar(query) or 0)


def test_each_batch_is_called_for_in_its_turn_and_in_one_thread(engine: Engine, desk: Desk) -> None:
    made = deferred(engine, 5)
    with working(engine, desk):
        calls = [desk.calls.get(timeout=PATIENCE) for _ in made]
    assert [batch_id for batch_id, _ in calls] == made
    assert len({thread for _, thread in calls}) == 1
    assert count(engine, "procrastinate_jobs") == count(engine, "procrastinate_events") == 0
    assert count(engine, "procrastinate_workers") == 0


def test_a_worker_is_seen_alive_while_it_waits_and_not_afterwards(
    engine: Engine, desk: Desk
) -> None:
    deferred(engine, 1)
    with working(engine, desk):
        desk.called(1)
        with engine.connect() as conn:
            assert jobs.workers_alive(conn)
    with engine.connect() as conn:
        assert not jobs.workers_alive(conn)


def test_two_workers_share_and_none_is_called_for_twice(engine: Engine) -> None:
    made = deferred(engine, 20)
    both_at_work = threading.Barrier(2, timeout=PATIENCE)
    desks = [Desk(engine), Desk(engine)]

    def call(desk: Desk, batch_id: int) -> None:
        if desk.calls.empty():
            both_at_work.wait()
        desk(batch_id)

    with working(engine, lambda n: call(desks[0], n)), working(engine, lambda n: call(desks[1], n)):
        until(lambda: undone(engine) == 0)
    called = [[desk.calls.get()[0] for _ in range(desk.calls.qsize())] for desk in desks]
    assert all(called)
    assert sorted(called[0] + called[1]) == made


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TransportError("535 wrong password"), "535 wrong password"),
        (OperationalError("SELECT", {}, Exception("gone")), "the database cannot be reached"),
    ],
)
def test_expected_trouble_is_one_line_and_the_batch_comes_back(
    engine: Engine, desk: Desk, caplog: pytest.LogCaptureFixture, error: Exception, said: str
) -> None:
    first, second = deferred(engine, 2)
    desk.trouble[first] = error
    with caplog.at_level(logging.INFO), working(engine, desk):
        assert desk.called(3) == [first, second, first]
        until(lambda: undone(engine) == 0)
    (line,) = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert line.getMessage().startswith(f"batch {first}: {said}")
    assert line.exc_info is None
    assert count(engine, "procrastinate_jobs") == 0


def test_a_mistake_of_ours_is_logged_whole_and_the_worker_lives_on(
    engine: Engine, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = deferred(engine, 2)
    desk.trouble[first] = ZeroDivisionError("ours")
    with working(engine, desk):
        assert desk.called(3) == [first, second, first]
    assert any(one.exc_info and "Error" in one.getMessage() for one in caplog.records)
    assert count(engine, "procrastinate_jobs") == 0


def test_a_call_under_way_is_waited_for(engine: Engine, desk: Desk) -> None:
    deferred(engine, 2)
    begun = threading.Event()

    def call(batch_id: int) -> None:
        begun.set()
        assert stopping.wait(PATIENCE)
        desk(batch_id)

    with working(engine, call) as stopping:
        assert begun.wait(PATIENCE)
    done = desk.calls.qsize()
    assert done in (1, 2)  # a worker may notice the stop only when it has taken the other one
    assert count(engine, "procrastinate_jobs", "status = 'todo'") == 2 - done
    assert count(engine, "procrastinate_jobs") == 2 - done


def test_a_call_that_does_not_end_is_given_up_after_a_while(engine: Engine, desk: Desk) -> None:
    deferred(engine, 1)
    begun, end = threading.Event(), threading.Event()

    def call(_batch_id: int) -> None:
        begun.set()
        assert end.wait(PATIENCE)

    with working(engine, call, times=replace(QUICK, stop_within=0.5)) as stopping:
        assert begun.wait(PATIENCE)
        stopping.set()
        until(lambda: count(engine, "procrastinate_workers") == 0)  # so that others take over
        end.set()
    assert count(engine, "procrastinate_jobs") == 0


def test_a_batch_with_nothing_due_is_not_called_for(engine: Engine, desk: Desk) -> None:
    done, waiting = deferred(engine, 2)
    with engine.begin() as conn:
        conn.execute(update(batches).where(batches.c.id == done).values(done_at=NOW))
    with working(engine, desk):
        assert desk.called(1) == [waiting]
    assert count(engine, "procrastinate_jobs") == 0


def test_the_time_that_counts_is_trendbots_and_not_the_servers(engine: Engine, desk: Desk) -> None:
    with engine.begin() as conn:
        due, later = planned(conn, 2)
        jobs.defer(conn, [due], datetime.now(UTC) + timedelta(days=1))
        jobs.defer(conn, [later], datetime.now(UTC) + timedelta(days=3))
    with working(engine, desk, now=datetime.now(UTC) + timedelta(days=2)):
        assert desk.called(1) == [due]
        until(lambda: undone(engine) == 1)
    assert count(engine, "procrastinate_jobs", "status = 'todo'") == 1


def test_one_looks_after_the_queue_at_a_time(engine: Engine) -> None:
    with engine.begin() as conn:
        planned(conn, 2)
    with engine.begin() as first, engine.begin() as second:
        second.execute(text("SET LOCAL lock_timeout = '5s'"))
        assert jobs.sweep(first, NOW) == 2
        assert jobs.sweep(second, NOW) == 0


DEAD = text(
    "WITH dead AS (INSERT INTO procrastinate_workers (last_heartbeat) "
    "VALUES (now() - interval '1 minute') RETURNING id) "
    "UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT id FROM dead)"
)
GONE = text("UPDATE procrastinate_jobs SET status = 'doing', worker_id = NULL")
LOST = text("DELETE FROM procrastinate_jobs")


@pytest.mark.parametrize("death", [DEAD, GONE, LOST])
def test_what_a_dead_worker_held_is_taken_up(engine: Engine, desk: Desk, death: Any) -> None:
    made = deferred(engine, 3)
    with engine.begin() as conn:
        conn.execute(death)
    with working(engine, desk):
        assert desk.called(3) == made


def test_what_a_live_worker_holds_is_left_alone(engine: Engine) -> None:
    deferred(engine, 2)
    alive = text(
        "WITH alive AS (INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id) "
        "UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT id FROM alive)"
    )
    with engine.begin() as conn:
        conn.execute(alive)
        assert jobs.sweep(conn, NOW) == 0
        assert jobs.sweep(conn, NOW, stalled_after=-1) == 2
    assert count(engine, "procrastinate_jobs", "status = 'todo'") == 2


def test_a_worker_that_was_taken_for_dead_goes_on(engine: Engine, desk: Desk) -> None:
    deferred(engine, 1)
    with working(engine, desk):
        desk.called(1)
        until(lambda: undone(engine) == 0)
        with engine.begin() as conn:
            conn.execute(text("DELETE FROM procrastinate_workers"))
            conn.execute(update(batches).values(done_at=None))
        desk.called(1)
        until(lambda: count(engine, "procrastinate_workers") == 1)


REFUSE_BEATS = text(
    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
    "$$BEGIN RAISE 'no beats today'; END$$; "
    "CREATE TRIGGER refuse BEFORE UPDATE ON procrastinate_workers EXECUTE FUNCTION refuse()"
)


@pytest.fixture
def no_beats(engine: Engine) -> Iterator[None]:
    """A database that takes no sign of life."""
    with engine.begin() as conn:
        conn.execute(REFUSE_BEATS)
    yield
    with engine.begin() as conn:
        conn.execute(text("DROP FUNCTION refuse CASCADE"))


@pytest.mark.usefixtures("no_beats")
def test_a_worker_that_cannot_say_it_lives_begins_again_and_tells_it_in_a_line(
    engine: Engine, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    with working(engine, desk):
        until(lambda: count_lines(caplog, "trying again") >= 2)
        made = deferred(engine, 2)
        assert set(desk.called(2)) == set(made)
    assert not any(record.exc_info for record in caplog.records)


def count_lines(caplog: pytest.LogCaptureFixture, part: str) -> int:
    return sum(part in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_of_postgresql_loses_nothing(
    restartable: Server, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    engine = open_store(restartable.url.render_as_string(hide_password=False), Path())
    desk = Desk(engine)
    made = deferred(engine, 60)
    with working(engine, desk), working(engine, desk):
        desk.called(5)
        restartable.restart(mode)
        until(lambda: undone(engine) == 0)
    assert count(engine, "batches") == len(made)
    assert not any(record.exc_info for record in caplog.records)
    engine.dispose()


def until(come_true: Callable[[], bool]) -> None:
    """Look again and again; fails after a while."""
    enough = threading.Event()
    timer = threading.Timer(PATIENCE, enough.set)
    timer.start()
    while not come_true():
        assert not enough.wait(0.02)
    timer.cancel()
