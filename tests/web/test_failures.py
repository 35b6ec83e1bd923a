"""What an error looks like to people and programs, and what of it is in the log."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import psycopg
import pytest
from fastapi import Body, HTTPException
from sqlalchemy import Engine, text
from sqlalchemy.exc import DataError, OperationalError, SQLAlchemyError
from starlette.testclient import TestClient

from trendbot.app import App
from trendbot.errors import (
    AddressError,
    LimitError,
    SettingsError,
    StoreError,
    TokenError,
    TokenSpent,
)
from trendbot.settings import Settings, Site
from trendbot.store.engine import connect
from trendbot.web.site import create

TOKEN = "NDI.aR9_signature-of-a-token"


def refused_connection() -> SQLAlchemyError:
    said = 'connection to server at "10.1.2.3", port 5432 failed: Connection refused'
    return OperationalError("", {}, psycopg.OperationalError(said))


class Troubled:
    """A site with endpoints that fail as they are told, for people and for programs."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.error: Exception = RuntimeError("nothing was said")
        site = create(app, shelf_seconds=0)
        for path in ("/trouble", "/api/trouble", "/confirm/{token}/trouble"):
            site.api_route(path, methods=["GET"])(self.fail)
        site.post("/fields/{number}")(self.take)
        site.post("/api/fields/{number}")(self.take)
        self.client = TestClient(site)

    def fail(self, token: str = "") -> None:
        raise self.error

    def take(self, number: int, email: Annotated[str, Body(embed=True, max_length=5)]) -> None:
        raise AssertionError("not to be called")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    settings = Settings(home=tmp_path, site=Site(name="Trends & <Co>"))
    engine = connect("sqlite:///untouched.db", tmp_path)
    yield App(settings, engine, lambda: pytest.fail("no clock is needed"))
    engine.dispose()


@pytest.fixture
def troubled(app: App) -> Troubled:
    return Troubled(app)


ERRORS = [
    (TokenError("this link is mangled"), 400, "this link is mangled", None),
    (TokenSpent("this link is too old"), 410, "this link is too old", None),
    (AddressError("a@b is <no> address"), 422, "a@b is <no> address", None),
    (LimitError("too often; wait a minute", 60), 429, "too often; wait a minute", "60"),
    (StoreError("the disk is full"), 503, "half a minute", "30"),
    (refused_connection(), 503, "half a minute", "30"),
    (DataError("", {}, psycopg.DataError("NUL")), 400, "makes no sense", None),
    (HTTPException(404), 404, "never was here", None),
    (HTTPException(404, "no digest of that day"), 404, "no digest of that day", None),
    (HTTPException(418), 418, "", None),
    (SettingsError("of no concern to readers"), 500, "not your fault", None),
    (RuntimeError("of no concern to readers"), 500, "not your fault", None),
]


@pytest.mark.parametrize(("error", "status", "said", "retry_after"), ERRORS)
def test_an_error_is_a_calm_page(
    troubled: Troubled, error: Exception, status: int, said: str, retry_after: str | None
) -> None:
    troubled.error = error
    answer = troubled.client.get("/trouble")
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers.get("Retry-After") == retry_after
    assert said.replace("<", "&lt;").replace(">", "&gt;") in answer.text
    assert "Trends &amp; &lt;Co&gt;" in answer.text
    assert "no concern" not in answer.text
    assert "Traceback" not in answer.text
    assert "10.1.2.3" not in answer.text


@pytest.mark.parametrize(("error", "status", "said", "retry_after"), ERRORS)
def test_programs_get_json(
    troubled: Troubled, error: Exception, status: int, said: str, retry_after: str | None
) -> None:
    troubled.error = error
    answer = troubled.client.get("/api/trouble")
    assert answer.status_code == status
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers.get("Retry-After") == retry_after
    assert said in answer.json()["error"]
    assert answer.json()["error"]
    assert "no concern" not in answer.text


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_nobody_foresaw_is_in_the_log_without_the_token(
    troubled: Troubled, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    troubled.error = RuntimeError(f"cannot do {TOKEN}")
    answer = troubled.client.request(method, f"/confirm/{TOKEN}/trouble")
    assert answer.status_code == 500
    (record,) = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert record.name == "trendbot.web.failures"
    said = record.getMessage()
    assert said.startswith(f"{method} /confirm/{{token}}/trouble failed\nTraceback")
    assert "RuntimeError: cannot do (token)" in said
    assert TOKEN not in said


def test_a_short_word_in_place_of_a_token_does_not_spoil_the_traceback(
    troubled: Troubled, caplog: pytest.LogCaptureFixture
) -> None:
    troubled.error = RuntimeError("a cat sat")
    troubled.client.get("/confirm/a/trouble")
    assert "RuntimeError: a cat sat" in caplog.text


def test_why_the_database_fails_is_in_the_log_alone(
    troubled: Troubled, caplog: pytest.LogCaptureFixture
) -> None:
    troubled.error = refused_connection()
    troubled.client.get("/trouble")
    assert "10.1.2.3" in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("root", ["", "/api"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"email": 1}',
        b'{"email": "secret-secret"}',
        b'{"email": NaN}',
        b'{"email": "\\ud800secret"}',
        b'{"\\ud800secret": 1}',
        b"\xff\xfe",
    ],
)
def test_fields_that_are_wrong_are_refused_and_not_said_again(
    troubled: Troubled, root: str, body: bytes
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = troubled.client.post(f"{root}/fields/7", content=body, headers=headers)
    assert answer.status_code == 422
    assert "secret" not in answer.text
    if root:
        assert answer.json()["error"]


def test_fields_that_are_too_deep_are_refused(troubled: Troubled) -> None:
    body, headers = b'{"email": ' + b"[" * 60_000, {"Content-Type": "application/json"}
    for path in ("/fields/7", "/api/fields/7"):
        assert troubled.client.post(path, content=body, headers=headers).status_code == 400


def test_an_address_that_cannot_be_is_not_found(troubled: Troubled) -> None:
    assert troubled.client.post("/fields/seven", json={"email": "a"}).status_code == 404
    assert troubled.client.post("/api/fields/seven", json={"email": "a"}).status_code == 422


def test_halves_of_characters_are_no_trouble(troubled: Troubled) -> None:
    troubled.error = AddressError("\ud800@example.org is no address")
    assert "?@example.org is no address" in troubled.client.get("/trouble").text
    assert "?@example.org is no address" in troubled.client.get("/api/trouble").text


def test_the_wrong_method_is_told_the_right_ones(troubled: Troubled) -> None:
    for path in ("/trouble", "/api/trouble"):
        answer = troubled.client.post(path)
        assert answer.status_code == 405
        assert answer.headers["Allow"] == "GET, HEAD"
    answer = troubled.client.get("/fields/7")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_what_the_guard_refuses_is_a_page_too(troubled: Troubled) -> None:
    answer = troubled.client.post("/trouble", content=b"x" * 70_000)
    assert answer.status_code == 413
    assert "larger than anything" in answer.text
    assert answer.headers["Connection"] == "close"
    answer = troubled.client.post("/api/trouble", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert "another site" in answer.json()["error"]


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_a_text_the_database_cannot_hold_is_the_senders_fault(engine: Engine, app: App) -> None:
    """PostgreSQL takes no NUL in a text; SQLite does."""

    def look() -> None:
        with engine.connect() as conn:
            conn.execute(text("SELECT CAST(:word AS text)"), {"word": "a\0b"})

    site = create(app)
    site.get("/look")(look)
    status = TestClient(site).get("/look").status_code
    assert status == (400 if engine.dialect.name == "postgresql" else 200)
