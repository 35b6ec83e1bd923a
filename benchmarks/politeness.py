"""Requests of one day: what a daemon with the default settings asks each host, and how fast.

    python benchmarks/politeness.py

The world is the tests' upstream on loopback, with 1,500 papers a day in the five default
categories and posts about them on every network. The daemon's hours pass one after the
other; it sleeps as long as it would, on a clock that jumps. Counted is the second day, from
00:00 to 24:00 UTC, by the upstream.
"""

import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))  # for the upstream of the tests

from tests.upstream.bluesky import at_uri
from tests.upstream.server import SERVICES, Request, Upstream
from tests.upstream.world import (
    World,
    WorldEntry,
    WorldPaper,
    WorldPost,
    snowflake,
)
from trendbot import app, daemon, fetch
from trendbot.settings import Settings

PAPERS = 1500
POSTS = {"x": 900, "bluesky": 400, "mastodon": 60, "hackernews": 30}
DAYS = (date(2026, 11, 16), date(2026, 11, 17), date(2026, 11, 18))
COUNTED = DAYS[-1]
CATEGORIES = ("cs.LG", "cs.CV", "cs.CL", "cs.AI", "stat.ML")
ABSTRACT = "We look at it from every side and find it round. " * 25
# Services that are one host, with what it publishes: so many requests in so many seconds.
HOSTS = (
    ("arxiv.org", ("arxiv",), 1, 15, "robots.txt: Crawl-delay"),
    ("rss.arxiv.org", ("rss",), 1, 3, "terms of use"),
    ("export.arxiv.org", ("arxiv_api",), 1, 3, "terms of use"),
    ("api.x.com", ("x",), 300, 900, "the lowest of its endpoints"),
    ("storage.googleapis.com", ("x_storage",), 0, 0, "not published"),
    ("huggingface.co", ("huggingface",), 500, 300, "without a token"),
    ("constellation", ("constellation",), 0, 0, "courtesy"),
    ("public.api.bsky.app", ("bsky",), 3000, 300, "as a PDS"),
    ("hn.algolia.com", ("hackernews",), 10_000, 3600, "an address"),
    ("mastodon.social", ("mastodon",), 300, 300, "an address"),
)
ARXIV_AT_MOST, AT_MOST = 10, 300


class Clock:
    """The time of the daemon and of the world, which passes when somebody sleeps."""

    def __init__(self, world: World) -> None:
        self.world = world

    def now(self) -> datetime:
        return self.world.now

    def sleep(self, seconds: float) -> None:
        self.world.tick(self.world.now + timedelta(seconds=seconds))


def busy_world() -> World:
    """Three days of papers and posts."""
    random = Random(1)
    world = World(DAYS[0], datetime.combine(DAYS[0], datetime.min.time(), UTC))
    for day in DAYS:
        first = len(world.papers)
        for n in range(first, first + PAPERS):
            where = tuple(random.sample(CATEGORIES, random.choice((1, 1, 2, 3))))
            name = f"2611.{n:05}"
            world.papers.append(WorldPaper(name, f"Paper {n}", ("Ada",), where, day, ABSTRACT))
        entries = random.sample(world.papers[first:], 60)
        world.entries += [WorldEntry(one.id, day, random.randint(1, 90)) for one in entries]
        for network, posts in POSTS.items():
            for _ in range(posts):
                add_post(world, network, day, random)
    return world


def add_post(world: World, network: str, day: date, random: Random) -> None:
    """One more post, about one of few papers rather than one of many."""
    number = len(world.posts)
    paper = world.papers[-1 - int(PAPERS * random.random() ** 4)]
    moment = datetime.combine(day, datetime.min.time(), UTC) + timedelta(
        seconds=random.randrange(3600, 20 * 3600)
    )
    author = f"reader{number}" + (".example.org" if network == "bluesky" else "")
    names = {"bluesky": at_uri(author, moment, number), "hackernews": str(46_000_000 + number)}
    world.posts.append(
        WorldPost(
            names.get(network, snowflake(moment, number)),
            f"so it is, said number {number}",
            (f"https://arxiv.org/abs/{paper.id}",),
            moment,
            author,
            random.randint(0, 30),
            random.randint(20, 200),
            network=network,
        )
    )


def settings_for(upstream: Upstream, home: Path) -> Settings:
    """The defaults, with the upstream's addresses and X."""
    at = {service: getattr(upstream, service) for service in SERVICES}
    signals: dict[str, dict[str, Any]] = {
        "x": {
            "enabled": True,
            "bearer_token": "a-token",
            "base_url": at["x"],
            "storage_url": at["x_storage"],
        },
        "huggingface": {"base_url": at["huggingface"]},
        "bluesky": {
            "constellation_url": at["constellation"],
            "appview_url": at["bsky"],
            "pds_url": at["pds"],
        },
        "hackernews": {"base_url": at["hackernews"]},
        "mastodon": {"instances": [at["mastodon"]]},
    }
    addresses = {"base_url": at["arxiv"], "api_url": at["arxiv_api"], "rss_url": at["rss"]}
    return Settings(
        home=home,
        sources={"arxiv": addresses},
        signals=signals,
    )


def play(upstream: Upstream, home: Path) -> None:
    """Let the daemon work through the hours of the days."""
    clock = Clock(upstream.world)
    vars(app)["Fetcher"] = partial(
        fetch.Fetcher, sleep=clock.sleep, clock=lambda: clock.now().timestamp()
    )
    running = app.build(settings_for(upstream, home), clock.now)
    moment = datetime.combine(DAYS[1], datetime.min.time(), UTC) + timedelta(hours=2)
    while moment.date() <= COUNTED:
        upstream.world.tick(max(moment, clock.now()))
        daemon.work(running)
        moment += timedelta(hours=1)
    running.close()


def most_within(asked: Sequence[Request], seconds: float) -> int:
    """The most requests in any stretch of so many seconds."""
    times = [request.at.timestamp() for request in asked]
    return max((sum(start <= one < start + seconds for one in times) for start in times), default=0)


def main() -> int:
    """Print the table; 1 if somebody was asked too much."""
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as folder, Upstream(busy_world()) as upstream:
        play(upstream, Path(folder))
    print(f"{platform.platform()}, Python {platform.python_version()}")
    print(f"{COUNTED}, {PAPERS} papers a day; {time.process_time() - begun:.0f} s of processor")
    print(f"{'host':22}{'requests':>9}{'at once':>9}{'allowed':>9}{'in s':>6}  which is")
    today = [one for one in upstream.requests if one.at.date() == COUNTED]
    is_fine = len(today) <= AT_MOST
    for host, services, allowed, seconds, why in HOSTS:
        asked = [one for one in today if one.service in services]
        most = most_within(asked, seconds)
        is_fine &= not allowed or most <= allowed
        print(f"{host:22}{len(asked):9}{most:9}{allowed or '-':>9}{seconds or '-':>6}  {why}")
    arxiv = sum(one.service in ("arxiv", "arxiv_api", "rss") for one in today)
    print(f"{'all':22}{len(today):9}{'':9}{AT_MOST:9}{'day':>6}  ours")
    print(f"{'all of arXiv':22}{arxiv:9}{'':9}{ARXIV_AT_MOST:9}{'day':>6}  ours")
    return int(not (is_fine and arxiv <= ARXIV_AT_MOST))


if __name__ == "__main__":
    sys.exit(main())
