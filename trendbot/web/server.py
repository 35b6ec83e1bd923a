"""How the web is served: uvicorn on a thread, and connections that nobody can hold for ever."""

import logging
import socket
import threading
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from trendbot.app import App
from trendbot.errors import SettingsError
from trendbot.settings import Web
from trendbot.web.site import create

HEAD_SECONDS = 15.0
KEEP_ALIVE = 5  # seconds a connection may idle between two requests
UNREAD_SECONDS = 30.0  # for a client that takes nothing of what was answered
MOST_CONNECTIONS = 500  # well below the 1024 open files a process usually has
MOST_PIPELINED = 16
MOST_HEAD = 128 * 1024  # bytes of one that has no end; the guard is stricter with whole ones

log = logging.getLogger(__name__)


class Connection(HttpToolsProtocol):
    """A connection of uvicorn's, with bounds to what it leaves to the client.

    uvicorn waits for ever for a head that was begun, however long it grows (slowloris), and
    takes in as many requests as are sent at once.
    """

    head_seconds = HEAD_SECONDS
    most = MOST_CONNECTIONS
    _head_size = 0
    _in_head = False

    def connection_made(self, transport: object) -> None:
        """Take the connection, unless there are too many."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._head_timer = self.loop.call_later(self.head_seconds, self.transport.close)
        if len(self.connections) > self.most:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._head_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; from the first byte of a head it may take `head_seconds` to its end."""
        super().data_received(data)
        if self._in_head:
            self._head_size += len(data)
            if self._head_size > MOST_HEAD:
                self.transport.abort()
        is_idle = self.cycle is None or self.cycle.response_complete
        if is_idle and self._head_timer.cancelled():
            self._head_timer = self.loop.call_later(self.head_seconds, self.transport.close)

    def on_message_begin(self) -> None:
        """Begin a request; the parser answers 400 to an exception."""
        if len(self.pipeline) >= MOST_PIPELINED:
            raise ValueError("too many requests at once")
        self._in_head, self._head_size = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Let the request be answered, which is bounded elsewhere."""
        self._in_head = False
        self._head_timer.cancel()
        super().on_headers_complete()


@dataclass(frozen=True, slots=True)
class Serving:
    """A web that answers on `port`."""

    port: int
    _server: uvicorn.Server
    _thread: threading.Thread

    def stop(self, within: float) -> bool:
        """Take no new requests and finish those in hand; whether that took no longer."""
        self._server.should_exit = True
        self._thread.join(timeout=within)
        return not self._thread.is_alive()


def start(app: App) -> Serving:
    """Answer HTTP on a thread of its own. Raises SettingsError if the port cannot be had."""
    return serve(create(app), app.settings.web)


def serve(site: ASGIApp, web: Web, connection: type[Connection] = Connection) -> Serving:
    """Serve `site` where the settings say. Raises SettingsError if the port cannot be had."""
    listener = _listen(web.host, web.port)
    port = listener.getsockname()[1]
    log.info("listening on http://%s:%d", web.host, port)
    server = uvicorn.Server(_config(site, list(web.trusted_proxies), connection))
    thread = threading.Thread(target=server.run, args=([listener],), name="web", daemon=True)
    thread.start()
    return Serving(port, server, thread)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise SettingsError(
            f"web.host, web.port: cannot listen on {host} port {port}: {error.strerror}"
        ) from error
    # Connections inherit both (tcp(7)). Without the first the body of an answer waits 40 ms
    # for the client to acknowledge its head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        milliseconds = int(UNREAD_SECONDS * 1000)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
    return listener


def _config(site: ASGIApp, proxies: list[str], connection: type[Connection]) -> uvicorn.Config:
    return uvicorn.Config(
        site,
        http=connection,
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,  # the journal keeps one, without addresses and tokens
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,  # given, so the environment has no say
        timeout_keep_alive=KEEP_ALIVE,
        backlog=MOST_CONNECTIONS,
    )
