"""The upstream's API and RSS have the elements of the real feeds."""

from datetime import date
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.upstream.client import get
from tests.upstream.server import Upstream

NAMES = {
    "a": "http://www.w3.org/2005/Atom",
    "s": "http://a9.com/-/spec/opensearch/1.1/",
    "x": "http://arxiv.org/schemas/atom",
    "dc": "http://purl.org/dc/elements/1.1/",
}


def results(upstream: Upstream, **query: Any) -> tuple[str | None, list[str]]:
    """The total, and the ids of this page."""
    root = ET.fromstring(get(upstream.arxiv_api, **query).content)
    ids = [node.text or "" for node in root.findall("a:entry/a:id", NAMES)]
    return root.findtext("s:totalResults", None, NAMES), [one.rpartition("/")[2] for one in ids]


def test_api_finds_by_category_and_submission(upstream: Upstream) -> None:
    query = "cat:cs.LG AND submittedDate:[202611181900 TO 202611191859]"
    total, ids = results(
        upstream, search_query=query, sortBy="submittedDate", sortOrder="ascending", max_results=3
    )
    assert total == "4"
    assert ids == ["2611.10001v1", "2611.10002v1", "2611.10004v1"]
    assert results(upstream, search_query=query, start=4) == ("4", [])
    either = "(cat:cs.CV OR cat:cs.CL) AND au:holm"
    assert results(upstream, search_query=either) == ("1", ["2611.08001v1"])


def test_api_looks_up_ids_of_both_schemes(upstream: Upstream) -> None:
    assert results(upstream, id_list="hep-th/9901002,2611.09001v1", sortOrder="ascending") == (
        "2",
        ["2611.09001v2", "9901002v2"],
    )
    assert results(upstream, id_list="0000.0000") == ("0", [])


def test_api_names_a_bad_id(upstream: Upstream) -> None:
    reply = get(upstream.arxiv_api, id_list="abc")
    root = ET.fromstring(reply.content)
    assert reply.status_code == 400
    assert root.findtext("a:entry/a:title", None, NAMES) == "Error"
    assert root.findtext("a:entry/a:summary", None, NAMES) == "incorrect id format for abc"


def test_api_entry_has_what_the_real_one_has(upstream: Upstream) -> None:
    root = ET.fromstring(get(upstream.arxiv_api, id_list="2611.10001").content)
    entry = root.find("a:entry", NAMES)
    assert entry is not None
    tags = [node.tag.rpartition("}")[2] for node in entry]
    assert tags == [
        *("id", "title", "updated", "link", "link", "summary", "category", "category"),
        *("category", "published", "comment", "primary_category", "author", "author", "author"),
    ]


def test_rss_has_today_with_announce_types(upstream: Upstream) -> None:
    reply = get(f"{upstream.rss}/cs.LG")
    items = ET.fromstring(reply.content).findall("channel/item")
    kinds = {
        item.findtext("guid", ""): item.findtext("x:announce_type", "", NAMES) for item in items
    }
    assert kinds == {
        "oai:arXiv.org:2611.10001v1": "new",
        "oai:arXiv.org:2611.10005v1": "new",
        "oai:arXiv.org:2611.10002v1": "cross",
        "oai:arXiv.org:2611.10004v1": "cross",
        "oai:arXiv.org:2607.04412v3": "replace",
        "oai:arXiv.org:2611.09001v2": "replace",
        "oai:arXiv.org:hep-th/9901002v2": "replace-cross",
    }
    assert items[0].findtext("dc:creator", "", NAMES) == "Ada Quintero, Min-jun Seo, Lena B. Vogt"
    assert (items[0].findtext("description") or "").startswith(
        "arXiv:2611.10001v1 Announce Type: new \nAbstract: Agents learn"
    )
    again = get(f"{upstream.rss}/cs.LG", {"If-None-Match": reply.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("day", [date(2026, 11, 18), date(2026, 11, 21)])
def test_rss_is_empty_on_quiet_days_and_weekends(upstream: Upstream, day: date) -> None:
    upstream.world.move_to(day)
    assert b"<item>" not in get(f"{upstream.rss}/cs.LG").content


def test_rss_names_a_bad_category(upstream: Upstream) -> None:
    reply = get(f"{upstream.rss}/cs.LG+cs.lg")
    assert reply.status_code == 400
    assert b"<title>Feed error for query: cs.LG+cs.lg</title>" in reply.content
