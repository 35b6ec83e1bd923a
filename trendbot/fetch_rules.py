"""What the fetcher decides without asking anybody: addresses, redirects, refusals, reasons."""

import email.utils
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

# arXiv's edge answers 406 and 429 when it means 503: come back later. All are waited out alike.
_COME_BACK = frozenset({406, 429, 502, 503, 504})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
# Some of Python's other codecs make surrogates, or much of little.
_CHARSETS = frozenset({"utf-8", "us-ascii", "iso-8859-1", "windows-1252"})


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
    """Why a request brought no page: the `__cause__` of every error a Fetcher raises.

    `status` is the HTTP status, 0 where no complete answer came. `again` tells whether
    another try can help, `wait` how many seconds the server asked for, `reached` whether
    there was a connection at all, `is_sick` whether the host is in trouble rather than the
    request wrong.
    """

    def __init__(
        self,
        why: str,
        status: int = 0,
        *,
        again: bool = False,
        wait: float = 0,
        reached: bool = True,
        is_sick: bool = False,
    ) -> None:
        super().__init__(why)
        self.status = status
        self.again = again
        self.wait = wait
        self.reached = reached
        self.is_sick = is_sick or again or status >= 500

    def saying(self, more: str) -> "Failure":
        """The same with `more` behind its text."""
        return Failure(
            f"{self}{more}",
            self.status,
            again=self.again,
            wait=self.wait,
            reached=self.reached,
            is_sick=self.is_sick,
        )


def prepared(
    url: str,
    params: Mapping[str, str | Sequence[str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> str:
    """Return the address with its query; raise Failure if it, or a header, cannot be sent."""
    try:
        address = requests.Request("GET", url, params=params).prepare().url or ""
    except requests.RequestException:
        address = ""
    if not address.startswith(("http://", "https://")):
        raise Failure("is not an http(s) address; correct it in the settings")
    for name, value in (headers or {}).items():
        if not re.fullmatch(r"[!-~]([ -~]*[!-~])?", value):  # RFC 9110 section 5.5
            raise Failure(f"the header {name} must be of ASCII signs; correct it in the settings")
    return address


def refuse(response: requests.Response, accept: str) -> None:
    """Raise Failure unless the answer is a redirect, or a page of an accepted media type."""
    status = response.status_code
    if status in _COME_BACK:
        wait = retry_after(response.headers.get("Retry-After", ""), response.headers.get("Date"))
        raise Failure(f"answered HTTP {status}", status, again=True, wait=wait)
    if status != 200 and status not in REDIRECTS:
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
        raise Failure(f"redirects to {shown(target)}; check the address in the settings")
    return prepared(target)


def host_of(url: str) -> str:
    """Return a host's name, with its port if the address has one, the same however it is written.

    At most 255 characters, as DNS has it (RFC 1035 section 2.3.4), but for the port.
    """
    return _site(urlsplit(url).netloc.rpartition("@")[2])[:255]


def _site(netloc: str) -> str:
    return netloc.lower().removeprefix("www.")


def validators(page: Page) -> dict[str, str]:
    """Return the headers that ask for `page` only if it changed since."""
    pairs = (("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified"))
    found = ((ours, page.headers.get(theirs, "")) for ours, theirs in pairs)
    # A folded header would be refused when sent back.
    return {name: value for name, value in found if value and value.isprintable()}


def shown(url: str) -> str:
    """Return scheme, host and path: what may stand in a log. Query and password may not."""
    text = re.sub(r"[^!-~]", "?", url.partition("#")[0].partition("?")[0])
    return re.sub(r"//[^/]*@", "//", text)[:200]


def reached(problem: BaseException) -> bool:
    """Tell whether a connection was made before `problem` came up, to a proxy if there is one."""
    reason = getattr(problem.args[0] if problem.args else None, "reason", None)
    reason = getattr(reason, "original_error", reason)
    return not isinstance(reason, (NewConnectionError, ConnectTimeoutError))


def why(problem: BaseException) -> str:
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
