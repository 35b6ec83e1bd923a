"""What an adapter is given, in tests: a budget kept in memory and a web that does not wait."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from tests.upstream.world import World
from trendbot.context import Budget, Context
from trendbot.fetch import Fetcher
from trendbot.model import Paper


@dataclass(slots=True)
class Purse:
    """A day's budget of one signal, as the store keeps it."""

    spent: int = 0
    stopped: str = ""

    def reserve(self, wanted: int, limit: int) -> int:
        booked = 0 if self.stopped else max(0, min(wanted, limit - self.spent))
        self.spent += booked
        return booked

    def release(self, unused: int) -> None:
        assert 0 < unused <= self.spent
        self.spent -= unused

    def stop(self, reason: str) -> None:
        self.stopped = reason


@contextmanager
def outside(world: World, purse: Purse) -> Iterator[Context]:
    """The context of an adapter in `world`, at its time; no post is known yet."""
    fetcher = Fetcher("https://trendbot.test", sleep=lambda _: None)
    yield Context(
        home=Path(),
        now=lambda: world.now,
        fetcher=fetcher,
        budget=Budget(purse.reserve, purse.release, purse.stop),
        worth_a_look=lambda limit: [],
    )
    fetcher.close()


def papers_of(world: World) -> list[Paper]:
    """The papers of `world` as the store would give them."""
    return [paper(one.id, one.announced) for one in world.papers]


def paper(paper_id: str, announced: date = date(2026, 11, 20)) -> Paper:
    return Paper("arxiv", paper_id, "A Title", ("A. Author",), ("cs.LG",), announced)
