"""Subscribers, one row for each address, and the addresses that must not be mailed.

`email_key` is what makes two spellings the same address; the caller folds it.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningInsert

from trendbot.model import Cadence, Status, Subscriber, Taste
from trendbot.store.engine import insert_for, insert_into
from trendbot.store.schema import subscribers, suppressions

# Which moment a change to a status is remembered by.
_MOMENTS = {Status.ACTIVE: "confirmed_at", Status.UNSUBSCRIBED: "left_at"}
_TASTE = ("cadence", "topics", "fewer", "hour", "timezone")
_MODEL = [
    subscribers.c[name]
    for name in ("id", "email", "status", "created_at", "confirmed_at", "paused_until", *_TASTE)
]
# Who may come in by a confirmation; for all others nothing that a stranger asks changes.
_OUTSIDE = subscribers.c.status.in_([Status.PENDING, Status.UNSUBSCRIBED])


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a list, as it is to stand in the database."""

    email: str
    email_key: str
    status: Status
    taste: Taste
    created_at: datetime
    confirmed_at: datetime | None
    paused_until: date | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom somebody asked to sign up, and whether their confirmation may be mailed again."""

    subscriber_id: int
    status: Status
    may_be_mailed: bool


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
        created_at=now,
        **_wishes(Taste(cadence, tuple(topics))),
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
            "paused_until": new.paused_until,
            **{name: new[name] for name in _TASTE},
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


def ask(
    conn: Connection,
    email: str,
    email_key: str,
    barred: Sequence[str],
    taste: Taste,
    mailed_before: datetime,
    now: datetime,
) -> Asked | None:
    """Take down that an address asks to get `taste`, whoever it is; nobody is active by it.

    A new one is pending. Of one that may come in the wish changes while a confirmation is
    open or may be mailed: if the last was `mailed_before`. Of all others nothing changes.
    None, and nothing written, if an address under one of the keys `barred` is suppressed.
    """
    values = {
        **_wishes(taste),
        "of_email": email,
        "of_key": email_key,
        "barred": barred,
        "mailed_before": mailed_before,
        "now": now,
    }
    row = conn.execute(_ask(conn.dialect.name), values).one_or_none()
    if row is None:
        return None
    may_be_mailed = row.confirm_sent_at is None or row.confirm_sent_at <= mailed_before
    return Asked(row.id, Status(row.status), may_be_mailed)


@cache
def _ask(dialect: str) -> ReturningInsert[Any]:
    """One statement whoever asks, so that the time tells nothing, and two at once take turns."""
    columns = subscribers.c
    given = {
        "email": bindparam("of_email", type_=columns.email.type),
        "email_key": bindparam("of_key", type_=columns.email_key.type),
        "status": literal(Status.PENDING.value),
        "created_at": bindparam("now", type_=columns.created_at.type),
        "confirm_hash": literal(""),
        **{name: bindparam(name, type_=columns[name].type) for name in _TASTE},
    }
    barred = suppressions.c.email_key.in_(bindparam("barred", expanding=True))
    new = insert_for(dialect, subscribers).from_select(
        list(given), select(*given.values()).where(~exists().where(barred)), include_defaults=False
    )
    changes = and_(
        _OUTSIDE,
        or_(
            columns.confirm_hash != "",
            columns.confirm_sent_at.is_(None),
            columns.confirm_sent_at <= bindparam("mailed_before", type_=columns.created_at.type),
        ),
    )
    held = new.on_conflict_do_update(
        index_elements=["email_key"],
        set_={name: case((changes, new.excluded[name]), else_=columns[name]) for name in _TASTE},
    )
    return held.returning(columns.id, columns.status, columns.confirm_sent_at)


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


def seek(conn: Connection, subscriber_id: int, for_update: bool = False) -> Subscriber | None:
    """The subscriber with this id, if there is one; `for_update` as in `find`."""
    query = select(*_MODEL).where(_is(subscriber_id))
    row = conn.execute(query.with_for_update() if for_update else query).one_or_none()
    return None if row is None else _subscriber(row)


def every(conn: Connection, status: Status | None = None) -> Iterator[Subscriber]:
    """All subscribers, or those with `status`, in the order of their ids, a thousand at a time.

    Of who was erased nothing is left to show.
    """
    query = select(*_MODEL).where(subscribers.c.status != Status.ERASED).order_by(subscribers.c.id)
    if status is not None:
        query = query.where(subscribers.c.status == status)
    for row in conn.execute(query, execution_options={"yield_per": 1000}):
        yield _subscriber(row)


def set_status(conn: Connection, subscriber_id: int, status: Status, now: datetime) -> None:
    """Change the status, and remember when somebody became active or left; not of who is erased."""
    there = update(subscribers).where(_is(subscriber_id), subscribers.c.status != Status.ERASED)
    conn.execute(there.values(_status(status, now)))


def leave(conn: Connection, subscriber_id: int, now: datetime) -> None:
    """Unsubscribe, and expect no token any more; who left or was erased before stays so."""
    here = subscribers.c.status.not_in([Status.UNSUBSCRIBED, Status.ERASED])
    leaving = update(subscribers).where(_is(subscriber_id), here)
    conn.execute(leaving.values(_status(Status.UNSUBSCRIBED, now)))
    close_confirmation(conn, subscriber_id)


def change(conn: Connection, subscriber_id: int, taste: Taste) -> None:
    """Change what the subscriber gets."""
    conn.execute(update(subscribers).where(_is(subscriber_id)).values(_wishes(taste)))


def pause(conn: Connection, subscriber_id: int, until: date | None) -> None:
    """Let no digest come before that day; None is no pause."""
    conn.execute(update(subscribers).where(_is(subscriber_id)).values(paused_until=until))


def open_confirmation(conn: Connection, subscriber_id: int, token_hash: str, now: datetime) -> None:
    """Expect the token with this hash; one expected before no longer counts."""
    values = {"confirm_hash": token_hash, "confirm_sent_at": now}
    conn.execute(update(subscribers).where(_is(subscriber_id)).values(values))


def change_expected(conn: Connection, subscriber_id: int, taste: Taste) -> None:
    """Change what the subscriber gets once the expected token comes; without one, nothing."""
    awaited = update(subscribers).where(_is(subscriber_id), subscribers.c.confirm_hash != "")
    conn.execute(awaited.values(_wishes(taste)))


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
        .where(_expects(subscriber_id, token_hash))
        .values(_status(Status.ACTIVE, now) | {"confirm_hash": ""})
    )
    return confirmed.rowcount == 1


def expects(conn: Connection, subscriber_id: int, token_hash: str) -> bool:
    """Whether `confirm` would count this token."""
    found = select(subscribers.c.id).where(_expects(subscriber_id, token_hash))
    return conn.execute(found).first() is not None


def _expects(subscriber_id: int, token_hash: str) -> ColumnElement[bool]:
    return and_(
        _is(subscriber_id),
        _OUTSIDE,
        subscribers.c.confirm_hash == token_hash,
        subscribers.c.confirm_hash != "",
    )


def suppress(conn: Connection, email_key: str, reason: str, now: datetime) -> None:
    """Never mail this address; the first reason stays."""
    statement = insert_into(conn, suppressions).values(
        email_key=email_key, reason=reason, created_at=now
    )
    conn.execute(statement.on_conflict_do_nothing())


def suppression(conn: Connection, *email_keys: str) -> str | None:
    """Why the address known by these keys must not be mailed, or None if it may be."""
    reasons = select(suppressions.c.reason).where(suppressions.c.email_key.in_(email_keys))
    return conn.scalar(reasons.limit(1))


def lift_suppression(conn: Connection, *email_keys: str) -> None:
    """Let the address known by these keys be mailed again."""
    conn.execute(delete(suppressions).where(suppressions.c.email_key.in_(email_keys)))


def _is(subscriber_id: int) -> ColumnElement[bool]:
    return subscribers.c.id == subscriber_id


def _status(status: Status, now: datetime) -> dict[str, Any]:
    return {"status": status} | ({_MOMENTS[status]: now} if status in _MOMENTS else {})


def _row(entry: Entry, now: datetime) -> dict[str, Any]:
    return {
        "email": entry.email,
        "email_key": entry.email_key,
        "status": entry.status,
        **_wishes(entry.taste),
        "paused_until": entry.paused_until,
        "created_at": entry.created_at,
        "confirmed_at": entry.confirmed_at,
        "left_at": now if entry.status is Status.UNSUBSCRIBED else None,
        "confirm_hash": "",
    }


def _wishes(taste: Taste) -> dict[str, Any]:
    return {
        "cadence": taste.cadence,
        "topics": _joined(taste.topics),
        "fewer": _joined(taste.fewer),
        "hour": taste.hour,
        "timezone": taste.timezone,
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
        hour=row.hour,
        timezone=row.timezone,
        paused_until=row.paused_until,
        fewer=tuple(row.fewer.split()),
    )
