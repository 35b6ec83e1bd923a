"""The API: what programs are told, that its description is true, and what it refuses.

Over 400 lines: one short test for each promise of the description, on the same few digests.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter
from sqlalchemy import Engine
from starlette.testclient import TestClient

from tests.digests import COUNTED, DAY, MADE, ranked
from trendbot import reports
from trendbot.app import App
from trendbot.model import Cadence, Post, RankedPaper, Reading, Status
from trendbot.settings import Limits, Settings, Site, Web
from trendbot.store import digests, papers, posts, subscribers
from trendbot.web import schemas, site

ROOT = "https://owls.example/tb"
OWLS = ranked(1, "On Owls", categories=("cs.LG", "stat.ML"), comments="12 pages")
PAPERS = schemas.PaperList
MOTHS = ranked(2, "On Moths", categories=("math.CO", "foo.BAR"))


@pytest.fixture
def app(engine: Engine, tmp_path: Path) -> App:
    settings = Settings(
        home=tmp_path,
        site=Site(name="Owl Post", base_url=ROOT),
        web=Web(limits=Limits(client=3)),
    )
    return App(settings, engine, lambda: MADE)


@pytest.fixture
def client(app: App) -> Iterator[TestClient]:
    web = site.create(app, shelf_seconds=0)
    with TestClient(web, base_url="http://owls.example") as client:
        yield client


def freeze(app: App, day: date, *shown: RankedPaper, cadence: Cadence = Cadence.DAILY) -> None:
    with app.engine.begin() as conn:
        papers.upsert(conn, [one.paper for one in shown], MADE)
        ids = papers.ids_of(conn, [one.paper.key for one in shown])
        entries = [(ids[one.paper.key], one) for one in shown]
        assert digests.freeze(conn, cadence, day, day, day, COUNTED, MADE, entries)


def post(number: int, paper: RankedPaper, taken_at: datetime = COUNTED) -> Post:
    reading = Reading(taken_at, retweets=number, favorites=2 * number, replies=3 * number)
    posted_at = COUNTED - timedelta(hours=number)
    url = f"https://x.com/ada/status/{number}"
    said = f"Look, owl {number}!"  # the same again would not count
    return Post("x", str(number), (paper.paper.key,), "ada", url, posted_at, said, reading)


def store_papers(app: App, *found: RankedPaper) -> None:
    with app.engine.begin() as conn:
        papers.upsert(conn, [one.paper for one in found], MADE)


def store(app: App, *found: Post) -> None:
    with app.engine.begin() as conn:
        posts.upsert(conn, found)


def told(client: TestClient, path: str, model: type[BaseModel]) -> Any:
    """The answer, after it was held against its model and the headers of all such answers."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    TypeAdapter(model).validate_json(answer.content)
    return answer.json()


def refused(client: TestClient, path: str, status: int) -> dict[str, Any]:
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    schemas.ErrorAnswer.model_validate_json(answer.content)
    document: dict[str, Any] = answer.json()
    return document


def test_digests_are_listed_newest_first(app: App, client: TestClient) -> None:
    freeze(app, DAY, OWLS, MOTHS)
    freeze(app, DAY + timedelta(days=1))
    freeze(app, DAY, OWLS, cadence=Cadence.WEEKLY)
    found = told(client, "/api/digests?cadence=daily", schemas.DigestList)
    assert found == {
        "digests": [
            {
                "date": "2026-11-21",
                "cadence": "daily",
                "window": {"since": "2026-11-21", "until": "2026-11-21"},
                "made_at": "2026-11-21T06:30:00+00:00",
                "papers": 0,
                "url": f"{ROOT}/api/digests/daily/2026-11-21",
            },
            {
                "date": "2026-11-20",
                "cadence": "daily",
                "window": {"since": "2026-11-20", "until": "2026-11-20"},
                "made_at": "2026-11-21T06:30:00+00:00",
                "papers": 2,
                "url": f"{ROOT}/api/digests/daily/2026-11-20",
            },
        ],
        "total": 2,
        "page": 1,
        "per_page": 20,
        "next": None,
    }
    assert told(client, "/api/digests", schemas.DigestList)["total"] == 3
    assert told(client, "/api/digests?until=2026-11-20", schemas.DigestList)["total"] == 2
    assert told(client, "/api/digests?since=2026-11-21", schemas.DigestList)["total"] == 1


def test_pages_lead_from_one_to_the_next_through_all(app: App, client: TestClient) -> None:
    for number in range(5):
        freeze(app, DAY - timedelta(days=number), OWLS)
    path, dates = "/api/digests?cadence=daily&since=2026-11-01&per_page=2", []
    for _ in range(3):
        found = told(client, path, schemas.DigestList)
        assert found["total"] == 5
        dates += [one["date"] for one in found["digests"]]
        path = (found["next"] or "").removeprefix(ROOT)
    assert not path
    assert dates == [str(DAY - timedelta(days=number)) for number in range(5)]


def test_a_digest_is_the_document_of_the_command_line(app: App, client: TestClient) -> None:
    freeze(app, DAY, OWLS, MOTHS)
    store(app, post(1, OWLS), post(2, OWLS, taken_at=MADE))
    found = told(client, "/api/digests/daily/2026-11-20", schemas.DigestAnswer)
    with app.engine.connect() as conn:
        digest = digests.find(conn, Cadence.DAILY, DAY)
        assert digest is not None
        assert found == json.loads(
            json.dumps(reports.digest_document(conn, digest, MADE, app.settings.counting))
        )
    assert [one["id"] for one in found["papers"]] == ["2611.00001", "2611.00002"]
    counted, later = found["papers"][0]["posts"][::-1]
    assert counted["reading"]["replies"] == 3
    assert later["reading"] is None


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("/api/digests/daily/2026-11-19", 404, None),
        ("/api/digests/hourly/2026-11-20", 422, "cadence"),
        ("/api/digests/daily/yesterday", 422, "date"),
        ("/api/digests/daily/20261120", 422, "date"),
        ("/api/digests/daily/1795132800", 422, "date"),
        ("/api/digests/daily/2026-02-30", 422, "date"),
        ("/api/digests?page=0", 422, "page"),
        ("/api/digests?page=1001", 422, "page"),
        ("/api/digests?per_page=101", 422, "per_page"),
        ("/api/digests?per_page=x", 422, "per_page"),
        ("/api/digests?cadence=hourly", 422, "cadence"),
        ("/api/digests?since=0", 422, "since"),
        ("/api/digests?until=", 422, "until"),
        ("/api/search?category=cs.XX", 422, "category"),
        ("/api/search?q=" + 201 * "x", 422, "q"),
        ("/api/daily_papers?limit=101", 422, "limit"),
        ("/api/daily_papers?p=-1", 422, "p"),
        ("/api/daily_papers?sort=random", 422, "sort"),
        ("/api/daily_papers?week=47", 422, "week"),
        ("/api/daily_papers?month=Nov", 422, "month"),
        ("/api/digests?page=%00", 400, None),
        ("/api/papers/2611.99999", 404, None),
        ("/api/papers/", 404, None),
        ("/api/papers/%F0%9F%A6%89/%ED%A0%80", 404, None),
        ("/api/papers/" + 300 * "9", 404, None),
        ("/api/nothing", 404, None),
    ],
)
def test_what_cannot_be_answered_is_refused_by_name(
    client: TestClient, path: str, status: int, field: str | None
) -> None:
    assert refused(client, path, status)["field"] == field


def test_a_paper_with_all_that_is_known_of_it(app: App, client: TestClient) -> None:
    freeze(app, DAY, OWLS)
    freeze(
        app, DAY, replace(MOTHS, rank=1), replace(OWLS, rank=2, score=9.5), cadence=Cadence.WEEKLY
    )
    store(app, post(1, OWLS), post(2, OWLS), post(2, OWLS, taken_at=MADE), post(3, MOTHS))
    found = told(client, "/api/papers/2611.00001", schemas.PaperAnswer)
    line = told(client, "/api/search?q=owls", PAPERS)["papers"][0]
    assert {name: found[name] for name in line} == line
    assert found["comments"] == "12 pages"
    counts = {"posts": 2, "retweets": 3, "favorites": 6}
    (tally,) = found["counts"].values()
    assert {name: tally[name] for name in counts} == counts
    assert (tally["measured_at"], tally["left_out"], tally["flag"]) == (MADE.isoformat(), 0, "")
    assert found["history"] == {
        "x": [
            {"at": "2026-11-21T05:50:00+00:00", **counts},
            {"at": "2026-11-21T06:30:00+00:00", **counts},
        ]
    }
    weekly, daily = found["digests"]
    assert daily == {
        "date": "2026-11-20",
        "cadence": "daily",
        "rank": 1,
        "score": 12,
        "retweets": 10,
        "favorites": 2,
        "url": f"{ROOT}/api/digests/daily/2026-11-20",
    }
    assert (weekly["cadence"], weekly["rank"], weekly["score"]) == ("weekly", 2, 9.5)
    assert [one["id"] for one in found["posts"]] == ["1", "2"]  # the newest first
    assert found["posts"][1]["reading"]["taken_at"] == "2026-11-21T06:30:00+00:00"


def test_who_posted_is_told_only_while_the_post_was_seen_within_a_day(
    app: App, client: TestClient
) -> None:
    store_papers(app, OWLS)
    missed = post(2, OWLS, taken_at=MADE - timedelta(days=2))
    bot = replace(post(3, OWLS, taken_at=MADE), author="owlbot", automated=True, shared=True)
    untrue = replace(post(4, OWLS), reading=Reading(MADE, 40, 0), papers=(OWLS.paper.key, "a:1"))
    store(app, missed, bot, untrue)
    found = told(client, "/api/papers/2611.00001", schemas.PaperAnswer)
    by_id = {one["id"]: one for one in found["posts"]}
    assert (by_id["2"]["author"], by_id["2"]["url"]) == ("", "")
    assert by_id["2"]["reading"]["retweets"] == 2
    assert by_id["3"]["author"] == "owlbot"
    assert (by_id["3"]["label"], by_id["3"]["shared"]) == ("automated", False)
    assert by_id["4"]["flag"] == "retweets without favorites"
    assert (by_id["4"]["reading"], by_id["4"]["shared"]) == (None, True)
    assert by_id["4"]["papers"] == ["arxiv:2611.00001"]
    assert (found["counts"]["x"]["posts"], found["counts"]["x"]["left_out"]) == (2, 1)


def test_a_paper_nobody_posted_about(app: App, client: TestClient) -> None:
    store_papers(app, ranked(1, id="math/0309136"), ranked(2, source="bio", id="10.1101/1"))
    found = told(client, "/api/papers/math/0309136", schemas.PaperAnswer)
    assert (found["counts"], found["history"], found["digests"], found["posts"]) == ({}, {}, [], [])
    assert found["url"] == f"{ROOT}/api/papers/math/0309136"
    other = told(client, "/api/papers/bio:10.1101/1", schemas.PaperAnswer)
    assert other["page"] == f"{ROOT}/papers/bio:10.1101/1"


def test_of_many_posts_the_newest_are_told(app: App, client: TestClient) -> None:
    store_papers(app, OWLS)
    store(app, *(post(number, OWLS) for number in range(1, 503)))
    found = told(client, "/api/papers/2611.00001", schemas.PaperAnswer)
    assert [one["id"] for one in found["posts"]] == [str(number) for number in range(1, 501)]


def test_papers_are_found_by_their_words(app: App, client: TestClient) -> None:
    store_papers(app, OWLS, MOTHS)
    found = told(client, "/api/search?q=owls", schemas.PaperList)
    assert found == {
        "papers": [
            {
                "id": "2611.00001",
                "title": "On Owls",
                "authors": ["Ann Lee", "Bo Ray"],
                "categories": [
                    {"id": "cs.LG", "name": "Machine Learning"},
                    {"id": "stat.ML", "name": "Machine Learning"},
                ],
                "announced": "2026-11-20",
                "abstract": "We count posts. They are many.",
                "links": {"abs": "https://arxiv.org/abs/2611.00001"},
                "page": f"{ROOT}/papers/2611.00001",
                "url": f"{ROOT}/api/papers/2611.00001",
            }
        ],
        "capped": False,
        "total": 1,
        "page": 1,
        "per_page": 20,
        "next": None,
    }


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("", 0),
        ("q=many", 2),
        ("q=many&category=math.CO", 1),
        ("category=cs", 1),
        ("q=many&since=2026-11-20&until=2026-11-20", 2),
        ("q=many&until=2026-11-19", 0),
        ("q=many&since=2026-11-21", 0),
        ("q=many%20-owls", 1),
        ("q=%F0%9F%A6%89%E2%80%AE%22", 0),
    ],
)
def test_a_search_is_narrowed(app: App, client: TestClient, query: str, total: int) -> None:
    store_papers(app, OWLS, MOTHS)
    assert told(client, f"/api/search?{query}", schemas.PaperList)["total"] == total


def test_pages_of_what_was_found_keep_the_question(app: App, client: TestClient) -> None:
    store_papers(app, OWLS, MOTHS)
    first = told(client, "/api/search?q=%22are+many%22&since=2026-11-01&per_page=1", PAPERS)
    assert first["next"] == (
        f"{ROOT}/api/search?q=%22are%20many%22&since=2026-11-01&page=2&per_page=1"
    )
    second = told(client, first["next"].removeprefix(ROOT), PAPERS)
    assert second["next"] is None
    assert {one["papers"][0]["id"] for one in (first, second)} == {"2611.00001", "2611.00002"}


HOSTILE = "<b>\ud83d lone \ud800 & \x07 \u202e 'quote' \"double\""


def test_hostile_text_is_told_as_it_is_but_for_halves_of_characters(
    app: App, client: TestClient
) -> None:
    freeze(app, DAY, ranked(1, HOSTILE, authors=(HOSTILE,), comments=HOSTILE))
    (found,) = told(client, "/api/digests/daily/2026-11-20", schemas.DigestAnswer)["papers"]
    assert found["authors"] == [HOSTILE.replace("\ud83d", "?").replace("\ud800", "?")]


# Signing up


def ask(client: TestClient, **wish: object) -> Any:
    return client.post("/api/subscribe", json=wish)


def asked_for(app: App, email: str) -> Any:
    with app.engine.connect() as conn:
        return subscribers.find(conn, email)


def test_asking_queues_a_confirmation_for_what_was_wished(app: App, client: TestClient) -> None:
    answer = ask(
        client,
        email="Ada@Example.org",
        cadence="weekly",
        topics=["cs.LG", "math"],
        hour=7,
        timezone="Europe/Berlin",
    )
    assert answer.status_code == 202
    schemas.SubscribeAnswer.model_validate_json(answer.content)
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in answer.headers
    found = asked_for(app, "ada@example.org")
    assert found.status is Status.PENDING
    assert (found.cadence, found.topics) == (Cadence.WEEKLY, ("cs.LG", "math"))
    assert (found.hour, found.timezone) == (7, "Europe/Berlin")


def test_the_answer_is_the_same_whoever_asks(app: App, client: TestClient) -> None:
    with app.engine.begin() as conn:
        for name, status in (("active", Status.ACTIVE), ("gone", Status.SUPPRESSED)):
            email = f"{name}@example.org"
            subscribers.add(conn, email, email, status, Cadence.DAILY, (), MADE)
    names = ("new", "active", "gone")
    answers = [ask(client, email=f"{name}@example.org") for name in names]
    assert len({(answer.status_code, answer.content) for answer in answers}) == 1


def test_a_program_that_fills_in_everything_gets_the_answer_and_nothing_else(
    app: App, client: TestClient
) -> None:
    honest = ask(client, email="ada@example.org")
    caught = ask(client, email="bot@example.org", website="https://spam.example")
    assert (caught.status_code, caught.content) == (honest.status_code, honest.content)
    assert asked_for(app, "bot@example.org") is None


def test_who_asks_too_often_must_wait(app: App, client: TestClient) -> None:
    for number in range(3):
        assert ask(client, email=f"ada{number}@example.org").status_code == 202
    answer = ask(client, email="ada3@example.org")
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert schemas.ErrorAnswer.model_validate_json(answer.content).field is None
    assert asked_for(app, "ada3@example.org") is None


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({}, "email"),
        ({"hour": None}, "email"),
        ({"email": "ada@example.org", "hour": 1e999}, "hour"),
        ({"email": "ada@example.org", "hour": 7.5}, "hour"),
        ({"email": "not an address"}, "email"),
        ({"email": "ada@example.org", "cadence": "hourly"}, "cadence"),
        ({"email": "ada@example.org", "topics": ["cs.XX"]}, "topics"),
        ({"email": "ada@example.org", "topics": "cs.LG"}, "topics"),
        ({"email": "ada@example.org", "topics": ["cs.LG"] * 99}, "topics"),
        ({"email": "ada@example.org", "hour": 24}, "hour"),
        ({"email": "ada@example.org", "hour": True}, "hour"),
        ({"email": "ada@example.org", "hour": "7"}, "hour"),
        ({"email": "ada@example.org", "timezone": "Mars/Base"}, "timezone"),
        ({"email": "ada@example.org", "owls": True}, "owls"),
        ({"email": "\ud800@example.org"}, "email"),
        ({"email": "a" * 401}, "email"),
        ({"email": "ada@example.org", "\ud800": 1}, None),
        ([], None),
        ("text", None),
    ],
)
def test_a_wish_that_cannot_be_understood_is_refused_by_name(
    app: App, client: TestClient, wish: object, field: str | None
) -> None:
    answer = client.post("/api/subscribe", content=json.dumps(wish), headers=JSON)
    assert answer.status_code == 422, answer.text
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert schemas.ErrorAnswer.model_validate_json(answer.content).field == field
    assert asked_for(app, "ada@example.org") is None


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{", JSON, 422),
        (b'{"email": "ada@example.org"}', {"Content-Type": "text/plain"}, 422),
        (b"\xff\xfe", JSON, 422),
        (b"[" * 60_000, JSON, 400),
        (b" " * 70_000, JSON, 413),
        (b'{"email": "ada@example.org"}', {**JSON, "Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_a_body_that_is_no_wish_is_refused(
    app: App, client: TestClient, content: bytes, headers: dict[str, str], status: int
) -> None:
    answer = client.post("/api/subscribe", content=content, headers=headers)
    assert answer.status_code == status, answer.text
    schemas.ErrorAnswer.model_validate_json(answer.content)
    assert asked_for(app, "ada@example.org") is None
