"""The audience of a digest: frozen once, one pending delivery for each member, cut into batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    and_,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from trendbot.model import Cadence, DeliveryState, Status
from trendbot.store.schema import UTCDateTime, batches, deliveries, digests, subscribers

# Tables while the audience is written down, so that one statement does it, however many
# different wishes there are: a statement takes some ten thousand values at most.
_WHILE_PLANNING = MetaData()
_WANTED = Table("wanted", _WHILE_PLANNING, Column("topics", Text), prefixes=["TEMPORARY"])
_MOMENTS = Table(
    "moments",  # when each of the readers' hours comes next
    _WHILE_PLANNING,
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("timezone", String(64), primary_key=True),
    Column("at", UTCDateTime, nullable=False),
    prefixes=["TEMPORARY"],
)


@dataclass(frozen=True, slots=True)
class Plan:
    """Which digest is planned, at which moment, and on which day of the schedule's time zone."""

    digest_id: int
    cadence: Cadence
    at: datetime
    today: date


def begin(conn: Connection, plan: Plan) -> bool:
    """Note that the digest is planned; False if it was before, by whomever."""
    first = conn.execute(
        update(digests)
        .where(digests.c.id == plan.digest_id, digests.c.planned_at.is_(None))
        .values(planned_at=plan.at)
    )
    return first.rowcount == 1


def topics(conn: Connection, plan: Plan) -> list[tuple[str, ...]]:
    """The different topics of those who may be in the audience."""
    found = conn.scalars(
        select(subscribers.c.topics)
        .where(*_may_be_mailed(plan))
        .distinct()
        .order_by(subscribers.c.topics)
    )
    return [tuple(topics.split()) for topics in found]


def hours(conn: Connection, plan: Plan) -> list[tuple[int, str]]:
    """The different hours of the day they asked for, each with the name of its time zone."""
    found = conn.execute(
        select(subscribers.c.hour, subscribers.c.timezone)
        .where(*_may_be_mailed(plan), subscribers.c.hour.between(0, 23))
        .distinct()
    )
    return [(hour, timezone) for hour, timezone in found]


def plan(
    conn: Connection,
    plan: Plan,
    wanted: Sequence[tuple[str, ...]],
    moments: Mapping[tuple[int, str], datetime],
    batch_size: int,
) -> int:
    """Freeze the audience: active subscribers, not paused, whose topics are in `wanted`.

    Writes a pending delivery for each, due at the moment of its reader's hour, at once if
    there is none, and cuts them into batches. Returns the size of the audience.
    """
    _WHILE_PLANNING.create_all(conn, checkfirst=False)
    if wanted:
        conn.execute(insert(_WANTED), [{"topics": " ".join(topics)} for topics in wanted])
    if moments:
        rows = [{"hour": hour, "timezone": zone, "at": at} for (hour, zone), at in moments.items()]
        conn.execute(insert(_MOMENTS), rows)
    _add_audience(conn, plan)
    _WHILE_PLANNING.drop_all(conn, checkfirst=False)
    _cut_batches(conn, plan.digest_id, batch_size)
    audience = conn.scalar(
        select(func.count()).select_from(deliveries).where(deliveries.c.digest_id == plan.digest_id)
    )
    conn.execute(update(digests).where(digests.c.id == plan.digest_id).values(audience=audience))
    return audience or 0


def _may_be_mailed(plan: Plan) -> tuple[ColumnElement[bool], ...]:
    paused_until = subscribers.c.paused_until
    return (
        subscribers.c.status == Status.ACTIVE,
        subscribers.c.cadence == plan.cadence,
        or_(paused_until.is_(None), paused_until <= plan.today),
    )


def _add_audience(conn: Connection, plan: Plan) -> None:
    # One INSERT … SELECT: at a million subscribers a row at a time would take minutes.
    of_reader = and_(
        _MOMENTS.c.hour == subscribers.c.hour, _MOMENTS.c.timezone == subscribers.c.timezone
    )
    members = (
        select(
            literal(plan.digest_id),
            subscribers.c.id,
            literal(DeliveryState.PENDING.value),
            *(literal(0) for _ in range(4)),
            *(literal("") for _ in range(2)),
            literal(plan.at, deliveries.c.updated_at.type),
            _MOMENTS.c.at,
        )
        .select_from(subscribers.outerjoin(_MOMENTS, of_reader))
        .where(*_may_be_mailed(plan), subscribers.c.topics.in_(select(_WANTED.c.topics)))
    )
    columns = [
        *("digest_id", "subscriber_id", "state", "attempts", "doubts", "deaths", "code"),
        *("owner", "detail", "updated_at", "next_at"),
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
