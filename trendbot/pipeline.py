"""The whole job; read this first.

    collect  papers from the sources, posts from the signals           trendbot.collect
    rank     by retweets and favorites, their growth, or within a field  trendbot.ranking
    freeze   the best of them as the digest of the day                 trendbot.store.digests
    deliver  compose it once per segment, send it to each subscriber   trendbot.deliver

Every step finds what an earlier run left and goes on from there: running a day twice, or
again after a crash between any two steps, makes one digest and sends one mail.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date as Date  # noqa: N812  # a ranking's own date is called date
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection

from trendbot import deliver
from trendbot.app import App
from trendbot.collect import collect
from trendbot.contest import Ranked, days_of, late_risers, ranking, with_papers
from trendbot.due import SATURDAY
from trendbot.model import Cadence, Digest
from trendbot.ranking import Standing, choose, closing_day
from trendbot.store import digests, posts, runs

FAILURES = ("failed", "stopped")
# A signal that was asked longer ago has no part in what a digest counts.
ASKED_WITHIN = timedelta(days=1)


class Ending(StrEnum):
    """How making a digest ended."""

    MADE = "made"
    THERE = "there already"
    QUIET = "quiet"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Made:
    """What came of making a digest: the digest and who did not answer, or why there is none."""

    ending: Ending
    digest: Digest | None
    reason: str = ""


def run(app: App, cadence: Cadence, day: Date, mail: bool = True) -> Made:
    """Collect, make the digest of `day`, and mail it unless told otherwise."""
    since, until = days_of(app, cadence, day)
    collect(app.engine, app.sources, app.signals, since, until, app.now, app.settings.counting)
    made = make_digest(app, cadence, day)
    if made.digest is not None and mail:
        mail_digest(app, made.digest)
    return made


def mail_digest(
    app: App,
    digest: Digest,
    stop: Callable[[], bool] = deliver.never,
    watch: deliver.Watch = deliver.unwatched,
) -> None:
    """Freeze the digest's audience, if that was not done yet, and send what is due of it."""
    dispatch = app.dispatch(stop, watch)
    settings = app.settings
    deliver.plan(app.engine, digest, app.now(), settings.schedule.zone, settings.mail.max_age)
    deliver.drain(dispatch, digest.id, insist=True)


def make_digest(app: App, cadence: Cadence, day: Date) -> Made:
    """Freeze the best papers of the window as the digest of (cadence, day), once.

    A day without a digest is written down as a run, with the reason: quiet where there was
    nothing to tell, failed where we could not know.
    """
    day = closing_day(cadence, day)
    made_at = app.now()
    with app.engine.begin() as conn:
        if (found := digests.find(conn, cadence, day)) is not None:
            return Made(Ending.THERE, found)
        started = runs.start(conn, "digest", cadence, day, day, made_at)
        shown = digests.shown(conn, cadence, day)
        ranked = ranking(app, conn, cadence, day, late=late_risers(app, conn, cadence, day, shown))
        repeats = shown if cadence is Cadence.DAILY else {}
        chosen = choose(ranked.standings, app.settings.ranking.size, repeats)
        if not chosen:
            made = _nothing_to_tell(app, conn, ranked)
        else:
            made = _freeze(app, conn, ranked, chosen, made_at)
        outcome = "ok" if made.digest else made.ending.value
        runs.finish(conn, started, outcome, len(chosen), made.reason, app.now())
    return made


def _freeze(
    app: App, conn: Connection, ranked: Ranked, chosen: list[Standing], made_at: datetime
) -> Made:
    newest = posts.newest_reading(conn, [one.paper_id for one in chosen], made_at)
    made = digests.freeze(
        conn,
        ranked.cadence,
        ranked.date,
        ranked.since,
        ranked.until,
        counted_at=newest,
        made_at=made_at,
        papers=with_papers(app, conn, ranked, chosen),
        by=ranked.by,
        heard=_heard(app, conn, made_at),
    )
    ending = Ending.THERE if made is None else Ending.MADE
    found = digests.find(conn, ranked.cadence, ranked.date)
    return Made(ending, found, _failures(conn, ranked, _everybody(app)))


def _nothing_to_tell(app: App, conn: Connection, ranked: Ranked) -> Made:
    """Say why there is no digest: quiet only if everybody who was asked did answer."""
    days = f"on {ranked.until}" if ranked.since == ranked.until else f"from {ranked.since}"
    if ranked.announced == 0:
        reason = f"no paper was announced {days}"
    elif ranked.standings:
        reason = "every leading paper was in an earlier digest"
    else:
        reason = (
            f"none of {ranked.announced} papers announced {days} reached a score of "
            f"{app.settings.ranking.min_score:g}; {ranked.measured} were posted about"
        )
    asked = _everybody(app) if ranked.announced else _everybody(app)[:1]
    if failures := _failures(conn, ranked, asked):
        return Made(Ending.FAILED, None, f"{reason}, as far as known: {failures}")
    if ranked.until >= app.now().astimezone(app.settings.schedule.zone).date():
        return Made(Ending.FAILED, None, f"{reason} so far, and it is not over")
    if ranked.announced == 0 and not _told(app, conn, ranked):
        return Made(Ending.FAILED, None, f"nothing is known of {ranked.until}: {_UNTOLD}")
    return Made(Ending.QUIET, None, reason)


def _heard(app: App, conn: Connection, made_at: datetime) -> dict[str, bool] | None:
    """Of each signal that was asked, whether it answered; None if nobody was.

    One that must rest until the next day counts as heard if it answered within the last.
    """
    since = made_at - ASKED_WITHIN
    heard = {}
    for name in app.signals:
        last = runs.last_finished(conn, "signal", name)
        if last is None or last.started_at <= since:
            continue
        rests = last.outcome == "stopped" and runs.answered(conn, "signal", name, since)
        heard[name] = rests or last.outcome not in FAILURES
    return heard or None


_UNTOLD = "sources tell of the last 90 days only; `trendbot import` brings in history"


def _told(app: App, conn: Connection, ranked: Ranked) -> bool:
    """Whether every source did answer for the last weekday of the window, if there is one."""
    last = ranked.until
    while last.weekday() >= SATURDAY:
        last -= timedelta(days=1)
    return last < ranked.since or all(runs.told(conn, name, last) for name in app.sources)


def _everybody(app: App) -> list[tuple[str, Mapping[str, object]]]:
    return [("source", app.sources), ("signal", app.signals)]


def _failures(
    conn: Connection, ranked: Ranked, asked: Sequence[tuple[str, Mapping[str, object]]]
) -> str:
    """Who of those asked about the window did not answer, and why; empty if all did."""
    return "; ".join(
        f"{kind} {name}: {run.message}"
        for kind, wired in asked
        for name in wired
        if (run := runs.last_finished(conn, kind, name)) is not None
        and run.outcome in FAILURES
        and run.since <= ranked.until
    )
