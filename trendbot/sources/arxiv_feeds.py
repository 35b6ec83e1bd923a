"""Read arXiv's feeds, the fallback of the listing pages: XML in, papers out; no I/O.

RSS is documented at https://info.arxiv.org/help/rss.html, the API at
https://info.arxiv.org/help/api/user-manual.html.
"""

import email.utils
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

from trendbot.errors import SourceError
from trendbot.links import canonical
from trendbot.model import Paper
from trendbot.sources.arxiv_pages import CATEGORY, ID, links, one_line

EASTERN = ZoneInfo("America/New_York")
MOST_IN_FEED = 2000
_NAMES = {
    "atom": "http://www.w3.org/2005/Atom",
    "arxiv": "http://arxiv.org/schemas/atom",
    "dc": "http://purl.org/dc/elements/1.1/",
    "search": "http://a9.com/-/spec/opensearch/1.1/",
}
# Weekday of the listing (Monday is 0) → days back to the first and the last deadline of its
# submissions: https://info.arxiv.org/help/availability.html, "Announcement Schedule". A listing
# carries the date of the morning after its announcement. Submissions of a deferred mailing
# (holidays) appear here on the day they would have been listed.
_DEADLINES = {0: (4, 3), 1: (4, 1), 2: (2, 1), 3: (2, 1), 4: (2, 1)}


@dataclass(frozen=True, slots=True)
class Feed:
    """The newest announcement as RSS has it: its date, and papers without comments."""

    date: date
    papers: tuple[Paper, ...]


@dataclass(frozen=True, slots=True)
class Results:
    """One page of answers of the API, of `total` on all pages."""

    total: int
    papers: tuple[Paper, ...]


def submissions_of(day: date) -> str:
    """Return the API's range of submission times (GMT) for the listing of `day`, Monday to Friday.

    Deadlines are at 14:00 in New York. Half open: the last minute is left to the next day.
    """
    first, last = (
        datetime.combine(day - timedelta(days=back), time(14), EASTERN).astimezone(UTC)
        for back in _DEADLINES[day.weekday()]
    )
    return f"[{first:%Y%m%d%H%M} TO {last - timedelta(minutes=1):%Y%m%d%H%M}]"


def parse_rss(xml: str) -> Feed:
    """Read `rss.arxiv.org/rss/<category>`: what is new or cross-listed, never replacements.

    Raises SourceError naming what is wrong with the feed.
    """
    channel = _root(xml, "rss").find("channel")
    if channel is None:
        raise SourceError("RSS without channel")
    title = _text(channel, "title")
    if title.startswith("Feed error"):
        raise SourceError(f"RSS: {title[:200]}")
    day = _day(channel)
    items = channel.findall("item")
    if len(items) >= MOST_IN_FEED:
        raise SourceError(f"RSS is cut at {MOST_IN_FEED} entries")
    papers = []
    for number, item in enumerate(items, 1):
        kind = _text(item, "arxiv:announce_type")
        if kind not in ("new", "cross", "replace", "replace-cross"):
            raise SourceError(f"RSS entry {number} has the unknown announce_type {kind[:40]!r}")
        if kind in ("new", "cross"):
            papers.append(_rss_paper(item, number, day))
    return Feed(day, tuple(papers))


def parse_results(xml: str, day: date) -> Results:
    """Read a page of the API's answer, as papers announced on `day`. Raises SourceError."""
    feed = _root(xml, f"{{{_NAMES['atom']}}}feed")
    total = _text(feed, "search:totalResults")
    if not re.fullmatch(r"[0-9]{1,7}", total):
        raise SourceError("API answer without totalResults")
    entries = feed.findall("atom:entry", _NAMES)
    for entry in entries:
        if _text(entry, "atom:title") == "Error":
            raise SourceError(f"API: {_text(entry, 'atom:summary')[:200]}")
    papers = (_api_paper(entry, number, day) for number, entry in enumerate(entries, 1))
    return Results(int(total), tuple(papers))


def _root(xml: str, tag: str) -> ET.Element:
    # No feed of arXiv declares a document type; without one there are no entities to blow up.
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        raise SourceError("XML with a document type; refused")
    try:
        root = ET.fromstring(xml)  # noqa: S314  (no document type, so no entities)
    except (ET.ParseError, ValueError) as error:
        raise SourceError(f"no well-formed XML: {error}") from error
    if root.tag != tag:
        raise SourceError(f"XML of another kind: {root.tag[:80]!r}")
    return root


def _text(parent: ET.Element, path: str) -> str:
    return one_line(parent.findtext(path, "", _NAMES))


def _day(element: ET.Element) -> date:
    """Return the date as printed; the feed prints midnight in New York with its offset."""
    printed = _text(element, "pubDate")
    try:
        return email.utils.parsedate_to_datetime(printed).date()
    except ValueError as error:
        raise SourceError(f"RSS with the pubDate {printed[:60]!r}") from error


def _rss_paper(item: ET.Element, number: int, day: date) -> Paper:
    if _day(item) != day:
        raise SourceError(f"RSS of {day} with an entry of {_day(item)}: the feed is stale")
    found = re.fullmatch(rf"oai:arXiv\.org:({ID})(?:v\d+)?", _text(item, "guid"))
    where = f"RSS entry {number}"
    if not found:
        raise SourceError(f"{where} has no identifier")
    _, _, abstract = _text(item, "description").partition("Abstract: ")
    return _paper(
        where,
        paper_id=canonical(found[1]),
        title=_text(item, "title"),
        authors=re.split(r",\s+", _text(item, "dc:creator")),
        categories=[_one(category.text) for category in item.findall("category")],
        day=day,
        abstract=abstract,
    )


def _api_paper(entry: ET.Element, number: int, day: date) -> Paper:
    found = re.search(rf"/abs/({ID})(?:v\d+)?$", _text(entry, "atom:id"))
    where = f"API entry {number}"
    if not found:
        raise SourceError(f"{where} has no identifier")
    primary = entry.find("arxiv:primary_category", _NAMES)
    terms = [primary] if primary is not None else []
    terms += entry.findall("atom:category", _NAMES)
    return _paper(
        where,
        paper_id=canonical(found[1]),
        title=_text(entry, "atom:title"),
        authors=[_one(name.text) for name in entry.findall("atom:author/atom:name", _NAMES)],
        categories=[_one(term.get("term")) for term in terms],
        day=day,
        abstract=_text(entry, "atom:summary"),
        comments=_text(entry, "arxiv:comment"),
    )


def _one(text: str | None) -> str:
    return one_line(text or "")


def _paper(
    where: str,
    *,
    paper_id: str,
    title: str,
    authors: list[str],
    categories: list[str],
    day: date,
    abstract: str,
    comments: str = "",
) -> Paper:
    known = tuple(dict.fromkeys(c for c in categories if re.fullmatch(CATEGORY, c)))
    lacking = {"title": title, "authors": any(authors), "categories": known, "abstract": abstract}
    for name, value in lacking.items():
        if not value:
            raise SourceError(f"{where} (arXiv:{paper_id}) has no {name}")
    return Paper(
        source="arxiv",
        id=paper_id,
        title=title,
        authors=tuple(filter(None, authors)),
        categories=known,
        announced=day,
        abstract=abstract,
        comments=comments,
        links=links(paper_id),
    )
