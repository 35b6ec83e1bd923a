"""Which papers lead: pure, and deterministic to the last tie.

The score of a paper is the sum over its posts of retweets + favorites, each signal times
its weight. Rankings are by score, by how fast it grows, or by how it compares within the
paper's field. What is equal is ordered by score, favorites, then by the paper's key, so that
the same counts always give the same list.
"""

from calendar import monthrange
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby, islice
from typing import NamedTuple

from trendbot.garbage import uncollected
from trendbot.model import By, Cadence, Tally


class Candidate(NamedTuple):
    """A paper announced in the window, with the sums of what counts for it on all signals.

    `field` is its primary category. Of its `measured` signals so many are `counted`: flagged
    tallies have no part in the sums. `score` and `growth` (a day) are weighted.
    """

    paper_id: int
    key: str
    field: str
    measured: int
    counted: int
    score: float
    growth: float
    retweets: int
    favorites: int


class Standing(NamedTuple):
    """A paper's place in a ranking, 1 being the first, and the sums that put it there.

    `merit` is what the order is by.
    """

    rank: int
    paper_id: int
    score: float
    retweets: int
    favorites: int
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
    return sum(
        weights.get(name, 1) * (signals[name].retweets + signals[name].favorites)
        for name in sorted(signals)  # sums of fractions depend on the order
        if not signals[name].flag
    )


def candidate(
    paper_id: int,
    key: str,
    field: str,
    signals: Mapping[str, Tally],
    weights: Mapping[str, float],
) -> Candidate:
    """The candidate that a paper with these tallies is.

    The store adds up the same for many papers at once, see `store.tallies`.
    """
    counted = [name for name in sorted(signals) if not signals[name].flag]
    return Candidate(
        paper_id,
        key,
        field,
        len(signals),
        len(counted),
        score(signals, weights),
        sum(weights.get(name, 1) * signals[name].growth for name in counted),
        sum(signals[name].retweets for name in counted),
        sum(signals[name].favorites for name in counted),
    )


def percentiles(candidates: Sequence[Candidate]) -> dict[int, float]:
    """Of each paper the share of its field that it leaves behind, between 0 and 1, by its id.

    Papers with the same score, itself too, count half: the best of many stands above the
    best of few, and in a field of one nobody wins.
    """
    fields: defaultdict[str, list[float]] = defaultdict(list)
    for one in candidates:
        fields[one.field].append(one.score)
    shares = {field: _shares(scores) for field, scores in fields.items()}
    return {one.paper_id: shares[one.field][one.score] for one in candidates}


def _shares(scores: list[float]) -> dict[float, float]:
    scores.sort()
    shares, below = {}, 0
    for value, same in groupby(scores):
        equals = sum(1 for _ in same)
        shares[value] = (below + equals / 2) / len(scores)
        below += equals
    return shares


def rank(candidates: Sequence[Candidate], min_score: float, by: By = By.TOTAL) -> list[Standing]:
    """All candidates that count and reach `min_score`, best first.

    By total that is by score, by rising by how fast it grows, by field by the percentile
    within the primary category; then by score, favorites, and key.
    """
    shares = percentiles(candidates) if by is By.FIELD else {}

    def merit(one: Candidate) -> float:
        if by is By.TOTAL:
            return one.score
        return one.growth if by is By.RISING else shares[one.paper_id]

    with uncollected():
        ordered = sorted(
            (-merit(one), -one.score, -one.favorites, one.key, one)
            for one in candidates
            if one.counted and one.score >= min_score
        )
        return [
            Standing(place, one.paper_id, one.score, one.retweets, one.favorites, -worth)
            for place, (worth, _, _, _, one) in enumerate(ordered, start=1)
        ]


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
