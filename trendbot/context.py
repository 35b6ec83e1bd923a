"""What an adapter may use besides its own settings: the web, the clock, and its budget.

An adapter is built as `Adapter(settings, context)`. It never sees the store; the few
things it must remember across restarts reach it as callables wired in `app`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from trendbot.fetch import Fetcher


class Known(NamedTuple):
    """The counts a stored post was last read with, and when."""

    retweets: int
    favorites: int
    read_at: datetime | None


@dataclass(frozen=True, slots=True)
class Spent:
    """What became of a signal's UTC day so far.

    `used` reads are booked. `stopped` says why nothing may be read any more; "" if it may.
    `plan` is what the adapter decided for the day, as JSON; {} if nothing yet.
    """

    used: int = 0
    stopped: str = ""
    plan: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Budget:
    """The paid reads of one signal on the current UTC day, kept in the database.

    `reserve(wanted, limit)` books at most `wanted` reads without ever passing `limit` for
    the day, in one committed transaction, and returns how many it booked; 0 means the day
    is spent or stopped. `release(unused)` gives back what a reply did not use, to the day
    of the last booking. `stop(reason)` ends the day for this signal. `today()` tells how
    the day stands, `remember(plan)` keeps the adapter's plan for the rest of it.
    `note(purpose, requests, posts, useful, dollars)` writes down what reads were for, what
    they brought and cost. `known(ids)` gives what is stored of posts.
    """

    reserve: Callable[[int, int], int]
    release: Callable[[int], None]
    stop: Callable[[str], None]
    today: Callable[[], Spent] = Spent
    remember: Callable[[Mapping[str, Any]], None] = lambda _plan: None
    note: Callable[[str, int, int, int, float], None] = lambda *_what: None
    known: Callable[[Sequence[str]], Mapping[str, Known]] = lambda _ids: {}


@dataclass(frozen=True, slots=True)
class Context:
    """The outside of an adapter.

    `home` is the folder relative paths start from. `now` is the clock. `fetcher` asks the web
    politely. `worth_a_look(limit)` returns up to `limit` ids of this signal's stored posts that
    are due for another look, those that matter most first; `contenders(limit)` only those of
    papers that can still change the first places, for looks that cost money. `answered_at()`
    is when this signal was last asked and told all; None if never. `stored()` are the ids of all
    its stored posts, newest first.
    """

    home: Path
    now: Callable[[], datetime]
    fetcher: Fetcher
    budget: Budget
    worth_a_look: Callable[[int], list[str]]
    contenders: Callable[[int], list[str]] = lambda _limit: []
    answered_at: Callable[[], datetime | None] = lambda: None
    stored: Callable[[], list[str]] = list
