from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trendbot.pace import Pace


def test_without_a_limit_nobody_waits() -> None:
    pace = Pace(0)
    assert [pace.book(5.0) for _ in range(3)] == [0, 0, 0]


def test_starts_are_spaced_evenly() -> None:
    pace = Pace(2)
    assert [pace.book(10.0) for _ in range(3)] == [0, 0.5, 1]
    assert pace.book(11.0) == 0.5


def test_a_pause_earns_no_burst() -> None:
    pace = Pace(1)
    pace.book(0.0)
    assert [pace.book(100.0), pace.book(100.0)] == [0, 1]


@given(st.floats(0.1, 1000), st.lists(st.floats(0, 1e6), min_size=2, max_size=50).map(sorted))
def test_no_two_starts_are_closer_than_the_rate_allows(rate: float, asked: list[float]) -> None:
    pace = Pace(rate)
    starts = [now + pace.book(now) for now in asked]
    for earlier, later in pairwise(starts):
        assert later - earlier == pytest.approx(1 / rate, abs=1e-6) or later - earlier > 1 / rate
