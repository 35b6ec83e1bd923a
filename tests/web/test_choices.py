"""What forms offer: every topic in one place, every zone people live in."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trendbot.categories import ARCHIVES, CATEGORIES
from trendbot.web import choices
from trendbot.web.fields import Finding

ALL = {*ARCHIVES, *CATEGORIES}
WORDS = ("", "learn", "quantum", "cs", "math", "physics gen", "none such")


def boxes(topics: choices.Topics) -> list[choices.Box]:
    others = [box for shut in topics.others for box in shut.boxes]
    return [*topics.found, *topics.chosen, *others]


@given(st.sets(st.sampled_from(sorted(ALL)), max_size=50), st.sampled_from(WORDS))
def test_every_topic_has_one_box_and_the_chosen_are_ticked(chosen: set[str], text: str) -> None:
    topics = choices.topics("topics", chosen, Finding(text))
    assert sorted(box.topic for box in boxes(topics)) == sorted(ALL)
    assert {box.topic for box in boxes(topics) if box.is_ticked} == chosen
    assert all(shut.boxes for shut in topics.others)


def test_what_is_no_topic_has_no_box() -> None:
    topics = choices.topics("topics", ["<script>", "cs.XX"], Finding())
    assert topics.chosen == ()


def test_fewer_of_what_one_gets_is_offered_first() -> None:
    topics = choices.topics("fewer", ["math.PR"], Finding("vision"), of=("cs.LG", "quant-ph"))
    assert [box.topic for box in topics.found] == ["cs.CV"]
    assert [box.topic for box in topics.chosen] == ["math.PR"]
    assert [shut.note for shut in topics.others] == ["cs", "archives of one topic each"]
    assert [box.topic for box in topics.others[1].boxes] == ["quant-ph"]


def test_archives_are_told_from_categories() -> None:
    labels = {box.topic: box.label for box in boxes(choices.topics("topics", (), Finding()))}
    assert labels["cs"] == "All of Computer Science"
    assert labels["cs.LG"] == "Machine Learning"
    assert labels["quant-ph"] == "Quantum Physics"


def test_zones_are_places_each_once() -> None:
    names = [name for _, inside in choices.zones("") for name, _ in inside]
    assert len(names) == len(set(names))
    assert {"Europe/Berlin", "America/Argentina/Buenos_Aires", "Asia/Kolkata", "UTC"} <= set(names)
    assert not {"Asia/Calcutta", "US/Eastern", "EST", "GMT+0"} & set(names)
    for name in names:
        ZoneInfo(name)
    assert dict(dict(choices.zones(""))["America"])["America/Argentina/Buenos_Aires"] == (
        "Argentina, Buenos Aires"
    )


@pytest.mark.parametrize(("zone", "is_offered"), [("Asia/Calcutta", True), ("Mars/Base", False)])
def test_zone_once_chosen_stays_on_offer(zone: str, is_offered: bool) -> None:
    other = dict(choices.zones(zone))["Other"]
    assert ((zone, zone) in other) is is_offered
