"""When digests are due, across clock changes and downtime."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trendbot.due import (
    at_hour,
    closes,
    due_at,
    listed,
    listed_at,
    mailed,
    missing,
    worth_asking,
    zone_of,
)
from trendbot.model import Cadence

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
HALF_PAST_SIX = time(6, 30)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "digest_at", "zone", "moment"),
    [
        (date(2026, 11, 19), HALF_PAST_SIX, BERLIN, "2026-11-20T05:30"),
        (date(2026, 7, 19), HALF_PAST_SIX, BERLIN, "2026-07-20T04:30"),
        (date(2026, 3, 28), time(2, 30), BERLIN, "2026-03-29T01:30"),  # 02:30 is skipped
        (date(2026, 10, 24), time(2, 30), BERLIN, "2026-10-25T00:30"),  # 02:30 comes twice
        (date(2026, 3, 7), time(2, 30), NEW_YORK, "2026-03-08T07:30"),
    ],
)
def test_due_at(day: date, digest_at: time, zone: ZoneInfo, moment: str) -> None:
    assert due_at(day, digest_at, zone) == utc(moment)


@given(
    st.dates(date(2000, 1, 1), date(2040, 1, 1)), st.times(), st.sampled_from([BERLIN, NEW_YORK])
)
def test_each_day_is_due_once_and_in_order(day: date, digest_at: time, zone: ZoneInfo) -> None:
    today, tomorrow = (due_at(day + timedelta(days=n), digest_at, zone) for n in (0, 1))
    assert timedelta(hours=22) <= tomorrow - today <= timedelta(hours=26)


@given(
    st.integers(0, 38 * 365 * 24 * 60).map(
        lambda minutes: datetime(2001, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    ),
    st.times(),
    st.sampled_from([BERLIN, NEW_YORK]),
    st.sampled_from(list(Cadence)),
)
def test_minute_by_minute_every_digest_is_made_once(
    start: datetime, digest_at: time, zone: ZoneInfo, cadence: Cadence
) -> None:
    settled: set[date] = set()
    made: list[date] = []
    for hours in range(0, 24 * 40, 7):
        now = start + timedelta(hours=hours)
        for day in missing(cadence, settled, now, digest_at, zone):
            assert due_at(day, digest_at, zone) <= now
            made.append(day)
            settled.add(day)
    assert made == sorted(set(made))
    if not made:
        assert cadence is not Cadence.DAILY
        return
    first, last = made[0], made[-1]
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    assert made == [day for day in days if closes(cadence, day)]


def test_nothing_is_missing_before_the_hour() -> None:
    settled = {date(2026, 11, 18)}
    before, after = utc("2026-11-20T05:29"), utc("2026-11-20T05:30")
    assert missing(Cadence.DAILY, settled, before, HALF_PAST_SIX, BERLIN) == []
    assert missing(Cadence.DAILY, settled, after, HALF_PAST_SIX, BERLIN) == [date(2026, 11, 19)]


def test_first_start_makes_only_the_newest_while_it_is_news() -> None:
    now = utc("2026-11-20T09:00")
    assert missing(Cadence.DAILY, set(), now, HALF_PAST_SIX, BERLIN) == [date(2026, 11, 19)]
    assert missing(Cadence.WEEKLY, set(), now, HALF_PAST_SIX, BERLIN) == []
    monday = utc("2026-11-23T09:00")
    assert missing(Cadence.WEEKLY, set(), monday, HALF_PAST_SIX, BERLIN) == [date(2026, 11, 22)]
    assert missing(Cadence.MONTHLY, set(), monday, HALF_PAST_SIX, BERLIN) == []


def test_downtime_leaves_days_for_the_archive() -> None:
    now = utc("2026-11-20T09:00")
    days = missing(Cadence.DAILY, {date(2026, 11, 16)}, now, HALF_PAST_SIX, BERLIN)
    assert days == [date(2026, 11, 17), date(2026, 11, 18), date(2026, 11, 19)]
    assert [mailed(day, now, HALF_PAST_SIX, BERLIN) for day in days] == [False, False, True]


def test_a_day_made_early_by_hand_does_not_hide_the_day_before() -> None:
    now = utc("2026-11-20T09:00")
    settled = {date(2026, 11, 18), date(2026, 11, 20)}
    assert missing(Cadence.DAILY, settled, now, HALF_PAST_SIX, BERLIN) == [date(2026, 11, 19)]
    assert not mailed(date(2026, 11, 20), now, HALF_PAST_SIX, BERLIN)


def test_a_day_made_by_hand_before_its_time_is_no_beginning() -> None:
    now = utc("2026-11-20T09:00")
    settled = {date(2026, 11, 20)}
    assert missing(Cadence.DAILY, settled, now, HALF_PAST_SIX, BERLIN) == [date(2026, 11, 19)]


ZONES = [
    *("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Nuuk", "Asia/Kolkata"),
    *("Antarctica/Troll", "America/Havana", "America/Santiago", "Pacific/Chatham", "UTC"),
    *("Africa/Casablanca", "Asia/Beirut", "Pacific/Kiritimati", "America/St_Johns"),
]


@pytest.mark.parametrize(
    ("now", "hour", "zone", "moment"),
    [
        ("2026-11-21T06:30", 7, "Europe/Berlin", "2026-11-21T06:30"),  # it shows 07:30 now
        ("2026-11-21T06:30", 8, "Europe/Berlin", "2026-11-21T07:00"),
        ("2026-11-21T06:30", 6, "Europe/Berlin", "2026-11-22T05:00"),
        ("2026-11-21T06:30", 0, "Asia/Kolkata", "2026-11-21T18:30"),
        ("2026-03-28T22:00", 2, "Europe/Berlin", "2026-03-29T01:00"),  # 02 is skipped: at 03:00
        ("2026-03-29T01:30", 2, "Europe/Berlin", "2026-03-29T01:30"),  # 03:30 stands for it
        ("2026-03-29T02:00", 2, "Europe/Berlin", "2026-03-30T00:00"),
        ("2026-10-24T22:00", 2, "Europe/Berlin", "2026-10-25T00:00"),  # 02 comes twice
        ("2026-10-25T01:30", 2, "Europe/Berlin", "2026-10-25T01:30"),  # it shows 02:30 again
        ("2026-10-25T00:30", 3, "Europe/Berlin", "2026-10-25T02:00"),
        ("2026-03-28T20:00", 23, "America/Nuuk", "2026-03-29T01:00"),  # 23 is skipped: at 00:00
        ("2026-03-29T01:30", 23, "America/Nuuk", "2026-03-29T01:30"),
        ("2026-03-29T00:00", 2, "Antarctica/Troll", "2026-03-29T01:00"),  # from 01 to 03
        ("2026-10-03T12:00", 2, "Australia/Lord_Howe", "2026-10-03T15:30"),  # from 02:00 to 02:30
    ],
)
def test_at_hour(now: str, hour: int, zone: str, moment: str) -> None:
    assert at_hour(utc(now), hour, ZoneInfo(zone)) == utc(moment)


@given(
    st.integers(0, 3 * 365 * 24 * 60).map(
        lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    ),
    st.integers(0, 23),
    st.sampled_from(ZONES),
)
@example(utc("2026-03-29T00:59"), 2, "Europe/Berlin")
@example(utc("2026-03-29T01:59"), 2, "Europe/Berlin")
@example(utc("2026-03-29T00:10"), 23, "America/Nuuk")
def test_at_hour_is_the_first_minute_a_clock_on_the_wall_shows_it(
    now: datetime, hour: int, name: str
) -> None:
    zone = ZoneInfo(name)
    minute = now - timedelta(hours=2)
    stands = False  # whether the hour shown stands for the one that was skipped
    while True:
        before, shown = (
            (minute - timedelta(minutes=n)).astimezone(zone).replace(tzinfo=None) for n in (1, 0)
        )
        if shown.hour != before.hour:
            skipped = range(1, int((shown - before) / timedelta(minutes=1)))
            stands = hour in {(before + timedelta(minutes=n)).hour for n in skipped}
        if minute >= now and (shown.hour == hour or stands):
            break
        minute += timedelta(minutes=1)
    assert at_hour(now, hour, zone) == minute


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("Asia/Tokyo", ZoneInfo("Asia/Tokyo")),
        ("", BERLIN),
        ("Mars/Olympus", BERLIN),
        ("../../etc/passwd", BERLIN),
        ("Europe", BERLIN),
        ("a\0b", BERLIN),
    ],
)
def test_a_time_zone_nobody_knows_is_that_of_the_site(name: str, zone: ZoneInfo) -> None:
    assert zone_of(name, BERLIN) == zone


@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2026-11-20T01:29", date(2026, 11, 19)),  # 20:29 in New York, in winter
        ("2026-11-20T01:30", date(2026, 11, 20)),
        ("2026-07-17T00:30", date(2026, 7, 17)),  # in summer
        ("2026-11-21T23:00", date(2026, 11, 20)),  # nothing on Friday and Saturday evening
        ("2026-11-23T01:30", date(2026, 11, 23)),  # on Sunday evening, for Monday
    ],
)
def test_listings_come_on_the_evening_before_a_weekday(now: str, day: date) -> None:
    assert listed(utc(now)) == day


@given(st.integers(0, 20 * 365 * 24 * 60))
def test_the_newest_listing_is_there_and_the_next_is_not(minutes: int) -> None:
    now = utc("2020-01-01T00:00") + timedelta(minutes=minutes)
    day = listed(now)
    assert day.weekday() < 5
    assert listed_at(day) <= now
    following = day + timedelta(days=3 if day.weekday() == 4 else 1)
    assert listed_at(following) > now


def test_a_source_is_asked_once_for_each_listing() -> None:
    thursday, friday = date(2026, 11, 19), date(2026, 11, 20)
    assert worth_asking(None, None, utc("2026-11-20T10:00"))
    assert worth_asking(thursday, utc("2026-11-19T02:00"), utc("2026-11-20T01:30"))
    assert not worth_asking(friday, utc("2026-11-20T01:30"), utc("2026-11-20T23:00"))
    assert not worth_asking(friday, None, utc("2026-11-22T23:00"))  # until Sunday evening
    assert worth_asking(friday, utc("2026-11-20T01:30"), utc("2026-11-23T01:30"))


def test_a_listing_that_is_late_is_looked_for_once_more() -> None:
    """Thanksgiving: twice that day, and again for the next."""
    wednesday, now = date(2026, 11, 25), utc("2026-11-26T01:30")
    asked_at, asked = utc("2026-11-25T01:30"), []
    while now < utc("2026-11-27T02:00"):
        if worth_asking(wednesday, asked_at, now):
            asked.append(f"{now:%dT%H:%M}")
            asked_at = now
        now += timedelta(minutes=30)
    assert asked == ["26T01:30", "26T13:30", "27T01:30"]
