"""How counts over time are drawn: numbers in, the places of lines and marks out; pure.

The chart has steps, since between two readings nothing is known. Its units are those of
its own box, 480 wide; the page scales it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from trendbot import wording
from trendbot.model import Point

WIDTH, HEIGHT = 480, 250
LEFT, RIGHT, TOP, BOTTOM = 56, 466, 14, 196  # the frame of what is drawn
MOST_STEPS = 100
MOST_ROWS = 24
_MOST_TIMES = 4
_MOST_LEVELS = 5

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_STRIDES = (
    *(_HOUR * hours for hours in (1, 3, 6, 12)),
    *(_DAY * days for days in (1, 2, 4, 7, 14, 30, 61, 91, 182, 365)),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One count over time: its noun, a path along its steps, and where it ends."""

    noun: str
    path: str
    x: float
    y: float
    last: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark on an axis: where, and what is written beside it, `under` in a second line."""

    place: float
    label: str
    under: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """What a page draws of one signal, and says to those who do not see it."""

    title: str
    description: str
    lines: tuple[Line, ...]
    times: tuple[Mark, ...]
    levels: tuple[Mark, ...]


def draw(signal: str, points: Sequence[Point]) -> Chart | None:
    """The chart of a signal's points, earliest first; None for less than two moments.

    A count that was always zero is left out, unless both were.
    """
    if len(points) < 2:
        return None
    first, last = points[0].at, points[-1].at
    levels = _levels(max(max(one.retweets, one.favorites) for one in points))
    scale = _Scale(first, last, levels[-1])
    steps = thinned(points, MOST_STEPS)
    return Chart(
        title=f"Retweets and favorites on {wording.signal_name(signal)}",
        description=_described(points),
        lines=tuple(
            _line(noun, [(one.at, getattr(one, f"{noun}s")) for one in steps], scale)
            for noun in _nouns(points)
        ),
        times=tuple(_time(at, before, scale) for before, at in _paired(_times(first, last))),
        levels=tuple(Mark(scale.y(level), _short(level)) for level in levels),
    )


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """At most `most` points over the same stretch of time, the first and the last among them.

    Of neighbours the later one stays, which knows what the others did.
    """
    if len(points) <= most:
        return list(points)
    first, last = points[0].at, points[-1].at
    kept = {0: points[0]}
    for point in points[1:]:
        kept[1 + int((most - 2) * ((point.at - first) / (last - first)))] = point
    return list(kept.values())


@dataclass(frozen=True, slots=True)
class _Scale:
    first: datetime
    last: datetime
    top: int

    def x(self, at: datetime) -> float:
        share = (at - self.first) / (self.last - self.first)
        return round(LEFT + share * (RIGHT - LEFT), 1)

    def y(self, count: int) -> float:
        return round(BOTTOM - count / self.top * (BOTTOM - TOP), 1)


def _nouns(points: Sequence[Point]) -> list[str]:
    last = points[-1]
    counted = {"favorite": last.favorites, "retweet": last.retweets}
    return [noun for noun, count in counted.items() if count] or list(counted)


def _line(noun: str, course: Sequence[tuple[datetime, int]], scale: _Scale) -> Line:
    x, y = scale.x(course[0][0]), scale.y(course[0][1])
    path = f"M{x:g} {y:g}"
    for at, count in course[1:]:
        x = scale.x(at)
        path += f"H{x:g}"
        if scale.y(count) != y:
            y = scale.y(count)
            path += f"V{y:g}"
    return Line(noun, path, x, y, course[-1][1])


def _levels(highest: int) -> list[int]:
    """Round numbers from 0 to `highest` or a little above: 0, 200, 400, 600."""
    unit = 1
    while True:
        for step in (unit, 2 * unit, 5 * unit):
            count = max(-(-highest // step), 1)
            if count < _MOST_LEVELS:
                return [step * number for number in range(count + 1)]
        unit *= 10


def _short(level: int) -> str:
    if level >= 1_000_000:
        return f"{level / 1_000_000:g}M"
    return f"{level / 1000:g}k" if level >= 10_000 else f"{level:,}"


def _times(first: datetime, last: datetime) -> list[datetime]:
    """Two to four moments to name, on round hours or days of UTC if there are such, or the ends."""
    span = last - first
    strides = [*_STRIDES, *(_DAY * 365 * years for years in range(2, 200))]
    stride = next(one for one in strides if span / one < _MOST_TIMES)
    midnight = first.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    skipped = -((midnight - first) // stride)
    at = midnight + stride * skipped
    found = []
    while at <= last:
        found.append(at)
        at += stride
    return found if len(found) > 1 else [first, last]


def _paired(times: Sequence[datetime]) -> list[tuple[datetime | None, datetime]]:
    return [(None, times[0]), *pairwise(times)]


def _time(at: datetime, before: datetime | None, scale: _Scale) -> Mark:
    """The day, or the hour with the day below it, said again only when it changes."""
    at = at.astimezone(UTC)
    day, year = f"{at.day} {at:%b}", f"{at.year}"
    if at.hour or at.minute or (before and at - before < _DAY):
        is_new = before is None or before.date() != at.date()
        return Mark(scale.x(at), f"{at:%H:%M}", day if is_new else "")
    is_new = before is None or before.year != at.year
    return Mark(scale.x(at), day, year if is_new else "")


def _described(points: Sequence[Point]) -> str:
    first, last = points[0], points[-1]
    return (
        f"From {wording.counts(first.retweets, first.favorites)} on {wording.moment(first.at)} "
        f"to {wording.counts(last.retweets, last.favorites)} on {wording.moment(last.at)}."
    )
