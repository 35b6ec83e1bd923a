"""The search page."""

from datetime import date
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import Engine

from tests.web.visitors import NO_LIMITS, Visitor
from tests.web.world import fill_with_owls
from trendbot.store import search
from trendbot.web import search_page
from trendbot.web.search_page import Typed


@pytest.fixture
def owls(engine: Engine, tmp_path: Path) -> Visitor:
    fill_with_owls(engine)
    return Visitor(engine, tmp_path, NO_LIMITS)


def read(visitor: Visitor, query: str, status: int = 200) -> BeautifulSoup:
    answer = visitor.get(f"/search{query}")
    assert answer.status_code == status
    return BeautifulSoup(answer.text, "html.parser")


def said(page: BeautifulSoup) -> str:
    return " ".join(page.get_text().split())


def typed(page: BeautifulSoup) -> dict[str, str]:
    """What stands in the form."""
    fields = {
        str(tag["name"]): str(tag.get("value", "")) for tag in page.select("main input[name]")
    }
    chosen = page.select("select[name=category] option[selected]")
    return fields | {"category": str(chosen[0]["value"]) if chosen else ""}


def test_the_form_stands_alone_at_first(owls: Visitor) -> None:
    page = read(owls, "")
    assert typed(page) == {"q": "", "category": "", "since": "", "until": ""}
    assert not page.select("main h2")
    assert page.select("meta[name=robots][content=noindex]")


def test_what_was_found_is_shown_with_what_was_searched_for(owls: Visitor) -> None:
    page = read(owls, "?q=moths")
    assert "6 papers" in said(page)
    first = page.select(".papers > li")[0]
    (link,) = first.select("h3 a")
    assert link.get_text() == "Counting Moths & Lamps in Linear Time (21)"
    assert [mark.get_text() for mark in link.select("mark")] == ["Moths"]
    assert link["href"] == "/papers/2611.00021"
    assert first.select("time[datetime='2026-11-20']")


def test_the_form_remembers_what_was_typed(owls: Visitor) -> None:
    query = "?q=%22owl+%26+%3Cb%3E%22&category=cs.LG&since=2026-11-01&until=2026-12-01"
    assert typed(read(owls, query)) == {
        "q": '"owl & <b>"',
        "category": "cs.LG",
        "since": "2026-11-01",
        "until": "2026-12-01",
    }


def test_results_come_in_pages_that_keep_the_query(owls: Visitor) -> None:
    first = read(owls, "?q=moreno&since=2026-11-01")
    assert "22 papers" in said(first)
    assert len(first.select(".papers > li")) == 20
    (following,) = first.select("nav.turn a")
    assert following["href"] == "/search?q=moreno&since=2026-11-01&page=2"
    second = read(owls, "?q=moreno&since=2026-11-01&page=2")
    assert len(second.select(".papers > li")) == 2
    (before,) = second.select("nav.turn a")
    assert before["href"] == "/search?q=moreno&since=2026-11-01"
    assert "There are not so many." in said(read(owls, "?q=moreno&page=3"))


def test_a_category_alone_or_days_alone_are_a_search(owls: Visitor) -> None:
    assert "5 papers" in said(read(owls, "?category=cs.LG"))
    assert "22 papers" in said(read(owls, "?since=2026-11-20"))
    assert "Nothing found" in said(read(owls, "?since=2026-11-21"))


def test_nothing_found_says_what_may_help(owls: Visitor) -> None:
    page = read(owls, "?q=platypus&category=cs.LG")
    assert "Nothing found" in said(page)
    assert "/search?q=platypus" in [tag["href"] for tag in page.select("main li a")]


@pytest.mark.parametrize(
    ("query", "field", "why"),
    [
        ("since=yesterday", "since", "Write a date such as 2026-11-20."),
        ("until=2026-02-30", "until", "Write a date such as 2026-11-20."),
        ("until=1763596800", "until", "Write a date such as 2026-11-20."),
        ("since=2026-11-20&until=2026-11-19", "until", "This is before the first day."),
        ("category=owls", "category", "arXiv has no category of this name."),
    ],
)
def test_what_cannot_be_is_said_beside_its_field(
    owls: Visitor, query: str, field: str, why: str
) -> None:
    page = read(owls, f"?q=owl&{query}", 422)
    (wrong,) = page.select(".wrong")
    assert wrong.get_text() == why
    (marked,) = page.select("[aria-invalid=true]")
    assert (marked["name"], marked["aria-describedby"]) == (field, wrong["id"])
    assert typed(page)["q"] == "owl"
    if field != "category":
        assert typed(page)[field] == dict(one.split("=") for one in query.split("&"))[field]
        assert marked["type"] == "text"  # what is no date cannot stand in a field for dates
    assert not page.select(".papers")


def test_how_many_there_are_is_not_said_where_nobody_counted(
    owls: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MOST", 21)
    assert "At least 21 papers" in said(read(owls, "?q=moreno"))


def test_long_queries_are_bounded(owls: Visitor) -> None:
    assert len(typed(read(owls, f"?q={'owl ' * 300}"))["q"]) <= search_page.LONGEST
    assert owls.get(f"/search?q={'o' * 5000}").status_code == 422


def test_the_query_is_what_was_meant() -> None:
    query, wrong = search_page.read(Typed("owls", "cs", "2026-11-01", ""))
    assert wrong == {}
    assert (query.category, query.since, query.until) == ("cs", date(2026, 11, 1), None)
    assert query.words
    assert not search_page.read(Typed("", "", "", ""))[0]
