"""Paid reads: what they were for, what they brought, and what is planned for the day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, select

from trendbot.store.engine import insert_into
from trendbot.store.schema import plans, posts, reads


@dataclass(frozen=True, slots=True)
class Reads:
    """What one purpose took on one day.

    `posts` were read and paid for; `useful` of them said something new, as the adapter
    defines it.
    """

    requests: int
    posts: int
    useful: int
    dollars: float


def add(
    conn: Connection,
    signal: str,
    day: date,
    purpose: str,
    requests: int,
    posts: int,
    useful: int,
    dollars: float,
) -> None:
    """Add to what `purpose` took on the day."""
    more = {"requests": requests, "posts": posts, "useful": useful, "dollars": dollars}
    statement = insert_into(conn, reads).values(signal=signal, day=day, purpose=purpose, **more)
    new = statement.excluded
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=["signal", "day", "purpose"],
            set_={name: reads.c[name] + new[name] for name in more},
        )
    )


def of_day(conn: Connection, signal: str, day: date) -> dict[str, Reads]:
    """What each purpose took on the day, in the order of their names."""
    rows = conn.execute(
        select(reads).where(reads.c.signal == signal, reads.c.day == day).order_by(reads.c.purpose)
    )
    return {
        row.purpose: Reads(row.requests, row.posts, row.useful, round(row.dollars, 6))
        for row in rows
    }


def plan(conn: Connection, signal: str, day: date, document: Mapping[str, Any]) -> None:
    """Keep what the signal decided for the day, in the place of what it had before."""
    values = {"day": day, "plan": dict(document)}
    statement = insert_into(conn, plans).values(signal=signal, **values)
    conn.execute(statement.on_conflict_do_update(index_elements=["signal"], set_=values))


def planned(conn: Connection, signal: str, day: date) -> dict[str, Any]:
    """What the signal decided for the day; {} if nothing yet."""
    mine = (plans.c.signal == signal) & (plans.c.day == day)
    document: dict[str, Any] | None = conn.scalar(select(plans.c.plan).where(mine))
    return document or {}


def known(
    conn: Connection, signal: str, ids: Sequence[str]
) -> dict[str, tuple[int, int, datetime | None]]:
    """The posts that are stored, by id: believed retweets and favorites, and when read."""
    columns = (posts.c.external_id, posts.c.retweets, posts.c.favorites, posts.c.measured_at)
    mine = posts.c.signal == signal, posts.c.external_id.in_(ids)
    return {row[0]: (row[1], row[2], row[3]) for row in conn.execute(select(*columns).where(*mine))}
