"""Which batches have something to send now, whoever may be working on them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    and_,
    any_,
    exists,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY

from trendbot.store.deliveries import RETRYABLE, WAITING
from trendbot.store.schema import batches, deliveries, digests


def due(conn: Connection, batch_ids: Sequence[int], now: datetime) -> list[int]:
    """Those of the batches that wait for a worker at `now`; on PostgreSQL only.

    A batch that has nothing more to send and is not marked done waits too. One whose digest
    rests, because the mail server refused us, does not.
    """
    return list(
        conn.scalars(
            select(batches.c.id)
            .join(digests, digests.c.id == batches.c.digest_id)
            .where(
                batches.c.id == any_(literal(list(batch_ids), ARRAY(BigInteger))),
                batches.c.done_at.is_(None),
                or_(digests.c.resume_at.is_(None), digests.c.resume_at <= now),
                _has_something(now),
            )
            .order_by(batches.c.id)
        )
    )


def ready(conn: Connection, now: datetime, digest_id: int | None = None) -> list[int]:
    """The batches not done with something to send or to mark at `now`, oldest first.

    Of one digest or of all, also of one that rests.
    """
    query = select(batches.c.id).where(batches.c.done_at.is_(None), _has_something(now))
    if digest_id is not None:
        query = query.where(batches.c.digest_id == digest_id)
    return list(conn.scalars(query.order_by(batches.c.id)))


def _has_something(now: datetime) -> ColumnElement[bool]:
    within = and_(
        deliveries.c.digest_id == batches.c.digest_id,
        deliveries.c.subscriber_id.between(batches.c.first_id, batches.c.last_id),
    )
    later = and_(
        deliveries.c.state.in_(WAITING),
        deliveries.c.next_at.is_not(None),
        deliveries.c.next_at > now,
    )
    return or_(exists().where(within, RETRYABLE, ~later), ~exists().where(within, RETRYABLE))
