"""The rules of the three feed formats, to hold a feed against. Each check returns the ids."""

import re
from collections import Counter
from datetime import datetime
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

ATOM = "{http://www.w3.org/2005/Atom}"
CONTENT = "{http://purl.org/rss/1.0/modules/content/}"
DC = "{http://purl.org/dc/elements/1.1/}"
SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"

# RFC 3339 with the capitals RFC 4287 section 3.3 asks for.
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
# RFC 4151 section 2.1: tag:authority,date:specific
TAG = re.compile(
    r"tag:[a-z0-9]+(?:[a-z0-9.-]*[a-z0-9])?,\d{4}(?:-\d\d(?:-\d\d)?)?"
    r":(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-F]{2})*"
)
# RFC 822 section 5, with four digits of a year
RFC822 = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) "
    r"\d{4} \d\d:\d\d:\d\d (GMT|[+-]\d{4})"
)


def check_atom(document: bytes) -> list[str]:
    """Hold a feed against RFC 4287."""
    feed = ElementTree.fromstring(document)
    assert feed.tag == f"{ATOM}feed"
    # Section 4.1.1
    once(feed, "id", "title", "updated")
    at_most_once(feed, "subtitle", "generator", "icon", "logo", "rights")
    only(feed, "id title subtitle updated link author generator entry")
    (author,) = feed.findall(f"{ATOM}author")
    once(author, "name")  # section 3.2
    check_links(feed)
    (own,) = (link for link in feed.findall(f"{ATOM}link") if link.get("rel") == "self")
    assert own.get("type") == "application/atom+xml"
    assert TAG.fullmatch(text(feed, "id"))
    check_moment(text(feed, "updated"))
    entries = feed.findall(f"{ATOM}entry")
    ids = [check_atom_entry(entry) for entry in entries]
    assert len(set(ids)) == len(ids)  # section 4.1.1, about atom:entry
    assert text(feed, "id") not in ids
    return ids


def check_atom_entry(entry: ElementTree.Element) -> str:
    # Section 4.1.2
    once(entry, "id", "title", "updated")
    at_most_once(entry, "published", "summary", "content", "rights", "source")
    only(entry, "id title link published updated summary content")
    check_links(entry)
    assert any(link.get("rel") == "alternate" for link in entry.findall(f"{ATOM}link"))
    published, updated = (check_moment(text(entry, name)) for name in ("published", "updated"))
    assert published <= updated
    for name in ("title", "summary"):  # section 3.1.1: plain text holds no elements
        element = entry.find(f"{ATOM}{name}")
        assert element is not None
        assert element.get("type", "text") == "text"
        assert not len(element)
        assert text(entry, name).strip()
    content = entry.find(f"{ATOM}content")
    assert content is not None
    assert content.get("type") == "html"  # section 4.1.3.3
    assert not len(content)
    check_html(content.text or "")
    assert TAG.fullmatch(text(entry, "id"))
    return text(entry, "id")


def check_links(element: ElementTree.Element) -> None:
    links = element.findall(f"{ATOM}link")
    for link in links:  # section 4.2.7
        check_url(link.attrib["href"])
        assert set(link.attrib) <= {"href", "rel", "type", "hreflang", "title", "length"}
    alternates = [
        (link.get("type"), link.get("hreflang")) for link in links if link.get("rel") == "alternate"
    ]
    assert len(alternates) == len(set(alternates))


def check_rss(document: bytes) -> list[str]:
    """Hold a feed against https://www.rssboard.org/rss-specification and its best practices."""
    root = ElementTree.fromstring(document)
    assert root.tag == "rss"
    assert root.get("version") == "2.0"
    (channel,) = root
    names = Counter(child.tag for child in channel)
    required = {"title", "link", "description"}
    optional = {"language", "lastBuildDate", "pubDate", "generator", f"{ATOM}link", "item"}
    assert required <= set(names) <= required | optional
    assert all(count == 1 for name, count in names.items() if name != "item")
    check_url(channel.findtext("link", ""))
    assert channel.findtext("title", "").strip()
    assert channel.findtext("description", "").strip()
    check_date(channel.findtext("lastBuildDate", ""))
    own = channel.find(f"{ATOM}link")
    assert own is not None
    assert own.get("rel") == "self"
    assert own.get("type") == "application/rss+xml"
    check_url(own.attrib["href"])
    ids = [check_rss_item(item) for item in channel.findall("item")]
    assert len(set(ids)) == len(ids)
    return ids


def check_rss_item(item: ElementTree.Element) -> str:
    names = Counter(child.tag for child in item)
    known = {"title", "link", "guid", "pubDate", "description", f"{CONTENT}encoded", f"{DC}creator"}
    assert names == dict.fromkeys(known, 1)
    assert not any(len(child) for child in item)
    check_url(item.findtext("link", ""))
    check_date(item.findtext("pubDate", ""))
    check_html(item.findtext("description", ""))
    check_html(item.findtext(f"{CONTENT}encoded", ""))
    guid = item.find("guid")
    assert guid is not None
    assert guid.attrib == {"isPermaLink": "false"}
    assert guid.text
    return guid.text


def check_json_feed(feed: dict[str, Any]) -> list[str]:
    """Hold a feed against https://www.jsonfeed.org/version/1.1/."""
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert isinstance(feed["title"], str)
    known = "version title description home_page_url feed_url language authors items icon expired"
    assert set(feed) <= set(known.split())
    for name in ("home_page_url", "feed_url"):
        check_url(feed[name])
    assert all(set(author) & {"name", "url", "avatar"} for author in feed["authors"])
    known = "id url title summary content_html date_published date_modified authors tags language"
    for item in feed["items"]:
        assert set(item) <= set(known.split())
        assert isinstance(item["id"], str)
        assert isinstance(item["content_html"], str)
        check_url(item["url"])
        check_html(item["content_html"])
        assert check_moment(item["date_published"]) <= check_moment(item["date_modified"])
    ids = [item["id"] for item in feed["items"]]
    assert len(set(ids)) == len(ids)
    return ids


def check_sitemap(document: bytes) -> dict[str, str | None]:
    """Hold a sitemap against https://www.sitemaps.org/protocol.html; returns what it lists."""
    root = ElementTree.fromstring(document)
    assert root.tag == f"{SITEMAP}urlset"
    assert len(document) <= 50 * 1024 * 1024
    assert len(root) <= 50_000
    pages = {}
    for page in root:
        assert page.tag == f"{SITEMAP}url"
        assert {child.tag for child in page} <= {f"{SITEMAP}loc", f"{SITEMAP}lastmod"}
        address, changed = page.findtext(f"{SITEMAP}loc", ""), page.findtext(f"{SITEMAP}lastmod")
        check_url(address)
        assert len(address) < 2048
        if changed is not None:
            check_moment(changed)
        assert address not in pages
        pages[address] = changed
    return pages


def check_html(html: str) -> None:
    """Only harmless elements and absolute http(s) links are in it, and every one is closed."""
    checker = _Harmless()
    checker.feed(html)
    checker.close()
    assert not checker.open, checker.open


class _Harmless(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in {"p", "ol", "li", "a", "b", "br"}, tag
        for name, value in attrs:
            assert (tag, name) in {("a", "href"), ("li", "value"), ("p", "dir")}, name
            if name == "href":
                check_url(value or "")
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)


def check_url(url: str) -> None:
    parts = urlsplit(url)
    assert parts.scheme in ("http", "https"), url
    assert parts.netloc, url
    assert re.fullmatch(r"[!-~]+", url), url


def check_moment(written: str) -> datetime:
    assert RFC3339.fullmatch(written), written
    return datetime.fromisoformat(written)


def check_date(written: str) -> None:
    assert RFC822.fullmatch(written), written
    parsedate_to_datetime(written)


def text(element: ElementTree.Element, name: str) -> str:
    return element.findtext(f"{ATOM}{name}", "")


def once(element: ElementTree.Element, *names: str) -> None:
    for name in names:
        assert len(element.findall(f"{ATOM}{name}")) == 1, name
        assert text(element, name).strip(), name


def at_most_once(element: ElementTree.Element, *names: str) -> None:
    for name in names:
        assert len(element.findall(f"{ATOM}{name}")) <= 1, name


def only(element: ElementTree.Element, names: str) -> None:
    assert {child.tag for child in element} <= {f"{ATOM}{name}" for name in names.split()}
