"""What is refused before any endpoint sees it, what every answer says, and what is written down."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import PlainTextResponse
from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.testclient import TestClient
from starlette.types import Message

from trendbot.web.guard import (
    MOST_BODY,
    MOST_FIELDS,
    MOST_HEADERS,
    MOST_URL,
    Guard,
    Journal,
    Prefix,
    Shield,
    client_key,
)

SITE = "https://trends.example.org/papers"
TOKEN = "NDI.c2lnbmF0dXJl"


@dataclass
class World:
    """An app behind the guard: what it was sent, and what was counted."""

    bodies: list[bytes] = field(default_factory=list)
    counted: list[tuple[str, int, float]] = field(default_factory=list)
    seconds: Iterator[float] = field(default_factory=lambda: iter(range(100)))

    def client(self, base_url: str = SITE) -> TestClient:
        app = FastAPI(
            middleware=[
                Middleware(Prefix, "/papers"),
                Middleware(Journal, self.count, lambda: next(self.seconds) / 8),
                Middleware(Shield, base_url),
                Middleware(ExceptionMiddleware),
                Middleware(Guard, base_url),
            ],
        )
        for path in ("/subscribe", "/api/subscribe", "/unsubscribe/{token}", "/feeds/{name}"):
            app.api_route(path, methods=["GET", "HEAD", "POST"])(self.endpoint)
        return TestClient(app, base_url="http://trends.example.org", raise_server_exceptions=False)

    async def endpoint(self, request: Request) -> PlainTextResponse:
        self.bodies.append(await request.body())
        return PlainTextResponse("taken")

    def count(self, route: str, status: int, seconds: float) -> None:
        self.counted.append((route, status, seconds))


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> TestClient:
    return world.client()


def in_pieces(size: int) -> Iterator[bytes]:
    """A body whose size is not announced."""
    for begin in range(0, size, 10_000):
        yield b"x" * min(10_000, size - begin)


@pytest.mark.parametrize("is_announced", [True, False])
@pytest.mark.parametrize(
    ("size", "status"), [(0, 200), (1, 200), (MOST_BODY, 200), (MOST_BODY + 1, 413)]
)
def test_a_body_is_at_most_64_kilobytes(
    client: TestClient, world: World, is_announced: bool, size: int, status: int
) -> None:
    body = b"x" * size if is_announced else in_pieces(size)
    answer = client.post("/subscribe", content=body)
    assert answer.status_code == status
    assert world.bodies == ([b"x" * size] if status == 200 else [])
    assert (answer.headers.get("Connection") == "close") is (status == 413)


def scope_of(headers: dict[str, str], method: str = "POST") -> dict[str, Any]:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    path = {"path": "/subscribe", "raw_path": b"/subscribe", "query_string": b""}
    return {"type": "http", "method": method, "headers": raw, **path}


async def _unwanted(*_: object) -> None:
    raise AssertionError("this must not be asked")


unwanted: Any = _unwanted


@pytest.mark.parametrize("length", ["65537", "9" * 5_000, "-1", "1e3", "", " 1"])
def test_what_is_announced_too_large_is_not_even_read(length: str) -> None:
    async def act() -> int:
        with pytest.raises(HTTPException) as refused:
            await Guard(unwanted, SITE)(scope_of({"content-length": length}), unwanted, unwanted)
        return refused.value.status_code

    assert anyio.run(act) == (413 if length.isdigit() else 400)


def test_no_more_is_read_of_a_body_than_shows_that_it_is_too_large() -> None:
    read: list[int] = []

    async def receive() -> Message:
        read.append(1)
        return {"type": "http.request", "body": b"x" * 40_000, "more_body": True}

    async def act() -> None:
        with pytest.raises(HTTPException) as refused:
            await Guard(unwanted, SITE)(
                scope_of({"transfer-encoding": "chunked"}), receive, unwanted
            )
        assert refused.value.status_code == 413

    anyio.run(act)
    assert len(read) == 2


def test_a_body_that_does_not_come_in_time_is_not_waited_for() -> None:
    async def act() -> None:
        guard = Guard(unwanted, SITE, body_seconds=0)
        with pytest.raises(HTTPException) as refused:
            await guard(scope_of({"content-length": "5"}), anyio.sleep_forever, unwanted)  # type: ignore[arg-type]
        assert refused.value.status_code == 408
        assert refused.value.headers == {"Connection": "close"}

    anyio.run(act)


def test_a_client_that_leaves_is_not_answered() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def act() -> None:
        await Guard(unwanted, SITE)(scope_of({"content-length": "5"}), receive, unwanted)

    anyio.run(act)


def test_after_the_body_the_app_hears_that_the_client_left() -> None:
    coming: list[Message] = [
        {"type": "http.request", "body": b"ab", "more_body": True},
        {"type": "http.request", "body": b"c", "more_body": False},
        {"type": "http.disconnect"},
    ]
    heard: list[Message] = []

    async def receive() -> Message:
        return coming.pop(0)

    async def app(_scope: object, receive: Any, _send: object) -> None:
        heard.extend([await receive(), await receive()])

    async def act() -> None:
        await Guard(app, SITE)(scope_of({"content-length": "3"}), receive, unwanted)

    anyio.run(act)
    assert heard == [
        {"type": "http.request", "body": b"abc", "more_body": False},
        {"type": "http.disconnect"},
    ]


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/subscribe?".ljust(MOST_URL, "a"), 200),
        ("/subscribe?".ljust(MOST_URL + 2, "a"), 414),
        ("/".ljust(MOST_URL + 1, "a"), 414),
        ("/unsubscribe/%00", 400),
        ("/subscribe?topics=cs.LG%00", 400),
    ],
)
def test_addresses_are_bounded(client: TestClient, address: str, status: int) -> None:
    assert client.get(address).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Long": "a" * (MOST_HEADERS - 1_000)}, 200),
        ({"X-Long": "a" * MOST_HEADERS}, 431),
        ({f"X-{number}": "a" for number in range(MOST_FIELDS - 10)}, 200),
        ({f"X-{number}": "a" for number in range(MOST_FIELDS)}, 431),
    ],
)
def test_headers_are_bounded(client: TestClient, headers: dict[str, str], status: int) -> None:
    assert client.get("/subscribe", headers=headers).status_code == status


HTTP = "http://trends.example.org"
OWN = "https://trends.example.org"


@pytest.mark.parametrize("path", ["/subscribe", "/api/subscribe", "/papers/subscribe"])
@pytest.mark.parametrize(
    ("headers", "base_url", "is_taken"),
    [
        ({}, SITE, True),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, SITE, True),
        ({"Sec-Fetch-Site": "none"}, SITE, True),
        ({"Sec-Fetch-Site": "same-site", "Origin": OWN}, SITE, False),
        ({"Sec-Fetch-Site": "cross-site"}, SITE, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": OWN}, SITE, False),
        ({"Sec-Fetch-Site": "nonsense"}, SITE, False),
        ({"Origin": OWN}, SITE, True),
        ({"Origin": "https://TRENDS.example.org"}, SITE, True),
        ({"Origin": "https://evil.example"}, SITE, False),
        ({"Origin": "https://trends.example.org.evil.example"}, SITE, False),
        ({"Origin": "https://trends.example.org:8443"}, SITE, False),
        ({"Origin": "evil"}, SITE, False),
        ({"Origin": ""}, SITE, False),
        ({"Origin": "null"}, SITE, False),
        ({"Origin": "null"}, HTTP, True),
        ({"Origin": "https://evil.example"}, HTTP, False),
        ({"Origin": OWN, "Host": "127.0.0.1:8080"}, SITE, True),
        ({"Origin": "http://127.0.0.1:8080", "Host": "127.0.0.1:8080"}, SITE, True),
        ({"Referer": "https://evil.example/"}, SITE, True),
    ],
)
def test_forms_of_other_sites_are_refused(
    world: World, path: str, headers: dict[str, str], base_url: str, is_taken: bool
) -> None:
    answer = world.client(base_url).post(path, headers=headers, content=b"email=a")
    assert answer.status_code == (200 if is_taken else 403)
    assert world.bodies == ([b"email=a"] if is_taken else [])


def test_mail_providers_may_post_a_token_from_anywhere(client: TestClient) -> None:
    """RFC 8058: the token in the path is all there is."""
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://mail.example.com"}
    for root in ("", "/papers"):
        path = f"{root}/unsubscribe/{TOKEN}"
        assert client.post(path, headers=headers, content=b"a=b").status_code == 200


def test_reading_is_allowed_from_anywhere(client: TestClient) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    assert client.get("/subscribe", headers=headers).status_code == 200
    assert client.head("/subscribe", headers=headers).status_code == 200


PROTECTION = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=31536000",
}


@pytest.mark.parametrize("path", ["/subscribe", "/nowhere", "/unsubscribe/%00"])
def test_every_answer_is_protected(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert {name: answer.headers.get(name) for name in PROTECTION} == PROTECTION


@pytest.mark.parametrize(
    "path", ["/feeds/daily.atom", "/api/subscribe", "/api/nothing", "/papers/feeds/daily.atom"]
)
def test_feeds_and_api_are_for_pages_of_others_too(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


def test_without_https_nothing_promises_it(world: World) -> None:
    answer = world.client("http://trends.example.org").get("/subscribe")
    assert "Strict-Transport-Security" not in answer.headers


def test_a_request_is_one_line_of_nothing_the_client_sent(
    client: TestClient, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    secrets = {"User-Agent": "secret", "Referer": "https://secret.example/", "Cookie": "secret"}
    client.get(f"/unsubscribe/{TOKEN}?email=secret@example.org", headers=secrets)
    client.request("SECRET", "/subscribe/secret", headers=secrets)
    client.post("/subscribe", headers=secrets, content=b"x" * (MOST_BODY + 1))
    lines = [r.getMessage() for r in caplog.records if r.name.startswith("trendbot")]
    assert lines == [
        "GET /unsubscribe/{token} 200 5 125.0",
        "- - 404 22 125.0",
        "POST - 413 24 125.0",
    ]
    assert world.counted == [
        ("/unsubscribe/{token}", 200, 0.125),
        ("-", 404, 0.125),
        ("-", 413, 0.125),
    ]


def test_a_request_that_breaks_down_is_written_down_too(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def broken(*_: object) -> None:
        raise RuntimeError("broken")

    async def act() -> None:
        with pytest.raises(RuntimeError):
            await Journal(broken, world.count, lambda: 0.0)(scope_of({}), unwanted, unwanted)

    anyio.run(act)
    assert world.counted == [("-", 0, 0.0)]


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("testclient", "-"),
        ("unknown", "-"),
        ("", "-"),
        (None, "-"),
    ],
)
def test_a_client_is_an_address_or_a_network_of_its_own(address: str | None, key: str) -> None:
    client = None if address is None else (address, 1)
    assert client_key(Request({**scope_of({}), "client": client})) == key
