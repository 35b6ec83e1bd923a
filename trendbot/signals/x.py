"""Posts on X that link to papers, with their reposts and likes, within a daily budget.

X charges for every post it returns, so it is asked as little as possible:

1. one broad search for liked posts with a link to arXiv, page by page, matched to the
   papers by the links X has expanded; no query per paper, no expansions
2. known posts of the leading papers that the search did not return are looked up by id

Before each request the posts it may return are booked in the day's budget, afterwards what
it did not return is given back. Up to half of the budget is kept from the search for the
known posts, if there are any.

API: https://docs.x.com/x-api/posts/search-recent-posts, .../get-posts-by-ids. In its
specification X calls tweets posts and retweets reposts, in its answers not yet everywhere;
both are understood.
"""

import io
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import requests
import tweepy
import urllib3
from pydantic import Field, SecretStr, field_validator

from trendbot.answers import count, table
from trendbot.context import Context
from trendbot.errors import SettingsError, SignalError, SignalStopped
from trendbot.model import Paper, Post
from trendbot.settings import Duration, HttpUrl, Section
from trendbot.signals.x_answers import (
    POST_ID,
    TOMORROW,
    Refused,
    explain,
    items_of,
    next_token,
    to_post,
)
from trendbot.text import clean, cut

TWEEPY_HOST = "https://api.twitter.com"  # hard-coded in tweepy.client
SMALLEST_PAGE, LARGEST_PAGE = 10, 100
# A search reaches back seven days, and its start must lie before its end, which is half a
# minute ago; the margins are for clocks that differ.
REACH = timedelta(days=7) - timedelta(minutes=10)
LATEST_START = timedelta(minutes=1)
MAX_BODY = 8 * 1024 * 1024
# note_tweet: the whole of a long post; `entities` alone knows only its first 280 signs.
FIELDS = "created_at,public_metrics,entities,referenced_tweets,author_id,note_tweet"
RENAMED_FIELDS = "created_at,public_metrics,entities,referenced_posts,author_id"


class XSettings(Section):
    """How X is asked; a post read cost $0.005 in August 2026.

    `daily_post_budget` posts are read per UTC day at most; the search is for `query` with
    at least `min_likes` likes in the last `window`; at most `refresh` known posts are
    looked up again. `timeout` seconds bound the connection, each silence and each body.
    """

    enabled: bool = False
    base_url: HttpUrl = "https://api.x.com"
    bearer_token: SecretStr = SecretStr("")
    daily_post_budget: int = Field(200, ge=0, le=3_000_000)
    query: str = Field("url:arxiv.org", min_length=1, max_length=480)
    min_likes: int = Field(20, ge=0, le=1_000_000)
    window: Duration = timedelta(hours=48)
    refresh: int = Field(100, ge=0, le=1000)
    timeout: float = Field(30, gt=0, le=600)

    @field_validator("bearer_token")
    @classmethod
    def _fits_a_header(cls, token: SecretStr) -> SecretStr:
        stripped = token.get_secret_value().strip()
        if not re.fullmatch(r"[!-~]*", stripped):
            raise ValueError("must be one word of ASCII signs")
        return SecretStr(stripped)


class X:
    """X as a signal, asked through tweepy."""

    Settings = XSettings

    def __init__(self, settings: XSettings, context: Context) -> None:
        token = settings.bearer_token.get_secret_value()
        if not token:
            raise SettingsError(
                "signals.x.bearer_token or bearer_token_file must be set where signals.x is "
                "enabled; get a token at https://console.x.com"
            )
        self._settings = settings
        self._context = context
        # Not wait_on_rate_limit: it sleeps, or asks without end if X does not say how long.
        self._client = tweepy.Client(token, return_type=dict, wait_on_rate_limit=False)
        self._client.session = Session(settings.base_url, settings.timeout)
        logging.getLogger("tweepy").setLevel(logging.INFO)  # its DEBUG lines show the token

    def measure(self, papers: Sequence[Paper], since: datetime) -> Iterator[Post]:
        """Yield each post that links to any of `papers` once, with its counts of now.

        Raises SignalError, and SignalStopped where X must not be asked again today, also
        when today's budget was spent before a single request.
        """
        wanted = {paper.key for paper in papers}
        if not wanted:
            return
        asked = False
        seen: set[str] = set()
        for items in self._pages(since):
            asked = True
            for item in items:
                post = to_post(item, wanted, self._context.now())
                if post is not None and post.id not in seen:
                    seen.add(post.id)
                    yield post
        if not asked:
            raise SignalStopped(
                f"X: today's daily_post_budget of {self._settings.daily_post_budget} posts is "
                f"spent (a search needs {SMALLEST_PAGE}), or X has stopped the day; {TOMORROW}"
            )

    def check(self) -> str:
        """Count the posts the search is for, for the price of one; return a line on them."""
        reply = self._ask(
            0, self._client.get_recent_tweets_count, query=self._query(), granularity="day"
        )
        meta = table(reply.get("meta"), "X", "meta")
        total = count(meta, "X", "total_tweet_count", "total_post_count")
        return (
            f"{total} posts of the last 7 days match {self._query()!r}; "
            f"budget {self._settings.daily_post_budget} posts a day"
        )

    def _pages(self, since: datetime) -> Iterator[list[Mapping[str, Any]]]:
        """Yield what X returns, one list per request made."""
        # Posts from archives have ids of their own making, which X would refuse.
        known = self._context.worth_a_look(self._settings.refresh)
        known = [post_id for post_id in known if POST_ID.fullmatch(post_id)]
        found: set[str] = set()
        for items in self._search(since, len(known)):
            found.update(item["id"] for item in items)
            yield items
        yield from self._look_up([post_id for post_id in known if post_id not in found])

    def _search(self, since: datetime, known: int) -> Iterator[list[Mapping[str, Any]]]:
        budget = self._settings.daily_post_budget
        kept = max(0, min(known, budget // 2, budget - SMALLEST_PAGE))
        start = starts(self._context.now(), since, self._settings.window)
        token: str | None = None
        while booked := self._book(LARGEST_PAGE, budget - kept, SMALLEST_PAGE):
            reply = self._ask(
                booked,
                self._client.search_recent_tweets,
                query=self._query(),
                start_time=start,
                max_results=booked,
                next_token=token,
                tweet_fields=FIELDS,
            )
            yield (items := self._settle(booked, reply))
            token = next_token(reply)
            if not items or token is None:
                return

    def _look_up(self, ids: list[str]) -> Iterator[list[Mapping[str, Any]]]:
        """Look posts up by id; deleted ones are missing from what X returns."""
        while ids and (booked := self._book(len(ids[:LARGEST_PAGE]))):
            asked, ids = ids[:booked], ids[booked:]
            reply = self._ask(booked, self._client.get_tweets, ids=asked, tweet_fields=FIELDS)
            yield self._settle(booked, reply)

    def _query(self) -> str:
        floor = f" min_likes:{self._settings.min_likes}" if self._settings.min_likes else ""
        return self._settings.query + floor

    def _book(self, wanted: int, limit: int | None = None, least: int = 1) -> int:
        """Book up to `wanted` posts; 0 where fewer than `least` are left."""
        limit = self._settings.daily_post_budget if limit is None else limit
        booked = self._context.budget.reserve(wanted, limit)
        if booked >= least:
            return booked
        self._release(booked)
        return 0

    def _release(self, unused: int) -> None:
        if unused:
            self._context.budget.release(unused)

    def _settle(self, booked: int, reply: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Return the posts of a reply, giving back what it did not use of the budget."""
        items = items_of(reply)
        if len(items) > booked:
            raise SignalError(f"X returned {len(items)} posts where {booked} were asked for")
        self._release(booked - len(items))
        return items

    def _ask(
        self, booked: int, method: Callable[..., object], **params: object
    ) -> Mapping[str, Any]:
        """Call `method` of the client; return X's answer or raise SignalError.

        A request that X refused or that never reached it is free. Without an answer, or
        with one we cannot read, X may have charged for it: what was booked stays booked.
        """
        try:
            reply = method(**params)
        except Refused as refused:
            self._release(booked)
            error = explain(refused)
            if isinstance(error, SignalStopped):
                self._context.budget.stop(str(error))
            raise error from refused
        except requests.ConnectionError as error:
            self._release(booked)
            kind = type(error).__name__
            raise SignalError(f"X: no connection to {self._settings.base_url}: {kind}") from error
        except requests.Timeout as error:
            seconds = f"{self._settings.timeout:g} seconds"
            raise SignalError(f"X: no answer within {seconds}; try again later") from error
        except (requests.RequestException, ValueError, RecursionError) as error:
            raise SignalError("X answered something that is not JSON; try again later") from error
        if not isinstance(reply, dict):
            raise SignalError("X answered JSON that is no object; check signals.x.base_url")
        return reply


class Session(requests.Session):
    """The session tweepy sends with, adding what tweepy lacks.

    Every request goes to `base_url`, has a timeout, follows no redirect and reads a bounded
    body. The address is changed here and not in an HTTPAdapter, so that proxies are chosen
    for the host that is asked. tweepy gets to see JSON with 2xx alone: it makes its
    exceptions with code that hostile bodies and headers break, so all else is raised here.
    """

    def __init__(self, base_url: str, timeout: float) -> None:
        super().__init__()
        self._base_url = base_url
        self._timeout = timeout
        self._renamed = False

    def request(  # type: ignore[override]  # tweepy names what it passes
        self, method: str, url: str, **kwargs: Any
    ) -> requests.Response:
        """Send one request; where X refuses `tweet.fields` by name, once more as `post.fields`."""
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
        address = self._base_url + url.removeprefix(TWEEPY_HOST)
        limits: Any = {"timeout": self._timeout, "allow_redirects": False, "stream": True}
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
        deadline = time.monotonic() + self._timeout
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


def starts(now: datetime, since: datetime, window: timedelta) -> datetime:
    """Where a search begins: at `since`, but within the window and within X's reach."""
    return min(max(since, now - window, now - REACH), now - LATEST_START)


def _problem(response: requests.Response) -> Mapping[str, Any]:
    try:
        problem = response.json()
    except (ValueError, RecursionError):
        problem = None
    return problem if isinstance(problem, dict) else {"title": response.reason}
