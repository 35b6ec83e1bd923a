"""What stands before every endpoint: headers that protect, bounds, a journal without names.

Small ASGI layers (https://asgi.readthedocs.io/en/latest/specs/www.html), because the
framework's own kind costs more than a whole page from the shelf does:

    Prefix    the path of site.base_url, wherever it is taken away
    Journal   one line and one count per request, of nothing the client sent
    Shield    the headers that tell browsers what these pages never do
    Guard     refuses what is too big, too slow, or a form of another site
"""

import logging
import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

import anyio
from fastapi import HTTPException, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BODY = 64 * 1024  # bytes; a form takes a few hundred
BODY_SECONDS = 10.0
MOST_URL = 8_000  # bytes; RFC 9110 section 4.1 asks for at least that
MOST_HEADERS = 16 * 1024  # bytes, of all together
MOST_FIELDS = 100

# Who has the token in the path may do it from anywhere: mail providers post here (RFC 8058).
TOKEN_PATHS = ("/confirm/", "/unsubscribe/", "/preferences/", "/export/", "/erase/")
# Read by programs and by pages of others.
OPEN_PATHS = ("/feeds/", "/api/")

_CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_READING = frozenset(("GET", "HEAD", "OPTIONS"))
# After a body that was not read to its end no other request can follow (RFC 9112 section 9.3).
_CLOSE = {"Connection": "close"}

access = logging.getLogger("trendbot.web.access")


def client_key(request: Request) -> str:
    """Whom a limit per client counts: the address, of IPv6 its /64, "-" where there is none.

    The last 64 bits are the client's to choose (RFC 4291 section 2.5.4).
    """
    try:
        address = ip_address(request.client.host if request.client else "")
    except ValueError:
        return "-"
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((IPv6Address(int(address)), 64), strict=False))


def own_path(scope: Scope) -> str:
    """The path of a request within the site, whether or not the proxy took the prefix away."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if path.startswith(f"{root}/") else path


class Prefix:
    """Names the path of site.base_url, so that a proxy may take it away or leave it."""

    def __init__(self, app: ASGIApp, root: str) -> None:
        self.app = app
        self._root = root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        scope["root_path"] = self._root
        await self.app(scope, receive, send)


class Journal:
    """Logs one line for each request and counts it: method, route, status, bytes, milliseconds.

    The route is the template that matched, "-" where none did; `count` takes it, the status
    (0 if the client left before) and the seconds.
    """

    def __init__(
        self,
        app: ASGIApp,
        count: Callable[[str, int, float], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.app = app
        self._count = count
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and write down how it went."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status, size = self._clock(), 0, 0

        async def seen(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, seen)
        finally:
            seconds = self._clock() - began
            route = getattr(scope.get("route"), "path_format", "-")
            method = scope["method"] if scope["method"] in _METHODS else "-"
            access.info("%s %s %d %d %.1f", method, route, status, size, seconds * 1000)
            self._count(route, status, seconds)


class Shield:
    """Adds to every answer the headers that keep pages from doing what they never do."""

    def __init__(self, app: ASGIApp, base_url: str) -> None:
        self.app = app
        common = {
            "content-security-policy": _CSP,
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "referrer-policy": "no-referrer",
            "permissions-policy": "camera=(), geolocation=(), microphone=()",
            "cross-origin-opener-policy": "same-origin",
        }
        if base_url.startswith("https:"):
            common["strict-transport-security"] = "max-age=31536000"  # RFC 6797 section 6.1
        self._closed = _raw({**common, "cross-origin-resource-policy": "same-origin"})
        self._open = _raw({**common, "cross-origin-resource-policy": "cross-origin"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and its answer back with more headers."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        more = self._open if own_path(scope).startswith(OPEN_PATHS) else self._closed

        async def shielded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *more]}
            await send(message)

        await self.app(scope, receive, shielded)


class Guard:
    """Refuses by an HTTPException what no endpoint has to see; reads the body for them.

    431, 414, 400: headers or address too long, or nonsense. 413, 408: a body over `MOST_BODY`,
    whether announced or not, or one that is not there within `body_seconds`. 403: a form that
    another site made the reader's browser send.
    """

    def __init__(self, app: ASGIApp, base_url: str, body_seconds: float = BODY_SECONDS) -> None:
        self.app = app
        self._host = urlsplit(base_url).netloc.lower().encode()
        self._is_https = base_url.startswith("https:")
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its whole body, or refuse it."""
        if scope["type"] == "http":
            _check_address(scope)
            if scope["method"] not in _READING:
                self._check_site(scope)
            if _announced(scope["headers"]):
                body = await self._read(receive)
                if body is None:
                    return  # the client left; nobody waits for an answer
                receive = _again(body, receive)
        await self.app(scope, receive, send)

    async def _read(self, receive: Receive) -> bytes | None:
        """The body; None when the client left. Reads no further than `MOST_BODY`."""
        body = bytearray()
        with anyio.move_on_after(self._body_seconds):
            while len(body) <= MOST_BODY:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                body += message.get("body", b"")
                if not message.get("more_body", False) and len(body) <= MOST_BODY:
                    return bytes(body)
            raise HTTPException(413, headers=_CLOSE)
        raise HTTPException(408, headers=_CLOSE)

    def _check_site(self, scope: Scope) -> None:
        """Raise HTTPException for what a page of another site sent.

        Sec-Fetch-Site (https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header) goes first:
        our own pages send "Origin: null", for they say no-referrer. Only to sites without
        https browsers do not send it, so there a null must do. Programs send neither.
        """
        if own_path(scope).startswith(TOKEN_PATHS):
            return
        headers = dict(scope["headers"])
        site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
        if site is not None:
            is_ours = site in (b"same-origin", b"none")
        elif origin is None or origin == b"null":
            is_ours = origin is None or not self._is_https
        else:
            host = origin.lower().partition(b"://")[2]
            is_ours = host in (self._host, headers.get(b"host", self._host).lower())
        if not is_ours:
            raise HTTPException(403)


def _raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def _check_address(scope: Scope) -> None:
    raw_path, query = scope.get("raw_path") or b"", scope["query_string"]
    if len(raw_path) + len(query) > MOST_URL:
        raise HTTPException(414, headers=_CLOSE)
    if b"%00" in raw_path or b"%00" in query:  # no name has one, and databases refuse it
        raise HTTPException(400)


def _announced(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether a body comes (RFC 9112 section 6.3); raises HTTPException for what is too long."""
    size, is_coming = 0, False
    for name, value in headers:
        size += len(name) + len(value)
        if name == b"content-length":
            if not value.isdigit():
                raise HTTPException(400, headers=_CLOSE)
            if len(value) > 9 or int(value) > MOST_BODY:
                raise HTTPException(413, headers=_CLOSE)
            is_coming |= value != b"0"
        elif name == b"transfer-encoding":
            is_coming = True
    if size > MOST_HEADERS or len(headers) > MOST_FIELDS:
        raise HTTPException(431, headers=_CLOSE)
    return is_coming


def _again(body: bytes, receive: Receive) -> Receive:
    """Give the body that was read, then whatever else comes."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_again
