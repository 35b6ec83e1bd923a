"""For operators: is trendbot well?"""

from typing import Any

from fastapi import FastAPI, Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from trendbot.app import App
from trendbot.store.engine import explain


def create(app: App) -> FastAPI:
    """The web application over `app`."""
    web = FastAPI(title="trendbot", docs_url=None, redoc_url=None, openapi_url=None)

    @web.get("/healthz")
    def healthz(response: Response) -> dict[str, Any]:
        """Answer 200 while the database does, 503 otherwise."""
        try:
            with app.engine.connect() as conn:
                conn.execute(text("SELECT 1"))
        except SQLAlchemyError as error:
            response.status_code = 503
            return {"status": "failing", "database": explain(error)}
        return {"status": "ok", "database": "ok"}

    return web
