"""Which papers lead: pure, and deterministic to the last tie.

The score of a paper is the sum over its posts of retweets + favorites, each signal times
its weight. Equal scores are ordered by favorites, then by the paper's key, so that the
same counts always give the same list.
"""

from calendar import monthrange
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import islice

from trendbot.model import Cadence, Tally


@dataclass(frozen=True, slots=True)
class Candidate:
    """A paper announced in the window, with what each signal counted for it."""

    paper_id: int
    key: str
    signals: Mapping[str, Tally]


@dataclass(frozen=True, slots=True)
class Standing:
    """A paper's place in a ranking, 1 being the first, and the sums that put it there."""

    rank: int
    paper_id: int
    score: float
    retweets: int
    favorites: int
    signals: Mapping[str, Tally]


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
    """Sum of retweets + favorites over the signals, each times its weight (1 if not given)."""
    return sum(
        weights.get(name, 1) * (signals[name].retweets + signals[name].favorites)
        for name in sorted(signals)
    )


def rank(
    candidates: Iterable[Candidate], weights: Mapping[str, float], min_score: float
) -> list[Standing]:
    """All candidates that reach `min_score`, best first: by score, favorites, then key."""
    scored = sorted(
        ((score(one.signals, weights), _favorites(one.signals), one) for one in candidates),
        key=lambda item: (-item[0], -item[1], item[2].key),
    )
    return [
        Standing(place, one.paper_id, points, _retweets(one.signals), favorites, dict(one.signals))
        for place, (points, favorites, one) in enumerate(
            (item for item in scored if item[0] >= min_score and item[2].signals), start=1
        )
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
    return [replace(one, rank=place) for place, one in enumerate(islice(fresh, size), start=1)]


def _retweets(signals: Mapping[str, Tally]) -> int:
    return sum(tally.retweets for tally in signals.values())


def _favorites(signals: Mapping[str, Tally]) -> int:
    return sum(tally.favorites for tally in signals.values())
