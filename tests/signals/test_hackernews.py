import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.signals.outside import Purse, outside, papers_of
from tests.upstream.server import Upstream
from tests.upstream.world import WorldPost, small_world
from trendbot.errors import SettingsError, SignalError
from trendbot.model import Gone, Post, Reading
from trendbot.settings import section
from trendbot.signals.hackernews import HackerNews, HackerNewsSettings, parse, to_post

TODAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
GOLDEN = (Path(__file__).parent / "data/hn_search.json").read_text(encoding="utf-8")
Build = Callable[..., HackerNews]


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream(small_world(TODAY)) as upstream:
        upstream.world.posts = [
            story(1, "https://arxiv.org/abs/2611.10001", hours=2, points=214, comments=63),
            story(2, "https://arxiv.org/pdf/2611.09001v2.pdf", hours=30, points=7),
            story(3, "https://arxiv.org/abs/2611.77777", hours=3, points=40),
            story(4, "https://arxiv.org/list/cs.LG/new", hours=4, points=40),
            story(5, "https://orgarxiv.test/arxiv/org/2611.10001", hours=5, points=40),
            story(6, "https://arxiv.org/abs/2611.10001", hours=9 * 24, points=40),
        ]
        yield upstream


@pytest.fixture
def build(upstream: Upstream) -> Iterator[Build]:
    with outside(upstream.world, Purse()) as context:

        def build(due: tuple[str, ...] = (), **table: object) -> HackerNews:
            table = {"base_url": upstream.hackernews, "delay": 0, **table}
            settings = section(HackerNewsSettings, table, "signals.hackernews")
            known = replace(context, worth_a_look=lambda limit: list(due[:limit]))
            return HackerNews(settings, known)

        yield build


def story(number: int, url: str, hours: float, points: int = 1, comments: int = 0) -> WorldPost:
    created = NOW - timedelta(hours=hours)
    return WorldPost(
        str(46000000 + number),
        f"Story {number}",
        (url,),
        created,
        favorites=points,
        replies=comments,
        network="hackernews",
    )


def measured(signal: HackerNews, upstream: Upstream, days: int = 7) -> list[Post | Gone]:
    since = upstream.world.now - timedelta(days=days)
    return list(signal.measure(papers_of(upstream.world), since))


def test_the_golden_answer() -> None:
    first, second, *others = (to_post(one, NOW) for one in parse(GOLDEN)["hits"])
    assert first == Post(
        signal="hackernews",
        id="46000117",
        papers=("arxiv:2611.10001",),
        author="quiet_owl",
        url="https://news.ycombinator.com/item?id=46000117",
        posted_at=datetime(2026, 11, 20, 9, 12, 5, tzinfo=UTC),
        text="Sparse Gradients Are Enough – for Small Agents",
        reading=Reading(NOW, retweets=0, favorites=214, replies=63),
    )
    assert second
    assert (second.papers, second.author) == (("arxiv:2611.09001",), "")
    assert second.reading == Reading(NOW, 0, 1, 0)
    assert others == [None, None]


def test_one_query_finds_the_stories_of_our_papers(build: Build, upstream: Upstream) -> None:
    posts = measured(build(), upstream)
    assert [(post.id, post.reading) for post in posts if isinstance(post, Post)] == [
        ("46000001", Reading(NOW, 0, 214, 63)),
        ("46000002", Reading(NOW, 0, 7, 0)),
    ]
    (request,) = upstream.requests
    since = int((NOW - timedelta(days=7)).timestamp())
    assert request.path == "/api/v1/search_by_date"
    assert request.query == {
        "query": "arxiv.org",
        "tags": "story",
        "restrictSearchableAttributes": "url",
        "numericFilters": f"created_at_i>{since}",
        "hitsPerPage": "1000",
        "page": "0",
    }


def test_without_papers_nothing_is_asked(build: Build, upstream: Upstream) -> None:
    assert list(build(due=("46000001",)).measure([], NOW)) == []
    assert upstream.requests == []


def test_pages_are_followed_as_far_as_the_answer_says(build: Build, upstream: Upstream) -> None:
    hits = json.loads(GOLDEN)["hits"]
    for number, hit in enumerate(hits[:2]):
        document = {"hits": [hit], "nbHits": 3, "page": number, "nbPages": 3}
        upstream.fault("hackernews", "json", document=document)
    upstream.fault("hackernews", "json", document={"hits": [], "nbHits": 0, "nbPages": 0})
    found = measured(build(), upstream)
    assert [post.id for post in found] == ["46000117", "46000055"]
    assert [request.query["page"] for request in upstream.requests] == ["0", "1", "2"]


def test_what_is_beyond_the_reach_of_a_query_is_asked_for_by_its_time(
    build: Build, upstream: Upstream
) -> None:
    minutes = [n // 3 for n in range(2500)]  # three stories at each moment
    urls = "https://arxiv.org/abs/2611.10001"
    upstream.world.posts = [story(n, urls, minutes[n] / 60) for n in range(2500)]
    found = measured(build(), upstream)
    assert len(found) == 2500
    assert len({post.id for post in found}) == 2500
    assert len(upstream.requests) == 3


def test_pages_without_end_are_an_error(build: Build, upstream: Upstream) -> None:
    hits = json.loads(GOLDEN)["hits"]
    document = {"hits": hits, "nbHits": 10**9, "page": 0, "nbPages": 10**6}
    upstream.fault("hackernews", "json", times=None, document=document)
    posts = build().measure(papers_of(upstream.world), NOW)
    assert [post.id for post in islice(posts, 2)] == ["46000117", "46000055"]
    with pytest.raises(SignalError, match="more than 20 pages"):
        list(posts)
    assert len(upstream.requests) == 20


def test_known_stories_are_looked_up_unless_the_query_had_them(
    build: Build, upstream: Upstream
) -> None:
    due = ("46000001", "46000006", "46000099", "46000003")
    found = measured(build(due=due), upstream)
    assert [item.id for item in found] == ["46000001", "46000002", *due[1:]]
    assert found[3] == Gone("hackernews", "46000099")
    assert [type(item) for item in found[2:]] == [Post, Gone, Post]
    assert (
        upstream.requests[1].query["tags"] == "story,(story_46000006,story_46000099,story_46000003)"
    )


def test_what_was_deleted_or_leads_elsewhere_is_gone(build: Build, upstream: Upstream) -> None:
    upstream.world.post("46000001").deleted = True
    upstream.world.post("46000002").urls = ("https://github.com/example/owls",)
    found = measured(build(due=("46000001", "46000002")), upstream)
    assert found == [Gone("hackernews", "46000001"), Gone("hackernews", "46000002")]


def test_a_failure_to_look_up_is_no_goodbye(build: Build, upstream: Upstream) -> None:
    upstream.fault("hackernews", "status", status=500, after=1, times=None)
    found = build(due=("46000099",)).measure(papers_of(upstream.world), NOW - timedelta(days=7))
    assert all(isinstance(item, Post) for item in islice(found, 2))
    with pytest.raises(SignalError, match="HTTP 500"):
        next(iter(found))


def test_an_answer_that_leaves_out_is_no_goodbye(build: Build, upstream: Upstream) -> None:
    document = {"hits": [], "nbHits": 1, "page": 0, "nbPages": 1}
    upstream.fault("hackernews", "json", after=1, document=document)
    with pytest.raises(SignalError, match="left out"):
        measured(build(due=("46000006",)), upstream)


def test_look_ups_come_a_hundred_at_a_time_and_have_an_end(
    build: Build, upstream: Upstream
) -> None:
    there = [story(100 + n, "https://arxiv.org/abs/2611.10001", 999) for n in range(400)]
    upstream.world.posts += there
    found = measured(build(due=tuple(one.id for one in there)), upstream)
    assert [item.id for item in found[2:]] == [one.id for one in there[:300]]
    asked = [request.query["tags"].count("story_") for request in upstream.requests[1:]]
    assert asked == [100, 100, 100]


def test_that_all_are_gone_at_once_is_not_believed(build: Build, upstream: Upstream) -> None:
    nine = tuple(str(47000000 + n) for n in range(9))
    assert [type(item) for item in measured(build(due=nine), upstream)[2:]] == [Gone] * 9
    with pytest.raises(SignalError, match="none of 10 known stories is there"):
        measured(build(due=(*nine, "46999999")), upstream)


@pytest.mark.parametrize(
    ("fault", "how", "says"),
    [
        ("status", {"status": 500}, "HTTP 500"),
        ("status", {"status": 403}, "HTTP 403"),
        ("malformed", {}, "not JSON"),
        ("malformed", {"body": b"[" * 100_000}, "not JSON"),
        ("content_type", {"content_type": "text/html"}, "text/html"),
        ("json", {"document": []}, "the answer is no object"),
        ("json", {"document": None}, "no list of hits"),
        ("json", {"document": {"message": "no"}}, "no list of hits"),
        ("json", {"document": {"hits": {}}}, "no list of hits"),
        ("json", {"document": {"hits": []}}, "nbHits"),
        ("json", {"document": {"hits": [], "nbHits": 0}}, "nbPages"),
        ("json", {"document": {"hits": [7], "nbHits": 1, "nbPages": 1}}, "hits is no object"),
        ("json", {"document": {"hits": [{}], "nbHits": 1, "nbPages": 1}}, "no objectID"),
    ],
)
def test_a_failure_never_looks_like_no_stories(
    build: Build, upstream: Upstream, fault: str, how: dict[str, Any], says: str
) -> None:
    upstream.fault("hackernews", fault, times=None, **how)
    with pytest.raises(SignalError, match=says) as caught:
        measured(build(), upstream)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("points", value) for value in (None, -1, "42", True, 10**30, 1.5)),
        *(("num_comments", value) for value in (-5, "many", 10**30)),
        *(("created_at", value) for value in (None, "today", ["2026"], "2026-11-20T00:00:00")),
        *(("title", value) for value in (None, 7)),
    ],
)
def test_what_makes_no_sense_is_named(name: str, value: object) -> None:
    hit = {**parse(GOLDEN)["hits"][0], name: value}
    with pytest.raises(SignalError, match=f"^Hacker News: story 46000117: {name} is"):
        to_post(hit, NOW)


@given(st.permutations(parse(GOLDEN)["hits"] * 2))
def test_order_and_repetition_change_no_post(hits: list[dict[str, Any]]) -> None:
    once = {hit["objectID"]: to_post(hit, NOW) for hit in parse(GOLDEN)["hits"]}
    assert {hit["objectID"]: to_post(hit, NOW) for hit in hits} == once


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@given(
    st.dictionaries(st.sampled_from(sorted(json.loads(GOLDEN)["hits"][0])), JSON),
    st.dictionaries(st.sampled_from(["hits", "nbHits", "nbPages"]), JSON),
)
def test_any_document_is_posts_or_an_error(bent: dict[str, Any], around: dict[str, Any]) -> None:
    document = json.loads(GOLDEN)
    document["hits"][0] |= bent
    said, posts = "Hacker News: ", []
    try:
        posts = [to_post(hit, NOW) for hit in parse(json.dumps(document | around))["hits"]]
    except SignalError as error:
        said = str(error)
    assert said.startswith("Hacker News: ")
    assert "\n" not in said
    for post in filter(None, posts):
        assert post.reading
        assert post.reading.favorites >= 0
        assert post.id.isascii()
        assert len(post.text) <= 300


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_any_text_is_an_answer_or_an_error(text: str) -> None:
    with pytest.raises(SignalError, match=r"^Hacker News: the answer"):
        parse(text)


def test_check_says_how_much_there_is(build: Build, upstream: Upstream) -> None:
    assert build().check() == "6 stories with arxiv.org in their address"
    upstream.fault("hackernews", "status", status=500, times=None)
    with pytest.raises(SignalError):
        build().check()


def test_on_unless_switched_off_and_asked_four_times_a_day(build: Build) -> None:
    assert section(HackerNewsSettings, {}, "signals.hackernews").enabled is True
    assert build().every == timedelta(hours=6)
    assert build(every="2h").every == timedelta(hours=2)


@pytest.mark.parametrize(
    "table", [{"every": "0s"}, {"delay": -1}, {"base_url": "x"}, {"window": 1}]
)
def test_settings_have_bounds(table: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=next(iter(table))):
        section(HackerNewsSettings, table, "signals.hackernews")
