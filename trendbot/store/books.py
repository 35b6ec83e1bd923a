"""The books: what is accounted for of each digest, what is still due, and why sending stopped."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import date as Date  # noqa: N812  # a digest's own date is called date

from sqlalchemy import Connection, case, exists, func, select, update

from trendbot.model import Cadence, DeliveryState
from trendbot.store.deliveries import RETRYABLE
from trendbot.store.schema import batches, deliveries, digests

_ANY_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Books:
    """One planned digest: its audience and how many deliveries are in each state.

    Closed books are those of a digest of which nothing can be sent any more.
    """

    digest_id: int
    cadence: Cadence
    date: Date
    audience: int
    counts: dict[DeliveryState, int]
    stopped: str
    resume_at: datetime | None
    closed: bool
    waiting: int = 0  # of those pending, who wait for their reader's hour

    @property
    def balanced(self) -> bool:
        """Whether every member of the audience is accounted for."""
        return self.audience == sum(self.counts.values())


def next_due(conn: Connection) -> datetime | None:
    """When the earliest waiting or leased delivery of an open batch is due again."""
    return conn.scalar(
        select(func.min(func.coalesce(deliveries.c.next_at, deliveries.c.lease_until)))
        .select_from(deliveries)
        .join(batches, batches.c.digest_id == deliveries.c.digest_id)
        .where(
            batches.c.done_at.is_(None),
            deliveries.c.subscriber_id.between(batches.c.first_id, batches.c.last_id),
            RETRYABLE,
        )
    )


def stop(conn: Connection, digest_id: int, reason: str, now: datetime, resume_at: datetime) -> None:
    """Note why sending a digest stopped, and when to try again without being asked."""
    conn.execute(
        update(digests)
        .where(digests.c.id == digest_id)
        .values(stopped=reason, stopped_at=now, resume_at=resume_at)
    )


def last_rest(conn: Connection, digest_id: int) -> timedelta | None:
    """How long the digest was to rest when it last stopped; None if it goes on since."""
    row = conn.execute(
        select(digests.c.stopped_at, digests.c.resume_at).where(digests.c.id == digest_id)
    ).one()
    return None if row.resume_at is None else row.resume_at - row.stopped_at


def is_stopped(conn: Connection) -> bool:
    """Whether a digest of which something could be sent rests because the server refused us."""
    resting = (digests.c.stopped != "") & digests.c.closed.is_(None)
    return bool(conn.scalar(select(exists().where(resting))))


def go_on(conn: Connection, digest_id: int) -> None:
    """Take the note of `stop` away: the server takes mails again."""
    conn.execute(
        update(digests)
        .where(digests.c.id == digest_id, digests.c.resume_at.is_not(None))
        .values(stopped="", stopped_at=None, resume_at=None)
    )


def close(conn: Connection, digest_id: int) -> Books:
    """Keep the counts of a digest that is done, if they balance; returns its books.

    They stand from then on, also when its deliveries are pruned.
    """
    (of,) = of_digests(conn, digest_id)
    if of.balanced:
        counts = {state.value: number for state, number in of.counts.items()}
        conn.execute(update(digests).where(digests.c.id == digest_id).values(closed=counts))
    return of


def of_digests(
    conn: Connection, digest_id: int | None = None, limit: int = 30, now: datetime = _ANY_TIME
) -> list[Books]:
    """The books of the newest `limit` digests, newest first, or of one.

    Who waits for an hour is told for `now`; without it nobody does.
    """
    query = select(digests).order_by(digests.c.date.desc(), digests.c.cadence).limit(limit)
    if digest_id is not None:
        query = query.where(digests.c.id == digest_id)
    rows = conn.execute(query).all()
    counts = {
        row.id: {DeliveryState(state): number for state, number in (row.closed or {}).items()}
        for row in rows
    }
    still_open = [row.id for row in rows if row.closed is None]
    waiting: dict[int, int] = {}
    later = func.sum(case((deliveries.c.next_at > now, 1), else_=0))
    for of, state, number, number_later in conn.execute(
        select(deliveries.c.digest_id, deliveries.c.state, func.count(), later)
        .where(deliveries.c.digest_id.in_(still_open))
        .group_by(deliveries.c.digest_id, deliveries.c.state)
    ):
        counts[of][DeliveryState(state)] = number
        if state == DeliveryState.PENDING:
            waiting[of] = int(number_later)
    return [
        Books(
            row.id,
            Cadence(row.cadence),
            row.date,
            row.audience,
            counts[row.id],
            row.stopped,
            row.resume_at,
            row.closed is not None,
            waiting.get(row.id, 0),
        )
        for row in rows
    ]
