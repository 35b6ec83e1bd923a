"""What holds of every page, whatever it is about."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from fastapi.routing import APIRoute
from playwright.sync_api import Browser, Route
from sqlalchemy import Engine
from starlette.routing import Match

from tests.browser.window import MOST_BYTES, SCHEMES, WIDTHS, Window
from tests.html import valid_html
from tests.web.every import LIMITS, asks, every_empty_page, every_page
from tests.web.visitors import Visitor
from tests.web.world import fill_with_owls
from trendbot.folders import folder

LOADED = ("src", "srcset", "poster", "data", "background", "action", "formaction")
SITE = "http://127.0.0.1:9"  # where nobody listens


@pytest.fixture
def visitor(engine: Engine, tmp_path: Path) -> Iterator[Visitor]:
    visitor = Visitor(engine, tmp_path, LIMITS)
    with visitor.client:
        yield visitor


@pytest.fixture
def pages(visitor: Visitor) -> dict[str, str]:
    """The HTML of all pages, by name."""
    empty = every_empty_page(visitor)
    fill_with_owls(visitor.engine)
    found = every_page(visitor)
    return {name: answer.text for name, answer in (empty | found).items()}


def test_pages_are_light_alone_and_named(pages: dict[str, str]) -> None:
    for name, text in pages.items():
        assert len(text.encode()) <= MOST_BYTES, name
        page = BeautifulSoup(text, "html.parser")
        assert page.title is not None, name
        assert page.title.get_text().strip(), name
        assert len(page.find_all("h1")) == 1, name
        assert not page.find_all(["script", "style", "iframe", "object", "embed", "base"]), name
        assert list(foreign(page)) == [], name


def foreign(page: BeautifulSoup) -> Iterator[str]:
    """What the page would ask of other hosts, without a click."""
    for tag in page.find_all(True):
        assert "style" not in tag.attrs, tag
        assert not [name for name in tag.attrs if name.startswith("on")], tag
        named = [str(tag[name]) for name in LOADED if name in tag.attrs]
        if tag.name == "link" and "canonical" not in tag["rel"]:
            named.append(str(tag["href"]))
        yield from (address for address in named if not address.startswith("/"))


def test_pages_are_valid(pages: dict[str, str]) -> None:
    static = folder("templates") / "web" / "static"
    files = {file.name: file.read_text("utf-8") for file in static.iterdir()}
    valid_html(pages | files)


def test_no_route_is_left_out(visitor: Visitor) -> None:
    fill_with_owls(visitor.engine)
    routes = list(routes_of(visitor.client.app))
    missed = {(method, route.path) for route in routes for method in route.methods or ()}
    assert len(missed) > 30
    for ask in asks(visitor):
        path = ask.path.partition("?")[0]
        scope = {"type": "http", "method": ask.method, "path": path}
        matching = (route for route in routes if route.matches(scope)[0] is Match.FULL)
        if route := next(matching, None):
            missed.discard((ask.method, route.path))
    assert missed == set()


def routes_of(router: Any) -> Iterator[APIRoute]:
    """The routes, also those of routers within."""
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield route
        elif hasattr(route, "original_router"):
            yield from routes_of(route.original_router)


# Each page in one of the four windows, neighbours in another: to see all in all four takes a
# minute more, and the walk of a reader does so with those that people use.
@pytest.mark.parametrize("part", range(len(WIDTHS)))
def test_everybody_can_use_the_pages(
    pages: dict[str, str], visitor: Visitor, browser: Browser, part: int
) -> None:
    width = WIDTHS[part]
    window = Window(browser, SITE, width)

    def serve(route: Route) -> None:
        path = route.request.url.removeprefix(SITE)
        if (name := path.removeprefix("/see/")) in names:
            route.fulfill(body=pages[names[name]], headers=dict(visitor.get("/").headers))
        else:
            asset = visitor.get(path)
            route.fulfill(body=asset.content, headers=dict(asset.headers))

    mine = list(pages)[part :: len(WIDTHS)]
    names = {str(number): name for number, name in enumerate(mine)}
    window.page.route(f"{SITE}/**", serve)
    for number, name in names.items():
        window.go(f"/see/{number}")
        window.look(name, [SCHEMES[int(number) % len(SCHEMES)]])
