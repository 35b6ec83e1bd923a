"""The policy of paid reads: never more than there is, and never a lower floor for less money."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trendbot.signals import thrift
from trendbot.signals.thrift import MOST_COUNTS, RUNGS, SMALLEST_PAGE, Plan

LEFT = st.integers(0, 5000)
LIKES = st.lists(st.integers(0, 3000), max_size=300)
PLANS = st.builds(
    Plan,
    query=st.just("url:arxiv.org"),
    lowest=st.integers(0, 700),
    room=LEFT,
    counts=st.integers(0, MOST_COUNTS),
    counted=st.dictionaries(st.sampled_from(RUNGS), st.integers(0, 9999)),
    newest=st.sampled_from(["", "7", "12"]),
    oldest=st.sampled_from(["", "3"]),
)


def sized(plan: Plan, count: Callable[[int], int]) -> Plan:
    """The plan when all was counted that it asks for."""
    while (rung := thrift.next_count(plan)) is not None:
        assert rung not in plan.counted, "counted twice"
        plan = plan.with_count(rung, count(rung))
    return plan


def counter(likes: list[int]) -> Callable[[int], int]:
    return lambda floor: sum(one >= floor for one in likes)


@given(LEFT, st.integers(0, 2000))
def test_what_is_kept_leaves_the_search_a_page(left: int, known: int) -> None:
    kept = thrift.kept(known, left)
    assert 0 <= kept <= known
    assert kept <= left // thrift.KEPT_SHARE
    assert kept == 0 or left - kept >= SMALLEST_PAGE


@given(LEFT, st.integers(0, 600), LIKES)
def test_counting_and_searching_fit_what_is_left(left: int, lowest: int, likes: list[int]) -> None:
    plan = sized(thrift.planned("url:arxiv.org", lowest, left), counter(likes))
    assert len(plan.counted) <= plan.counts <= 5
    assert plan.counts + plan.room == left
    assert plan.counts * thrift.COUNTS_SHARE <= left
    floor = thrift.floor(plan)
    assert floor in thrift.ladder(lowest)
    if floor in plan.counted:
        assert plan.counted[floor] <= plan.room


@given(st.integers(100, 5000), st.integers(1, 500), LIKES)
def test_the_floor_is_the_lowest_that_fits(left: int, lowest: int, likes: list[int]) -> None:
    plan = sized(thrift.planned("url:arxiv.org", lowest, left), counter(likes))
    closer = plan.room // thrift.CLOSER_SHARE  # left alone, if there is something to look at
    room = dict.fromkeys(thrift.ladder(lowest), plan.room - closer) | {lowest: plan.room}
    fits = [rung for rung in room if counter(likes)(rung) <= room[rung]]
    assert thrift.floor(plan) == min(fits, default=max(room))


def test_a_sixth_is_left_for_a_closer_look_unless_all_fits() -> None:
    count = counter([3] * 95 + [1] * 200)
    floors = {
        left: thrift.floor(sized(thrift.planned("url:arxiv.org", 1, left), count))
        for left in (105, 117, 118, 299, 300)
    }
    assert floors == {105: 5, 117: 5, 118: 2, 299: 2, 300: 1}


@given(st.integers(100, 5000), st.integers(0, 4000), LIKES)
def test_more_money_never_raises_the_floor(left: int, more: int, likes: list[int]) -> None:
    poor, rich = (
        thrift.floor(sized(thrift.planned("url:arxiv.org", 1, some), counter(likes)))
        for some in (left, left + more)
    )
    assert rich <= poor


@given(st.integers(100, 2000), LIKES, LIKES)
def test_more_posts_never_lower_the_floor(left: int, likes: list[int], more: list[int]) -> None:
    quiet, busy = (
        thrift.floor(sized(thrift.planned("url:arxiv.org", 1, left), counter(some)))
        for some in (likes, likes + more)
    )
    assert quiet <= busy


@given(LEFT, st.integers(0, 10**6), LIKES)
def test_no_floor_is_below_the_lowest(left: int, lowest: int, likes: list[int]) -> None:
    plan = sized(thrift.planned("url:arxiv.org", lowest, left), counter(likes))
    assert thrift.floor(plan) >= lowest


def test_a_small_budget_is_not_spent_on_counting() -> None:
    assert thrift.planned("x", 1, 9).counts == 0
    assert thrift.planned("x", 1, 10) == Plan("x", 1, 10, 0)
    assert thrift.planned("x", 1, 30).counts == 3
    assert thrift.planned("x", 1, 5000).counts == MOST_COUNTS


def test_where_counting_ended_early_the_next_floor_is_taken() -> None:
    plan = Plan("x", 1, 100, 2, {1: 5000, 30: 300})
    assert thrift.next_count(plan) is None
    assert thrift.floor(plan) == 50
    assert thrift.floor(replace(plan, counted={1: 5000, 30: 50})) == 30
    assert thrift.floor(replace(plan, counted={})) == 1
    assert thrift.floor(replace(plan, counted=dict.fromkeys(RUNGS, 999))) == max(RUNGS)


@given(PLANS)
def test_a_plan_survives_its_document(plan: Plan) -> None:
    assert thrift.plan_of(plan.document()) == plan


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(0, 50), max_size=39),
    st.floats(0, 20),
)
def test_near_the_cut_are_those_whose_score_is_near(scores: dict[str, int], unread: float) -> None:
    near = thrift.near_the_cut(scores, unread)
    best = sorted((score for score in scores.values() if score), reverse=True)
    cut = best[19] if len(best) >= 20 else 0
    assert {scores[key] for key in near} == {one for one in best if abs(one - cut) <= 5 * unread}
    assert len(near) == len(set(near))
    assert thrift.near_the_cut(dict(reversed(scores.items())), unread) == near


def test_the_paper_at_the_cut_comes_first_and_the_leaders_do_not_come() -> None:
    scores = {f"arxiv:2611.{place:05}": 1000 - place for place in range(1, 900)}
    near = [int(key[-5:]) for key in thrift.near_the_cut(scores, 3)]
    assert near[:4] == [20, 21, 19, 22]
    assert (min(near), max(near)) == (5, 35)
    assert len(thrift.near_the_cut(scores, 900)) == thrift.NEAREST


def test_what_is_below_the_floor_is_known_by_counting() -> None:
    assert thrift.unread(Plan("x", 1, 100, 5, {1: 5000, 30: 300, 50: 80})) == 4920
    assert thrift.unread(Plan("x", 1, 100, 5, {1: 90})) == 0
    assert thrift.unread(Plan("x", 1, 100, 0)) == 0


@given(st.lists(st.integers(0, 99999), unique=True, max_size=60), st.integers(1, 500))
def test_queries_name_each_paper_once_and_are_not_too_long(numbers: list[int], size: int) -> None:
    ids = [f"2611.{number:05}" for number in numbers]
    base = "a" * size
    packed = thrift.queries(base, ids)
    assert all(len(query) <= thrift.LONGEST_QUERY for query in packed)
    assert all(query.startswith(f'{base} (url:"') for query in packed)
    named = [one for query in packed for one in query.split('"')[1::2]]
    both = [one for paper_id in ids for one in (paper_id, f"{paper_id}v1")]
    assert named == (both if size <= 466 else [])


@pytest.mark.parametrize(
    ("plan", "spans"),
    [
        (Plan("x", 1, 9, 0), [{}]),
        (Plan("x", 1, 9, 0, newest="9"), [{"since_id": "9"}]),
        (Plan("x", 1, 9, 0, newest="9", oldest="4"), [{"until_id": "4"}, {"since_id": "9"}]),
    ],
)
def test_what_is_to_be_searched_still(plan: Plan, spans: list[dict[str, str]]) -> None:
    assert thrift.spans(plan) == spans


@given(st.lists(st.integers(1, 999).map(str), unique=True), st.booleans())
def test_no_stretch_is_left_out(ids: list[str], whole: bool) -> None:
    ids.sort(key=int, reverse=True)
    first = thrift.after(Plan("x", 1, 9, 0), {}, ids, whole)
    assert first.newest == (ids[0] if ids else "")
    assert first.oldest == ("" if whole or not ids else ids[-1])
    late = thrift.after(first, {"since_id": first.newest}, ["1000"], whole)
    assert late.newest == ("1000" if whole else first.newest)
    assert late.oldest == first.oldest
    rest = thrift.after(first, {"until_id": first.oldest}, [], whole)
    assert rest.oldest == ("" if whole else first.oldest)
    assert rest.newest == first.newest
