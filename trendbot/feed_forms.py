"""Digests as documents that feed readers and search engines take; pure.

    feed_of(digests, cadence, topic, site) -> Feed      what all three forms say
    atom(feed), rss(feed) -> bytes                      RFC 4287; RSS 2.0, https://www.rssboard.org
    json_feed(feed) -> dict                             https://www.jsonfeed.org/version/1.1/
    sitemap(pages) -> bytes                             https://www.sitemaps.org/protocol.html

Whatever titles and names hold, the XML is well-formed and the HTML in it harmless.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cache
from html import escape
from itertools import islice
from typing import Any
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

import nh3
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from trendbot import compose, text, wording
from trendbot.categories import name_of
from trendbot.folders import folder
from trendbot.model import Cadence, Digest, RankedPaper, Segment
from trendbot.pagewords import paper_path
from trendbot.settings import Site

MOST_ITEMS = 10
MOST_PAGES = 50_000  # what one sitemap may list

# What XML 1.0 cannot hold, not even escaped (section 2.2).
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAGS = {"p", "ol", "li", "a", "b", "br"}
_ATTRIBUTES = {"a": {"href"}, "li": {"value"}, "p": {"dir"}}
# An empty feed must say too when it changed last (RFC 4287 section 4.1.1).
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Item:
    """One digest in a feed. `html` is safe to show; the rest is plain text."""

    id: str
    url: str
    title: str
    summary: str
    html: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Feed:
    """What a feed says in any form; `url` is its address without the extension."""

    id: str
    url: str
    title: str
    description: str
    site: str
    page_url: str
    updated: datetime
    items: tuple[Item, ...]


def feed_of(digests: Iterable[Digest], cadence: Cadence, topic: str, site: Site) -> Feed:
    """The feed of the first ten `digests` that have papers, in `topic` unless it is "".

    Of their papers only those in `topic` are in it.
    """
    name = text.clean(site.name)
    segment = Segment((topic,) if topic else ())
    chosen = ((digest, compose.papers_for(digest, segment)) for digest in digests)
    filled = islice(((digest, papers) for digest, papers in chosen if papers), MOST_ITEMS)
    items = tuple(_item(digest, papers, topic, site) for digest, papers in filled)
    about = f" in {_shown(topic)}" if topic else ""
    path = f"{cadence}/{topic}" if topic else cadence.value
    return Feed(
        id=tag_uri(site, "2026", f"feeds/{path}"),
        url=f"{site.base_url}/feeds/{path}",
        title=f"{name}: {cadence} digest{about}",
        description=f"The papers{about} with the most retweets and favorites, {cadence}.",
        site=name,
        page_url=f"{site.base_url}/categories/{topic}" if topic else f"{site.base_url}/",
        updated=max((item.made_at for item in items), default=_NEVER),
        items=items,
    )


def tag_uri(site: Site, date: str, name: str) -> str:
    """An id that is nobody else's and stays: a tag URI (RFC 4151).

    Only another host or path in `site.base_url` changes it: not the scheme or the port, nor
    anything a digest says. The path is in it because two trendbots may share a host.
    """
    parts = urlsplit(site.base_url)
    host = (parts.hostname or "").encode("ascii", "backslashreplace").decode()
    authority = re.sub(r"[^a-z0-9.-]", "-", host).strip("-.")
    return f"tag:{authority},{date}:{quote(f'{parts.path}/{name}'.lstrip('/'), safe='/')}"


def paper_url(key: str, site: Site) -> str:
    """The address of our page about a paper, by its key."""
    return f"{site.base_url}{paper_path(key)}"


def atom(feed: Feed) -> bytes:
    """The feed as Atom (RFC 4287)."""
    root = ElementTree.Element("feed", {"xmlns": "http://www.w3.org/2005/Atom", "xml:lang": "en"})
    _add(root, "id", feed.id)
    _add(root, "title", feed.title)
    _add(root, "subtitle", feed.description)
    _add(root, "updated", _rfc3339(feed.updated))
    _add(root, "link", rel="self", type="application/atom+xml", href=f"{feed.url}.atom")
    _add(root, "link", rel="alternate", type="text/html", href=feed.page_url)
    _add(_add(root, "author"), "name", feed.site)
    for item in feed.items:
        entry = _add(root, "entry")
        _add(entry, "id", item.id)
        _add(entry, "title", item.title)
        _add(entry, "link", rel="alternate", type="text/html", href=item.url)
        _add(entry, "published", _rfc3339(item.made_at))
        _add(entry, "updated", _rfc3339(item.made_at))
        _add(entry, "summary", item.summary)
        _add(entry, "content", item.html, type="html")
    return _xml(root)


def rss(feed: Feed) -> bytes:
    """The feed as RSS 2.0, with the whole of each digest in content:encoded."""
    spaces = {
        "xmlns:atom": "http://www.w3.org/2005/Atom",
        "xmlns:content": "http://purl.org/rss/1.0/modules/content/",
        "xmlns:dc": "http://purl.org/dc/elements/1.1/",
    }
    root = ElementTree.Element("rss", {"version": "2.0", **spaces})
    channel = _add(root, "channel")
    _add(channel, "title", feed.title)
    _add(channel, "link", feed.page_url)
    _add(channel, "description", feed.description)
    _add(channel, "language", "en")
    _add(channel, "lastBuildDate", _rfc822(feed.updated))
    _add(channel, "atom:link", rel="self", type="application/rss+xml", href=f"{feed.url}.rss")
    for item in feed.items:
        entry = _add(channel, "item")
        _add(entry, "title", item.title)
        _add(entry, "link", item.url)
        _add(entry, "guid", item.id, isPermaLink="false")
        _add(entry, "pubDate", _rfc822(item.made_at))
        _add(entry, "dc:creator", feed.site)  # RSS's own author must be a mail address
        _add(entry, "description", escape(item.summary))  # read as HTML
        _add(entry, "content:encoded", item.html)
    return _xml(root)


def json_feed(feed: Feed) -> dict[str, Any]:
    """The feed as JSON Feed 1.1."""
    return {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "description": feed.description,
        "home_page_url": feed.page_url,
        "feed_url": f"{feed.url}.json",
        "language": "en",
        "authors": [{"name": feed.site}],
        "items": [
            {
                "id": item.id,
                "url": item.url,
                "title": item.title,
                "summary": item.summary,
                "content_html": item.html,
                "date_published": _rfc3339(item.made_at),
                "date_modified": _rfc3339(item.made_at),
            }
            for item in feed.items
        ],
    }


def sitemap(pages: Mapping[str, datetime | None]) -> bytes:
    """The addresses of pages and when they changed last, the first 50,000 of them."""
    space = "http://www.sitemaps.org/schemas/sitemap/0.9"
    root = ElementTree.Element("urlset", {"xmlns": space})
    for address, changed_at in list(pages.items())[:MOST_PAGES]:
        page = _add(root, "url")
        _add(page, "loc", address)
        if changed_at is not None:
            _add(page, "lastmod", _rfc3339(changed_at))
    return _xml(root)


def _item(digest: Digest, papers: Sequence[RankedPaper], topic: str, site: Site) -> Item:
    day = digest.date.isoformat()
    name = f"digests/{digest.cadence}"
    moved = wording.movements(digest)
    entries = [
        (wording.entry(one), paper_url(one.paper.key, site), moved[one.rank]) for one in papers
    ]
    more = f" and {len(papers) - 1} more" if len(papers) > 1 else ""
    return Item(
        id=tag_uri(site, day, f"{name}/{topic}" if topic else name),
        url=f"{site.base_url}/{name}/{day}",
        title=wording.heading(digest),
        summary=f"{entries[0][0].title}{more}",
        html=_html(digest, entries, topic),
        made_at=digest.made_at,
    )


def _html(digest: Digest, entries: Sequence[tuple[wording.Entry, str, str]], topic: str) -> str:
    written = _templates().get_template("feed/entry.html").render(
        introduction=wording.introduction(
            len(digest.papers), len(digest.papers), Segment(), digest.by
        ),
        topic=_shown(topic) if topic else "",
        counted=wording.moment(digest.counted_at),
        papers=entries,
    )  # fmt: skip
    return nh3.clean(
        written, tags=_TAGS, attributes=_ATTRIBUTES, url_schemes={"http", "https"}, link_rel=None
    ).strip()


def _shown(topic: str) -> str:
    name = name_of(topic)
    return name if name == topic else f"{name} ({topic})"


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(folder("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def _add(
    parent: ElementTree.Element, name: str, content: str = "", **attributes: str
) -> ElementTree.Element:
    legal = {key: _ILLEGAL.sub("", value) for key, value in attributes.items()}
    element = ElementTree.SubElement(parent, name, legal)
    element.text = _ILLEGAL.sub("", content)
    return element


def _xml(root: ElementTree.Element) -> bytes:
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _rfc3339(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _rfc822(moment: datetime) -> str:
    """RFC 822 with the four digits of a year that RSS asks for."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)
