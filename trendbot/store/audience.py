"""The audience of a digest: frozen once, one pending delivery for each member, cut into batches."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, insert, literal, select, update

from trendbot.model import Cadence, DeliveryState, Status
from trendbot.store.schema import batches, deliveries, digests, subscribers

# Topics of a segment go into one IN list this long at a time: well under SQLite's limit
# on variables, also with a million different wishes.
_TOPICS_AT_ONCE = 500


def segments(conn: Connection, cadence: Cadence) -> list[tuple[str, ...]]:
    """The different topics active subscribers of `cadence` asked for."""
    rows = conn.execute(
        select(subscribers.c.topics)
        .where(subscribers.c.status == Status.ACTIVE, subscribers.c.cadence == cadence)
        .distinct()
        .order_by(subscribers.c.topics)
    )
    return [tuple(topics.split()) for (topics,) in rows]


def plan(
    conn: Connection,
    digest_id: int,
    cadence: Cadence,
    wanted: Sequence[tuple[str, ...]],
    now: datetime,
    batch_size: int,
) -> int | None:
    """Freeze the audience: active subscribers of `cadence` whose topics are in `wanted`.

    Writes a pending delivery for each and cuts them into batches. Returns the size of the
    audience, or None if the digest was planned before, by whomever.
    """
    first = conn.execute(
        update(digests)
        .where(digests.c.id == digest_id, digests.c.planned_at.is_(None))
        .values(planned_at=now)
    )
    if first.rowcount == 0:
        return None
    for start in range(0, len(wanted), _TOPICS_AT_ONCE):
        _add_audience(conn, digest_id, cadence, wanted[start : start + _TOPICS_AT_ONCE], now)
    _cut_batches(conn, digest_id, batch_size)
    audience = conn.scalar(
        select(func.count()).select_from(deliveries).where(deliveries.c.digest_id == digest_id)
    )
    conn.execute(update(digests).where(digests.c.id == digest_id).values(audience=audience))
    return audience


def _add_audience(
    conn: Connection,
    digest_id: int,
    cadence: Cadence,
    wanted: Sequence[tuple[str, ...]],
    now: datetime,
) -> None:
    # One INSERT … SELECT: at a million subscribers a row at a time would take minutes.
    members = select(
        literal(digest_id),
        subscribers.c.id,
        literal(DeliveryState.PENDING.value),
        *(literal(0) for _ in range(4)),
        *(literal("") for _ in range(2)),
        literal(now, deliveries.c.updated_at.type),
    ).where(
        subscribers.c.status == Status.ACTIVE,
        subscribers.c.cadence == cadence,
        subscribers.c.topics.in_([" ".join(topics) for topics in wanted]),
    )
    columns = [
        *("digest_id", "subscriber_id", "state", "attempts", "doubts", "deaths", "code"),
        *("owner", "detail", "updated_at"),
    ]
    conn.execute(insert(deliveries).from_select(columns, members, include_defaults=False))


def _cut_batches(conn: Connection, digest_id: int, batch_size: int) -> None:
    place = func.row_number().over(order_by=deliveries.c.subscriber_id)
    numbered = (
        select(deliveries.c.subscriber_id, ((place - 1) // batch_size).label("batch"))
        .where(deliveries.c.digest_id == digest_id)
        .subquery()
    )
    ranges = select(
        literal(digest_id),
        func.min(numbered.c.subscriber_id),
        func.max(numbered.c.subscriber_id),
    ).group_by(numbered.c.batch)
    conn.execute(insert(batches).from_select(["digest_id", "first_id", "last_id"], ranges))
