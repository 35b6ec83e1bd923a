"""What each request to X costs, whatever X answers: nothing is paid twice or forgotten."""

from typing import Any

import pytest

from tests.signals.crowds import COUNTS, SEARCH, TOKEN, Build, crowd, measured
from tests.signals.outside import Purse
from tests.upstream.server import Upstream
from trendbot.errors import SignalError, SignalStopped

# One that cannot be read costs what it may have brought, besides the counting before it.
LOST = {"size": (1, 0, 0, 0.005), "search": (1, 100, 0, 0.5)}


def test_only_returned_posts_are_paid_for(build: Build, upstream: Upstream, purse: Purse) -> None:
    crowd(upstream, 7)
    measured(build(), upstream)
    assert purse.notes == {"size": (1, 0, 0, 0.005), "search": (1, 7, 7, 0.035)}
    assert purse.spent == 8


def test_the_budget_is_kept_over_restarts_and_days_begin_anew(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    crowd(upstream, 300)
    table = {"daily_post_budget": 130, "min_likes": 500}
    for post in upstream.world.posts:
        post.favorites = 6000
    assert len(measured(build(**table), upstream)) == 129
    assert [one.query["max_results"] for one in upstream.asked(SEARCH)] == ["100", "29"]
    with pytest.raises(SignalStopped, match=r"budget of 130 posts \(\$0\.65\) is spent.*tomorrow"):
        measured(build(**table), upstream)
    assert len(upstream.requests) == 3
    purse.spent, purse.plan = 0, {}
    assert len(measured(build(**table), upstream)) == 129


@pytest.mark.parametrize("budget", [0, 9])
def test_a_budget_below_the_smallest_page_asks_nothing(
    build: Build, upstream: Upstream, purse: Purse, budget: int
) -> None:
    with pytest.raises(SignalStopped, match=f"of {budget} posts"):
        measured(build(daily_post_budget=budget), upstream)
    assert upstream.requests == []
    assert purse == Purse()


def test_a_last_page_smaller_than_the_smallest_is_not_asked_for(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    crowd(upstream, 300, likes=lambda _: 6000)
    assert len(measured(build(daily_post_budget=110, min_likes=500), upstream)) == 100
    assert purse.spent == 101


@pytest.mark.parametrize("where", [COUNTS, SEARCH])
@pytest.mark.parametrize(
    ("fault", "how", "says"),
    [
        ("credits", {}, r"no credits left \(CreditsDepleted: .*\); top up at .*tomorrow"),
        ("usage_capped", {}, r"cap .*UsageCapExceeded.*tomorrow"),
        ("rate_limited", {"reset": None}, r"cap .*tomorrow"),
    ],
)
def test_x_is_not_asked_again_on_a_day_it_stopped(
    build: Build,
    upstream: Upstream,
    purse: Purse,
    where: str,
    fault: str,
    how: dict[str, Any],
    says: str,
) -> None:
    upstream.fault(where, fault, **how)
    with pytest.raises(SignalStopped, match=says) as caught:
        measured(build(), upstream)
    assert "\n" not in str(caught.value)
    assert purse.stopped == str(caught.value)
    assert purse.spent == purse.noted
    asked = len(upstream.requests)
    with pytest.raises(SignalStopped, match=says):
        measured(build(), upstream)
    assert len(upstream.requests) == asked


def test_a_rate_limit_says_when_to_come_back(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    upstream.fault("x", "rate_limited", reset=600)
    with pytest.raises(SignalError, match="asked again at 2026-11-20 18:10 UTC") as caught:
        measured(build(), upstream)
    assert not isinstance(caught.value, SignalStopped)
    assert purse == Purse()
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"status": 401}, r"refuses the token \(HTTP 401.*bearer_token"),
        ({"status": 403, "body": "[]"}, r"refuses the token \(HTTP 403.*bearer_token"),
        ({"status": 400, "body": '{"errors": 5}'}, "refuses the request .*signals.x.query"),
        ({"status": 400, "body": '{"errors": [{"message": 5}]}'}, "refuses the request"),
        ({"status": 404}, "HTTP 404 .*base_url"),
        ({"status": 302, "headers": {"Location": "http://127.0.0.1:9/"}}, "HTTP 302 .*base_url"),
        ({"status": 500}, "HTTP 500 .*try again later"),
        ({"status": 503, "body": "[" * 100_000}, "HTTP 503 .*try again later"),
        ({"status": 429, "headers": {"x-rate-limit-reset": "soon"}}, "tomorrow"),
        ({"status": 429, "headers": {"x-rate-limit-reset": "9" * 30}}, "tomorrow"),
    ],
)
def test_a_refused_request_is_free_and_explained(
    build: Build, upstream: Upstream, purse: Purse, how: dict[str, Any], says: str
) -> None:
    upstream.fault("x", "status", **how)
    with pytest.raises(SignalError, match=says) as caught:
        measured(build(), upstream)
    assert "\n" not in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert purse.spent == purse.noted == 0
    assert len(upstream.requests) == 1


def test_x_own_words_reach_the_operator(build: Build, upstream: Upstream) -> None:
    with pytest.raises(SignalError, match=r"invalid operator 'min_faves'.*check signals\.x\.query"):
        measured(build(query="url:arxiv.org min_faves:10"), upstream)
    upstream.world.x.token = "another"
    with pytest.raises(SignalError, match=r"HTTP 401: Unauthorized"):
        measured(build(), upstream)


UNREADABLE = [
    ("malformed", {}, "not JSON"),
    ("malformed", {"body": b"[" * 100_000}, "not JSON"),
    ("malformed", {"body": b'{"data": ' + b"9" * 5000 + b"}"}, "not JSON"),
    ("malformed", {"body": b""}, "not JSON"),
    ("content_type", {"content_type": "text/html"}, "'text/html', not JSON"),
    ("json", {"document": []}, "no object"),
    ("json", {"document": {}}, "neither posts nor a count of zero"),
    ("json", {"document": {"errors": [{"title": "Oops"}]}}, "neither posts"),
    ("json", {"document": {"data": {"id": "1"}}}, "data is no list"),
    ("json", {"document": {"data": [{"text": "x"}]}}, "no id"),
    ("json", {"document": {"data": [{"id": "1/../2"}]}}, "no id"),
    ("json", {"document": {"data": [{"id": str(n)} for n in range(101)]}}, "101 posts where"),
    ("cut", {}, "broke off"),
    ("huge", {"megabytes": 10}, "larger than"),
]


@pytest.mark.parametrize(("fault", "how", "says"), UNREADABLE)
def test_an_answer_that_cannot_be_read_is_an_error_and_stays_booked(
    build: Build, upstream: Upstream, purse: Purse, fault: str, how: dict[str, Any], says: str
) -> None:
    upstream.fault(SEARCH, fault, **how)
    with pytest.raises(SignalError, match=says):
        measured(build(), upstream)
    assert purse.notes == LOST
    assert purse.spent == 101


@pytest.mark.parametrize(("fault", "how", "says"), UNREADABLE[:6])
def test_a_count_that_cannot_be_read_costs_one_read(
    build: Build, upstream: Upstream, purse: Purse, fault: str, how: dict[str, Any], says: str
) -> None:
    upstream.fault(COUNTS, fault, **how)
    with pytest.raises(SignalError, match=says):
        measured(build(), upstream)
    assert purse.notes == {"size": (1, 0, 0, 0.005)}
    assert purse.spent == 1
    assert upstream.asked(SEARCH) == []


def test_a_page_that_makes_no_sense_halfway_is_paid_for(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    posts = [{"id": "1", "text": "fine"}, {"id": "2"}, {"id": "3", "text": "fine"}]
    upstream.fault(SEARCH, "json", document={"data": posts})
    with pytest.raises(SignalError, match="post 2: text is missing"):
        measured(build(), upstream)
    assert purse.notes["search"] == (1, 3, 0, 0.015)
    assert purse.spent == purse.noted


@pytest.mark.parametrize("fault", ["slow", "drip"])
def test_silence_has_an_end(build: Build, upstream: Upstream, purse: Purse, fault: str) -> None:
    upstream.fault(SEARCH, fault)
    with pytest.raises(SignalError, match=r"no answer within 0\.2 seconds"):
        measured(build(timeout=0.2), upstream)
    assert purse.notes == LOST


def test_an_unreachable_x_costs_nothing(build: Build, upstream: Upstream, purse: Purse) -> None:
    upstream.fault("x", "close")
    with pytest.raises(SignalError, match="no connection to http://127"):
        measured(build(), upstream)
    assert purse == Purse()
