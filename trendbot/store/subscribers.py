"""Subscribers, one row for each address, and the addresses that must not be mailed.

`email_key` is what makes two spellings the same address; the caller folds it.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    case,
    delete,
    func,
    or_,
    select,
    update,
)

from trendbot.model import Cadence, Status, Subscriber
from trendbot.store.engine import insert_into
from trendbot.store.schema import subscribers, suppressions

# Which moment a change to a status is remembered by.
_MOMENTS = {Status.ACTIVE: "confirmed_at", Status.UNSUBSCRIBED: "left_at"}
_MODEL = [
    subscribers.c[name]
    for name in ("id", "email", "status", "cadence", "topics", "created_at", "confirmed_at")
]


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a list, as it is to stand in the database."""

    email: str
    email_key: str
    status: Status
    cadence: Cadence
    topics: tuple[str, ...]
    created_at: datetime
    confirmed_at: datetime | None


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


def take_in(conn: Connection, entries: Collection[Entry], now: datetime) -> set[str]:
    """Add a list in which each key stands once; return the keys of those added or changed.

    Whoever is there already stays, with two exceptions: a pending one becomes what the list
    says, and one who left becomes suppressed if the list says so.
    """
    if not entries:
        return set()
    statement = insert_into(conn, subscribers)
    new = statement.excluded
    is_suppressed_now = and_(
        subscribers.c.status == Status.UNSUBSCRIBED, new.status == Status.SUPPRESSED
    )
    statement = statement.on_conflict_do_update(
        index_elements=["email_key"],
        set_={
            "status": new.status,
            "cadence": new.cadence,
            "topics": new.topics,
            "confirmed_at": func.coalesce(new.confirmed_at, subscribers.c.confirmed_at),
            "left_at": func.coalesce(new.left_at, subscribers.c.left_at),
            "confirm_hash": case(
                (new.status == Status.PENDING, subscribers.c.confirm_hash), else_=""
            ),
        },
        where=or_(subscribers.c.status == Status.PENDING, is_suppressed_now),
    )
    # Many rows a statement: one each takes PostgreSQL a quarter of a minute for 20,000.
    rows = [_row(entry, now) for entry in entries]
    return set(conn.scalars(statement.returning(subscribers.c.email_key), rows))


def find(conn: Connection, email_key: str, for_update: bool = False) -> Subscriber | None:
    """The subscriber with this address; `for_update` keeps others from changing it meanwhile.

    On SQLite whoever writes keeps all others from writing anyway.
    """
    query = select(*_MODEL).where(subscribers.c.email_key == email_key)
    row = conn.execute(query.with_for_update() if for_update else query).one_or_none()
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


def change_expected(
    conn: Connection, subscriber_id: int, cadence: Cadence, topics: Sequence[str]
) -> None:
    """Change what the subscriber gets once the expected token comes; without one, nothing."""
    awaited = update(subscribers).where(_is(subscriber_id), subscribers.c.confirm_hash != "")
    conn.execute(awaited.values(cadence=cadence, topics=_joined(topics)))


def close_confirmation(conn: Connection, subscriber_id: int) -> None:
    """Expect no token any more; when the last one was mailed is still known."""
    conn.execute(update(subscribers).where(_is(subscriber_id)).values(confirm_hash=""))


def forget_confirmation(conn: Connection, subscriber_id: int) -> None:
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


def _row(entry: Entry, now: datetime) -> dict[str, Any]:
    return {
        "email": entry.email,
        "email_key": entry.email_key,
        "status": entry.status,
        "cadence": entry.cadence,
        "topics": _joined(entry.topics),
        "created_at": entry.created_at,
        "confirmed_at": entry.confirmed_at,
        "left_at": now if entry.status is Status.UNSUBSCRIBED else None,
        "confirm_hash": "",
    }


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
