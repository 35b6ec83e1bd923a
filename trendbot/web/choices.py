"""What the forms of readers offer: topics to tick, hours of the day, time zones."""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import groupby

from trendbot import categories, tastes
from trendbot.model import Cadence
from trendbot.web.fields import Finding

Area = tuple[str, tuple[tuple[str, str], ...]]  # ("Europe", (("Europe/Paris", "Paris"), …))

HOURS = tuple((str(hour), f"{hour:02}:00") for hour in range(24))


@dataclass(frozen=True, slots=True)
class Box:
    """A topic to tick."""

    topic: str
    label: str
    is_ticked: bool


@dataclass(frozen=True, slots=True)
class Shut:
    """Boxes behind a heading that opens them."""

    heading: str
    note: str
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Topics:
    """All topics to tick in the field `name`, each of them in one place only.

    First what was searched for, then what is chosen besides, then all others by archive;
    last the archives that are one category alone.
    """

    name: str
    finding: Finding
    found: tuple[Box, ...]
    chosen: tuple[Box, ...]
    others: tuple[Shut, ...]


def topics(name: str, chosen: Iterable[str], finding: Finding, of: Iterable[str] = ()) -> Topics:
    """All topics, with what is chosen and what is searched for before the others.

    Where there are topics `of` which to choose, the others are those of their archives.
    """
    ticked = frozenset(topic for topic in chosen if categories.is_topic(topic))
    found = categories.matching(finding.text)
    shown, archives = ticked.union(found), {topic.split(".")[0] for topic in of}
    return Topics(
        name,
        finding,
        tuple(_box(topic, topic in ticked) for topic in found),
        tuple(_box(topic, True) for topic in sorted(ticked.difference(found))),
        tuple(shut for shut in _by_archive(shown, archives) if shut.boxes),
    )


def _by_archive(shown: frozenset[str], archives: Container[str]) -> Iterator[Shut]:
    """The topics of `archives`, or of all, that are not `shown` elsewhere."""
    alone: list[Box] = []
    for group in categories.groups():
        if archives and group.archive not in archives:
            continue
        topics = dict.fromkeys((group.archive, *group.categories))
        boxes = tuple(_box(topic) for topic in topics if topic not in shown)
        if len(topics) == 1:
            alone.extend(boxes)
        else:
            yield Shut(group.name, group.archive, boxes)
    yield Shut("Gravity, particles, nuclei, quanta", "archives of one topic each", tuple(alone))


def _box(topic: str, is_ticked: bool = False) -> Box:
    name = categories.name_of(topic)
    is_whole = topic not in categories.CATEGORIES
    return Box(topic, f"All of {name}" if is_whole else name, is_ticked)


@dataclass(frozen=True, slots=True)
class Offer:
    """What else there is to choose; `own_zone` is the site's."""

    own_zone: str
    zones: tuple[Area, ...]
    hours: tuple[tuple[str, str], ...] = HOURS
    cadences: tuple[Cadence, ...] = tuple(Cadence)


def offer(own_zone: str, chosen_zone: str) -> Offer:
    """What a form offers on which `chosen_zone` is chosen."""
    return Offer(own_zone, zones(chosen_zone))


def zones(chosen: str) -> tuple[Area, ...]:
    """The time zones to choose from, by area; also the one `chosen`, if it is one at all."""
    is_listed = any(chosen == name for _, inside in _listed() for name, _ in inside)
    other = ["UTC"] if is_listed or chosen not in tastes.zones() else sorted({"UTC", chosen})
    return (*_listed(), ("Other", tuple((name, name) for name in other)))


@cache
def _listed() -> tuple[Area, ...]:
    """The zones of tz's zone.tab, which names each place once and leaves out old spellings."""
    table = resources.files("tzdata").joinpath("zoneinfo", "zone.tab").read_text("utf-8")
    names = {line.split("\t")[2] for line in table.splitlines() if not line.startswith("#")}
    known = sorted(names.intersection(tastes.zones()))
    areas = groupby(known, key=lambda name: name.partition("/")[0])
    return tuple((area, tuple((name, _place(name)) for name in inside)) for area, inside in areas)


def _place(zone: str) -> str:
    """What a zone is called within its area: "Argentina, Buenos Aires"."""
    return zone.partition("/")[2].replace("/", ", ").replace("_", " ")
