"""The upstream's two servers answer in the shapes of Mastodon's API, within its limits."""

from datetime import timedelta
from typing import Any

import pytest

from tests.upstream.client import get
from tests.upstream.mastodon import TOKEN, uri_of
from tests.upstream.server import Upstream
from tests.upstream.world import WorldPost

PAPER = "https://arxiv.org/abs/2611.10001"


@pytest.fixture
def posts(upstream: Upstream) -> list[WorldPost]:
    now = upstream.world.now
    upstream.world.posts = [
        WorldPost(
            str((int(now.timestamp() * 1000) - 1000 * n << 16) + n),
            "On <owls>",
            (PAPER,),
            now - timedelta(seconds=n),
            f"reader{n}",
            retweets=2 * n,
            favorites=10 * n,
            replies=n,
            network="mastodon" if n % 10 else "mastodon_two",
        )
        for n in range(1, 61)
    ]
    return upstream.world.posts


def told(url: str, **query: Any) -> Any:
    return get(url, **query).json()


def several(url: str, ids: list[str]) -> str:
    return f"{url}?{'&'.join(f'id[]={id}' for id in ids)}"


def test_a_timeline_in_pages_of_at_most_forty(upstream: Upstream, posts: list[WorldPost]) -> None:
    url = f"{upstream.mastodon}/api/v1/timelines/tag/ArXiv"
    assert len(told(url)) == 20
    page = told(url, limit=80)
    assert [status["uri"] for status in page] == [uri_of(post) for post in posts[:40]]
    assert [one["uri"] for one in told(url, limit=40, max_id=page[-1]["id"])] == [
        uri_of(post) for post in posts[40:]
    ]
    assert told(f"{upstream.mastodon}/api/v1/timelines/tag/owls") == []
    assert get(url).headers["X-RateLimit-Limit"] == "300"


def test_a_status_is_known_best_at_home(upstream: Upstream, posts: list[WorldPost]) -> None:
    at_home, away = (
        next(one for one in told(f"{base}/api/v1/timelines/tag/arxiv") if "reader10" in one["uri"])
        for base in (upstream.mastodon_two, upstream.mastodon)
    )
    assert at_home["uri"] == away["uri"]
    assert at_home["id"] == posts[9].id != away["id"]
    assert (at_home["account"]["acct"], away["account"]["acct"]) == (
        "reader10",
        "reader10@second.example",
    )
    counts = ("reblogs_count", "favourites_count", "replies_count")
    assert [at_home[name] for name in counts] == [20, 100, 10]
    assert [away[name] for name in counts] == [10, 50, 5]
    assert "On &lt;owls&gt; <a href=" in at_home["content"]
    assert f'<a href="{PAPER}" ' in at_home["content"]


def test_links_that_trend_and_their_timeline(upstream: Upstream, posts: list[WorldPost]) -> None:
    (link,) = told(f"{upstream.mastodon}/api/v1/trends/links")
    assert (link["url"], link["history"][0]["accounts"]) == (PAPER, "60")
    url = f"{upstream.mastodon}/api/v1/timelines/link"
    assert len(told(f"{url}?url={PAPER}", limit=30)) == 30
    assert get(f"{url}?url={PAPER}v2").status_code == 404
    assert get(url).status_code == 404


def test_statuses_by_id(upstream: Upstream, posts: list[WorldPost]) -> None:
    url = f"{upstream.mastodon}/api/v1/statuses"
    posts[2].deleted = True
    ids = [post.id for post in posts[:4]]
    assert [one["id"] for one in told(several(url, ids))] == [ids[0], ids[1], ids[3]]
    assert told(f"{url}/{ids[0]}")["id"] == ids[0]
    assert get(f"{url}/{ids[2]}").status_code == 404
    assert get(several(url, [post.id for post in posts[:21]])).status_code == 422


def test_a_boost_shows_its_original(upstream: Upstream, posts: list[WorldPost]) -> None:
    posts[0].repost_of = posts[1].id
    shown = told(f"{upstream.mastodon}/api/v1/statuses/{posts[0].id}")
    assert shown["reblog"]["id"] == posts[1].id
    assert posts[0].id not in str(told(f"{upstream.mastodon}/api/v1/timelines/tag/arxiv"))


def test_search_is_for_those_with_the_token(upstream: Upstream, posts: list[WorldPost]) -> None:
    url = f"{upstream.mastodon}/api/v2/search"
    assert told(url, q="arxiv.org")["statuses"] == []
    token = {"Authorization": f"Bearer {TOKEN}"}
    assert len(told(url, headers=token, q="arxiv.org")["statuses"]) == 20
    assert told(url, headers=token, q="bats")["statuses"] == []
    assert get(url, headers={"Authorization": "Bearer x"}, q="arxiv.org").status_code == 401


def test_a_server_says_who_it_is(upstream: Upstream) -> None:
    assert told(f"{upstream.mastodon}/api/v2/instance")["domain"] == "mastodon.example"
    assert told(f"{upstream.mastodon_two}/api/v2/instance")["domain"] == "second.example"
    assert get(f"{upstream.mastodon}/api/v3/instance").status_code == 404
