"""Bluesky, asked both ways, against a stand-in; over 400 lines, because there are three hosts."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.loopback import Answer, serving
from tests.signals.outside import Purse, outside, paper
from tests.upstream.bluesky import at_uri
from tests.upstream.server import Upstream
from tests.upstream.world import World, WorldPost, small_world
from trendbot.errors import SettingsError, SignalError, SignalStopped
from trendbot.model import Gone, Paper, Post
from trendbot.settings import section
from trendbot.signals.bluesky import Bluesky, asked_in, batches, in_turn
from trendbot.signals.bluesky_hosts import BlueskySettings

TODAY = date(2026, 11, 20)
DAY = timedelta(days=1)
SINCE = datetime(2026, 11, 13, tzinfo=UTC)
BACKLINKS, SEARCH = "*.getBacklinks", "*.searchPosts"
POSTS, LOGIN = "*.getPosts", "*.createSession"
LOGGED_IN = {"handle": "trendbot.test", "app_password": "abcd-efgh-ijkl-mnop"}
Build = Callable[..., Bluesky]


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    world = small_world(TODAY)
    world.posts = []
    with Upstream(world) as upstream:
        yield upstream


@pytest.fixture
def purse() -> Purse:
    return Purse()


@pytest.fixture
def known() -> list[str]:
    """The ids of posts worth another look, the best first."""
    return []


@pytest.fixture
def build(upstream: Upstream, purse: Purse, known: list[str]) -> Iterator[Build]:
    with outside(upstream.world, purse) as context:
        context = replace(context, worth_a_look=lambda limit: known[:limit])

        def build(**table: object) -> Bluesky:
            hosts = {
                "constellation_url": upstream.constellation,
                "appview_url": upstream.bsky,
                "pds_url": upstream.pds,
            }
            table = {**hosts, "delay": 0, **table}
            return Bluesky(section(BlueskySettings, table, "signals.bluesky"), context)

        yield build


def write(world: World, text: str, *urls: str, **more: Any) -> WorldPost:
    number = len(world.posts)
    at = more.pop("at", datetime(2026, 11, 20, 3, tzinfo=UTC) + timedelta(minutes=number))
    author = more.setdefault("author", f"reader-{number}.example.org")
    post = WorldPost(at_uri(author, at, number), text, urls, at, network="bluesky", **more)
    world.posts.append(post)
    return post


def about(world: World, paper_id: str, **more: Any) -> WorldPost:
    return write(world, "read this", f"https://arxiv.org/abs/{paper_id}", **more)


def measured(signal: Bluesky, *ids: str, since: datetime = SINCE) -> list[Post | Gone]:
    return list(signal.measure([paper(one) for one in ids], since))


def subjects(upstream: Upstream) -> list[str]:
    """The papers that Constellation was asked for, each once, in order."""
    asked = [request.query["subject"] for request in upstream.asked(BACKLINKS)]
    return list(dict.fromkeys(one.removeprefix("https://arxiv.org/") for one in asked))


def test_cards_and_links_in_the_text_are_found(build: Build, upstream: Upstream) -> None:
    link = "https://arxiv.org/abs/2611.10001"
    lead = write(upstream.world, "read this", link, retweets=18, favorites=77, replies=2, quotes=3)
    text = write(upstream.world, f"see {link}", "https://example.org", link, bot=True)
    both = write(upstream.world, f"see {link}", link)
    write(upstream.world, "this!", quote_of=lead.id, favorites=99)
    write(upstream.world, "read this", link, repost_of=lead.id)
    write(upstream.world, "elsewhere", "https://example.org")
    write(upstream.world, "on X", link, author="ada").network = "x"
    posts = {post.id: post for post in measured(build(), "2611.10001") if isinstance(post, Post)}
    assert set(posts) == {lead.id, text.id, both.id}
    found = posts[lead.id]
    assert (found.papers, found.author) == (("arxiv:2611.10001",), lead.author)
    assert found.reading is not None
    assert found.reading.taken_at == upstream.world.now
    counts = (found.reading.retweets, found.reading.favorites, found.reading.replies)
    assert counts == (18, 77, 2)
    assert [posts[one].automated for one in (lead.id, text.id)] == [False, True]


def test_two_requests_a_paper_and_one_for_25_posts(build: Build, upstream: Upstream) -> None:
    papers = [f"2611.{20000 + n}" for n in range(9)]
    for one in papers:
        for _ in range(3):
            about(upstream.world, one)
    assert len(measured(build(), *papers)) == 27
    assert len(upstream.asked(BACKLINKS)) == 18
    sizes = [len(request.query["uris"].split("\n")) for request in upstream.asked(POSTS)]
    assert sizes == [25, 2]


def test_a_post_about_two_papers_is_looked_up_once(build: Build, upstream: Upstream) -> None:
    links = [f"https://arxiv.org/abs/2611.1000{n}" for n in (2, 4)]
    post = write(upstream.world, "two to read", *links)
    for wanted in (["2611.10002", "2611.10004"], ["2611.10004"]):
        upstream.requests.clear()
        (found,) = measured(build(), *wanted)
        assert isinstance(found, Post)
        assert set(found.papers) == {"arxiv:2611.10002", "arxiv:2611.10004"}
        assert [request.query["uris"] for request in upstream.asked(POSTS)] == [post.id]


def test_of_papers_talked_about_the_pdf_is_asked_for_too(build: Build, upstream: Upstream) -> None:
    for _ in range(5):
        about(upstream.world, "2611.10001")
    about(upstream.world, "2611.10002")
    pdf = write(upstream.world, "pdf", "https://arxiv.org/pdf/2611.10001")
    assert pdf.id in [post.id for post in measured(build(), "2611.10001", "2611.10002")]
    assert subjects(upstream) == ["abs/2611.10001", "pdf/2611.10001", "abs/2611.10002"]


def test_old_posts_and_papers_of_other_sources_are_left_alone(
    build: Build, upstream: Upstream
) -> None:
    about(upstream.world, "2611.10001", at=SINCE - timedelta(seconds=1))
    fresh = about(upstream.world, "2611.10001", at=SINCE)
    papers = [replace(paper("2611.10009"), source="sample"), paper("2611.10001")]
    assert [item.id for item in build().measure(papers, SINCE)] == [fresh.id]
    assert subjects(upstream) == ["abs/2611.10001"]


def test_backlinks_are_followed_for_three_pages(build: Build, upstream: Upstream) -> None:
    posts = [about(upstream.world, "2611.10001", favorites=n) for n in range(310)]
    found = measured(build(every="1d"), "2611.10001")
    assert {item.id for item in found} == {post.id for post in posts[10:]}
    cursors = [request.query.get("cursor") for request in upstream.asked(BACKLINKS)][:4]
    assert cursors == [None, "100", "200", None]


def test_the_last_request_is_for_looking_up_what_was_found(
    build: Build, upstream: Upstream
) -> None:
    posts = [about(upstream.world, "2611.10001").id for _ in range(5)]
    assert {item.id for item in measured(build(daily_requests=16), "2611.10001")} == set(posts)
    assert [len(upstream.asked(one)) for one in (BACKLINKS, POSTS)] == [3, 1]


@pytest.mark.parametrize("senseless", [b"{}", b'{"records": [], "total": -1}'])
def test_a_senseless_page_is_asked_for_unconditionally(senseless: bytes) -> None:
    headers = {"Content-Type": "application/json", "ETag": '"v1"'}
    page = b'{"records": [], "total": 0, "cursor": null}'
    with serving() as site, outside(small_world(TODAY), Purse()) as context:
        site.answers(Answer(body=senseless, headers=headers), Answer(body=page, headers=headers))
        signal = Bluesky(BlueskySettings(constellation_url=site.url, delay=0), context)
        with pytest.raises(SignalError):
            signal.check()
        assert "knows 0 posts" in signal.check()
        assert ["if-none-match" in asked for _, asked in site.asked] == [False, False]


def test_without_papers_nothing_is_asked(build: Build, upstream: Upstream, purse: Purse) -> None:
    assert list(build().measure([], SINCE)) == []
    assert (upstream.requests, purse.spent) == ([], 0)


def test_known_posts_are_looked_up_first_and_deleted_ones_are_gone(
    build: Build, upstream: Upstream, known: list[str]
) -> None:
    old = about(upstream.world, "2611.08001", at=SINCE - timedelta(days=9), favorites=5)
    deleted = about(upstream.world, "2611.10001", deleted=True)
    new = about(upstream.world, "2611.10001")
    known += [old.id, deleted.id, new.id, "an archive's own id"]
    items = measured(build(), "2611.10001")
    assert [(type(item), item.id) for item in items] == [
        (Post, old.id),
        (Gone, deleted.id),
        (Post, new.id),
    ]
    assert len(upstream.asked(POSTS)) == 1  # what was just seen is not looked up again


@pytest.mark.parametrize(
    ("fault", "how"),
    [
        ("status", {"status": 502}),
        ("status", {"status": 400}),
        ("json", {"document": {"error": "UpstreamFailure"}}),
        ("json", {"document": {"posts": None}}),
        ("malformed", {}),
        ("close", {}),
    ],
)
def test_a_failure_to_ask_is_never_a_gone(
    build: Build, upstream: Upstream, known: list[str], fault: str, how: dict[str, Any]
) -> None:
    known.append(about(upstream.world, "2611.10001").id)
    upstream.fault("bsky", fault, times=None, **how)
    items = build().measure([paper("2611.10001")], SINCE)
    with pytest.raises(SignalError):
        next(iter(items))


def test_without_requests_left_nothing_is_gone(
    build: Build, upstream: Upstream, purse: Purse, known: list[str]
) -> None:
    known += [about(upstream.world, "2611.10001").id] * 60
    purse.spent = 148
    items = measured(build(), "2611.10001")  # one for known posts, one that is too few to search
    assert [type(item) for item in items] == [Post] * 25
    assert purse.spent == 149


def test_more_known_posts_than_were_wanted_do_no_harm(upstream: Upstream) -> None:
    posts = [about(upstream.world, "2611.10001").id for _ in range(60)]
    settings = BlueskySettings(appview_url=upstream.bsky, daily_requests=2, every=DAY, delay=0)
    with outside(upstream.world, Purse()) as context:
        signal = Bluesky(settings, replace(context, worth_a_look=lambda limit: posts))
        assert [item.id for item in signal.measure([], SINCE)] == posts[:50]


def test_that_many_posts_at_once_are_gone_is_not_believed(
    build: Build, upstream: Upstream, known: list[str]
) -> None:
    known += [about(upstream.world, "2611.10001", deleted=True).id for _ in range(10)]
    with pytest.raises(SignalError, match="none of 10 known posts is there"):
        measured(build(), "2611.10001")
    del known[9]
    assert {type(item) for item in measured(build(), "2611.10001")} == {Gone}


def test_no_more_known_posts_than_settings_allow(
    build: Build, upstream: Upstream, known: list[str]
) -> None:
    known += [about(upstream.world, "2611.10001").id for _ in range(60)]
    assert len(measured(build(refresh=30), "2611.99999")) == 30
    assert len(measured(build(daily_requests=12), "2611.99999")) == 25  # half of a share of 3
    assert measured(build(refresh=0), "2611.99999") == []


def test_a_look_takes_its_share_of_the_day(build: Build, upstream: Upstream, purse: Purse) -> None:
    signal = build(daily_requests=20)
    ids = [f"2611.{20000 + n}" for n in range(40)]
    asked = []
    for _ in range(5):
        measured(signal, *ids)
        asked.append(len(upstream.requests))
    assert asked == [4, 8, 12, 16, 18]  # of shares of five, by twos
    with pytest.raises(SignalStopped, match="daily_requests of 20 are spent"):
        measured(signal, *ids)
    assert purse.spent == 18


def test_papers_take_turns_also_after_restarts(build: Build, upstream: Upstream) -> None:
    ids = [f"2611.{20000 + n}" for n in range(5)]
    about(upstream.world, ids[0])
    turns = []
    for _ in range(4):
        upstream.requests.clear()
        measured(build(daily_requests=20), *ids)
        turns.append([int(one[-2:]) for one in subjects(upstream)])
        upstream.world.now += timedelta(hours=1)
    assert turns == [[0, 1], [2, 3], [4, 0], [1, 2]]


@given(st.permutations("abcdef"), st.lists(st.sampled_from("abcdefgh"), unique=True))
def test_turns(promise: list[str], asked: list[str]) -> None:
    turns = [one.id for one in in_turn(map(paper, promise), asked)]
    fresh = [one for one in promise if one not in asked]
    assert turns == fresh + [one for one in asked if one in promise]


def test_a_new_day_begins_with_the_most_promising(build: Build, purse: Purse) -> None:
    measured(build(), "2611.10002", "2611.10001")
    assert asked_in(purse.plan) == ["2611.10002", "2611.10001"]
    assert asked_in({}) == asked_in({"asked": 7}) == []


def test_a_paper_that_cannot_be_asked_for_holds_up_no_other(
    build: Build, upstream: Upstream
) -> None:
    signal = build()
    ids = ["2611.10001", "2611.10002"]
    post = about(upstream.world, "2611.10002")
    upstream.fault("constellation", "status", status=500)
    with pytest.raises(SignalError, match="HTTP 500"):
        measured(signal, *ids)
    assert [item.id for item in measured(signal, *ids)] == [post.id]
    assert subjects(upstream) == ["abs/2611.10001", "abs/2611.10002"]


def test_what_was_named_before_a_failure_is_kept(build: Build, upstream: Upstream) -> None:
    post = about(upstream.world, "2611.10001")
    upstream.fault("constellation", "status", status=500, after=2)
    items = build().measure([paper("2611.10001"), paper("2611.10002")], SINCE)
    assert [item.id for item in islice(items, 1)] == [post.id]
    with pytest.raises(SignalError, match="HTTP 500"):
        next(iter(items))


def test_what_was_booked_and_not_used_is_given_back(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    measured(build(), "2611.10001")
    assert purse.spent == len(upstream.requests) == 2
    upstream.fault("constellation", "status", status=500)
    with pytest.raises(SignalError):
        measured(build(), "2611.10001")
    assert purse.spent == len(upstream.requests) == 3


@pytest.mark.parametrize(
    ("fault", "how", "says"),
    [
        ("status", {"status": 500}, "HTTP 500"),
        ("status", {"status": 403}, "HTTP 403"),
        ("malformed", {}, "not JSON"),
        ("content_type", {"content_type": "text/html"}, "text/html"),
        ("json", {"document": []}, "no object"),
        ("json", {"document": {"error": "x"}}, "is missing"),
    ],
)
@pytest.mark.parametrize("service", ["constellation", "bsky"])
def test_a_failure_never_looks_like_no_posts(
    build: Build, upstream: Upstream, service: str, fault: str, how: dict[str, Any], says: str
) -> None:
    about(upstream.world, "2611.10001")
    upstream.fault(service, fault, times=None, **how)
    with pytest.raises(SignalError, match=says) as caught:
        measured(build(), "2611.10001")
    assert "\n" not in str(caught.value)


def test_a_post_nobody_asked_for_is_refused(build: Build, upstream: Upstream) -> None:
    about(upstream.world, "2611.10001")
    other = {"uri": "at://did:plc:other/app.bsky.feed.post/1"}
    upstream.fault("bsky", "json", document={"posts": [other]})
    with pytest.raises(SignalError, match="not asked for"):
        measured(build(), "2611.10001")


def test_a_host_that_is_asked_too_often_is_left_alone(build: Build, upstream: Upstream) -> None:
    about(upstream.world, "2611.10001")
    upstream.world.bluesky.limited = True
    with pytest.raises(SignalError, match="429"):
        measured(build(), "2611.10001")


def test_with_a_login_a_search_finds_links_of_all_forms(build: Build, upstream: Upstream) -> None:
    links = ("http://arxiv.org/abs/2611.10001v2?a=b", "https://arxiv.org/pdf/2611.10001v1.pdf")
    posts = [write(upstream.world, "read", link) for link in links]
    write(upstream.world, "arxiv.org is down", "https://example.org")
    about(upstream.world, "2611.99999")
    about(upstream.world, "2611.10001", at=SINCE - timedelta(hours=1))
    found = measured(build(**LOGGED_IN), "2611.10001")
    assert {item.id for item in found} == {post.id for post in posts}
    (search,) = upstream.asked(SEARCH)
    assert search.query == {
        "q": "arxiv.org",
        "domain": "arxiv.org",
        "sort": "latest",
        "since": "2026-11-13T00:00:00Z",
        "limit": "100",
    }
    assert upstream.asked("constellation") == upstream.asked(POSTS) == []


def test_a_search_is_read_page_by_page(build: Build, upstream: Upstream, purse: Purse) -> None:
    posts = [about(upstream.world, "2611.10001") for _ in range(250)]
    assert len(measured(build(**LOGGED_IN), "2611.10001")) == 250
    cursors = [request.query.get("cursor") for request in upstream.asked(SEARCH)]
    assert cursors == [None, "100", "200"]
    assert purse.spent == len(upstream.requests) == 4
    few = measured(build(**LOGGED_IN, search_pages=2), "2611.10001")
    assert {item.id for item in few} == {post.id for post in posts[50:]}
    assert len(measured(build(**LOGGED_IN, daily_requests=12), "2611.10001")) == 200


def test_a_session_is_used_again_and_renewed_once_it_is_over(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    about(upstream.world, "2611.10001")
    signal = build(**LOGGED_IN)
    measured(signal, "2611.10001")
    measured(signal, "2611.10001")
    assert [len(upstream.asked(one)) for one in (LOGIN, SEARCH)] == [1, 2]
    upstream.world.now += timedelta(hours=2)
    assert len(measured(signal, "2611.10001")) == 1
    assert [len(upstream.asked(one)) for one in (LOGIN, SEARCH)] == [2, 4]
    assert purse.spent == len(upstream.requests)


def test_a_session_that_stays_refused_is_renewed_once(build: Build, upstream: Upstream) -> None:
    signal = build(**LOGGED_IN)
    measured(signal, "2611.10001")
    upstream.fault(SEARCH, "status", status=401, times=None)
    with pytest.raises(SignalError, match=r"refuses the search: .*HTTP 401"):
        measured(signal, "2611.10001")
    assert [len(upstream.asked(one)) for one in (LOGIN, SEARCH)] == [2, 3]


def test_a_wrong_password_says_what_to_check(build: Build, upstream: Upstream) -> None:
    upstream.world.bluesky.app_password = "changed"
    with pytest.raises(SignalError, match="refuses the login") as caught:
        measured(build(**LOGGED_IN), "2611.10001")
    assert "signals.bluesky.app_password" in str(caught.value)
    assert "abcd" not in str(caught.value)
    assert len(upstream.requests) == 1


def test_the_password_goes_to_the_pds_alone(
    build: Build, upstream: Upstream, known: list[str]
) -> None:
    known.append(about(upstream.world, "2611.10001").id)
    measured(build(**LOGGED_IN), "2611.10001")
    told = [one.service for one in upstream.requests if "authorization" in one.headers]
    assert told == ["pds"]
    assert [one.path for one in upstream.requests if "abcd" in str(one.query)] == [
        "/xrpc/com.atproto.server.createSession"
    ]


def test_check_asks_once(build: Build, upstream: Upstream) -> None:
    about(upstream.world, "1706.03762")
    assert build().check() == (
        "Constellation knows 1 posts with a card of https://arxiv.org/abs/1706.03762"
    )
    assert build(**LOGGED_IN).check() == "logged in as trendbot.test"
    assert len(upstream.requests) == 2
    upstream.fault("constellation", "status", status=500, times=None)
    with pytest.raises(SignalError):
        build().check()


def test_what_comes_before_an_error_is_handed_on_before_it() -> None:
    def named() -> Iterator[str]:
        yield from map(str, range(27))
        raise SignalError("no more")

    cut = batches(named())
    assert [len(next(cut)), len(next(cut))] == [25, 2]
    with pytest.raises(SignalError, match="no more"):
        next(cut)
    assert list(batches([])) == []


def test_settings_as_they_are_unless_said_otherwise() -> None:
    settings = section(BlueskySettings, {}, "signals.bluesky")
    assert (settings.enabled, settings.every) == (True, timedelta(hours=6))
    assert section(BlueskySettings, {**LOGGED_IN, "handle": " @Ines.Example.org "}, "x").handle == (
        "ines.example.org"
    )


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"handle": "ines", "app_password": "x"}, "must be a handle"),
        ({"handle": "ines.example.org"}, "together"),
        ({"app_password": "secret"}, "together"),
        ({"daily_requests": -1}, "daily_requests"),
        ({"refresh": 1001}, "refresh"),
        ({"search_pages": 0}, "search_pages"),
        ({"delay": 61}, "delay"),
        ({"every": "0h"}, "every"),
        ({"pds_url": "bsky.social"}, "pds_url"),
    ],
)
def test_settings_have_bounds(table: dict[str, object], says: str) -> None:
    with pytest.raises(SettingsError, match=says) as caught:
        section(BlueskySettings, table, "signals.bluesky")
    assert "secret" not in str(caught.value)


def test_the_order_of_papers_is_what_they_promise(build: Build, upstream: Upstream) -> None:
    papers: list[Paper] = [paper(one) for one in ("2611.10003", "2611.10001", "2611.10002")]
    list(build().measure(papers, SINCE))
    assert subjects(upstream) == [f"abs/{one.id}" for one in papers]
