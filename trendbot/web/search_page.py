"""The search page: what was typed, what was found, and what to try where nothing was."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from trendbot import categories, pagewords, search_words, text
from trendbot.store import search
from trendbot.store.search import Found
from trendbot.web.views import AppDep, page

PER_PAGE = 20
LAST_PAGE = search.MOST // PER_PAGE
LONGEST = search_words.LONGEST_QUERY

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Typed:
    """What stands in the form, as it was typed."""

    q: str
    category: str
    since: str
    until: str

    def address(self, number: int) -> str:
        """The query of a page of the results."""
        fields = {"q": self.q, "category": self.category, "since": self.since, "until": self.until}
        asked = {name: value for name, value in fields.items() if value}
        return "?" + urlencode(asked | ({"page": str(number)} if number > 1 else {}))


@router.get("/search")
def results(
    app: AppDep,
    q: Annotated[str, Query(max_length=2_000)] = "",
    category: Annotated[str, Query(max_length=40)] = "",
    since: Annotated[str, Query(max_length=40)] = "",
    until: Annotated[str, Query(max_length=40)] = "",
    number: Annotated[int, Query(alias="page", ge=1, le=LAST_PAGE)] = 1,
) -> HTMLResponse:
    """The form with what was typed, and the papers found, the best first."""
    typed = Typed(text.clean(q)[:LONGEST], category, since.strip(), until.strip())
    query, wrong = read(typed)
    found = Found([], 0, capped=False)
    if query and not wrong:
        with app.engine.connect() as conn:
            found = search.find(conn, query, PER_PAGE, (number - 1) * PER_PAGE)
    return page(
        "search.html",
        app=app,
        status=422 if wrong else 200,
        public=not wrong,
        typed=typed,
        wrong=wrong,
        is_asked=bool(query) and not wrong,
        results=[pagewords.result(hit.paper, query.words) for hit in found.hits],
        total=found.total,
        capped=found.capped,
        number=number,
        pages=-(-found.total // PER_PAGE),
        groups=categories.groups(),
        name_of=categories.name_of,
        title=f"Search: {typed.q}" if typed.q else "Search",
        here="search",
    )


def read(typed: Typed) -> tuple[search.Query, dict[str, str]]:
    """The query that was meant, and what is wrong with it by field."""
    wrong = {}
    if typed.category and not categories.is_topic(typed.category):
        wrong["category"] = "arXiv has no category of this name."
    days: dict[str, date | None] = {"since": None, "until": None}
    for name in days:
        if written := getattr(typed, name):
            days[name] = _day(written)
            if days[name] is None:
                wrong[name] = "Write a date such as 2026-11-20."
    if days["since"] and days["until"] and days["since"] > days["until"]:
        wrong["until"] = "This is before the first day."
    words = search_words.parse(typed.q)
    return search.Query(words, typed.category or None, days["since"], days["until"]), wrong


def _day(written: str) -> date | None:
    if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", written):
        return None
    try:
        return date.fromisoformat(written)
    except ValueError:
        return None
