"""New papers from arXiv: its listing pages, and its feeds where a page cannot be had.

    day = the page's own date   /list/<category>/new
    earlier days                /catchup/<category>/<date>
    the page fails              rss.arxiv.org if its date is the day, else the API

What is announced is read off the pages, never off a calendar of holidays.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

from trendbot.context import Context
from trendbot.errors import SourceError
from trendbot.fetch import Failure, Fetcher, Page
from trendbot.model import Paper
from trendbot.settings import HttpUrl, Section
from trendbot.sources.arxiv_feeds import (
    EASTERN,
    Feed,
    Results,
    parse_results,
    parse_rss,
    submissions_of,
)
from trendbot.sources.arxiv_pages import ListingPage, gathered, parse_listing

HTML = "text/html,application/xhtml+xml"
XML = "application/rss+xml,application/atom+xml,application/xml,text/xml"
CATCHUP_DAYS = 90  # browse/controllers/catchup_page.py in github.com/arXiv/arxiv-browse
PAGE_SIZE = 2000  # entries per page of a listing; the API's limit as well
MOST_PAGES = 10
SERVICES = {"listing": HTML, "rss": XML, "api": XML}
EMPTY_ANSWERS = 3  # the API now and then answers a page of nothing: lukasschwab/arxiv.py#129

Read = TypeVar("Read")
log = logging.getLogger(__name__)


def _category(value: str) -> str:
    if not re.fullmatch(
        r"(physics|cond-mat)\.[a-z]+(-[a-z]+)?|[a-z]+(-[a-z]+)?(\.[A-Z]{2})?", value
    ):
        raise ValueError(f"{value!r} is no category of arXiv; write it as there: cs.LG, hep-th")
    return value


def _split(value: object) -> object:
    """Take "cs.LG, cs.CL" as well: an environment variable is one string."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


Categories = Annotated[
    tuple[Annotated[str, AfterValidator(_category)], ...],
    BeforeValidator(_split),
    Field(min_length=1),
]


class ArxivSettings(Section):
    """`[sources.arxiv]`. `delay` is the seconds between two requests to one host of arXiv.

    The default is the Crawl-delay of its robots.txt; its terms of use ask for 3 at least.
    """

    enabled: bool = True
    base_url: HttpUrl = "https://arxiv.org"
    api_url: HttpUrl = "https://export.arxiv.org/api/query"
    rss_url: HttpUrl = "https://rss.arxiv.org/rss"
    categories: Categories = ("cs.LG", "cs.CL", "cs.CV", "cs.AI", "stat.ML")
    delay: float = Field(default=15, ge=0, le=300)


@dataclass(frozen=True, slots=True)
class Listing:
    """All papers new or cross-listed in one category on one day."""

    date: date
    papers: tuple[Paper, ...]


class Arxiv:
    """The paper source arXiv."""

    Settings = ArxivSettings

    def __init__(self, settings: ArxivSettings, context: Context) -> None:
        self._settings = settings
        self._context = context

    def fetch(self, since: date, until: date) -> Iterator[Paper]:
        """Yield each paper announced from `since` to `until` once, oldest day first.

        A paper's date is the first day in that range on which any of the categories lists
        it. A category that fails does not keep back the others: SourceError comes last,
        naming every category that failed and why; nothing of a failed (category, day) is
        yielded. Raises it at once where `since` is longer ago than arXiv can list.
        """
        today = self._context.now().astimezone(EASTERN).date()
        if since < today - timedelta(days=CATCHUP_DAYS) and since <= until:
            earliest = today - timedelta(days=CATCHUP_DAYS)
            raise SourceError(f"arXiv lists the last {CATCHUP_DAYS} days; ask from {earliest} on")
        days = _listing_days(since, min(until, today + timedelta(days=1)))
        yield from _Visit(self._settings, self._context.fetcher).papers(days)

    def check(self) -> str:
        """Ask for the newest listing of the first category; say what it holds."""
        category = self._settings.categories[0]
        listing = _Visit(self._settings, self._context.fetcher).newest(category)
        day = f"{listing.date:%A} {listing.date.day} {listing.date:%B %Y}"
        return f"listing of {day}, {len(listing.papers)} papers in {category}"


def _listing_days(since: date, until: date) -> list[date]:
    """Return the days from `since` to `until` that a listing can carry: Monday to Friday.

    arXiv announces Sunday to Thursday, 20:00 in New York, dated the next day:
    https://info.arxiv.org/help/availability.html
    """
    span = range((until - since).days + 1)
    return [day for day in (since + timedelta(days=n) for n in span) if day.weekday() < 5]


class _Visit:
    """One fetch: remembers what it got, so that nothing is asked twice in it.

    A service that does not answer, or refuses us, is not asked again in the same visit:
    arXiv takes further requests after a refusal for an attack.
    """

    def __init__(self, settings: ArxivSettings, fetcher: Fetcher) -> None:
        self._settings = settings
        self._fetcher = fetcher
        self._down: dict[str, SourceError] = {}
        self._newest: dict[str, Listing | SourceError] = {}
        self._feeds: dict[str, Feed | SourceError] = {}

    def papers(self, days: Iterable[date]) -> Iterator[Paper]:
        """Yield the papers of all categories, day after day; see `Arxiv.fetch`."""
        seen: set[str] = set()
        failed: dict[str, SourceError] = {}
        for day in days:
            for category in self._settings.categories:
                if category in failed:
                    continue
                try:
                    announced = self._announced(category, day)
                except SourceError as failure:
                    failed[category] = failure
                    if len(self._down) == len(SERVICES):
                        raise
                    continue
                for paper in announced:
                    if paper.id not in seen:
                        seen.add(paper.id)
                        yield paper
        if failed:
            raise SourceError(". ".join(map(str, failed.values())))

    def newest(self, category: str) -> Listing:
        """Return the listing `/list/<category>/new`, whatever its day."""
        url = f"{self._settings.base_url}/list/{category}/new"
        return _once(self._newest, category, lambda: self._listing(url, _new_query, None))

    def _announced(self, category: str, day: date) -> tuple[Paper, ...]:
        """Return the papers of one category on one day, from the first way that works."""
        causes = []
        for way in (self._from_listing, self._from_feed, self._from_api):
            try:
                papers = way(category, day)
            except SourceError as cause:
                causes.append(cause)
                continue
            # Where a page of this category does not exist, "nothing found" is no quiet day.
            if papers is None or (not papers and any(map(_is_of_one_page, causes))):
                continue
            if causes:
                log.warning("arXiv %s on %s: a feed stood in for: %s", category, day, causes[0])
            return papers
        reasons = ". ".join(map(str, causes))
        raise SourceError(f"arXiv {category} on {day}: {reasons}") from causes[-1]

    def _from_listing(self, category: str, day: date) -> tuple[Paper, ...]:
        newest = self.newest(category)
        if day > newest.date:  # not announced yet
            return ()
        if day == newest.date:
            return newest.papers
        url = f"{self._settings.base_url}/catchup/{category}/{day}"
        return self._listing(url, _catchup_query, day).papers

    def _from_feed(self, category: str, day: date) -> tuple[Paper, ...] | None:
        """Return None where the feed has another day, or nothing: feeds go empty without reason."""
        url = f"{self._settings.rss_url}/{category}"
        feed = _once(
            self._feeds, category, lambda: self._parsed(self._ask("rss", url, {}), url, parse_rss)
        )
        return (feed.papers or None) if feed.date == day else None

    def _from_api(self, category: str, day: date) -> tuple[Paper, ...]:
        """Return what was submitted in time for `day`: close to, not always, what was announced.

        Cross-lists of older papers and what moderators held back are missing.
        """
        query = f"cat:{category} AND submittedDate:{submissions_of(day)}"
        papers: list[Paper] = []
        for _ in range(MOST_PAGES):
            page = self._results(query, len(papers), day)
            papers += page.papers
            if len(papers) >= page.total:
                return tuple(papers)
        raise SourceError(f"{self._settings.api_url}: more than {MOST_PAGES} pages for {query}")

    def _results(self, query: str, start: int, day: date) -> Results:
        params = {
            "search_query": query,
            "start": str(start),
            "max_results": str(PAGE_SIZE),
            "sortBy": "submittedDate",
            "sortOrder": "ascending",
        }
        url = self._settings.api_url
        for _ in range(EMPTY_ANSWERS):
            page = self._ask("api", url, params)
            results = self._parsed(page, url, lambda xml: parse_results(xml, day))
            if results.papers or results.total <= start:
                return results
            self._fetcher.forget(page)
        raise SourceError(f"{url}: says {results.total} entries, found {start}")

    def _listing(
        self, url: str, query: Callable[[int], dict[str, str]], day: date | None
    ) -> Listing:
        """Return a listing in full, from as many pages as it has."""
        pages: list[ListingPage] = []
        for number in range(1, MOST_PAGES + 1):
            pages.append(self._parsed(self._ask("listing", url, query(number)), url, parse_listing))
            wanted = day or pages[0].date
            if pages[-1].date != wanted:
                raise SourceError(f"{url}: is of {pages[-1].date} where {wanted} was asked for")
            if (papers := gathered(pages)) is not None:
                return Listing(wanted, papers)
            if not pages[-1].parts:
                break
        found = sum(page.entries for page in pages)
        raise SourceError(f"{url}: says {pages[0].total} entries, found {found}")

    def _ask(self, service: str, url: str, params: dict[str, str]) -> Page:
        """Ask one of SERVICES, unless it proved to be down."""
        if service in self._down:
            raise SourceError(f"{self._down[service]} (not asked again)")
        try:
            return self._fetcher.get(
                url,
                params=params,
                accept=SERVICES[service],
                delay=self._settings.delay,
                error=SourceError,
            )
        except SourceError as error:
            if not _is_of_one_page(error):
                self._down[service] = error
            raise

    def _parsed(self, page: Page, url: str, parse: Callable[[str], Read]) -> Read:
        try:
            return parse(page.text)
        except SourceError as error:
            self._fetcher.forget(page)
            raise SourceError(f"{url}: {error}") from error


def _is_of_one_page(error: SourceError) -> bool:
    """Tell a failure of one page from one of the whole service: it is down, or refuses us."""
    failure = error.__cause__
    return isinstance(failure, Failure) and failure.status in (200, 400, 404, 410)


def _new_query(number: int) -> dict[str, str]:
    if number == 1:
        return {}
    return {"skip": str(PAGE_SIZE * (number - 1)), "show": str(PAGE_SIZE)}


def _catchup_query(number: int) -> dict[str, str]:
    return {"abs": "True"} if number == 1 else {"abs": "True", "page": str(number)}


def _once(memory: dict[str, Read | SourceError], key: str, ask: Callable[[], Read]) -> Read:
    """Return what `ask` returned, or raise what it raised, the first time it was asked for."""
    if key not in memory:
        try:
            memory[key] = ask()
        except SourceError as error:
            memory[key] = error
    known = memory[key]
    if isinstance(known, SourceError):
        raise known
    return known
