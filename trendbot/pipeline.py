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
from trendbot.collect import MEASURED_DAYS, collect
from trendbot.due import MAILED_WITHIN, SATURDAY, due_at
from trendbot.model import By, Cadence, Digest, RankedPaper
from trendbot.ranking import (
    Candidate,
    Standing,
    choose,
    closing_day,
    movement,
    rank,
    score,
    window,
)
from trendbot.settings import Schedule
from trendbot.store import digests, papers, posts, runs

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


@dataclass(frozen=True, slots=True)
class Ranked:
    """A ranking computed now: `papers` is all that reach the score, best first."""

    cadence: Cadence
    date: Date
    since: Date
    until: Date
    by: By
    announced: int
    measured: int
    standings: list[Standing]


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
        ranked = ranking(app, conn, cadence, day, late=_late_risers(app, conn, cadence, day, shown))
        repeats = shown if cadence is Cadence.DAILY else {}
        chosen = choose(ranked.standings, app.settings.ranking.size, repeats)
        if not chosen:
            made = _nothing_to_tell(app, conn, ranked)
        else:
            made = _freeze(app, conn, ranked, chosen, made_at)
        outcome = "ok" if made.digest else made.ending.value
        runs.finish(conn, started, outcome, len(chosen), made.reason, app.now())
    return made


def days_of(app: App, cadence: Cadence, day: Date) -> tuple[Date, Date]:
    """The announcement dates the digest of (cadence, day) covers, both included."""
    return window(cadence, day, app.settings.ranking.window_days.of(cadence))


def ranking(
    app: App,
    conn: Connection,
    cadence: Cadence,
    day: Date,
    by: By | None = None,
    late: Sequence[Candidate] = (),
) -> Ranked:
    """Rank the papers of the window, and `late` ones, by what is counted now; stores nothing."""
    settings = app.settings.ranking
    day = closing_day(cadence, day)
    since, until = days_of(app, cadence, day)
    by = by or settings.by.of(cadence)
    candidates = _candidates(app, conn, since, until)
    return Ranked(
        cadence,
        day,
        since,
        until,
        by,
        announced=len(candidates),
        measured=sum(1 for candidate in candidates if candidate.signals),
        standings=rank([*candidates, *late], settings.weights, settings.min_score, by),
    )


def with_papers(
    conn: Connection, ranked: Ranked, standings: Sequence[Standing]
) -> list[tuple[int, RankedPaper]]:
    """Each standing with its paper and how it moved, beside the paper's id in the store.

    Moved since the last digest of the cadence, which is the one of the ranking's own date if
    that is made.
    """
    found = papers.by_id(conn, [one.paper_id for one in standings])
    last = digests.places(conn, ranked.cadence, ranked.date)
    seen = digests.shown(conn, ranked.cadence, ranked.date)
    return [
        (
            one.paper_id,
            RankedPaper(
                one.rank,
                found[one.paper_id],
                one.score,
                one.retweets,
                one.favorites,
                one.signals,
                one.merit,
                movement(one.rank, one.paper_id, last, seen),
            ),
        )
        for one in standings
    ]


def _candidates(app: App, conn: Connection, since: Date, until: Date) -> list[Candidate]:
    checked = app.settings.counting.archives == "checked"
    return posts.candidates(conn, since, until, checked=checked)


def _late_risers(
    app: App, conn: Connection, cadence: Cadence, day: Date, shown: Mapping[int, float]
) -> list[Candidate]:
    """Papers of the week before the daily digest that took off since the last one.

    Those it showed come back if their score has doubled since (`choose` sees to that), others
    if it has since the last digest was made. What is made late, for the archive alone, gives
    nobody their day: its readers would never hear of them.
    """
    schedule, weights = app.settings.schedule, app.settings.ranking.weights
    if cadence is not Cadence.DAILY or not _is_news(day, app.now(), schedule):
        return []
    last = digests.newest_before(conn, cadence, day)
    if last is None:
        return []
    since, _ = days_of(app, cadence, day)
    first = since - timedelta(days=MEASURED_DAYS)
    found = _candidates(app, conn, first, since - timedelta(days=1))
    scores = {one.paper_id: score(one.signals, weights) for one in found}
    unseen = [one for one, points in scores.items() if points and one not in shown]
    before = posts.scores_as_of(conn, unseen, last.made_at)
    return [
        one
        for one in found
        if one.paper_id in shown
        or scores[one.paper_id] >= 2 * score(before.get(one.paper_id, {}), weights)
    ]


def _is_news(day: Date, now: datetime, schedule: Schedule) -> bool:
    return now <= due_at(day, schedule.digest_at, schedule.zone) + MAILED_WITHIN


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
        papers=with_papers(conn, ranked, chosen),
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
    heard = {}
    for name in app.signals:
        last = runs.last_finished(conn, "signal", name)
        if last is not None and last.started_at > made_at - ASKED_WITHIN:
            rests = last.outcome == "stopped"
            since = made_at - ASKED_WITHIN
            heard[name] = (
                runs.answered(conn, "signal", name, since)
                if rests
                else (last.outcome not in FAILURES)
            )
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
