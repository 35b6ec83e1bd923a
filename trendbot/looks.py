"""How fast a post grows, and when to look at it again; pure.

Looks cost requests, and on some networks money. They are for posts that are young, when
most of what happens to them happens, and for those that still grow.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from trendbot.model import Reading

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WEEK = timedelta(days=7)

# For so long after its announcement a paper is measured.
MEASURED_FOR = WEEK
# A post that no look found for so long may be gone: it is not shown, and does not count.
SEEN_FOR = DAY

# Up to which age a post that rises is looked at how often, and one that does not; a day beyond
# the week in which papers are measured, so that none lapses in it for want of a look.
# Daily means due after 17 hours: signals are asked every six, and looks take their time.
_DAILY = 17 * HOUR
_PAUSES = (
    (6 * HOUR, 2 * HOUR, 6 * HOUR),
    (DAY, 6 * HOUR, 12 * HOUR),
    (3 * DAY, 12 * HOUR, _DAILY),
    (WEEK + DAY, _DAILY, _DAILY),
)


def growth(posted_at: datetime, believed: Sequence[Reading]) -> float:
    """By how many retweets + favorites a day a post grows, rounded to a thousandth; not below 0.

    `believed` are its readings in the order of their moments. The last is held against the
    one taken closest to a day earlier, of those at least half a day earlier: looks that are
    minutes apart say nothing about a day. Where there is none, what the last one counts is
    spread over the age of the post, at least a day. Without readings it is 0.
    """
    if not believed:
        return 0.0
    last = believed[-1]
    earlier = [one for one in believed if last.taken_at - one.taken_at >= DAY / 2]
    if not earlier:
        return round(last.total / (max(last.taken_at - posted_at, DAY) / DAY), 3)
    base = min(earlier, key=lambda one: abs(last.taken_at - one.taken_at - DAY))
    days = (last.taken_at - base.taken_at) / DAY
    return round(max(last.total - base.total, 0) / days, 3)


def next_look(
    posted_at: datetime, taken_at: datetime, total: int, growth: float, doubted: bool = False
) -> datetime | None:
    """When a post read at `taken_at` is due for another look; None for never.

    A post rises if it gains at least one a day and a twentieth of its total. Rising ones are
    due after two hours in the first six, after six on the first day, after twelve until the
    third, then daily for as long as they rise; others less often, and from an age of eight
    days never. A reading that is doubted waits two hours for the next, which may confirm it.
    """
    if doubted:
        return taken_at + 2 * HOUR
    rises = growth >= 1 and growth * 20 >= total
    for age, while_rising, else_after in _PAUSES:
        if taken_at - posted_at < age:
            return taken_at + (while_rising if rises else else_after)
    return taken_at + _DAILY if rises else None
