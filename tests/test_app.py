"""The wiring: settings become adapters, with their secrets, their budgets and their clock."""

import shutil
from datetime import datetime, timedelta
from inspect import isfunction, signature
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from tests.smtpd import Smtpd
from trendbot.app import App, build
from trendbot.context import Context
from trendbot.errors import SettingsError, StoreError
from trendbot.health import Asked
from trendbot.model import Mail, Paper, PaperSource, Post, Reading, Signal, Transport
from trendbot.settings import Section, Settings, load
from trendbot.signals import SIGNALS
from trendbot.signals.x import X
from trendbot.sources import SOURCES
from trendbot.store import papers, posts, runs
from trendbot.transports import TRANSPORTS
from trendbot.transports.maildir import Maildir
from trendbot.transports.smtp import Smtp

SECRET = "a-secret-of-sixteen-characters-or-more"
FREE = ["bluesky", "hackernews", "huggingface", "mastodon"]
EVERY_LINE = [
    (port, name, place)
    for port, registry in ((PaperSource, SOURCES), (Signal, SIGNALS), (Transport, TRANSPORTS))
    for name, place in registry.items()
]


def app_of(engine: Engine, now: datetime, tmp_path: Path, **tables: Any) -> App:
    return App(Settings(home=tmp_path, **tables), engine, lambda: now)


def private(adapter: object, name: str) -> Any:
    return getattr(adapter, name)


@pytest.mark.parametrize(("port", "name", "place"), EVERY_LINE)
def test_every_registry_line_loads_and_fits_its_port(port: type, name: str, place: str) -> None:
    adapter = resolve_name(place)
    assert issubclass(adapter.Settings, Section)
    assert list(signature(adapter).parameters) == ["settings", "context"]
    for method, promised in vars(port).items():
        if isfunction(promised) and not method.startswith("_"):
            given = signature(getattr(adapter, method))
            assert list(given.parameters) == list(signature(promised).parameters), method
    if port is Transport:
        assert isinstance(adapter.repeatable, bool)
    else:
        assert "enabled" in adapter.Settings.model_fields
    assert place == f"{adapter.__module__}:{adapter.__name__}"
    assert adapter.__module__.rpartition(".")[2] == name


def test_registries_are_in_order() -> None:
    for registry in (SOURCES, SIGNALS, TRANSPORTS):
        assert list(registry) == sorted(registry)


@pytest.mark.parametrize(
    ("tables", "line"),
    [
        ({"signals": {"x": {"colour": 1}}}, "[signals.x]: colour: unknown key"),
        ({"sources": {"arxiv": {"enabled": "perhaps"}}}, "[sources.arxiv]: enabled: "),
        ({"mail": {"maildir": {"host": "localhost"}}}, "[mail.maildir]: host: unknown key"),
        ({"signals": {"x": {"enabled": True}}}, "signals.x.bearer_token or bearer_token_file must"),
        ({"web": {"secret_key": "short"}}, "web.secret_key is too short: 16 characters or more"),
    ],
)
def test_what_cannot_be_built_is_named(
    engine: Engine, now: datetime, tmp_path: Path, tables: dict[str, Any], line: str
) -> None:
    app = app_of(engine, now, tmp_path, **({"web": {"secret_key": SECRET}} | tables))
    with pytest.raises(SettingsError) as caught:
        _ = (app.sources, app.signals, app.transport, app.secret)
    assert str(caught.value).startswith(line)


@pytest.mark.parametrize(
    ("tables", "line"),
    [
        ({"sources": {"arxv": {}}}, "sources.arxv: unknown; there are arxiv, sample"),
        (
            {"signals": {"twitter": {}}},
            "signals.twitter: unknown; there are bluesky, ",
        ),
        ({"mail": {"transport": "pigeon"}}, "mail.transport.pigeon: unknown; there are maildir"),
    ],
)
def test_adapters_nobody_knows_are_refused_before_anything_is_opened(
    tmp_path: Path, tables: dict[str, Any], line: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        build(Settings(home=tmp_path, **tables))
    assert str(caught.value).startswith(line)
    assert list(tmp_path.iterdir()) == []


def test_only_the_enabled_are_built(engine: Engine, now: datetime, tmp_path: Path) -> None:
    app = app_of(engine, now, tmp_path)
    assert (list(app.sources), list(app.signals)) == (["arxiv"], FREE)
    app = app_of(
        engine,
        now,
        tmp_path,
        sources={"arxiv": {"enabled": False}, "sample": {"enabled": True}},
        signals={name: {"enabled": False} for name in FREE},
    )
    assert (list(app.sources), list(app.signals)) == (["sample"], [])


def test_the_transport_is_the_one_that_is_named(
    engine: Engine, now: datetime, tmp_path: Path
) -> None:
    assert isinstance(app_of(engine, now, tmp_path).transport, Maildir)
    smtp = {"transport": "smtp", "smtp": {"host": "127.0.0.1", "tls": "none"}}
    assert isinstance(app_of(engine, now, tmp_path, mail=smtp).transport, Smtp)


def test_adapters_are_built_once_and_share_the_way_to_the_web(
    engine: Engine, now: datetime, tmp_path: Path
) -> None:
    app = app_of(engine, now, tmp_path)
    assert app.signals is app.signals
    contexts = [_context(app, "arxiv"), _context(app, "huggingface")]
    assert {id(context.fetcher) for context in contexts} == {id(app.fetcher)}
    assert {(context.home, context.now()) for context in contexts} == {(tmp_path, now)}


def _context(app: App, name: str) -> Context:
    context: Context = private(app, "_context")(name)
    return context


def test_secrets_come_from_files_and_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_template: Path
) -> None:
    shutil.copyfile(sqlite_template, tmp_path / "papers.db")
    secrets = {
        "token": "token-of-x\n",
        "key": f"{SECRET}\n",
        "password": "hush\n",
        "url": f"sqlite:///{tmp_path}/papers.db\n",
    }
    for name, secret in secrets.items():
        (tmp_path / name).write_text(secret)
    (tmp_path / "trendbot.toml").write_text(
        f'[mail]\ntransport = "smtp"\n[mail.smtp]\nusername = "digest"\n'
        f'password_file = "{tmp_path}/password"\n[signals.x]\nenabled = false\n'
    )
    monkeypatch.setenv("TRENDBOT_DATABASE__URL_FILE", str(tmp_path / "url"))
    monkeypatch.setenv("TRENDBOT_WEB__SECRET_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("TRENDBOT_SIGNALS__X__ENABLED", "true")
    monkeypatch.setenv("TRENDBOT_SIGNALS__X__BEARER_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("TRENDBOT_SIGNALS__X__DAILY_POST_BUDGET", "7")

    app = build(load(tmp_path / "trendbot.toml"))
    try:
        assert app.engine.url.database == f"{tmp_path}/papers.db"
        assert app.secret == SECRET
        assert isinstance(app.signals["x"], X)
        settings = private(app.signals["x"], "_settings")
        assert settings.bearer_token == SecretStr("token-of-x")
        assert settings.daily_post_budget == 7
        assert private(app.transport, "_settings").password == SecretStr("hush")
        assert "hush" not in repr(app.settings.web) + repr(private(app.transport, "_settings"))
    finally:
        app.engine.dispose()


def test_building_needs_a_database(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such folder for the database; create it"):
        build(Settings(home=tmp_path / "gone"))


def test_a_budget_outlives_its_app_and_ends_with_the_day(
    engine: Engine, now: datetime, tmp_path: Path
) -> None:
    first = _context(app_of(engine, now, tmp_path), "x").budget
    assert first.reserve(30, 100) == 30
    first.release(10)

    again = _context(app_of(engine, now, tmp_path), "x").budget
    assert again.reserve(500, 100) == 80
    assert again.reserve(1, 100) == 0
    assert _context(app_of(engine, now, tmp_path), "huggingface").budget.reserve(5, 100) == 5

    tomorrow = _context(app_of(engine, now + timedelta(days=1), tmp_path), "x").budget
    assert tomorrow.reserve(1, 100) == 1


def test_a_stopped_day_stays_stopped(engine: Engine, now: datetime, tmp_path: Path) -> None:
    _context(app_of(engine, now, tmp_path), "x").budget.stop("no credits")

    assert _context(app_of(engine, now, tmp_path), "x").budget.reserve(1, 100) == 0
    with engine.connect() as conn:
        assert runs.budget(conn, "x", now.date()) == (0, "no credits")


def test_posts_worth_a_look_are_those_of_that_signal_that_are_due_and_lead(
    engine: Engine, now: datetime, tmp_path: Path
) -> None:
    paper = Paper("arxiv", "2611.1", "Owls", (), ("cs.LG",), now.date())

    def post(signal: str, number: str, favorites: int) -> Post:
        url, reading = f"https://example.org/{number}", Reading(now, 0, favorites)
        return Post(signal, number, (paper.key,), "ada", url, now, "", reading)

    with engine.begin() as conn:
        papers.upsert(conn, [paper], now)
        posts.upsert(conn, [post("x", "1", 5), post("x", "2", 9), post("huggingface", "3", 99)])
    assert _context(app_of(engine, now, tmp_path), "x").worth_a_look(10) == []
    context = _context(app_of(engine, now + timedelta(days=1), tmp_path), "x")
    assert context.worth_a_look(10) == ["2", "1"]
    assert context.worth_a_look(1) == ["2"]
    assert context.contenders(10) == ["2", "1"]
    assert sorted(context.stored()) == ["1", "2"]


def test_contenders_are_posts_of_papers_that_are_new(
    engine: Engine, now: datetime, tmp_path: Path
) -> None:
    long_ago = now.date() - timedelta(days=8)
    paper = Paper("arxiv", "2611.1", "Owls", (), ("cs.LG",), long_ago)
    post = Post("x", "1", (paper.key,), "ada", "", now, "", Reading(now, 0, 9))
    with engine.begin() as conn:
        papers.upsert(conn, [paper], now)
        posts.upsert(conn, [post])
    context = _context(app_of(engine, now + timedelta(days=1), tmp_path), "x")
    assert (context.worth_a_look(10), context.contenders(10)) == (["1"], [])


def test_no_connection_to_the_mail_server_outlives_the_app(
    engine: Engine, now: datetime, tmp_path: Path
) -> None:
    with Smtpd() as server:
        smtp = {"host": server.host, "port": server.port, "tls": "none"}
        app = app_of(engine, now, tmp_path, mail={"transport": "smtp", "smtp": smtp})
        mail = Mail(1, "a@example.org", "b@example.org", "<1@example.org>", b"Subject: x\r\n\r\n")
        assert [outcome.state for outcome in app.transport.send([mail])] == ["sent"]
        app.close()
        server.wait_until_left()
    assert server.log[-1] == "QUIT"


def test_a_dispatch_lives_in_the_schedules_time_zone(
    engine: Engine, now: datetime, tmp_path: Path
) -> None:
    app = app_of(engine, now, tmp_path, schedule={"timezone": "Asia/Tokyo"})
    assert str(app.dispatch().zone) == "Asia/Tokyo"
    app.close()


def test_who_is_asked_how_often_and_where(engine: Engine, now: datetime, tmp_path: Path) -> None:
    app = app_of(
        engine,
        now,
        tmp_path,
        schedule={"collect_every": "2h"},
        sources={"arxiv": {"rss_url": "http://127.0.0.1:81/rss"}},
        signals={
            "huggingface": {"enabled": False},
            "x": {"enabled": True, "every": "12h", "base_url": "https://www.x.example"},
        },
    )
    asked = {one.name: one for one in app.asked}
    hour = timedelta(hours=1)
    arxiv = frozenset({"arxiv.org", "export.arxiv.org", "127.0.0.1:81"})
    assert asked["arxiv"] == Asked("source", "arxiv", 2 * hour, 2 * hour, arxiv)
    x = frozenset({"x.example", "storage.googleapis.com"})
    assert asked["x"] == Asked("signal", "x", 12 * hour, 2 * hour, x)
    assert "huggingface" not in asked


def test_the_process_that_asks_has_the_figures_on_it(
    engine: Engine, now: datetime, tmp_path: Path
) -> None:
    """Not a worker, whose settings need not hold the secrets of signals."""
    app = app_of(engine, now, tmp_path)
    assert b'source="arxiv"' not in app.telemetry.exposition()
    assert set(app.sources) == {"arxiv"}
    figure = b'trendbot_source_state{source="arxiv",state="never asked"} 1.0'
    assert figure in app.telemetry.exposition()
    app.close()
