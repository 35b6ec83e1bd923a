"""A worker: takes batches from the queue in PostgreSQL and mails them, until SIGTERM.

As many as one likes, on as many machines as one likes; each sends one batch at a time.
"""

import logging
import os
import signal
import threading
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from types import FrameType

from trendbot import deliver, jobs
from trendbot.app import App
from trendbot.errors import SettingsError
from trendbot.terminal import begin_log

LEAVE_AFTER = 1.5  # seconds beyond those for what is in hand; another worker goes on from there

log = logging.getLogger(__name__)


def work(app: App, metrics_port: int | None = None, times: jobs.Times = jobs.TIMES) -> None:
    """Deliver batches until SIGTERM or SIGINT, then stop within ten seconds and lose nothing.

    Answers Prometheus on `metrics_port` of the web's host, if there is one. Raises
    SettingsError on SQLite, where mail cannot work, and where the port cannot be had.
    """
    if not jobs.are_kept(app.engine):
        raise SettingsError(
            "workers need PostgreSQL: set database.url to a postgresql:// address; on SQLite "
            "`trendbot serve` and `trendbot deliver` send everything themselves"
        )
    stopping, stopped = threading.Event(), threading.Event()

    def stop(_signum: int, _frame: FrameType | None) -> None:
        stopping.set()

    app.dispatch()  # what is wrong with mail shows now
    begin_log()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    threading.Thread(
        target=_see_to_the_end,
        args=(stopping, stopped, times.stop_within + LEAVE_AFTER),
        daemon=True,
    ).start()
    log.info("taking batches, mailing by %s", type(app.transport).__name__)
    try:
        with _figures(app, metrics_port), app.telemetry.logged() as watch:
            dispatch = app.dispatch(stopping.is_set, watch)
            mail = app.telemetry.counted()(partial(deliver.deliver_batch, dispatch))
            jobs.run(app.engine, mail, app.now, stopping, times)
        app.transport.close()
    finally:
        stopped.set()
    log.info("stopped")


def _figures(app: App, port: int | None) -> AbstractContextManager[object]:
    return nullcontext() if port is None else app.telemetry.served(app.settings.web.host, port)


def _see_to_the_end(stopping: threading.Event, stopped: threading.Event, within: float) -> None:
    """End the process when a mail server or the database does not let it stop in time."""
    stopping.wait()
    if not stopped.wait(within):
        log.warning("what was begun did not end in time; another worker goes on from there")
        logging.shutdown()
        os._exit(0)  # its thread would keep the process; the database is consistent without it
