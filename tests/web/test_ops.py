"""What operators, Prometheus and robots ask."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.robotparser import RobotFileParser

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine
from starlette.testclient import TestClient

from tests.digests import DAY, planned
from trendbot.app import App
from trendbot.settings import Settings, Site
from trendbot.store import books, hosts, runs
from trendbot.store.engine import connect
from trendbot.web.site import create

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)  # a Saturday; digests are due at 06:30
FRIDAY = date(2026, 11, 20)


class Clock:
    now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(engine: Engine, tmp_path: Path, clock: Clock) -> App:
    site = Site(base_url="https://trends.example.org/papers")
    return App(Settings(home=tmp_path, site=site), engine, clock)


@pytest.fixture
def client(app: App) -> TestClient:
    return TestClient(create(app, shelf_seconds=0))


Ran = Callable[..., None]


@pytest.fixture
def ran(engine: Engine) -> Ran:
    def write(
        kind: str, name: str, day: date, outcome: str, at: datetime = NOON, message: str = "why"
    ) -> None:
        with engine.begin() as conn:
            run = runs.start(conn, kind, name, day, day, at)
            if outcome != "running":
                runs.finish(conn, run, outcome, 3, message, at + timedelta(seconds=9))

    return write


def test_a_new_trendbot_is_well(client: TestClient) -> None:
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    said = answer.json()
    asked = said.pop("sources") + said.pop("signals")
    assert {(one["outcome"], one["state"], one["at"]) for one in asked} == {
        ("never asked", "never asked", None)
    }
    assert {"arxiv", "huggingface"} <= {one["name"] for one in asked}
    assert said == {"status": "ok", "database": "ok", "sending": "ok", "overdue": []}


def test_the_last_run_of_each_is_told_without_its_message(client: TestClient, ran: Ran) -> None:
    ran("source", "arxiv", FRIDAY, "ok", NOON - timedelta(hours=1))
    ran("source", "arxiv", FRIDAY, "failed", message="https://secret:word@example.org refused")
    ran("signal", "x", FRIDAY, "stopped")
    ran("signal", "huggingface", FRIDAY, "running")
    answer = client.get("/healthz")
    assert answer.status_code == 200
    said = answer.json()
    at = "2026-11-21T12:00:09Z"
    (source,) = said["sources"]
    assert source == {
        "name": "arxiv",
        "outcome": "failed",
        "at": at,
        "state": "failing",
        "note": "failed once since Saturday 21 November, 12:00 UTC",
        "last_ok": "2026-11-21T11:00:00Z",
        "failures": 1,
        "next_try": "2026-11-21T13:00:00Z",
    }
    signals = {one["name"]: one for one in said["signals"]}
    assert signals["huggingface"]["outcome"] == "running"
    assert signals["huggingface"]["at"] == "2026-11-21T12:00:00Z"
    # X is not enabled: what it did is told, but nothing is expected of it.
    assert (signals["x"]["outcome"], signals["x"]["state"]) == ("stopped", None)
    assert "secret" not in answer.text


def test_a_source_that_fails_for_days_wakes_nobody_by_itself(client: TestClient, ran: Ran) -> None:
    ran("source", "arxiv", FRIDAY, "ok", NOON - timedelta(days=9))
    for ago in range(8):
        ran("source", "arxiv", FRIDAY, "failed", NOON - timedelta(days=8 - ago))
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    (source,) = answer.json()["sources"]
    assert (source["state"], source["failures"]) == ("failing", 8)


def test_a_host_that_is_left_alone_is_told_without_the_reason(
    client: TestClient, ran: Ran, engine: Engine
) -> None:
    ran("source", "arxiv", FRIDAY, "failed")
    with engine.begin() as conn:
        for _ in range(5):
            hosts.failed(conn, "arxiv.org", "private words", True, NOON)
    answer = client.get("/healthz")
    (source,) = answer.json()["sources"]
    assert (source["state"], source["next_try"]) == ("closed", "2026-11-21T13:00:00Z")
    assert "private words" not in answer.text


def test_a_digest_that_is_missing_for_three_hours_is_told(
    client: TestClient, ran: Ran, clock: Clock
) -> None:
    ran("digest", "daily", FRIDAY - timedelta(days=1), "ok")
    clock.now = datetime(2026, 11, 21, 9, 29, tzinfo=UTC)
    assert client.get("/healthz").status_code == 200
    clock.now += timedelta(minutes=1)
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "failing"
    assert answer.json()["overdue"] == [{"cadence": "daily", "date": "2026-11-20"}]


@pytest.mark.parametrize("outcome", ["ok", "quiet"])
def test_a_digest_that_was_made_or_had_nothing_is_not_overdue(
    client: TestClient, ran: Ran, outcome: str
) -> None:
    ran("digest", "daily", FRIDAY - timedelta(days=1), "ok")
    ran("digest", "daily", FRIDAY, outcome)
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("outcome", ["failed", "stopped"])
def test_a_digest_that_fails_is_overdue_after_a_while_also_the_first(
    client: TestClient, ran: Ran, outcome: str
) -> None:
    ran("digest", "daily", FRIDAY, outcome)
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert [of["cadence"] for of in answer.json()["overdue"]] == ["daily"]


def test_what_is_no_news_any_more_is_not_overdue(
    client: TestClient, ran: Ran, clock: Clock
) -> None:
    """The archive may be filled later; nobody waits for it."""
    ran("digest", "daily", FRIDAY - timedelta(days=3), "ok")
    ran("digest", "daily", FRIDAY - timedelta(days=2), "failed")
    ran("digest", "daily", FRIDAY - timedelta(days=1), "ok")
    ran("digest", "daily", FRIDAY, "ok")
    assert client.get("/healthz").json()["overdue"] == []


def test_weekly_and_monthly_digests_are_looked_at_on_their_days(
    client: TestClient, ran: Ran, clock: Clock
) -> None:
    for name in ("daily", "weekly", "monthly"):
        ran("digest", name, date(2026, 8, 1), "failed")
    clock.now = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
    overdue = client.get("/healthz").json()["overdue"]
    assert overdue == [
        {"cadence": "daily", "date": "2026-11-30"},
        {"cadence": "monthly", "date": "2026-11-30"},
    ]


def test_sending_that_rests_is_told_and_is_no_failure(
    client: TestClient, app: App, engine: Engine, clock: Clock
) -> None:
    digest = planned(engine, DAY, 3)
    with engine.begin() as conn:
        books.stop(conn, digest.id, "535 secret refused", clock(), clock() + timedelta(hours=1))
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json()["sending"] == "stopped"
    assert "secret" not in answer.text
    with engine.begin() as conn:
        books.go_on(conn, digest.id)
    assert client.get("/healthz").json()["sending"] == "ok"


def test_a_digest_that_is_over_does_not_rest_for_ever(
    client: TestClient, engine: Engine, clock: Clock
) -> None:
    digest = planned(engine, DAY, 0)
    with engine.begin() as conn:
        books.stop(conn, digest.id, "535 refused", clock(), clock() + timedelta(hours=1))
        books.close(conn, digest.id)
    assert client.get("/healthz").json()["sending"] == "ok"


def test_a_database_that_is_gone_is_told_and_not_where_it_was(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    engine = connect("postgresql://user:secret@127.0.0.1:1/none?connect_timeout=2", tmp_path)
    client = TestClient(create(App(Settings(home=tmp_path), engine, clock)))
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "failing", "database": "unreachable"}
    assert "cannot be reached" in caplog.text
    assert "secret" not in caplog.text


def test_prometheus_reads_the_figures(client: TestClient) -> None:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert answer.headers["Cache-Control"] == "no-store"
    families = {family.name for family in text_string_to_metric_families(answer.text)}
    assert {
        "trendbot_build_info",
        "trendbot_mails",
        "trendbot_mail_seconds",
        "trendbot_refusals",
        "trendbot_request_seconds",
        "trendbot_database_up",
        "trendbot_deliveries_open",
        "trendbot_digests_unbalanced",
        "trendbot_digests_stopped",
    } <= families


def test_requests_are_counted_by_route_and_kind_of_answer(client: TestClient) -> None:
    client.get("/healthz")
    client.head("/healthz")
    client.get("/robots.txt")
    client.get("/secret/nowhere")
    text = client.get("/metrics").text
    counts = {
        (sample.labels["route"], sample.labels["status"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "trendbot_request_seconds_count"
    }
    assert counts == {("/healthz", "2xx"): 2, ("/robots.txt", "2xx"): 1, ("-", "4xx"): 1}
    assert "secret" not in text


def test_robots_read_pages_and_nothing_of_anybodys(client: TestClient) -> None:
    answer = client.get("/robots.txt")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "public" in answer.headers["Cache-Control"]
    rules = RobotFileParser()
    rules.parse(answer.text.splitlines())
    host = "https://trends.example.org/papers"
    for path in ("/", "/digests/daily/2026-11-20", "/papers/2611.00001", "/subscribe"):
        assert rules.can_fetch("any", host + path)
    for path in ("confirm", "unsubscribe", "preferences", "export", "erase"):
        assert not rules.can_fetch("any", f"{host}/{path}/a.token")
    assert not rules.can_fetch("any", f"{host}/search?q=words")
    assert rules.site_maps() == [f"{host}/sitemap.xml"]
