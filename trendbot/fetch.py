"""Ask the web politely: timeouts, retries, conditional requests, spacing per host.

get() ── one host at a time ── _attempt() ── wait for the host's turn ── _ask()
  ▲                               │ Failure(again=True): back off, at most `tries` times
  └── a Page, or the caller's error class with one clear line and the Failure as cause

A trendbot has one Fetcher; all its adapters share it.
"""

import email.utils
import logging
import re
import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from trendbot import __version__
from trendbot.errors import TrendbotError

# arXiv's edge answers 406 and 429 when it means 503: come back later. All are waited out alike.
_COME_BACK = frozenset({406, 429, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# Some of Python's other codecs make surrogates, or much of little.
_CHARSETS = frozenset({"utf-8", "us-ascii", "iso-8859-1", "windows-1252"})
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
class Page:
    """One answer with status 200: the address it came from, its headers and its body."""

    url: str
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def text(self) -> str:
        """The body as text; what is not in the declared encoding (else UTF-8) is replaced."""
        declared = re.search(r"charset=[\"']?([\w.:-]+)", self.headers.get("Content-Type", ""))
        charset = declared[1] if declared else "utf-8"
        if charset.lower() not in _CHARSETS:
            charset = "utf-8"
        text = self.content.decode(charset, errors="replace")
        return text.removeprefix("\ufeff")


class Failure(Exception):
    """Why a request brought no page: the `__cause__` of every error `Fetcher.get` raises.

    `status` is the HTTP status, 0 where no complete answer came. `again` tells whether
    another try can help, `wait` how many seconds the server asked for, `reached` whether
    there was a connection at all.
    """

    def __init__(
        self,
        why: str,
        status: int = 0,
        *,
        again: bool = False,
        wait: float = 0,
        reached: bool = True,
    ) -> None:
        super().__init__(why)
        self.status = status
        self.again = again
        self.wait = wait
        self.reached = reached


@dataclass(slots=True)
class _Host:
    """One host: its lock keeps us at one connection, `ended` is when it last was reached."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    ended: float | None = None


class Fetcher:
    """The one HTTP session of a trendbot; safe to share between threads.

    `contact` goes into the User-Agent, so that an operator of a site can reach ours.
    """

    def __init__(
        self,
        contact: str,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        limits: Limits = Limits(),
    ) -> None:
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
        params: Mapping[str, str] | None = None,
        accept: str,
        delay: float = 0,
        error: type[TrendbotError],
    ) -> Page:
        """Return the page at `url`, whose media type must be one of `accept`.

        Keeps `delay` seconds between two requests to one host. 406, 429, 5xx of gateways,
        broken connections and cut-off bodies are tried again, later each time, honouring
        Retry-After (RFC 9110 section 10.2.3); a host that cannot be reached is given up
        after seconds. A page asked for before is asked for
        conditionally (section 13) and given back from memory on 304. Redirects are followed
        only within a site (`www.` or not, http to https). Raises `error` with one line that
        names host and path but never the query, with a Failure as its cause.
        """
        try:
            address = _prepared(url, params)
            with self._host(address).lock:
                return self._try_often(address, accept, delay)
        except Failure as failure:
            raise error(f"{_shown(url)}: {failure}") from failure

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
            return self._hosts[_site(urlsplit(url).netloc)]

    def _try_often(self, url: str, accept: str, delay: float) -> Page:
        waited = 0.0
        for attempt in range(1, self._limits.tries + 1):
            try:
                return self._attempt(url, accept, delay)
            except Failure as failure:
                last = failure
            if not last.again or attempt >= self._tries(last):
                break
            # Back-off starts at the host's own spacing; `Retry-After: 0` does not undercut it.
            first = max(delay, 1) if last.reached else 1
            pause = max(last.wait, first * 2.0 ** (attempt - 1))
            waited += pause
            if waited > self._limits.patience:
                raise Failure(f"{last}; it can be asked again in {pause:.0f} s", last.status)
            log.warning("%s: %s; trying again in %.0f s", _shown(url), last, pause)
            self._sleep(pause)
        advice = f" in {attempt} tries; try again later" if last.again else ""
        raise Failure(f"{last}{advice}", last.status)

    def _tries(self, last: Failure) -> int:
        return self._limits.tries if last.reached else min(_UNREACHED_TRIES, self._limits.tries)

    def _attempt(self, url: str, accept: str, delay: float) -> Page:
        """Ask once, following redirects within the site."""
        for _ in range(5):
            page = self._ask_in_turn(url, accept, delay)
            if page.status not in _REDIRECTS:
                return page
            url = redirected(url, page.headers.get("Location", ""))
        raise Failure("redirects without end; check the address in the settings")

    def _ask_in_turn(self, url: str, accept: str, delay: float) -> Page:
        host = self._host(url)
        if host.ended is not None and (early := host.ended + delay - self._clock()) > 0:
            self._sleep(early)
        reached = True
        try:
            return self._ask(url, accept)
        except Failure as failure:
            reached = failure.reached
            raise
        finally:
            if reached:
                host.ended = self._clock()

    def _ask(self, url: str, accept: str) -> Page:
        known = self._remembered.get((url, accept))
        headers = {"Accept": accept, **(_validators(known) if known else {})}
        timeout = (self._limits.connect, self._limits.read)
        try:
            with self._session.get(
                url, headers=headers, stream=True, timeout=timeout, allow_redirects=False
            ) as response:
                if response.status_code == 304 and known:
                    return known
                _refuse(response, accept)
                page = Page(url, response.status_code, response.headers, self._body(response))
        except (requests.RequestException, urllib3.exceptions.HTTPError) as problem:
            # `from None`: the text of these errors holds the query.
            raise Failure(_why(problem), again=True, reached=_reached(problem)) from None
        self._remember(page, accept)
        return page

    def _body(self, response: requests.Response) -> bytes:
        """Read the body piece by piece: a slow drip or a flood ends early."""
        if response.status_code in _REDIRECTS:
            return b""
        deadline = self._clock() + self._limits.total
        body = bytearray()
        while piece := response.raw.read1(65536, decode_content=True):
            body += piece
            if len(body) > self._limits.body:
                why = f"is larger than {self._limits.body} bytes; not read further"
                raise Failure(why, response.status_code)
            if self._clock() > deadline:
                raise Failure(f"was not complete after {self._limits.total:.0f} s; try again later")
        return bytes(body)

    def _remember(self, page: Page, accept: str) -> None:
        if page.status != 200 or len(page.content) > _REMEMBERED_BYTES or not _validators(page):
            return
        with self._lock:
            self._remembered[page.url, accept] = page
            self._remembered.move_to_end((page.url, accept))
            if len(self._remembered) > _REMEMBERED_PAGES:
                self._remembered.popitem(last=False)


def _prepared(url: str, params: Mapping[str, str] | None) -> str:
    try:
        address = requests.Request("GET", url, params=params).prepare().url or ""
    except requests.RequestException:
        address = ""
    if not address.startswith(("http://", "https://")):
        raise Failure("is not an http(s) address; correct it in the settings")
    return address


def _refuse(response: requests.Response, accept: str) -> None:
    """Raise Failure unless the answer is a redirect, or a page of an accepted media type."""
    status = response.status_code
    if status in _COME_BACK:
        wait = retry_after(response.headers.get("Retry-After", ""), response.headers.get("Date"))
        raise Failure(f"answered HTTP {status}", status, again=True, wait=wait)
    if status != 200 and status not in _REDIRECTS:
        raise Failure(f"answered HTTP {status}; {_advice(status)}", status)
    media_type = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
    accepted = {part.split(";")[0].strip() for part in accept.lower().split(",")}
    if status == 200 and media_type and not accepted & {media_type, "*/*"}:
        raise Failure(f"answered {media_type[:60]!r} where {accept} was asked for", status)


def _advice(status: int) -> str:
    if status in (401, 403):
        return "it refuses us"
    return "try again later" if status >= 500 else "check the address in the settings"


def retry_after(value: str, date: str | None) -> float:
    """Return the seconds a Retry-After header asks for, given in seconds or as an HTTP date.

    A date is read against the answer's own Date, so a wrong clock does no harm; without
    one, against ours. What cannot be read asks for nothing (RFC 9110 section 10.2.3).
    """
    if re.fullmatch(r"[0-9]{1,9}", value.strip()):
        return float(value)
    try:
        until = email.utils.parsedate_to_datetime(value).timestamp()
        now = email.utils.parsedate_to_datetime(date).timestamp() if date else time.time()
    except (ValueError, OverflowError):
        return 0
    return max(0, until - now)


def redirected(url: str, location: str) -> str:
    """Return where a redirect leads; raise Failure if that is not the same site.

    Another host could be one inside the operator's network, so only a leading `www.` may
    come or go, and only http may become https.
    """
    try:
        target = urljoin(url, location)
        old, new = urlsplit(url), urlsplit(target)
    except ValueError as problem:
        raise Failure("redirects to nowhere; check the address in the settings") from problem
    upward = new.scheme in ("https", old.scheme)
    if not location or not upward or _site(old.netloc) != _site(new.netloc):
        raise Failure(f"redirects to {_shown(target)}; check the address in the settings")
    return _prepared(target, None)


def _site(netloc: str) -> str:
    return netloc.lower().removeprefix("www.")


def _validators(page: Page) -> dict[str, str]:
    pairs = (("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified"))
    found = ((ours, page.headers.get(theirs, "")) for ours, theirs in pairs)
    # A folded header would be refused when sent back.
    return {name: value for name, value in found if value and value.isprintable()}


def _shown(url: str) -> str:
    """Return scheme, host and path: what may stand in a log. Query and password may not."""
    text = re.sub(r"[^!-~]", "?", url.partition("#")[0].partition("?")[0])
    return re.sub(r"//[^/]*@", "//", text)[:200]


def _reached(problem: BaseException) -> bool:
    """Tell whether a connection was made before `problem` came up, to a proxy if there is one."""
    reason = getattr(problem.args[0] if problem.args else None, "reason", None)
    reason = getattr(reason, "original_error", reason)
    return not isinstance(reason, (NewConnectionError, ConnectTimeoutError))


def _why(problem: BaseException) -> str:
    """Return a short reason without the address, from the system's own words if there are any."""
    if isinstance(problem, (requests.ConnectTimeout, requests.ReadTimeout)):
        return "did not answer in time"
    if isinstance(problem, urllib3.exceptions.ReadTimeoutError):
        return "fell silent in the middle of the answer"
    if isinstance(problem, requests.exceptions.SSLError):
        return "has no valid certificate"
    cause: BaseException | None = problem
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return f"the connection failed ({cause.strerror})"
        cause = cause.__cause__ or cause.__context__
    return "the connection broke off or spoke no proper HTTP"
