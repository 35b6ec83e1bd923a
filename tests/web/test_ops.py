"""What operators and Prometheus ask."""

from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine

from tests.digests import MADE
from trendbot.app import App
from trendbot.settings import Settings, Web
from trendbot.web import server


@pytest.fixture
def app(engine: Engine, tmp_path: Path) -> App:
    return App(Settings(home=tmp_path, web=Web(port=0)), engine, lambda: MADE)


def test_prometheus_reads_the_figures(app: App) -> None:
    web = server.start(app)
    try:
        answer = requests.get(f"http://127.0.0.1:{web.port}/metrics", timeout=20)
    finally:
        assert web.stop(within=20)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    families = {family.name for family in text_string_to_metric_families(answer.text)}
    assert {
        "trendbot_build_info",
        "trendbot_mails",
        "trendbot_mail_seconds",
        "trendbot_refusals",
        "trendbot_database_up",
        "trendbot_deliveries_open",
        "trendbot_digests_unbalanced",
        "trendbot_digests_stopped",
    } <= families
