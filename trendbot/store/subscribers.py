"""Subscribers, one row for each address, and the addresses that must not be mailed.

`email_key` is what makes two spellings the same address; the caller folds it.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, select, update

from trendbot.model import Cadence, Status, Subscriber
from trendbot.store.engine import insert_into
from trendbot.store.schema import subscribers, suppressions

# Which moment a change to a status is remembered by.
_MOMENTS = {Status.ACTIVE: "confirmed_at", Status.UNSUBSCRIBED: "left_at"}
_MODEL = [
    subscribers.c[name]
    for name in ("id", "email", "status", "cadence", "topics", "created_at", "confirmed_at")
]


def add(
    conn: Connection,
    email: str,
    email_key: str,
    status: Status,
    cadence: Cadence,
    topics: Sequence[str],
    now: datetime,
) -> Subscriber | None:
    """Add an address; None if it is there already, and then nothing changes."""
    statement = insert_into(conn, subscribers).values(
        email=email,
        email_key=email_key,
        cadence=cadence,
        topics=_joined(topics),
        created_at=now,
        **_status(status, now),
    )
    row = conn.execute(statement.on_conflict_do_nothing().returning(*_MODEL)).one_or_none()
    return None if row is None else _subscriber(row)


def find(conn: Connection, email_key: str) -> Subscriber | None:
    """The subscriber with this address."""
    row = conn.execute(select(*_MODEL).where(subscribers.c.email_key == email_key)).one_or_none()
    return None if row is None else _subscriber(row)


def get(conn: Connection, subscriber_id: int) -> Subscriber:
    """The subscriber with this id; it must be there."""
    return _subscriber(conn.execute(select(*_MODEL).where(_is(subscriber_id))).one())


def every(conn: Connection, status: Status | None = None) -> Iterator[Subscriber]:
    """All subscribers, or those with `status`, in the order of their ids, a thousand at a time."""
    query = select(*_MODEL).order_by(subscribers.c.id)
    if status is not None:
        query = query.where(subscribers.c.status == status)
    for row in conn.execute(query, execution_options={"yield_per": 1000}):
        yield _subscriber(row)


def set_status(conn: Connection, subscriber_id: int, status: Status, now: datetime) -> None:
    """Change the status, and remember when somebody became active or left."""
    conn.execute(update(subscribers).where(_is(subscriber_id)).values(_status(status, now)))


def change(conn: Connection, subscriber_id: int, cadence: Cadence, topics: Sequence[str]) -> None:
    """Change what the subscriber gets."""
    values = {"cadence": cadence, "topics": _joined(topics)}
    conn.execute(update(subscribers).where(_is(subscriber_id)).values(values))


def open_confirmation(conn: Connection, subscriber_id: int, token_hash: str, now: datetime) -> None:
    """Expect the token with this hash; one expected before no longer counts."""
    values = {"confirm_hash": token_hash, "confirm_sent_at": now}
    conn.execute(update(subscribers).where(_is(subscriber_id)).values(values))


def close_confirmation(conn: Connection, subscriber_id: int) -> None:
    """Expect no token any more, as if none had been mailed."""
    values = {"confirm_hash": "", "confirm_sent_at": None}
    conn.execute(update(subscribers).where(_is(subscriber_id)).values(values))


def confirmation_sent_at(conn: Connection, subscriber_id: int) -> datetime | None:
    """When the last confirmation was opened."""
    return conn.scalar(select(subscribers.c.confirm_sent_at).where(_is(subscriber_id)))


def confirm(conn: Connection, subscriber_id: int, token_hash: str, now: datetime) -> bool:
    """Make a pending or unsubscribed one active if this token is expected; it counts once."""
    confirmed = conn.execute(
        update(subscribers)
        .where(
            _is(subscriber_id),
            subscribers.c.status.in_([Status.PENDING, Status.UNSUBSCRIBED]),
            subscribers.c.confirm_hash == token_hash,
            subscribers.c.confirm_hash != "",
        )
        .values(_status(Status.ACTIVE, now) | {"confirm_hash": ""})
    )
    return confirmed.rowcount == 1


def suppress(conn: Connection, email_key: str, reason: str, now: datetime) -> None:
    """Never mail this address; the first reason stays."""
    statement = insert_into(conn, suppressions).values(
        email_key=email_key, reason=reason, created_at=now
    )
    conn.execute(statement.on_conflict_do_nothing())


def suppression(conn: Connection, email_key: str) -> str | None:
    """Why the address must not be mailed, or None if it may be."""
    return conn.scalar(select(suppressions.c.reason).where(suppressions.c.email_key == email_key))


def lift_suppression(conn: Connection, email_key: str) -> None:
    """Let the address be mailed again."""
    conn.execute(delete(suppressions).where(suppressions.c.email_key == email_key))


def _is(subscriber_id: int) -> ColumnElement[bool]:
    return subscribers.c.id == subscriber_id


def _status(status: Status, now: datetime) -> dict[str, Any]:
    return {"status": status} | ({_MOMENTS[status]: now} if status in _MOMENTS else {})


def _joined(topics: Sequence[str]) -> str:
    return " ".join(sorted(set(topics)))


def _subscriber(row: Row[*tuple[Any, ...]]) -> Subscriber:
    return Subscriber(
        id=row.id,
        email=row.email,
        status=Status(row.status),
        cadence=Cadence(row.cadence),
        topics=tuple(row.topics.split()),
        created_at=row.created_at,
        confirmed_at=row.confirmed_at,
    )
