"""What programs read has the promised shape, and what a terminal shows cannot drive it."""

import io
import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import Engine

from tests.conftest import address_of
from trendbot import contest, deliver, pipeline, reports
from trendbot.app import App
from trendbot.model import Cadence, DeliveryState, Digest, Paper, Post, Reading, Status
from trendbot.settings import Ranking, Settings
from trendbot.store import books, hosts, papers, posts, runs, subscribers
from trendbot.store.books import Books
from trendbot.store.health import standing

DAY = date(2026, 11, 19)
HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07Title",
    "\x9b31mred\x9b0m \u202etxet\u202c",
    "[bold red]markup[/] [link=https://evil.example]click[/link] [/nothing]",
    "two\r\nlines\tand\u2028more",
    ":skull: and \\[escaped]",
)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLite: what differs between databases is tested in the store."""
    return address_of(getattr(request, "param", "sqlite"), request, tmp_path)


@pytest.fixture
def app(engine: Engine, tmp_path: Path, now: datetime) -> App:
    settings = Settings(home=tmp_path, ranking=Ranking(size=1, weights={"x": 0.5}))
    return App(settings, engine, lambda: now)


@pytest.fixture
def known(app: App, now: datetime) -> None:
    """Two papers, three posts about them."""
    links = {"abs": "https://arxiv.org/abs/2611.1", "pdf": "https://arxiv.org/pdf/2611.1"}
    owls = Paper(
        "arxiv", "2611.1", "Owls", ("Ada Quill", "Bo Ray"), ("cs.LG", "math.ST"), DAY, links=links
    )
    bats = Paper("arxiv", "2611.2", "Bats", (), ("cs.CL",), DAY)
    with app.engine.begin() as conn:
        papers.upsert(conn, [owls, bats], now)
        posts.upsert(conn, [
            post("1", owls, now, 3, 4), post("2", owls, now, 1, 1),
            post("3", owls, now, 0, 5, "huggingface"), post("4", bats, now, 2, 0),
        ])  # fmt: skip


def post(
    number: str, paper: Paper, now: datetime, retweets: int, favorites: int, signal: str = "x"
) -> Post:
    reading = Reading(now, retweets, favorites, 7)
    url = f"https://example.org/{number}"
    said = f"Look, number {number}!"  # the same again would not count
    return Post(signal, number, (paper.key,), "ada", url, now, said, reading)


def ranking_of(app: App) -> tuple[contest.Ranked, list[Any]]:
    with app.engine.connect() as conn:
        ranked = contest.ranking(app, conn, Cadence.DAILY, DAY)
        return ranked, [
            entry for _, entry in contest.with_papers(app, conn, ranked, ranked.standings)
        ]


@pytest.mark.usefixtures("known")
# Over 40 lines: the whole document, as programs read it.
def test_the_ranking_as_json(app: App, now: datetime) -> None:
    counted = {"measured_at": now.isoformat(), "left_out": 0, "flag": ""}
    document = json.loads(json.dumps(reports.ranking_document(*ranking_of(app))))
    assert document == {
        "date": "2026-11-19",
        "cadence": "daily",
        "window": {"since": "2026-11-19", "until": "2026-11-19"},
        "by": "total",
        "papers": [
            {
                "rank": 1,
                "id": "2611.1",
                "title": "Owls",
                "authors": ["Ada Quill", "Bo Ray"],
                "categories": ["cs.LG", "math.ST"],
                "score": 9.5,
                "merit": 9.5,
                "movement": "new",
                "late_riser": False,
                "retweets": 4,
                "favorites": 10,
                "signals": {
                    "huggingface": {
                        "posts": 1,
                        "retweets": 0,
                        "favorites": 5,
                        "growth": 5,
                        **counted,
                    },
                    "x": {"posts": 2, "retweets": 4, "favorites": 5, "growth": 9, **counted},
                },
                "links": {
                    "abs": "https://arxiv.org/abs/2611.1",
                    "pdf": "https://arxiv.org/pdf/2611.1",
                },
            },
            {
                "rank": 2,
                "id": "2611.2",
                "title": "Bats",
                "authors": [],
                "categories": ["cs.CL"],
                "score": 1,
                "merit": 1,
                "movement": "new",
                "late_riser": False,
                "retweets": 2,
                "favorites": 0,
                "signals": {
                    "x": {"posts": 1, "retweets": 2, "favorites": 0, "growth": 2, **counted}
                },
                "links": {},
            },
        ],
    }
    assert isinstance(document["papers"][1]["score"], int)


@pytest.mark.usefixtures("known")
def test_a_digest_as_json_leads_back_to_posts_and_moments(app: App, now: datetime) -> None:
    ranked, entries = ranking_of(app)
    made = digest_of(app)
    with app.engine.connect() as conn:
        document = reports.digest_document(conn, made, now, app.settings.counting)
    (shown,) = document["papers"]
    found = shown.pop("posts")
    assert document == {
        **reports.ranking_document(ranked, entries[:1]),
        "counted_at": now.isoformat(),
        "heard": None,
    }
    assert sorted(one["id"] for one in found) == ["1", "2", "3"]
    assert next(one for one in found if one["id"] == "1") == {
        "signal": "x",
        "id": "1",
        "author": "ada",
        "url": "https://example.org/1",
        "posted_at": now.isoformat(),
        "seen_at": now.isoformat(),
        "label": "",
        "papers": ["arxiv:2611.1"],
        "shared": False,
        "flag": "",
        "lapsed": False,
        "reading": {"taken_at": now.isoformat(), "retweets": 3, "favorites": 4, "replies": 7},
    }
    assert sum(one["reading"]["favorites"] for one in found) == shown["favorites"]


def digest_of(app: App) -> Digest:
    made = pipeline.make_digest(app, Cadence.DAILY, DAY).digest
    assert made is not None
    return made


def test_a_post_nobody_measured_has_no_reading(now: datetime) -> None:
    unread = Post("x", "1", (), "ada", "https://example.org/1", now)
    assert reports.post_document(unread, now)["reading"] is None


def test_a_subscriber_as_json(app: App, now: datetime) -> None:
    with app.engine.begin() as conn:
        args = ("ada@example.org", "ada@example.org", Status.PENDING, Cadence.WEEKLY, ("cs.LG",))
        ada = subscribers.add(conn, *args, now)
    assert ada is not None
    assert reports.subscriber_document(ada) == {
        "email": "ada@example.org",
        "status": "pending",
        "cadence": "weekly",
        "topics": ["cs.LG"],
        "fewer": [],
        "hour": None,
        "timezone": "",
        "paused_until": None,
        "created_at": now.isoformat(),
        "confirmed_at": None,
    }


@pytest.fixture
def planned(app: App, known: None, now: datetime) -> None:
    """A digest with an audience of one, and a run of each kind."""
    with app.engine.begin() as conn:
        args = ("ada@example.org", "ada@example.org", Status.ACTIVE, Cadence.DAILY, ())
        subscribers.add(conn, *args, now)
        for kind, name in (("source", "arxiv"), ("signal", "x")):
            started = runs.start(conn, kind, name, DAY, DAY, now)
            if kind == "source":
                runs.finish(conn, started, "failed", 0, "no answer", now)
    deliver.plan(app.engine, digest_of(app), now)


@pytest.mark.usefixtures("planned")
def test_the_status_as_json(app: App, now: datetime) -> None:
    with app.engine.connect() as conn:
        document = json.loads(
            json.dumps(reports.status_document(conn, standing(conn, app.asked, app.now())))
        )
    assert list(document) == ["digests", "sources", "signals", "last_digest_runs"]
    (row,) = document["digests"]
    assert (row.pop("stopped"), row.pop("resume_at")) == ("", None)
    assert list(row) == [
        *("cadence", "date", "audience"),
        *("sent", "pending", "deferred", "failed", "uncertain", "suppressed", "expired"),
        "balanced",
    ]
    assert (row["cadence"], row["date"], row["audience"]) == ("daily", "2026-11-19", 1)
    moment = now.isoformat()
    days = {"since": "2026-11-19", "until": "2026-11-19", "started_at": moment}
    (source,) = document["sources"]
    assert source.pop("health")["state"] == "failing"
    assert source == {
        "name": "arxiv", "outcome": "failed", "items": 0, **days, "finished_at": moment,
        "message": "no answer",
    }  # fmt: skip
    asked = document["signals"][-1]
    assert (asked["name"], asked["outcome"], asked["finished_at"]) == ("x", "running", None)
    assert [one["name"] for one in document["last_digest_runs"]] == ["daily"]


@pytest.mark.usefixtures("planned")
def test_balanced_is_the_audience_and_the_sum_of_the_rest(app: App) -> None:
    with app.engine.connect() as conn:
        (row,) = reports.status_document(conn, standing(conn, app.asked, app.now()))["digests"]
    assert row["balanced"] is (row["audience"] == sum(row[state] for state in reports.STATES))


def test_what_is_being_sent_counts_as_pending() -> None:
    counts = {DeliveryState.SENDING: 2, DeliveryState.PENDING: 1, DeliveryState.SENT: 4}
    row = reports.books_document(Books(1, Cadence.DAILY, DAY, 7, counts, "", None, False))
    assert (row["pending"], row["sent"], row["balanced"]) == (3, 4, True)
    assert "sending" not in row
    assert not reports.books_document(Books(1, Cadence.DAILY, DAY, 8, counts, "", None, False))[
        "balanced"
    ]


@pytest.fixture(params=[False, True], ids=["file", "terminal"])
def screen(request: pytest.FixtureRequest) -> Console:
    """What commands print on, without colours: every control character is somebody else's."""
    return Console(
        file=io.StringIO(), width=250, highlight=False, force_terminal=request.param,
        color_system=None, no_color=True,
    )  # fmt: skip


def shown_on(screen: Console) -> str:
    assert isinstance(screen.file, io.StringIO)
    shown = screen.file.getvalue()
    assert all(line.isprintable() for line in shown.split("\n")), shown
    return shown


@pytest.mark.parametrize("title", HOSTILE)
def test_a_title_cannot_drive_the_terminal(
    app: App, screen: Console, title: str, now: datetime
) -> None:
    loud = Paper("arxiv", "2611.3", title, (title,), ("cs.LG",), DAY)
    with app.engine.begin() as conn:
        papers.upsert(conn, [loud], now)
        posts.upsert(conn, [post("9", loud, now, 9000, 3)])
    reports.show_ranking(screen, *ranking_of(app), size=1)
    shown = shown_on(screen)
    assert "daily ranking, papers announced 2026-11-19" in shown
    assert "9,000" in shown
    assert "2611.3" in shown
    assert "1 papers announced, 1 posted about, 1 reach the score." in shown
    assert "not counted" not in shown
    if title.startswith("[bold"):
        assert "[bold red]markup[/]" in shown


def test_what_lapsed_is_missed(app: App, screen: Console) -> None:
    reports.show_ranking(screen, *ranking_of(app), size=1, lapsed=3)
    shown = shown_on(screen)
    assert "Not seen for a day, and therefore not counted: 3 posts. `trendbot collect`" in shown


@pytest.mark.parametrize("words", HOSTILE)
@pytest.mark.usefixtures("planned")
def test_a_message_cannot_drive_the_terminal(
    app: App, screen: Console, words: str, now: datetime
) -> None:
    with app.engine.begin() as conn:
        started = runs.start(conn, "source", "arxiv", DAY, DAY, now)
        runs.finish(conn, started, "failed", 0, words, now)
        (of,) = books.of_digests(conn)
        books.stop(conn, of.digest_id, words, now, now)
    with app.engine.connect() as conn:
        reports.show_status(
            screen, reports.status_document(conn, standing(conn, app.asked, app.now()))
        )
    shown = shown_on(screen)
    assert "daily 2026-11-19: sending stopped: " in shown
    assert f"again at {now:%H:%M} UTC" in shown
    assert "last digest runs" in shown


@pytest.mark.usefixtures("planned")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_host_that_is_left_alone_is_told(app: App, screen: Console, now: datetime) -> None:
    with app.engine.begin() as conn:
        for _ in range(3):
            hosts.failed(conn, "arxiv.org", "answered HTTP 503", True, now)
        reports.show_status(
            screen, reports.status_document(conn, standing(conn, app.asked, app.now()))
        )
    assert shown_on(screen).count("arxiv.org is left alone until ") == 1
