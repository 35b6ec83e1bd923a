"""How sources, signals and their hosts fare, judged from what is known of them; pure.

Whether a day brought few items is judged by the same weekday of the six weeks before: arXiv
announces nothing on weekends, and posts of a Sunday are few. Nothing is judged before three
such weeks are known, or where few items are usual anyway.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from statistics import median_low
from typing import Any

from trendbot import due
from trendbot.fetch_rules import host_of

WEEKS = 6
FEWEST_WEEKS = 3
LEAST_USUAL = 10
LOW_BELOW = 1 / 3

CLOSED_AFTER = 3  # failures in a row
FIRST_PAUSE = timedelta(minutes=15)
LONGEST_PAUSE = timedelta(hours=6)

WEEK = timedelta(days=7)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


class State(StrEnum):
    """How a source or signal is, in a word."""

    OK = "ok"
    QUIET = "quiet"  # it answered that there is nothing
    LOW = "low"  # it answered, with far less than usual
    STALE = "stale"  # it answered, with nothing new
    FAILING = "failing"
    CLOSED = "closed"  # it failed, and its host is left alone for a while
    NEVER = "never asked"


@dataclass(frozen=True, slots=True)
class Host:
    """A host that failed `failures` times in a row; `closed_until` is None while it is open."""

    host: str
    failures: int
    reason: str
    failed_at: datetime
    closed_until: datetime | None

    @property
    def refusal(self) -> str:
        """Why it is not asked; "" while it is open."""
        if self.closed_until is None:
            return ""
        return (
            f"not asked before {self.closed_until:%H:%M} UTC: "
            f"failed {self.failures} times in a row ({self.reason})"
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """A source or signal (`kind`) that is enabled: how often it is asked, and where.

    `every` is the shortest pause after an answer, `retry` after a failure.
    """

    kind: str
    name: str
    every: timedelta
    retry: timedelta
    hosts: frozenset[str]


@dataclass(frozen=True, slots=True)
class Record:
    """What is stored of a source or signal.

    `asked_at` is when its newest run began; `outcome` and `items` are of the newest that ended.
    `last_ok` is when the newest began that was answered, `failures` those behind it, the first
    of them at `failing_since`. `per_day` has its papers by announcement, or its posts by day,
    of all days that were counted; `newest` is the newest day of which there is one.
    """

    asked_at: datetime | None = None
    outcome: str = ""
    items: int = 0
    last_ok: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None
    newest: date | None = None
    per_day: Mapping[date, int] | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """How a source or signal is; `note` says why in a line, or is "".

    On `day`, the last full one when it answered, it had `items` where `usual` are usual;
    None is not known. `closed` are those of its hosts that are left alone now.
    """

    kind: str
    name: str
    state: State
    note: str
    last_ok: datetime | None
    failures: int
    failing_since: datetime | None
    day: date | None
    items: int | None
    usual: int | None
    next_try: datetime | None
    closed: tuple[Host, ...]


def judge(asked: Asked, record: Record, closed: Sequence[Host]) -> Health:
    """Say how a source or signal is, of whose hosts `closed` are left alone now."""
    day, usual = measured_day(asked.kind, record)
    per_day = record.per_day or {}
    state, note = _state(record, closed, day, usual)
    return Health(
        kind=asked.kind,
        name=asked.name,
        state=state,
        note=note,
        last_ok=record.last_ok,
        failures=record.failures,
        failing_since=record.failing_since,
        day=day,
        items=None if day is None else per_day.get(day),
        usual=usual,
        next_try=_next_try(asked, record, closed if state is State.CLOSED else ()),
        closed=tuple(closed),
    )


def last_day(kind: str, answered: datetime, newest: date | None) -> date:
    """The last full day when the answer was given: the day before, in UTC.

    Of a source it is the day itself once there are papers of it: listings come whole.
    """
    over = answered.astimezone(UTC).date() - DAY
    if kind == "source" and newest is not None:
        return max(over, min(newest, over + DAY))
    return over


def same_weekdays(day: date) -> list[date]:
    """The days by which `day` is judged, the latest first."""
    return [day - WEEK * weeks for weeks in range(1, WEEKS + 1)]


def usual_on(per_day: Mapping[date, int], day: date) -> int | None:
    """How many items are usual on this weekday; None if too few weeks are known."""
    known = [per_day[before] for before in same_weekdays(day) if before in per_day]
    return median_low(known) if len(known) >= FEWEST_WEEKS else None


def measured_day(kind: str, record: Record) -> tuple[date | None, int | None]:
    """The day to judge by, and what is usual on it: the last one on which much is usual.

    Without any in the last week, the last full day.
    """
    if record.last_ok is None:
        return None, None
    per_day, last = record.per_day or {}, last_day(kind, record.last_ok, record.newest)
    days = [(last - DAY * ago, usual_on(per_day, last - DAY * ago)) for ago in range(7)]
    return next((one for one in days if (one[1] or 0) >= LEAST_USUAL), days[0])


def closed_for(failures: int) -> timedelta | None:
    """How long a host is left alone after so many failures in a row; None if it is not."""
    if failures < CLOSED_AFTER:
        return None
    doubled: timedelta = FIRST_PAUSE * 2 ** min(failures - CLOSED_AFTER, 10)
    return min(doubled, LONGEST_PAUSE)


def hosts_in(settings: Mapping[str, Any]) -> frozenset[str]:
    """The hosts an adapter asks: those of all addresses in its settings."""
    values = [
        one
        for value in settings.values()
        for one in (value if isinstance(value, (list, tuple)) else [value])
    ]
    addresses = [one for one in values if isinstance(one, str) and one.startswith("http")]
    return frozenset(host_of(one) for one in addresses if "://" in one)


def _state(
    record: Record, closed: Sequence[Host], day: date | None, usual: int | None
) -> tuple[State, str]:
    if not record.outcome:
        return State.NEVER, ""
    if not _is_answered(record):
        since = f" since {_moment(record.failing_since)}" if record.failing_since else ""
        note = f"failed {_times(record.failures)}{since}"
        return (State.CLOSED if closed else State.FAILING), note
    items = (record.per_day or {}).get(day, 0) if day else 0
    if day and usual and usual >= LEAST_USUAL and items < usual * LOW_BELOW:
        weekday = f"{usual:,} are usual on a {day:%A}"
        if record.newest is None or record.newest < day:
            newest = f"nothing newer than {_named(record.newest)}" if record.newest else "nothing"
            return State.STALE, f"{newest}; {weekday}"
        return State.LOW, f"{items:,} on {_named(day)}; {weekday}"
    return (State.OK if record.items else State.QUIET), ""


def _is_answered(record: Record) -> bool:
    """Whether the newest run was; one that stopped for a budget was if another was that day."""
    if record.outcome in ("ok", "quiet"):
        return True
    if record.outcome != "stopped" or record.last_ok is None or record.asked_at is None:
        return False
    return record.last_ok.date() == record.asked_at.date()


def _next_try(asked: Asked, record: Record, closed: Sequence[Host]) -> datetime | None:
    """When it is asked again, unless a digest needs it before; with `closed`, not before that."""
    if record.asked_at is None:
        return None
    told = _is_answered(record) or record.outcome == "stopped"
    moments = [record.asked_at + (asked.every if told else asked.retry)]
    if record.outcome == "stopped":
        moments.append(datetime.combine(record.asked_at.astimezone(UTC) + DAY, time(), UTC))
    if opens := [host.closed_until for host in closed if host.closed_until]:
        moments.append(min(opens))
    return max(moments) if asked.kind == "signal" else _worth_asking(record, max(moments))


def _worth_asking(record: Record, first: datetime) -> datetime | None:
    """When a source can have news, from `first` on, to the hour; it is not asked before."""
    asked_at = record.asked_at if _is_answered(record) else None
    looks = (first + HOUR * n for n in range(24 * 7))
    return next((at for at in looks if due.worth_asking(record.newest, asked_at, at)), None)


def _named(day: date) -> str:
    """For example "Thursday 19 November"."""
    return f"{day:%A} {day.day} {day:%B}"


def _moment(when: datetime) -> str:
    return f"{_named(when.astimezone(UTC).date())}, {when.astimezone(UTC):%H:%M} UTC"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times in a row"
