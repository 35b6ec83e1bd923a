"""A trendbot that reads the simulated X through the real adapter."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from simulating.fake_x import Server
from simulating.posts import HOUR
from trendbot.context import Budget, Context, Known, Spent
from trendbot.fetch import Fetcher
from trendbot.model import Paper, Post
from trendbot.settings import section
from trendbot.signals.thrift import DOLLARS
from trendbot.signals.x import X, XSettings

SIZE = 20  # papers of a digest


@dataclass(slots=True)
class Purse:
    """The day's budget, as the database keeps it; what was read for what."""

    used: int = 0
    plan: Mapping[str, Any] = field(default_factory=dict)
    purposes: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    floor: int = 0

    def reserve(self, wanted: int, limit: int) -> int:
        booked = max(0, min(wanted, limit - self.used))
        self.used += booked
        return booked

    def release(self, unused: int) -> None:
        self.used -= unused

    def remember(self, plan: Mapping[str, Any]) -> None:
        self.plan = plan

    def note(self, purpose: str, requests: int, posts: int, useful: int, dollars: float) -> None:
        self.purposes[purpose] += round(dollars / DOLLARS)


class Reader:
    """A trendbot that knows nothing but X: what it read, and what that makes of the papers."""

    def __init__(self, server: Server, budget: int, papers: Sequence[Paper]) -> None:
        self.fake, self.papers = server.fake, papers
        self.purse = Purse()
        self.posts: dict[str, Post] = {}
        table = {"enabled": True, "base_url": server.url, "bearer_token": "token"}
        table |= {"daily_post_budget": budget}
        context = Context(
            home=Path(),
            now=lambda: datetime.fromtimestamp(self.fake.now, UTC),
            fetcher=Fetcher("https://trendbot.test"),
            budget=Budget(
                self.purse.reserve,
                self.purse.release,
                lambda reason: None,
                lambda: Spent(self.purse.used, "", self.purse.plan),
                self.purse.remember,
                self.purse.note,
                self.known,
            ),
            worth_a_look=lambda limit: [],
            contenders=self.contenders,
        )
        self.x = X(section(XSettings, table, "signals.x"), context)

    def look(self, since: datetime) -> int:
        """Read what the budget of a new day allows; returns how many reads it took."""
        self.purse.used, self.purse.plan = 0, {}
        for post in self.x.measure(self.papers, since):
            if isinstance(post, Post):
                self.posts[post.id] = post
        return self.purse.used

    def known(self, ids: Sequence[str]) -> Mapping[str, Known]:
        found = ((one, self.posts[one].reading) for one in ids if one in self.posts)
        return {one: Known(r.retweets, r.favorites, r.taken_at) for one, r in found if r}

    def contenders(self, limit: int) -> list[str]:
        """Posts of the papers that lead their week, best first, as the store chooses them."""
        week = self.fake.now - 7 * 24 * HOUR
        scores = self.scores()
        leading = sorted(scores, key=lambda key: -scores[key])[: 3 * SIZE]
        rank = {key: place for place, key in enumerate(leading)}
        due = [
            post
            for post in self.posts.values()
            if post.papers[0] in rank and post.posted_at.timestamp() > week
        ]
        due.sort(key=lambda post: -total(post))
        return [post.id for post in due[:limit]]

    def scores(self) -> dict[str, int]:
        scores: dict[str, int] = defaultdict(int)
        for post in self.posts.values():
            scores[post.papers[0]] += total(post)
        return scores


def total(post: Post) -> int:
    return post.reading.retweets + post.reading.favorites if post.reading else 0
