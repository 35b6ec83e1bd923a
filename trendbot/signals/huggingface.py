"""Upvotes and comments on the daily papers pages of Hugging Face.

One page lists the papers people submitted on one day. Each counts as one post: its upvotes
are the favorites, its comments the replies; there is nothing like a retweet. Posts that are due
for another look and on none of these pages are asked for by their paper, which tells no comments.

API: https://huggingface.co/docs/hub/api, `GET /api/daily_papers?date=&limit=&p=` and
`GET /api/papers/{id}`.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pydantic import Field

from trendbot.answers import count, moment, table
from trendbot.context import Context
from trendbot.errors import SignalError
from trendbot.fetch import Page
from trendbot.fetch_rules import Failure
from trendbot.links import papers_in
from trendbot.model import Gone, Paper, Post, Reading
from trendbot.settings import Duration, HttpUrl, Section

NAME = "huggingface"
MAX_DAYS = 100
MAX_PAGES = 20
MOST_LOOKED_UP = 20
# The largest page Hugging Face gives is undocumented; its default is this. A page with at
# least as many papers may have been cut, whatever `limit` asked for.
SURELY_GIVEN = 50


class HuggingFaceSettings(Section):
    """`limit` papers are asked for per page, `delay` seconds apart, at most once in `every`."""

    enabled: bool = True
    every: Duration = timedelta(hours=6)
    base_url: HttpUrl = "https://huggingface.co"
    limit: int = Field(100, ge=1, le=100)
    delay: float = Field(1, ge=0, le=60)


class HuggingFace:
    """The daily papers of Hugging Face as a signal."""

    Settings = HuggingFaceSettings

    def __init__(self, settings: HuggingFaceSettings, context: Context) -> None:
        self.every = settings.every
        self._settings = settings
        self._context = context

    def measure(self, papers: Sequence[Paper], since: datetime) -> Iterator[Post | Gone]:
        """Yield one post for each of `papers` on the daily pages from `since` until today.

        Asks for no more than the last 100 days; then for known posts that are on none of
        these pages, which may be gone. Raises SignalError.
        """
        wanted = {paper.key for paper in papers}
        if not wanted:
            return
        seen = set()
        for day in self._days(since):
            for entry in self._entries(day):
                seen.add(_paper_id(entry))
                if (key := f"arxiv:{_paper_id(entry)}") in wanted:
                    wanted.remove(key)
                    yield to_post(entry, self._context.now())
        known = self._context.worth_a_look(len(seen) + MOST_LOOKED_UP)
        for paper_id in [one for one in known if one not in seen][:MOST_LOOKED_UP]:
            yield self._look_up(paper_id)

    def check(self) -> str:
        """Ask for today's page; return one line on what is there or raise SignalError."""
        today = self._today()
        return f"{len(self._page(today, 0))} papers on the page of {today}"

    def _today(self) -> date:
        return self._context.now().astimezone(UTC).date()

    def _days(self, since: datetime) -> list[date]:
        today = self._today()
        days = min((today - since.astimezone(UTC).date()).days, MAX_DAYS - 1)
        return [today - timedelta(days=back) for back in range(days, -1, -1)]

    def _entries(self, day: date) -> Iterator[Mapping[str, Any]]:
        """Yield what is listed on `day`, page by page until one is short or brings nothing new."""
        full = min(self._settings.limit, SURELY_GIVEN)
        seen: set[str] = set()
        for number in range(MAX_PAGES):
            page = self._page(day, number)
            yield from page
            ids = {_paper_id(entry) for entry in page}
            if len(page) < full or ids <= seen:
                return
            seen |= ids
        raise SignalError(f"Hugging Face: {day} has more than {MAX_PAGES} pages; not read further")

    def _look_up(self, paper_id: str) -> Post | Gone:
        try:
            page = self._ask(f"/api/papers/{paper_id}", {})
        except SignalError as error:
            if isinstance(error.__cause__, Failure) and error.__cause__.status == 404:
                return Gone(NAME, paper_id)
            raise
        entry = {"paper": table(_document(page.text), "Hugging Face", f"paper {paper_id}")}
        if _paper_id(entry) != paper_id:
            raise SignalError(f"Hugging Face: another paper came where {paper_id} was asked for")
        return to_post(entry, self._context.now())

    def _page(self, day: date, number: int) -> list[Mapping[str, Any]]:
        params = {"date": day.isoformat(), "limit": str(self._settings.limit)}
        page = self._ask("/api/daily_papers", params | ({"p": str(number)} if number else {}))
        try:
            return parse(page.text)
        except SignalError:
            self._context.fetcher.forget(page)
            raise

    def _ask(self, path: str, params: Mapping[str, str]) -> Page:
        return self._context.fetcher.get(
            f"{self._settings.base_url}{path}",
            params=params,
            accept="application/json",
            delay=self._settings.delay,
            error=SignalError,
        )


def parse(text: str) -> list[Mapping[str, Any]]:
    """Read one page of daily papers; raises SignalError unless each entry has a paper's id."""
    entries = _document(text)
    if not isinstance(entries, list):
        raise SignalError("Hugging Face: daily_papers is not a list of papers any more")
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("paper"), dict):
            raise SignalError("Hugging Face: an entry of daily_papers has no paper")
        _paper_id(entry)
    return entries


def _document(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SignalError("Hugging Face: the answer is not JSON; try again later") from error


def to_post(entry: Mapping[str, Any], taken_at: datetime) -> Post:
    """Turn one entry of the page into a post. Raises SignalError naming what is missing."""
    paper = entry["paper"]
    paper_id = _paper_id(entry)
    where = f"Hugging Face: paper {paper_id}"
    posted_at = paper.get("submittedOnDailyAt") or paper.get("publishedAt")
    return Post(
        signal=NAME,
        id=paper_id,
        papers=(f"arxiv:{paper_id}",),
        author=_author(entry.get("submittedBy")),
        url=f"https://huggingface.co/papers/{paper_id}",
        posted_at=moment(posted_at, where, "paper.submittedOnDailyAt"),
        reading=Reading(
            taken_at=taken_at,
            retweets=0,
            favorites=count(paper, where, "upvotes"),
            replies=count({"numComments": 0, **entry}, where, "numComments"),
        ),
    )


def _paper_id(entry: Mapping[str, Any]) -> str:
    paper_id = entry["paper"].get("id")
    if not isinstance(paper_id, str) or not paper_id:
        raise SignalError("Hugging Face: an entry of daily_papers has no paper.id")
    key = papers_in(f"https://huggingface.co/papers/{paper_id}")
    return key.removeprefix("arxiv:") if key else paper_id


def _author(submitter: object) -> str:
    name = submitter.get("name") if isinstance(submitter, dict) else None
    known = isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9._-]{1,100}", name)
    return str(name) if known else ""
