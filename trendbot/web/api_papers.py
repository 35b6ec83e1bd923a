"""What programs are told about papers: each of them, and those that are found."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query, Response
from sqlalchemy import Connection

from trendbot import categories, feed_forms, reports, search_words
from trendbot.model import Paper
from trendbot.settings import Settings, Site
from trendbot.store import archive, history, posts, search
from trendbot.store.archive import Appearance
from trendbot.web import publish
from trendbot.web.parameters import (
    NO_NUL,
    OptionalDay,
    PageNumber,
    PageSize,
    Topic,
    paging,
    refusals,
)
from trendbot.web.schemas import PaperAnswer, PaperList
from trendbot.web.views import AppDep

MOST_POSTS = 500  # of a paper, the newest

router = APIRouter()


@router.get(
    "/api/papers/{id:path}",
    operation_id="getPaper",
    summary="One paper",
    response_description="The paper.",
    tags=["Papers"],
    response_model=PaperAnswer,
    responses=refusals([404]),
)
def get_paper(
    app: AppDep,
    id: Annotated[
        str,
        Path(
            pattern=NO_NUL,
            description="Its arXiv id, or source:id for others.",
            examples=["2611.00017"],
        ),
    ],
) -> Response:
    """What is known of it: counts over time, the digests it was in, the newest posts."""
    with app.engine.connect() as conn:
        found = archive.find_paper(conn, id)
        if found is None:
            raise HTTPException(404, "this paper is not known here")
        return publish.json_answer(_paper_document(conn, *found, app.settings, app.now()))


@router.get(
    "/api/search",
    operation_id="searchPapers",
    summary="Papers by their words",
    response_description="A page of what was found.",
    tags=["Papers"],
    response_model=PaperList,
    responses=refusals(),
)
def search_papers(
    app: AppDep,
    q: Annotated[
        str,
        Query(
            max_length=search_words.LONGEST_QUERY,
            pattern=NO_NUL,
            description='Words that stand in title, authors or abstract; "several together"; '
            "-not; title:word; author:name; an arXiv id.",
            examples=["graph networks"],
        ),
    ] = "",
    category: Topic = "",
    since: Annotated[OptionalDay, Query(description="Not announced before.")] = None,
    until: Annotated[OptionalDay, Query(description="Not announced after.")] = None,
    page: PageNumber = 1,
    per_page: PageSize = 20,
) -> Response:
    """Best first. Nothing asked finds nothing, and nobody is shown more than the best 1,000."""
    query = search.Query(search_words.parse(q), category or None, since, until)
    with app.engine.connect() as conn:
        found = search.find(conn, query, per_page, (page - 1) * per_page)
    site = app.settings.site
    asked = {"q": q, "category": category, "since": since, "until": until}
    document = {
        "papers": [_paper_line(hit.paper, site) for hit in found.hits],
        "capped": found.capped,
        **paging(f"{site.base_url}/api/search", asked, found.total, page, per_page),
    }
    return publish.json_answer(document)


def _paper_line(paper: Paper, site: Site) -> dict[str, Any]:
    page = feed_forms.paper_url(paper.key, site)
    return {
        "id": paper.id,
        "title": paper.title,
        "authors": list(paper.authors),
        "categories": [{"id": one, "name": categories.name_of(one)} for one in paper.categories],
        "announced": paper.announced.isoformat(),
        "abstract": paper.abstract,
        "links": dict(paper.links),
        "page": page,
        "url": f"{site.base_url}/api{page.removeprefix(site.base_url)}",
    }


def _paper_document(
    conn: Connection, paper_id: int, paper: Paper, settings: Settings, now: datetime
) -> dict[str, Any]:
    site = settings.site
    points = {
        signal: [
            {
                "at": point.at.isoformat(),
                "posts": point.posts,
                "retweets": point.retweets,
                "favorites": point.favorites,
            }
            for point in found
        ]
        for signal, found in history.counts(conn, paper_id, settings.counting).items()
    }
    told = posts.of_paper(conn, paper_id, None, settings.counting)
    newest = sorted(told, key=lambda post: post.posted_at)
    return {
        **_paper_line(paper, site),
        "comments": paper.comments,
        "counts": {
            signal: reports.tally_document(tally)
            for signal, tally in sorted(history.standing(conn, paper_id).items())
        },
        "history": points,
        "digests": [_appearance(one, site) for one in archive.appearances(conn, paper_id)],
        "posts": [reports.post_document(post, now) for post in newest[: -MOST_POSTS - 1 : -1]],
    }


def _appearance(one: Appearance, site: Site) -> dict[str, Any]:
    return {
        "date": one.date.isoformat(),
        "cadence": one.cadence,
        "rank": one.rank,
        "score": reports.number(one.score),
        "retweets": one.retweets,
        "favorites": one.favorites,
        "url": f"{site.base_url}/api/digests/{one.cadence}/{one.date}",
    }
