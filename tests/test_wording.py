"""Papers, counts and days in words."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from tests.digests import digest as digest_of
from tests.digests import ranked
from trendbot import wording
from trendbot.honesty import UNLIKED
from trendbot.model import By, Cadence, Digest, Paper, RankedPaper, Segment, Tally
from trendbot.signals import SIGNALS

DAY = date(2026, 11, 20)
COUNTED = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


def digest(cadence: Cadence, since: date, day: date = DAY) -> Digest:
    return Digest(1, cadence, day, since, day, COUNTED, COUNTED, ())


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ((2350, 288), "2,350 retweets · 288 favorites"),
        ((1, 1), "1 retweet · 1 favorite"),
        ((0, 0), "0 retweets · 0 favorites"),
    ],
)
def test_counts(counts: tuple[int, int], said: str) -> None:
    assert wording.counts(*counts) == said


@pytest.mark.parametrize(
    ("signals", "said"),
    [
        ({"x": Tally(12, 90, 30)}, "X: 12 posts"),
        (
            {"huggingface": Tally(1, 0, 41), "x": Tally(1, 2300, 200)},
            "X: 1 post, 2,300 retweets, 200 favorites; Hugging Face: 41 favorites",
        ),
        ({"hotpapers": Tally(1, 5, 6)}, "Hot Papers archive, as printed (overcounts reposts)"),
        (
            {"new\u202e one": Tally(2, 0, 0), "x": Tally(3, 1, 0)},
            "X: 3 posts, 1 retweet; new one: 2 posts",
        ),
        (
            {"x": Tally(3, 900, 0, flag=UNLIKED), "bluesky": Tally(1, 2, 3)},
            "Bluesky: 1 post, 2 retweets, 3 favorites; "
            "X: 3 posts, not counted (many retweets, hardly a favorite)",
        ),
        ({"x": Tally(1, 30, 20, flag="so\x07 it is")}, "X: 1 post, not counted (so it is)"),
        ({}, ""),
    ],
)
def test_by_signal(signals: dict[str, Tally], said: str) -> None:
    assert wording.by_signal(signals) == said


@pytest.mark.parametrize(
    ("authors", "said"),
    [
        ((), ""),
        (("A. Lee", "B. Ray"), "A. Lee, B. Ray"),
        (tuple("ABCD"), "A, B, C, D"),
        (tuple("ABCDE"), "A, B, C and 2 others"),
        (("Erd\\H{o}s  P.", "Eve\r\nBcc: x"), "Erdős P., Eve Bcc: x"),
    ],
)
def test_byline(authors: tuple[str, ...], said: str) -> None:
    assert wording.byline(authors) == said


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "https://example.org/a b",
        'https://example.org/"onclick=',
        "https://example.org/<script>",
        "https://user@example.org/",
        "https://example.org/\nx",
        "//example.org/a",
        "ftp://example.org",
        "https://",
        "https://exämple.org",
        "https://example.org/" + "a" * 200,
        "",
    ],
)
def test_links_that_are_not_plain_http_are_not_shown(url: str) -> None:
    assert wording.links({"abs": url, "pdf": "https://example.org/p.pdf?a=1&b=2#c"}) == (
        ("PDF", "https://example.org/p.pdf?a=1&b=2#c"),
    )


@pytest.mark.parametrize(
    ("made", "heading", "filed"),
    [
        (digest(Cadence.DAILY, DAY), "Daily digest, Friday 20 November 2026", "20 Nov 2026"),
        (
            digest(Cadence.WEEKLY, date(2026, 11, 14)),
            "Weekly digest, 14 to 20 November 2026",
            "20 Nov 2026",
        ),
        (
            digest(Cadence.WEEKLY, date(2026, 10, 29), date(2026, 11, 4)),
            "Weekly digest, 29 October to 4 November 2026",
            "4 Nov 2026",
        ),
        (
            digest(Cadence.WEEKLY, date(2025, 12, 28), date(2026, 1, 3)),
            "Weekly digest, 28 December 2025 to 3 January 2026",
            "3 Jan 2026",
        ),
        (
            digest(Cadence.MONTHLY, date(2026, 11, 1), date(2026, 11, 30)),
            "Monthly digest, November 2026",
            "Nov 2026",
        ),
    ],
)
def test_days(made: Digest, heading: str, filed: str) -> None:
    assert wording.heading(made) == heading
    assert wording.filed(made) == filed


def test_moments_are_said_in_utc() -> None:
    when = datetime(2026, 11, 20, 8, 30, tzinfo=timezone(timedelta(hours=2)))
    assert wording.moment(when) == "20 November 2026, 06:30 UTC"


@pytest.mark.parametrize(
    ("numbers", "topics", "said"),
    [
        ((20, 20), (), "The 20 papers with the most retweets and favorites."),
        ((1, 1), (), "The one paper with the most retweets and favorites."),
        (
            (20, 4),
            ("cs.CL", "math"),
            "Of the 20 papers with the most retweets and favorites, "
            "the 4 in your topics: cs.CL, math.",
        ),
        ((20, 0), ("math",), "No paper was ranked in math."),
        ((0, 0), (), "No paper was ranked."),
    ],
)
def test_introduction(numbers: tuple[int, int], topics: tuple[str, ...], said: str) -> None:
    assert wording.introduction(*numbers, Segment(topics)) == said


@pytest.mark.parametrize(
    ("by", "one", "several"),
    [
        (By.TOTAL, "with the most retweets and favorites", None),
        (By.RISING, "whose retweets and favorites grow fastest", None),
        (
            By.FIELD,
            "that is furthest ahead of its field in retweets and favorites",
            "that are furthest ahead of their fields in retweets and favorites",
        ),
    ],
)
def test_the_introduction_says_what_the_order_is_by(by: By, one: str, several: str | None) -> None:
    assert wording.introduction(1, 1, Segment(), by) == f"The one paper {one}."
    assert wording.introduction(9, 9, Segment(), by) == f"The 9 papers {several or one}."


@pytest.mark.parametrize(
    ("moved", "age", "said"),
    [
        ("up 3", 0, "up 3"),
        ("down 12", 0, "down 12"),
        ("back", 0, "back"),
        ("same", 0, ""),
        ("", 0, ""),
        ("new", 0, "new"),
        ("new", 1, "new, late riser"),
        ("", 9, "late riser"),
        ("up 1", 1, "up 1, late riser"),
    ],
)
def test_how_a_paper_moved(moved: str, age: int, said: str) -> None:
    late = replace(ranked(1, announced=DAY - timedelta(days=age)), movement=moved)
    still = replace(ranked(2), movement="same")
    assert wording.movements(digest_of(late, still)) == {1: said, 2: ""}


def test_news_are_none_where_everything_is_new() -> None:
    new = [replace(ranked(rank), movement="new") for rank in (1, 2)]
    late = replace(ranked(3, announced=DAY - timedelta(days=1)), movement="new")
    assert wording.movements(digest_of(*new)) == {1: "", 2: ""}
    assert wording.movements(digest_of(*new, late)) == {1: "", 2: "", 3: "late riser"}
    assert wording.movements(digest_of()) == {}


def test_an_entry_is_bounded_whatever_the_paper_is() -> None:
    paper = Paper(
        source="arxiv",
        id="2611.00001",
        title="T" * 5000,
        authors=("N" * 5000,) * 3000,
        categories=("c" * 5000,) * 300,
        announced=DAY,
        abstract="a" * 50_000,
        links={"abs": "https://example.org/2611.00001"},
    )
    entry = wording.entry(RankedPaper(1, paper, 10**12, 10**12, 0, {}))
    assert len(entry.title) == wording.LONGEST_TITLE
    assert len(entry.authors) < 220
    assert len(entry.categories) < 120
    assert len(entry.abstract) == wording.LONGEST_ABSTRACT
    assert entry.url == "https://example.org/2611.00001"


def test_a_title_of_nothing_visible_is_replaced_by_the_key() -> None:
    paper = Paper("arxiv", "2611.00001", "\u200b\u202e ", (), (), DAY)
    entry = wording.entry(RankedPaper(1, paper, 1, 1, 0, {}))
    assert entry.title == "arxiv:2611.00001"
    assert entry.url == ""


@pytest.mark.parametrize(
    ("heard", "said"),
    [
        (
            {"hackernews": False, "huggingface": True, "bluesky": True, "x": True},
            "Counted on X, Bluesky and Hugging Face at 06:40 UTC; Hacker News did not answer",
        ),
        ({"mastodon": True}, "Counted on Mastodon at 06:40 UTC"),
        (
            {"x": True, "bluesky": False, "mastodon": False, "hackernews": False},
            "Counted on X at 06:40 UTC; Bluesky, Mastodon and Hacker News did not answer",
        ),
        (
            {"x": False, "bluesky": False},
            "Counted at 06:40 UTC; X and Bluesky did not answer",
        ),
        ({"sample": True}, "Counted on the Hot Papers archive at 06:40 UTC"),
        ({"b": True, "a\n<b>": True, "x": True}, "Counted on X, a <b> and b at 06:40 UTC"),
        ({}, "Counted at 06:40 UTC"),
    ],
)
def test_who_was_heard(heard: dict[str, bool], said: str) -> None:
    kathmandu = timezone(timedelta(hours=5, minutes=45))
    counted_at = datetime(2026, 11, 21, 12, 25, tzinfo=kathmandu)
    assert wording.counted_line(heard, counted_at) == said


def test_every_signal_has_a_name() -> None:
    assert {*SIGNALS, "hotpapers"} <= set(wording.SIGNAL_NAMES)
