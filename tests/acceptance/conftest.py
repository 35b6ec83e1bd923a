"""A trendbot of its own for each acceptance test: settings, database, upstream and mail server."""

import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.acceptance import at
from tests.acceptance.sending import Sending
from tests.rawsmtpd import OFFERS
from tests.smtpd import Smtpd
from tests.upstream.server import Upstream
from tests.upstream.world import small_world

# Processes forked off one that has imported everything: a second saved for each command.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.acceptance.everything"])

ROOT = Path(__file__).parent.parent.parent
FRIDAY = date(2026, 11, 20)
SATURDAY_MORNING = "2026-11-21T06:30+00:00"

SETTINGS = """
[site]
base_url = "https://papers.example.org"
postal_address = "1 Long Road, Springfield"
[database]
url = "{database}"
[sources.arxiv]
base_url = "{arxiv}"
api_url = "{arxiv_api}"
rss_url = "{rss}"
categories = ["cs.LG", "cs.CL", "cs.CV", "stat.ML"]
delay = 0
[signals.bluesky]
constellation_url = "{constellation}"
appview_url = "{bsky}"
delay = 0
[signals.hackernews]
base_url = "{hackernews}"
delay = 0
[signals.huggingface]
base_url = "{huggingface}"
delay = 0
[signals.mastodon]
instances = ["{mastodon}", "{mastodon_two}"]
delay = 0
[signals.x]
enabled = true
base_url = "{x}"
storage_url = "{x_storage}"
delay = 0
bearer_token = "a-token"
min_likes = 0
[mail]
sender = "Trending <digest@papers.example.org>"
transport = "{transport}"
[mail.smtp]
host = "127.0.0.1"
port = {port}
tls = "none"
[web]
port = 0
secret_key = "a-secret-of-sixteen-characters"
"""


@dataclass
class Trendbot:
    """The command line in processes of its own, with the clock set."""

    home: Path
    moment: str = SATURDAY_MORNING
    environment: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def start(self, *arguments: str, **environment: str) -> "Iterator[subprocess.Popen[str]]":
        """Begin a command; it does not outlive the `with` block."""
        with subprocess.Popen(
            [sys.executable, "-m", "tests.acceptance.at", self.moment, *arguments],
            cwd=self.home,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def begin(self, *arguments: str, **environment: str) -> ForkServerProcess:
        """Begin a command, cheaper than `start`; whoever begins it must see to its end."""
        process = FORKS.Process(
            target=at.run,
            args=(str(self.home), self.environment | environment, self.moment, *arguments),
        )
        process.start()
        return process

    def __call__(self, *arguments: str, status: int = 0, **environment: str) -> str:
        """Run a command to its end; returns what it printed."""
        process = self.begin(*arguments, **environment)
        process.join(100)
        out, err = ((self.home / name).read_text() for name in ("out", "err"))
        assert process.exitcode == status, f"{arguments}: {process.exitcode}\n{out}\n{err}"
        process.close()
        assert "Traceback" not in err
        return out if status == 0 else err

    def document(self, *arguments: str) -> Any:
        """The JSON document a command prints."""
        return json.loads(self(*arguments, "--json"))

    def mails(self) -> list[bytes]:
        """What lies in the Maildir."""
        return [file.read_bytes() for file in (self.home / "mail" / "new").glob("*")]

    def set(self, **replaced: str) -> None:
        """Replace text in the settings."""
        file = self.home / "trendbot.toml"
        text = file.read_text()
        for old, new in replaced.items():
            assert old in text
            text = text.replace(old, new)
        file.write_text(text)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """The three networks on Saturday morning, after a Friday's announcements."""
    with Upstream(small_world(FRIDAY)) as server:
        server.world.now = datetime.fromisoformat(SATURDAY_MORNING)
        yield server


@pytest.fixture
def smtpd() -> Iterator[Smtpd]:
    """A mail server that takes everything."""
    with Smtpd() as server:
        yield server


@pytest.fixture
def transport() -> str:
    """How mail leaves; a test module may say otherwise."""
    return "smtp"


@pytest.fixture
def trendbot(
    tmp_path: Path, database_url: str, upstream: Upstream, smtpd: Smtpd, transport: str
) -> Trendbot:
    """A trendbot that asks the upstream and mails to the mail server, on both databases."""
    (tmp_path / "trendbot.toml").write_text(
        SETTINGS.format(
            database=database_url,
            arxiv=upstream.arxiv,
            arxiv_api=upstream.arxiv_api,
            rss=upstream.rss,
            hackernews=upstream.hackernews,
            huggingface=upstream.huggingface,
            mastodon=upstream.mastodon,
            mastodon_two=upstream.mastodon_two,
            constellation=upstream.constellation,
            bsky=upstream.bsky,
            x=upstream.x,
            x_storage=upstream.x_storage,
            port=smtpd.port,
            transport=transport,
        )
    )
    return Trendbot(tmp_path)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections that rest for hundredths of the time, and are looked after as often."""
    line = "trendbot.transports.smtp_line"
    shorter = {"_PAUSE": 0.001, "_LONGEST_PAUSE": 0.01, "_REST": 0.01, "_LONGEST_REST": 0.05}
    for name, seconds in shorter.items():
        monkeypatch.setattr(f"{line}.{name}", seconds)
    monkeypatch.setattr("trendbot.transports.smtp_crew._LOOK_EVERY", 0.05)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waits that no setting shortens, short."""
    monkeypatch.setattr("trendbot.transports.smtp_talk._DOT_TIMEOUT", 0.3)
    monkeypatch.setattr("trendbot.transports.smtp._GOODBYE_TIMEOUT", 0.1)
    for module in ("smtp_wire", "smtp_plain"):
        monkeypatch.setattr(f"trendbot.transports.{module}._QUIT_TIMEOUT", 0.1)


@pytest.fixture
def sending(engine: Engine, tmp_path: Path, hurried: None) -> Sending:
    """A digest on its way, in process."""
    return Sending(engine, tmp_path)


@pytest.fixture
def offers(database_url: str) -> list[str]:
    """What a mail server can: all of it, or all but pipelining; one way on each database."""
    return list(OFFERS if database_url.startswith("postgresql") else OFFERS[1:])
