"""Posts on Bluesky that link to papers, with their reposts and likes.

1. Known posts worth another look are looked up, 25 to a request. Bluesky leaves out those
   that are deleted.
2. Without a login: Constellation, an index of who links to what, names the posts that link
   to a paper's page, and Bluesky tells what they say. It takes two requests a paper and knows
   addresses only as they were written, so the most promising papers are asked for, each
   once a day before any is asked for again.
   With a login: Bluesky's own search for links to arXiv, page by page, which tells all at once.

Both are run by few people for everybody's use: a day has so many requests and no more, and
each look may have its part of them.

See bluesky_hosts for what is asked of whom.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Self

from trendbot.context import Budget, Context
from trendbot.errors import SignalError, SignalStopped
from trendbot.model import Gone, Paper, Post
from trendbot.signals.bluesky_answers import NAME, View, Views, is_uri, to_post
from trendbot.signals.bluesky_hosts import BATCH, PLACES, BlueskySettings, Hosts, LoginOver

BACKLINK_PAGES = 3  # of one address and place: the newest 300 posts
# A paper in so many posts is asked for once more by the address of its PDF. Of others, that
# and the addresses with a version bring nearly nothing for the same two requests.
TALKED_ABOUT = 5
SURELY_THERE = 10  # so many posts are not all deleted between two looks
WELL_KNOWN = "https://arxiv.org/abs/1706.03762"
DAY = timedelta(days=1)


class Bluesky:
    """Bluesky as a signal."""

    Settings = BlueskySettings

    def __init__(self, settings: BlueskySettings, context: Context) -> None:
        self.every = settings.every
        self._settings = settings
        self._context = context
        self._hosts = Hosts(settings, context.fetcher)

    def measure(self, papers: Sequence[Paper], since: datetime) -> Iterator[Post | Gone]:
        """Yield each post that links to any of `papers` once, and what became of known ones.

        Raises SignalError, and SignalStopped when today's requests were spent before one was
        made.
        """
        papers = [paper for paper in papers if paper.source == "arxiv"]
        with Share(self._context.budget, self._settings) as share:
            yield from self._looked_at(papers, since, share)
            if papers and not share.made:
                raise SignalStopped(
                    f"Bluesky: today's daily_requests of {self._settings.daily_requests} are "
                    "spent, or too few for a look; trendbot asks again tomorrow (UTC)"
                )

    def _looked_at(
        self, papers: Sequence[Paper], since: datetime, share: "Share"
    ) -> Iterator[Post | Gone]:
        seen: set[str] = set()
        for item in self._look_again(share):
            seen.add(item.id)
            yield item
        wanted = {paper.key for paper in papers}
        login = bool(self._settings.handle)
        found = self._search(since, share) if login else self._linking(papers, share, seen)
        for view in found:
            post = to_post(view, self._context.now())
            if post and post.id not in seen and post.posted_at >= since:
                seen.add(post.id)
                if not wanted.isdisjoint(post.papers):
                    yield post

    def check(self) -> str:
        """Log in, or ask Constellation once; return one line on it or raise SignalError."""
        if self._settings.handle:
            self._hosts.log_in()
            return f"logged in as {self._settings.handle}"
        known = self._hosts.backlinks(WELL_KNOWN, PLACES[0])
        return f"Constellation knows {known.total} posts with a card of {WELL_KNOWN}"

    def _look_again(self, share: "Share") -> Iterator[Post | Gone]:
        """Yield the known posts that are worth a look, as they are now or as gone."""
        limit = min(self._settings.refresh, share.left // 2 * BATCH)
        known = [uri for uri in self._context.worth_a_look(limit) if is_uri(uri)]
        for batch in batches(known):
            if not share.take():
                return  # nobody asked, so nobody said that they are gone
            views = {view["uri"]: view for view in self._hosts.posts(batch)}
            if not views and len(batch) >= SURELY_THERE:
                raise SignalError(f"Bluesky: none of {len(batch)} known posts is there; unlikely")
            for uri in batch:
                if uri not in views:
                    yield Gone(NAME, uri)
                elif post := to_post(views[uri], self._context.now()):
                    yield post

    def _linking(
        self, papers: Sequence[Paper], share: "Share", seen: Collection[str]
    ) -> Iterator[View]:
        """Yield the posts that Constellation knows to link to `papers`, as far as the share goes.

        What it named before it failed is looked up all the same.
        """
        for batch in batches(self._named(papers, share, set(seen))):
            if share.take():
                yield from self._hosts.posts(batch)

    def _named(self, papers: Sequence[Paper], share: "Share", seen: set[str]) -> Iterator[str]:
        """Yield ids that Constellation names; which papers it was asked for outlives a restart."""
        budget = self._context.budget
        asked = asked_in(budget.today().plan)
        try:
            for paper in in_turn(papers, asked):
                # A request for each place, and one to look up what they bring.
                if share.left <= len(PLACES):
                    return
                asked = [*(one for one in asked if one != paper.id), paper.id]
                yield from self._linking_to(paper.id, share, seen)
        finally:  # also what failed: it must not hold up the others
            budget.remember({"asked": asked})

    def _linking_to(self, paper_id: str, share: "Share", seen: set[str]) -> Iterator[str]:
        """Yield the ids of posts that link to one paper, but for those `seen`, adding them."""
        before = len(seen)
        for form in ("abs", "pdf"):
            if form == "pdf" and len(seen) - before < TALKED_ABOUT:
                return
            for uri in self._backlinks(f"https://arxiv.org/{form}/{paper_id}", share):
                if uri not in seen:
                    seen.add(uri)
                    yield uri

    def _backlinks(self, address: str, share: "Share") -> Iterator[str]:
        for place in PLACES:
            cursor = ""
            for _ in range(BACKLINK_PAGES):
                if share.left < 2 or not share.take():
                    return  # the last request is for looking up what was found
                _, uris, cursor = self._hosts.backlinks(address, place, cursor)
                yield from uris
                if not cursor:
                    break

    def _search(self, since: datetime, share: "Share") -> Iterator[View]:
        """Yield the posts with a link to arXiv, the newest first."""
        cursor = ""
        for _ in range(self._settings.search_pages):
            if not share.take():
                return
            views, cursor = self._search_page(since, cursor, share)
            yield from views
            if not views or not cursor:
                return

    def _search_page(self, since: datetime, cursor: str, share: "Share") -> Views:
        """Ask with the session there is, and once more with a new one if it is over."""
        if self._hosts.logged_in:
            try:
                return self._hosts.search(since, cursor)
            except LoginOver:
                if not share.take():
                    raise
        share.take()  # for the login
        self._hosts.log_in()
        return self._hosts.search(since, cursor)


class Share:
    """One look's part of the day's requests; what was not `made` of it is given back.

    All of it is booked in the database beforehand, so that `left` is what there is, also
    after a restart. Tries that the fetcher repeats are not booked again.
    """

    def __init__(self, budget: Budget, settings: BlueskySettings) -> None:
        part = math.ceil(settings.daily_requests * min(settings.every / DAY, 1))
        self.left = budget.reserve(part, settings.daily_requests)
        self.made = 0
        self._budget = budget

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        if self.left:
            self._budget.release(self.left)

    def take(self) -> bool:
        """Take one request; False if there is none left."""
        if not self.left:
            return False
        self.left -= 1
        self.made += 1
        return True


def asked_in(plan: Mapping[str, Any]) -> list[str]:
    """The ids of papers that were asked for today (UTC), the longest ago first."""
    asked = plan.get("asked")
    return [str(one) for one in asked] if isinstance(asked, list) else []


def in_turn(papers: Iterable[Paper], asked: Sequence[str]) -> list[Paper]:
    """Those not asked for today, the most promising first; then those asked the longest ago."""
    turn = {paper_id: place for place, paper_id in enumerate(asked)}
    return sorted(papers, key=lambda paper: turn.get(paper.id, -1))


def batches(uris: Iterable[str]) -> Iterator[list[str]]:
    """Cut `uris` into lists of at most 25; what came before an error is handed on before it."""
    batch: list[str] = []
    try:
        for uri in uris:
            batch.append(uri)
            if len(batch) == BATCH:
                yield batch
                batch = []
    except SignalError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch
