"""Stories on Hacker News whose address is a paper's, with their points and comments.

Points are the favorites, comments the replies; there is nothing like a retweet. Asked is
the search that Algolia runs for Hacker News:

1. one query for the stories with "arxiv.org" in their address, newest first; it is fuzzy,
   so each address is looked at here
2. stories known from earlier looks that the query did not return, a hundred in one request

API: https://hn.algolia.com/api. It gives the first 1,000 hits of a query, whatever page is
asked for (github.com/algolia/hn-search, issue 230); older ones are asked for by their time.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field

from trendbot.answers import count, moment, table, tables
from trendbot.context import Context
from trendbot.errors import SignalError
from trendbot.links import papers_in
from trendbot.model import Gone, Paper, Post, Reading
from trendbot.settings import Duration, HttpUrl, Section
from trendbot.text import clean, cut

NAME = "hackernews"
LARGEST_PAGE = 1000
MAX_REQUESTS = 20  # some 20,000 stories
MAX_LOOKS = 300
LOOKS_AT_ONCE = 100
SURELY_THERE = 10  # so many stories are not all deleted between two looks
MAX_TITLE = 300
_AUTHOR = re.compile(r"[A-Za-z0-9_-]{1,50}")


class HackerNewsSettings(Section):
    """Asked at most once in `every`, with `delay` seconds between requests."""

    enabled: bool = True
    base_url: HttpUrl = "https://hn.algolia.com"
    every: Duration = timedelta(hours=6)
    delay: float = Field(1, ge=0, le=60)


class HackerNews:
    """Hacker News as a signal."""

    Settings = HackerNewsSettings

    def __init__(self, settings: HackerNewsSettings, context: Context) -> None:
        self.every = settings.every
        self._settings = settings
        self._context = context

    def measure(self, papers: Sequence[Paper], since: datetime) -> Iterator[Post | Gone]:
        """Yield each story since `since` about any of `papers` once, and known ones anew.

        A known story that is deleted or dead, or leads elsewhere now, is gone. Raises
        SignalError.
        """
        wanted = {paper.key for paper in papers}
        if not wanted:
            return
        seen: set[str] = set()
        for story in self._stories(since):
            post = to_post(story, self._context.now())
            if post and post.id not in seen and not wanted.isdisjoint(post.papers):
                seen.add(post.id)
                yield post
        due = [id for id in self._context.worth_a_look(MAX_LOOKS) if id not in seen]
        while due:
            yield from self._looked_up(due[:LOOKS_AT_ONCE])
            due = due[LOOKS_AT_ONCE:]

    def check(self) -> str:
        """Ask for the newest story; return one line on what there is or raise SignalError."""
        reply = self._ask(query="arxiv.org", restrictSearchableAttributes="url", hitsPerPage="1")
        return f"{reply['nbHits']} stories with arxiv.org in their address"

    def _stories(self, since: datetime) -> Iterator[Mapping[str, Any]]:
        """Yield what the query finds, page by page, from the newest back to `since`."""
        span = begin = f"created_at_i>{int(since.timestamp())}"
        page = left = 0
        for _ in range(MAX_REQUESTS):
            reply = self._page(span, page)
            yield from reply["hits"]
            left = (left if page else reply["nbHits"]) - len(reply["hits"])
            if left <= 0 or not reply["hits"]:
                return
            page += 1
            if page >= reply["nbPages"]:
                oldest = reply["hits"][-1]["created_at_i"]
                span, page = f"{begin},created_at_i<{oldest + 1}", 0
        raise SignalError(f"Hacker News: more than {MAX_REQUESTS} pages; not read further")

    def _page(self, span: str, number: int) -> Mapping[str, Any]:
        return self._ask(
            query="arxiv.org",
            restrictSearchableAttributes="url",
            numericFilters=span,
            hitsPerPage=str(LARGEST_PAGE),
            page=str(number),
        )

    def _looked_up(self, ids: Sequence[str]) -> Iterator[Post | Gone]:
        """Look up stories by id: each becomes its post, or is gone."""
        asked = ",".join(f"story_{id}" for id in ids)
        reply = self._ask(tags=f"story,({asked})", hitsPerPage=str(LARGEST_PAGE))
        if len(reply["hits"]) < reply["nbHits"]:
            raise SignalError("Hacker News: left out some of the stories that were looked up")
        found = {story["objectID"]: story for story in reply["hits"]}
        if not found and len(ids) >= SURELY_THERE:
            raise SignalError(f"Hacker News: none of {len(ids)} known stories is there; unlikely")
        for id in ids:
            post = to_post(found[id], self._context.now()) if id in found else None
            yield post or Gone(NAME, id)

    def _ask(self, tags: str = "story", **params: str) -> Mapping[str, Any]:
        page = self._context.fetcher.get(
            f"{self._settings.base_url}/api/v1/search_by_date",
            params={"tags": tags, **params},
            accept="application/json",
            delay=self._settings.delay,
            error=SignalError,
        )
        try:
            return parse(page.text)
        except SignalError:
            self._context.fetcher.forget(page)
            raise


def parse(text: str) -> Mapping[str, Any]:
    """Read one answer; raises SignalError unless it has hits with ids and times, and counts."""
    try:
        reply = table(json.loads(text), "Hacker News", "the answer")
    except (ValueError, RecursionError) as error:
        raise SignalError("Hacker News: the answer is not JSON; try again later") from error
    if not isinstance(reply.get("hits"), list):
        raise SignalError("Hacker News: the answer has no list of hits")
    for name in ("nbHits", "nbPages"):
        count(reply, "Hacker News", name)
    for story in tables(reply["hits"], "Hacker News", "hits"):
        id = story.get("objectID")
        if not isinstance(id, str) or not re.fullmatch(r"[0-9]{1,20}", id):
            raise SignalError("Hacker News: a story has no objectID, or one that is no number")
        count(story, f"Hacker News: story {id}", "created_at_i")
    return reply


def to_post(story: Mapping[str, Any], taken_at: datetime) -> Post | None:
    """Turn a story into a post, or None if its address is not a paper's.

    Raises SignalError naming the field that is missing or makes no sense.
    """
    id, url, title = story["objectID"], story.get("url"), story.get("title")
    where = f"Hacker News: story {id}"
    key = papers_in(url) if isinstance(url, str) else None
    if key is None:
        return None
    if not isinstance(title, str):
        raise SignalError(f"{where}: title is missing")
    author = str(story.get("author"))
    replies = 0 if story.get("num_comments") is None else count(story, where, "num_comments")
    return Post(
        signal=NAME,
        id=id,
        papers=(key,),
        author=author if _AUTHOR.fullmatch(author) else "",
        url=f"https://news.ycombinator.com/item?id={id}",
        posted_at=moment(story.get("created_at"), where, "created_at"),
        text=cut(clean(title), MAX_TITLE),
        reading=Reading(taken_at, 0, count(story, where, "points"), replies),
    )
