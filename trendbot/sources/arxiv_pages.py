"""Read arXiv's listing pages: HTML in, papers out; no I/O.

The structure is that of the templates `list/new.html` and `catchup.html` of
github.com/arXiv/arxiv-browse: one `dl#articles` per section, entries as `dt` and `dd`.
Anything missing is a SourceError that names it: a page that cannot be read in full is
never a shorter list.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from bs4 import BeautifulSoup
from bs4.element import Tag

from trendbot.errors import SourceError
from trendbot.links import canonical
from trendbot.model import Paper

# https://info.arxiv.org/help/arxiv_identifier.html: since 2007 YYMM.number, before archive/YYMMNNN.
ID = r"(?:\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})"
CATEGORY = r"[a-z]+(?:-[a-z]+)?(?:\.[A-Za-z]+(?:-[a-z]+)?)?"
_LINE_END = "\x00"  # no text holds it: one_line() drops control characters
_KINDS = {"New": "new", "Cross": "cross", "Replacement": "replacement"}


@dataclass(frozen=True, slots=True)
class Part:
    """One section of a listing page: `shown` entries here of `total` of its kind that day.

    The kinds are "new", "cross" and "replacement"; replacements come without their papers.
    """

    kind: str
    shown: int
    total: int
    papers: tuple[Paper, ...]


@dataclass(frozen=True, slots=True)
class ListingPage:
    """One page of the listing of a day; `total` counts the entries of all its pages."""

    date: date
    total: int
    parts: tuple[Part, ...]

    @property
    def entries(self) -> int:
        """How many entries stand on this page."""
        return sum(part.shown for part in self.parts)


def parse_listing(html: str) -> ListingPage:
    """Read a page `/list/<category>/new` or `/catchup/<category>/<date>?abs=True`.

    Raises SourceError naming what the page lacks.
    """
    if "</html>" not in html:
        raise SourceError("page is cut off: no </html>")
    soup = BeautifulSoup(html, "html.parser")  # 1,000 papers take 2 s; a SoupStrainer saves little
    # Taken out, so that what authors wrote does not stand in for what arXiv says.
    sections = [section.extract() for section in soup.select("dl#articles")]
    text = soup.get_text(" ")
    totals = set(re.findall(r"Total of (\d{1,6}) entries", text))
    if not sections and not re.search(r"No (further )?updates", text):
        raise SourceError("no dl#articles and no 'No updates' line")
    if len(totals) > 1 or (sections and not totals):
        raise SourceError("no single 'Total of N entries'")
    day = _date_of(soup)
    parts = tuple(_part(section, day) for section in sections)
    return ListingPage(day, int(totals.pop()) if totals else 0, parts)


def gathered(pages: Sequence[ListingPage]) -> tuple[Paper, ...] | None:
    """Return the papers of all pages of a listing; None while pages are missing.

    New submissions come first, then cross-lists, then replacements: once these begin,
    nothing of ours can follow. Raises SourceError where a section is not complete then.
    """
    parts = [part for page in pages for part in page.parts]
    reached = any(part.kind == "replacement" for part in parts)
    if not reached and sum(part.shown for part in parts) < pages[0].total:
        return None
    said = {part.kind: part.total for part in parts}
    for kind in ("new", "cross"):
        found = sum(part.shown for part in parts if part.kind == kind)
        if found != said.get(kind, 0):
            raise SourceError(f"says {said[kind]} {kind} submissions, found {found}")
    if sum(said.values()) != pages[0].total:
        raise SourceError(f"says {pages[0].total} entries, its sections {sum(said.values())}")
    return tuple(paper for part in parts for paper in part.papers)


def links(paper_id: str) -> dict[str, str]:
    """Return the addresses every arXiv paper has, always at arXiv itself."""
    return {
        "abs": f"https://arxiv.org/abs/{paper_id}",
        "pdf": f"https://arxiv.org/pdf/{paper_id}",
    }


def one_line(text: str) -> str:
    """Return `text` in Unicode NFC, white space and control characters collapsed to spaces."""
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", unicodedata.normalize("NFC", text)).strip()


def _date_of(soup: BeautifulSoup) -> date:
    """Return the day printed as "Friday, 20 November 2026" or "… on Thu, 19 Nov 2026"."""
    for heading in soup.find_all(["h1", "h3"]):
        text = one_line(heading.get_text())
        for pattern, form in (
            (r"Showing new listings for \w+, (\d+ \w+ \d{4})", "%d %B %Y"),
            (r"Catchup results for .* on \w+, (\d+ \w+ \d{4})", "%d %b %Y"),
        ):
            if found := re.fullmatch(pattern, text):
                try:
                    return datetime.strptime(found[1], form).date()  # noqa: DTZ007  (a day)
                except ValueError as error:
                    raise SourceError(f"page date {found[1]!r} is not a date") from error
    raise SourceError("page date missing")


def _part(section: Tag, day: date) -> Part:
    heading = one_line(section.h3.get_text()) if section.h3 else ""
    found = re.fullmatch(
        r"(New|Cross|Replacement) submissions \(.*?(\d{1,6}) of (\d{1,6}) entries ?\)", heading
    )
    if not found:
        raise SourceError(f"unknown section heading {heading[:80]!r}")
    kind, shown, total = _KINDS[found[1]], int(found[2]), int(found[3])
    entries = section.find_all("dt", recursive=False)
    if len(entries) != shown:
        raise SourceError(f"{heading!r}: says {shown} entries, found {len(entries)}")
    if kind == "replacement":
        return Part(kind, shown, total, ())
    papers = tuple(_paper(entry, number, day) for number, entry in enumerate(entries, 1))
    return Part(kind, shown, total, papers)


def _paper(entry: Tag, number: int, day: date) -> Paper:
    anchor = entry.find("a", title="Abstract")
    href = str(anchor.get("href", "")) if anchor else ""
    found = re.search(rf"/abs/({ID})(?:v\d+)?$", href)
    if not found:
        raise SourceError(f"entry {number} has no identifier")
    paper_id = canonical(found[1])
    where = f"entry {number} (arXiv:{paper_id})"
    body = entry.find_next_sibling(True)
    if body is None or body.name != "dd":
        raise SourceError(f"{where} has no dd")
    return Paper(
        source="arxiv",
        id=paper_id,
        title=one_line(_required(body, "div.list-title", "title", where)),
        authors=_authors(body, where),
        categories=_categories(body, where),
        announced=day,
        abstract=_required(body, "p.mathjax", "abstract", where),
        comments=_field(body, "div.list-comments").replace("\n", " "),
        links=links(paper_id) | _html_link(entry, found[1]),
    )


def _required(body: Tag, selector: str, name: str, where: str) -> str:
    text = _field(body, selector)
    if not text:
        raise SourceError(f"{where} has no {name}")
    return text


def _field(body: Tag, selector: str) -> str:
    """Return the text of a field without its descriptor; "" where there is no such field.

    Lines end only where there was a <br>; addresses that arXiv shows as "this https URL" and
    keeps in the link are spelled out.
    """
    node = body.select_one(selector)
    if node is None:
        return ""
    for label in node.select("span.descriptor"):
        label.decompose()
    for end in node.find_all("br"):
        end.insert_before(_LINE_END)
    for anchor in node.find_all("a", href=re.compile(r"^(https?|ftp)://")):
        if re.fullmatch(r"this \S+ URL", anchor.get_text()):
            anchor.string = str(anchor["href"])
    lines = node.get_text().split(_LINE_END)
    return "\n".join(filter(None, map(one_line, lines)))


def _authors(body: Tag, where: str) -> tuple[str, ...]:
    node = body.select_one("div.list-authors")
    names = [one_line(anchor.get_text()) for anchor in node.find_all("a")] if node else []
    if not any(names) and not (node and "author list is unavailable" in node.get_text()):
        raise SourceError(f"{where} has no authors")
    return tuple(filter(None, names))


def _categories(body: Tag, where: str) -> tuple[str, ...]:
    text = _field(body, "div.list-subjects")
    primary = _field(body, "span.primary-subject")
    found = re.findall(rf"\(({CATEGORY})\)(?= ?;|$)", text)
    if not found or not primary.endswith(f"({found[0]})"):
        raise SourceError(f"{where} has no subjects")
    return tuple(dict.fromkeys(found))


def _html_link(entry: Tag, paper_id: str) -> dict[str, str]:
    anchor = entry.find("a", title="View HTML")
    href = str(anchor.get("href", "")) if anchor else ""
    found = re.search(rf"/html/({re.escape(paper_id)}(?:v\d+)?)$", href)
    return {"html": f"https://arxiv.org/html/{found[1]}"} if found else {}
