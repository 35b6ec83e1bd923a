"""The upstream's Hacker News answers in the shape of Algolia's search."""

from datetime import timedelta
from typing import Any

import pytest

from tests.upstream.client import get
from tests.upstream.server import Upstream
from tests.upstream.world import WorldPost


@pytest.fixture
def url(upstream: Upstream) -> str:
    now = upstream.world.now
    upstream.world.posts = [
        WorldPost(
            str(46000000 + n),
            f"Story {n}",
            (f"https://{'arxiv.org' if n % 2 else 'example.test'}/abs/2611.{10000 + n}",),
            now - timedelta(hours=n),
            favorites=10 * n,
            replies=n,
            network="hackernews",
        )
        for n in range(1, 6)
    ]
    return f"{upstream.hackernews}/api/v1/search_by_date"


def ids(url: str, **query: Any) -> list[str]:
    return [hit["objectID"] for hit in get(url, **query).json()["hits"]]


def test_finds_stories_by_their_address(url: str) -> None:
    reply = get(url, query="arxiv.org", tags="story", restrictSearchableAttributes="url").json()
    assert [hit["objectID"][-1] for hit in reply["hits"]] == ["1", "3", "5"]
    assert (reply["nbHits"], reply["page"], reply["nbPages"], reply["hitsPerPage"]) == (3, 0, 1, 20)
    first = reply["hits"][0]
    assert (first["points"], first["num_comments"], first["author"]) == (10, 1, "reader")
    assert first["created_at"] == "2026-11-20T17:00:00Z"
    assert first["_tags"] == ["story", "author_reader", "story_46000001"]


def test_filters_and_pages(url: str, upstream: Upstream) -> None:
    moment = int((upstream.world.now - timedelta(hours=2, minutes=30)).timestamp())
    assert ids(url, numericFilters=f"created_at_i>{moment}") == ["46000001", "46000002"]
    assert ids(url, numericFilters=f"created_at_i<{moment},points>=40") == ["46000004", "46000005"]
    assert ids(url, tags="story,(story_46000005,story_46000002,story_1)") == [
        "46000002",
        "46000005",
    ]
    assert ids(url, hitsPerPage=2, page=2) == ["46000005"]
    beyond = get(url, hitsPerPage=2, page=3).json()
    assert (beyond["hits"], beyond["nbHits"], beyond["nbPages"]) == ([], 0, 0)
    assert get(url, numericFilters="points>many").status_code == 400
    assert get(url, hitsPerPage="-1").status_code == 400


def test_what_is_deleted_is_not_in_the_index(url: str, upstream: Upstream) -> None:
    upstream.world.post("46000001").deleted = True
    assert ids(url, tags="story,(story_46000001)") == []
    assert get(f"{upstream.hackernews}/api/v1/search_everywhere").status_code == 404
