"""How far the sending of a digest is: counts, rate and remaining time, and how to say it.

Pure: who counts and who shows it are elsewhere (`telemetry`, `terminal`).
"""

from collections.abc import Callable
from dataclasses import dataclass

from trendbot.model import DeliveryState
from trendbot.store.books import Books

WINDOW = 60.0  # seconds the rate is taken over
COUNT_EVERY = 10.0  # seconds at least
COUNTING_SHARE = 0.02  # of the time at most; counting a million deliveries takes 0.3 s on SQLite

AWAITED = "wait for their reader's hour"

_LEAST_RATE = 0.5 / 60  # mails a second; below, a rate says nothing
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


@dataclass(frozen=True, slots=True)
class _Counted:
    """How many were sent at a moment of the clock."""

    at: float
    sent: int


class Progress:
    """The sending of one digest: what its books said, and what was sent here since.

    Others may send it at the same time, so the rate is the difference between two counts
    of the books; until there are two, what was sent here since the first.
    """

    def __init__(self, books: Books, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._counted: list[_Counted] = []
        self.correct(books)

    def correct(self, books: Books, took: float = 0.0) -> None:
        """Take over what the books say now, after `took` seconds of counting."""
        self.books = books
        self._old_after = max(COUNT_EVERY, took / COUNTING_SHARE)
        self.sent = books.counts.get(DeliveryState.SENT, 0)
        waiting = (DeliveryState.PENDING, DeliveryState.SENDING)
        self.untried = sum(books.counts.get(state, 0) for state in waiting) - books.waiting
        now = self._clock()
        recent = [count for count in self._counted if now - count.at <= WINDOW]
        self._counted = [*recent, _Counted(now, self.sent)]

    def add(self, tried: int, sent: int) -> None:
        """Add mails that were tried here since the last count, so many of them sent."""
        self.untried = max(0, self.untried - tried)
        self.sent += sent

    @property
    def is_old(self) -> bool:
        """Whether the books may be asked again."""
        return self._clock() - self._counted[-1].at >= self._old_after

    @property
    def rate(self) -> float:
        """Mails sent a second, by all who send, over the last minute; 0 if not known."""
        first, last = self._counted[0], self._counted[-1]
        if first is last:
            last = _Counted(self._clock(), self.sent)
        took = last.at - first.at
        return max(0.0, (last.sent - first.sent) / took) if took > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """How long the mails take that are due and not tried yet; None if that is not known."""
        rate = self.rate
        return self.untried / rate if self.untried and rate >= _LEAST_RATE else None

    @property
    def name(self) -> str:
        """Which digest it is."""
        return f"{self.books.cadence} digest of {self.books.date}"

    @property
    def figures(self) -> str:
        """For example "12,000 of 50,000 sent, 210 a second, 3 minutes left"."""
        said = [self._sent]
        if self.rate >= _LEAST_RATE:
            said.append(_frequency(self.rate))
        if (left := self.seconds_left) is not None:
            said.append(f"{_duration(left)} left")
        return ", ".join([*said, *self._waiting])

    @property
    def line(self) -> str:
        """How far it is, as one line."""
        return f"{self.name}: {self.figures}"

    @property
    def ending(self) -> str:
        """What became of it, as one line: what the books said last."""
        counts = self.books.counts | {
            DeliveryState.PENDING: self.books.counts.get(DeliveryState.PENDING, 0)
            - self.books.waiting
        }
        numbers = ((state, counts.get(state, 0)) for state in DeliveryState)
        others = [f"{number:,} {state}" for state, number in numbers if number and state != "sent"]
        return f"{self.name}: {', '.join([self._sent, *others, *self._waiting])}"

    @property
    def _sent(self) -> str:
        return f"{self.sent:,} of {self.books.audience:,} sent"

    @property
    def _waiting(self) -> list[str]:
        return [f"{self.books.waiting:,} {AWAITED}"] if self.books.waiting else []


def _frequency(rate: float) -> str:
    if rate < 1:
        return f"{rate * 60:.0f} a minute"
    return f"{rate:,.0f} a second" if rate >= 10 else f"{rate:.2g} a second"


def _duration(seconds: float) -> str:
    """In whole minutes, hours or days, at least two of the larger ones."""
    if seconds < 60:
        return "less than a minute"
    for size, unit in _UNITS:
        if seconds >= 2 * size or unit == "minute":
            count = round(seconds / size)
            break
    return f"{count} {unit}{'s' if count > 1 else ''}"
