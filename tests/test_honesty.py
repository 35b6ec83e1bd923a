"""Which counts cannot be true."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trendbot.honesty import SQUARE, UNLIKED, impossible_total


@pytest.mark.parametrize(
    ("retweets", "favorites", "flag"),
    [
        (25, 24, SQUARE),
        (30, 29, SQUARE),
        (30, 30, ""),  # as many favorites as retweets happen
        (36, 12, SQUARE),
        (42, 17, SQUARE),
        (31, 29, ""),
        (35, 29, ""),
        (16, 4, ""),  # every other small number is one
        (20, 4, ""),
        (9900, 1200, SQUARE),
        (19, 0, ""),
        (20, 0, UNLIKED),
        (30, 3, SQUARE),  # ten for each favorite
        (31, 3, UNLIKED),
        (32, 3, UNLIKED),
        (25400, 0, UNLIKED),
        (20493, 1, UNLIKED),
        (0, 0, ""),
        (0, 5000, ""),
        (900, 4000, ""),
    ],
)
def test_totals_of_archives(retweets: int, favorites: int, flag: str) -> None:
    assert impossible_total(retweets, favorites) == flag


@given(st.integers(5, 3000), st.integers(0, 10**7))
def test_retweets_that_were_counted_by_each_retweet_are_noticed(root: int, favorites: int) -> None:
    for retweets in (root * root, root * (root + 1)):
        assert bool(impossible_total(retweets, favorites)) is (retweets > favorites)


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_more_favorites_than_retweets_are_always_believed(retweets: int, more: int) -> None:
    assert impossible_total(retweets, retweets + more) == ""
