"""How a paper's counts grew: what was known of it at each moment of a reading."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, select

from trendbot.model import Point
from trendbot.store.schema import post_papers, posts, readings

_Read = Row[*tuple[Any, ...]]


def counts(conn: Connection, paper_id: int) -> dict[str, list[Point]]:
    """For each signal the sums over a paper's posts of their latest reading so far.

    One point for each moment of a reading, earliest first. Of the totals archives printed
    only the last listed counts, as in rankings.
    """
    rows = conn.execute(
        select(posts.c.signal, posts.c.id, posts.c.listed_on, posts.c.external_id)
        .add_columns(readings.c.taken_at, readings.c.retweets, readings.c.favorites)
        .join(post_papers, post_papers.c.post_id == posts.c.id)
        .join(readings, readings.c.post_id == posts.c.id)
        .where(post_papers.c.paper_id == paper_id)
        .order_by(posts.c.signal, readings.c.taken_at, posts.c.id)
    )
    by_signal = groupby(rows, key=lambda row: str(row.signal))
    return {signal: _course(of_signal) for signal, of_signal in by_signal}


def _course(rows: Iterable[_Read]) -> list[Point]:
    """The points of one signal from its readings in the order of their moments."""
    known: dict[int, _Read] = {}
    points = []
    retweets = favorites = 0
    for at, together in groupby(rows, key=lambda row: row.taken_at):
        for row in together:
            post = row.id if row.listed_on is None else _TOTAL
            before = known.get(post)
            if before is not None and _is_older(row, before):
                continue
            known[post] = row
            retweets += row.retweets - (before.retweets if before else 0)
            favorites += row.favorites - (before.favorites if before else 0)
        points.append(Point(at, len(known), retweets, favorites))
    return points


_TOTAL = 0  # no post has this id: all totals of archives stand in one place


def _is_older(row: _Read, known: _Read) -> bool:
    """Whether an archive listed this total before the one that is known."""
    if row.listed_on is None:
        return False
    return bool((row.listed_on, row.external_id) < (known.listed_on, known.external_id))
