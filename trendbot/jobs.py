"""Many machines: batches wait as procrastinate's jobs in PostgreSQL, and workers take them.

A job says only that a batch may have something to send; the truth is in the deliveries. So a
job that is lost, run twice or run too early does no harm: claims exclude each other, and
`sweep` finds every batch that has something due and nobody who works on it.

This is the only module that knows procrastinate, its tables included. Nothing is queued on
SQLite: there the daemon and the commands send by themselves.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from trendbot.errors import TrendbotError
from trendbot.store import queue
from trendbot.store.engine import POSTGRESQL_CONNECTS, explain

if TYPE_CHECKING:
    import procrastinate

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Times:
    """How often a worker does what, in seconds.

    A batch whose worker died is taken up again within `stalled_after` + `sweep_every`.
    """

    poll_every: float = 1.0  # look for a job, when there was none
    heartbeat_every: float = 10.0
    stalled_after: float = 30.0  # without a sign of life a worker is taken for dead
    sweep_every: float = 20.0
    pause: float = 5.0  # after trouble with the database
    stop_within: float = 8.0


TIMES = Times()

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


# Any number will do that nobody else takes on this database.
_ALONE = text("SELECT pg_try_advisory_xact_lock(7236174)")

# Where the clocks of trendbot and of the server differ, trendbot's is right.
_BRING_FORWARD = text(
    """
    UPDATE procrastinate_jobs SET scheduled_at = NULL
     WHERE task_name = 'deliver_batch' AND status = 'todo'
       AND scheduled_at > now() AND scheduled_at <= :now
    """
)

# A stalled job is not tried again but forgotten: its batch may have a waiting job already.
_FORGET_STALLED = text(
    """
    DELETE FROM procrastinate_jobs AS job
     WHERE task_name = 'deliver_batch' AND status = 'doing'
       AND NOT EXISTS (SELECT FROM procrastinate_workers AS worker
                        WHERE worker.id = job.worker_id AND worker.last_heartbeat
                              > now() - :stalled_after * interval '1 second')
    """
)

_WITHOUT_JOB = text(
    """
    SELECT id FROM batches
     WHERE done_at IS NULL
       AND NOT EXISTS (SELECT FROM procrastinate_jobs
                        WHERE queueing_lock = 'batch ' || batches.id
                          AND status IN ('todo', 'doing'))
    """
)


def are_kept(engine: Engine) -> bool:
    """Whether the database has a queue that workers can take batches from."""
    return engine.dialect.name == "postgresql"


def defer(conn: Connection, batch_ids: Sequence[int], at: datetime | None = None) -> None:
    """Have each batch delivered at `at`, now if None, by a worker; on SQLite do nothing.

    Becomes true with the transaction of `conn`. A batch has one waiting job at most: the
    earlier time holds.
    """
    if are_kept(conn.engine):
        conn.execute(_DEFER, {"batch_ids": list(batch_ids), "at": at})


def workers_alive(conn: Connection) -> bool:
    """Whether a worker gave a sign of life in the last half minute."""
    if not are_kept(conn.engine):
        return False
    return bool(conn.scalar(_WORKERS_ALIVE, {"stalled_after": TIMES.stalled_after}))


def sweep(conn: Connection, now: datetime, stalled_after: float = TIMES.stalled_after) -> int:
    """Give a job to every batch that has something due and none; returns to how many.

    So it does not matter how a job was lost: its worker died, or failed over the batch. Does
    nothing while somebody else does it.
    """
    if not conn.scalar(_ALONE):
        return 0
    conn.execute(_BRING_FORWARD, {"now": now})
    conn.execute(_FORGET_STALLED, {"stalled_after": stalled_after})
    without = conn.scalars(_WITHOUT_JOB).all()
    found = queue.due(conn, without, now) if without else []
    defer(conn, found)
    return len(found)


def run(
    engine: Engine,
    deliver: Callable[[int], object],
    now: Callable[[], datetime],
    stopping: threading.Event,
    times: Times = TIMES,
) -> None:
    """Call `deliver(batch_id)` for job after job, always in one thread, until `stopping` is set.

    Returns when the call under way has ended; it should hear of `stopping` by itself. What
    TrendbotError or trouble with the database ends a call is logged, and the batch comes back
    when it is due. Restarts of PostgreSQL are waited out.
    """
    with ThreadPoolExecutor(1, "deliver") as thread:
        asyncio.run(_Worker(engine, deliver, now, stopping, times, thread).run())


@dataclass(frozen=True, slots=True)
class _Worker:
    """procrastinate's worker, begun again after trouble with the database, and the sweeping."""

    engine: Engine
    deliver: Callable[[int], object]
    now: Callable[[], datetime]
    stopping: threading.Event
    times: Times
    thread: ThreadPoolExecutor

    async def run(self) -> None:
        asyncio.get_running_loop().set_exception_handler(_forgotten)
        _quieten()
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._take_jobs()), group.create_task(self._sweep())]
                await asyncio.to_thread(self.stopping.wait)
                log.info("stopping")
                for task in tasks:
                    task.cancel()
        finally:
            self.stopping.set()  # its thread would wait for ever

    async def _take_jobs(self) -> None:
        """Take jobs; cancelled, wait for the one under way. Comes back from any restart."""
        import psycopg
        from procrastinate.exceptions import ConnectorException

        app = self._app()
        while not self.stopping.is_set():
            trouble: BaseException | None = None
            try:
                async with app.open_async():
                    await self._run_worker(app)
            except (ConnectorException, psycopg.Error) as error:
                trouble = error.__cause__ or error
            if self.stopping.is_set():
                return
            log.warning(
                "the database lets no jobs be taken (%s); trying again in %g seconds",
                " ".join(str(trouble or "it took no sign of life").split()),
                self.times.pause,
            )
            await asyncio.sleep(self.times.pause)

    async def _run_worker(self, app: "procrastinate.App") -> None:
        await app.run_worker_async(
            queues=["deliveries"],
            concurrency=1,
            delete_jobs="always",
            install_signal_handlers=False,
            # Looking once a second needs no connection that listens, which a pooler such as
            # PgBouncer could not give and which would have to be missed and made again.
            listen_notify=False,
            fetch_job_polling_interval=self.times.poll_every,
            update_heartbeat_interval=self.times.heartbeat_every,
            stalled_worker_timeout=self.times.stalled_after,
            shutdown_graceful_timeout=self.times.stop_within,
        )

    def _app(self) -> "procrastinate.App":
        # Takes a fifth of a second to import, and most commands do without.
        import procrastinate

        _, connects = self.engine.dialect.create_connect_args(self.engine.url)
        del connects["context"]  # how SQLAlchemy likes its values
        connector = procrastinate.PsycopgConnector(
            kwargs={**connects, **POSTGRESQL_CONNECTS},
            min_size=1,
            max_size=2,
            timeout=self.times.stop_within / 2,  # stopping may ask twice
        )
        app = procrastinate.App(connector=connector)

        @app.task(name="deliver_batch")
        async def deliver_batch(batch_id: int) -> None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self.thread, self._deliver_batch, batch_id)

        # A worker without periodic tasks does not notice when its heartbeat fails, so here is one:
        # https://github.com/procrastinate-org/procrastinate/issues/1597
        @app.periodic(cron="0 0 29 2 *")
        @app.task(name="leap_day", queue="deliveries")
        async def leap_day(timestamp: int) -> None:
            log.debug("a leap day began at %d", timestamp)

        return app

    def _deliver_batch(self, batch_id: int) -> None:
        try:
            with self.engine.connect() as conn:
                is_due = queue.due(conn, [batch_id], self.now())
            if is_due:
                self.deliver(batch_id)
        except TrendbotError as error:
            log.error("batch %d: %s", batch_id, error)
        except SQLAlchemyError as error:
            log.error("batch %d: %s", batch_id, explain(error))
            self.stopping.wait(self.times.pause)

    async def _sweep(self) -> None:
        while True:
            await asyncio.to_thread(self._sweep_once)
            await asyncio.sleep(self.times.sweep_every)

    def _sweep_once(self) -> None:
        try:
            with self.engine.begin() as conn:
                found = sweep(conn, self.now(), self.times.stalled_after)
        except SQLAlchemyError as error:
            log.warning("cannot look for batches that were left: %s", explain(error))
        else:
            if found:
                log.info("%d batches that nobody worked on wait for a worker again", found)


def _quieten() -> None:
    """Keep to one line what goes wrong with the database, and told by us."""
    for name in ("procrastinate", "psycopg", "psycopg.pool"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for name in ("worker", "worker.worker", "utils"):
        logging.getLogger(f"procrastinate.{name}").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    return not (record.exc_info and _is_told(record.exc_info[1]))


def _forgotten(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Hear of tasks nobody waits for: a job whose end could not be written down is swept up."""
    if not _is_told(context.get("exception")):
        loop.default_exception_handler(context)


def _is_told(error: BaseException | None) -> bool:
    from procrastinate.exceptions import ConnectorException

    return isinstance(error, ConnectorException)
