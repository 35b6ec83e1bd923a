"""What pages are drawn with."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from trendbot.web import assets

site = FastAPI()
site.include_router(assets.router)
client = TestClient(site)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("style.css", "text/css; charset=utf-8"), ("favicon.svg", "image/svg+xml")],
)
def test_a_version_is_kept_for_a_year(name: str, media_type: str) -> None:
    answer = client.get(f"/static/{assets.versioned(name)}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == media_type
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_what_stands_under_another_versions_address_is_kept_for_a_minute() -> None:
    for address in ("/static/style.css", "/static/style.css?v=0123456789"):
        answer = client.get(address)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "public, max-age=60"


@pytest.mark.parametrize("name", ["none.css", "..%2Fbase.html", "%2e%2e", "style.css%00"])
def test_nothing_else_is_served(name: str) -> None:
    assert client.get(f"/static/{name}").status_code == 404


def test_the_look_asks_nobody_else_for_anything() -> None:
    style = client.get("/static/style.css").text
    assert "url(" not in style
    assert "@import" not in style


def test_a_version_changes_with_the_content() -> None:
    versions = {assets._asset(content, ".css").version for content in (b"a{}", b"b{}", b"a{}")}
    assert len(versions) == 2
