"""Which papers lead: pure, and deterministic to the last tie.

The score of a paper is the sum over its posts of retweets + favorites, each signal times
its weight. Rankings are by score, by how fast it grows, or by how it compares within the
paper's field. What is equal is ordered by score, favorites, then by the paper's key, so that
the same counts always give the same list.
"""

from calendar import monthrange
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby, islice
from typing import NamedTuple

from trendbot.garbage import uncollected
from trendbot.model import By, Cadence, Tally


class Candidate(NamedTuple):
    """A paper announced in the window, with what each signal counted for it.

    `field` is its primary category.
    """

    paper_id: int
    key: str
    signals: Mapping[str, Tally]
    field: str = ""


class Standing(NamedTuple):
    """A paper's place in a ranking, 1 being the first, and the sums that put it there.

    `merit` is what the order is by.
    """

    rank: int
    paper_id: int
    score: float
    retweets: int
    favorites: int
    signals: Mapping[str, Tally]
    merit: float


def window(cadence: Cadence, day: date, days: int) -> tuple[date, date]:
    """The announcement dates a digest covers, both included.

    Daily and weekly digests cover the `days` days ending on `day`; a monthly one the
    calendar month of `day`, or its last `days` days where that is shorter.
    """
    if cadence is Cadence.MONTHLY:
        until = closing_day(cadence, day)
        return max(until.replace(day=1), until - timedelta(days=days - 1)), until
    return day - timedelta(days=days - 1), day


def closing_day(cadence: Cadence, day: date) -> date:
    """The date a digest is filed under: the last of the month for monthly, else `day` itself."""
    if cadence is Cadence.MONTHLY:
        return day.replace(day=monthrange(day.year, day.month)[1])
    return day


def score(signals: Mapping[str, Tally], weights: Mapping[str, float]) -> float:
    """Sum of retweets + favorites over the signals, each times its weight (1 if not given).

    Flagged tallies have no part in it.
    """
    return _add_up(signals, weights)[1]


def growth(signals: Mapping[str, Tally], weights: Mapping[str, float]) -> float:
    """How much the score grows a day, by the last readings."""
    return _add_up(signals, weights)[2]


def percentiles(scored: Iterable[tuple[Candidate, float]]) -> dict[int, float]:
    """Of each paper the share of its field that it leaves behind, between 0 and 1, by its id.

    Papers with the same score, itself too, count half: the best of many stands above the
    best of few, and in a field of one nobody wins.
    """
    fields: defaultdict[str, list[float]] = defaultdict(list)
    scored = list(scored)
    for one, points in scored:
        fields[one.field].append(points)
    shares = {field: _shares(points) for field, points in fields.items()}
    return {one.paper_id: shares[one.field][points] for one, points in scored}


def _shares(points: list[float]) -> dict[float, float]:
    points.sort()
    shares, below = {}, 0
    for value, same in groupby(points):
        equals = sum(1 for _ in same)
        shares[value] = (below + equals / 2) / len(points)
        below += equals
    return shares


def rank(
    candidates: Iterable[Candidate],
    weights: Mapping[str, float],
    min_score: float,
    by: By = By.TOTAL,
) -> list[Standing]:
    """All candidates that reach `min_score`, best first.

    By total that is by score, by rising by how fast it grows, by field by the percentile
    within the primary category; then by score, favorites, and key.
    """
    with uncollected():
        found = list(candidates)
        shares: Mapping[int, float] = {}
        if by is By.FIELD:
            shares = percentiles((one, score(one.signals, weights)) for one in found)
        ordered = []
        for one in found:
            counts, points, growing, retweets, favorites = _add_up(one.signals, weights)
            if counts and points >= min_score:
                merit = points if by is By.TOTAL else growing
                merit = shares.get(one.paper_id, merit)
                ordered.append((-merit, -points, -favorites, one.key, retweets, one))
        ordered.sort()
        return [
            Standing(place, one.paper_id, -points, retweets, -favorites, one.signals, -worth)
            for place, (worth, points, favorites, _, retweets, one) in enumerate(ordered, start=1)
        ]


# Whether any signal of a paper counts, and over those that do: score, growth, retweets, favorites.
_Sums = tuple[bool, float, float, int, int]


def _add_up(signals: Mapping[str, Tally], weights: Mapping[str, float]) -> _Sums:
    """All that a ranking needs in one go, since it does this for every paper."""
    counts = False
    score: float = 0
    growth: float = 0
    total_retweets = total_favorites = 0
    for name in sorted(signals):  # sums of fractions depend on the order
        _, retweets, favorites, grows, _, _, flag = signals[name]
        if not flag:
            counts = True
            weight = weights.get(name, 1)
            score += weight * (retweets + favorites)
            growth += weight * grows
            total_retweets += retweets
            total_favorites += favorites
    return counts, score, growth, total_retweets, total_favorites


def choose(standings: Sequence[Standing], size: int, shown: Mapping[int, float]) -> list[Standing]:
    """The `size` best that readers have not seen, or whose score has doubled since they did.

    They are numbered anew from 1.
    `shown` maps the ids of papers of earlier digests to their score in the last of them.
    """
    fresh = (
        one
        for one in standings
        if one.paper_id not in shown or one.score >= 2 * shown[one.paper_id]
    )
    return [one._replace(rank=place) for place, one in enumerate(islice(fresh, size), start=1)]


def movement(rank: int, paper_id: int, last: Mapping[int, int], seen: Container[int]) -> str:
    """How a paper moved since the last digest: new, back, same, or for example "up 3".

    `last` maps the papers of the last digest to their ranks in it; `seen` are those of all
    digests before.
    """
    if paper_id not in last:
        return "back" if paper_id in seen else "new"
    places = last[paper_id] - rank
    if places == 0:
        return "same"
    return f"up {places}" if places > 0 else f"down {-places}"
