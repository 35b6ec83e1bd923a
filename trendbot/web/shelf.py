"""A shelf for public pages: made once, given to everybody for a few seconds.

What a page says of itself decides: only an answer with `Cache-Control: public` is taken in.
It gets a strong ETag (RFC 9110 section 8.8.3) for each of its two forms, plain and gzip, and
a request that has it already is answered 304 (sections 13.1.2 and 15.4.5) without asking the
app. All else passes with `no-store` (RFC 9111 section 5.2.2.5) and is never compressed, since
length would betray a token that stands beside what a stranger wrote (BREACH).

The shelf is part of the origin, no cache of RFC 9111: it ignores what clients say about
caching, so nobody can make it ask the app for every request.
"""

import gzip
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

import anyio
import anyio.to_thread
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ROOM = 32 * 1024 * 1024  # bytes
LARGEST = 1024 * 1024  # bytes of one page
LONGEST_KEY = 2_000
SMALLEST_PACKED = 500  # bytes; below, gzip saves nothing
_ENTRY = 4_000  # bytes a page takes besides its text, about

_MAX_AGE = re.compile(rb"max-age=(\d{1,9})")
_PACKABLE = re.compile(rb"text/|image/svg\+xml|application/([a-z.]+\+)?(json|xml)")
_ENTITY_TAG = re.compile(rb'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_VARY = (b"vary", b"Accept-Encoding")
# What a 304 must say again (RFC 9110 section 15.4.5), and to whom; the server adds Date.
_TOLD_AGAIN = (
    *(b"cache-control", b"content-location", b"etag", b"expires", b"vary"),
    b"access-control-allow-origin",
)

RawHeaders = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Form:
    """One form of a page, plain or packed, with all that can be sent of it."""

    etag: bytes
    start: Message
    body: Message
    not_modified: Message


@dataclass(frozen=True, slots=True)
class Page:
    """A public page, the route that made it, and the moment until which it is given."""

    plain: Form
    packed: Form | None
    route: object
    size: int
    until: float


class Shelf:
    """Keeps public pages for `seconds`, or their max-age if shorter; 0 keeps none.

    The key is path and query alone: a public page must not depend on anything else.
    """

    def __init__(
        self,
        app: ASGIApp,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        room: int = ROOM,
    ) -> None:
        self.app = app
        self._seconds = seconds
        self._clock = clock
        self._room = room
        self._taken = 0
        self._pages: OrderedDict[bytes, Page] = OrderedDict()
        self._asked: dict[bytes, anyio.Event] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from the shelf, or ask the app."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self.app(scope, receive, _Taking(send) if scope["type"] == "http" else send)
            return
        key = (scope.get("raw_path") or scope["path"].encode()) + b"?" + scope["query_string"]
        page = self._find(key)
        if page is None and (self._seconds <= 0 or len(key) > LONGEST_KEY):
            page = await self._ask(scope, receive, send)
        elif page is None:
            page = await self._ask_once(key, scope, receive, send)
        if page is not None:
            scope["route"] = page.route
            await _give(page, scope, send)

    def _find(self, key: bytes) -> Page | None:
        page = self._pages.get(key)
        if page is None or page.until <= self._clock():
            return None
        self._pages.move_to_end(key)
        return page

    async def _ask_once(
        self, key: bytes, scope: Scope, receive: Receive, send: Send
    ) -> Page | None:
        """Ask the app; of many requests for one page the first asks, the others wait for it."""
        asked = self._asked.get(key)
        if asked is not None:
            await asked.wait()
            return self._find(key) or await self._ask(scope, receive, send)
        answered = self._asked[key] = anyio.Event()
        try:
            page = await self._ask(scope, receive, send, answered)
            if page is not None:
                self._keep(key, page)
        finally:
            del self._asked[key]
            answered.set()
        return page

    async def _ask(
        self, scope: Scope, receive: Receive, send: Send, answered: anyio.Event | None = None
    ) -> Page | None:
        """Ask the app; a public page is returned, any other answer is sent."""
        is_head = scope["method"] == "HEAD"
        asked = {**scope, "method": "GET"} if is_head else scope
        taking = _Taking(send, is_head, takes=True, answered=answered)
        try:
            await self.app(asked, receive, taking)
        finally:
            scope["route"] = asked.get("route")
        if taking.start is None:
            return None
        return await _page(taking.start, bytes(taking.body), scope["route"], self._until)

    def _until(self, max_age: int) -> float:
        return self._clock() + min(self._seconds, max_age)

    def _keep(self, key: bytes, page: Page) -> None:
        """Put a page on the shelf, in place of those that were not asked for the longest."""
        self._drop(key)
        self._pages[key] = page
        self._taken += page.size
        while self._taken > self._room:
            self._drop(next(iter(self._pages)))

    def _drop(self, key: bytes) -> None:
        if (page := self._pages.pop(key, None)) is not None:
            self._taken -= page.size


class _Taking:
    """A `send` that takes in a public page, and lets anything else pass as `no-store`."""

    def __init__(
        self,
        send: Send,
        is_head: bool = False,
        *,
        takes: bool = False,
        answered: anyio.Event | None = None,
    ) -> None:
        self.start: Message | None = None
        self.body = bytearray()
        self._send = send
        self._is_head = is_head
        self._takes = takes
        self._answered = answered

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if self._takes and _is_public(message):
                self.start = message
                return
            self._let_others_ask()
            message = _with_no_store(message)
        elif self.start is not None:
            self.body += message.get("body", b"")
            if len(self.body) <= LARGEST:
                return
            start, self.start = self.start, None
            self._let_others_ask()
            await self._send(start)
            message = {**message, "body": bytes(self.body)}
        if self._is_head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)

    def _let_others_ask(self) -> None:
        # At once: a client that reads slowly must not hold up who asked for the same.
        if self._answered is not None:
            self._answered.set()


async def _give(page: Page, scope: Scope, send: Send) -> None:
    """Send the form of the page that suits the request, or that it has not changed."""
    accepted, known = b"", b""
    for name, value in scope["headers"]:
        if name == b"accept-encoding":
            accepted = accepted + b"," + value if accepted else value
        elif name == b"if-none-match":
            known = known + b"," + value if known else value
    form = page.packed if page.packed is not None and takes_gzip(accepted) else page.plain
    if known and matches(known, form.etag):
        await send(form.not_modified)
        await send(_NOTHING)
        return
    await send(form.start)
    await send(_NOTHING if scope["method"] == "HEAD" else form.body)


_NOTHING: Message = {"type": "http.response.body", "body": b""}


def matches(known: bytes, etag: bytes) -> bool:
    """Whether If-None-Match names `etag` (RFC 9110 section 13.1.2), by weak comparison."""
    return known == etag or known.strip() == b"*" or etag in _ENTITY_TAG.findall(known)


@lru_cache(maxsize=128)
def takes_gzip(accepted: bytes) -> bool:
    """Whether Accept-Encoding prefers gzip to none at all (RFC 9110 section 12.5.3)."""
    weights = {}
    for item in accepted.lower().split(b","):
        coding, _, parameters = item.partition(b";")
        weights[coding.strip()] = _weight(parameters)
    gzip_weight = weights.get(b"gzip", weights.get(b"x-gzip", weights.get(b"*", 0.0)))
    return gzip_weight > 0 and gzip_weight >= weights.get(b"identity", 0.0)


def _weight(parameters: bytes) -> float:
    """The q of an item, 1 where it has none, 0 where it is no number."""
    name, _, value = parameters.partition(b"=")
    if name.strip() != b"q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


async def _page(start: Message, body: bytes, route: object, until: Callable[[int], float]) -> Page:
    headers = [(name, value) for name, value in start["headers"] if name != b"etag"]
    told = dict(headers)
    packed = None
    if len(body) >= SMALLEST_PACKED and _PACKABLE.match(told.get(b"content-type", b"").lower()):
        small = await anyio.to_thread.run_sync(_pack, body)
        packed = _form([*headers, (b"content-encoding", b"gzip")], small)
    max_age = _MAX_AGE.search(told[b"cache-control"])
    size = _ENTRY + len(body) + (len(packed.body["body"]) if packed else 0)
    until_when = until(int(max_age[1]) if max_age else 0)
    return Page(_form(headers, body), packed, route, size, until_when)


def _pack(body: bytes) -> bytes:
    return gzip.compress(body, 6, mtime=0)  # the same every time, as its strong ETag promises


def _form(headers: RawHeaders, body: bytes) -> Form:
    etag = b'"' + blake2b(body, digest_size=16).hexdigest().encode() + b'"'
    told = [(name, value) for name, value in headers if name != b"content-length"]
    told += [(b"etag", etag), _VARY]
    again = [(name, value) for name, value in told if name in _TOLD_AGAIN]
    told.append((b"content-length", str(len(body)).encode()))
    return Form(
        etag,
        {"type": "http.response.start", "status": 200, "headers": told},
        {"type": "http.response.body", "body": body},
        {"type": "http.response.start", "status": 304, "headers": again},
    )


def _is_public(start: Message) -> bool:
    """Whether an answer says that it is for everybody, whatever their headers."""
    told = dict(start["headers"])
    control = told.get(b"cache-control", b"")
    special = (b"set-cookie", b"vary", b"content-encoding")
    is_plain = start["status"] == 200 and not any(name in told for name in special)
    return is_plain and b"public" in control and b"no-store" not in control


def _with_no_store(start: Message) -> Message:
    headers = list(start.get("headers", ()))
    if any(name == b"cache-control" for name, _ in headers):
        return start
    return {**start, "headers": [*headers, (b"cache-control", b"no-store")]}
