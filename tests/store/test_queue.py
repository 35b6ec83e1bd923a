"""Which batches wait for a worker: what is due, and not what is done, later, or resting."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, insert

from trendbot.model import DeliveryState
from trendbot.store import queue
from trendbot.store.schema import batches, deliveries, digests, subscribers

MINUTE = timedelta(minutes=1)
PENDING, SENDING, SENT = DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.SENT
DEFERRED, UNCERTAIN = DeliveryState.DEFERRED, DeliveryState.UNCERTAIN


@pytest.fixture
def conn(emptied_postgresql: Engine) -> Iterator[Connection]:
    with emptied_postgresql.begin() as conn:
        yield conn


def digest(conn: Connection, now: datetime, **columns: Any) -> int:
    values = {
        "cadence": "daily",
        **dict.fromkeys(("date", "since", "until"), now.date()),
        **dict.fromkeys(("counted_at", "made_at", "planned_at"), now),
        **columns,
    }
    return int(conn.scalar(insert(digests).values(values).returning(digests.c.id)) or 0)


def batch(conn: Connection, digest_id: int, *rows: dict[str, Any], **columns: Any) -> int:
    """A batch of ten subscribers, with a delivery for each of the rows."""
    number = len(conn.execute(batches.select()).all())
    first = number * 10 + 1
    for place, row in enumerate(rows):
        conn.execute(insert(subscribers), person(first + place, row["updated_at"]))
        conn.execute(
            insert(deliveries), {"digest_id": digest_id, "subscriber_id": first + place} | row
        )
    values = {"digest_id": digest_id, "first_id": first, "last_id": first + 9, **columns}
    return int(conn.scalar(insert(batches).values(values).returning(batches.c.id)) or 0)


def person(number: int, now: datetime) -> dict[str, Any]:
    email = f"reader{number}@example.org"
    return {
        "id": number,
        "email": email,
        "email_key": email,
        "status": "active",
        "cadence": "daily",
        "topics": "",
        "created_at": now,
    }


def delivery(state: DeliveryState, now: datetime, wait: timedelta | None = None) -> dict[str, Any]:
    next_at = None if wait is None else now + wait
    return {"state": state, "next_at": next_at, "updated_at": now}


@pytest.mark.parametrize(
    ("state", "wait", "due"),
    [
        (PENDING, None, True),
        (PENDING, timedelta(), True),
        (PENDING, MINUTE, False),  # its reader's hour
        (SENDING, None, True),  # whose process may be dead
        (DEFERRED, timedelta(), True),
        (DEFERRED, MINUTE, False),
        (UNCERTAIN, -MINUTE, True),
        (UNCERTAIN, MINUTE, False),
        (UNCERTAIN, None, True),  # held, so that nothing can be sent: to be marked done
        (SENT, None, True),
    ],
)
def test_a_batch_waits_if_something_of_it_is_due(
    conn: Connection, now: datetime, state: DeliveryState, wait: timedelta | None, due: bool
) -> None:
    waiting = batch(conn, digest(conn, now), delivery(state, now, wait))
    assert queue.due(conn, [waiting], now) == ([waiting] if due else [])
    assert queue.ready(conn, now) == ([waiting] if due else [])


def test_one_due_delivery_among_later_ones_is_enough(conn: Connection, now: datetime) -> None:
    later, settled = delivery(DEFERRED, now, MINUTE), delivery(SENT, now)
    of = digest(conn, now)
    waiting = batch(conn, of, later, settled, delivery(PENDING, now))
    assert queue.due(conn, [waiting, batch(conn, of, later, settled)], now) == [waiting]


def test_a_batch_that_is_done_waits_no_more(conn: Connection, now: datetime) -> None:
    done = batch(conn, digest(conn, now), delivery(PENDING, now), done_at=now)
    assert queue.due(conn, [done], now) == []


def test_a_batch_of_a_digest_that_rests_waits_until_it_goes_on(
    conn: Connection, now: datetime
) -> None:
    resting = digest(conn, now, stopped="535", stopped_at=now, resume_at=now + MINUTE)
    waiting = batch(conn, resting, delivery(PENDING, now))
    assert queue.due(conn, [waiting], now) == []
    assert queue.due(conn, [waiting], now + MINUTE) == [waiting]
    assert queue.ready(conn, now) == [waiting]  # for who insists


def test_only_the_asked_ones_are_looked_at(conn: Connection, now: datetime) -> None:
    of = digest(conn, now)
    first, second = (batch(conn, of, delivery(PENDING, now)) for _ in range(2))
    assert queue.due(conn, [second], now) == [second]
    assert queue.due(conn, [second, first], now) == [first, second]
    assert queue.due(conn, [], now) == []
    assert queue.ready(conn, now, of) == [first, second]
    assert queue.ready(conn, now, of + 1) == []
