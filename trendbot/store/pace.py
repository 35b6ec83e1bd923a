"""The pace of sending: limits that all processes keep together, also after a restart.

One row holds when the next mail may leave and how many left in each minute of the last hour.
Whoever books locks it, so two workers never take the same place.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Row, select, update

from trendbot.model import Limits
from trendbot.store.engine import insert_into
from trendbot.store.schema import pace

# Mails at the end of a minute are within the hour until the minute after the sixtieth.
_MINUTES = 61


def room(conn: Connection, limits: Limits, now: datetime) -> int | None:
    """How many mails may be booked now; None is no limit. Holds the lock when there is one."""
    if not limits.per_hour:
        return None
    return max(0, limits.per_hour - sum(_lately(_locked(conn, now), now).values()))


def book(conn: Connection, limits: Limits, now: datetime, mails: int) -> float:
    """Count `mails` as leaving; returns the seconds until the first may.

    The others may 1 / `per_second` later each. No pause earns a burst afterwards: places in
    the past are not given.
    """
    if not (limits.per_second or limits.per_hour):
        return 0.0
    row = _locked(conn, now)
    first: datetime = max(row.free_at, now)
    gap = timedelta(seconds=mails / limits.per_second) if limits.per_second else timedelta()
    minutes = _lately(row, now)
    minutes[_minute(now)] = minutes.get(_minute(now), 0) + mails
    kept = {str(minute): count for minute, count in minutes.items()}
    conn.execute(update(pace).where(pace.c.id == 1).values(free_at=first + gap, minutes=kept))
    return (first - now).total_seconds()


def full_until(conn: Connection, limits: Limits, now: datetime) -> datetime | None:
    """When the hourly limit lets a mail leave again; None if it does now."""
    if not limits.per_hour:
        return None
    row = conn.execute(select(pace).where(pace.c.id == 1)).one_or_none()
    left = _lately(row, now) if row else {}
    if sum(left.values()) < limits.per_hour:
        return None
    return datetime.fromtimestamp((min(left) + _MINUTES) * 60, UTC)


def _locked(conn: Connection, now: datetime) -> Row[int, datetime, dict[str, int]]:
    """The row, locked until the transaction ends."""
    query = select(pace).where(pace.c.id == 1).with_for_update()
    if (row := conn.execute(query).one_or_none()) is not None:
        return row
    first = insert_into(conn, pace).values(id=1, free_at=now, minutes={})
    conn.execute(first.on_conflict_do_nothing())
    return conn.execute(query).one()


def _lately(row: Row[int, datetime, dict[str, int]], now: datetime) -> dict[int, int]:
    """What left in each minute of the last hour."""
    oldest = _minute(now) - _MINUTES
    return {int(minute): mails for minute, mails in row.minutes.items() if int(minute) > oldest}


def _minute(moment: datetime) -> int:
    return int(moment.timestamp()) // 60
