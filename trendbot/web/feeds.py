"""What feed readers and search engines ask for."""

from collections.abc import Callable
from datetime import datetime

from fastapi import APIRouter, HTTPException, Response

from trendbot import categories, feed_forms
from trendbot.feed_forms import Feed
from trendbot.model import Cadence
from trendbot.store import archive
from trendbot.web import publish
from trendbot.web.views import AppDep

# Of a topic few digests may have a paper: so many are looked at to find the newest ten.
LOOKED_AT = 31

router = APIRouter(include_in_schema=False)

FORMS: dict[str, tuple[str, Callable[[Feed], bytes]]] = {
    "atom": ("application/atom+xml; charset=utf-8", feed_forms.atom),
    "rss": ("application/rss+xml; charset=utf-8", feed_forms.rss),
    "json": (
        "application/feed+json; charset=utf-8",
        lambda it: publish.to_json(feed_forms.json_feed(it)),
    ),
}


@router.get("/feeds/{cadence}.{form}")
def of_cadence(app: AppDep, cadence: str, form: str) -> Response:
    """The newest digests of a cadence."""
    return _feed(app, cadence, "", form)


@router.get("/feeds/{cadence}/{category}.{form}")
def of_category(app: AppDep, cadence: str, category: str, form: str) -> Response:
    """The newest digests of a cadence, of each only the papers in a category or archive."""
    if not categories.is_topic(category):
        raise HTTPException(404)
    return _feed(app, cadence, category, form)


@router.get("/sitemap.xml")
def sitemap(app: AppDep) -> Response:
    """All pages that search engines should know, the most telling first."""
    return publish.answer(feed_forms.sitemap(_pages(app)), "application/xml")


def _feed(app: AppDep, cadence: str, topic: str, form: str) -> Response:
    if cadence not in list(Cadence) or form not in FORMS:
        raise HTTPException(404)
    with app.engine.connect() as conn:
        found = archive.latest(
            conn, Cadence(cadence), LOOKED_AT if topic else feed_forms.MOST_ITEMS
        )
    feed = feed_forms.feed_of(found, Cadence(cadence), topic, app.settings.site)
    media_type, write = FORMS[form]
    return publish.answer(write(feed), media_type, feed.updated if feed.items else None)


def _pages(app: AppDep) -> dict[str, datetime | None]:
    """Addresses and when what they show changed last."""
    base_url, most = app.settings.site.base_url, feed_forms.MOST_PAGES
    with app.engine.connect() as conn:
        filed = archive.filed(conn, None, most)
        newest = max((one.made_at for one in filed), default=None)
        pages = {f"{base_url}/": newest, f"{base_url}/archive": newest}
        pages |= {f"{base_url}/archive/{year}": None for year in archive.years(conn)}
        pages[f"{base_url}/categories"] = None
        topics = [one for one in sorted(archive.categories(conn)) if categories.is_topic(one)]
        pages |= {f"{base_url}/categories/{topic}": None for topic in topics}
        pages |= {f"{base_url}/digests/{one.cadence}/{one.date}": one.made_at for one in filed}
        for key, shown_at in archive.shown(conn, most).items():
            pages[feed_forms.paper_url(key, app.settings.site)] = shown_at
    return pages
