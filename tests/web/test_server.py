"""Over real sockets: who the client is, what a connection may take its time for, and the end."""

import http.client
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from anyio import to_thread
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from trendbot.errors import SettingsError
from trendbot.settings import Web
from trendbot.web import server
from trendbot.web.guard import Guard
from trendbot.web.server import MOST_HEAD, MOST_PIPELINED, Connection, Serving

PATIENCE = 20.0  # seconds until a test gives up
SMALL = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with who asks, and how; an ASGI app."""
    if scope["type"] == "lifespan":
        for said in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{said}.complete"})
        return
    await answer(f"{scope['client'][0]} {scope['scheme']}".encode(), send)


async def answer(body: bytes, send: Send) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def serving(
    site: ASGIApp = echo, web: Web | None = None, kind: type[Connection] = Connection
) -> Iterator[Serving]:
    it = server.serve(site, web or Web(port=0), kind)
    try:
        yield it
    finally:
        assert it.stop(PATIENCE)


def dial(it: Serving) -> socket.socket:
    return socket.create_connection(("127.0.0.1", it.port), timeout=PATIENCE)


def rest(connection: socket.socket) -> bytes:
    """All that comes until the other side closes or breaks the connection."""
    heard = b""
    try:
        while more := connection.recv(65536):
            heard += more
    except ConnectionError:
        pass
    return heard


def ask(it: Serving, headers: dict[str, str]) -> str:
    client = http.client.HTTPConnection("127.0.0.1", it.port, timeout=PATIENCE)
    client.request("GET", "/", headers=headers)
    said = client.getresponse().read().decode()
    client.close()
    return said


FORWARDED = {"X-Forwarded-For": "198.51.100.9, 192.0.2.7", "X-Forwarded-Proto": "https"}


@pytest.mark.parametrize(
    ("proxies", "headers", "seen"),
    [
        ([], FORWARDED, "127.0.0.1 http"),
        (["10.0.0.0/8"], FORWARDED, "127.0.0.1 http"),
        (["127.0.0.1"], FORWARDED, "192.0.2.7 https"),
        (["127.0.0.0/8"], FORWARDED, "192.0.2.7 https"),
        (["127.0.0.1", "192.0.2.0/24"], FORWARDED, "198.51.100.9 https"),
        (["127.0.0.1"], {}, "127.0.0.1 http"),
        (["127.0.0.1"], {"X-Forwarded-For": "2001:db8::7"}, "2001:db8::7 http"),
        (["127.0.0.1"], {"X-Forwarded-Proto": "gopher"}, "127.0.0.1 http"),
        (["127.0.0.1"], {"Forwarded": "for=192.0.2.7"}, "127.0.0.1 http"),
    ],
)
def test_only_trusted_proxies_say_who_the_client_is(
    monkeypatch: pytest.MonkeyPatch, proxies: list[str], headers: dict[str, str], seen: str
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    with serving(web=Web(port=0, trusted_proxies=proxies)) as it:
        assert ask(it, headers) == seen


@pytest.mark.parametrize("proxy", ["*", "proxy.example.org", "", "127.0.0.1:80", "10.0.0.0/33"])
def test_a_proxy_is_an_address_or_a_network(proxy: str) -> None:
    with pytest.raises(ValueError, match="no address"):
        Web(trusted_proxies=[proxy])


def test_it_answers_over_ipv6() -> None:
    with serving(web=Web(host="::1", port=0)) as it:
        client = http.client.HTTPConnection("::1", it.port, timeout=PATIENCE)
        client.request("GET", "/")
        assert client.getresponse().read() == b"::1 http"
        client.close()


def test_the_answer_says_when_and_not_with_what() -> None:
    with serving() as it, dial(it) as connection:
        connection.sendall(SMALL.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        head = rest(connection).lower()
    assert b"\r\ndate: " in head
    assert b"\r\nserver:" not in head


@pytest.mark.parametrize("begun", [b"", b"G", b"\r\n", SMALL[:-1], b"GET /?aaa"])
def test_a_head_that_never_ends_does_not_hold_the_connection(begun: bytes) -> None:
    class Hasty(Connection):
        head_seconds = 0.05

    with serving(kind=Hasty) as it, dial(it) as connection:
        connection.sendall(begun)
        assert rest(connection) == b""


@pytest.mark.parametrize("begun", [b"G", b"\r\n", SMALL[:-1]])
def test_neither_does_one_after_a_request(begun: bytes) -> None:
    class Hasty(Connection):
        pass

    with serving(kind=Hasty) as it, dial(it) as connection:
        connection.sendall(SMALL)
        assert b"200 OK" in connection.recv(65536)
        Hasty.head_seconds = 0.05
        connection.sendall(begun)
        assert b"HTTP/1.1" not in rest(connection)


def test_a_head_may_come_in_pieces_and_others_after_it() -> None:
    with serving() as it, dial(it) as connection:
        for _ in range(2):
            for at in range(0, len(SMALL), 7):
                connection.sendall(SMALL[at : at + 7])
            said = http.client.HTTPResponse(connection)
            said.begin()
            assert said.read() == b"127.0.0.1 http"


def test_a_head_without_end_is_cut_off() -> None:
    class Patient(Connection):
        head_seconds = 2 * PATIENCE

    with serving(kind=Patient) as it, dial(it) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX-Long: ")
        try:
            for _ in range(100 * MOST_HEAD // 65536):
                connection.sendall(b"a" * 65536)
        except ConnectionError:
            return
        assert rest(connection) == b""


def test_too_many_requests_at_once_are_no_requests() -> None:
    with serving() as it, dial(it) as connection:
        connection.sendall(SMALL * (MOST_PIPELINED + 2))
        assert rest(connection).count(b"200 OK") <= MOST_PIPELINED


def test_some_requests_at_once_are_answered_in_turn() -> None:
    last = SMALL.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with serving() as it, dial(it) as connection:
        connection.sendall(SMALL * 5 + last)
        assert rest(connection).count(b"200 OK") == 6


def test_there_is_an_end_to_connections() -> None:
    class Few(Connection):
        most = 2

    with serving(kind=Few) as it:
        taken = [dial(it) for _ in range(2)]
        for connection in taken:
            connection.sendall(SMALL)
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        with dial(it) as third:
            assert rest(third) == b""
        for connection in taken:
            connection.close()


def guarded(body_seconds: float) -> ASGIApp:
    guard = Middleware(Guard, "http://here", body_seconds=body_seconds)
    return FastAPI(middleware=[Middleware(ExceptionMiddleware), guard])


def test_a_body_that_stops_coming_does_not_hold_the_connection() -> None:
    site = guarded(body_seconds=0.05)
    head = b"POST / HTTP/1.1\r\nHost: here\r\n"
    with serving(site) as it:
        for body in (b"Content-Length: 5\r\n\r\nab", b"Transfer-Encoding: chunked\r\n\r\n2\r\nab"):
            with dial(it) as connection:
                connection.sendall(head + body)
                assert rest(connection).startswith(b"HTTP/1.1 408 ")


def test_no_more_of_a_body_is_waited_for_than_shows_that_it_is_too_large() -> None:
    site = guarded(body_seconds=PATIENCE)
    head = b"POST / HTTP/1.1\r\nHost: here\r\n"
    chunk = b"10001\r\n" + b"x" * 0x10001
    with serving(site) as it:
        for rest_of_it in (b"Content-Length: 65537\r\n", b"Transfer-Encoding: chunked\r\n"):
            with dial(it) as connection:
                body = chunk if b"chunked" in rest_of_it else b""
                connection.sendall(head + rest_of_it + b"Expect: 100-continue\r\n\r\n" + body)
                said = rest(connection)
                assert b"HTTP/1.1 413 " in said
                assert said.startswith(b"HTTP/1.1 100 ") is bool(body)


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /confirm/se\xccret HTTP/1.1",
        b"GET confirm/secret HTTP/1.1",
        b"GET http://[secret/ HTTP/1.1",
        b"CONNECT secret:443 HTTP/1.1",
        b"SECRET /secret HTTP/1.1",
        b"GET /secret HTTP/9.9",
        b"secret",
    ],
)
def test_nonsense_is_refused_and_not_logged(
    caplog: pytest.LogCaptureFixture, request_line: bytes
) -> None:
    caplog.set_level(logging.DEBUG)
    with serving() as it, dial(it) as connection:
        connection.sendall(request_line + b"\r\nHost: secret\r\n\r\n")
        assert rest(connection).startswith(b"HTTP/1.1 400 ")
    assert "cret" not in caplog.text


def test_the_server_itself_keeps_no_log_of_who_asked_for_what(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with serving() as it, dial(it) as connection:
        head = b"GET /confirm/secret?a=secret HTTP/1.0\r\nUpgrade: secret\r\nConnection: upgrade"
        connection.sendall(head + b"\r\n\r\n")
        assert b"200 OK" in rest(connection)
    assert "secret" not in caplog.text
    assert "127.0.0.1" not in "".join(
        record.getMessage() for record in caplog.records if record.name != "trendbot.web.server"
    )


def test_an_answer_is_sent_at_once() -> None:
    """Without this option its body waits until the client has acknowledged its head."""
    options: list[int] = []

    class Seen(Connection):
        def connection_made(self, transport: object) -> None:
            super().connection_made(transport)
            of = self.transport.get_extra_info("socket")
            options.append(of.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    with serving(kind=Seen) as it:
        ask(it, {})
    assert options == [1]


def test_a_client_that_reads_nothing_does_not_hold_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "UNREAD_SECONDS", 0.2)
    lost = threading.Event()

    class Watched(Connection):
        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            lost.set()

    async def large(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await echo(scope, receive, send)
        else:
            await answer(b"x" * 20_000_000, send)

    with serving(large, kind=Watched) as it, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", it.port))
        connection.sendall(SMALL)
        assert lost.wait(PATIENCE)


class Held:
    """An app that answers when it is allowed to."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.may_answer = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await echo(scope, receive, send)
            return
        self.asked.set()
        assert await to_thread.run_sync(self.may_answer.wait, PATIENCE)
        await answer(b"done", send)


def in_background(act: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=act)
    thread.start()
    return thread


def until_refused(it: Serving) -> None:
    """Return when no new connection is taken."""
    while True:
        try:
            dial(it).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            continue  # it waited in the queue of a listener that closed


def test_a_stop_finishes_what_was_asked_and_takes_no_more() -> None:
    held = Held()
    it = server.serve(held, Web(port=0))
    with dial(it) as connection, dial(it) as idle:
        connection.sendall(SMALL)
        assert held.asked.wait(PATIENCE)
        stopped: list[bool] = []
        stopping = in_background(lambda: stopped.append(it.stop(PATIENCE)))
        until_refused(it)
        assert rest(idle) == b""
        held.may_answer.set()
        said = rest(connection)
        assert said.endswith(b"\r\n\r\ndone")
        assert b"connection: close" in said
        stopping.join(PATIENCE)
    assert stopped == [True]


def test_a_stop_waits_no_longer_than_it_may() -> None:
    held = Held()
    it = server.serve(held, Web(port=0))
    with dial(it) as connection:
        connection.sendall(SMALL)
        assert held.asked.wait(PATIENCE)
        assert it.stop(within=0.01) is False
        held.may_answer.set()
        assert it.stop(PATIENCE) is True


def test_a_stop_right_after_the_start_is_no_trouble() -> None:
    assert server.serve(echo, Web(port=0)).stop(PATIENCE)


def test_a_port_in_use_is_a_clear_error() -> None:
    with serving() as it, pytest.raises(SettingsError, match=f"port {it.port}"):
        server.serve(echo, Web(port=it.port))
