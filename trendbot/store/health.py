"""What is stored of how sources and signals fare: their runs, papers and posts, and hosts.

Asked for by every look at `/healthz` and `/metrics`, so each query here reads a few entries
of an index, whatever a year has left in the tables.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, func, select

from trendbot import health
from trendbot.health import DAY, Asked, Health, Host, Record
from trendbot.store import hosts
from trendbot.store.schema import papers, posts, runs

ANSWERED = ("ok", "quiet")
FAILED = ("failed", "stopped")


@dataclass(frozen=True, slots=True)
class Standing:
    """How all that is asked fares, and the hosts that failed when they were asked last."""

    all: tuple[Health, ...]
    hosts: tuple[Host, ...]

    def of(self, kind: str) -> list[Health]:
        """How the sources, or the signals, fare."""
        return [one for one in self.all if one.kind == kind]


def standing(conn: Connection, asked: Iterable[Asked], now: datetime) -> Standing:
    """How each of `asked` fares."""
    ailing = hosts.ailing(conn)
    closed = [host for host in ailing if host.closed_until and host.closed_until > now]
    return Standing(
        tuple(
            health.judge(
                one, record(conn, one), [host for host in closed if host.host in one.hosts]
            )
            for one in asked
        ),
        tuple(ailing),
    )


def record(conn: Connection, asked: Asked) -> Record:
    """What is stored of one source or signal."""
    mine = (runs.c.kind == asked.kind) & (runs.c.name == asked.name)
    newest = runs.c.id.desc()
    ended = conn.execute(
        select(runs.c.outcome, runs.c["items"].label("found"))
        .where(mine, runs.c.outcome != "running")
        .order_by(newest)
        .limit(1)
    ).one_or_none()
    last_ok = conn.execute(
        select(runs.c.id, runs.c.started_at)
        .where(mine, runs.c.outcome.in_(ANSWERED))
        .order_by(newest)
        .limit(1)
    ).one_or_none()
    since = runs.c.id > (last_ok.id if last_ok else 0)
    failures, failing_since = conn.execute(
        select(func.count(), func.min(runs.c.started_at)).where(
            mine, since, runs.c.outcome.in_(FAILED)
        )
    ).one()
    items = _papers if asked.kind == "source" else _posts
    newest_day, per_day = items(conn, asked.name, last_ok.started_at if last_ok else None)
    return Record(
        asked_at=conn.scalar(select(runs.c.started_at).where(mine).order_by(newest).limit(1)),
        outcome=ended.outcome if ended else "",
        items=ended.found if ended else 0,
        last_ok=last_ok.started_at if last_ok else None,
        failures=failures,
        failing_since=failing_since,
        newest=newest_day,
        per_day=per_day,
    )


Counted = tuple[date | None, dict[date, int]]


def _papers(conn: Connection, source: str, answered: datetime | None) -> Counted:
    """The newest day of a source's papers, and how many each day had that may be judged by."""
    mine = papers.c.source == source
    first, newest = _ends(conn, papers.c.announced, mine)
    if answered is None or first is None:
        return newest, {}
    last = health.last_day("source", answered, newest)
    days = timedelta(days=7 * (health.WEEKS + 1))
    since = max(first, last - days)
    rows = conn.execute(
        select(papers.c.announced, func.count().label("number"))
        .where(mine, papers.c.announced.between(since, last))
        .group_by(papers.c.announced)
    )
    counted = {row.announced: row.number for row in rows}
    span = range((last - since).days + 1)
    return newest, {day: counted.get(day, 0) for day in (since + DAY * n for n in span)}


def _posts(conn: Connection, signal: str, answered: datetime | None) -> Counted:
    """The newest day of a signal's posts, and how many the last day had, and those like it."""
    mine = posts.c.signal == signal
    first, newest = _ends(conn, posts.c.posted_at, mine)
    if answered is None or first is None:
        return newest and newest.date(), {}
    last = health.last_day("signal", answered, None)
    days = [day for day in (last, *health.same_weekdays(last)) if day >= first.date()]
    counts = {
        day: conn.scalar(select(func.count()).where(mine, _posted_on(day))) or 0 for day in days
    }
    return newest.date(), counts


def _ends(conn: Connection, column: Column[Any], mine: ColumnElement[bool]) -> tuple[Any, Any]:
    """The least and the greatest: asked for at once, SQLite would read all between them."""
    first, last = (
        select(end(column)).where(mine).scalar_subquery() for end in (func.min, func.max)
    )
    ends = conn.execute(select(first, last)).one()
    return ends[0], ends[1]


def _posted_on(day: date) -> ColumnElement[bool]:
    midnight = datetime.combine(day, time(), UTC)
    return (posts.c.posted_at >= midnight) & (posts.c.posted_at < midnight + DAY)
