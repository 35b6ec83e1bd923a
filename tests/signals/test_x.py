"""X: every answer it is documented to give, and a budget through all of them; hence long."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any

import pytest

from tests.signals.outside import Purse, outside, paper, papers_of
from tests.upstream.server import Upstream
from tests.upstream.world import WorldPost, small_world, snowflake
from trendbot.errors import SettingsError, SignalError, SignalStopped
from trendbot.model import Post
from trendbot.settings import section
from trendbot.signals.x import X, XSettings, starts

TODAY = date(2026, 11, 20)
TOKEN = "AAAA%3Dsecret"
SEARCH, LOOK_UP = "/2/tweets/search/recent", "/2/tweets"
Build = Callable[..., X]


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream(small_world(TODAY)) as upstream:
        yield upstream


@pytest.fixture
def purse() -> Purse:
    return Purse()


@pytest.fixture
def build(upstream: Upstream, purse: Purse) -> Iterator[Build]:
    """Builds an X of the upstream; `known` are the ids of posts trendbot has stored."""
    with outside(upstream.world, purse) as context:

        def build(known: list[str] | None = None, **table: object) -> X:
            base = {"enabled": True, "base_url": upstream.x, "bearer_token": TOKEN}
            settings = section(XSettings, {**base, **table}, "signals.x")
            stored = known or []
            return X(settings, replace(context, worth_a_look=lambda limit: stored[:limit]))

        yield build


def measured(x: X, upstream: Upstream, days: int = 7) -> list[Post]:
    return list(x.measure(papers_of(upstream.world), upstream.world.now - timedelta(days=days)))


def counts(posts: list[Post]) -> dict[str, tuple[int, int, int]]:
    return {
        post.id: (post.reading.retweets, post.reading.favorites, post.reading.replies)
        for post in posts
        if post.reading
    }


def expected(upstream: Upstream, min_likes: int = 20) -> dict[str, tuple[int, int, int]]:
    """The original posts of the last two days about papers of the world."""
    world = upstream.world
    ids = [one.id for one in world.papers]
    return {
        post.id: (post.retweets, post.favorites, post.replies)
        for post in world.posts
        if post.created_at >= world.now - timedelta(hours=48)
        and post.favorites >= min_likes
        and not post.repost_of
        and any(paper_id in url for url in post.urls for paper_id in ids)
    }


def crowd(upstream: Upstream, size: int) -> None:
    """Replace the world's posts by `size` liked posts about its first paper."""
    world = upstream.world
    world.posts = [
        WorldPost(
            snowflake(at := world.now - timedelta(minutes=10 + number), number),
            f"crowd {number}",
            (f"https://arxiv.org/abs/{world.papers[0].id}",),
            at,
            retweets=number,
            favorites=50,
        )
        for number in range(size)
    ]


def test_one_search_measures_every_paper(build: Build, upstream: Upstream, purse: Purse) -> None:
    posts = measured(build(), upstream)
    assert counts(posts) == expected(upstream)
    assert len(posts) > 5
    [request] = upstream.requests
    assert request.path == SEARCH
    assert request.query["query"] == "url:arxiv.org min_likes:20"
    assert "expansions" not in request.query
    assert request.headers["authorization"] == f"Bearer {TOKEN}"


def test_only_returned_posts_are_paid_for(build: Build, upstream: Upstream, purse: Purse) -> None:
    crowd(upstream, 7)
    measured(build(), upstream)
    assert purse.spent == 7


def test_a_post_says_what_x_says(build: Build, upstream: Upstream) -> None:
    both = next(post for post in upstream.world.posts if post.text == "two to read")
    [post] = [post for post in measured(build(), upstream) if post.id == both.id]
    assert post.signal == "x"
    assert post.papers == ("arxiv:2611.10002", "arxiv:2611.10004")
    assert post.url == f"https://x.com/i/web/status/{both.id}"
    assert post.posted_at == both.created_at
    assert post.posted_at.tzinfo is not None
    assert post.text.startswith("two to read https://t.co/")
    assert post.reading is not None
    assert post.reading.taken_at == upstream.world.now


def test_text_is_not_the_escaped_one(build: Build, upstream: Upstream) -> None:
    texts = [post.text for post in measured(build(), upstream)]
    assert any(text.startswith("a proof & <b>more</b> https://") for text in texts)


def test_a_paper_not_asked_for_is_left_out(build: Build, upstream: Upstream) -> None:
    posts = list(build().measure([paper("2611.10002")], upstream.world.now - timedelta(days=2)))
    assert {post.papers for post in posts} == {("arxiv:2611.10002",)}


def test_without_papers_nothing_is_asked(build: Build, upstream: Upstream) -> None:
    assert list(build().measure([], upstream.world.now)) == []
    assert upstream.requests == []


@pytest.mark.parametrize("kind", ["renamed", "only_post_fields"])
def test_both_namings_of_fields(build: Build, upstream: Upstream, kind: str) -> None:
    upstream.fault("x", kind, times=None)
    upstream.fault("x", "search_has_reposts", times=None)
    assert counts(measured(build(), upstream)) == expected(upstream)


def test_the_new_parameter_is_learned_once_and_silently(
    build: Build, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.world.x.only_post_fields = True
    crowd(upstream, 120)
    with caplog.at_level(logging.WARNING):
        assert len(measured(build(), upstream)) == 120
    names = [{"tweet.fields", "post.fields"} & set(one.query) for one in upstream.requests]
    assert names == [{"tweet.fields"}, {"post.fields"}, {"post.fields"}]
    assert caplog.records == []


def test_reposts_are_no_posts(build: Build, upstream: Upstream) -> None:
    upstream.world.x.search_has_reposts = True
    posts = measured(build(min_likes=0), upstream)
    assert counts(posts) == expected(upstream, min_likes=0)
    reposts = {post.id for post in upstream.world.posts if post.repost_of}
    quotes = {post.id for post in upstream.world.posts if post.quote_of}
    assert reposts
    assert not reposts & {post.id for post in posts}
    assert quotes <= {post.id for post in posts}


def test_all_pages_are_read(build: Build, upstream: Upstream, purse: Purse) -> None:
    crowd(upstream, 250)
    posts = measured(build(daily_post_budget=1000), upstream)
    assert counts(posts) == expected(upstream)
    assert len(upstream.requests) == 3
    assert purse.spent == 250


def test_the_budget_is_kept_over_restarts_and_days_begin_anew(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    crowd(upstream, 300)
    assert len(measured(build(daily_post_budget=130), upstream)) == 130
    assert [request.query["max_results"] for request in upstream.requests] == ["100", "30"]
    with pytest.raises(SignalStopped, match=r"daily_post_budget of 130 posts.*tomorrow"):
        measured(build(daily_post_budget=130), upstream)
    assert len(upstream.requests) == 2
    purse.spent = 0
    assert len(measured(build(daily_post_budget=130), upstream)) == 130


@pytest.mark.parametrize("budget", [0, 9])
def test_a_budget_below_the_smallest_page_asks_nothing(
    build: Build, upstream: Upstream, purse: Purse, budget: int
) -> None:
    with pytest.raises(SignalStopped, match=f"of {budget} posts"):
        measured(build(daily_post_budget=budget), upstream)
    assert upstream.requests == []
    assert purse.spent == 0


def test_a_last_page_smaller_than_the_smallest_is_not_asked_for(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    crowd(upstream, 300)
    assert len(measured(build(daily_post_budget=109), upstream)) == 100
    assert purse.spent == 100


def test_known_posts_are_looked_up_again_by_id(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    old = [post.id for post in upstream.world.posts[:2]]
    fresh = [post.id for post in upstream.world.posts if post.text == "two to read"]
    posts = measured(build(known=[*old, *fresh, "archive-total"], min_likes=20), upstream)
    [lookup] = upstream.asked(LOOK_UP)
    assert lookup.query["ids"].split(",") == old
    assert counts(posts)[old[0]] == (9, 40, 2)
    assert fresh[0] in counts(posts)


def test_a_deleted_post_costs_nothing_and_stops_nothing(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    first, second = upstream.world.posts[:2]
    crowd(upstream, 3)
    upstream.world.posts += [first, second]
    first.deleted = True
    posts = measured(build(known=[first.id, second.id]), upstream)
    assert second.id in counts(posts)
    assert first.id not in counts(posts)
    assert purse.spent == 4
    second.deleted = True
    assert len(measured(build(known=[first.id, second.id]), upstream)) == 3
    assert purse.spent == 7


def test_half_of_the_budget_is_kept_for_known_posts(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    old = upstream.world.posts[0]
    crowd(upstream, 300)
    upstream.world.posts.append(old)
    posts = measured(build(known=[old.id], daily_post_budget=60), upstream)
    assert len(posts) == purse.spent == 60
    assert old.id in counts(posts)


def test_look_ups_stay_within_what_x_takes_and_the_budget_allows(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    crowd(upstream, 250)
    known = [post.id for post in upstream.world.posts]
    for post in upstream.world.posts:
        post.favorites = 0
    posts = measured(build(known=known, refresh=1000, daily_post_budget=220), upstream)
    assert [len(one.query["ids"].split(",")) for one in upstream.asked(LOOK_UP)] == [100, 100, 20]
    assert len(posts) == purse.spent == 220
    assert {post.id for post in posts} == set(known[:220])


def test_refresh_bounds_the_look_ups(build: Build, upstream: Upstream) -> None:
    known = [post.id for post in upstream.world.posts[:5]]
    measured(build(known=known, refresh=2), upstream)
    [lookup] = upstream.asked(LOOK_UP)
    assert lookup.query["ids"].split(",") == known[:2]


@pytest.mark.parametrize(
    ("since", "window", "start"),
    [
        (timedelta(days=7), timedelta(hours=48), timedelta(hours=48)),
        (timedelta(hours=3), timedelta(hours=48), timedelta(hours=3)),
        (timedelta(days=90), timedelta(days=30), timedelta(days=7) - timedelta(minutes=10)),
        (timedelta(0), timedelta(hours=48), timedelta(minutes=1)),
        (timedelta(days=-2), timedelta(hours=48), timedelta(minutes=1)),
    ],
)
def test_where_a_search_starts(
    now: datetime, since: timedelta, window: timedelta, start: timedelta
) -> None:
    assert starts(now, now - since, window) == now - start


def test_the_start_reaches_x(build: Build, upstream: Upstream) -> None:
    measured(build(window="30d"), upstream, days=90)
    assert upstream.requests[0].query["start_time"] == "2026-11-13T18:10:00Z"


@pytest.mark.parametrize(
    ("fault", "how", "says"),
    [
        ("credits", {}, r"no credits left \(CreditsDepleted: .*\); top up at .*tomorrow"),
        ("usage_capped", {}, r"cap .*UsageCapExceeded.*tomorrow"),
        ("rate_limited", {"reset": None}, r"cap .*tomorrow"),
    ],
)
def test_x_is_not_asked_again_on_a_day_it_stopped(
    build: Build, upstream: Upstream, purse: Purse, fault: str, how: dict[str, Any], says: str
) -> None:
    upstream.fault("x", fault, **how)
    with pytest.raises(SignalStopped, match=says) as caught:
        measured(build(), upstream)
    assert "\n" not in str(caught.value)
    assert purse.stopped == str(caught.value)
    assert purse.spent == 0
    with pytest.raises(SignalStopped):
        measured(build(), upstream)
    assert len(upstream.requests) == 1


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
    assert purse.spent == 0
    assert len(upstream.requests) == 1


def test_x_own_words_reach_the_operator(build: Build, upstream: Upstream) -> None:
    with pytest.raises(SignalError, match=r"invalid operator 'min_faves'.*check signals\.x\.query"):
        measured(build(query="url:arxiv.org min_faves:10"), upstream)
    upstream.world.x.token = "another"
    with pytest.raises(SignalError, match=r"HTTP 401: Unauthorized"):
        measured(build(), upstream)


@pytest.mark.parametrize(
    ("fault", "how", "says"),
    [
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
    ],
)
def test_an_answer_that_cannot_be_read_is_an_error_and_stays_booked(
    build: Build, upstream: Upstream, purse: Purse, fault: str, how: dict[str, Any], says: str
) -> None:
    upstream.fault("x", fault, **how)
    with pytest.raises(SignalError, match=says):
        measured(build(), upstream)
    assert purse.spent == 100


@pytest.mark.parametrize("fault", ["slow", "drip"])
def test_silence_has_an_end(build: Build, upstream: Upstream, purse: Purse, fault: str) -> None:
    upstream.fault("x", fault)
    with pytest.raises(SignalError, match=r"no answer within 0\.2 seconds"):
        measured(build(timeout=0.2), upstream)
    assert purse.spent == 100


def test_an_unreachable_x_costs_nothing(build: Build, upstream: Upstream, purse: Purse) -> None:
    upstream.fault("x", "close")
    with pytest.raises(SignalError, match="no connection to http://127"):
        measured(build(), upstream)
    assert purse.spent == 0


def test_posts_read_before_an_error_are_kept(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    crowd(upstream, 150)
    upstream.fault("x", "credits", after=1)
    posts = build().measure(papers_of(upstream.world), upstream.world.now - timedelta(days=2))
    assert len(list(islice(posts, 100))) == 100
    with pytest.raises(SignalStopped):
        next(iter(posts))
    assert purse.spent == 100


def test_a_post_on_two_pages_is_yielded_once(build: Build, upstream: Upstream) -> None:
    one = {
        "id": "1991234567890123456",
        "text": "again",
        "created_at": "2026-11-20T02:14:31.000Z",
        "entities": {"urls": [{"expanded_url": "https://arxiv.org/abs/2611.10001"}]},
        "public_metrics": {"retweet_count": 1, "like_count": 2, "reply_count": 3},
    }
    page = {"data": [one], "meta": {"result_count": 1, "next_token": "same"}}
    upstream.fault("x", "json", times=3, document=page)
    upstream.fault("x", "json", document={"meta": {"result_count": 0}})
    [post] = measured(build(), upstream)
    assert counts([post]) == {"1991234567890123456": (1, 2, 3)}


def test_an_empty_page_ends_a_search_whatever_it_promises(build: Build, upstream: Upstream) -> None:
    page = {"meta": {"result_count": 0, "next_token": "more"}}
    upstream.fault("x", "json", times=None, document=page)
    assert measured(build(), upstream) == []
    assert len(upstream.requests) == 1


def test_check_counts_without_reading_posts(build: Build, upstream: Upstream, purse: Purse) -> None:
    liked = [one for one in upstream.world.posts if one.favorites >= 20 and not one.repost_of]
    assert build().check() == (
        f"{len(liked)} posts of the last 7 days match 'url:arxiv.org min_likes:20'; "
        "budget 200 posts a day"
    )
    assert [request.path for request in upstream.requests] == ["/2/tweets/counts/recent"]
    assert purse.spent == 0
    upstream.fault("x", "json", document={"meta": {"total_post_count": 7}})
    assert build().check().startswith("7 posts")
    upstream.fault("x", "json", document={"meta": {}})
    with pytest.raises(SignalError, match="total_tweet_count"):
        build().check()


def test_off_unless_asked_for() -> None:
    assert section(XSettings, {}, "signals.x").enabled is False


@pytest.mark.parametrize("token", ["", "  \n"])
def test_enabled_without_a_token_is_refused(build: Build, token: str) -> None:
    with pytest.raises(SettingsError, match=r"signals\.x\.bearer_token or bearer_token_file"):
        build(bearer_token=token)


@pytest.mark.parametrize("token", ["zwei Wörter", "a b", "a\r\nX-Evil: 1", "tökén"])
def test_a_token_that_is_no_header_value_is_refused_and_not_shown(build: Build, token: str) -> None:
    with pytest.raises(SettingsError, match="bearer_token: must be one word") as caught:
        build(bearer_token=token)
    assert token not in str(caught.value)


@pytest.mark.parametrize(
    "table", [{"daily_post_budget": -1}, {"timeout": 0}, {"query": ""}, {"refresh": -1}, {"x": 1}]
)
def test_settings_have_bounds(build: Build, table: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=next(iter(table))):
        build(**table)


def test_the_token_stays_out_of_the_log(
    build: Build, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        measured(build(), upstream)
    assert TOKEN not in caplog.text
