"""How the layers work together: what one request meets on its way in and out."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.to_thread import current_default_thread_limiter
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from tests.digests import MADE
from trendbot.app import App
from trendbot.settings import Settings, Site
from trendbot.store.engine import connect
from trendbot.web.site import THREADS, create

PROTECTION = ("Content-Security-Policy", "X-Frame-Options", "Strict-Transport-Security")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    site = Site(base_url="https://trends.example.org/papers")
    engine = connect("sqlite:///untouched.db", tmp_path)
    yield App(Settings(home=tmp_path, site=site), engine, lambda: MADE)
    engine.dispose()


@pytest.fixture
def client(app: App) -> TestClient:
    return TestClient(create(app))


@pytest.mark.parametrize("root", ["", "/papers"])
def test_a_proxy_may_take_the_path_of_the_site_away_or_leave_it(
    client: TestClient, root: str
) -> None:
    assert client.get(f"{root}/robots.txt").status_code == 200
    assert client.get(f"{root}/papersrobots.txt").status_code == 404


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("path", "status"), [("/robots.txt", 200), ("/nowhere", 404), ("/api/nowhere", 404)]
)
def test_every_answer_is_protected(client: TestClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    for name in PROTECTION:
        assert len(answer.headers.get_list(name)) == 1
    assert bool(answer.content) is (method == "GET")


def test_who_has_a_page_is_told_so_and_protected_all_the_same(client: TestClient) -> None:
    tag = client.get("/robots.txt").headers["ETag"]
    answer = client.get("/robots.txt", headers={"If-None-Match": tag})
    assert answer.status_code == 304
    for name in PROTECTION:
        assert answer.headers[name]


def test_nobody_is_sent_to_a_host_that_the_client_named(client: TestClient) -> None:
    answer = client.get("/robots.txt/", headers={"Host": "evil.example"}, follow_redirects=False)
    assert answer.status_code == 404
    assert "evil" not in str(answer.headers)
    assert "evil" not in answer.text


def test_no_page_depends_on_who_asks(client: TestClient) -> None:
    """What is on the shelf is for all: whoever asks first must not decide what others get."""
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Cookie": "evil=1"}
    assert "evil" not in client.get("/robots.txt", headers=headers).text


def test_only_the_api_is_in_its_documentation(app: App) -> None:
    assert [path for path in create(app).openapi()["paths"] if not path.startswith("/api/")] == []


def test_no_more_endpoints_work_at_once_than_there_are_connections(app: App) -> None:
    site = create(app)

    @site.get("/threads")
    async def threads() -> float:
        return current_default_thread_limiter().total_tokens

    with TestClient(site) as client:
        assert client.get("/threads").json() == THREADS


def test_a_breakdown_is_counted_logged_and_hidden(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "trendbot")
    site = create(app)

    @site.get("/broken/{name}")
    def broken(name: str) -> None:
        raise RuntimeError("broken")

    client = TestClient(site)
    answer = client.get("/broken/in-here")
    assert answer.status_code == 500
    assert answer.headers["Content-Security-Policy"]
    assert "GET /broken/{name} 500 " in caplog.text
    counted = [
        sample.labels
        for family in text_string_to_metric_families(app.telemetry.exposition().decode())
        for sample in family.samples
        if sample.name == "trendbot_request_seconds_count"
    ]
    assert counted == [{"route": "/broken/{name}", "status": "5xx"}]


def test_a_kept_page_is_logged_by_its_route(app: App, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "trendbot.web.access")
    client = TestClient(create(app))
    client.get("/robots.txt")
    client.head("/robots.txt")
    lines = [r.getMessage().split() for r in caplog.records if r.name == "trendbot.web.access"]
    assert [line[:3] for line in lines] == [
        ["GET", "/robots.txt", "200"],
        ["HEAD", "/robots.txt", "200"],
    ]
    assert lines[1][3] == "0"
