"""Feeds keep the rules of their formats, and their ids for ever."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any

import feedparser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.digests import DAY, MADE, digest, ranked
from tests.feed_rules import TAG, check_atom, check_json_feed, check_rss, check_sitemap
from trendbot import feed_forms
from trendbot.feed_forms import Feed, feed_of
from trendbot.model import Cadence, Digest, Tally
from trendbot.settings import Site

SITE = Site(name="Owl Post", base_url="https://owls.example")
HOSTILE = (
    "<script>alert(1)</script>",
    "]]><x/> &amp; &#0; &nosuch; <!-- <![CDATA[",
    '" onmouseover="alert(1)" x="',
    "\x00\x08\x0b\x1b[31m\x7f\x85\ufffe\uffff\ud800lone\udfff",
    "\u202egnp.exe\u2066 \U000e0041 \U0001f989 n\u0303",
    "<a href='javascript:alert(1)'>here</a><img src=x onerror=alert(1)>",
    "$\\frac{a}{b}$ & \\href{javascript:x}{y} {{ 7 * 7 }} {% raw %}",
    "</content></entry></feed><rss>",
)


def of(*found: Digest, topic: str = "", site: Site = SITE) -> Feed:
    return feed_of(found, Cadence.DAILY, topic, site)


def day(number: int, *titles: str) -> Digest:
    when = timedelta(days=number)
    papers = [ranked(rank, title) for rank, title in enumerate(titles or ("A Title",), start=1)]
    return replace(digest(*papers), date=DAY + when, made_at=MADE + when)


def check_all(feed: Feed) -> list[str]:
    """Hold all three forms against their rules; they must have the same ids."""
    ids = check_atom(feed_forms.atom(feed))
    assert check_rss(feed_forms.rss(feed)) == ids
    assert check_json_feed(feed_forms.json_feed(feed)) == ids
    return ids


def parsed(document: bytes) -> Any:
    found = feedparser.parse(document)
    assert not found.bozo, found.get("bozo_exception")
    return found


def test_an_entry_says_what_the_digest_says() -> None:
    paper = ranked(1, "Owls & $O(n^2)$ Bats")
    feed = of(digest(replace(paper, retweets=2350, signals={"x": Tally(3, 2350, 2)})))
    check_all(feed)
    (item,) = feed.items
    assert item.title == "Daily digest, Friday 20 November 2026"
    assert item.url == "https://owls.example/digests/daily/2026-11-20"
    assert item.made_at == MADE
    assert '<a href="https://owls.example/papers/2611.00001"><b>Owls &amp; O(n²) Bats</b></a>' in (
        item.html
    )
    for said in (
        "Ann Lee, Bo Ray",
        "2,350 retweets · 2 favorites",
        "X: 3 posts",
        "We count posts. They are many.",
        '<a href="https://arxiv.org/abs/2611.00001">Abstract</a>',
        "cs.LG, stat.ML",
        "Counted 21 November 2026, 05:50 UTC.",
    ):
        assert said in item.html


def test_readers_find_the_same_in_atom_and_rss() -> None:
    feed = of(day(1, "Owls", "Bats"), day(0))
    for document, own in ((feed_forms.atom(feed), ".atom"), (feed_forms.rss(feed), ".rss")):
        found = parsed(document)
        assert found.feed.title == "Owl Post: daily digest"
        assert found.feed.link == "https://owls.example/"
        (link,) = (link.href for link in found.feed.links if link.rel == "self")
        assert link == f"https://owls.example/feeds/daily{own}"
        assert found.feed.updated_parsed[:5] == (2026, 11, 22, 6, 30)
        assert [entry.id for entry in found.entries] == [item.id for item in feed.items]
        assert [entry.link for entry in found.entries] == [item.url for item in feed.items]
        assert "Owl Post" in (found.feed.get("author"), found.entries[0].get("author"))
        first = found.entries[0]
        assert first.summary == "Owls and 1 more"
        assert first.content[0].type == "text/html"
        assert first.content[0].value.replace("<br />", "<br>") == feed.items[0].html
        assert first.published_parsed[:5] == (2026, 11, 22, 6, 30)


@pytest.mark.parametrize("said", HOSTILE)
def test_nothing_hostile_leaves_its_place(said: str) -> None:
    paper = ranked(
        1, said, authors=(said,), abstract=said, categories=(said,), links={"abs": said}, id=said
    )
    paper = replace(paper, signals={said: Tally(1, 1, 1), "x": Tally(1, 1, 1)})
    feed = of(digest(paper), site=SITE.model_copy(update={"name": said}))
    check_all(feed)
    for write in (feed_forms.atom, feed_forms.rss):
        (entry,) = parsed(write(feed)).entries
        assert "<script" not in entry.content[0].value


@given(st.text(), st.text(st.characters(min_codepoint=0, max_codepoint=0x110000 - 1), min_size=1))
def test_any_title_makes_a_valid_feed(title: str, name: str) -> None:
    feed = of(
        digest(ranked(1, title, authors=(name,))), site=SITE.model_copy(update={"name": f"{name}x"})
    )
    check_all(feed)


def test_xml_gets_no_character_it_cannot_hold() -> None:
    item = replace(of(day(0)).items[0], title="A\x00\x0b\ud800\ufffe\uffffB", html="<p>\x1b</p>")
    feed = replace(of(day(0)), items=(item,))
    assert parsed(feed_forms.atom(feed)).entries[0].title == "AB"
    check_rss(feed_forms.rss(feed))


def test_titles_are_not_read_as_markup() -> None:
    feed = of(digest(ranked(1, "Is <b>a</b> &lt; b?")))
    assert feed.items[0].summary == "Is <b>a</b> &lt; b?"
    assert "<b>Is &lt;b&gt;a&lt;/b&gt; &amp;lt; b?</b>" in feed.items[0].html
    (entry,) = parsed(feed_forms.rss(feed)).entries
    assert unescape(entry.summary) == "Is <b>a</b> &lt; b?"


# What these say is in the memory of every reader's program: never change them.
def test_ids_are_what_they_always_were() -> None:
    weekly = replace(day(0), cadence=Cadence.WEEKLY)
    assert [item.id for item in of(day(0), weekly).items] == [
        "tag:owls.example,2026-11-20:digests/daily",
        "tag:owls.example,2026-11-20:digests/weekly",
    ]
    assert [item.id for item in of(day(0), topic="cs.LG").items] == [
        "tag:owls.example,2026-11-20:digests/daily/cs.LG"
    ]
    assert of().id == "tag:owls.example,2026:feeds/daily"
    assert of(topic="cs").id == "tag:owls.example,2026:feeds/daily/cs"


def test_ids_stay_when_digests_are_added_or_counts_change() -> None:
    before = check_all(of(day(1), day(0)))
    counted = replace(day(1, "Another Title"), papers=(replace(ranked(1), retweets=99_999),))
    after = check_all(of(day(2), counted, day(0)))
    assert after[1:] == before
    assert len(set(after)) == 3


def test_ids_stay_when_the_site_moves_to_https_or_another_port() -> None:
    moved = Site(base_url="http://owls.example:8080")
    assert check_all(of(day(0), site=moved)) == check_all(of(day(0)))


@pytest.mark.parametrize(
    "base_url",
    [
        "http://localhost:8080",
        "https://owls.example/two words%20&more/é",
        "https://bücher.example",
        "http://[::1]:8080",
        "http://user@192.0.2.1",
    ],
)
def test_ids_are_tag_uris_wherever_the_site_is(base_url: str) -> None:
    site = SITE.model_copy(update={"base_url": base_url})
    feed = of(day(0), site=site)
    assert all(TAG.fullmatch(one) for one in (feed.id, feed.items[0].id))


def test_two_sites_on_a_host_share_no_id() -> None:
    physics, law = (Site(base_url=f"https://owls.example/{name}") for name in ("physics", "law"))
    assert not set(check_all(of(day(0), site=physics))) & set(check_all(of(day(0), site=law)))


def test_only_the_newest_ten() -> None:
    feed = of(*(day(number) for number in range(12, 0, -1)))
    assert [item.made_at for item in feed.items] == [
        MADE + timedelta(days=number) for number in range(12, 2, -1)
    ]
    assert feed.updated == MADE + timedelta(days=12)


def test_what_was_made_late_counts_as_news() -> None:
    late = replace(day(0), made_at=MADE + timedelta(days=9))
    assert of(day(1), late).updated == MADE + timedelta(days=9)


def test_a_topic_has_only_its_papers_with_the_places_they_have() -> None:
    papers = (
        ranked(1, "On Owls", categories=("math.CO",)),
        ranked(2, "On Bats", categories=("math.ST", "cs.LG")),
        ranked(3, "On Moths", categories=("cs.CL",)),
    )
    feed = of(digest(*papers), topic="cs.LG")
    check_all(feed)
    (item,) = feed.items
    assert "On Bats" in item.html
    assert '<li value="2">' in item.html
    assert "On Owls" not in item.html
    assert "On Moths" not in item.html
    assert "Here are those in Machine Learning (cs.LG)." in item.html
    assert feed.title == "Owl Post: daily digest in Machine Learning (cs.LG)"
    (item,) = of(digest(*papers), topic="cs").items
    assert item.html.count("<li") == 2
    assert item.summary == "On Bats and 1 more"


def test_digests_without_papers_are_left_out() -> None:
    assert not of(digest()).items
    assert not of(day(0), topic="econ.TH").items
    full = [day(number) for number in range(9, -1, -1)]
    assert len(of(digest(), *full).items) == 10


def test_an_empty_feed_is_valid() -> None:
    assert check_all(of()) == []
    assert parsed(feed_forms.atom(of())).entries == []
    assert parsed(feed_forms.rss(of())).entries == []


def test_a_paper_of_another_source_is_found_by_its_key() -> None:
    paper = ranked(1, source="bio", id="10.1101/2026.11.20 v1?#").paper
    assert feed_forms.paper_url(paper.key, SITE) == (
        "https://owls.example/papers/bio:10.1101/2026.11.20%20v1%3F%23"
    )


def test_a_sitemap() -> None:
    pages = {
        "https://owls.example/": MADE,
        "https://owls.example/papers/a&b": None,
    }
    assert check_sitemap(feed_forms.sitemap(pages)) == {
        "https://owls.example/": "2026-11-21T06:30:00Z",
        "https://owls.example/papers/a&b": None,
    }


def test_a_sitemap_lists_no_more_than_it_may() -> None:
    moment = datetime.combine(date(2026, 11, 20), datetime.min.time(), UTC)
    pages = {f"https://owls.example/papers/{number}": moment for number in range(50_001)}
    found = check_sitemap(feed_forms.sitemap(pages))
    assert list(found) == list(pages)[:50_000]
