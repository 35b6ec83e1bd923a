"""Jobs are deferred with the batches they are for, or not at all, and never twice."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from trendbot import jobs
from trendbot.store.engine import open_store

LATER = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
EVEN_LATER = LATER + timedelta(hours=1)


@pytest.fixture
def queue(emptied_postgresql: Engine) -> Engine:
    return emptied_postgresql


def waiting(conn: Connection) -> dict[int, datetime | None]:
    """Which batches wait for a worker, and for what time."""
    rows = conn.execute(
        text(
            "SELECT CAST(args ->> 'batch_id' AS bigint) AS batch_id, scheduled_at "
            "FROM procrastinate_jobs WHERE status = 'todo'"
        )
    ).all()
    assert len({row.batch_id for row in rows}) == len(rows)
    return {row.batch_id: row.scheduled_at for row in rows}


def deferred(engine: Engine, *batch_ids: int, at: datetime | None = None) -> None:
    with engine.begin() as conn:
        jobs.defer(conn, batch_ids, at)


def test_jobs_come_with_the_transaction_or_not_at_all(queue: Engine) -> None:
    with queue.connect() as conn:
        jobs.defer(conn, [1, 2])
        assert set(waiting(conn)) == {1, 2}
        conn.rollback()
        assert waiting(conn) == {}
        jobs.defer(conn, [1, 2])
        conn.commit()
        assert waiting(conn) == {1: None, 2: None}


@pytest.mark.parametrize("again", [[1], [1, 1, 2], []])
def test_a_batch_waits_once(queue: Engine, again: Sequence[int]) -> None:
    deferred(queue, 1, 2)
    deferred(queue, *again)
    with queue.connect() as conn:
        assert waiting(conn) == {1: None, 2: None}


@pytest.mark.parametrize(
    ("first", "second", "held"),
    [
        (LATER, EVEN_LATER, LATER),
        (EVEN_LATER, LATER, LATER),
        (EVEN_LATER, None, None),
        (None, LATER, None),
    ],
)
def test_the_earlier_time_holds(
    queue: Engine, first: datetime | None, second: datetime | None, held: datetime | None
) -> None:
    # Years ahead, for the server compares with its own clock.
    future = [at and at.replace(year=2999) for at in (first, second, held)]
    deferred(queue, 1, at=future[0])
    deferred(queue, 1, at=future[1])
    with queue.connect() as conn:
        assert waiting(conn) == {1: future[2]}


def test_two_that_defer_the_same_at_once_both_succeed(queue: Engine) -> None:
    with queue.connect() as conn:
        jobs.defer(conn, [1])
        other = threading.Thread(target=deferred, args=(queue, 2, 1))
        other.start()  # waits for the first, whichever of the two is quicker
        conn.commit()
        other.join(30)
        assert set(waiting(conn)) == {1, 2}


def test_what_was_done_before_stays_when_a_batch_waits_already(queue: Engine) -> None:
    deferred(queue, 1)
    with queue.begin() as conn:
        jobs.defer(conn, [5])
        jobs.defer(conn, [1])
    with queue.connect() as conn:
        assert set(waiting(conn)) == {1, 5}


def test_twenty_thousand_are_deferred_in_one_statement(queue: Engine) -> None:
    deferred(queue, *range(1, 20_001))
    with queue.connect() as conn:
        assert len(waiting(conn)) == 20_000


def test_a_sign_of_life_tells_that_a_worker_is_there(queue: Engine) -> None:
    beat = text(
        "INSERT INTO procrastinate_workers (last_heartbeat) "
        "VALUES (now() - :ago * interval '1 second')"
    )
    with queue.begin() as conn:
        assert not jobs.workers_alive(conn)
        conn.execute(beat, {"ago": 60})
        assert not jobs.workers_alive(conn)
        conn.execute(beat, {"ago": 5})
        assert jobs.workers_alive(conn)


def test_on_sqlite_there_are_no_jobs_and_no_workers(tmp_path: Path) -> None:
    engine = open_store("sqlite:///trendbot.db", tmp_path)
    with engine.begin() as conn:
        jobs.defer(conn, [1])
        assert not jobs.workers_alive(conn)
    engine.dispose()
