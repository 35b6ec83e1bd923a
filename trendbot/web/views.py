"""How pages are made: templates, what all of them show, and the App behind a request."""

from functools import cache
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from trendbot import text, wording
from trendbot.app import App
from trendbot.folders import folder
from trendbot.web.assets import versioned

PUBLIC = "public, max-age=60"
PRIVATE = "no-store"


async def app_of(request: Request) -> App:
    """The App behind a request; asynchronous because a thread would cost more than it does."""
    app: App = request.app.state.trendbot
    return app


AppDep = Annotated[App, Depends(app_of)]


def page(
    template: str, *, app: App, status: int = 200, public: bool = False, **said: object
) -> HTMLResponse:
    """The page of `templates/web/<template>`.

    A public one may be kept by caches for a minute; any other is nobody's but its reader's.
    """
    html = _templates().get_template(f"web/{template}").render(**_about(app), **said)
    return HTMLResponse(html, status, {"Cache-Control": PUBLIC if public else PRIVATE})


def root_of(app: App) -> str:
    """The path of site.base_url, "" where there is none: what links within the site begin with."""
    return urlsplit(app.settings.site.base_url).path


def _about(app: App) -> dict[str, object]:
    site = app.settings.site
    return {
        "name": text.clean(site.name),
        "root": root_of(app),
        "base_url": site.base_url,
        "postal_address": text.clean(site.postal_address),
    }


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=FileSystemLoader(folder("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.globals["versioned"] = versioned
    templates.globals["counts_of"] = wording.counts
    templates.filters["moment"] = wording.moment
    templates.filters["spelled"] = wording.spelled
    return templates
