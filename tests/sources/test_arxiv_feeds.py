"""arXiv's feeds, the fallback of its pages."""

from datetime import date
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sources.data import feeds
from trendbot.errors import SourceError
from trendbot.sources.arxiv_feeds import parse_results, parse_rss, submissions_of
from trendbot.sources.arxiv_pages import one_line

DATA = Path(__file__).parent / "data"
RSS = (DATA / "feed.rss").read_text(encoding="utf-8")
ATOM = (DATA / "results.atom").read_text(encoding="utf-8")
DAY = feeds.DAY
LAUGHS = (
    '<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    "<rss><channel><title>&b;</title></channel></rss>"
)
# What XML 1.0 can carry.
in_xml = st.characters(codec="utf-8", exclude_categories=["Cc", "Cn"])
readable = st.text(in_xml, min_size=1, max_size=40).filter(one_line)


def test_rss_gives_what_is_new_and_cross_listed() -> None:
    assert parse_rss(RSS) == feeds.FEED


def test_api_gives_all_entries() -> None:
    assert parse_results(ATOM, DAY) == feeds.RESULTS


@settings(max_examples=50, deadline=None)
@given(readable, readable)
def test_whatever_authors_write_comes_back(title: str, name: str) -> None:
    changed = ATOM.replace("Knots Before Noon", escape(title)).replace("Haru Tanaka", escape(name))
    paper = parse_results(changed, DAY).papers[1]
    assert (paper.title, paper.authors) == (one_line(title), (one_line(name),))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cs.LG updates on", "Feed error for query: cs.LG", "RSS: Feed error for query: cs.LG"),
        ("<channel>", "<box><channel>", "no well-formed XML"),
        ("channel>", "canal>", "RSS without channel"),
        ("rss ", "rdf ", "no well-formed XML"),
        ("<pubDate>Fri, 20", "<pubDate>One, 2O", "RSS with the pubDate 'One, 2O Nov"),
        ("</link>\n      <description>", "</link><pubDate>Thu, 19 Nov 2026 00:00:00 -0500</pubDate>"
         "<description>", "RSS of 2026-11-20 with an entry of 2026-11-19: the feed is stale"),
        ("type>cross<", "type>crossed<", "RSS entry 2 has the unknown announce_type 'crossed'"),
        ("oai:arXiv.org:2611.20001v1", "oai:x", "RSS entry 1 has no identifier"),
        ("Ngozi Okoro, Aimée Lévêque", "", r"RSS entry 1 \(arXiv:2611.20001\) has no authors"),
        ("Abstract: We", "We", r"RSS entry 2 \(arXiv:math/0309136\) has no abstract"),
        ("<category>math.GT</category>\n      <category>cs.LG</category>", "", "has no categories"),
    ],
)  # fmt: skip
def test_a_changed_rss_says_what_is_wrong(old: str, new: str, message: str) -> None:
    assert old in RSS
    with pytest.raises(SourceError, match=message):
        parse_rss(RSS.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("opensearch:totalResults>", "opensearch:total>", "API answer without totalResults"),
        (">2<", ">many<", "API answer without totalResults"),
        ("Knots Before Noon", "Error", "API: We untie."),
        ("arxiv.org/abs/2611", "arxiv.org/doc/2611", "API entry 1 has no identifier"),
        ("<name>Haru Tanaka</name>", "", r"API entry 2 \(arXiv:math/0309136\) has no authors"),
        ("We untie.", " ", r"API entry 2 \(arXiv:math/0309136\) has no abstract"),
        ('xmlns="http://www.w3.org/2005/Atom"', "", "XML of another kind: 'feed'"),
    ],
)
def test_a_changed_api_says_what_is_wrong(old: str, new: str, message: str) -> None:
    assert old in ATOM
    with pytest.raises(SourceError, match=message):
        parse_results(ATOM.replace(old, new), DAY)


def test_a_full_rss_may_be_cut() -> None:
    start, end = RSS.index("    <item>"), RSS.index("    <item>", RSS.index("    <item>") + 1)
    full = RSS[:start] + RSS[start:end] * 2000 + RSS[end:]
    with pytest.raises(SourceError, match="RSS is cut at 2000 entries"):
        parse_rss(full)


def test_an_empty_rss_is_a_feed_without_papers() -> None:
    empty = RSS[: RSS.index("    <item>")] + "</channel></rss>"
    assert parse_rss(empty).papers == ()


@pytest.mark.parametrize("xml", [LAUGHS, '<!ENTITY x "y"><rss/>'])
def test_document_types_are_refused(xml: str) -> None:
    with pytest.raises(SourceError, match="XML with a document type; refused"):
        parse_rss(xml)


@given(st.text() | st.text("<>/=\"' rsfed", max_size=200))
def test_anything_else_is_refused(xml: str) -> None:
    with pytest.raises(SourceError):
        parse_rss(xml)
    with pytest.raises(SourceError):
        parse_results(xml, DAY)


@pytest.mark.parametrize(
    ("day", "span"),
    [
        # 14:00 in New York is 19:00 GMT in winter, 18:00 in summer.
        (date(2026, 11, 16), "[202611121900 TO 202611131859]"),  # Monday: Thursday to Friday
        (date(2026, 11, 17), "[202611131900 TO 202611161859]"),  # Tuesday: Friday to Monday
        (date(2026, 11, 18), "[202611161900 TO 202611171859]"),
        (date(2026, 11, 19), "[202611171900 TO 202611181859]"),
        (date(2026, 11, 20), "[202611181900 TO 202611191859]"),
        (date(2026, 7, 8), "[202607061800 TO 202607071759]"),
        (date(2026, 11, 3), "[202610301800 TO 202611021859]"),  # over the change of clocks
    ],
)
def test_submissions_of_a_day(day: date, span: str) -> None:
    assert submissions_of(day) == span
