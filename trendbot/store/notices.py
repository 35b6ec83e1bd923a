"""Notices: mails that are no digest and wait to be sent, at most one of a kind for each.

Whoever claims one moves it on before sending, so that no other process takes it, and a
process that ends in between does not lose it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import Connection, bindparam, delete, func, literal, select, update
from sqlalchemy.sql.dml import ReturningInsert

from trendbot.model import Cadence, Digest, Status
from trendbot.notice_letters import Kind
from trendbot.store.digests import by_id
from trendbot.store.engine import insert_for
from trendbot.store.schema import digests, notices, subscribers


@dataclass(frozen=True, slots=True)
class Notice:
    """A mail that waits to be sent; `attempts` counts the present try."""

    id: int
    kind: Kind
    subscriber_id: int
    created_at: datetime
    attempts: int


def queue(conn: Connection, kind: Kind, subscriber_id: int, now: datetime) -> bool:
    """Let a mail wait for the subscriber; False if one of the kind does, or there is nobody."""
    values = {"of_kind": kind, "of_subscriber": subscriber_id, "now": now}
    return conn.execute(_queue(conn.dialect.name), values).first() is not None


def claim(conn: Connection, now: datetime, until: datetime) -> Notice | None:
    """Take the mail that is due for the longest, until that moment; None if none is due."""
    row = conn.execute(_DUE, {"now": now}).one_or_none()
    if row is None:
        return None
    conn.execute(_TAKE, {"of_id": row.id, "until": until})
    return Notice(row.id, Kind(row.kind), row.subscriber_id, row.created_at, row.attempts + 1)


def put_off(conn: Connection, notice: Notice, until: datetime) -> None:
    """Let the mail wait until then."""
    conn.execute(update(notices).where(notices.c.id == notice.id).values(next_at=until))


def done(conn: Connection, notice: Notice) -> None:
    """Forget a mail: sent, refused for good, or no longer wanted."""
    conn.execute(delete(notices).where(notices.c.id == notice.id))


def forget(conn: Connection, subscriber_id: int, *kinds: Kind) -> None:
    """Forget what waits for the subscriber, of these kinds or of all."""
    mine = delete(notices).where(notices.c.subscriber_id == subscriber_id)
    conn.execute(mine.where(notices.c.kind.in_(kinds)) if kinds else mine)


def waiting(conn: Connection) -> int:
    """How many mails wait."""
    return conn.scalar(select(func.count()).select_from(notices)) or 0


def latest_digest(conn: Connection, cadence: Cadence, now: datetime) -> Digest | None:
    """The newest digest of the cadence that a new subscriber will not be mailed by itself.

    That is one whose audience is frozen, or that is too old to be planned any more.
    """
    past = (digests.c.planned_at.is_not(None)) | (digests.c.made_at < now - timedelta(days=1))
    found = conn.scalar(
        select(digests.c.id)
        .where(digests.c.cadence == cadence, past)
        .order_by(digests.c.date.desc())
        .limit(1)
    )
    return None if found is None else by_id(conn, found)


_DUE = (
    select(notices)
    .where(notices.c.next_at <= bindparam("now"))
    .order_by(notices.c.next_at, notices.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_TAKE = (
    update(notices)
    .where(notices.c.id == bindparam("of_id"))
    .values(next_at=bindparam("until"), attempts=notices.c.attempts + 1)
)


@cache
def _queue(dialect: str) -> ReturningInsert[int]:
    moment = bindparam("now", type_=notices.c.created_at.type)
    waiting = select(
        bindparam("of_kind", type_=notices.c.kind.type),
        subscribers.c.id,
        moment,
        moment,
        literal(0),
    ).where(subscribers.c.id == bindparam("of_subscriber"), subscribers.c.status != Status.ERASED)
    columns = ["kind", "subscriber_id", "created_at", "next_at", "attempts"]
    insert = insert_for(dialect, notices).from_select(columns, waiting, include_defaults=False)
    return insert.on_conflict_do_nothing().returning(notices.c.id)
