"""The upstream's Bluesky and Constellation answer in the shapes of their lexicons."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from tests.upstream.bluesky import CARDS, FACETS, at_uri, did
from tests.upstream.client import get
from tests.upstream.server import Upstream
from tests.upstream.world import WorldPost

LINK = "https://arxiv.org/abs/2611.10001"
AT = datetime(2026, 11, 20, 3, tzinfo=UTC)


@pytest.fixture
def posts(upstream: Upstream) -> list[WorldPost]:
    """A card, a link in the text, a quote of the card, and what is no longer or not yet there."""
    links = [("read this", LINK), (f"see {LINK}", "https://example.org"), ("this!", "")]
    posts = [
        WorldPost(at_uri("ines.test", AT, n), text, (), AT, author="ines.test", network="bluesky")
        for n, (text, _) in enumerate([*links, ("late", LINK), ("deleted", LINK)])
    ]
    posts[0].urls, posts[1].urls, posts[2].quote_of = (LINK,), (links[1][1], LINK), posts[0].id
    posts[3].urls = posts[4].urls = (LINK,)
    posts[3].created_at = upstream.world.now + timedelta(hours=1)
    posts[4].deleted = True
    upstream.world.posts = posts
    return posts


def backlinks(upstream: Upstream, **query: Any) -> requests.Response:
    query = {"subject": LINK, "source": CARDS, **query}
    return get(f"{upstream.constellation}/xrpc/blue.microcosm.links.getBacklinks", **query)


def log_in(upstream: Upstream, password: str = "abcd-efgh-ijkl-mnop") -> requests.Response:
    login = {"identifier": "trendbot.test", "password": password}
    url = f"{upstream.pds}/xrpc/com.atproto.server.createSession"
    with requests.Session() as session:
        session.trust_env = False
        return session.post(url, json=login, timeout=10)


def test_names_who_links_to_exactly_an_address(upstream: Upstream, posts: list[WorldPost]) -> None:
    record = {"did": did("ines.test"), "collection": "app.bsky.feed.post"}
    keys = [post.id.rpartition("/")[2] for post in posts]
    cards, facets = (backlinks(upstream, source=source).json() for source in (CARDS, FACETS))
    assert cards == {"total": 1, "records": [{**record, "rkey": keys[0]}], "cursor": None}
    assert facets == {"total": 1, "records": [{**record, "rkey": keys[1]}], "cursor": None}
    for other in ({"subject": f"{LINK}v1"}, {"source": "app.bsky.feed.like:subject.uri"}):
        assert backlinks(upstream, **other).json()["total"] == 0
    for wrong in ({"limit": 101}, {"subject": ""}, {"source": "nothing"}):
        assert backlinks(upstream, **wrong).status_code == 400


def test_pages_backlinks(upstream: Upstream, posts: list[WorldPost]) -> None:
    posts += [WorldPost(at_uri("ben.test", AT, n), "", (LINK,), AT) for n in range(5)]
    for post in posts[5:]:
        post.author, post.network = "ben.test", "bluesky"
    first = backlinks(upstream, limit=4).json()
    second = backlinks(upstream, limit=4, cursor=first["cursor"]).json()
    assert [len(page["records"]) for page in (first, second)] == [4, 2]
    assert (first["total"], second["cursor"]) == (6, None)


def test_shows_posts_that_are_there(upstream: Upstream, posts: list[WorldPost]) -> None:
    posts[0].favorites, posts[0].retweets, posts[0].bot = 7, 3, True
    url = f"{upstream.bsky}/xrpc/app.bsky.feed.getPosts"
    shown = get(url, uris=[post.id for post in posts]).json()["posts"]
    assert [view["uri"] for view in shown] == [post.id for post in posts[:3]]
    card, text, quote = shown
    assert (card["likeCount"], card["repostCount"], card["replyCount"]) == (7, 3, 0)
    assert card["record"]["embed"]["external"]["uri"] == LINK
    assert card["author"]["labels"][0]["val"] == "bot"
    assert text["record"]["facets"][0]["features"][0]["uri"] == LINK
    assert quote["embed"]["record"]["embed"]["external"]["uri"] == LINK
    assert "facets" not in quote["record"]
    assert get(url, uris=[post.id for post in posts * 6]).status_code == 400
    assert get(url, uris="https://bsky.app").status_code == 400
    assert get(f"{upstream.bsky}/xrpc/app.bsky.feed.searchPosts", q="x").status_code == 403


def test_searches_for_those_who_log_in(upstream: Upstream, posts: list[WorldPost]) -> None:
    url = f"{upstream.pds}/xrpc/app.bsky.feed.searchPosts"
    assert log_in(upstream, "wrong").json()["error"] == "AuthenticationRequired"
    headers = {"Authorization": f"Bearer {log_in(upstream).json()['accessJwt']}"}
    query: dict[str, Any] = {"q": "arxiv.org", "domain": "arxiv.org", "sort": "latest", "limit": 1}
    first = get(url, headers, **query).json()
    second = get(url, headers, **query, cursor=first["cursor"]).json()
    uris = [page["posts"][0]["uri"] for page in (first, second)]
    assert (uris, "cursor" in second) == ([posts[1].id, posts[0].id], False)
    assert get(url, headers, **query, since="2026-11-20T03:00:01Z").json()["posts"] == []
    for wrong in ({"limit": 101}, {"q": ""}, {"tags": "x"}):
        assert get(url, headers, **{**query, **wrong}).status_code == 400
    assert get(url, **query).status_code == 401
    assert get(url, {"Authorization": "Bearer other"}, **query).json()["error"] == "InvalidToken"
    upstream.world.now += timedelta(hours=2)
    assert get(url, headers, **query).json()["error"] == "ExpiredToken"


def test_says_when_to_come_back(upstream: Upstream, posts: list[WorldPost]) -> None:
    upstream.world.bluesky.limited = True
    reply = get(f"{upstream.bsky}/xrpc/app.bsky.feed.getPosts", uris=posts[0].id)
    assert (reply.status_code, reply.json()["error"]) == (429, "RateLimitExceeded")
    assert int(reply.headers["ratelimit-reset"]) - upstream.world.now.timestamp() == 300
