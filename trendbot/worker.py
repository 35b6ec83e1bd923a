"""A worker: takes batches from the queue in PostgreSQL and mails them, until SIGTERM.

As many as one likes, on as many machines as one likes; each sends one batch at a time.
"""

import logging
import os
import signal
import threading
from functools import partial
from types import FrameType

from trendbot import deliver, jobs
from trendbot.app import App
from trendbot.errors import SettingsError
from trendbot.terminal import begin_log

STOP_WITHIN = 9.5  # seconds; what is not done then is taken up by another worker

log = logging.getLogger(__name__)


def work(app: App, times: jobs.Times = jobs.TIMES) -> None:
    """Deliver batches until SIGTERM or SIGINT, then stop within ten seconds and lose nothing.

    Raises SettingsError on SQLite, and where mail cannot work.
    """
    if not jobs.are_kept(app.engine):
        raise SettingsError(
            "workers need PostgreSQL: set database.url to a postgresql:// address; on SQLite "
            "`trendbot serve` and `trendbot deliver` send everything themselves"
        )
    stopping, stopped = threading.Event(), threading.Event()

    def stop(_signum: int, _frame: FrameType | None) -> None:
        stopping.set()

    dispatch = app.dispatch(stopping.is_set)
    begin_log()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    threading.Thread(target=_see_to_the_end, args=(stopping, stopped), daemon=True).start()
    log.info("taking batches, mailing by %s", type(app.transport).__name__)
    try:
        jobs.run(app.engine, partial(deliver.deliver_batch, dispatch), app.now, stopping, times)
        app.transport.close()
    finally:
        stopped.set()
    log.info("stopped")


def _see_to_the_end(stopping: threading.Event, stopped: threading.Event) -> None:
    """End the process when a mail server or the database does not let it stop in time."""
    stopping.wait()
    log.info("stopping")
    if not stopped.wait(STOP_WITHIN):
        log.warning("what was begun did not end in time; another worker goes on from there")
        logging.shutdown()
        os._exit(0)  # its thread would keep the process; the database is consistent without it
