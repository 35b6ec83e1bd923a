"""Limits on how often something may be asked, kept in the database for all processes.

A bucket for each key, as the generic cell rate algorithm keeps it (ITU-T I.371, annex A): the
moment at which it will be full again. A missing row is a full bucket.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select, update
from sqlalchemy.sql.dml import ReturningInsert

from trendbot.store.engine import insert_for
from trendbot.store.schema import limits

_HOUR = timedelta(hours=1)


def take(conn: Connection, rates: Mapping[str, int], now: datetime) -> dict[str, timedelta]:
    """Take one from the bucket of each key, which holds `rate` and gets as many an hour.

    A rate of 0 is no limit. Returns which keys had none left, and how long to wait for each:
    whoever wants all or nothing rolls back. All who take wait for each other until the
    transaction ends, so it should be short (`begin_lightly`).
    """
    wanted = {key: _HOUR / rates[key] for key in rates if rates[key]}
    if not wanted:
        return {}
    if conn.dialect.name == "postgresql":
        conn.execute(_QUEUE_UP)
    rows = [{"key": key, "full_at": now} for key in wanted]
    held = {row.key: row.full_at for row in conn.execute(_lock(conn.dialect.name), rows)}
    full_at = {key: max(held[key], now) + cost for key, cost in wanted.items()}
    refused = {key: moment - now - _HOUR for key, moment in full_at.items() if moment > now + _HOUR}
    taken = [
        {"of_key": key, "moment": moment} for key, moment in full_at.items() if key not in refused
    ]
    if taken:
        conn.execute(_FILL, taken)
    return refused


def once(conn: Connection, key: str, pause: timedelta, now: datetime) -> bool:
    """Whether it is the first time for `key` since `pause`; then the pause begins."""
    statement = _once(conn.dialect.name)
    values = {"of_key": key, "moment": now + pause, "now": now}
    return conn.execute(statement, values).first() is not None


def prune(conn: Connection, now: datetime) -> None:
    """Forget full buckets; those that somebody holds are left for the next time."""
    full = select(limits.c.key).where(limits.c.full_at <= now).with_for_update(skip_locked=True)
    conn.execute(delete(limits).where(limits.c.key.in_(full)))


# Who meets others at a row that all take begins anew each time one of them changed it, and may
# wait for seconds; an advisory lock is given in the order in which it was asked for.
_QUEUE_UP = select(func.pg_advisory_xact_lock(7_236_174))
_FILL = (
    update(limits).where(limits.c.key == bindparam("of_key")).values(full_at=bindparam("moment"))
)


@cache
def _lock(dialect: str) -> ReturningInsert[Any]:
    """Hold the rows, new ones too, and read them: all in one statement."""
    insert = insert_for(dialect, limits)
    unchanged = insert.on_conflict_do_update(
        index_elements=["key"], set_={"full_at": limits.c.full_at}
    )
    return unchanged.returning(limits.c.key, limits.c.full_at)


@cache
def _once(dialect: str) -> ReturningInsert[Any]:
    insert = insert_for(dialect, limits).values(
        key=bindparam("of_key"), full_at=bindparam("moment")
    )
    again = insert.on_conflict_do_update(
        index_elements=["key"],
        set_={"full_at": insert.excluded.full_at},
        where=limits.c.full_at <= bindparam("now"),
    )
    return again.returning(limits.c.key)
