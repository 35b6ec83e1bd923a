"""Many machines: batches wait as procrastinate's jobs in PostgreSQL, and workers take them.

A job says only that a batch may have something to send; the truth is in the deliveries. So a
job that is lost, run twice or run too early does no harm: claims exclude each other, and
`sweep` finds every batch that has something due and nobody who works on it.

This is the only module that knows procrastinate, its tables included. Nothing is queued on
SQLite: there the daemon and the commands send by themselves.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, text

# Seconds after which a worker without a sign of life is taken for dead.
STALLED_AFTER = 30.0

# The unique index on waiting jobs makes a second one of a batch impossible. Written out and not
# done by procrastinate, whose failure on that index would undo all that the caller did.
_DEFER = text(
    """
    INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, args, scheduled_at)
    SELECT 'deliveries', 'deliver_batch', 'batch ' || id, jsonb_build_object('batch_id', id),
           CAST(:at AS timestamptz)
      FROM (SELECT DISTINCT unnest(CAST(:batch_ids AS bigint[])) AS id ORDER BY id) AS wanted
    ON CONFLICT (queueing_lock) WHERE status = 'todo'
    DO UPDATE SET scheduled_at = EXCLUDED.scheduled_at
            WHERE procrastinate_jobs.scheduled_at > coalesce(EXCLUDED.scheduled_at, now())
    """
)

_WORKERS_ALIVE = text(
    """
    SELECT EXISTS (SELECT FROM procrastinate_workers
                    WHERE last_heartbeat > now() - :stalled_after * interval '1 second')
    """
)


def defer(conn: Connection, batch_ids: Sequence[int], at: datetime | None = None) -> None:
    """Have each batch delivered at `at`, now if None, by a worker; on SQLite do nothing.

    Becomes true with the transaction of `conn`. A batch has one waiting job at most: the
    earlier time holds.
    """
    if _has_jobs(conn):
        conn.execute(_DEFER, {"batch_ids": list(batch_ids), "at": at})


def workers_alive(conn: Connection) -> bool:
    """Whether a worker gave a sign of life in the last half minute."""
    if not _has_jobs(conn):
        return False
    return bool(conn.scalar(_WORKERS_ALIVE, {"stalled_after": STALLED_AFTER}))


def _has_jobs(conn: Connection) -> bool:
    return conn.dialect.name == "postgresql"
