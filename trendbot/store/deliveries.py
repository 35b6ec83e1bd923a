"""Deliveries: who gets a digest, who is being sent it, and what became of each.

A delivery is one row from the moment its digest is planned, so the audience is frozen and
the books balance by counting. Rows are claimed by a change of state inside the claimer's
transaction; on PostgreSQL claimers skip each other's rows, on SQLite one writes at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    update,
)

from trendbot.model import DeliveryState, Segment, Status
from trendbot.store.schema import batches, deliveries, digests, subscribers, suppressions

# In these a delivery is due from its `next_at` on.
WAITING = (DeliveryState.PENDING, DeliveryState.DEFERRED, DeliveryState.UNCERTAIN)
# What may still be sent, now or later.
RETRYABLE = or_(
    deliveries.c.state.in_([DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.DEFERRED]),
    and_(deliveries.c.state == DeliveryState.UNCERTAIN, deliveries.c.next_at.is_not(None)),
)


@dataclass(frozen=True, slots=True)
class Batch:
    """A range of subscriber ids, both ends included, of one planned digest.

    After the server refused us, its digest rests until `resume_at`.
    """

    id: int
    digest_id: int
    first_id: int
    last_id: int
    planned_at: datetime
    resume_at: datetime | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery this process may send until its lease ends."""

    subscriber_id: int
    email: str
    segment: Segment
    attempts: int
    doubts: int
    deaths: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """The new state of a claimed delivery; `next_at` is None where it is final.

    `attempts` counts the tries so far, `doubts` those after which the server was silent,
    `deaths` those whose process ended. `seconds` is how long the mail was under way.
    """

    subscriber_id: int
    state: DeliveryState
    next_at: datetime | None
    attempts: int
    doubts: int
    deaths: int
    code: int
    detail: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Orphan:
    """A delivery in state sending, with the process that claimed it."""

    subscriber_id: int
    owner: str
    lease_until: datetime
    attempts: int
    doubts: int
    deaths: int


def open_batches(conn: Connection, digest_id: int | None = None) -> list[Batch]:
    """The batches that are not done, oldest first, of one digest or of all."""
    query = _batches().where(batches.c.done_at.is_(None)).order_by(batches.c.id)
    if digest_id is not None:
        query = query.where(batches.c.digest_id == digest_id)
    return [Batch(*row) for row in conn.execute(query)]


def is_open(conn: Connection, digest_id: int) -> bool:
    """Whether some batch of the digest is not done."""
    part = select(batches.c.id).where(batches.c.digest_id == digest_id, batches.c.done_at.is_(None))
    return conn.execute(part.limit(1)).first() is not None


def next_due(conn: Connection, part: Batch) -> datetime | None:
    """When the batch has something to send again, in the past if it has now; None where never."""
    d = deliveries.c
    # What is pending and waits for no hour is due since it was planned.
    due_at = func.coalesce(d.next_at, d.lease_until, d.updated_at)
    return conn.scalar(select(func.min(due_at)).where(*_within(part), RETRYABLE))


def batch(conn: Connection, batch_id: int) -> Batch:
    """The batch `batch_id`, done or not."""
    return Batch(*conn.execute(_batches().where(batches.c.id == batch_id)).one())


def _batches() -> Select[int, int, int, int, datetime, datetime]:
    return select(
        batches.c.id,
        batches.c.digest_id,
        batches.c.first_id,
        batches.c.last_id,
        digests.c.planned_at,
        digests.c.resume_at,
    ).join(digests, digests.c.id == batches.c.digest_id)


# Both are built once: building them anew takes longer than the database takes to answer.
_DUE = (
    select(
        deliveries.c.subscriber_id,
        subscribers.c.email,
        subscribers.c.topics,
        subscribers.c.fewer,
        deliveries.c.attempts,
        deliveries.c.doubts,
        deliveries.c.deaths,
        subscribers.c.status,
        subscribers.c.paused_until,
        suppressions.c.reason,
    )
    .join(subscribers, subscribers.c.id == deliveries.c.subscriber_id)
    .outerjoin(suppressions, suppressions.c.email_key == subscribers.c.email_key)
    .where(
        deliveries.c.digest_id == bindparam("of_digest"),
        deliveries.c.subscriber_id.between(bindparam("first_id"), bindparam("last_id")),
        or_(
            and_(deliveries.c.state == DeliveryState.PENDING, deliveries.c.next_at.is_(None)),
            and_(
                deliveries.c.state.in_(WAITING),
                deliveries.c.next_at <= bindparam("now"),
            ),
        ),
    )
    .order_by(deliveries.c.subscriber_id)
    .limit(bindparam("most"))
    .with_for_update(of=deliveries, skip_locked=True)
)
# The ids stand in the statement: psycopg prepares and remembers none of over 50 parameters.
_LEASE = (
    update(deliveries)
    .where(
        deliveries.c.digest_id == bindparam("of_digest"),
        deliveries.c.subscriber_id.in_(bindparam("ids", expanding=True, literal_execute=True)),
    )
    .values(
        state=DeliveryState.SENDING,
        next_at=None,
        lease_until=bindparam("until"),
        owner=bindparam("by"),
        updated_at=bindparam("now"),
    )
)


def claim(
    conn: Connection,
    part: Batch,
    now: datetime,
    today: date,
    lease_until: datetime,
    owner: str,
    limit: int,
) -> list[Claim]:
    """Take up to `limit` due deliveries of the batch for `owner` until `lease_until`.

    Whoever left, was suppressed or pauses since planning is settled as suppressed on the
    way and not returned; `today` is the day in the schedule's time zone. An empty list
    means that nothing is due now.
    """
    values = {
        "of_digest": part.digest_id,
        "first_id": part.first_id,
        "last_id": part.last_id,
        "now": now,
        "most": limit,
    }
    while rows := conn.execute(_DUE, values).all():
        taken = []
        for subscriber_id, email, topics, fewer, *tried, status, paused_until, reason in rows:
            if why := _why_not(status, paused_until, reason, today):
                _settle_gone(conn, part, subscriber_id, why, now)
                continue
            segment = Segment(tuple(topics.split()), tuple(fewer.split()))
            taken.append(Claim(subscriber_id, email, segment, *tried))
        if taken:
            held = {"ids": [one.subscriber_id for one in taken], "until": lease_until, "by": owner}
            conn.execute(_LEASE, {"of_digest": part.digest_id, "now": now, **held})
            return taken
    return []


def _why_not(status: str, paused_until: date | None, reason: str | None, today: date) -> str:
    """Why somebody must not be mailed today; empty if they may be."""
    if status != Status.ACTIVE or reason is not None:
        return reason or status
    if paused_until is not None and paused_until > today:
        return f"paused until {paused_until}"
    return ""


def _within(part: Batch) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (
        deliveries.c.digest_id == part.digest_id,
        deliveries.c.subscriber_id.between(part.first_id, part.last_id),
    )


def _settle_gone(
    conn: Connection, part: Batch, subscriber_id: int, why: str, now: datetime
) -> None:
    conn.execute(
        update(deliveries)
        .where(
            deliveries.c.digest_id == part.digest_id, deliveries.c.subscriber_id == subscriber_id
        )
        .values(
            state=DeliveryState.SUPPRESSED,
            next_at=None,
            detail=f"not sent: {why}",
            updated_at=now,
        )
    )


def orphans(conn: Connection, part: Batch) -> list[Orphan]:
    """The deliveries of the batch in state sending, whoever holds them."""
    rows = conn.execute(
        select(
            deliveries.c.subscriber_id,
            deliveries.c.owner,
            deliveries.c.lease_until,
            deliveries.c.attempts,
            deliveries.c.doubts,
            deliveries.c.deaths,
        ).where(*_within(part), deliveries.c.state == DeliveryState.SENDING)
    )
    return [Orphan(*row) for row in rows]


# What became of one claimed delivery, as long as its claimer still holds it.
_SETTLE = (
    update(deliveries)
    .where(
        deliveries.c.digest_id == bindparam("of_digest"),
        deliveries.c.subscriber_id == bindparam("of_subscriber"),
        deliveries.c.state == DeliveryState.SENDING,
        deliveries.c.owner == bindparam("held_by"),
    )
    .values(
        state=bindparam("new_state"),
        next_at=bindparam("new_next_at"),
        attempts=bindparam("new_attempts"),
        doubts=bindparam("new_doubts"),
        deaths=bindparam("new_deaths"),
        code=bindparam("new_code"),
        detail=bindparam("new_detail"),
        updated_at=bindparam("now"),
        lease_until=None,
        owner="",
    )
)


def record(
    conn: Connection, digest_id: int, owner: str, settlements: Sequence[Settlement], now: datetime
) -> int:
    """Write what became of deliveries claimed by `owner`; returns how many were still its own.

    A delivery whose lease was lost to another process keeps what that process wrote.
    """
    if not settlements:
        return 0
    values = [
        {
            "of_digest": digest_id,
            "of_subscriber": settlement.subscriber_id,
            "held_by": owner,
            "new_state": settlement.state,
            "new_next_at": settlement.next_at,
            "new_attempts": settlement.attempts,
            "new_doubts": settlement.doubts,
            "new_deaths": settlement.deaths,
            "new_code": settlement.code,
            "new_detail": settlement.detail[:500],
            "now": now,
        }
        for settlement in settlements
    ]
    return conn.execute(_SETTLE, values).rowcount


def expire(conn: Connection, part: Batch, now: datetime) -> None:
    """Settle for good what still waits of the batch: as expired, or as uncertain if it was that."""
    doubtful = deliveries.c.doubts + deliveries.c.deaths > 0
    conn.execute(
        update(deliveries)
        .where(*_within(part), RETRYABLE, deliveries.c.state != DeliveryState.SENDING)
        .values(
            state=case((doubtful, DeliveryState.UNCERTAIN), else_=DeliveryState.EXPIRED),
            next_at=None,
            updated_at=now,
        )
    )


def finish(conn: Connection, part: Batch, now: datetime) -> bool:
    """Mark the batch done if nothing of it can be sent any more; returns whether it is done."""
    still_open = exists().where(*_within(part), RETRYABLE)
    result = conn.execute(
        update(batches).where(batches.c.id == part.id, ~still_open).values(done_at=now)
    )
    return result.rowcount == 1
