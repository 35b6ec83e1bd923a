"""What tests ask of X, and crowds of posts to be found there."""

from collections.abc import Callable, Iterable
from datetime import timedelta

from tests.signals.outside import papers_of
from tests.upstream.server import Upstream
from tests.upstream.world import WorldPost, snowflake
from trendbot.model import Gone, Post, There
from trendbot.signals.x import X

TOKEN = "AAAA%3Dsecret"
SEARCH, LOOK_UP = "/2/tweets/search/recent", "/2/tweets"
COUNTS = "/2/tweets/counts/recent"
Build = Callable[..., X]


def looked(x: X, upstream: Upstream, days: int = 7) -> list[Post | Gone | There]:
    since = upstream.world.now - timedelta(days=days)
    return list(x.measure(papers_of(upstream.world), since))


def measured(x: X, upstream: Upstream, days: int = 7) -> list[Post]:
    return [one for one in looked(x, upstream, days) if isinstance(one, Post)]


def gone(found: Iterable[Post | Gone | There]) -> list[str]:
    return [one.id for one in found if isinstance(one, Gone)]


def counts(posts: list[Post]) -> dict[str, tuple[int, int, int]]:
    return {
        post.id: (post.reading.retweets, post.reading.favorites, post.reading.replies)
        for post in posts
        if post.reading
    }


def expected(upstream: Upstream, min_likes: int = 1) -> dict[str, tuple[int, int, int]]:
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


def a_post(
    upstream: Upstream, number: int, hours: float, likes: int, author: str = ""
) -> WorldPost:
    """A post about the world's first paper, `hours` old."""
    world = upstream.world
    at = world.now - timedelta(hours=hours)
    link = f"https://arxiv.org/abs/{world.papers[0].id}"
    return WorldPost(
        snowflake(at, number), f"crowd {number}", (link,), at, author or f"one{number}", 3, likes
    )


def crowd(upstream: Upstream, size: int, likes: Callable[[int], int] = lambda _: 50) -> list[str]:
    """Replace the world's posts by `size` of the last hours; returns their ids, oldest first."""
    upstream.world.posts = [
        a_post(upstream, number, 0.2 + number / 60, likes(number)) for number in range(size)
    ]
    return [post.id for post in reversed(upstream.world.posts)]


def queries(upstream: Upstream, where: str) -> list[str]:
    """What was searched for or counted, without the query's first word."""
    return [one.query["query"].partition(" ")[2] for one in upstream.asked(where)]
