"""How the fields of a form are read."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import FormData

from trendbot import tastes
from trendbot.errors import TasteError
from trendbot.model import Cadence, Status, Subscriber
from trendbot.web.fields import Fields, Finding, Wishes

ADA = Subscriber(
    1,
    "ada@example.org",
    Status.ACTIVE,
    Cadence.WEEKLY,
    ("cs.LG", "math"),
    datetime(2026, 11, 1, tzinfo=UTC),
    hour=0,
    timezone="Asia/Kolkata",
    paused_until=date(2026, 12, 24),
    fewer=("cs.CV",),
)


def fields(*pairs: tuple[str, str]) -> Fields:
    return Fields(FormData(list(pairs)))


def test_last_value_counts_and_several_are_each_once() -> None:
    sent = fields(("email", "a"), ("email", " b "), ("topics", "cs.LG, math"), ("topics", "math"))
    assert sent.one("email") == "b"
    assert sent.many("topics") == ("cs.LG", "math")
    assert (sent.one("hour"), sent.many("fewer")) == ("", ())


@pytest.mark.parametrize(
    ("find", "found", "button", "is_on"),
    [
        ("learn", "", "", True),
        ("learn", "learn", "", False),
        ("learn", "learn", "topics", True),
        ("learn", "learn", "fewer", False),
        ("", "learn", "", True),
        ("", "", "", False),
        ("", "", "topics", True),
        (" learn ", "learn", "", False),
    ],
)
def test_new_text_or_the_button_is_a_search(
    find: str, found: str, button: str, is_on: bool
) -> None:
    sent = fields(("find_topics", find), ("found_topics", found), ("search", button))
    assert Finding.read(sent, "topics") == Finding(find.strip(), is_on)


def test_long_search_is_cut_and_ends() -> None:
    first = Finding.read(fields(("find_topics", "a" * 1000)), "topics")
    again = fields(("find_topics", first.text), ("found_topics", first.text))
    assert not Finding.read(again, "topics").is_on


def test_what_a_form_shows_is_what_it_sends() -> None:
    wishes = Wishes.of(ADA, date(2026, 11, 21))
    assert wishes.taste() == tastes.of(ADA)
    assert wishes.pause() == ADA.paused_until
    assert Wishes.of(ADA, date(2026, 12, 24)).pause() is None
    assert Wishes.of(replace(ADA, hour=None, paused_until=None), date.min).hour == ""


def test_resuming_goes_before_the_day() -> None:
    sent = fields(("paused_until", "2026-12-24"), ("resume", "yes"))
    assert Wishes.read(sent).pause() is None


@given(st.text(max_size=30))
def test_day_is_read_or_refused(text: str) -> None:
    wishes = Wishes(paused_until=text)
    with suppress(TasteError):
        assert (wishes.pause() is None) == (text == "")


@pytest.mark.parametrize("text", ["24.12.2026", "2026-02-30", "-1", "2026-12-24T00:00"])
def test_what_is_no_day_is_refused_for_its_field(text: str) -> None:
    with pytest.raises(TasteError, match="2026-12-24") as refused:
        Wishes(paused_until=text).pause()
    assert refused.value.field == "paused_until"
