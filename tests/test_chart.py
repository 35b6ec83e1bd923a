"""Where a chart's lines and marks go."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trendbot import chart
from trendbot.model import Point

START = datetime(2026, 11, 19, 6, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def course(*counts: tuple[timedelta, int, int]) -> list[Point]:
    return [Point(START + after, 1, retweets, favorites) for after, retweets, favorites in counts]


def drawn(*counts: tuple[timedelta, int, int]) -> chart.Chart:
    found = chart.draw("x", course(*counts))
    assert found is not None
    return found


def test_one_moment_is_no_chart() -> None:
    assert chart.draw("x", []) is None
    assert chart.draw("x", course((HOUR, 1, 2))) is None


def test_a_line_keeps_its_height_until_the_next_reading() -> None:
    favorites, retweets = drawn((0 * HOUR, 0, 0), (HOUR, 10, 20), (2 * HOUR, 10, 40)).lines
    middle = (chart.LEFT + chart.RIGHT) / 2
    half = (chart.TOP + chart.BOTTOM) / 2
    right, top, bottom = chart.RIGHT, chart.TOP, chart.BOTTOM
    assert favorites.path == f"M{chart.LEFT} {bottom}H{middle:g}V{half:g}H{right}V{top}"
    assert (favorites.noun, favorites.x, favorites.y, favorites.last) == (
        "favorite",
        right,
        top,
        40,
    )
    assert retweets.path.endswith(f"H{right}")  # nothing rose at the end
    assert (retweets.noun, retweets.last) == ("retweet", 10)


def test_what_is_never_counted_is_not_drawn() -> None:
    assert [line.noun for line in drawn((HOUR, 0, 3), (DAY, 0, 9)).lines] == ["favorite"]
    assert len(drawn((HOUR, 0, 0), (DAY, 0, 0)).lines) == 2


def test_it_says_in_words_what_it_shows() -> None:
    found = drawn((0 * HOUR, 1, 20), (DAY, 300, 4000))
    assert found.title == "Retweets and favorites on X"
    assert found.description == (
        "From 1 retweet · 20 favorites on 19 November 2026, 06:30 UTC "
        "to 300 retweets · 4,000 favorites on 20 November 2026, 06:30 UTC."
    )


@pytest.mark.parametrize(
    ("highest", "labels"),
    [
        (0, ["0", "1"]),
        (1, ["0", "1"]),
        (4, ["0", "1", "2", "3", "4"]),
        (5, ["0", "2", "4", "6"]),
        (755, ["0", "200", "400", "600", "800"]),
        (9_100, ["0", "5,000", "10k"]),
        (1_400_000, ["0", "500k", "1M", "1.5M"]),
    ],
)
def test_levels_are_round_numbers(highest: int, labels: list[str]) -> None:
    levels = drawn((0 * HOUR, 0, 0), (HOUR, 0, highest)).levels
    assert [level.label for level in levels] == labels
    assert levels[0].place == chart.BOTTOM
    assert levels[-1].place == chart.TOP


@pytest.mark.parametrize(
    ("span", "labels"),
    [
        (timedelta(minutes=5), [("06:30", "19 Nov"), ("06:35", "")]),
        (3 * HOUR, [("07:00", "19 Nov"), ("08:00", ""), ("09:00", "")]),
        (30 * HOUR, [("12:00", "19 Nov"), ("00:00", "20 Nov"), ("12:00", "")]),
        (7 * DAY, [("21 Nov", "2026"), ("23 Nov", ""), ("25 Nov", "")]),
        (60 * DAY, [("19 Dec", "2026"), ("18 Jan", "2027")]),
        (3000 * DAY, [("18 Nov", "2029"), ("17 Nov", "2032")]),
    ],
)
def test_times_are_round_too(span: timedelta, labels: list[tuple[str, str]]) -> None:
    times = drawn((0 * HOUR, 0, 1), (span, 0, 2)).times
    assert [(time.label, time.under) for time in times] == labels


moments = st.lists(
    st.tuples(st.integers(0, 10**9), st.integers(0, 2**62), st.integers(0, 2**62)),
    min_size=2,
    max_size=300,
    unique_by=lambda one: one[0],
).map(lambda found: course(*((timedelta(seconds=s), r, f) for s, r, f in sorted(found))))


@given(moments)
def test_whatever_was_counted_stays_in_the_frame(points: list[Point]) -> None:
    found = chart.draw("x", points)
    assert found is not None
    assert 2 <= len(found.times) <= 4
    assert 2 <= len(found.levels) <= 5
    for time in found.times:
        assert chart.LEFT <= time.place <= chart.RIGHT
    for line in found.lines:
        across = map(float, re.findall(r"[MH](-?[\d.]+)", line.path))
        down = map(float, re.findall(r"(?: |V)(-?[\d.]+)", line.path))
        assert re.fullmatch(r"M[\d.]+ [\d.]+(?:[HV][\d.]+)+", line.path)
        assert all(chart.LEFT <= x <= chart.RIGHT for x in across)
        assert all(chart.TOP <= y <= chart.BOTTOM for y in down)


@given(moments, st.integers(2, 50))
def test_few_points_stand_for_many(points: list[Point], most: int) -> None:
    kept = chart.thinned(points, most)
    assert len(kept) == min(len(points), most) or len(kept) < most
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert [one for one in points if one in kept] == kept


def test_of_neighbours_the_later_one_stays() -> None:
    points = course((0 * HOUR, 0, 1), (HOUR, 0, 2), (2 * HOUR, 0, 3), (DAY, 0, 4))
    assert [one.favorites for one in chart.thinned(points, 3)] == [1, 3, 4]
