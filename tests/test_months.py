"""Calendars of digests."""

from datetime import UTC, date, datetime

from trendbot.model import Cadence, Filed
from trendbot.months import months


def filed(day: date) -> Filed:
    return Filed(Cadence.DAILY, day, day, day, datetime(2026, 11, 21, tzinfo=UTC), 20)


def test_the_months_that_have_a_digest_come_newest_first() -> None:
    found = months(map(filed, [date(2026, 9, 30), date(2026, 11, 20), date(2026, 11, 1)]))
    assert [month.name for month in found] == ["November 2026", "September 2026"]


def test_each_day_of_a_month_is_in_its_place_once() -> None:
    (november,) = months([filed(date(2026, 11, 20))])
    assert [len(week) for week in november.weeks] == [7] * 6
    days = [cell.date for week in november.weeks for cell in week if cell]
    assert days == [date(2026, 11, number) for number in range(1, 31)]
    first = november.weeks[0]
    assert [cell and cell.date.day for cell in first] == [None] * 6 + [1]  # a Sunday


def test_only_days_with_a_digest_have_one() -> None:
    (november,) = months([filed(date(2026, 11, 20))])
    found = {cell.date: cell.filed for week in november.weeks for cell in week if cell}
    assert found.pop(date(2026, 11, 20)) == filed(date(2026, 11, 20))
    assert set(found.values()) == {None}


def test_no_digest_is_no_month() -> None:
    assert months([]) == []
