"""Runs: how each source, signal and digest fared; and the paid reads of each day."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, Connection, case, exists, func, insert, select, update

from trendbot.store.engine import insert_into
from trendbot.store.schema import budgets, runs


@dataclass(frozen=True, slots=True)
class Run:
    """One try of a source, a signal or a digest (`kind`) for the days since to until.

    `outcome` is running, ok, quiet (nothing was there), failed or stopped (until the next
    UTC day); `message` says why.
    """

    id: int
    kind: str
    name: str
    since: date
    until: date
    started_at: datetime
    finished_at: datetime | None
    outcome: str
    items: int
    message: str


def start(conn: Connection, kind: str, name: str, since: date, until: date, now: datetime) -> int:
    """Write down that a run began; returns its id."""
    statement = insert(runs).values(
        kind=kind, name=name, since=since, until=until, started_at=now, outcome="running"
    )
    run_id: int = conn.execute(statement.returning(runs.c.id)).scalar_one()
    return run_id


def finish(
    conn: Connection, run_id: int, outcome: str, items: int, message: str, now: datetime
) -> None:
    """Write down how the run ended."""
    values = {"outcome": outcome, "items": items, "message": message, "finished_at": now}
    conn.execute(update(runs).where(runs.c.id == run_id).values(values))


def last_finished(conn: Connection, kind: str, name: str) -> Run | None:
    """The newest run of this name that came to an end."""
    mine = (runs.c.kind == kind) & (runs.c.name == name) & (runs.c.outcome != "running")
    row = conn.execute(select(runs).where(mine).order_by(runs.c.id.desc()).limit(1)).one_or_none()
    return None if row is None else Run(**row._mapping)


def last_of_each(conn: Connection, kind: str) -> list[Run]:
    """The newest run of each name, in the order of the names."""
    # From name to name through the index: grouping would read all entries of a year.
    mine = runs.c.kind == kind
    first = select(func.min(runs.c.name).label("name")).where(mine).cte("names", recursive=True)
    after = select(func.min(runs.c.name)).where(mine, runs.c.name > first.c.name)
    names = first.union_all(select(after.scalar_subquery()).where(first.c.name.is_not(None)))
    newest = select(func.max(runs.c.id)).where(mine, runs.c.name == names.c.name)
    ids = select(newest.scalar_subquery()).where(names.c.name.is_not(None))
    rows = conn.execute(select(runs).where(runs.c.id.in_(ids)).order_by(runs.c.name))
    return [Run(**row._mapping) for row in rows]


def settled(conn: Connection, name: str, since: date) -> set[date]:
    """The days from `since` on whose digest of this cadence was made, or was nothing to make."""
    told = runs.c.outcome.in_(["ok", "quiet"])
    days = select(runs.c.until).where(
        runs.c.kind == "digest", runs.c.name == name, told, runs.c.until >= since
    )
    return set(conn.scalars(days))


def told(conn: Connection, source: str, day: date) -> bool:
    """Whether the source told of `day`, if only that nothing was announced."""
    answered = runs.c.outcome.in_(["ok", "quiet"])
    about = (runs.c.since <= day) & (runs.c.until >= day)
    mine = (runs.c.kind == "source") & (runs.c.name == source)
    return bool(conn.scalar(select(exists().where(mine, answered, about))))


def answered(conn: Connection, kind: str, name: str, since: datetime) -> bool:
    """Whether a run of this name that began after `since` told all there was."""
    mine = (runs.c.kind == kind) & (runs.c.name == name) & (runs.c.started_at > since)
    return bool(conn.scalar(select(exists().where(mine, runs.c.outcome.in_(["ok", "quiet"])))))


def answered_at(conn: Connection, kind: str, name: str) -> datetime | None:
    """When the last run of this name began that told all there was."""
    mine = (runs.c.kind == kind) & (runs.c.name == name) & runs.c.outcome.in_(["ok", "quiet"])
    query = select(runs.c.started_at).where(mine).order_by(runs.c.id.desc()).limit(1)
    began: datetime | None = conn.scalar(query)
    return began


def covered_until(conn: Connection, kind: str, name: str) -> date | None:
    """The last day of which a run of this name told all there was, if only that nothing was."""
    told = runs.c.outcome.in_(["ok", "quiet"])
    until: date | None = conn.scalar(
        select(func.max(runs.c.until)).where(runs.c.kind == kind, runs.c.name == name, told)
    )
    return until


def reserve(conn: Connection, signal: str, day: date, wanted: int, limit: int) -> int:
    """Book up to `wanted` reads of the day without passing `limit`; returns how many.

    0 when the day is spent or stopped. Commit before reading.
    """
    # The insert takes the lock on SQLite, FOR UPDATE the one on PostgreSQL: of two
    # processes that reserve at once the second sees what the first one left.
    new = insert_into(conn, budgets).values(signal=signal, day=day)
    conn.execute(new.on_conflict_do_nothing())
    row = conn.execute(select(budgets).where(_of(signal, day)).with_for_update()).one()
    booked = 0 if row.stopped else max(0, min(wanted, limit - row.used))
    conn.execute(update(budgets).where(_of(signal, day)).values(used=row.used + booked))
    return booked


def release(conn: Connection, signal: str, day: date, unused: int) -> None:
    """Give back booked reads that were not used."""
    left = case((budgets.c.used > unused, budgets.c.used - unused), else_=0)
    conn.execute(update(budgets).where(_of(signal, day)).values(used=left))


def stop(conn: Connection, signal: str, day: date, reason: str) -> None:
    """End the day for this signal: nothing can be reserved any more."""
    statement = insert_into(conn, budgets).values(signal=signal, day=day, stopped=reason)
    conn.execute(
        statement.on_conflict_do_update(index_elements=["signal", "day"], set_={"stopped": reason})
    )


def budget(conn: Connection, signal: str, day: date) -> tuple[int, str]:
    """The reads booked on the day, and why it was stopped, if it was."""
    query = select(budgets.c.used, budgets.c.stopped).where(_of(signal, day))
    row = conn.execute(query).one_or_none()
    return (0, "") if row is None else (row.used, row.stopped)


def _of(signal: str, day: date) -> ColumnElement[bool]:
    return (budgets.c.signal == signal) & (budgets.c.day == day)
