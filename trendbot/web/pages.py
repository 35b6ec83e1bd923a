"""For readers: digests, the archive, papers, categories. Search: `search_page.py`."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import Connection

from trendbot import categories, chart, months, pagewords, wording
from trendbot.app import App
from trendbot.model import Cadence, Digest, Filed, Paper, Point, Post, Segment, Tally
from trendbot.pagewords import Room
from trendbot.store import archive, digests, history, posts
from trendbot.web import search_page
from trendbot.web.parameters import LAST_PAGE
from trendbot.web.views import AppDep, page, root_of

LARGEST = 100_000  # bytes of a page
PER_PAGE = 20
MOST_LATELY = 8
MOST_PER_YEAR = 500  # digests of all cadences; a year has 430 at most
MOST_APPEARANCES = 20
MOST_QUOTED = 20

PageNumber = Annotated[int, Query(alias="page", ge=1, le=LAST_PAGE)]

router = APIRouter(include_in_schema=False)
router.include_router(search_page.router)


@router.get("/")
def front(app: AppDep) -> HTMLResponse:
    """What the service is, the sign-up form, and the latest digest, a daily one if there is."""
    with app.engine.connect() as conn:
        latest = archive.latest(conn, Cadence.DAILY) or archive.latest(conn)
        lately = archive.filed(conn, None, MOST_LATELY)
    feeds = [(one.value, f"{one.capitalize()} digest") for one in Cadence]
    said: dict[str, Any] = {
        "lately": [_filed(one) for one in lately],
        "title": "",
        "description": f"{pagewords.PURPOSE[0]} {pagewords.PURPOSE[1]}",
        "purpose": pagewords.PURPOSE,
        "path": "/",
        "feeds": feeds,
    }
    if not latest:
        return page("front.html", app=app, public=True, digest=None, **said)
    return _with_papers(app, "front.html", latest[0], said)


@router.get("/digests/{cadence}/{day}")
def digest(app: AppDep, cadence: str, day: str) -> HTMLResponse:
    """One digest, as it was frozen."""
    if cadence not in list(Cadence) or (when := _date(day)) is None:
        raise HTTPException(404)
    with app.engine.connect() as conn:
        found = digests.find(conn, Cadence(cadence), when)
        before, after = archive.neighbours(conn, Cadence(cadence), when)
    if found is None:
        raise HTTPException(404, f"There is no {cadence} digest of {wording.spelled(when)}.")
    said: dict[str, Any] = {
        "before": before,
        "after": after,
        "before_named": before and pagewords.dated(Cadence(cadence), before),
        "after_named": after and pagewords.dated(Cadence(cadence), after),
        "path": f"/digests/{cadence}/{when}",
        "feeds": [(cadence, f"{cadence.capitalize()} digest")],
    }
    return _with_papers(app, "digest.html", found, said)


@router.get("/archive")
def newest_year(app: AppDep) -> HTMLResponse:
    """The newest year of the archive."""
    with app.engine.connect() as conn:
        years = archive.years(conn)
        return _year(app, conn, years, years[0] if years else app.now().year, "/archive")


@router.get("/archive/{year}")
def year(app: AppDep, year: str) -> HTMLResponse:
    """All digests of a year: daily ones in a calendar, the others listed."""
    with app.engine.connect() as conn:
        years = archive.years(conn)
        if not re.fullmatch("[0-9]{4}", year) or int(year) not in years:
            raise HTTPException(404, "There is no digest of that year.")
        return _year(app, conn, years, int(year), f"/archive/{year}")


@router.get("/papers/{name:path}")
def paper(app: AppDep, name: str) -> Response:
    """One paper: what it says, how it was counted, where it stood, what was posted about it."""
    if (plain := pagewords.paper_named(name)) != name:
        return RedirectResponse(root_of(app) + pagewords.paper_path(plain), 308)
    with app.engine.connect() as conn:
        found = archive.find_paper(conn, name)
        if found is None:
            raise HTTPException(404, "No paper of this name was collected here.")
        paper_id, known = found
        standing = pagewords.leading(history.standing(conn, paper_id))
        counted = history.counts(conn, paper_id, app.settings.counting)
        stood = archive.appearances(conn, paper_id)
        posted = posts.of_paper(conn, paper_id, None, app.settings.counting)
    said: dict[str, Any] = {
        "title": wording.outside(known.title)[: wording.LONGEST_TITLE] or known.key,
        "description": pagewords.summary(known),
        "path": pagewords.paper_path(known.key),
        "appearances": stood[:MOST_APPEARANCES],
        "more_appearances": max(len(stood) - MOST_APPEARANCES, 0),
        "chart_box": (chart.WIDTH, chart.HEIGHT, chart.LEFT, chart.RIGHT, chart.BOTTOM),
        "as_printed": _as_printed(app, posted),
        **_counts(standing, counted, posted),
    }

    def show(room: Room) -> HTMLResponse:
        quoted = pagewords.quoted(posted, app.now(), min(room.in_full, MOST_QUOTED))
        about = _about(known, most_authors=room.in_full)
        return page("paper.html", app=app, public=True, **said, **about, quoted=quoted)

    return _fitting(show)


@router.get("/categories")
def all_categories(app: AppDep) -> HTMLResponse:
    """All categories of arXiv, and how many papers of each the digests had."""
    with app.engine.connect() as conn:
        shown = archive.categories(conn)
    return page(
        "categories.html",
        app=app,
        public=True,
        groups=[one for one in categories.groups() if one.categories != (one.archive,)],
        alone=[one.archive for one in categories.groups() if one.categories == (one.archive,)],
        name_of=categories.name_of,
        shown=shown,
        title="Categories",
        description="arXiv's categories, and how many of their papers digests had.",
        path="/categories",
        here="categories",
    )


@router.get("/categories/{topic}")
def category(app: AppDep, topic: str, page_number: PageNumber = 1) -> HTMLResponse:
    """The papers of a category, or of a whole archive, that digests had."""
    if not categories.is_topic(topic):
        raise HTTPException(404, "arXiv has no category of this name.")
    with app.engine.connect() as conn:
        offset = (page_number - 1) * PER_PAGE
        listed = archive.of_category(conn, topic, PER_PAGE + 1, offset)
    title = categories.name_of(topic)
    paged = f"?page={page_number}" if page_number > 1 else ""
    said: dict[str, Any] = {
        "topic": topic,
        "group": next(one for one in categories.groups() if one.archive == topic.split(".")[0]),
        "name_of": categories.name_of,
        "page_number": page_number,
        "has_more": len(listed) > PER_PAGE and page_number < LAST_PAGE,
        "title": title,
        "description": f"The papers in {title} ({topic}) that digests had, newest first.",
        "path": f"/categories/{topic}{paged}",
        "here": "categories",
        "feeds": [(f"{one}/{topic}", f"{one.capitalize()} digest of {topic}") for one in Cadence],
    }

    def show(room: Room) -> HTMLResponse:
        papers = [
            (one, pagewords.teaser(one.ranked, room, wording.movement(one.ranked, one.since)))
            for one in listed[:PER_PAGE]
        ]
        return page("category.html", app=app, public=True, **said, papers=papers)

    return _fitting(show)


def _with_papers(app: App, template: str, found: Digest, said: dict[str, Any]) -> HTMLResponse:
    """A page around the papers of a digest."""
    told: dict[str, Any] = {
        "digest": found,
        "title": wording.heading(found),
        "period": wording.period(found),
        "introduction": wording.introduction(
            len(found.papers), len(found.papers), Segment(), found.by
        ),
        "description": pagewords.led(found),
        "heard": wording.counted_line(found.heard, found.counted_at) if found.heard else "",
        **said,
    }

    moved = wording.movements(found)

    def show(room: Room) -> HTMLResponse:
        full = [
            pagewords.teaser(one, room, moved[one.rank]) for one in found.papers[: room.in_full]
        ]
        brief = [
            pagewords.teaser(one, room, moved[one.rank], is_brief=True)
            for one in found.papers[room.in_full :]
        ]
        return page(template, app=app, public=True, **told, full=full, brief=brief)

    return _fitting(show)


def _fitting(show: Callable[[Room], HTMLResponse]) -> HTMLResponse:
    """The page with as much in it as 100 KB hold."""
    for room in pagewords.ROOMS:
        shown = show(room)
        if len(shown.body) <= LARGEST:
            break
    return shown


def _year(app: App, conn: Connection, years: list[int], shown: int, path: str) -> HTMLResponse:
    filed = archive.filed(
        conn, None, MOST_PER_YEAR, since=date(shown, 1, 1), until=date(shown, 12, 31)
    )
    return page(
        "archive.html",
        app=app,
        public=True,
        years=years,
        year=shown,
        months=months.months(one for one in filed if one.cadence is Cadence.DAILY),
        weekdays=months.WEEKDAYS,
        others=[_filed(one) for one in filed if one.cadence is not Cadence.DAILY],
        title=f"Digests of {shown}",
        description=f"All digests of {shown}: daily, weekly and monthly.",
        path=path,
        here="archive",
    )


def _filed(filed: Filed) -> tuple[Filed, str]:
    return filed, wording.period(filed)


def _about(paper: Paper, most_authors: int) -> dict[str, Any]:
    """What a paper says of itself, in words."""
    return {
        "key": f"arXiv:{paper.id}" if paper.source == "arxiv" else paper.key,
        "announced": paper.announced,
        "authors": wording.byline(paper.authors, max(most_authors, wording.MOST_AUTHORS)),
        "abstract": wording.outside(paper.abstract),
        "comments": wording.outside(paper.comments)[: pagewords.LONGEST_COMMENT],
        "topics": pagewords.topics(paper.categories),
        "links": wording.links(paper.links),
    }


def _counts(
    standing: Mapping[str, Tally],
    counted: Mapping[str, Sequence[Point]],
    posted: Sequence[Post],
) -> dict[str, Any]:
    """What the signals count of a paper: all that can be true together, and each by itself."""
    believed = [tally for tally in standing.values() if not tally.flag]
    untrue = Counter(post.signal for post in posted if post.flag and post.reading is None)
    return {
        "counts": len(believed) > 1
        and wording.counts(
            sum(tally.retweets for tally in believed), sum(tally.favorites for tally in believed)
        ),
        "counted_at": max(filter(None, (tally.measured_at for tally in believed)), default=None),
        "signals": [
            pagewords.course(name, tally, counted.get(name, ()), untrue[name])
            for name, tally in list(standing.items())[: wording.MOST_SIGNALS]
        ],
    }


def _as_printed(app: App, posted: Sequence[Post]) -> set[str]:
    """The names of the signals whose totals rank whether or not they can be true."""
    if app.settings.counting.archives == "checked":
        return set()
    return {wording.signal_name(post.signal) for post in posted if post.listed_on}


def _date(written: str) -> date | None:
    """A date as the pages write it, and only so: one page, one address."""
    if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", written):
        return None
    try:
        return date.fromisoformat(written)
    except ValueError:
        return None
