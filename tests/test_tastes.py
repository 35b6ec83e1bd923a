"""Tastes: what people write is read as it is meant, or refused with the field it stands in."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trendbot import tastes
from trendbot.categories import ARCHIVES, CATEGORIES, is_topic
from trendbot.errors import TasteError
from trendbot.model import Cadence, Status, Subscriber, Taste

TOPICS = st.sampled_from(sorted({*ARCHIVES, *CATEGORIES}))


def test_nothing_written_is_what_most_want() -> None:
    assert tastes.read("", "", "", "") == Taste(Cadence.DAILY, (), (), None, "")


def test_a_taste_is_read_from_a_form() -> None:
    written = ("weekly", ["stat.ML, cs.LG", "math", "cs.LG"], "07", "Europe/Berlin", ["cs.CV"])
    assert tastes.read(*written) == Taste(
        Cadence.WEEKLY, ("cs.LG", "math", "stat.ML"), ("cs.CV",), 7, "Europe/Berlin"
    )


@pytest.mark.parametrize(("written", "hour"), [("0", 0), ("00", 0), (" 9 ", 9), ("23", 23)])
def test_hours_are_those_of_a_day(written: str, hour: int) -> None:
    assert tastes.read("", "", written, "").hour == hour


@pytest.mark.parametrize(
    ("field", "written", "says"),
    [
        ("cadence", "hourly", "daily, weekly, monthly"),
        ("topics", "cs.LG,cs.XX", "'cs.XX' is no topic.*cs.LG,math"),
        ("topics", ["cs.LG", "<b>"], "'<b>' is no topic"),
        ("fewer", "biology", "'biology' is no topic"),
        ("topics", " ".join(list(CATEGORIES)[:51]), "at most 50"),
        ("hour", "24", "0 to 23"),
        ("hour", "-1", "0 to 23"),
        ("hour", "٧", "0 to 23"),
        ("hour", "7:30", "0 to 23"),
        ("timezone", "Mars/Olympus", "Europe/Berlin"),
        ("timezone", "../../etc/passwd", "unknown"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_field(
    field: str, written: str | list[str], says: str
) -> None:
    given = {"cadence": "", "topics": "", "hour": "", "timezone": "", "fewer": ""}
    with pytest.raises(TasteError, match=says) as caught:
        tastes.read(**{**given, field: written})  # type: ignore[arg-type]
    assert caught.value.field == field
    assert len(str(caught.value)) < 200


@given(st.lists(TOPICS, max_size=50), st.sampled_from([",", " ", ", ", "\n"]), st.booleans())
def test_topics_are_read_however_they_are_joined(
    topics: list[str], between: str, loud: bool
) -> None:
    joined = between.join(topics)
    found = tastes.topics_of(joined.upper() if loud else joined)
    assert found == tastes.topics_of(topics) == tuple(sorted(set(topics)))


_anything = st.text(max_size=80) | st.text(st.sampled_from("0123456789:+- dailyUTC/."))


@given(_anything, st.lists(_anything), _anything, _anything, _anything)
def test_any_text_is_a_taste_or_a_taste_error(
    cadence: str, topics: list[str], hour: str, timezone: str, fewer: str
) -> None:
    try:
        taste = tastes.read(cadence, topics, hour, timezone, fewer)
    except TasteError:
        return
    assert all(is_topic(topic) for topic in taste.topics + taste.fewer)
    assert taste.hour is None or 0 <= taste.hour <= 23
    assert taste.timezone in ("", *tastes.zones())


def test_every_zone_offered_can_be_used_and_kept() -> None:
    assert {"Europe/Berlin", "Asia/Kolkata", "UTC"} <= set(tastes.zones())
    assert list(tastes.zones()) == sorted(tastes.zones())
    for name in tastes.zones():
        assert tastes.read("", "", "", name).timezone == ZoneInfo(name).key
        assert len(name) <= 64


def test_a_subscriber_has_a_taste() -> None:
    taste = Taste(Cadence.MONTHLY, ("math",), ("cs",), 23, "UTC")
    made = datetime(2026, 11, 20, tzinfo=UTC)
    who = Subscriber(
        1,
        "ada@example.org",
        Status.ACTIVE,
        taste.cadence,
        taste.topics,
        made,
        hour=taste.hour,
        timezone=taste.timezone,
        fewer=taste.fewer,
    )
    assert tastes.of(who) == taste
