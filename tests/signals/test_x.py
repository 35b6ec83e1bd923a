"""X: which posts it finds, how it thrifts with the day, and what became of those it knew."""

from datetime import datetime, timedelta
from itertools import islice

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.signals.crowds import (
    COUNTS,
    SEARCH,
    TOKEN,
    Build,
    a_post,
    counts,
    crowd,
    expected,
    measured,
    queries,
)
from tests.signals.outside import Purse, paper, papers_of
from tests.upstream.server import Upstream
from trendbot.errors import SettingsError, SignalError, SignalStopped
from trendbot.model import Post
from trendbot.settings import section
from trendbot.signals.x import XSettings, starts


def test_one_search_measures_every_paper(build: Build, upstream: Upstream) -> None:
    posts = measured(build(), upstream)
    assert counts(posts) == expected(upstream)
    assert len(posts) > 5
    size, search = upstream.requests
    assert (size.path, search.path) == (COUNTS, SEARCH)
    assert size.query["query"] == search.query["query"] == "url:arxiv.org min_likes:1"
    assert size.query["start_time"] == search.query["start_time"]
    assert "expansions" not in search.query
    assert search.headers["authorization"] == f"Bearer {TOKEN}"


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


def test_posts_name_all_their_papers_and_are_about_one_that_was_asked_for(
    build: Build, upstream: Upstream
) -> None:
    found = build().measure([paper("2611.10002")], upstream.world.now - timedelta(days=2))
    assert {post.papers for post in found if isinstance(post, Post)} == {
        ("arxiv:2611.10002",),
        ("arxiv:2611.10002", "arxiv:2611.10004"),
    }


def test_without_papers_nothing_is_asked(build: Build, upstream: Upstream, purse: Purse) -> None:
    assert list(build(known=["1"]).measure([], upstream.world.now)) == []
    assert upstream.requests == []
    assert purse == Purse()


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
    assert len(upstream.asked(SEARCH)) == 3
    assert purse.spent == 251


def test_the_floor_of_likes_rises_until_the_day_fits_the_budget(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    crowd(upstream, 500, likes=lambda number: number)
    found = measured(build(daily_post_budget=100), upstream)
    floors = [int(query.removeprefix("min_likes:")) for query in queries(upstream, COUNTS)]
    assert floors[0] == 1
    assert len(floors) <= 5
    assert queries(upstream, SEARCH) == ["min_likes:500"]  # nobody has so many
    assert found == []
    purse.spent, purse.plan = 0, {}
    found = measured(build(daily_post_budget=260), upstream)
    assert queries(upstream, SEARCH)[1:] == ["min_likes:300"] * 2
    assert len(found) == 200


def test_papers_near_the_cut_get_a_closer_look_once_a_day(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    crowd(upstream, 440, likes=lambda _: 3)
    for number, post in enumerate(upstream.world.posts[:40]):
        version = "v1" if number % 2 else ""
        post.urls = (f"https://arxiv.org/pdf/2611.09001{version}",)  # announced the day before
        post.favorites = 60 if number < 2 else 3
    found = measured(build(), upstream)
    assert {post.papers for post in found} == {("arxiv:2611.09001",)}
    assert len(found) == 40
    assert queries(upstream, SEARCH) == [
        "min_likes:5",
        'min_likes:1 (url:"2611.09001" OR url:"2611.09001v1")',
    ]
    assert purse.notes["search"][:3] == (2, 42, 40)
    late = a_post(upstream, 999, 0.1, 60)
    late.urls = ("https://arxiv.org/abs/2611.09001",)
    upstream.world.posts.append(late)
    assert [post.id for post in measured(build(), upstream)] == [late.id]
    assert queries(upstream, SEARCH)[2:] == ["min_likes:5"]


def test_what_was_counted_before_x_failed_is_not_counted_again(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    crowd(upstream, 440, likes=lambda _: 3)
    upstream.fault(COUNTS, "status", after=2)
    with pytest.raises(SignalError, match="503"):
        measured(build(), upstream)
    measured(build(), upstream)
    floors = queries(upstream, COUNTS)
    assert len(floors) == 6
    assert len(set(floors)) == 5  # the one that failed was free, and asked for again
    assert purse.notes["size"][0] == 5


def test_a_floor_of_likes_holds_for_all_that_is_searched_for(
    build: Build, upstream: Upstream
) -> None:
    crowd(upstream, 20, likes=lambda number: number)
    assert len(measured(build(query="url:arxiv.org OR agents", min_likes=7), upstream)) == 13
    (search,) = upstream.asked(SEARCH)
    assert search.query["query"] == "(url:arxiv.org OR agents) min_likes:7"


def test_a_quiet_day_is_counted_once_and_read_from_the_lowest_floor(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    crowd(upstream, 30, likes=lambda number: number)
    assert len(measured(build(min_likes=7), upstream)) == 23
    assert queries(upstream, COUNTS) == queries(upstream, SEARCH) == ["min_likes:7"]
    assert purse.spent == 24


def test_what_was_read_today_is_not_read_again(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    crowd(upstream, 50)
    assert len(measured(build(), upstream)) == 50
    late = a_post(upstream, 99, 0.1, 80)
    upstream.world.posts.append(late)
    assert [post.id for post in measured(build(), upstream)] == [late.id]  # a new process
    assert measured(build(), upstream) == []
    assert len(upstream.asked(COUNTS)) == 1
    assert purse.spent == 52
    purse.spent, purse.plan = 0, {}  # the next day
    assert len(measured(build(), upstream)) == 51


def test_a_search_that_broke_off_goes_on_where_it_was(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    crowd(upstream, 250)
    upstream.fault(SEARCH, "status", after=1)
    posts = build(daily_post_budget=400).measure(
        papers_of(upstream.world), upstream.world.now - timedelta(days=7)
    )
    first = list(islice(posts, 100))
    with pytest.raises(SignalError, match="503"):
        next(posts)
    late = a_post(upstream, 999, 0.1, 80)
    upstream.world.posts.append(late)
    rest = measured(build(daily_post_budget=400), upstream)
    assert len(rest) == 151
    assert {one.id for one in [*first, *rest]} == {post.id for post in upstream.world.posts}
    assert purse.spent == purse.noted == 252


def test_other_words_to_search_for_are_a_plan_of_their_own(
    build: Build, upstream: Upstream
) -> None:
    crowd(upstream, 20)
    assert len(measured(build(), upstream)) == 20
    assert len(measured(build(min_likes=30), upstream)) == 20
    assert queries(upstream, COUNTS) == ["min_likes:1", "min_likes:30"]


def test_a_search_is_useful_where_posts_are_about_papers(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    posts = measured(build(), upstream)
    requests, read, useful, dollars = purse.notes["search"]
    assert (requests, useful) == (1, len(posts))
    assert read > useful  # some are about papers nobody announced
    assert dollars == pytest.approx(read * 0.005)


@given(
    size=st.integers(0, 400),
    old=st.integers(0, 60),
    budget=st.integers(0, 300),
    looks=st.integers(1, 3),
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_day_costs_more_than_its_budget_and_all_of_it_is_accounted_for(
    build: Build, upstream: Upstream, purse: Purse, size: int, old: int, budget: int, looks: int
) -> None:
    known = [a_post(upstream, 1000 + number, 60, 90) for number in range(old)]
    crowd(upstream, size, likes=lambda number: number)
    upstream.world.posts += known
    purse.spent, purse.plan, purse.notes = 0, {}, {}
    for _ in range(looks):
        try:
            posts = measured(
                build(known=[post.id for post in known], daily_post_budget=budget), upstream
            )
        except SignalStopped:
            posts = []
        assert len(posts) <= budget
    assert purse.spent == purse.noted <= budget
    dollars = sum(sums[3] for sums in purse.notes.values())
    assert dollars == pytest.approx(purse.spent * 0.005)
    assert purse.notes.get("size", (0,))[0] <= 5


@pytest.mark.parametrize(
    ("since", "window", "answered", "start"),
    [
        (timedelta(days=7), timedelta(hours=48), None, timedelta(hours=48)),
        (timedelta(days=7), timedelta(hours=48), timedelta(hours=24), timedelta(hours=48)),
        (timedelta(days=7), timedelta(hours=48), timedelta(hours=90), timedelta(hours=90)),
        (timedelta(days=3), timedelta(hours=48), timedelta(hours=90), timedelta(days=3)),
        (timedelta(hours=3), timedelta(hours=48), None, timedelta(hours=3)),
        (timedelta(days=90), timedelta(days=30), None, timedelta(days=7) - timedelta(minutes=10)),
        (timedelta(0), timedelta(hours=48), None, timedelta(minutes=1)),
        (timedelta(days=-2), timedelta(hours=48), None, timedelta(minutes=1)),
    ],
)
def test_where_a_search_starts(
    now: datetime,
    since: timedelta,
    window: timedelta,
    answered: timedelta | None,
    start: timedelta,
) -> None:
    """Who was away for days looks back as far as the last answer."""
    answered_at = None if answered is None else now - answered
    assert starts(now, now - since, window, answered_at) == now - start


def test_the_start_reaches_x(build: Build, upstream: Upstream) -> None:
    measured(build(window="30d"), upstream, days=90)
    assert upstream.asked(SEARCH)[0].query["start_time"] == "2026-11-13T18:10:00Z"


def test_posts_read_before_an_error_are_kept(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    crowd(upstream, 150)
    upstream.fault(SEARCH, "credits", after=1)
    posts = build().measure(papers_of(upstream.world), upstream.world.now - timedelta(days=2))
    assert len(list(islice(posts, 100))) == 100
    with pytest.raises(SignalStopped):
        next(iter(posts))
    assert purse.spent == purse.noted == 101


def test_a_post_on_two_pages_is_yielded_once(build: Build, upstream: Upstream) -> None:
    one = {
        "id": "1991234567890123456",
        "text": "again",
        "created_at": "2026-11-20T02:14:31.000Z",
        "entities": {"urls": [{"expanded_url": "https://arxiv.org/abs/2611.10001"}]},
        "public_metrics": {"retweet_count": 1, "like_count": 2, "reply_count": 3},
    }
    page = {"data": [one], "meta": {"result_count": 1, "next_token": "same"}}
    upstream.fault(SEARCH, "json", times=3, document=page)
    upstream.fault(SEARCH, "json", document={"meta": {"result_count": 0}})
    [post] = measured(build(), upstream)
    assert counts([post]) == {"1991234567890123456": (1, 2, 3)}


def test_an_empty_page_ends_a_search_whatever_it_promises(build: Build, upstream: Upstream) -> None:
    page = {"meta": {"result_count": 0, "next_token": "more"}}
    upstream.fault(SEARCH, "json", times=None, document=page)
    assert measured(build(), upstream) == []
    assert len(upstream.asked(SEARCH)) == 1


def test_check_counts_for_the_price_of_a_post(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    liked = [one for one in upstream.world.posts if one.favorites >= 1 and not one.repost_of]
    assert build().check() == (
        f"{len(liked)} posts of the last 7 days match 'url:arxiv.org min_likes:1'; "
        "budget 200 posts ($1.00) a day; tells which posts are deleted"
    )
    assert [request.path for request in upstream.requests] == [COUNTS, "/2/compliance/jobs"]
    assert purse.notes == {"size": (1, 0, 0, 0.005)}
    upstream.fault(COUNTS, "json", document={"meta": {"total_post_count": 7}})
    assert build().check().startswith("7 posts")
    upstream.fault(COUNTS, "json", document={"meta": {}})
    with pytest.raises(SignalError, match="total_tweet_count"):
        build().check()
    assert purse.spent == purse.noted == 3


def test_check_asks_nothing_on_a_day_that_is_spent_or_stopped(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    purse.spent = 200
    assert build().check() == ("not asked: today's daily_post_budget of 200 posts ($1.00) is spent")
    purse.stop("X: no credits left")
    with pytest.raises(SignalStopped, match="no credits left"):
        build().check()
    assert upstream.requests == []


def test_how_often_x_is_asked_is_a_setting(build: Build) -> None:
    assert build().every == timedelta(days=1)
    assert build(every="6h").every == timedelta(hours=6)


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
