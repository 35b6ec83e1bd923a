"""For operators: is trendbot well?"""

import logging

from fastapi import FastAPI, Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from trendbot.app import App
from trendbot.store.engine import explain
from trendbot.telemetry import MEDIA_TYPE

log = logging.getLogger(__name__)


def create(app: App) -> FastAPI:
    """The web application over `app`."""
    web = FastAPI(title="trendbot", docs_url=None, redoc_url=None, openapi_url=None)

    @web.get("/healthz")
    def healthz(response: Response) -> dict[str, str]:
        """Answer 200 while the database does, 503 otherwise; why is told in the log alone."""
        try:
            with app.engine.connect() as conn:
                conn.execute(text("SELECT 1"))
        except SQLAlchemyError as error:
            log.error("healthz: %s", explain(error))
            response.status_code = 503
            return {"status": "failing", "database": "unreachable"}
        return {"status": "ok", "database": "ok"}

    @web.get("/metrics")
    def metrics() -> Response:
        """Answer with the figures of this process and its books, for Prometheus."""
        return Response(app.telemetry.exposition(), media_type=MEDIA_TYPE)

    return web
