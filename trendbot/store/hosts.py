"""Hosts that failed lately, and until when they are left alone: for all processes together.

open ── three failures in a row ──> closed ── its time is over ──> one may try
 ▲                                    ▲                              │  │
 └────────── it works ────────────────┼──────────────────────────────┘  │
                                      └── it fails: closed for longer ──┘
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select, update

from trendbot.health import CLOSED_AFTER, Host, closed_for
from trendbot.store.engine import insert_into
from trendbot.store.schema import hosts

# As long as who may try can take; if that process dies, another tries then.
TRIAL = timedelta(minutes=15)
LONGEST_REASON = 300


def find(conn: Connection, host: str) -> Host | None:
    """What is known of a host; None if it works."""
    row = conn.execute(select(hosts).where(hosts.c.host == host)).one_or_none()
    return None if row is None else Host(**row._mapping)


def ailing(conn: Connection) -> list[Host]:
    """All hosts that failed when they were asked last, by name."""
    rows = conn.execute(select(hosts).order_by(hosts.c.host))
    return [Host(**row._mapping) for row in rows]


def let_through(conn: Connection, host: str, now: datetime) -> bool:
    """Whether the caller may try a closed host: its time is over, and nobody else tries it."""
    over = (hosts.c.host == host) & (hosts.c.closed_until <= now)
    return conn.execute(update(hosts).where(over).values(closed_until=now + TRIAL)).rowcount == 1


def failed(conn: Connection, host: str, reason: str, reached: bool, now: datetime) -> None:
    """Count a failure, and close the host if it is one too many.

    Failures that reached nobody are counted to three: as a rule our own network is down, and
    hosts that are well must not stay closed for hours when it is back.
    """
    new = insert_into(conn, hosts).values(host=host, failures=0, reason=reason, failed_at=now)
    conn.execute(new.on_conflict_do_nothing())
    mine = hosts.c.host == host
    before: int = conn.execute(select(hosts.c.failures).where(mine).with_for_update()).scalar_one()
    failures = before + 1 if reached else max(before, min(before + 1, CLOSED_AFTER))
    closed = closed_for(failures if reached else min(failures, CLOSED_AFTER))
    conn.execute(
        update(hosts)
        .where(mine)
        .values(
            failures=failures,
            reason=reason[:LONGEST_REASON],
            failed_at=now,
            closed_until=None if closed is None else now + closed,
        )
    )


def worked(conn: Connection, host: str) -> None:
    """Forget the failures of a host that answered."""
    conn.execute(delete(hosts).where(hosts.c.host == host))


def reopen(conn: Connection) -> None:
    """Let all hosts be tried at once, and close those for the shortest time that fail again."""
    closed = hosts.c.closed_until.is_not(None)
    values = {"failures": CLOSED_AFTER - 1, "closed_until": None}
    conn.execute(update(hosts).where(closed).values(**values))


def prune(conn: Connection, before: datetime) -> None:
    """Forget hosts that failed last before that: they are not asked any more."""
    conn.execute(delete(hosts).where(hosts.c.failed_at < before))
