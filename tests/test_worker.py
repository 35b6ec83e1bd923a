"""A worker from its start to its signal: it mails what waits, and tells of it."""

import logging
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from pydantic import SecretStr
from sqlalchemy import Engine

from tests.digests import DAY, MADE, planned
from trendbot import jobs, worker
from trendbot.app import App
from trendbot.errors import SettingsError
from trendbot.settings import Settings, Web
from trendbot.store.engine import open_store

QUICK = jobs.Times(
    poll_every=0.02, heartbeat_every=0.1, stalled_after=5, sweep_every=0.1, pause=0.1, stop_within=1
)
PATIENCE = 30


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Figures(logging.Handler):
    """Asks for the figures once the digest is done, as the log says, then ends the worker."""

    def __init__(self) -> None:
        super().__init__()
        self.address = ""
        self.answer = ""
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        self.told.append(said)
        if found := re.search(r"http://\S+/metrics", said):
            self.address = found[0]
        if " sent" in said:
            threading.Thread(target=self.ask).start()

    def ask(self) -> None:
        try:
            self.answer = requests.get(self.address, timeout=PATIENCE).text
        finally:
            os.kill(os.getpid(), signal.SIGTERM)


def app_on(engine: Engine, home: Path, **more: Any) -> App:
    web = Web(secret_key=SecretStr("a-secret-of-sixteen-characters"), **more)
    return App(Settings(home=home, web=web), engine, lambda: MADE)


def test_a_worker_mails_what_waits_and_tells_of_it(
    emptied_postgresql: Engine, tmp_path: Path
) -> None:
    planned(emptied_postgresql, DAY, 60)
    figures = Figures()
    log = logging.getLogger("trendbot")
    log.addHandler(figures)
    level = log.level
    log.setLevel(logging.INFO)
    try:
        worker.work(app_on(emptied_postgresql, tmp_path), metrics_port=0, times=QUICK)
    finally:
        log.removeHandler(figures)
        log.setLevel(level)
    assert len(list((tmp_path / "mail" / "new").iterdir())) == 60
    assert "daily digest of 2026-11-20: 60 of 60 sent" in figures.told
    assert 'trendbot_mails_total{state="sent"} 60.0' in figures.answer
    with pytest.raises(requests.ConnectionError):
        requests.get(figures.address, timeout=PATIENCE)


def test_there_are_no_workers_on_sqlite(tmp_path: Path) -> None:
    engine = open_store("sqlite:///trendbot.db", tmp_path)
    with pytest.raises(SettingsError, match="workers need PostgreSQL"):
        worker.work(app_on(engine, tmp_path))
    engine.dispose()
