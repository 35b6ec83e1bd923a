"""How a paper stands, and how it came there: what was known of it at each moment of a reading."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, select

from trendbot import honesty
from trendbot.model import Point, Tally
from trendbot.settings import Counting
from trendbot.store.known import LAPSED
from trendbot.store.schema import accounts, post_papers, posts, readings, tallies
from trendbot.store.tallies import AS_USUAL, together

_Read = Row[*tuple[Any, ...]]


def standing(conn: Connection, paper_id: int) -> dict[str, Tally]:
    """What each signal counts for a paper now; of the totals archives printed the last listed."""
    mine = select(tallies).where(tallies.c.paper_id == paper_id)
    found = {
        row.signal: Tally(
            row.posts,
            row.retweets,
            row.favorites,
            row.growth,
            row.measured_at,
            row.left_out,
            row.flag,
        )
        for row in conn.execute(mine)
    }
    totals = (
        select(posts)
        .join(post_papers, post_papers.c.post_id == posts.c.id)
        .where(post_papers.c.paper_id == paper_id, posts.c.listed_on.is_not(None))
        .where(posts.c.measured_at.is_not(None))
        .order_by(posts.c.listed_on, posts.c.external_id)
    )
    last = {row.signal: row for row in conn.execute(totals)}
    for signal, row in last.items():
        total = Tally(1, row.retweets, row.favorites, 0.0, row.measured_at, flag=row.flag)
        found[signal] = together(found.get(signal), total)
    return found


def counts(
    conn: Connection, paper_id: int, counting: Counting = AS_USUAL
) -> dict[str, list[Point]]:
    """For each signal what its posts added to a paper, by their latest reading so far.

    One point for each moment of a reading, earliest first. As in tallies, readings that are
    not believed and posts that lapsed have no part in it, of posts that share a vote the best
    counts, and of the totals archives printed the last listed. Whose account is labelled is
    what is known now.
    """
    rows = conn.execute(
        select(posts.c.signal, posts.c.id, posts.c.listed_on, posts.c.external_id)
        .add_columns(posts.c.account, posts.c.fingerprint, accounts.c.label)
        .add_columns(readings.c.taken_at, readings.c.retweets, readings.c.favorites)
        .join(post_papers, post_papers.c.post_id == posts.c.id)
        .join(readings, readings.c.post_id == posts.c.id)
        .outerjoin(accounts, accounts.c.account == posts.c.account)
        .where(post_papers.c.paper_id == paper_id, readings.c.flag == "", posts.c.state != LAPSED)
        .order_by(posts.c.signal, readings.c.taken_at, posts.c.id)
    )
    by_signal = groupby(rows, key=lambda row: str(row.signal))
    courses = {signal: _course(of_signal, counting) for signal, of_signal in by_signal}
    return {signal: points for signal, points in courses.items() if points}


def _course(rows: Iterable[_Read], counting: Counting) -> list[Point]:
    """The points of one signal from its readings in the order of their moments."""
    bots = honesty.known_accounts(counting.known_bots)
    voters: dict[str, dict[int, _Read]] = {}
    best: dict[str, _Read] = {}
    points = []
    retweets = favorites = 0
    for at, group in groupby(rows, key=lambda row: row.taken_at):
        for row in group:
            is_bot = bool(row.label) or row.account in bots
            if is_bot and counting.bots == "leave out":
                continue
            voter = _voter(row, is_bot and counting.bots == "once")
            known = voters.setdefault(voter, {})
            _take_in(known, row)
            before, now = best.get(voter), max(known.values(), key=_weight)
            best[voter] = now
            retweets += now.retweets - (before.retweets if before else 0)
            favorites += now.favorites - (before.favorites if before else 0)
        if best:
            points.append(Point(at, len(best), retweets, favorites))
    return points


def _take_in(known: dict[int, _Read], row: _Read) -> None:
    """Add a reading to the latest of posts that share a vote; of archives the last total stays."""
    if row.listed_on is None:
        known[row.id] = row
    elif all(_is_older(one, row) for one in known.values()):
        known.clear()
        known[row.id] = row


def _voter(row: _Read, is_one: bool) -> str:
    """What posts share that have one vote: an account, or an account and what it says."""
    if row.listed_on is not None:
        return "totals of archives"
    if is_one and row.account:
        return str(row.account)
    if row.account and row.fingerprint:
        return f"{row.account}:{row.fingerprint}"
    return str(row.id)


def _weight(row: _Read) -> tuple[int, int]:
    return row.retweets + row.favorites, row.favorites


def _is_older(row: _Read, than: _Read) -> bool:
    """Whether an archive listed this total before the other, or it is an earlier reading of it."""
    return bool((row.listed_on, row.external_id) <= (than.listed_on, than.external_id))
