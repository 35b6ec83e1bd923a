"""What an adapter is given, in tests: a budget kept in memory and a web that does not wait."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from tests.upstream.world import World
from trendbot.context import Budget, Context, Known, Spent
from trendbot.fetch import Fetcher
from trendbot.model import Paper


@dataclass(slots=True)
class Purse:
    """A day's budget of one signal, as the store keeps it.

    `notes` holds for each purpose the sums of requests, posts, useful ones, and dollars;
    `known` what is stored of posts.
    """

    spent: int = 0
    stopped: str = ""
    plan: Mapping[str, Any] = field(default_factory=dict)
    notes: dict[str, tuple[float, ...]] = field(default_factory=dict)
    known: dict[str, Known] = field(default_factory=dict)

    @property
    def budget(self) -> Budget:
        return Budget(
            self.reserve,
            self.release,
            self.stop,
            lambda: Spent(self.spent, self.stopped, self.plan),
            self.remember,
            self.note,
            lambda ids: {one: self.known[one] for one in ids if one in self.known},
        )

    def reserve(self, wanted: int, limit: int) -> int:
        booked = 0 if self.stopped else max(0, min(wanted, limit - self.spent))
        self.spent += booked
        return booked

    def release(self, unused: int) -> None:
        assert 0 < unused <= self.spent
        self.spent -= unused

    def stop(self, reason: str) -> None:
        self.stopped = reason

    def remember(self, plan: Mapping[str, Any]) -> None:
        self.plan = json.loads(json.dumps(plan))  # as it comes back from a database

    def note(self, purpose: str, requests: int, posts: int, useful: int, dollars: float) -> None:
        sums = zip(
            self.notes.get(purpose, (0, 0, 0, 0)), (requests, posts, useful, dollars), strict=True
        )
        self.notes[purpose] = tuple(before + more for before, more in sums)

    @property
    def noted(self) -> int:
        """The reads that were written down: posts, and requests that counted."""
        posts = sum(sums[1] for sums in self.notes.values())
        return int(posts + self.notes.get("size", (0,))[0])


@contextmanager
def outside(world: World, purse: Purse) -> Iterator[Context]:
    """The context of an adapter in `world`, at its time; no post is known yet."""
    fetcher = Fetcher("https://trendbot.test", sleep=lambda _: None)
    yield Context(
        home=Path(),
        now=lambda: world.now,
        fetcher=fetcher,
        budget=purse.budget,
        worth_a_look=lambda limit: [],
    )
    fetcher.close()


def papers_of(world: World) -> list[Paper]:
    """The papers of `world` as the store would give them."""
    return [paper(one.id, one.announced) for one in world.papers]


def paper(paper_id: str, announced: date = date(2026, 11, 20)) -> Paper:
    return Paper("arxiv", paper_id, "A Title", ("A. Author",), ("cs.LG",), announced)
