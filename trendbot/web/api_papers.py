"""What programs are told about papers: each of them, and those that are found."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from trendbot import categories, feed_forms, search_words
from trendbot.model import Paper
from trendbot.settings import Site
from trendbot.store import search
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
from trendbot.web.schemas import PaperList
from trendbot.web.views import AppDep

router = APIRouter()


@router.get(
    "/api/search",
    operation_id="searchPapers",
    summary="Papers by their words",
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
