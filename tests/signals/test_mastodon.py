"""Mastodon on two servers; over 400 lines, because each way in is asked on both of them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

import pytest

from tests.loopback import Answer, serving
from tests.signals.outside import Purse, outside, papers_of
from tests.upstream.mastodon import TOKEN, first, uri_of
from tests.upstream.server import Upstream
from tests.upstream.world import WorldPost, small_world
from trendbot.errors import SettingsError, SignalError
from trendbot.model import Gone, Post, Reading
from trendbot.settings import section
from trendbot.signals.mastodon import Mastodon, MastodonSettings

TODAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
PAPER = "https://arxiv.org/abs/2611.10001"
Build = Callable[..., Mastodon]


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream(small_world(TODAY)) as upstream:
        upstream.world.posts = []
        yield upstream


@pytest.fixture
def build(upstream: Upstream) -> Iterator[Build]:
    with outside(upstream.world, Purse()) as context:

        def build(*due: WorldPost | str, **table: object) -> Mastodon:
            uris = [one if isinstance(one, str) else uri_of(one) for one in due]
            table = {"instances": [upstream.mastodon], "delay": 0, **table}
            settings = section(MastodonSettings, table, "signals.mastodon")
            return Mastodon(settings, replace(context, worth_a_look=lambda limit: uris[:limit]))

        yield build


def says(
    upstream: Upstream,
    hours: float,
    *urls: str,
    text: str = "Look",
    network: str = "mastodon",
    author: str = "",
    retweets: int = 0,
    favorites: int = 0,
    replies: int = 0,
) -> WorldPost:
    number = len(upstream.world.posts)
    created = NOW - timedelta(hours=hours)
    post = WorldPost(
        str((int(created.timestamp() * 1000) << 16) + number),
        text,
        urls or (PAPER,),
        created,
        author or f"reader{number}",
        retweets,
        favorites,
        replies,
        network=network,
    )
    upstream.world.posts.append(post)
    return post


def measured(signal: Mastodon, upstream: Upstream, days: int = 7) -> list[Post | Gone]:
    since = upstream.world.now - timedelta(days=days)
    return list(signal.measure(papers_of(upstream.world), since))


def paths(upstream: Upstream, service: str = "mastodon") -> list[str]:
    return [request.path for request in upstream.requests if request.service == service]


def test_statuses_with_the_tag_are_found(build: Build, upstream: Upstream) -> None:
    ours = says(upstream, 2, retweets=17, favorites=52, replies=4)
    says(upstream, 3, "https://example.org/", text="#arxiv is down")
    says(upstream, 3, "https://arxiv.org/abs/2611.77777")
    says(upstream, 3, text="nobody will find this #owls")
    says(upstream, 8 * 24, favorites=9)
    (post,) = measured(build(), upstream)
    assert post == Post(
        signal="mastodon",
        id=f"https://mastodon.example/users/reader0/statuses/{ours.id}",
        papers=("arxiv:2611.10001",),
        author="reader0@mastodon.example",
        url=f"https://mastodon.example/@reader0/{ours.id}",
        posted_at=NOW - timedelta(hours=2),
        text=f"Look #arXiv {PAPER}",
        reading=Reading(NOW, retweets=17, favorites=52, replies=4),
    )
    assert paths(upstream) == [
        "/api/v2/instance",
        "/api/v1/trends/links",
        "/api/v1/timelines/tag/arxiv",
    ]
    assert upstream.requests[-1].query == {"limit": "40"}
    assert "authorization" not in upstream.requests[-1].headers


def test_without_papers_nothing_is_asked(build: Build, upstream: Upstream) -> None:
    assert list(build().measure([], NOW)) == []
    assert upstream.requests == []


def test_statuses_about_trending_papers_are_found(build: Build, upstream: Upstream) -> None:
    for hours in range(1, 6):
        says(upstream, hours, text="no such tag #owls", favorites=7)
        says(upstream, hours, "https://example.org/news", text="#news")
        says(upstream, hours, "https://arxiv.org/abs/2611.77777", text="#news")
    assert len(measured(build(), upstream)) == 5
    asked = upstream.asked("/api/v1/timelines/link")
    assert asked[0].query == {"url": PAPER, "limit": "40"}
    assert {one.query["url"] for one in asked} == {PAPER}


def test_trending_links_come_in_pages(build: Build, upstream: Upstream) -> None:
    for n in range(25):
        for hours in range(1, 6):
            says(upstream, hours, f"https://example.org/{n}", text="#news")
    for hours in range(1, 6):
        says(upstream, hours, "https://www.arxiv.org/pdf/2611.10001", text="#news")
    assert len(measured(build(), upstream)) == 5
    offsets = [one.query.get("offset") for one in upstream.asked("/api/v1/trends/links")]
    assert offsets == [None, "20"]


def test_what_trends_no_more_is_nothing(build: Build, upstream: Upstream) -> None:
    links = [{"url": PAPER, "history": []}]
    upstream.fault("/api/v1/trends/links", "json", document=links)
    assert measured(build(), upstream) == []
    assert len(upstream.asked("/api/v1/timelines/link")) == 1


def test_timelines_are_read_back_to_the_beginning(build: Build, upstream: Upstream) -> None:
    posts = [says(upstream, hours, text="#arxiv") for hours in range(100)]
    found = measured(build(), upstream, days=3)
    assert [post.id for post in found] == [uri_of(post) for post in posts[:73]]
    pages = upstream.asked("/api/v1/timelines/tag/arxiv")
    assert [page.query.get("max_id") for page in pages] == [None, posts[39].id]


def test_a_timeline_without_end_is_left_after_twenty_pages(
    build: Build, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    says(upstream, 1)
    says(upstream, 2)
    full = [{**one, "created_at": "2026-11-20T10:00:00Z"} for one in _page(upstream)]
    upstream.fault("/api/v1/timelines/tag/*", "json", times=None, document=full)
    assert len(measured(build(), upstream)) == 2
    assert len(upstream.asked("/api/v1/timelines/tag/arxiv")) == 20
    assert "not read back further than 20 pages" in caplog.text


def _page(upstream: Upstream, tag: str = "arxiv") -> list[dict[str, Any]]:
    reply = first(upstream.world, f"/api/v1/timelines/tag/{tag}", {}, {})
    page: list[dict[str, Any]] = json.loads(reply.body)
    return page


def test_every_tag_is_asked_for(build: Build, upstream: Upstream) -> None:
    one = says(upstream, 1, text="#owls")
    both = says(upstream, 2, text="#Owls and #Eulen")
    found = measured(build(tags=["owls", "Eulen", "größe"]), upstream)
    assert [post.id for post in found] == [uri_of(one), uri_of(both)]
    assert paths(upstream)[-1] == "/api/v1/timelines/tag/größe"


def test_who_has_a_token_is_searched(build: Build, upstream: Upstream) -> None:
    post = says(upstream, 1, text="#owls")
    (found,) = measured(build(tokens=[TOKEN]), upstream)
    assert found.id == uri_of(post)
    asked, _ = upstream.asked("/api/v2/search")
    assert asked.query == {"q": "arxiv.org", "type": "statuses", "limit": "40"}
    assert {one.headers["authorization"] for one in upstream.requests} == {f"Bearer {TOKEN}"}


def test_each_server_has_its_own_token(build: Build, upstream: Upstream) -> None:
    both = [upstream.mastodon, upstream.mastodon_two]
    measured(build(instances=both, tokens=["-", TOKEN]), upstream)
    shown = {(one.service, one.headers.get("authorization")) for one in upstream.requests}
    assert shown == {("mastodon", None), ("mastodon_two", f"Bearer {TOKEN}")}


def test_a_wrong_token_is_said_and_not_shown(build: Build, upstream: Upstream) -> None:
    with pytest.raises(SignalError, match=r"HTTP 401.*signals\.mastodon\.tokens") as caught:
        measured(build(tokens=["hush"]), upstream)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("order", [1, -1])
def test_one_status_on_two_servers_is_one_post_and_its_own_is_believed(
    build: Build, upstream: Upstream, order: int
) -> None:
    here = says(upstream, 1, favorites=10)
    there = says(upstream, 2, favorites=20, network="mastodon_two", author="noor")
    nowhere = says(upstream, 3, favorites=30, network="mastodon:far.example", author="ada")
    both = [upstream.mastodon, upstream.mastodon_two][::order]
    found = measured(build(instances=both), upstream)
    told = {post.id: post for post in found if isinstance(post, Post)}
    assert len(found) == 3
    assert {id: post.reading.favorites for id, post in told.items() if post.reading} == {
        uri_of(here): 10,
        uri_of(there): 20,
        uri_of(nowhere): 15,
    }
    assert told[uri_of(there)].author == "noor@second.example"
    assert told[uri_of(nowhere)].author == "ada@far.example"


def test_a_status_about_several_papers_names_all(build: Build, upstream: Upstream) -> None:
    says(upstream, 1, PAPER, "https://arxiv.org/abs/2611.77777", PAPER + "v2")
    (post,) = measured(build(), upstream)
    assert isinstance(post, Post)
    assert post.papers == ("arxiv:2611.10001", "arxiv:2611.77777")


def test_accounts_that_say_they_are_bots(build: Build, upstream: Upstream) -> None:
    says(upstream, 1).bot = True
    says(upstream, 2)
    found = measured(build(), upstream)
    assert [post.automated for post in found if isinstance(post, Post)] == [True, False]


def test_known_statuses_are_asked_for_at_home_only(build: Build, upstream: Upstream) -> None:
    seen = says(upstream, 1, favorites=4)
    known = says(upstream, 2, text="#owls", favorites=5)
    there = says(upstream, 3, text="#owls", favorites=6, network="mastodon_two")
    far = says(upstream, 4, text="#owls", network="mastodon:far.example")
    odd = "https://mastodon.example/objects/5f1c"
    found = measured(build(seen, known, there, far, odd), upstream)
    assert [item.id for item in found] == [uri_of(seen), uri_of(known)]
    (asked,) = upstream.asked("/api/v1/statuses*")
    assert asked.query == {"id[]": known.id}
    both = [upstream.mastodon, upstream.mastodon_two]
    found = measured(build(seen, known, there, far, odd, instances=both), upstream)
    assert [item.id for item in found] == [uri_of(seen), uri_of(known), uri_of(there)]
    assert {one.service for one in upstream.requests} == {"mastodon", "mastodon_two"}


def test_who_was_seen_elsewhere_is_asked_for_at_home(build: Build, upstream: Upstream) -> None:
    post = says(upstream, 1, favorites=10)
    upstream.fault("/api/v1/timelines/tag/arxiv", "json", document=[])
    both = [upstream.mastodon, upstream.mastodon_two]
    (found,) = measured(build(post, instances=both), upstream)
    assert isinstance(found, Post)
    assert found.reading == Reading(NOW, 0, 10, 0)
    assert len(upstream.asked("/api/v1/statuses")) == 1


def test_look_ups_come_twenty_at_a_time(build: Build, upstream: Upstream) -> None:
    known = [says(upstream, 1, text="#owls", author="ines") for _ in range(45)]
    assert len(measured(build(*known), upstream)) == 45
    asked = [one.query["id[]"].count("\n") + 1 for one in upstream.asked("/api/v1/statuses*")]
    assert asked == [20, 20, 5]


def test_what_was_deleted_is_gone(build: Build, upstream: Upstream) -> None:
    here, there = says(upstream, 1), says(upstream, 1, text="#owls")
    here.deleted = True
    found = measured(build(here, there), upstream)
    assert [type(item) for item in found] == [Post, Gone]
    assert found[1] == Gone("mastodon", uri_of(here))
    assert paths(upstream)[-2:] == ["/api/v1/statuses", f"/api/v1/statuses/{here.id}"]


def test_what_its_own_server_has_no_more_is_gone_wherever_it_is_seen(
    build: Build, upstream: Upstream
) -> None:
    post = says(upstream, 1)
    both = [upstream.mastodon, upstream.mastodon_two]
    for service in ("/api/v1/timelines/tag/arxiv", "/api/v1/statuses"):
        upstream.fault(service, "json", document=[])
    upstream.fault(f"/api/v1/statuses/{post.id}", "status", status=404)
    assert measured(build(post, instances=both), upstream) == [Gone("mastodon", uri_of(post))]


def test_what_names_no_paper_any_more_is_gone(build: Build, upstream: Upstream) -> None:
    post = says(upstream, 1, "https://example.org/")
    assert measured(build(post), upstream) == [Gone("mastodon", uri_of(post))]


@pytest.mark.parametrize("status", [404, 410])
def test_a_server_that_knows_no_look_up_of_several_is_asked_one_by_one(
    build: Build, upstream: Upstream, status: int
) -> None:
    known = [says(upstream, 1, text="#owls") for _ in range(3)]
    known[1].deleted = True
    upstream.fault("/api/v1/statuses", "status", times=None, status=status)
    found = measured(build(*known), upstream)
    assert [type(item) for item in found] == [Post, Post, Gone]
    assert len(upstream.asked("/api/v1/statuses/*")) == 3


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("status", {"status": 500}),
        ("status", {"status": 401}),
        ("status", {"status": 429}),
        ("json", {"document": None}),
        ("json", {"document": {"error": "Record not found"}}),
    ],
)
def test_a_failure_to_look_up_is_no_goodbye(
    build: Build, upstream: Upstream, kind: str, how: dict[str, Any]
) -> None:
    known = [says(upstream, 1, text="#owls") for _ in range(2)]
    known[1].deleted = True
    upstream.fault("/api/v1/statuses/*", kind, times=None, **how)
    found = build(*known).measure(papers_of(upstream.world), NOW - timedelta(days=7))
    assert [item.id for item in islice(found, 1)] == [uri_of(known[0])]
    with pytest.raises(SignalError, match="1 of 1 servers failed"):
        list(found)


def test_a_look_up_that_answers_something_else_says_nothing(
    build: Build, upstream: Upstream
) -> None:
    known, other = says(upstream, 1, text="#owls"), says(upstream, 1, text="#owls")
    page = _page(upstream, "owls")
    strange = next(status for status in page if status["id"] == other.id) | {"id": known.id}
    upstream.fault("/api/v1/statuses", "json", document=[strange])
    assert measured(build(known), upstream) == []


@pytest.mark.parametrize("dead", ["mastodon", "mastodon_two"])
def test_a_dead_server_does_not_silence_the_others(
    build: Build, upstream: Upstream, dead: str
) -> None:
    here, there = says(upstream, 1), says(upstream, 2, network="mastodon_two")
    upstream.fault(dead, "status", status=500, times=None)
    both = [upstream.mastodon, upstream.mastodon_two]
    found = build(instances=both).measure(papers_of(upstream.world), NOW - timedelta(days=7))
    assert {item.id for item in islice(found, 2)} == {uri_of(here), uri_of(there)}
    address = getattr(upstream, dead)
    with pytest.raises(SignalError, match=f"^Mastodon: 1 of 2 servers failed: {address}/api"):
        list(found)


def test_what_a_server_told_before_it_failed_is_kept(build: Build, upstream: Upstream) -> None:
    posts = [says(upstream, hours) for hours in range(60)]
    upstream.fault("/api/v1/timelines/tag/arxiv", "status", status=500, after=1, times=None)
    found = build().measure(papers_of(upstream.world), NOW - timedelta(days=7))
    assert [item.id for item in islice(found, 40)] == [uri_of(post) for post in posts[:40]]
    with pytest.raises(SignalError, match="HTTP 500"):
        list(found)


@pytest.mark.parametrize(
    ("kind", "how", "says_so"),
    [
        ("status", {"status": 403}, "HTTP 403"),
        ("status", {"status": 404}, "is it a Mastodon server"),
        ("malformed", {}, "no JSON"),
        ("content_type", {"content_type": "text/html"}, "text/html"),
        ("json", {"document": None}, "neither a list nor an object"),
        ("json", {"document": {"error": "no"}}, "does not say its domain"),
        ("json", {"document": []}, "is no object"),
    ],
)
def test_a_failure_never_looks_like_no_posts(
    build: Build, upstream: Upstream, kind: str, how: dict[str, Any], says_so: str
) -> None:
    upstream.fault("mastodon", kind, times=None, **how)
    for ask in (lambda: measured(build(), upstream), build().check):
        with pytest.raises(SignalError, match=says_so) as caught:
            ask()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["/api/v1/trends/links", "/api/v1/timelines/tag/arxiv"])
@pytest.mark.parametrize("document", [{"error": "no"}, [7], [{"content": ""}]])
def test_a_senseless_list_is_an_error(
    build: Build, upstream: Upstream, path: str, document: object
) -> None:
    upstream.fault(path, "json", times=None, document=document)
    with pytest.raises(SignalError, match="1 of 1 servers failed"):
        measured(build(), upstream)


@pytest.mark.parametrize("path", ["/api/v1/trends/links", "/api/v1/timelines/tag/arxiv"])
def test_a_server_may_know_no_trends_and_not_the_tag(
    build: Build, upstream: Upstream, path: str
) -> None:
    says(upstream, 1)
    upstream.fault(path, "status", status=404, times=None)
    assert len(measured(build(), upstream)) == (0 if "tag" in path else 1)


def test_a_server_that_says_so_is_left_in_peace() -> None:
    headers = {
        "Content-Type": "application/json",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": "2026-11-20T18:05:00Z",
    }
    answer = Answer(body=b'{"domain": "a.example"}', headers=headers)
    with serving() as site, outside(small_world(TODAY), Purse()) as context:
        site.answers(answer)
        signal = Mastodon(MastodonSettings(instances=(site.url,), delay=0), context)
        with pytest.raises(SignalError, match="no more requests until 2026-11-20T18:05:00Z"):
            list(signal.measure(papers_of(small_world(TODAY)), NOW))
        assert [path for path, _ in site.asked] == ["/api/v2/instance"]


def test_check_names_the_servers(build: Build, upstream: Upstream) -> None:
    both = [upstream.mastodon, upstream.mastodon_two]
    assert build(instances=both).check() == "mastodon.example 4.5.2, second.example 4.5.2"
    upstream.fault("mastodon_two", "status", status=500, times=None)
    with pytest.raises(SignalError, match=f"^Mastodon: {upstream.mastodon_two}/api/v2/instance"):
        build(instances=both).check()
    assert build(instances=[]).check().startswith("no server is asked")


def test_on_unless_switched_off_and_asked_four_times_a_day(build: Build) -> None:
    settings = section(MastodonSettings, {}, "signals.mastodon")
    assert (settings.enabled, settings.tags) == (True, ("arxiv",))
    assert settings.instances == ("https://mastodon.social",)
    assert build().every == timedelta(hours=6)


@pytest.mark.parametrize(
    ("table", "says_so"),
    [
        ({"every": "0s"}, "every"),
        ({"delay": -1}, "delay"),
        ({"tags": ["#arxiv"]}, "tags"),
        ({"tags": [""]}, "tags"),
        ({"instances": ["mastodon.social"]}, "instances"),
        ({"instances": ["https://a.example", "https://a.example/"]}, "named twice"),
        ({"tokens": ["one", "two"]}, "more than instances"),
    ],
)
def test_settings_have_bounds(table: dict[str, object], says_so: str) -> None:
    with pytest.raises(SettingsError, match=says_so):
        section(MastodonSettings, table, "signals.mastodon")
