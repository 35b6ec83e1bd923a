"""Which counts cannot be true, and which posts say nothing of their own."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trendbot.honesty import (
    AUTOMATED,
    JUMP,
    SQUARE,
    TITLES,
    UNLIKED,
    account,
    doubts,
    fingerprint,
    impossible,
    impossible_total,
    label,
    repeats_title,
)
from trendbot.model import Reading

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TITLE = "Denoising Graphs with $k$-Hyperbolic Attention"


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


@pytest.mark.parametrize(
    ("totals", "flags"),
    [
        ([5000], [""]),  # the first cannot jump
        ([10, 1010, 2000], ["", "", ""]),
        ([10, 1011, 1000], ["", JUMP, ""]),  # 1,000 is no jump itself
        ([10, 4000, 20], ["", JUMP, ""]),
        ([10, 4000, 8000], ["", JUMP, ""]),
        ([10, 4000, 8001, 9000], ["", JUMP, JUMP, ""]),
        ([10, 4000, 1999, 2000], ["", JUMP, JUMP, ""]),
        ([60, 1200, 1201], ["", "", ""]),  # twenty times is no jump yet
        ([60, 1201, 4000], ["", JUMP, JUMP]),
        ([100, 49, 48], ["", JUMP, ""]),
        ([100, 50], ["", ""]),
        ([99, 0], ["", ""]),
        ([100, 0, 0], ["", JUMP, ""]),
        ([100, 49, 101, 49], ["", JUMP, "", JUMP]),  # only the one just before can be confirmed
    ],
)
def test_a_jump_is_believed_when_the_next_reading_confirms_it(
    totals: list[int], flags: list[str]
) -> None:
    readings = [Reading(NOON + timedelta(hours=n), 0, total) for n, total in enumerate(totals)]
    assert doubts(readings) == flags


def test_many_retweets_without_a_favorite_are_not_believed_nor_confirm_anything() -> None:
    counted = [(1, 0), (19, 0), (20, 0), (20, 1), (3000, 0), (3000, 1), (3000, 1)]
    readings = [Reading(NOON + timedelta(hours=n), *one) for n, one in enumerate(counted)]
    assert doubts(readings) == ["", "", UNLIKED, "", UNLIKED, JUMP, ""]


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 5000)), max_size=8))
def test_what_was_believed_stays_so_whatever_comes_later(counted: list[tuple[int, int]]) -> None:
    readings = [Reading(NOON + timedelta(hours=n), *one) for n, one in enumerate(counted)]
    for size in range(len(readings)):
        assert doubts(readings[:size]) == doubts(readings)[:size]


@pytest.mark.parametrize(
    ("posts", "retweets", "favorites", "flag"),
    [
        (5, 25, 24, SQUARE),
        (5, 30, 0, SQUARE),
        (6, 30, 0, SQUARE),  # five retweets and the original
        (5, 25, 25, ""),
        (5, 26, 0, ""),
        (4, 16, 0, ""),
        (100, 10_000, 300, SQUARE),
        (0, 0, 0, ""),
    ],
)
def test_sums_over_retweets_that_came_as_posts(
    posts: int, retweets: int, favorites: int, flag: str
) -> None:
    assert impossible(posts, retweets, favorites) == flag


@pytest.mark.parametrize(
    ("posts", "titled", "is_automated", "expected"),
    [
        (1, 0, True, AUTOMATED),
        (9, 9, False, ""),
        (10, 9, False, TITLES),
        (10, 8, False, ""),
        (19, 17, False, ""),
        (20, 18, False, TITLES),
        (20, 20, True, AUTOMATED),
        (0, 0, False, ""),
    ],
)
def test_labels(posts: int, titled: int, is_automated: bool, expected: str) -> None:
    assert label(posts, titled, is_automated) == expected


@pytest.mark.parametrize(
    "said",
    [
        TITLE,
        "Denoising graphs with k-hyperbolic attention. https://arxiv.org/abs/2611.00001",
        "[2611.00001] DENOISING GRAPHS WITH K-HYPERBOLIC ATTENTION 🔥🔥 (cs.LG)",
        "New paper: Denoising Graphs with k-Hyperbolic Attention by Ada Quill, Bo Tern et al.",
        "Denoising Graphs with k-Hyperbolic Attention #ML #graphs @ada@example.social",
        "Denoising Graphs with k-Hyperbolic Att… arxiv.org/abs/2611.00001v2",
        "Denoising  Graphs\nwith Hyperbolic Attention",
    ],
)
def test_posts_that_repeat_the_title(said: str) -> None:
    assert repeats_title(said, TITLE)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "https://arxiv.org/abs/2611.00001",
        "Denoising Graphs",
        "This is the one to read this week! https://arxiv.org/abs/2611.00001",
        "Denoising Graphs with k-Hyperbolic Attention beats all we had, by far the best so far",
        "We wrote Denoising Graphs with k-Hyperbolic Attention last summer in a hut",
    ],
)
def test_posts_that_say_something(said: str) -> None:
    assert not repeats_title(said, TITLE)


def test_a_title_of_one_word_is_repeated_by_that_word_alone() -> None:
    assert repeats_title("Owls!", "Owls")
    assert not repeats_title("Owls are great", "Owls")
    assert not repeats_title("Owls", "")


def test_the_same_words_have_the_same_fingerprint() -> None:
    first = fingerprint("Read this, NOW: https://arxiv.org/abs/2611.00001")
    assert first == fingerprint("read this now 🔥 arxiv.org/pdf/2611.00002.pdf")
    assert len(first) == 16
    assert first != fingerprint("Read that, now")
    assert fingerprint("https://arxiv.org/abs/2611.00001 🔥") == fingerprint("") == ""


def test_an_account_is_one_however_it_is_written() -> None:
    assert account("x", "Ada") == account("x", "@ada ") != account("bluesky", "ada")
    assert len(account("x", "\ud83d")) == 16
    assert account("x", "") == account("x", " ") == ""


@given(st.text(max_size=200), st.text(max_size=80))
def test_any_text_can_be_read(said: str, title: str) -> None:
    repeats_title(said, title)
    assert len(fingerprint(said)) in (0, 16)


@given(st.lists(st.sampled_from("owls bats by see the graph 1.5 e.g".split()), min_size=1))
def test_a_title_is_repeated_by_itself(words: list[str]) -> None:
    assert repeats_title(" ".join(words), " ".join(words))
