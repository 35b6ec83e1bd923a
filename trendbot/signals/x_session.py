"""The session tweepy sends with: bounded, patient for a while only, and at any address."""

import io
import time
from collections.abc import Mapping
from typing import Any

import requests
import urllib3

from trendbot.errors import SignalError
from trendbot.fetch import Breaker
from trendbot.fetch_rules import host_of, reached, why
from trendbot.signals.x_answers import Refused
from trendbot.text import clean, cut

TWEEPY_HOST = "https://api.twitter.com"  # hard-coded in tweepy.client
MAX_BODY = 8 * 1024 * 1024
RENAMED_FIELDS = "created_at,public_metrics,entities,referenced_posts,author_id"


class NotAsked(SignalError):
    """X was not asked, as it failed too often lately; so it costs nothing."""


class Session(requests.Session):
    """The session tweepy sends with, adding what tweepy lacks.

    Every request goes to `base_url` if `breaker` lets it, has a timeout, follows no redirect
    and reads a bounded body. The address is changed here and not in an HTTPAdapter, so that
    proxies are chosen for the host that is asked. tweepy gets to see JSON with 2xx alone: it
    makes its exceptions with code that hostile bodies and headers break, so all else is
    raised here.
    """

    def __init__(self, base_url: str, timeout: float, breaker: Breaker) -> None:
        super().__init__()
        self.base_url = base_url
        self.timeout = timeout
        self._breaker = breaker
        self._renamed = False

    def request(  # type: ignore[override]  # tweepy names what it passes
        self, method: str, url: str, **kwargs: Any
    ) -> requests.Response:
        """Send one request, and tell the breaker how it ended."""
        host = host_of(self.base_url)
        if refusal := self._breaker.refusal(host):
            raise NotAsked(f"X: {refusal}")
        try:
            response = self._named(method, url, **kwargs)
        except Refused as refused:
            if refused.status >= 500 or refused.status in (406, 429):
                self._breaker.failed(host, f"HTTP {refused.status}", True)
            else:
                self._breaker.worked(host)
            raise
        except (SignalError, requests.RequestException) as error:
            reason = str(error) if isinstance(error, SignalError) else why(error)
            self._breaker.failed(host, reason.partition("; ")[0], reached(error))
            raise
        self._breaker.worked(host)
        return response

    def _named(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        """Send it; where X refuses `tweet.fields` by name, once more as `post.fields`."""
        try:
            return self._send(method, url, renamed=self._renamed, **kwargs)
        except Refused as refused:
            if self._renamed or refused.status != 400 or "tweet.fields" not in str(refused.problem):
                raise
        response = self._send(method, url, renamed=True, **kwargs)
        self._renamed = True
        return response

    def _send(
        self, method: str, url: str, *, params: Mapping[str, Any], renamed: bool, **kwargs: Any
    ) -> requests.Response:
        if renamed and "tweet.fields" in params:
            params = {name: value for name, value in params.items() if name != "tweet.fields"}
            params["post.fields"] = RENAMED_FIELDS
        address = self.base_url + url.removeprefix(TWEEPY_HOST)
        limits: Any = {"timeout": self.timeout, "allow_redirects": False, "stream": True}
        with super().request(method, address, params=params, **kwargs, **limits) as response:
            body = self._body(response)
        response.raw = io.BytesIO(body)  # which is what .content and .json() read from now on
        if not 200 <= response.status_code < 300:
            reset = response.headers.get("x-rate-limit-reset", "")
            raise Refused(response.status_code, _problem(response), reset)
        if "json" not in (kind := response.headers.get("Content-Type", "")):
            raise SignalError(
                f"X answered {cut(clean(kind), 80)!r}, not JSON; check signals.x.base_url"
            )
        return response

    def _body(self, response: requests.Response) -> bytes:
        deadline = time.monotonic() + self.timeout
        body = bytearray()
        try:
            while piece := response.raw.read1(65536, decode_content=True):
                body += piece
                if len(body) > MAX_BODY:
                    raise SignalError(f"X: the answer is larger than {MAX_BODY} bytes; not read on")
                if time.monotonic() > deadline:
                    raise requests.ReadTimeout
        except urllib3.exceptions.HTTPError as error:
            raise SignalError("X: the answer broke off; try again later") from error
        return bytes(body)


def _problem(response: requests.Response) -> Mapping[str, Any]:
    try:
        problem = response.json()
    except (ValueError, RecursionError):
        problem = None
    return problem if isinstance(problem, dict) else {"title": response.reason}
