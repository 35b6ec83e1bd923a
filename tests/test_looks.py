"""How fast a post grows, and when to look at it again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trendbot.looks import growth, next_look
from trendbot.model import Reading

POSTED = datetime(2026, 11, 20, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
DAILY = timedelta(hours=17)  # so that a look every six hours is there within a day


def read(hours: float, total: int) -> Reading:
    return Reading(POSTED + hours * HOUR, total // 3, total - total // 3)


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ([], 0),
        ([read(1, 50)], 50),  # an hour is no day
        ([read(48, 50)], 25),
        ([read(-1, 50)], 50),  # clocks differ
        ([read(1, 50), read(2, 90)], 90),  # nothing is half a day earlier
        ([read(240, 50), read(240.5, 90)], 8.981),
        ([read(1, 50), read(13, 90)], 80),
        ([read(1, 10), read(10, 50), read(34, 90)], 40),
        ([read(1, 10), read(20, 50), read(34, 90)], 58.182),  # a day and a half, not half a day
        ([read(1, 10), read(100, 90), read(103, 100)], 21.176),
        ([read(24, 90), read(48, 60)], 0),  # favorites can be taken back
    ],
)
def test_growth_is_told_by_the_day(readings: list[Reading], expected: float) -> None:
    assert growth(POSTED, readings) == expected


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=9), st.integers(1, 50))
def test_growth_is_never_more_than_twice_the_total(totals: list[int], pause: int) -> None:
    readings = [read(pause * number, total) for number, total in enumerate(totals)]
    assert 0 <= growth(POSTED, readings) <= 2 * totals[-1]


@pytest.mark.parametrize(
    ("age", "total", "growth", "pause"),
    [
        (HOUR, 10, 10, 2 * HOUR),
        (HOUR, 0, 0, 6 * HOUR),
        (6 * HOUR, 10, 10, 6 * HOUR),
        (6 * HOUR, 0, 0, 12 * HOUR),
        (DAY, 100, 5, 12 * HOUR),
        (DAY, 100, 4.9, DAILY),
        (DAY, 1, 0.9, DAILY),
        (3 * DAY, 100, 50, DAILY),
        (6 * DAY, 5, 0, DAILY),
        (7 * DAY, 5, 0, DAILY),
        (8 * DAY, 100, 5, DAILY),
        (8 * DAY, 100, 4.9, None),
        (900 * DAY, 100, 50, DAILY),
        (900 * DAY, 100, 0, None),
        (-HOUR, 0, 0, 6 * HOUR),
    ],
)
def test_the_young_and_the_rising_are_looked_at_again(
    age: timedelta, total: int, growth: float, pause: timedelta | None
) -> None:
    taken_at = POSTED + age
    expected = pause and taken_at + pause
    assert next_look(POSTED, taken_at, total, growth) == expected


def test_a_doubted_reading_does_not_wait_long() -> None:
    assert next_look(POSTED, POSTED + 30 * DAY, 10, 0, doubted=True) == POSTED + 30 * DAY + 2 * HOUR


@given(st.integers(0, 8 * 24 * 60 - 1), st.integers(0, 10**6), st.floats(0, 10**6))
def test_while_its_paper_is_measured_a_post_is_looked_at_daily(
    minutes: int, total: int, growth: float
) -> None:
    taken_at = POSTED + timedelta(minutes=minutes)
    due = next_look(POSTED, taken_at, total, growth)
    assert due is not None
    assert timedelta(0) < due - taken_at <= DAILY
