"""What programs ask: the digests, papers and search of the pages, and sign-up, as JSON."""

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse

from trendbot import reports, subscribe, tastes
from trendbot.model import Filed
from trendbot.settings import Site
from trendbot.store import archive, digests
from trendbot.web import api_papers, daily_papers, docs, publish
from trendbot.web.guard import client_key
from trendbot.web.parameters import (
    Day,
    OptionalCadence,
    OptionalDay,
    PageNumber,
    PageSize,
    paging,
    refusals,
)
from trendbot.web.schemas import (
    CadenceName,
    DigestAnswer,
    DigestList,
    SubscribeAnswer,
    SubscribeRequest,
)
from trendbot.web.views import AppDep

TAKEN = "If this address can get mail from us, one is on its way: follow the link in it."

router = APIRouter()


@router.get(
    "/api/digests",
    operation_id="listDigests",
    summary="The digests there are",
    response_description="A page of the list.",
    tags=["Digests"],
    response_model=DigestList,
    responses=refusals(),
)
def list_digests(
    app: AppDep,
    cadence: Annotated[OptionalCadence, Query(description="Only of this cadence.")] = None,
    since: Annotated[OptionalDay, Query(description="Not dated before.")] = None,
    until: Annotated[OptionalDay, Query(description="Not dated after.")] = None,
    page: PageNumber = 1,
    per_page: PageSize = 20,
) -> Response:
    """Without their papers, newest first."""
    with app.engine.connect() as conn:
        offset = (page - 1) * per_page
        found = archive.filed(conn, cadence, per_page, offset, since, until)
        total = archive.total(conn, cadence, since, until)
    site = app.settings.site
    asked = {"cadence": cadence, "since": since, "until": until}
    document = {
        "digests": [_digest_line(filed, site) for filed in found],
        **paging(f"{site.base_url}/api/digests", asked, total, page, per_page),
    }
    return publish.json_answer(document)


@router.get(
    "/api/digests/{cadence}/{date}",
    operation_id="getDigest",
    summary="One digest",
    response_description="The digest.",
    tags=["Digests"],
    response_model=DigestAnswer,
    responses=refusals([404]),
)
def get_digest(app: AppDep, cadence: CadenceName, date: Day) -> Response:
    """All of it, each paper with the posts and readings its numbers come from."""
    with app.engine.connect() as conn:
        found = digests.find(conn, cadence, date)
        if found is None:
            raise HTTPException(404, f"there is no {cadence} digest of {date}")
        return publish.json_answer(
            reports.digest_document(conn, found, app.now(), app.settings.counting)
        )


@router.post(
    "/api/subscribe",
    operation_id="subscribe",
    summary="Get the digest by mail",
    response_description="Taken note of; the same for every address.",
    tags=["Mail"],
    status_code=202,
    response_model=SubscribeAnswer,
    responses=refusals([403, 408, 413, 429]),
)
def post_subscribe(app: AppDep, request: Request, wish: SubscribeRequest) -> Response:
    """A mail asks whoever has the address to confirm; the answer never tells who is subscribed."""
    hour = "" if wish.hour is None else str(wish.hour)
    taste = tastes.read(wish.cadence, wish.topics, hour, wish.timezone)
    if not wish.website:  # a field that only programs fill in which fill in everything
        subscribe.ask(app.doorway(), wish.email, taste, client_key(request))
    return JSONResponse({"message": TAKEN}, 202)


def _digest_line(filed: Filed, site: Site) -> dict[str, Any]:
    return {
        "date": filed.date.isoformat(),
        "cadence": filed.cadence,
        "window": {"since": filed.since.isoformat(), "until": filed.until.isoformat()},
        "made_at": filed.made_at.isoformat(),
        "papers": filed.papers,
        "url": f"{site.base_url}/api/digests/{filed.cadence}/{filed.date}",
    }


for part in (daily_papers, api_papers, docs):  # in the order of the page
    router.include_router(part.router)
