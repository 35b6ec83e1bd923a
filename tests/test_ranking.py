"""Ranking is deterministic to the last tie, and every rule of it shows."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trendbot.model import By, Cadence, Tally
from trendbot.ranking import (
    Candidate,
    candidate,
    choose,
    closing_day,
    movement,
    rank,
    score,
    window,
)

counts = st.integers(0, 10_000)
tallies = st.builds(
    Tally,
    posts=st.integers(1, 50),
    retweets=counts,
    favorites=counts,
    growth=counts,
    measured_at=st.none(),
    left_out=st.just(0),
    flag=st.sampled_from(["", "", "", "a square"]),
)
candidates = st.lists(
    st.builds(
        candidate,
        paper_id=st.integers(1, 10**6),
        key=st.text("0123456789.", min_size=1, max_size=8),
        field=st.sampled_from(["cs.LG", "math.GT"]),
        signals=st.dictionaries(st.sampled_from(["x", "huggingface", "hotpapers"]), tallies),
        weights=st.just({"x": 1.5}),
    ),
    unique_by=(lambda one: one.paper_id, lambda one: one.key),
    max_size=30,
)


def on_x(paper_id: int, key: str, retweets: int, favorites: int) -> Candidate:
    return candidate(paper_id, key, "", {"x": Tally(1, retweets, favorites)}, {})


def test_score_weighs_signals() -> None:
    signals = {"x": Tally(2, 10, 5), "huggingface": Tally(1, 0, 8)}
    assert score(signals, {}) == 23
    assert score(signals, {"huggingface": 0.5}) == 19
    assert score(signals, {"x": 0}) == 8


def test_ties_go_by_favorites_then_key() -> None:
    order = rank(
        [
            on_x(1, "arxiv:2106.2", 6, 4),
            on_x(2, "arxiv:2106.1", 6, 4),
            on_x(3, "arxiv:2106.3", 3, 7),
            on_x(4, "arxiv:2106.0", 20, 0),
        ],
        1,
    )
    assert [one.paper_id for one in order] == [4, 3, 2, 1]
    assert [one.rank for one in order] == [1, 2, 3, 4]


def test_threshold_leaves_out_what_is_below_and_what_nobody_measured() -> None:
    unmeasured = candidate(9, "arxiv:9", "", {}, {})
    order = rank([on_x(1, "a", 1, 1), on_x(2, "b", 1, 0), unmeasured], 2)
    assert [one.paper_id for one in order] == [1]
    assert rank([unmeasured], 0) == []


@given(candidates, st.randoms())
def test_no_order_of_arrival_changes_the_ranking(found: list[Candidate], random: object) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    order = rank(found, 1)
    assert rank(shuffled, 1) == order
    assert [one.rank for one in order] == list(range(1, len(order) + 1))
    assert all(a.score >= b.score for a, b in pairwise(order))


@given(candidates)
def test_more_favorites_never_lower_a_paper(found: list[Candidate]) -> None:
    order = rank(found, 1)
    if not order:
        return
    last = order[-1]
    better = [
        one._replace(favorites=one.favorites + 1, score=one.score + 1)
        if one.paper_id == last.paper_id
        else one
        for one in found
    ]
    places = {one.paper_id: one.rank for one in rank(better, 1)}
    assert places[last.paper_id] <= last.rank


def test_a_paper_comes_back_only_when_its_score_has_doubled() -> None:
    order = rank([on_x(1, "a", 50, 49), on_x(2, "b", 30, 30), on_x(3, "c", 5, 5)], 1)
    assert [one.paper_id for one in choose(order, 20, {1: 50.0})] == [2, 3]
    assert [one.paper_id for one in choose(order, 20, {1: 49.5})] == [1, 2, 3]
    assert [(one.rank, one.paper_id) for one in choose(order, 1, {1: 99.0})] == [(1, 2)]


@pytest.mark.parametrize(
    ("cadence", "day", "days", "since", "until"),
    [
        (Cadence.DAILY, date(2026, 11, 20), 1, date(2026, 11, 20), date(2026, 11, 20)),
        (Cadence.DAILY, date(2026, 11, 20), 3, date(2026, 11, 18), date(2026, 11, 20)),
        (Cadence.WEEKLY, date(2026, 3, 1), 7, date(2026, 2, 23), date(2026, 3, 1)),
        (Cadence.MONTHLY, date(2024, 2, 10), 31, date(2024, 2, 1), date(2024, 2, 29)),
        (Cadence.MONTHLY, date(2026, 11, 20), 10, date(2026, 11, 21), date(2026, 11, 30)),
    ],
)
def test_windows(cadence: Cadence, day: date, days: int, since: date, until: date) -> None:
    assert window(cadence, day, days) == (since, until)


@given(st.dates(date(1991, 8, 1), date(2100, 1, 1)))
def test_a_month_is_one_digest_whatever_its_day(day: date) -> None:
    closing = closing_day(Cadence.MONTHLY, day)
    assert (closing + timedelta(days=1)).day == 1
    assert window(Cadence.MONTHLY, day, 31) == (day.replace(day=1), closing)
    assert closing_day(Cadence.DAILY, day) == day


def grown(paper_id: int, total: int, growth: float, field: str = "cs.LG") -> Candidate:
    signals = {"x": Tally(1, 0, total, growth)}
    return candidate(paper_id, f"arxiv:{paper_id}", field, signals, {})


def test_flagged_counts_do_not_count() -> None:
    doubtful = Tally(7, 49, 3, flag="a square of the number of posts")
    signals = {"x": doubtful, "huggingface": Tally(1, 0, 8)}
    mixed = candidate(1, "arxiv:1", "", signals, {"huggingface": 0.5})
    flagged = candidate(2, "arxiv:2", "", {"x": doubtful}, {})
    assert (mixed.measured, mixed.counted) == (2, 1)
    assert (flagged.measured, flagged.counted) == (1, 0)
    (standing,) = rank([mixed, flagged], 0)
    assert (standing.paper_id, standing.score) == (1, 4)
    assert (standing.retweets, standing.favorites) == (0, 8)


def test_rising_is_by_growth_and_says_so() -> None:
    found = [grown(1, 500, 10), grown(2, 60, 55), grown(3, 40, 55), grown(4, 9, 90)]
    order = rank(found, 20, By.RISING)
    assert [(one.paper_id, one.merit, one.score) for one in order] == [
        (2, 55, 60),
        (3, 55, 40),
        (1, 10, 500),
    ]
    assert candidate(1, "a", "", {"x": Tally(1, 0, 5, 7.5)}, {"x": 2}).growth == 15


def test_total_is_by_score() -> None:
    order = rank([grown(1, 5, 10), grown(2, 60, 0)], 1)
    assert [(one.paper_id, one.merit) for one in order] == [(2, 60), (1, 5)]


def test_field_compares_within_the_primary_category() -> None:
    crowd = [grown(n, 1000 + n, 0) for n in range(10)]
    small = [grown(20 + n, 5 + n, 0, "math.GT") for n in range(2)]
    silent = candidate(30, "arxiv:30", "math.GT", {}, {})  # nobody spoke of it, and it is beaten
    order = rank([*crowd, *small, silent], 1, By.FIELD)
    shares = {one.paper_id: one.merit for one in order}
    assert shares[9] == 0.95
    assert shares[0] == 0.05
    assert shares[21] == pytest.approx(2.5 / 3)
    assert [one.paper_id for one in order[:4]] == [9, 8, 21, 7]


def test_equal_papers_of_a_field_share_their_places() -> None:
    order = rank([grown(n, 7, 0) for n in range(4)] + [grown(9, 1, 0)], 0, By.FIELD)
    assert [one.merit for one in order] == [0.6, 0.6, 0.6, 0.6, 0.1]


@given(candidates, st.sampled_from(By))
def test_every_order_holds_the_same_papers(found: list[Candidate], by: By) -> None:
    order = rank(found, 1, by)
    assert sorted(one.paper_id for one in order) == sorted(one.paper_id for one in rank(found, 1))
    assert [(-one.merit, -one.score, -one.favorites) for one in order] == sorted(
        (-one.merit, -one.score, -one.favorites) for one in order
    )


def test_movement_is_told_against_the_last_digest() -> None:
    last, seen = {1: 3, 2: 1, 3: 3}, {1, 2, 3, 4}
    assert [movement(rank, paper, last, seen) for rank, paper in ((1, 1), (2, 2), (3, 3))] == [
        "up 2",
        "down 1",
        "same",
    ]
    assert movement(1, 4, last, seen) == "back"
    assert movement(1, 5, last, seen) == "new"
