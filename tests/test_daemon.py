"""The daemon: what it finds to do, and how it stops."""

import json
import logging
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import requests
from pydantic import SecretStr
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from trendbot import daemon, pipeline
from trendbot.app import App
from trendbot.collect import collect
from trendbot.errors import SettingsError, SignalError, SourceError
from trendbot.model import Cadence, Paper, Post, Reading, Status
from trendbot.settings import Settings, Web
from trendbot.store import books, posts, subscribers
from trendbot.web import server

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Clock:
    def __init__(self, text: str) -> None:
        self.now = datetime.fromisoformat(text).replace(tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass
class World:
    """A source and a signal: one paper a weekday, and one post about it."""

    clock: Clock
    fails: bool = False
    asked: int = 0
    measured: int = 0
    every: timedelta = timedelta(hours=6)
    papers: dict[date, Paper] = field(default_factory=dict)

    def fetch(self, since: date, until: date) -> Iterable[Paper]:
        self.asked += 1
        if self.fails:
            raise SourceError("arXiv does not answer")
        for offset in range((until - since).days + 1):
            day = since + timedelta(days=offset)
            if day.weekday() < 5:
                yield Paper(
                    "arxiv", f"{day:%y%m}.{day:%d}000", f"On {day}", ("A",), ("cs.LG",), day
                )

    def measure(self, papers: Iterable[Paper], since: datetime) -> Iterable[Post]:
        self.measured += 1
        if self.fails:
            raise SignalError("nobody answers")
        for paper in papers:
            at = datetime.combine(paper.announced, datetime.min.time(), UTC)
            url, read = "https://x.com", Reading(self.clock(), 5, 5)
            yield Post("x", paper.id, (paper.key,), "a", url, at, "", read)

    def check(self) -> str:
        return "here"


@pytest.fixture
def clock() -> Clock:
    return Clock("2026-11-20T06:29")


@pytest.fixture
def world(clock: Clock) -> World:
    return World(clock)


@pytest.fixture
def app(engine: Engine, clock: Clock, world: World, tmp_path: Path) -> App:
    settings = Settings(
        home=tmp_path, web=Web(secret_key=SecretStr("a-secret-of-sixteen-characters"))
    )
    app = App(settings, engine, clock)
    app.sources = {"arxiv": world}
    app.signals = {"x": world}
    with engine.begin() as conn:
        subscribers.add(
            conn, "ada@example.org", "ada@example.org", Status.ACTIVE, Cadence.DAILY, (), clock()
        )
    return app


def tick(app: App) -> None:
    daemon.work(app)


def made(app: App) -> list[str]:
    with app.engine.connect() as conn:
        return sorted(
            f"{b.date} {sum(b.counts.values())}"
            for b in books.of_digests(conn)
            if b.cadence == "daily"
        )


def mails(app: App) -> int:
    return len(list((app.settings.home / "mail" / "new").glob("*")))


def test_the_digest_is_made_at_its_hour_and_mailed_once(app: App, clock: Clock) -> None:
    clock.now = clock.now.replace(day=19, hour=6, minute=30)
    daemon.work(app)
    assert made(app) == ["2026-11-18 1"]
    clock.now = clock.now.replace(day=20, minute=29)
    daemon.work(app)
    assert made(app) == ["2026-11-18 1"]
    for _ in range(3):
        clock.now += timedelta(minutes=1)
        daemon.work(app)
    assert made(app) == ["2026-11-18 1", "2026-11-19 1"]
    assert mails(app) == 2


def hours(app: App, clock: Clock, count: int) -> None:
    """Let the daemon look every hour."""
    for _ in range(count):
        clock.now += timedelta(hours=1)
        daemon.work(app)


@SQLITE
def test_sources_are_asked_once_for_each_listing(app: App, clock: Clock, world: World) -> None:
    clock.now = clock.now.replace(hour=9, minute=0)
    daemon.work(app)
    asked = world.asked
    hours(app, clock, 16)  # until 20:00 in New York, and a Friday
    assert world.asked == asked
    hours(app, clock, 48 + 5)
    assert clock.now == datetime(2026, 11, 23, 6, tzinfo=UTC)
    assert world.asked == asked + 1  # for Monday


@SQLITE
def test_while_a_network_is_silent_its_posts_count_for_a_day(
    app: App, clock: Clock, world: World
) -> None:
    friday = date(2026, 11, 20)
    clock.now = clock.now.replace(hour=9, minute=0)
    daemon.work(app)

    def score() -> float:
        with app.engine.connect() as conn:
            return sum(one.score for one in posts.candidates(conn, friday, friday))

    world.fails = True
    hours(app, clock, 24)
    assert score() == 10
    clock.now += timedelta(minutes=1)
    daemon.work(app)
    assert score() == 0
    world.fails = False
    hours(app, clock, 1)
    assert score() == 10


@SQLITE
def test_sources_that_fail_are_asked_every_hour_not_every_minute(
    app: App, clock: Clock, world: World
) -> None:
    clock.now = clock.now.replace(day=19, hour=7)
    daemon.work(app)  # makes the digest of Wednesday
    clock.now = clock.now.replace(day=20, hour=1, minute=30)
    world.fails = True
    daemon.work(app)
    asked = world.asked
    for _ in range(59):
        clock.now += timedelta(minutes=1)
        daemon.work(app)
    assert world.asked == asked
    clock.now += timedelta(minutes=1)
    daemon.work(app)
    assert world.asked == asked + 1


@SQLITE
def test_signals_are_asked_by_their_own_pause_and_for_each_digest(
    app: App, clock: Clock, world: World
) -> None:
    clock.now = clock.now.replace(hour=7)
    daemon.work(app)  # makes the digest of Thursday
    measured = world.measured
    hours(app, clock, 23)
    assert world.measured == measured + 3
    hours(app, clock, 1)  # the next digest is due, six hours after the last look
    assert world.measured == measured + 4
    world.fails = True
    hours(app, clock, 10)
    assert world.measured == measured + 4 + 5  # from the sixth hour on, each hour


def test_after_downtime_missed_days_are_made_and_only_the_newest_is_mailed(
    app: App, clock: Clock
) -> None:
    clock.now = clock.now.replace(day=16, hour=7)  # Monday: Sunday's digest is due, quiet
    daemon.work(app)
    clock.now = clock.now.replace(day=20, hour=11)
    daemon.work(app)
    assert made(app) == ["2026-11-16 0", "2026-11-17 0", "2026-11-18 0", "2026-11-19 1"]
    assert mails(app) == 1


def test_a_weekly_digest_made_late_is_for_the_archive(app: App, clock: Clock) -> None:
    with app.engine.begin() as conn:
        subscribers.add(
            conn, "eva@example.org", "eva@example.org", Status.ACTIVE, Cadence.WEEKLY, (), clock()
        )
    clock.now = clock.now.replace(day=9, hour=7)  # a Monday: the first weekly digest is news
    daemon.work(app)
    clock.now = clock.now.replace(day=18, hour=7)  # two days after the next one was due
    daemon.work(app)
    with app.engine.connect() as conn:
        weekly = {
            of.date.day: sum(of.counts.values())
            for of in books.of_digests(conn)
            if of.cadence == "weekly"
        }
    assert weekly == {8: 1, 15: 0}


def test_a_digest_that_failed_is_tried_again_later(app: App, clock: Clock, world: World) -> None:
    clock.now = clock.now.replace(hour=7)
    world.fails = True
    daemon.work(app)
    asked = world.asked
    clock.now += timedelta(minutes=5)
    daemon.work(app)
    assert world.asked == asked
    assert made(app) == []
    world.fails = False
    clock.now += timedelta(minutes=11)
    daemon.work(app)
    assert made(app) == ["2026-11-19 1"]
    assert mails(app) == 1


def test_a_daemon_killed_after_freezing_mails_at_the_next_start(app: App, clock: Clock) -> None:
    clock.now = clock.now.replace(hour=7)
    collect(app.engine, app.sources, app.signals, date(2026, 11, 19), date(2026, 11, 19), clock)
    pipeline.make_digest(app, Cadence.DAILY, date(2026, 11, 19))
    assert mails(app) == 0
    daemon.work(app)
    assert mails(app) == 1


def test_a_digest_made_early_by_hand_does_not_keep_the_due_one_from_the_mail(
    app: App, clock: Clock
) -> None:
    clock.now = clock.now.replace(hour=5)
    friday = date(2026, 11, 20)
    collect(app.engine, app.sources, app.signals, friday, friday, clock)
    pipeline.make_digest(app, Cadence.DAILY, friday)
    daemon.work(app)
    assert made(app) == ["2026-11-18 1", "2026-11-20 0"]
    clock.now = clock.now.replace(hour=7)
    daemon.work(app)
    assert made(app) == ["2026-11-18 1", "2026-11-19 1", "2026-11-20 0"]


def test_two_daemons_on_one_database_do_no_harm(app: App, clock: Clock) -> None:
    clock.now = clock.now.replace(hour=7)
    with app.engine.begin() as conn:
        for n in range(60):
            email = f"reader{n}@example.org"
            subscribers.add(conn, email, email, Status.ACTIVE, Cadence.DAILY, (), clock())
    twin = App(app.settings, app.engine, clock)
    twin.sources, twin.signals = app.sources, app.signals
    errors: list[BaseException] = []

    def work(one: App) -> None:
        try:
            daemon.work(one)
        except BaseException as error:  # noqa: BLE001  # handed to the test
            errors.append(error)

    threads = [threading.Thread(target=work, args=(one,)) for one in (app, twin)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    daemon.work(app)
    assert made(app) == ["2026-11-19 61"]
    assert mails(app) == 61


def test_what_became_of_a_digest_is_in_the_log_once(
    app: App, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    clock.now = clock.now.replace(hour=6, minute=30)
    with caplog.at_level(logging.INFO, "trendbot.telemetry"):
        daemon.work(app)
        clock.now += timedelta(minutes=1)
        daemon.work(app)
    said = [record.getMessage() for record in caplog.records if record.name.endswith("telemetry")]
    assert said == ["daily digest of 2026-11-19: 1 of 1 sent"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_sending_is_left_to_workers_as_long_as_one_lives(
    app: App, clock: Clock, engine: Engine
) -> None:
    with engine.begin() as conn:
        conn.execute(text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())"))
    clock.now += timedelta(minutes=1)
    daemon.work(app)
    assert made(app) == ["2026-11-19 1"]
    assert mails(app) == 0
    with engine.begin() as conn:
        conn.execute(
            text("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")
        )
    daemon.work(app)
    assert mails(app) == 1


def healthz(app: App) -> tuple[int, str]:
    web = server.start(app)
    try:
        answer = requests.get(f"http://127.0.0.1:{web.port}/healthz", timeout=20)
        return answer.status_code, answer.text
    finally:
        assert web.stop(within=20)


class Broken:
    """An engine whose database is gone."""

    def connect(self) -> object:
        said = 'connection to server at "10.1.2.3", port 5432 failed: Connection refused'
        raise OperationalError("", {}, psycopg.OperationalError(said))


def test_healthz_says_when_the_database_does_not_answer_and_not_where_it_is(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    settings = app.settings.model_copy(update={"web": Web(port=0)})
    app.settings = settings
    assert healthz(app)[0] == 200
    status, text = healthz(App(settings, Broken(), app.now))  # type: ignore[arg-type]
    assert status == 503
    assert json.loads(text) == {"status": "failing", "database": "unreachable"}
    assert "cannot be reached" in caplog.text
    assert "10.1.2.3" in caplog.text


def test_a_port_in_use_is_a_clear_error(app: App) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        app.settings = app.settings.model_copy(update={"web": Web(port=port)})
        with pytest.raises(SettingsError, match=f"port {port}"):
            server.start(app)
