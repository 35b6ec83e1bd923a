"""Months as calendars show them, with the digests of their days; pure."""

from calendar import Calendar
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from trendbot.model import Filed

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Cell:
    """A day of a month and its digest, if there is one."""

    date: date
    filed: Filed | None


@dataclass(frozen=True, slots=True)
class Month:
    """Its weeks from Monday on; None stands for days of other months."""

    first: date
    weeks: tuple[tuple[Cell | None, ...], ...]

    @property
    def name(self) -> str:
        """For example "November 2026"."""
        return f"{self.first:%B %Y}"


def months(filed: Iterable[Filed]) -> list[Month]:
    """The months that have a daily digest, newest first."""
    by_date = {one.date: one for one in filed}
    firsts = sorted({day.replace(day=1) for day in by_date}, reverse=True)
    return [_month(first, by_date) for first in firsts]


def _month(first: date, by_date: dict[date, Filed]) -> Month:
    weeks = Calendar().monthdatescalendar(first.year, first.month)
    return Month(first, tuple(tuple(_cell(day, first, by_date) for day in week) for week in weeks))


def _cell(day: date, first: date, by_date: dict[date, Filed]) -> Cell | None:
    return Cell(day, by_date.get(day)) if day.month == first.month else None
