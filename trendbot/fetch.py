"""Ask the web politely: timeouts, retries, conditional requests, spacing per host.

get(), post(), put() ── one host at a time ── _attempt() ── wait for the host's turn ── _ask()
  ▲                                      │ Failure(again=True): back off, at most `tries` times
  └── a Page, or the caller's error class with one clear line and the Failure as cause

A trendbot has one Fetcher; all its adapters share it. What it decides is in `fetch_rules`.
"""

import logging
import re
import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from trendbot import __version__
from trendbot.errors import TrendbotError
from trendbot.fetch_rules import (
    REDIRECTS,
    Failure,
    Page,
    host_of,
    prepared,
    reached,
    redirected,
    refuse,
    shown,
    validators,
    why,
)

__all__ = ["Breaker", "Failure", "Fetcher", "Limits", "Page"]

# Statuses with which a server says that it did not do what a POST asked for.
_NOT_DONE = frozenset({429, 503})
# Where nobody was reached there is nobody to be polite to, and little to wait for.
_UNREACHED_TRIES = 3
_REMEMBERED_PAGES = 16
_REMEMBERED_BYTES = 4 * 1024 * 1024

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may cost. Seconds, except `body` (bytes, unpacked) and `tries`.

    `connect` bounds the connection, `read` each silence (also before and within the head),
    `total` the whole body, `patience` all waiting between the tries together.
    """

    connect: float = 10
    read: float = 60
    total: float = 180
    body: int = 32 * 1024 * 1024
    tries: int = 4
    patience: float = 600


@dataclass(frozen=True, slots=True)
class Breaker:
    """Which hosts may be asked, known to all processes; `fetch_rules.host_of` names them.

    `refusal(host)` says why a host must not be asked now and from when it may, "" if it may.
    Of each request that was made then, `failed(host, why, reached)` tells that it got no
    answer or that the host is in trouble, and `worked(host)` that it was answered, be it with
    a refusal.
    """

    refusal: Callable[[str], str]
    failed: Callable[[str, str, bool], None]
    worked: Callable[[str], None]


NEVER_CLOSED = Breaker(lambda _host: "", lambda *_failure: None, lambda _host: None)


@dataclass(frozen=True, slots=True)
class _Request:
    """What is asked: `url` with its query, `json` for a POST, `body` for a PUT."""

    method: str
    url: str
    accept: str
    delay: float
    headers: Mapping[str, str]
    json: Mapping[str, Any] | None = None
    body: bytes | None = None

    @property
    def is_plain(self) -> bool:
        """Whether everybody who asks gets the same answer, so that it may be remembered."""
        return self.method == "GET" and not self.headers


@dataclass(slots=True)
class _Host:
    """One host: its lock keeps us at one connection, `ended` is when it last was reached."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    ended: float | None = None


class Fetcher:
    """The one HTTP session of a trendbot; safe to share between threads.

    `contact` goes into the User-Agent, so that an operator of a site can reach ours. Hosts
    that `breaker` holds closed are not asked.
    """

    def __init__(
        self,
        contact: str,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        limits: Limits = Limits(),
        breaker: Breaker = NEVER_CLOSED,
    ) -> None:
        self.breaker = breaker
        self._sleep = sleep
        self._clock = clock
        self._limits = limits
        self._hosts: defaultdict[str, _Host] = defaultdict(_Host)
        self._remembered: OrderedDict[tuple[str, str], Page] = OrderedDict()
        self._lock = threading.Lock()
        self._session = requests.Session()
        printable = re.sub(r"[^ -~]|[()]", "", contact)
        self._session.headers["User-Agent"] = f"trendbot/{__version__} (+{printable})"
        # Not urllib3's Retry: it does not see a body that breaks off (we stream), it cannot keep
        # a host's spacing, and it clamps a long Retry-After where we must give up.
        adapter = HTTPAdapter(max_retries=0, pool_maxsize=1, pool_block=True)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def get(
        self,
        url: str,
        *,
        params: Mapping[str, str | Sequence[str]] | None = None,
        accept: str,
        delay: float = 0,
        error: type[TrendbotError],
        headers: Mapping[str, str] | None = None,
    ) -> Page:
        """Return the page at `url`, whose media type must be one of `accept`.

        Keeps `delay` seconds between two requests to one host. 406, 429, 5xx of gateways,
        broken connections and cut-off bodies are tried again, later each time, honouring
        Retry-After (RFC 9110 section 10.2.3); a host that cannot be reached is given up
        after seconds. A page asked for before is asked for conditionally (section 13) and
        given back from memory on 304, unless there are `headers`, which may say who asks.
        Redirects are followed only within a site (`www.` or not, http to https). Raises
        `error` with one line that names host and path but never the query or `headers`,
        with a Failure as its cause.
        """
        try:
            address = prepared(url, params, headers)
            return self._answer(_Request("GET", address, accept, delay, headers or {}))
        except Failure as failure:
            raise error(f"{shown(url)}: {failure}") from failure

    def post(
        self,
        url: str,
        *,
        json: Mapping[str, Any],
        accept: str,
        delay: float = 0,
        error: type[TrendbotError],
        headers: Mapping[str, str] | None = None,
    ) -> Page:
        """Post `json` to `url`; return the answer, whose media type must be one of `accept`.

        Spaced, bounded and refused as in `get`, but tried again only where the server surely
        did nothing yet: no connection, 429, 503. No redirect is followed. Raises `error` as
        `get` does; neither `json` nor `headers` are in it.
        """
        try:
            address = prepared(url, None, headers)
            return self._answer(_Request("POST", address, accept, delay, headers or {}, json))
        except Failure as failure:
            raise error(f"{shown(url)}: {failure}") from failure

    def put(
        self,
        url: str,
        *,
        body: bytes,
        content_type: str,
        accept: str,
        error: type[TrendbotError],
    ) -> Page:
        """Put `body` at `url`; return the answer, whose media type must be one of `accept`.

        Tried again as `get` is, since it may be done twice (RFC 9110 section 9.2.2). No redirect
        is followed. Raises `error` as `get` does; `body` is not in it.
        """
        try:
            headers = {"Content-Type": content_type}
            address = prepared(url, None, headers)
            return self._answer(_Request("PUT", address, accept, 0, headers, body=body))
        except Failure as failure:
            raise error(f"{shown(url)}: {failure}") from failure

    def forget(self, page: Page) -> None:
        """Ask for `page` unconditionally next time: it made no sense, so 304 must not revive it."""
        with self._lock:
            for key in [key for key in self._remembered if key[0] == page.url]:
                del self._remembered[key]

    def close(self) -> None:
        """Close every connection."""
        self._session.close()

    def _host(self, url: str) -> _Host:
        with self._lock:
            return self._hosts[host_of(url)]

    def _answer(self, request: _Request) -> Page:
        """Ask, unless the host is closed, and write down if it answers at all."""
        host = host_of(request.url)
        with self._host(request.url).lock:
            if refusal := self.breaker.refusal(host):
                raise Failure(refusal)
            try:
                page = self._try_often(request)
            except Failure as failure:
                if failure.is_sick:
                    self.breaker.failed(host, str(failure).partition("; ")[0], failure.reached)
                else:
                    self.breaker.worked(host)
                raise
            self.breaker.worked(host)
            return page

    def _try_often(self, request: _Request) -> Page:
        waited = 0.0
        for attempt in range(1, self._limits.tries + 1):
            try:
                return self._attempt(request)
            except Failure as failure:
                last = failure
            if not _may_repeat(request, last) or attempt >= self._tries(last):
                break
            # Back-off starts at the host's own spacing; `Retry-After: 0` does not undercut it.
            first = max(request.delay, 1) if last.reached else 1
            pause = max(last.wait, first * 2.0 ** (attempt - 1))
            waited += pause
            if waited > self._limits.patience:
                raise last.saying(f"; it can be asked again in {pause:.0f} s")
            log.warning("%s: %s; trying again in %.0f s", shown(request.url), last, pause)
            self._sleep(pause)
        tries = f" in {attempt} tries" if attempt > 1 or _may_repeat(request, last) else ""
        raise last.saying(f"{tries}; try again later" if last.again else "")

    def _tries(self, last: Failure) -> int:
        return self._limits.tries if last.reached else min(_UNREACHED_TRIES, self._limits.tries)

    def _attempt(self, request: _Request) -> Page:
        """Ask once, following redirects within the site."""
        for _ in range(5):
            page = self._ask_in_turn(request)
            if page.status not in REDIRECTS:
                return page
            if request.method != "GET":
                raise Failure("redirects what was sent to it; check the address in the settings")
            target = redirected(request.url, page.headers.get("Location", ""))
            request = replace(request, url=target)
        raise Failure("redirects without end; check the address in the settings")

    def _ask_in_turn(self, request: _Request) -> Page:
        host = self._host(request.url)
        if host.ended is not None and (early := host.ended + request.delay - self._clock()) > 0:
            self._sleep(early)
        was_reached = True
        try:
            return self._ask(request)
        except Failure as failure:
            was_reached = failure.reached
            raise
        finally:
            if was_reached:
                host.ended = self._clock()

    def _ask(self, request: _Request) -> Page:
        url, accept = request.url, request.accept
        known = self._remembered.get((url, accept)) if request.is_plain else None
        headers = {**request.headers, "Accept": accept, **(validators(known) if known else {})}
        limits: Any = {"timeout": (self._limits.connect, self._limits.read), "stream": True}
        try:
            with self._session.request(
                request.method,
                url,
                json=request.json,
                data=request.body,
                headers=headers,
                allow_redirects=False,
                **limits,
            ) as response:
                if response.status_code == 304 and known:
                    return known
                refuse(response, accept)
                page = Page(url, response.status_code, response.headers, self._body(response))
        except (requests.RequestException, urllib3.exceptions.HTTPError) as problem:
            # `from None`: the text of these errors holds the query.
            raise Failure(why(problem), again=True, reached=reached(problem)) from None
        if request.is_plain:
            self._remember(page, accept)
        return page

    def _body(self, response: requests.Response) -> bytes:
        """Read the body piece by piece: a slow drip or a flood ends early."""
        if response.status_code in REDIRECTS:
            return b""
        deadline = self._clock() + self._limits.total
        body = bytearray()
        while piece := response.raw.read1(65536, decode_content=True):
            body += piece
            if len(body) > self._limits.body:
                too_large = f"is larger than {self._limits.body} bytes; not read further"
                raise Failure(too_large, response.status_code)
            if self._clock() > deadline:
                raise Failure(
                    f"was not complete after {self._limits.total:.0f} s; try again later",
                    is_sick=True,
                )
        return bytes(body)

    def _remember(self, page: Page, accept: str) -> None:
        if page.status != 200 or len(page.content) > _REMEMBERED_BYTES or not validators(page):
            return
        with self._lock:
            self._remembered[page.url, accept] = page
            self._remembered.move_to_end((page.url, accept))
            if len(self._remembered) > _REMEMBERED_PAGES:
                self._remembered.popitem(last=False)


def _may_repeat(request: _Request, last: Failure) -> bool:
    """Whether asking again can help and do no harm: what was posted may have been done."""
    surely_undone = not last.reached or last.status in _NOT_DONE
    return last.again and (request.method != "POST" or surely_undone)
