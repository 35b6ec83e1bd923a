"""What an adapter may use besides its own settings: the web, the clock, and its budget.

An adapter is built as `Adapter(settings, context)`. It never sees the store; the few
things it must remember across restarts reach it as callables wired in `app`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from trendbot.fetch import Fetcher


@dataclass(frozen=True, slots=True)
class Budget:
    """The paid reads of one signal on the current UTC day, kept in the database.

    `reserve(wanted, limit)` books at most `wanted` reads without ever passing `limit` for
    the day, in one committed transaction, and returns how many it booked; 0 means the day
    is spent or stopped. `release(unused)` gives back what a reply did not use.
    `stop(reason)` ends the day for this signal.
    """

    reserve: Callable[[int, int], int]
    release: Callable[[int], None]
    stop: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Context:
    """The outside of an adapter.

    `home` is the folder relative paths start from. `now` is the clock. `fetcher` asks the web
    politely. `worth_a_look(limit)` returns up to `limit` ids of this signal's stored posts that
    are due for another look, those that matter most first.
    """

    home: Path
    now: Callable[[], datetime]
    fetcher: Fetcher
    budget: Budget
    worth_a_look: Callable[[int], list[str]]
