"""The only wiring of the web: the routers, and the layers before them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware

from trendbot.app import App
from trendbot.web import api, assets, feeds, ops, pages, preferences, readers, views
from trendbot.web.failures import HANDLERS, unforeseen
from trendbot.web.guard import Guard, Journal, Prefix, Shield
from trendbot.web.shelf import Shelf

THREADS = 12  # endpoints at once: fewer than the connections to PostgreSQL a process keeps


def create(app: App, shelf_seconds: float = 5.0) -> FastAPI:
    """The web application over `app`; it keeps public pages for `shelf_seconds`."""
    base_url = app.settings.site.base_url
    site = FastAPI(
        title=app.settings.site.name,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,  # it would redirect to whatever Host the client names
        lifespan=_lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # spans hold paths
        exception_handlers=HANDLERS,
        # Outermost first. What nobody foresaw is answered here: the framework's own handler
        # would raise it again, for the server to log with whatever it says.
        middleware=[
            Middleware(Prefix, views.root_of(app)),
            Middleware(Journal, app.telemetry.answered),
            Middleware(Shield, base_url),
            Middleware(ExceptionMiddleware, {**HANDLERS, Exception: unforeseen}),
            Middleware(Guard, base_url),
            Middleware(Shelf, shelf_seconds),
        ],
    )
    site.state.trendbot = app
    for part in (ops, assets, pages, feeds, api, readers, preferences):
        site.include_router(part.router)
    return site


@asynccontextmanager
async def _lifespan(_site: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    yield
