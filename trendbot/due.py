"""When listings, digests and deliveries are due: pure, and right across daylight-saving changes.

The digest of a day is due the day after, at `digest_at` in the schedule's time zone; a
delivery of it at its reader's hour, in the reader's. An hour that a clock change skips
counts as the hour after it; one it repeats, as the first.
"""

from calendar import monthrange
from collections.abc import Set
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from trendbot.model import Cadence

# A digest is mailed up to a day after it was due; what is made later is for the archive.
MAILED_WITHIN = timedelta(days=1)
# How far back a daemon that was down makes up for digests.
MOST_MISSED = timedelta(days=30)
SUNDAY = 6
# Papers are announced on the evenings before weekdays, a little after
# (https://info.arxiv.org/help/availability.html); listings carry the next day's date.
EASTERN = ZoneInfo("America/New_York")
ANNOUNCED_AT = time(20)
LISTED_AFTER = timedelta(minutes=30)
# A listing that is late, or that a holiday keeps back, is looked for again after this long.
LATE_LISTING = timedelta(hours=12)
SATURDAY = 5


def listed_at(day: date) -> datetime:
    """The moment (UTC) from which the listing of `day` is there, unless it is a holiday."""
    evening = datetime.combine(day - timedelta(days=1), ANNOUNCED_AT, EASTERN)
    return evening.astimezone(UTC) + LISTED_AFTER


def listed(now: datetime) -> date:
    """The day of the newest listing there is at a moment, holidays aside."""
    day = now.astimezone(EASTERN).date() + timedelta(days=1)
    while day.weekday() >= SATURDAY or listed_at(day) > now:
        day -= timedelta(days=1)
    return day


def worth_asking(newest: date | None, asked_at: datetime | None, now: datetime) -> bool:
    """Whether a source can have papers newer than those of `newest`, the last day it has told.

    `asked_at` is when it was asked last, if it answered; None if not. A listing that was not
    there when it should have been is looked for again after twelve hours: it may be late, or
    there is none that day.
    """
    day = listed(now)
    if newest is not None and newest >= day:
        return False
    if asked_at is None or asked_at < listed_at(day):
        return True
    return now - asked_at >= LATE_LISTING


def due_at(day: date, digest_at: time, zone: ZoneInfo) -> datetime:
    """The moment (UTC) from which the digest of `day` is due."""
    return datetime.combine(day + timedelta(days=1), digest_at, zone).astimezone(UTC)


def closes(cadence: Cadence, day: date) -> bool:
    """Whether there is a digest for `day`: weekly on Sundays, monthly on the last of a month."""
    if cadence is Cadence.WEEKLY:
        return day.weekday() == SUNDAY
    if cadence is Cadence.MONTHLY:
        return day.day == monthrange(day.year, day.month)[1]
    return True


def missing(
    cadence: Cadence, settled: Set[date], now: datetime, digest_at: time, zone: ZoneInfo
) -> list[date]:
    """The days whose digests are due and not settled yet, oldest first.

    `settled` are the days whose digest is made or was nothing to make. Only days after the
    first of them count; without any, at the very first start, only the newest day, and only
    while its digest is news.
    """
    today = now.astimezone(zone).date()
    first = today - MOST_MISSED
    days = [
        day
        for day in (first + timedelta(days=n) for n in range(MOST_MISSED.days + 1))
        if closes(cadence, day) and due_at(day, digest_at, zone) <= now
    ]
    known = settled & set(days)  # what was made by hand before its time is no beginning
    if not known:
        return [day for day in days[-1:] if mailed(day, now, digest_at, zone)]
    return [day for day in days if day > min(known) and day not in settled]


def news(cadence: Cadence, now: datetime, digest_at: time, zone: ZoneInfo) -> list[date]:
    """The days whose digests are to be mailed now: due, and not for longer than a day."""
    today = now.astimezone(zone).date()
    days = (today - timedelta(days=ago) for ago in range(3, -1, -1))
    return [day for day in days if closes(cadence, day) and mailed(day, now, digest_at, zone)]


def mailed(day: date, now: datetime, digest_at: time, zone: ZoneInfo) -> bool:
    """Whether now is the time to mail the digest of `day`: due, and still news."""
    return timedelta(0) <= now - due_at(day, digest_at, zone) <= MAILED_WITHIN


def at_hour(now: datetime, hour: int, zone: ZoneInfo) -> datetime:
    """The first moment (UTC) from `now` on at which a clock in `zone` shows hour:00 to hour:59.

    That is `now` itself if the clock shows that hour, or the one that stands for it today.
    """
    here = now.astimezone(zone)
    days = (here.date() + timedelta(days=n) for n in (-1, 0, 1))
    struck = [_strikes(day, hour, zone) for day in days]
    if any(_same_hour(here, moment.astimezone(zone)) for moment in struck):
        return now
    return min(moment for moment in struck if moment > now)


def zone_of(name: str, site: ZoneInfo) -> ZoneInfo:
    """The time zone a reader named; the site's if there is none, or none here has that name."""
    if not name:
        return site
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return site


def _strikes(day: date, hour: int, zone: ZoneInfo) -> datetime:
    """The first moment (UTC) at which a clock in `zone` has reached `hour` on `day`."""
    wanted = datetime.combine(day, time(hour), zone)
    moment = min(wanted.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    while moment.astimezone(zone) < wanted:  # the clock skips this hour, and does so soon
        moment += timedelta(minutes=1)
    return moment


def _same_hour(one: datetime, other: datetime) -> bool:
    return (one.date(), one.hour) == (other.date(), other.hour)
