"""The post: a thread of the daemon that mails notices as soon as they are queued."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, Engine, event, func, select, update
from sqlalchemy.exc import OperationalError

from tests.digests import planned
from tests.postbox import ADA, NOW, Clock, Postbox
from trendbot import daemon, subscribe
from trendbot.app import App
from trendbot.deliver import never
from trendbot.doorway import Doorway
from trendbot.errors import TransportError
from trendbot.model import DeliveryState, Mail, Outcome, Taste
from trendbot.settings import Settings, Web
from trendbot.store import erasure, notices, schema

CLIENT = "192.0.2.7"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(engine: Engine, clock: Clock, tmp_path: Path) -> App:
    web = Web(secret_key=SecretStr("a-secret-of-sixteen-characters"))
    return App(Settings(home=tmp_path, web=web), engine, clock)


@pytest.fixture
def done(engine: Engine) -> threading.Event:
    """Set when a notice is about to be forgotten: its mail left."""
    done = threading.Event()

    @event.listens_for(engine, "after_cursor_execute")
    def look(_conn: Connection, _cursor: object, statement: str, *_more: object) -> None:
        if statement.startswith("DELETE FROM notices"):
            done.set()

    return done


@contextmanager
def post(app: App) -> Iterator[None]:
    """The post at work; at the end it stops, as it does when the daemon is told to."""
    stopping = threading.Event()
    thread = daemon.start_post(app, stopping)
    yield
    stopping.set()
    app.queued.set()
    thread.join(timeout=30)
    assert not thread.is_alive()


def ask(app: App, email: str = ADA) -> None:
    subscribe.ask(app.doorway(), email, Taste(), CLIENT)


def mails(app: App) -> int:
    return len(list((app.settings.home / "mail" / "new").glob("*")))


def waiting(app: App) -> int:
    with app.engine.connect() as conn:
        return notices.waiting(conn)


def test_what_is_queued_here_is_mailed_at_once(app: App, done: threading.Event) -> None:
    idle = threading.Event()

    @event.listens_for(app.engine, "rollback")
    @event.listens_for(app.engine, "commit")
    def look(_conn: Connection) -> None:
        idle.set()

    with post(app):
        assert idle.wait(20)  # it looked, and found nothing
        ask(app)
        assert done.wait(20)  # by itself it looks only after thirty
    assert (mails(app), waiting(app)) == (1, 0)


def test_what_waited_before_is_mailed_at_the_start(
    app: App, done: threading.Event, engine: Engine, clock: Clock
) -> None:
    ask(App(app.settings, engine, clock))  # another process
    with post(app):
        assert done.wait(20)
    assert mails(app) == 1


def test_the_post_has_a_transport_of_its_own(app: App) -> None:
    door = app.back_door()
    assert type(door.transport()) is type(app.transport)
    assert door.transport() is door.transport()
    assert door.transport() is not app.transport


def door_to(app: App, postbox: Postbox) -> Doorway:
    return replace(app.back_door(), transport=lambda: postbox)


class Quoting(Postbox):
    """A server that refuses us, and quotes the reader."""

    def send(self, mails: Iterator[Mail]) -> Iterator[Outcome]:  # type: ignore[override]
        (mail,) = mails
        raise TransportError(f"554 5.7.1 <{mail.recipient}>: relay access denied")
        yield Outcome(0, DeliveryState.SENT)


def test_a_refusal_is_one_line_without_the_address(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    ask(app)
    assert daemon.post_due(door_to(app, Quoting())) is None
    (record,) = caplog.records
    assert "554 5.7.1 <<address>>: relay access denied" in record.getMessage()
    assert ADA not in caplog.text
    assert waiting(app) == 1


def test_a_database_that_is_away_is_one_line_and_looked_for_again(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    ask(app)
    postbox, away = Postbox(), [OperationalError("", {}, Exception("restarting"))]

    @event.listens_for(app.engine, "before_cursor_execute")
    def fail(_conn: Connection, _cursor: object, statement: str, *_more: object) -> None:
        if "notices" in statement and away:
            raise away.pop()

    assert daemon.post_due(door_to(app, postbox)) == 0
    assert len(caplog.records) == 1
    assert daemon.post_due(door_to(app, postbox)) == 1
    assert postbox.recipients == [ADA]


class Patient(threading.Event):
    """Lets the time pass at once, and is set after so many waits."""

    def __init__(self, clock: Clock, waits: int) -> None:
        super().__init__()
        self.waited: list[float] = []
        self._clock = clock
        self._waits = waits

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waited.append(timeout)
        self._clock.now += timedelta(seconds=timeout)
        if len(self.waited) >= self._waits:
            self.set()
        return self.is_set()


def test_a_server_that_refuses_us_is_asked_less_and_less(
    app: App, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = door_to(app, Postbox(refuse_after=0))
    monkeypatch.setattr(app, "back_door", lambda: door)
    ask(app)
    stopping = Patient(clock, 8)
    daemon.start_post(app, stopping).join(timeout=60)
    assert stopping.waited == [60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_what_is_kept_for_nothing_is_tidied_away(app: App, clock: Clock) -> None:
    planned(app.engine, date(2026, 11, 19), 2)
    ask(app)
    with app.engine.begin() as conn:
        erasure.erase(conn, 1, ["erased:x"], NOW)
        conn.execute(update(schema.deliveries).values(detail="550 <reader@example.org>"))
    daemon.tidy(app)
    assert details(app) == ["", "550 <reader@example.org>"]
    assert buckets(app) == 4
    clock.now += timedelta(hours=1)
    daemon.tidy(app)
    assert buckets(app) == 0
    daemon.post_due(door_to(app, Postbox()), never)
    assert people(app) == 3
    clock.now += daemon.UNCONFIRMED_FOR + timedelta(seconds=1)
    daemon.tidy(app)
    assert people(app) == 2


def people(app: App) -> int:
    with app.engine.connect() as conn:
        return conn.scalars(select(func.count()).select_from(schema.subscribers)).one()


def details(app: App) -> list[str]:
    query = select(schema.deliveries.c.detail).order_by(schema.deliveries.c.subscriber_id)
    with app.engine.connect() as conn:
        return list(conn.scalars(query))


def buckets(app: App) -> int:
    with app.engine.connect() as conn:
        return conn.scalars(select(func.count()).select_from(schema.limits)).one()
