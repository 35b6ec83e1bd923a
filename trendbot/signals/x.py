"""Posts on X that link to papers, with their reposts and likes, within a daily budget.

X charges for every post it returns, so it is asked as little as possible:

1. one broad search for liked posts with a link to arXiv, page by page, matched to the
   papers by the links X has expanded; no query per paper, no expansions. It slides over
   the last two days, so that posts that rise late are found; how many likes a post needs
   is what the budget allows (see `thrift`)
2. a closer look, down to fewer likes, at the papers that are near the cut of the digest
3. known posts that can still matter and that the search did not return are looked up by id
4. which of all known posts are deleted is asked at once (see `x_compliance`)

What was read is not read again on the same UTC day, for which X charges once.

API: https://docs.x.com/x-api/posts/search-recent-posts, .../get-posts-by-ids,
.../get-count-of-recent-posts. In its specification X calls tweets posts and retweets
reposts, in its answers not yet everywhere; both are understood.
"""

import re
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import Field, SecretStr, field_validator

from trendbot.context import Context, Known, Spent
from trendbot.errors import SettingsError, SignalError, SignalStopped
from trendbot.model import Gone, Paper, Post, Reading, There
from trendbot.settings import Duration, HttpUrl, Section
from trendbot.signals import thrift
from trendbot.signals.thrift import DOLLARS, SMALLEST_PAGE, Plan
from trendbot.signals.x_answers import (
    NAME,
    POST_ID,
    TOMORROW,
    gone_of,
    next_token,
    posted_at,
    to_post,
)
from trendbot.signals.x_compliance import STORAGE, Compliance
from trendbot.signals.x_paid import LARGEST_PAGE, Items, Paid
from trendbot.signals.x_session import Session

# A search reaches back seven days, and its start must lie before its end, which is half a
# minute ago; the margins are for clocks that differ.
REACH = timedelta(days=7) - timedelta(minutes=10)
LATEST_START = timedelta(minutes=1)


class XSettings(Section):
    """How X is asked; a post read cost $0.005 in August 2026, and so did counting posts.

    `daily_post_budget` posts are read per UTC day at most, counting included. The search
    is for `query` in the last `window`, with at least `min_likes` likes and more where
    the budget does not reach; at most `refresh` known posts are looked up again. `timeout`
    seconds bound the connection, each silence and each body. X is asked not more often than
    `every`. At `storage_url` it keeps the files of its compliance jobs; whether one is done is
    asked every `delay` seconds.
    """

    enabled: bool = False
    base_url: HttpUrl = "https://api.x.com"
    storage_url: HttpUrl = STORAGE
    bearer_token: SecretStr = SecretStr("")
    every: Duration = timedelta(days=1)
    daily_post_budget: int = Field(200, ge=0, le=3_000_000)
    query: str = Field("url:arxiv.org", min_length=1, max_length=480)
    min_likes: int = Field(1, ge=0, le=1_000_000)
    window: Duration = timedelta(hours=48)
    refresh: int = Field(100, ge=0, le=1000)
    timeout: float = Field(30, gt=0, le=600)
    delay: float = Field(10, ge=0, le=60)

    @field_validator("bearer_token")
    @classmethod
    def _fits_a_header(cls, token: SecretStr) -> SecretStr:
        stripped = token.get_secret_value().strip()
        if not re.fullmatch(r"[!-~]*", stripped):
            raise ValueError("must be one word of ASCII signs")
        return SecretStr(stripped)


@dataclass(slots=True)
class Look:
    """What one look knows: `known` posts before it, and what it `read` so far.

    The search goes back to `start` and leaves `kept` reads of the day alone; `scores` are
    the retweets + favorites it found for each paper.
    """

    wanted: Set[str]
    known: Mapping[str, Known]
    start: datetime
    kept: int
    read: set[str] = field(default_factory=set)
    scores: Counter[str] = field(default_factory=Counter)

    def adds(self, post: Post) -> bool:
        """Take the post into the scores; returns whether it says anything new."""
        now = post.reading or Reading(post.posted_at, 0, 0)
        for key in post.papers:
            self.scores[key] += now.retweets + now.favorites
        before = self.known.get(post.id)
        return before is None or before[:2] != (now.retweets, now.favorites)


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
        self.every = settings.every
        self._settings = settings
        self._context = context
        session = Session(settings.base_url, settings.timeout, context.fetcher.breaker)
        self._paid = Paid(token, session, context.budget, settings.daily_post_budget)
        self._compliance = Compliance(
            settings.base_url, settings.storage_url, token, settings.delay, context
        )

    def measure(self, papers: Sequence[Paper], since: datetime) -> Iterator[Post | Gone | There]:
        """Yield each post that links to any of `papers` once, with its counts of now.

        Gone are known posts that X says are deleted, or are not for us to see; all others are
        There. Raises SignalError, and SignalStopped where X must not be asked again today,
        also when today's budget was spent before a single request, in either case after all
        that could be told.
        """
        if not papers:
            return
        job = self._compliance.begin()
        failure: SignalError | None = None
        try:
            yield from self._read(papers, since)
        except SignalError as error:
            failure = error
        yield from self._compliance.finish(job)
        if failure:
            raise failure

    def _read(self, papers: Sequence[Paper], since: datetime) -> Iterator[Post | Gone]:
        """Yield what the budget of the day buys.

        `useful` reads of a search are posts about `papers`; those of a look-up are posts
        whose retweets or favorites changed, or that are gone (which costs nothing).
        """
        wanted = {paper.key for paper in papers}
        # Posts from archives have ids of their own making, which X would refuse.
        due = self._context.contenders(self._settings.refresh)
        due = [post_id for post_id in due if POST_ID.fullmatch(post_id)]
        known = self._context.budget.known(due)
        due = [post_id for post_id in due if not self._was_read_today(known.get(post_id))]
        today = self._context.budget.today()
        left = self._left(today, 1 if due else SMALLEST_PAGE)
        answered_at = self._context.answered_at()
        start = starts(self._context.now(), since, self._settings.window, answered_at)
        kept = thrift.kept(sum(posted_at(post_id) < start for post_id in due), left)
        look = Look(wanted, known, start, kept)
        if left - kept >= SMALLEST_PAGE:
            plan = self._plan(today.plan, left - kept, start)
            for items in self._search(plan, look):
                yield from self._posts("search", items, look)
            if not plan.newest:  # which was the first search of the day
                for items in self._closer(plan, papers, look):
                    yield from self._posts("search", items, look)
        yield from self._refresh([post_id for post_id in due if post_id not in look.read], look)

    def check(self) -> str:
        """Count the posts the search is for, for the price of one; return a line on them."""
        today = self._context.budget.today()
        if today.stopped:
            raise SignalStopped(today.stopped)
        total = self._paid.count(query := self._query(self._settings.min_likes))
        if total is None:
            return f"not asked: {self._spent()}"
        found = f"{total} posts of the last 7 days match {query!r}; budget {self._price()} a day"
        return f"{found}; {self._compliance.check()}"

    def _left(self, today: Spent, least: int) -> int:
        """How many reads are left of today. Raises SignalStopped where fewer than `least`."""
        if today.stopped:
            raise SignalStopped(today.stopped)
        left = self._settings.daily_post_budget - today.used
        if left < least:
            raise SignalStopped(f"X: {self._spent()} (a search needs {SMALLEST_PAGE}); {TOMORROW}")
        return left

    def _was_read_today(self, known: Known | None) -> bool:
        today = self._context.now().astimezone(UTC).date()
        return known is not None and known.read_at is not None and known.read_at.date() == today

    def _spent(self) -> str:
        return f"today's daily_post_budget of {self._price()} is spent"

    def _price(self) -> str:
        budget = self._settings.daily_post_budget
        return f"{budget} posts (${budget * DOLLARS:,.2f})"

    def _plan(self, document: Mapping[str, Any], left: int, start: datetime) -> Plan:
        """The plan of the day, sized by counting if that was not done yet."""
        query, lowest = self._settings.query, self._settings.min_likes
        plan = thrift.plan_of(document) if document else None
        if plan is None or (plan.query, plan.lowest) != (query, lowest):
            plan = thrift.planned(query, lowest, left)
        while (rung := thrift.next_count(plan)) is not None:
            posts = self._paid.count(self._query(rung), start)
            if posts is None:
                break
            plan = plan.with_count(rung, posts)
            self._remember(plan)
        return plan

    def _search(self, plan: Plan, look: Look) -> Iterator[Items]:
        """Yield the pages of what is to be searched today still.

        Where X breaks off, or the budget ends, is remembered, so that the rest of the day
        goes on from there.
        """
        query = self._query(thrift.floor(plan))
        for span in thrift.spans(plan):
            ids: list[str] = []
            try:
                whole = yield from self._pages(query, look, ids, span)
            except SignalError:
                self._remember(thrift.after(plan, span, ids, whole=False))
                raise
            plan = thrift.after(plan, span, ids, whole)
            self._remember(plan)

    def _closer(self, plan: Plan, papers: Sequence[Paper], look: Look) -> Iterator[Items]:
        """Yield less liked posts about papers that may or may not make it into the next digest.

        That is the one of the last day of announcements before today.
        """
        if thrift.floor(plan) == plan.lowest:
            return
        today = self._context.now().astimezone(UTC).date()
        day = max((one.announced for one in papers if one.announced < today), default=None)
        scores = {one.key: look.scores[one.key] for one in papers if one.announced == day}
        recent = sum(one.announced >= look.start.date() for one in papers)
        near = thrift.near_the_cut(scores, thrift.unread(plan) / max(recent, 1))
        ids = [key.partition(":")[2] for key in near]
        for query in thrift.queries(self._query(plan.lowest), ids):
            yield from self._pages(query, look, [], {})

    def _pages(
        self, query: str, look: Look, ids: list[str], span: Mapping[str, str]
    ) -> Generator[Items, None, bool]:
        """Read what a search returns, newest posts first; returns whether that was all of it."""
        token: str | None = None
        while booked := self._paid.book(LARGEST_PAGE, look.kept, SMALLEST_PAGE):
            items, reply = self._paid.page(
                booked, query=query, start_time=look.start, next_token=token, **span
            )
            ids += [item["id"] for item in items]
            yield items
            token = next_token(reply)
            if not items or token is None:
                return True
        return False

    def _remember(self, plan: Plan) -> None:
        self._context.budget.remember(plan.document())

    def _refresh(self, ids: Sequence[str], look: Look) -> Iterator[Post | Gone]:
        """Look posts up by id, as many as the budget allows, the first ones first."""
        while ids and (booked := self._paid.book(len(ids))):
            asked, ids = ids[:booked], ids[booked:]
            items, reply = self._paid.look_up(asked)
            gone = gone_of(reply, asked)
            yield from self._posts("refresh", items, look, len(gone))
            yield from (Gone(NAME, post_id) for post_id in gone)

    def _posts(self, purpose: str, items: Items, look: Look, useful: int = 0) -> Iterator[Post]:
        """The posts about papers among what was read, new to the look; notes what was paid."""
        now = self._context.now()
        try:
            for item in items:
                post = None if item["id"] in look.read else to_post(item, look.wanted, now)
                look.read.add(item["id"])
                if post is not None:
                    useful += look.adds(post)
                    yield post
        finally:
            dollars = len(items) * DOLLARS
            self._context.budget.note(purpose, 1, len(items), useful, dollars)

    def _query(self, likes: int) -> str:
        query = self._settings.query
        if not likes:
            return query
        return f"({query}) min_likes:{likes}" if " OR " in query else f"{query} min_likes:{likes}"


def starts(
    now: datetime, since: datetime, window: timedelta, answered_at: datetime | None
) -> datetime:
    """Where a search begins: the window ago, or at the last answer where that is longer ago.

    Not before `since`, nor out of X's reach.
    """
    start = now - window if answered_at is None else min(now - window, answered_at)
    return min(max(since, start, now - REACH), now - LATEST_START)
