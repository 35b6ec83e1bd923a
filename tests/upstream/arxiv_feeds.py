"""arXiv's API and RSS as they answer.

The API takes `cat: ti: au: all: submittedDate:[… TO …]` joined by AND, each of them possibly
`(… OR …)`; and id_list, start, max_results, sortBy, sortOrder. RSS joins categories by `+`.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from typing import cast
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

from tests.upstream.arxiv import CATEGORIES
from tests.upstream.reply import ATOM, RSS, Headers, Query, Reply
from tests.upstream.world import Kind, World, WorldPaper

SCHEMAS = "http://arxiv.org/schemas/atom"
IN_FEED = {
    "xmlns:opensearch": "http://a9.com/-/spec/opensearch/1.1/",
    "xmlns:arxiv": SCHEMAS,
    "xmlns": "http://www.w3.org/2005/Atom",
}
IN_RSS = {
    "xmlns:arxiv": SCHEMAS,
    "xmlns:dc": "http://purl.org/dc/elements/1.1/",
    "xmlns:atom": "http://www.w3.org/2005/Atom",
    "xmlns:content": "http://purl.org/rss/1.0/modules/content/",
    "version": "2.0",
}
ID = re.compile(r"((?:\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7}))(?:v(\d+))?")
SORTS: dict[str, Callable[[WorldPaper], datetime | str]] = {
    "relevance": lambda paper: paper.id,
    "submittedDate": lambda paper: paper.submitted,
    "lastUpdatedDate": lambda paper: paper.updated,
}
NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def api(world: World, path: str, query: Query, headers: Headers) -> Reply:
    """Answer one GET below the API's host."""
    if path != "/api/query":
        return failure("not_found", 404)
    start, size = query.get("start", "0"), query.get("max_results", "10")
    if not start.isdigit() or not size.isdigit() or int(size) > 30000:
        return failure("max_results_must_be_between_0_and_30000")
    ids = [one for one in query.get("id_list", "").split(",") if one]
    for one in ids:
        if not ID.fullmatch(one):
            return failure(f"incorrect_id_format_for_{one}")
    sort = query.get("sortBy", "relevance")
    if sort not in SORTS:
        return failure(f"sortBy_must_be_in:_{'_'.join(SORTS)}")
    found = [paper for paper in announced(world) if wanted(paper, query, ids)]
    found.sort(key=SORTS[sort], reverse=query.get("sortOrder", "descending") == "descending")
    first, count = int(start), min(int(size), 2000)
    return results(world, query, found[first : first + count], len(found))


def announced(world: World) -> list[WorldPaper]:
    """The papers out by `world.today`."""
    return [paper for paper in world.papers if paper.announced <= world.today]


def wanted(paper: WorldPaper, query: Query, ids: list[str]) -> bool:
    search = query.get("search_query", "")
    if not ids and not search:
        return False
    listed = not ids or any(cast(re.Match[str], ID.match(one))[1] == paper.id for one in ids)
    return listed and all(
        any(fits(paper, term) for term in re.split(r" OR ", group.strip("() ")))
        for group in search.split(" AND ")
        if group
    )


def fits(paper: WorldPaper, term: str) -> bool:
    field, _, value = term.strip("() ").partition(":")
    plain = value.strip('"').lower()
    whole = " ".join((paper.title, paper.abstract, *paper.authors)).lower()
    if field == "submittedDate":
        first, last = value.strip("[]").split(" TO ")
        return first <= f"{paper.submitted:%Y%m%d%H%M}" <= last
    tests = {
        "cat": value in paper.categories,
        "ti": plain in paper.title.lower(),
        "au": any(plain in name.lower() for name in paper.authors),
        "all": plain in whole,
    }
    return tests.get(field, term.lower() in whole)


def results(world: World, query: Query, papers: list[WorldPaper], total: int) -> Reply:
    """An Atom feed with one entry per paper."""
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    feed = feed_head("https://arxiv.org/api/invented", f"arXiv Query: {asked}", world.now)
    counts = (("itemsPerPage", query.get("max_results", "10")), ("totalResults", total))
    for name, value in (*counts, ("startIndex", query.get("start", "0"))):
        put(feed, f"opensearch:{name}", str(value))
    for paper in papers:
        api_entry(feed, paper)
    return replace(xml(feed, ATOM), cacheable=True)


def feed_head(address: str, title: str, updated: datetime) -> ET.Element:
    feed = ET.Element("feed", IN_FEED)
    put(feed, "id", address)
    put(feed, "title", title)
    put(feed, "updated", zulu(updated))
    return feed


def api_entry(feed: ET.Element, paper: WorldPaper) -> None:
    """One `<entry>`, its elements in the order of the real ones."""
    entry = put(feed, "entry")
    name = f"{paper.id}v{paper.version}"
    put(entry, "id", f"http://arxiv.org/abs/{name}")
    put(entry, "title", paper.title)
    put(entry, "updated", zulu(paper.updated))
    abstract, pdf = f"https://arxiv.org/abs/{name}", f"https://arxiv.org/pdf/{name}"
    put(entry, "link", href=abstract, rel="alternate", type="text/html")
    put(entry, "link", href=pdf, rel="related", type="application/pdf", title="pdf")
    put(entry, "summary", paper.abstract)
    for category in paper.categories:
        put(entry, "category", term=category, scheme=SCHEMAS)
    put(entry, "published", zulu(paper.submitted))
    for tag, content in (("comment", paper.comments), ("journal_ref", paper.journal_ref)):
        if content:
            put(entry, f"arxiv:{tag}", content)
    put(entry, "arxiv:primary_category", term=paper.categories[0])
    for author in paper.authors:
        put(put(entry, "author"), "name", author)


def failure(why: str, status: int = 400) -> Reply:
    """The API's way to say no: a feed with one entry named Error."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    feed = feed_head("https://arxiv.org/", "arXiv Search Results", moment)
    for name, value in (("itemsPerPage", "1"), ("totalResults", "1"), ("startIndex", "0")):
        put(feed, f"opensearch:{name}", value)
    entry = put(feed, "entry")
    address = f"https://arxiv.org/api/errors#{why}"
    put(entry, "id", address)
    put(entry, "title", "Error")
    put(entry, "updated", zulu(moment))
    put(entry, "link", href=address, rel="alternate", type="text/html")
    put(entry, "summary", why.replace("_", " "))
    put(put(entry, "author"), "name", "arXiv api core")
    return xml(feed, ATOM, status)


def rss(world: World, path: str, query: Query, headers: Headers) -> Reply:
    """Answer one GET below the host of the feeds: today's announcement, or an empty channel."""
    folder, _, asked = path.strip("/").partition("/")
    categories = asked.split("+")
    wrong = [name for name in categories if name not in CATEGORIES]
    if folder != "rss" or wrong:
        return xml(channel(f"Feed error for query: {asked}", asked, world), RSS, 400)
    root = channel(f"{', '.join(categories)} updates on arXiv.org", asked, world)
    inside = cast(ET.Element, root.find("channel"))
    day, seen = world.today, set[str]()
    for category in categories:
        for paper, line in world.listed(category, day):
            if paper.id not in seen:
                seen.add(paper.id)
                kind = "replace-cross" if is_replaced_cross(paper, line.kind, category) else None
                rss_item(inside, paper, line.version, kind or line.kind.value, day)
    return replace(xml(root, RSS), cacheable=True)


def is_replaced_cross(paper: WorldPaper, kind: Kind, category: str) -> bool:
    return kind is Kind.REPLACE and category != paper.categories[0]


def channel(title: str, asked: str, world: World) -> ET.Element:
    root = ET.Element("rss", IN_RSS)
    inside = put(root, "channel")
    address = f"http://rss.arxiv.org/rss/{asked}"
    described = f"{asked} updates on the arXiv.org e-print archive."
    for name, content in (("title", title), ("link", address), ("description", described)):
        put(inside, name, content)
    put(inside, "atom:link", href=address, rel="self", type="application/rss+xml")
    midnight = eastern_midnight(world.today)
    for name, content in (
        ("docs", "http://www.rssboard.org/rss-specification"),
        ("language", "en-us"),
        ("lastBuildDate", midnight),
        ("managingEditor", "rss-help@arxiv.org"),
        ("pubDate", midnight),
    ):
        put(inside, name, content)
    skipped = put(inside, "skipDays")
    for name in ("Sunday", "Saturday"):
        put(skipped, "day", name)
    return root


def rss_item(inside: ET.Element, paper: WorldPaper, version: int, kind: str, day: date) -> None:
    """One `<item>`; the announce type stands twice, as in the real feed."""
    item = put(inside, "item")
    name = f"{paper.id}v{version}"
    put(item, "title", paper.title)
    put(item, "link", f"https://arxiv.org/abs/{paper.id}")
    summary = f"arXiv:{name} Announce Type: {kind} \nAbstract: {paper.abstract}"
    put(item, "description", summary)
    put(item, "guid", f"oai:arXiv.org:{name}", isPermaLink="false")
    for category in paper.categories:
        put(item, "category", category)
    put(item, "pubDate", eastern_midnight(day))
    put(item, "arxiv:announce_type", kind)
    put(item, "dc:rights", "http://arxiv.org/licenses/nonexclusive-distrib/1.0/")
    if paper.journal_ref:
        put(item, "arxiv:journal_reference", paper.journal_ref)
    put(item, "dc:creator", ", ".join(paper.authors))


def eastern_midnight(day: date) -> str:
    """00:00 in New York, the moment the feeds are rebuilt."""
    return format_datetime(datetime.combine(day, time(), ZoneInfo("America/New_York")))


def zulu(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def put(parent: ET.Element, tag: str, content: str = "", **attributes: str) -> ET.Element:
    """Append an element; its prefix is the one the root declares."""
    element = ET.SubElement(parent, tag, attributes)
    element.text = NOT_XML.sub("", content) or None
    return element


def xml(root: ET.Element, content_type: str, status: int = 200) -> Reply:
    body: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    return Reply(status, body, {"Content-Type": content_type})
