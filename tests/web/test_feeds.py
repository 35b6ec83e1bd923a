"""Feeds and the sitemap, as readers' programs and search engines get them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import feedparser
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine
from starlette.testclient import TestClient

from tests.digests import DAY, MADE, ranked
from tests.feed_rules import check_atom, check_json_feed, check_rss, check_sitemap
from trendbot.app import App
from trendbot.model import Cadence, RankedPaper
from trendbot.settings import Settings, Site
from trendbot.store import digests, papers
from trendbot.web import site

ROOT = "https://owls.example/tb"
FORMS = ("atom", "rss", "json")
OWLS = ranked(1, "On Owls & Bats", categories=("cs.LG", "stat.ML"))
MOTHS = ranked(2, "On Moths", categories=("math.CO",))


@pytest.fixture
def app(engine: Engine, tmp_path: Path) -> App:
    settings = Settings(home=tmp_path, site=Site(name="Owl Post", base_url=ROOT))
    return App(settings, engine, lambda: MADE)


@pytest.fixture
def web(app: App) -> FastAPI:
    return site.create(app, shelf_seconds=0)


@pytest.fixture
def client(web: FastAPI) -> Iterator[TestClient]:
    with TestClient(web, base_url="http://owls.example") as client:
        yield client


def freeze(
    app: App,
    day: date,
    *shown: RankedPaper,
    cadence: Cadence = Cadence.DAILY,
    made_at: datetime | None = None,
) -> None:
    with app.engine.begin() as conn:
        papers.upsert(conn, [one.paper for one in shown], MADE)
        ids = papers.ids_of(conn, [one.paper.key for one in shown])
        entries = [(ids[one.paper.key], one) for one in shown]
        made_at = made_at or MADE + (day - DAY)
        assert digests.freeze(conn, cadence, day, day, day, MADE, made_at, entries)


def ids(client: TestClient, path: str) -> list[str]:
    """The ids of a feed, which hold in all three forms; each form is valid."""
    found = check_atom(client.get(f"{path}.atom").content)
    assert check_rss(client.get(f"{path}.rss").content) == found
    assert check_json_feed(client.get(f"{path}.json").json()) == found
    return found


def test_programs_follow_a_cadence(app: App, client: TestClient) -> None:
    freeze(app, DAY, OWLS, MOTHS)
    freeze(app, DAY + timedelta(days=1), MOTHS)
    freeze(app, DAY, OWLS, cadence=Cadence.WEEKLY)
    assert ids(client, "/feeds/daily") == [
        "tag:owls.example,2026-11-21:tb/digests/daily",
        "tag:owls.example,2026-11-20:tb/digests/daily",
    ]
    assert ids(client, "/feeds/weekly") == ["tag:owls.example,2026-11-20:tb/digests/weekly"]
    found = feedparser.parse(client.get("/feeds/daily.rss").content)
    assert not found.bozo
    assert "On Owls &amp; Bats" in found.entries[1].content[0].value
    assert found.entries[1].link == f"{ROOT}/digests/daily/2026-11-20"


def test_programs_follow_a_category_or_archive(app: App, client: TestClient) -> None:
    freeze(app, DAY, OWLS, MOTHS)
    freeze(app, DAY + timedelta(days=1), MOTHS)
    for topic in ("cs.LG", "stat"):
        (found,) = ids(client, f"/feeds/daily/{topic}")
        assert found == f"tag:owls.example,2026-11-20:tb/digests/daily/{topic}"
        (item,) = client.get(f"/feeds/daily/{topic}.json").json()["items"]
        assert "On Owls" in item["content_html"]
        assert "On Moths" not in item["content_html"]
    assert len(ids(client, "/feeds/daily/math.CO")) == 2


def test_a_topic_is_looked_for_beyond_the_newest_ten(app: App, client: TestClient) -> None:
    freeze(app, DAY, OWLS)
    for number in range(1, 13):
        freeze(app, DAY + timedelta(days=number), MOTHS)
    assert len(ids(client, "/feeds/daily")) == 10
    assert ids(client, "/feeds/daily/cs.LG") == [
        "tag:owls.example,2026-11-20:tb/digests/daily/cs.LG"
    ]


def test_old_entries_keep_their_ids_when_new_ones_come(app: App, client: TestClient) -> None:
    freeze(app, DAY, OWLS)
    before = ids(client, "/feeds/daily"), ids(client, "/feeds/daily/cs.LG")
    with app.engine.begin() as conn:
        renamed = replace(OWLS.paper, title="On Owls, Revised")
        papers.upsert(conn, [renamed], MADE)
    freeze(app, DAY + timedelta(days=1), replace(OWLS, retweets=70_000))
    after = ids(client, "/feeds/daily"), ids(client, "/feeds/daily/cs.LG")
    assert [one[1:] for one in after] == list(before)


@pytest.mark.parametrize(
    ("form", "media_type"),
    [
        ("atom", "application/atom+xml; charset=utf-8"),
        ("rss", "application/rss+xml; charset=utf-8"),
        ("json", "application/feed+json; charset=utf-8"),
    ],
)
def test_each_form_says_what_it_is_and_that_it_may_be_kept(
    app: App, client: TestClient, form: str, media_type: str
) -> None:
    freeze(app, DAY, OWLS)
    answer = client.get(f"/feeds/daily.{form}")
    assert answer.headers["Content-Type"] == media_type
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    assert answer.headers["Last-Modified"] == "Sat, 21 Nov 2026 06:30:00 GMT"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("form", FORMS)
def test_a_feed_that_has_not_changed_is_not_sent_again(
    app: App, client: TestClient, form: str
) -> None:
    path = f"/feeds/daily/cs.{form}"
    freeze(app, DAY, OWLS)
    known = {"If-None-Match": client.get(path).headers["ETag"]}
    again = client.get(path, headers=known)
    assert again.status_code == 304
    assert again.content == b""
    freeze(app, DAY + timedelta(days=1), OWLS)
    assert client.get(path, headers=known).status_code == 200


@pytest.mark.parametrize("path", ["/feeds/daily", "/feeds/monthly/econ.TH"])
def test_before_the_first_digest_feeds_are_valid_and_empty(client: TestClient, path: str) -> None:
    assert ids(client, path) == []
    assert "Last-Modified" not in client.get(f"{path}.atom").headers


@pytest.mark.parametrize(
    "path",
    [
        "/feeds/hourly.atom",
        "/feeds/DAILY.atom",
        "/feeds/daily.xml",
        "/feeds/daily",
        "/feeds/daily/cs.XX.atom",
        "/feeds/daily/cs.lg.atom",
        "/feeds/daily/cs.LG",
        "/feeds/daily/.atom",
        "/feeds/hourly/cs.LG.atom",
        "/feeds/daily/cs.LG/x.atom",
    ],
)
def test_there_is_no_other_feed(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_hostile_papers_break_no_feed(app: App, client: TestClient) -> None:
    hostile = "</title>]]><script>alert(1)</script>\x00\x0b\ufffe\ud800 & \u202e"
    freeze(app, DAY, ranked(1, hostile, authors=(hostile,), abstract=hostile, links={"abs": "x:"}))
    assert len(ids(client, "/feeds/daily")) == 1
    for form in FORMS:
        written = client.get(f"/feeds/daily.{form}").text
        html = json.loads(written)["items"][0]["content_html"] if form == "json" else written
        assert "<script" not in html


def test_the_sitemap_lists_what_there_is_to_read(app: App, client: TestClient) -> None:
    freeze(app, DAY, OWLS, MOTHS)
    freeze(app, DAY - timedelta(days=400), MOTHS)
    freeze(app, DAY, OWLS, cadence=Cadence.MONTHLY, made_at=MADE + timedelta(hours=1))
    answer = client.get("/sitemap.xml")
    assert answer.headers["Content-Type"] == "application/xml"
    old, made, last = "2025-10-17T06:30:00Z", "2026-11-21T06:30:00Z", "2026-11-21T07:30:00Z"
    assert check_sitemap(answer.content) == {
        f"{ROOT}/": last,
        f"{ROOT}/archive": last,
        f"{ROOT}/archive/2026": None,
        f"{ROOT}/archive/2025": None,
        f"{ROOT}/categories": None,
        f"{ROOT}/categories/cs.LG": None,
        f"{ROOT}/categories/math.CO": None,
        f"{ROOT}/categories/stat.ML": None,
        f"{ROOT}/digests/daily/2026-11-20": made,
        f"{ROOT}/digests/monthly/2026-11-20": last,
        f"{ROOT}/digests/daily/2025-10-16": old,
        f"{ROOT}/papers/2611.00001": last,
        f"{ROOT}/papers/2611.00002": made,
    }


def test_an_empty_site_has_a_sitemap(client: TestClient) -> None:
    assert check_sitemap(client.get("/sitemap.xml").content) == {
        f"{ROOT}/": None,
        f"{ROOT}/archive": None,
        f"{ROOT}/categories": None,
    }
