"""Pages as tests read them."""

from bs4 import BeautifulSoup, Tag

from tests.web.visitors import Visitor


def read(visitor: Visitor, path: str) -> BeautifulSoup:
    answer = visitor.get(path)
    assert answer.status_code == 200, path
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    return BeautifulSoup(answer.text, "html.parser")


def one(page: BeautifulSoup | Tag, selector: str) -> Tag:
    (found,) = page.select(selector)
    return found


def said(tag: BeautifulSoup | Tag) -> str:
    return " ".join(tag.get_text().split())


def links(page: BeautifulSoup | Tag) -> list[str]:
    return [str(tag["href"]) for tag in page.select("a[href]")]
