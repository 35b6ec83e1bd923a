"""Who competes for a digest: the papers of its window, and those that take off later.

Ranks them by what is counted now, and tells how each moved since the last digest. Stores
nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date as Date  # noqa: N812  # a ranking's own date is called date
from datetime import datetime, timedelta

from sqlalchemy import Connection

from trendbot.app import App
from trendbot.due import MAILED_WITHIN, due_at
from trendbot.looks import MEASURED_FOR
from trendbot.model import By, Cadence, RankedPaper
from trendbot.ranking import Candidate, Standing, closing_day, movement, rank, score, window
from trendbot.settings import Schedule
from trendbot.store import digests, papers, posts


@dataclass(frozen=True, slots=True)
class Ranked:
    """A ranking computed now: `standings` are all that reach the score, best first, ordered `by`.

    Of the papers `announced` in its window so many were `measured`; late risers are in neither.
    """

    cadence: Cadence
    date: Date
    since: Date
    until: Date
    by: By
    announced: int
    measured: int
    standings: list[Standing]


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
    """Rank the papers of the window by what is counted now, and with them `late` ones.

    Where nothing was announced there is no contest.
    """
    settings = app.settings.ranking
    day = closing_day(cadence, day)
    since, until = days_of(app, cadence, day)
    by = by or settings.by.of(cadence)
    checked = app.settings.counting.archives == "checked"
    candidates = posts.candidates(conn, since, until, settings.weights, checked)
    return Ranked(
        cadence,
        day,
        since,
        until,
        by,
        announced=len(candidates),
        measured=sum(1 for candidate in candidates if candidate.measured),
        standings=rank([*candidates, *late] if candidates else [], settings.min_score, by),
    )


def with_papers(
    app: App, conn: Connection, ranked: Ranked, standings: Sequence[Standing]
) -> list[tuple[int, RankedPaper]]:
    """Each standing with its paper and how it moved, beside the paper's id in the store.

    Moved since the last digest of the cadence, which is the one of the ranking's own date if
    that is made.
    """
    ids = [one.paper_id for one in standings]
    found = papers.by_id(conn, ids)
    checked = app.settings.counting.archives == "checked"
    signals = posts.signals(conn, ids, ranked.since, ranked.until, checked)
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
                signals.get(one.paper_id, {}),  # a post may go meanwhile
                one.merit,
                movement(one.rank, one.paper_id, last, seen),
            ),
        )
        for one in standings
    ]


def late_risers(
    app: App, conn: Connection, cadence: Cadence, day: Date, shown: Mapping[int, float]
) -> list[Candidate]:
    """Papers of the week before the daily digest that took off since the last that was news.

    Those a digest showed come back if their score has doubled since (`choose` sees to that),
    others if it has since that last one was made. What is made late, for the archive alone,
    gives nobody their day: readers would never hear of them.
    """
    schedule, weights = app.settings.schedule, app.settings.ranking.weights
    if cadence is not Cadence.DAILY or not _is_news(day, app.now(), schedule):
        return []
    last = digests.newest_before(conn, cadence, day)
    while last is not None and not _is_news(last.date, last.made_at, schedule):
        last = digests.newest_before(conn, cadence, last.date)
    if last is None:
        return []
    since, _ = days_of(app, cadence, day)
    first = since - MEASURED_FOR
    found = posts.announced(conn, first, since - timedelta(days=1), weights)
    unseen = [one.paper_id for one in found if one.score and one.paper_id not in shown]
    before = posts.scores_as_of(conn, unseen, last.made_at, app.settings.counting)
    return [
        one
        for one in found
        if one.paper_id in shown or one.score >= 2 * score(before.get(one.paper_id, {}), weights)
    ]


def _is_news(day: Date, now: datetime, schedule: Schedule) -> bool:
    return now <= due_at(day, schedule.digest_at, schedule.zone) + MAILED_WITHIN
