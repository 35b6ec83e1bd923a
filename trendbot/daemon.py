"""The daemon: a scheduler and the web, started in order and stopped in reverse.

Jobs run one at a time and look at the database to see what is to be done, so it does not
matter when they run: after downtime, a clock change or a second daemon beside this one,
they find what is missing and nothing twice.
"""

import logging
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from types import FrameType

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.exc import SQLAlchemyError

from trendbot import contest, deliver, due, jobs, notices, pipeline
from trendbot.app import App
from trendbot.collect import collect, collect_papers, collect_posts, let_lapse
from trendbot.doorway import Doorway
from trendbot.errors import TransportError, TrendbotError
from trendbot.model import Cadence
from trendbot.settle import rest
from trendbot.store import digests, erasure, hosts, limits, papers, runs
from trendbot.store.engine import explain
from trendbot.store.runs import Run
from trendbot.terminal import begin_log
from trendbot.web import server

LOOK_EVERY = 60.0  # seconds
POST_EVERY = 30.0  # seconds
RETRY_NEWS_AFTER = timedelta(minutes=15)
RETRY_AFTER = timedelta(hours=6)
UNCONFIRMED_FOR = timedelta(days=30)
UNASKED_FOR = timedelta(days=7)
TOLD = ("ok", "quiet")
LISTEN_EVERY = 0.2  # seconds, for a signal
STOP_WITHIN = (
    8.0  # seconds for the work in hand; what is not done then is taken up at the next start
)

_ADDRESS = re.compile(r"[^\s<>:]+@[^\s<>:]+")

log = logging.getLogger(__name__)


def serve(app: App) -> None:
    """Work until SIGTERM or SIGINT, then stop within ten seconds without losing a delivery.

    Raises SettingsError when an adapter's settings are wrong or the web's port cannot be had.
    """
    asked = ", ".join([*app.sources, *app.signals])  # built now, so that mistakes show now
    begin_log()
    stopping = threading.Event()
    asked_to_stop: list[int] = []

    def stop(signum: int, _frame: FrameType | None) -> None:
        asked_to_stop.append(signum)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    web = server.start(app)
    at_work = threading.Lock()
    scheduler = _start_scheduler(app, stopping, at_work)
    post = start_post(app, stopping)
    log.info("asking %s, mailing by %s", asked or "nobody", type(app.transport).__name__)
    while not asked_to_stop:  # no endless wait: a signal that another thread gets ends none
        time.sleep(LISTEN_EVERY)
    stopping.set()
    log.info("stopping")
    app.queued.set()  # wakes the post
    scheduler.shutdown(wait=False)
    deadline = time.monotonic() + STOP_WITHIN
    finished = at_work.acquire(timeout=STOP_WITHIN)
    if not web.stop(within=max(1.0, deadline - time.monotonic())):
        log.warning("requests were still being answered")
    post.join(timeout=max(0.0, deadline - time.monotonic()))
    if not finished or post.is_alive():
        log.warning("what was begun did not end in time; the next start goes on from there")
        logging.shutdown()
        os._exit(0)  # its thread would keep the process; the database is consistent without it
    at_work.release()
    app.close()
    log.info("stopped")


def work(app: App, stop: Callable[[], bool] = deliver.never) -> None:
    """Do what is due: ask the sources, make digests, send mails."""
    tidy(app)
    collect_if_due(app)
    make_due(app, stop)
    look_if_due(app, stop)
    let_lapse(app.engine, app.now, app.settings.counting)
    plan_due(app)
    deliver_due(app, stop)


def tidy(app: App) -> None:
    """Forget what must not be kept.

    That is full limits, who never confirmed, what servers said of readers who were erased,
    and hosts nobody asks now.
    """
    now = app.now()
    with app.engine.begin() as conn:
        limits.prune(conn, now)
        erasure.scrub(conn, now)
        erasure.forget_unconfirmed(conn, now - UNCONFIRMED_FOR)
        hosts.prune(conn, now - UNASKED_FOR)


def start_post(app: App, stopping: threading.Event) -> threading.Thread:
    """Send notices on a thread of their own: when one is queued here, and every half minute.

    It ends once `stopping` is set and `app.queued` wakes it. Raises SettingsError.
    """
    door = app.back_door()  # built now, so that mistakes show now

    def post() -> None:
        refusal = None
        while not stopping.is_set():
            sent = post_due(door, stopping.is_set)
            if sent is None:  # whatever is queued meanwhile
                refusal = rest(refusal)
                stopping.wait(refusal.total_seconds())
                continue
            refusal = None if sent else refusal
            app.queued.wait(POST_EVERY)
            app.queued.clear()  # at once: what is queued from here on, and a stop, wakes it again

    thread = threading.Thread(target=post, name="post", daemon=True)
    thread.start()
    return thread


def post_due(door: Doorway, stop: Callable[[], bool] = deliver.never) -> int | None:
    """Send the notices that are due; returns how many left, None if the server refuses us."""
    try:
        return notices.drain(door, stop)
    except TransportError as error:
        # Servers quote whom a mail is for, and here that is who asked for it just now.
        log.error("no notices can be mailed: %s", _ADDRESS.sub("<address>", str(error)))
        return None
    except TrendbotError as error:
        log.error("%s", error)
    except SQLAlchemyError as error:
        log.error("%s", explain(error))
    return 0


def deliver_due(app: App, stop: Callable[[], bool] = deliver.never) -> None:
    """Send what is due, unless workers live who do."""
    with app.engine.connect() as conn:
        workers = jobs.workers_alive(conn)
    if not workers:
        with app.telemetry.counted(), app.telemetry.logged() as watch:
            deliver.drain(app.dispatch(stop, watch))


def collect_if_due(app: App) -> None:
    """Ask the sources that can have news, if nobody began to within `collect_every`."""
    now = app.now()
    with app.engine.connect() as conn:
        asked = {run.name: run for run in runs.last_of_each(conn, "source")}
        newest = {name: papers.newest(conn, name) for name in app.sources}
    for name, source in app.sources.items():
        last = asked.get(name)
        asked_at = last.started_at if last is not None and last.outcome in TOLD else None
        rested = _rested(last, app.settings.schedule.collect_every, now)
        if rested and due.worth_asking(newest[name], asked_at, now):
            collect_papers(app.engine, name, source, now.date(), now.date(), app.now)


def make_due(app: App, stop: Callable[[], bool] = deliver.never) -> None:
    """Make the digests that are due and missing, after one look at sources and signals."""
    missing = [(cadence, day) for cadence in Cadence for day in _missing(app, cadence)]
    if not missing or stop():
        return
    windows = [contest.days_of(app, cadence, day) for cadence, day in missing]
    since, until = min(first for first, _ in windows), max(last for _, last in windows)
    collect(app.engine, app.sources, app.signals, since, until, app.now, app.settings.counting)
    for cadence, day in missing:
        if stop():
            return
        made = pipeline.make_digest(app, cadence, day)
        log.info("%s digest of %s: %s %s", cadence, day, made.ending, made.reason)


def look_if_due(app: App, stop: Callable[[], bool] = deliver.never) -> None:
    """Ask the signals whose pause is over: `every`, or `collect_every` after a failure.

    For a digest all of them are asked, so this comes after it.
    """
    now = app.now()
    with app.engine.connect() as conn:
        asked = {run.name: run for run in runs.last_of_each(conn, "signal")}
    for name, network in app.signals.items():
        last = asked.get(name)
        told = last is not None and last.outcome in (*TOLD, "stopped")
        pause = network.every if told else app.settings.schedule.collect_every
        if not stop() and _rested(last, pause, now):
            collect_posts(app.engine, name, network, now.date(), app.now, app.settings.counting)


def _rested(last: Run | None, pause: timedelta, now: datetime) -> bool:
    return last is None or last.started_at + pause <= now


def plan_due(app: App) -> None:
    """Freeze the audience of digests that are made, still news and not planned yet."""
    schedule, now, max_age = app.settings.schedule, app.now(), app.settings.mail.max_age
    for cadence in Cadence:
        for day in due.news(cadence, now, schedule.digest_at, schedule.zone):
            with app.engine.connect() as conn:
                found = digests.find(conn, cadence, day)
            if found is None:
                continue
            audience = deliver.plan(app.engine, found, now, schedule.zone, max_age)
            if audience is not None:
                log.info("%s digest of %s goes to %d subscribers", cadence, day, audience)


def _missing(app: App, cadence: Cadence) -> list[date]:
    """The days to make digests of now; those that failed lately are left for later."""
    schedule, now = app.settings.schedule, app.now()
    with app.engine.connect() as conn:
        settled = runs.settled(conn, cadence, now.date() - due.MOST_MISSED)
        last = runs.last_finished(conn, "digest", cadence)
    days = due.missing(cadence, settled, now, schedule.digest_at, schedule.zone)
    if last is None or last.outcome not in pipeline.FAILURES:
        return days
    news = any(due.mailed(day, now, schedule.digest_at, schedule.zone) for day in days)
    wait = RETRY_NEWS_AFTER if news else RETRY_AFTER
    return days if last.started_at + wait <= now else []


def _start_scheduler(
    app: App, stopping: threading.Event, at_work: threading.Lock
) -> BackgroundScheduler:
    """Look every minute for what is due; a look that takes longer is not begun twice."""

    def look() -> None:
        with at_work:
            if stopping.is_set():
                return
            try:
                work(app, stopping.is_set)
            except TrendbotError as error:
                log.error("%s", error)
            except SQLAlchemyError as error:
                log.error("%s", explain(error))

    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.add_job(
        look,
        "interval",
        seconds=LOOK_EVERY,
        next_run_time=datetime.now(UTC),  # its own time, which only says when to look
        coalesce=True,
        max_instances=1,
        misfire_grace_time=None,
    )
    scheduler.start()
    return scheduler
