"""For operators and robots: is trendbot well, its figures, and what may be crawled."""

import logging
from datetime import date, timedelta
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from trendbot import due, status
from trendbot.app import App
from trendbot.model import Cadence
from trendbot.store import books, health, runs
from trendbot.store.engine import explain
from trendbot.telemetry import MEDIA_TYPE
from trendbot.web.guard import TOKEN_PATHS
from trendbot.web.views import AppDep, root_of

OVERDUE_AFTER = timedelta(hours=3)

router = APIRouter(include_in_schema=False)
log = logging.getLogger(__name__)


@router.get("/healthz")
def healthz(app: AppDep, response: Response) -> dict[str, Any]:
    """Answer 200, or 503 while the database does not answer or a digest is overdue.

    A source that fails makes no 503: neither a restart of this process nor another one would
    mend it, and what it costs shows as an overdue digest. Why the database does not answer is
    told in the log alone, as are the messages of runs.
    """
    response.headers["Cache-Control"] = "no-store"
    try:
        with app.engine.connect() as conn:
            said = _standing(app, conn)
    except SQLAlchemyError as error:
        log.error("healthz: %s", explain(error))
        response.status_code = 503
        return {"status": "failing", "database": "unreachable"}
    if said["overdue"]:
        response.status_code = 503
    return {"status": "failing" if said["overdue"] else "ok", "database": "ok", **said}


@router.get("/metrics")
def metrics(app: AppDep) -> Response:
    """Answer with the figures of this process and its books, for Prometheus."""
    return Response(app.telemetry.exposition(), media_type=MEDIA_TYPE)


@router.get("/robots.txt")
def robots(app: AppDep) -> Response:
    """Say what may be crawled (RFC 9309): the pages, not what is someone's own or endless."""
    root = root_of(app)
    closed = [f"Disallow: {root}{path}" for path in (*TOKEN_PATHS, "/search", "/api/")]
    lines = ["User-agent: *", *closed, "", f"Sitemap: {app.settings.site.base_url}/sitemap.xml"]
    return PlainTextResponse(
        "\n".join(lines) + "\n", headers={"Cache-Control": "public, max-age=3600"}
    )


def _standing(app: App, conn: Connection) -> dict[str, Any]:
    """How sources and signals fare, whether mails go out, and which digests are overdue."""
    standing = health.standing(conn, app.asked, app.now())
    return {
        "sources": status.brief_documents(conn, "source", standing),
        "signals": status.brief_documents(conn, "signal", standing),
        "sending": "stopped" if books.is_stopped(conn) else "ok",
        "overdue": [
            {"cadence": cadence.value, "date": day.isoformat()}
            for cadence in Cadence
            for day in overdue(app, conn, cadence)
        ],
    }


def overdue(app: App, conn: Connection, cadence: Cadence) -> list[date]:
    """The days whose digest is still missing three hours after it was due, while it is news.

    None before one of the cadence was ever tried: a new trendbot has nothing to catch up on.
    """
    if runs.last_finished(conn, "digest", cadence) is None:
        return []
    schedule, now = app.settings.schedule, app.now()
    when = (schedule.digest_at, schedule.zone)
    settled = runs.settled(conn, cadence, now.date() - due.MOST_MISSED)
    return [
        day
        for day in due.missing(cadence, settled, now, *when)
        if due.mailed(day, now, *when) and now - due.due_at(day, *when) >= OVERDUE_AFTER
    ]
