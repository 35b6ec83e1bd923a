"""Posts on Mastodon that link to papers, with their boosts and favourites.

Mastodon is many servers, and each knows what its people follow. A few of them are asked:

1. what links trend there; the statuses about those that are papers
2. the statuses with one of `tags`, back to the beginning
3. with a token, what their search finds for arxiv.org
4. statuses known from earlier looks that live there, by id

A status has one uri wherever it is seen, which is the post's id. Its own server knows all
its boosts, others only those that reached them: where both tell, its own is believed. One
server that fails does not silence the others.

API: https://docs.joinmastodon.org/methods/trends/, .../timelines/, .../search/, .../statuses/.
300 requests in five minutes are allowed.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Annotated, Any, Self
from urllib.parse import quote, urlsplit

from pydantic import Field, StringConstraints, model_validator

from trendbot.context import Context
from trendbot.errors import SignalError
from trendbot.fetch import Failure, Page
from trendbot.links import papers_in
from trendbot.model import Gone, Paper, Post
from trendbot.settings import Duration, HttpUrl, Secrets, Section
from trendbot.signals.mastodon_answers import (
    NAME,
    Status,
    addresses_of,
    at_home,
    document,
    is_own,
    posted_at,
    server_of,
    statuses_of,
    to_post,
)
from trendbot.text import clean

LINKS_PER_PAGE, MAX_LINK_PAGES = 20, 5
STATUSES_PER_PAGE, MAX_STATUS_PAGES = 40, 20
MAX_LOOKS = 300
LOOKS_AT_ONCE = 20
NO_TOKEN = "-"  # noqa: S105  # stands in a list of tokens where there is none

Tag = Annotated[str, StringConstraints(pattern=r"^\w{1,100}$")]

log = logging.getLogger(__name__)


class MastodonSettings(Section):
    """Which servers are asked, at most once in `every`, `delay` seconds between requests.

    `tokens` are for the `instances` in their order, "-" where one has none; a server with
    a token is searched, too.
    """

    enabled: bool = True
    instances: tuple[HttpUrl, ...] = Field(("https://mastodon.social",), max_length=20)
    tokens: Secrets = ()
    tags: tuple[Tag, ...] = Field(("arxiv",), max_length=10)
    every: Duration = timedelta(hours=6)
    delay: float = Field(1, ge=0, le=60)

    @model_validator(mode="after")
    def _tokens_fit(self) -> Self:
        if len(self.tokens) > len(self.instances):
            raise ValueError("tokens: there are more than instances")
        if len(set(self.instances)) < len(self.instances):
            raise ValueError("instances: one is named twice")
        return self


class Mastodon:
    """Some of Mastodon's servers as a signal."""

    Settings = MastodonSettings

    def __init__(self, settings: MastodonSettings, context: Context) -> None:
        self.every = settings.every
        self._settings = settings
        self._context = context

    def measure(self, papers: Sequence[Paper], since: datetime) -> Iterator[Post | Gone]:
        """Yield each status since `since` about any of `papers` once, and known ones anew.

        A known status that its own server has no more, or that names no paper any more, is
        gone. Raises SignalError naming the servers that failed, after all that others told.
        """
        wanted = {paper.key for paper in papers}
        if not wanted:
            return
        look = Look(wanted, since, self._context)
        failed = self._each(look.ask)
        yield from look.found()
        if failed:
            raise SignalError(
                f"Mastodon: {len(failed)} of {len(self._settings.instances)} servers failed: "
                + "; ".join(failed)
            )

    def check(self) -> str:
        """Ask each server who it is; return one line on them or raise SignalError."""
        lines: list[str] = []
        if failed := self._each(lambda server: lines.append(" ".join(server.who()))):
            raise SignalError("Mastodon: " + "; ".join(failed))
        return ", ".join(lines) or "no server is asked: signals.mastodon.instances is empty"

    def _each(self, ask: "Callable[[Server], None]") -> list[str]:
        """Do this with each server; return why it could not be done with some."""
        failed = []
        for base, token in zip_longest(self._settings.instances, self._settings.tokens):
            secret = token.get_secret_value() if token else NO_TOKEN
            try:
                ask(Server(base, secret, self._settings, self._context))
            except SignalError as error:
                failed.append(str(error))
        return failed


class Look:
    """What one look at the servers brings together."""

    def __init__(self, wanted: set[str], since: datetime, context: Context) -> None:
        self._wanted = wanted
        self._since = since
        self._now = context.now
        self._due = context.worth_a_look(MAX_LOOKS)
        self._posts: dict[str, Post] = {}
        self._surely: set[str] = set()  # uris whose own server has told
        self._gone: set[str] = set()

    def found(self) -> Iterator[Post | Gone]:
        """Yield all that was found, each once."""
        yield from (post for post in self._posts.values() if post.id not in self._gone)
        yield from (Gone(NAME, uri) for uri in self._due if uri in self._gone)

    def ask(self, server: "Server") -> None:
        """Ask one server for everything. Raises SignalError; what it told before is kept."""
        domain, _ = server.who()
        for status in server.statuses(self._wanted, self._since):
            post = to_post(status, domain, self._now())
            if post and post.posted_at >= self._since and not self._wanted.isdisjoint(post.papers):
                self._keep(post, is_own(status))
        ids = self._due_at({domain, server.host})
        for id, found in server.looked_up(list(ids)):
            post = to_post(found, domain, self._now()) if found else None
            if not post:
                self._gone.add(ids[id])
            elif post.id == ids[id]:
                self._keep(post, own=True)

    def _due_at(self, hosts: set[str]) -> dict[str, str]:
        """The uris of due statuses that live there and were not seen there yet, by their id."""
        homes = {uri: at_home(uri) for uri in self._due if uri not in self._surely}
        return {home[1]: uri for uri, home in homes.items() if home and home[0] in hosts}

    def _keep(self, post: Post, own: bool) -> None:
        if own or post.id not in self._posts:
            self._posts[post.id] = post
        if own:
            self._surely.add(post.id)


class Server:
    """One server of Mastodon, asked within its limits."""

    def __init__(
        self, base_url: str, token: str, settings: MastodonSettings, context: Context
    ) -> None:
        self.host = urlsplit(base_url).netloc.rpartition("@")[2].lower()
        self._base_url = base_url
        self._headers = {"Authorization": f"Bearer {token}"} if token != NO_TOKEN else None
        self._settings = settings
        self._context = context
        self._rest_until = ""

    def who(self) -> tuple[str, str]:
        """Its domain and version."""
        return server_of(self._ask("/api/v2/instance"), self.host)

    def statuses(self, wanted: set[str], since: datetime) -> Iterator[Status]:
        """Yield what may be about papers since then, some of it several times."""
        for url in self._trending(wanted):
            yield from self._back_to(since, "/api/v1/timelines/link", url=url)
        for tag in self._settings.tags:
            yield from self._back_to(since, f"/api/v1/timelines/tag/{quote(tag)}")
        if self._headers:
            yield from self._back_to(since, "/api/v2/search", q="arxiv.org", type="statuses")

    def looked_up(self, ids: Sequence[str]) -> Iterator[tuple[str, Status | None]]:
        """Yield each of the statuses with its id, or None where it says that it has none.

        Older servers know no look-up of several, and one that leaves some out does not say
        why: these are asked for one by one.
        """
        for start in range(0, len(ids), LOOKS_AT_ONCE):
            batch = ids[start : start + LOOKS_AT_ONCE]
            answer = self._ask("/api/v1/statuses", **{"id[]": batch}) or []
            there = {status["id"]: status for status in statuses_of(answer, self.host)}
            for id in batch:
                yield id, there.get(id) or self._one(id)

    def _one(self, id: str) -> Status | None:
        answer = self._ask(f"/api/v1/statuses/{id}")
        return None if answer is None else statuses_of([answer], self.host)[0]

    def _trending(self, wanted: set[str]) -> Iterator[str]:
        """Yield the addresses of wanted papers among the links that trend."""
        for page in range(MAX_LINK_PAGES):
            offset = {"offset": str(page * LINKS_PER_PAGE)} if page else {}
            answer = self._ask("/api/v1/trends/links", limit=str(LINKS_PER_PAGE), **offset)
            urls = addresses_of([] if answer is None else answer, self.host)
            yield from (url for url in urls if papers_in(url) in wanted)
            if len(urls) < LINKS_PER_PAGE:
                return

    def _back_to(self, since: datetime, path: str, **params: str) -> Iterator[Status]:
        """Yield statuses page by page, from the newest back to `since`; 404 is none of them."""
        older: dict[str, str] = {}
        for _ in range(MAX_STATUS_PAGES):
            answer = self._ask(path, **params, limit=str(STATUSES_PER_PAGE), **older)
            page = [] if answer is None else statuses_of(answer, self.host)
            yield from page
            # A page may be short and not the last: servers leave out what is blocked.
            if not page or posted_at(page[-1], self.host) < since:
                return
            older = {"max_id": page[-1]["id"]}
        log.warning(
            "%s: %s: not read back further than %d pages", self.host, path, MAX_STATUS_PAGES
        )

    def _ask(self, path: str, **params: str | Sequence[str]) -> Any:
        """Return what it answers, or None if it says that there is no such thing."""
        if self._rest_until:
            raise SignalError(f"{self.host} allows no more requests until {self._rest_until}")
        try:
            page = self._context.fetcher.get(
                f"{self._base_url}{path}",
                params=params,
                accept="application/json",
                delay=self._settings.delay,
                error=SignalError,
                headers=self._headers,
            )
        except SignalError as error:
            status = error.__cause__.status if isinstance(error.__cause__, Failure) else 0
            if status in (404, 410):
                return None
            if status in (401, 403):
                raise SignalError(f"{error}; check its token in signals.mastodon.tokens") from error
            raise
        self._heed(page)
        try:
            return document(page.text, self.host)
        except SignalError:
            self._context.fetcher.forget(page)
            raise

    def _heed(self, page: Page) -> None:
        """Ask no more where an answer says that it was the last for now."""
        if page.headers.get("X-RateLimit-Remaining", "") == "0":
            self._rest_until = clean(page.headers.get("X-RateLimit-Reset", ""))[:40] or "later"
