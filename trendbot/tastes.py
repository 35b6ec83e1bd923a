"""What a subscriber wants, read from what forms, the API and the command line were given."""

from collections.abc import Iterable
from functools import cache
from zoneinfo import available_timezones

from trendbot.categories import ARCHIVES, CATEGORIES
from trendbot.errors import TasteError
from trendbot.model import Cadence, Subscriber, Taste

MOST_TOPICS = 50
_SHOWN = 40  # characters of what somebody wrote, in what we answer

_TOPICS = {topic.casefold(): topic for topic in (*ARCHIVES, *CATEGORIES)}
_HOURS = {form.format(hour): hour for hour in range(24) for form in ("{}", "{:02}")}


def read(
    cadence: str,
    topics: str | Iterable[str],
    hour: str,
    timezone: str,
    fewer: str | Iterable[str] = (),
) -> Taste:
    """Read a taste as people write it; where nothing is written, as most want it.

    `topics` and `fewer` are arXiv categories or archives, one or several a text, between
    commas or spaces; `hour` is 0 to 23 or nothing. Raises TasteError naming the field.
    """
    return Taste(
        _cadence(cadence),
        topics_of(topics, "topics"),
        topics_of(fewer, "fewer"),
        _hour(hour),
        _timezone(timezone),
    )


def of(subscriber: Subscriber) -> Taste:
    """The taste of a subscriber."""
    return Taste(
        subscriber.cadence,
        subscriber.topics,
        subscriber.fewer,
        subscriber.hour,
        subscriber.timezone,
    )


def topics_of(texts: str | Iterable[str], field: str = "topics") -> tuple[str, ...]:
    """Read "cs.LG,cs.CL", or several such texts, as sorted topics. Raises TasteError."""
    joined = texts if isinstance(texts, str) else " ".join(texts)
    found = set()
    for written in joined.replace(",", " ").split():
        topic = _TOPICS.get(written.casefold())
        if topic is None:
            raise TasteError(
                f"{field}: {_shown(written)} is no topic; write arXiv categories or archives, "
                "such as cs.LG,math",
                field,
            )
        found.add(topic)
    if len(found) > MOST_TOPICS:
        raise TasteError(f"{field}: choose at most {MOST_TOPICS}, or whole archives", field)
    return tuple(sorted(found))


@cache
def zones() -> tuple[str, ...]:
    """The names of all time zones, sorted; read once, since they lie in some 600 files."""
    return tuple(sorted(available_timezones()))


def _cadence(text: str) -> Cadence:
    try:
        return Cadence(text.strip() or Cadence.DAILY)
    except ValueError:
        raise TasteError(
            f"cadence {_shown(text)} is none of {', '.join(Cadence)}", "cadence"
        ) from None


def _hour(text: str) -> int | None:
    if not text.strip():
        return None
    hour = _HOURS.get(text.strip())
    if hour is None:
        raise TasteError(f"hour {_shown(text)} is no hour of the day; write 0 to 23", "hour")
    return hour


def _timezone(text: str) -> str:
    name = text.strip()
    if name and name not in zones():
        raise TasteError(
            f"timezone {_shown(text)} is unknown; write a name such as Europe/Berlin", "timezone"
        )
    return name


def _shown(text: str) -> str:
    return repr(text[:_SHOWN])
