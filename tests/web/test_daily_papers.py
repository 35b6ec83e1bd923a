"""Programs written for Hugging Face's daily papers find our digests in its stead."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from sqlalchemy import Engine
from starlette.testclient import TestClient

from tests.digests import COUNTED, DAY, MADE, ranked
from tests.signals.outside import Purse
from trendbot.app import App
from trendbot.context import Budget, Context
from trendbot.fetch import Fetcher
from trendbot.model import Cadence, Post, RankedPaper, Reading, Tally
from trendbot.settings import Settings, Site, Web, section
from trendbot.signals.huggingface import HuggingFace, HuggingFaceSettings
from trendbot.store import digests, papers, posts
from trendbot.web import server, site
from trendbot.web.schemas import DailyPaper

OWLS = replace(ranked(1, "On Owls"), retweets=30, favorites=12)
MOTHS = replace(ranked(2, "On Moths", announced=DAY + timedelta(days=1)), retweets=0, favorites=7)


@pytest.fixture
def app(engine: Engine, tmp_path: Path) -> App:
    settings = Settings(
        home=tmp_path,
        site=Site(name="Owl Post & Co", base_url="https://owls.example"),
        web=Web(port=0),
    )
    return App(settings, engine, lambda: MADE)


@pytest.fixture
def client(app: App) -> Iterator[TestClient]:
    with TestClient(site.create(app, shelf_seconds=0)) as client:
        yield client


def freeze(app: App, day: date, *shown: RankedPaper, cadence: Cadence = Cadence.DAILY) -> None:
    with app.engine.begin() as conn:
        papers.upsert(conn, [one.paper for one in shown], MADE)
        ids = papers.ids_of(conn, [one.paper.key for one in shown])
        entries = [(ids[one.paper.key], one) for one in shown]
        assert digests.freeze(conn, cadence, day, day, day, COUNTED, MADE, entries)


def reply_to(app: App, paper: RankedPaper, number: int, replies: int, taken_at: datetime) -> None:
    reading = Reading(taken_at, 1, 1, replies)
    found = Post("x", str(number), (paper.paper.key,), "ada", "", COUNTED, "", reading)
    with app.engine.begin() as conn:
        posts.upsert(conn, [found])


def listed(client: TestClient, query: str = "") -> list[Any]:
    answer = client.get(f"/api/daily_papers{query}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    TypeAdapter(list[DailyPaper]).validate_json(answer.content)
    found: list[Any] = answer.json()
    return found


def ids(client: TestClient, query: str = "") -> list[str]:
    return [entry["paper"]["id"] for entry in listed(client, query)]


def test_our_own_signal_counts_here_what_the_digest_counted(app: App) -> None:
    """The adapter that asks Hugging Face asks us instead, over a socket."""
    freeze(app, DAY, OWLS, MOTHS)
    reply_to(app, OWLS, 1, 5, COUNTED)
    reply_to(app, OWLS, 2, 3, COUNTED)
    reply_to(app, OWLS, 2, 30, MADE)  # after the digest was counted
    serving = server.start(app)
    fetcher = Fetcher("https://trendbot.test", sleep=lambda _: None)
    purse = Purse()
    budget = Budget(purse.reserve, purse.release, purse.stop)
    context = Context(Path(), lambda: MADE, fetcher, budget, lambda limit: [])
    table = {"base_url": f"http://127.0.0.1:{serving.port}", "delay": 0}
    settings = section(HuggingFaceSettings, table, "signals.huggingface")
    try:
        found = HuggingFace(settings, context).measure(
            [OWLS.paper, MOTHS.paper], MADE - timedelta(days=2)
        )
        assert list(found) == [
            Post(
                signal="huggingface",
                id=one.paper.id,
                papers=(one.paper.key,),
                author="Owl-Post-Co",
                url=f"https://huggingface.co/papers/{one.paper.id}",
                posted_at=datetime(2026, 11, 20, tzinfo=MADE.tzinfo),
                reading=Reading(MADE, 0, favorites, replies),
            )
            for one, favorites, replies in ((OWLS, 42, 8), (MOTHS, 7, 0))
        ]
    finally:
        fetcher.close()
        assert serving.stop(within=20)


def test_an_entry_tells_how_its_paper_moved(app: App, client: TestClient) -> None:
    freeze(app, DAY, replace(OWLS, movement="up 3"), replace(MOTHS, movement="new"))
    found = listed(client, "?date=2026-11-20")
    assert [one["movement"] for one in found] == ["up 3", "new"]


def test_an_entry_has_the_fields_of_theirs(app: App, client: TestClient) -> None:
    freeze(app, DAY, OWLS)
    (entry,) = listed(client, "?date=2026-11-20")
    # Those of tests/signals/data/hf_daily_papers.json that are not left out on purpose.
    assert set(entry) == {
        *("paper", "publishedAt", "title", "summary", "thumbnail", "numComments"),
        *("submittedBy", "isAuthorParticipating"),
        "movement",  # of ours
    }
    assert set(entry["paper"]) == {
        *("id", "authors", "publishedAt", "submittedOnDailyAt", "submittedOnDailyBy", "title"),
        *("summary", "upvotes", "discussionId"),
    }
    assert entry["title"] == entry["paper"]["title"] == "On Owls"
    assert entry["summary"] == entry["paper"]["summary"] == "We count posts. They are many."
    assert [one["name"] for one in entry["paper"]["authors"]] == ["Ann Lee", "Bo Ray"]
    assert entry["publishedAt"] == "2026-11-20T00:00:00.000Z"
    assert entry["submittedBy"]["fullname"] == "Owl Post & Co"
    assert entry["paper"]["upvotes"] == 42


def test_no_date_is_the_newest_daily_digest(app: App, client: TestClient) -> None:
    assert listed(client) == []
    freeze(app, DAY, OWLS)
    freeze(app, DAY - timedelta(days=1), MOTHS)
    freeze(app, DAY + timedelta(days=9), MOTHS, cadence=Cadence.WEEKLY)
    assert ids(client) == [OWLS.paper.id]


def test_a_day_a_week_or_a_month(app: App, client: TestClient) -> None:
    other = [ranked(1, f"On {name}", id=f"2611.9000{name}") for name in "123"]
    freeze(app, DAY, other[0])
    freeze(app, date(2026, 11, 22), other[1], cadence=Cadence.WEEKLY)
    freeze(app, date(2026, 11, 30), other[2], cadence=Cadence.MONTHLY)
    assert ids(client, "?date=2026-11-20") == ["2611.90001"]
    assert ids(client, "?week=2026-W47") == ["2611.90002"]
    assert ids(client, "?month=2026-11") == ["2611.90003"]
    assert ids(client, "?date=2026-11-20&week=2026-W47&month=2026-11") == ["2611.90001"]
    assert ids(client, "?week=2026-W47&month=2026-11") == ["2611.90002"]


@pytest.mark.parametrize(
    "query",
    [
        "?date=2026-11-19",
        "?week=2026-W46",
        "?week=2025-W53",
        "?week=2026-W00",
        "?week=9999-W52",
        "?month=2026-10",
        "?month=2026-13",
        "?month=0000-01",
        "?p=1",
        "?p=1000&limit=100",
    ],
)
def test_where_there_is_no_digest_the_list_is_empty(
    app: App, client: TestClient, query: str
) -> None:
    freeze(app, DAY, OWLS)
    freeze(app, date(2026, 11, 22), OWLS, cadence=Cadence.WEEKLY)
    freeze(app, date(2026, 11, 30), OWLS, cadence=Cadence.MONTHLY)
    assert listed(client, query) == []


def test_pages_and_order(app: App, client: TestClient) -> None:
    freeze(app, DAY, OWLS, MOTHS, ranked(3))
    first, second, third = ids(client)
    assert ids(client, "?limit=2") == [first, second]
    assert ids(client, "?limit=2&p=1") == [third]
    assert ids(client, "?sort=trending") == [first, second, third]
    assert ids(client, "?sort=publishedAt") == [second, first, third]


def test_hostile_names_are_told_but_for_halves_of_characters(app: App, client: TestClient) -> None:
    said = "<b>\ud800"
    paper = ranked(1, said, authors=(said,), source="bio", id="10.1101/2026")
    freeze(app, DAY, replace(paper, signals={said: Tally(1, 1, 1)}))
    (entry,) = listed(client)
    assert entry["paper"]["authors"][0]["name"] == "<b>?"
    assert entry["paper"]["id"] == "bio:10.1101/2026"
