"""What ranks otherwise on an archive's days if totals that cannot be true do not count; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from trendbot.hotpapers import ArchiveDay
from trendbot.model import Paper, Post, Tally
from trendbot.ranking import Candidate, candidate, rank

FIRST = 10  # places that are followed one by one


@dataclass(frozen=True, slots=True)
class Place:
    """Where a paper stands on a day: as printed, and as checked, None for nowhere."""

    paper: Paper
    total: Post
    printed: int
    checked: int | None


@dataclass(frozen=True, slots=True)
class CheckedDay:
    """One day of the archive: how many of its totals are flagged, and how its papers move.

    `places` are the papers that rank, as printed.
    """

    day: date
    totals: int
    flagged: tuple[Post, ...]
    places: tuple[Place, ...]

    @property
    def first(self) -> tuple[Place, ...]:
        """The first ten as printed."""
        return self.places[:FIRST]

    @property
    def leaving(self) -> tuple[Place, ...]:
        """The papers that rank as printed, and not as checked."""
        return tuple(place for place in self.places if place.checked is None)

    @property
    def leads_anew(self) -> bool:
        """Whether another paper would be first, or none."""
        return any(place.checked is None for place in self.places[:1])


def check(
    archived: Iterable[ArchiveDay], weights: Mapping[str, float], min_score: float
) -> list[CheckedDay]:
    """Each day of an archive by itself, earliest first; a day that comes twice counts once."""
    by_day: dict[date, dict[str, tuple[Paper, Post]]] = {}
    for one in archived:
        papers = {paper.key: paper for paper in one.papers}
        totals = [post for post in one.posts if post.listed_on and post.reading]
        of_day = by_day.setdefault(one.day, {})
        of_day.update({post.id: (papers[post.papers[0]], post) for post in totals})
    return [
        _checked(day, list(found.values()), weights, min_score)
        for day, found in sorted(by_day.items())
    ]


def _checked(
    day: date,
    found: Sequence[tuple[Paper, Post]],
    weights: Mapping[str, float],
    min_score: float,
) -> CheckedDay:
    candidates = [_candidate(number, *one, weights) for number, one in enumerate(found)]
    believed = [one for one in candidates if not found[one.paper_id][1].flag]
    checked = {one.paper_id: one.rank for one in rank(believed, min_score)}
    return CheckedDay(
        day,
        len(found),
        tuple(post for _, post in found if post.flag),
        tuple(
            Place(*found[one.paper_id], one.rank, checked.get(one.paper_id))
            for one in rank(candidates, min_score)
        ),
    )


def _candidate(number: int, paper: Paper, total: Post, weights: Mapping[str, float]) -> Candidate:
    counted = total.reading
    sums = (counted.retweets, counted.favorites) if counted else (0, 0)
    return candidate(number, paper.key, "", {total.signal: Tally(1, *sums)}, weights)
