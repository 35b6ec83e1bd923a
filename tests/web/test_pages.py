"""What readers find on the pages: digests, their calendar, papers, categories."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from tests.web.reading import links, one, read, said
from tests.web.visitors import NO_LIMITS, Visitor
from tests.web.world import FRIDAY, MADE, a_paper, fill, fill_with_owls, posts_about
from trendbot.model import By, Cadence, Paper, RankedPaper, Tally
from trendbot.store import digests, papers
from trendbot.web import pages

HOSTILE = "\"><script>alert(1)</script>\u202e & 'x' {{ 7*7 }}"


@pytest.fixture
def visitor(engine: Engine, tmp_path: Path) -> Iterator[Visitor]:
    visitor = Visitor(engine, tmp_path, NO_LIMITS)
    yield visitor
    assert not visitor.client.cookies


@pytest.fixture
def owls(visitor: Visitor) -> Visitor:
    """A visitor to a site that has something to read."""
    fill_with_owls(visitor.engine)
    return visitor


# The front page


def test_front_page_shows_the_latest_daily_digest_and_the_form(owls: Visitor) -> None:
    page = read(owls, "/")
    assert said(one(page, "main h2.first")) == "Daily digest, 14 to 20 November 2026"
    assert "Counted 21 November 2026, 06:30 UTC." in said(page)
    assert [said(tag) for tag in page.select(".papers .rank")] == [f"{n}." for n in range(1, 23)]
    form = one(page, "form[method=post]")
    assert form["action"] == "/subscribe"
    assert {str(tag["name"]) for tag in form.select("[name]")} == {"email", "cadence", "website"}
    assert "/subscribe" in links(form)
    assert "/digests/monthly/2026-10-31" in links(one(page, "aside"))


def test_front_page_takes_another_cadence_where_no_day_was_counted(
    visitor: Visitor, engine: Engine
) -> None:
    with engine.begin() as conn:
        digests.freeze(conn, Cadence.WEEKLY, FRIDAY, FRIDAY, FRIDAY, MADE, MADE, [])
    assert "Weekly digest" in said(one(read(visitor, "/"), "main h2.first"))


def test_front_page_without_any_digest_invites(visitor: Visitor) -> None:
    page = read(visitor, "/")
    assert "The first digest is being made" in said(page)
    assert page.select("form[action='/subscribe']")


def test_feeds_can_be_discovered(owls: Visitor) -> None:
    page = read(owls, "/")
    found = {(tag["type"], tag["href"]) for tag in page.select("link[rel=alternate]")}
    kinds = {"atom+xml": "atom", "rss+xml": "rss", "feed+json": "json"}
    assert found == {
        (f"application/{kind}", f"/feeds/{cadence}.{form}")
        for kind, form in kinds.items()
        for cadence in Cadence
    }
    for _, href in found:
        assert owls.get(str(href)).status_code == 200


# A digest


def test_digest_page_says_all_of_its_papers(owls: Visitor) -> None:
    page = read(owls, f"/digests/daily/{FRIDAY}")
    assert said(one(page, "h1")) == "Daily digest, 14 to 20 November 2026"
    paper = page.select(".papers > li")[1]
    assert one(paper, "h2 a")["href"] == "/papers/2611.00002"
    assert "Ada Moreno-2, Béla Moreno-2, Chloé Moreno-2" in said(paper)
    assert "800 retweets · 180 favorites" in said(paper)
    assert "X: 1 post, 400 retweets, 90 favorites; Hugging Face: 400 retweets" in said(paper)
    assert "We show that owl 0 hoots 2⁰ times." in said(paper)
    out = ["https://arxiv.org/abs/2611.00002", "https://arxiv.org/pdf/2611.00002"]
    topics = [f"/categories/{one}" for one in ("math.CO", "cs.DM", "math.PR")]
    assert links(paper) == ["/papers/2611.00002", *topics, *out]


def test_digest_page_leads_to_others_and_to_other_forms(owls: Visitor) -> None:
    page = read(owls, f"/digests/daily/{FRIDAY - timedelta(days=1)}")
    turn = one(page, "nav.turn")
    assert links(turn) == ["/digests/daily/2026-11-18", "/digests/daily/2026-11-20"]
    assert said(turn) == "Before 18 November 2026 After 20 November 2026"
    assert {"/api/digests/daily/2026-11-19", "/feeds/daily.atom"} <= set(links(page))
    first = read(owls, "/digests/daily/2026-11-18")
    assert links(one(first, "nav.turn")) == ["/digests/daily/2026-11-19"]


def test_digest_page_has_a_preview_and_one_address(owls: Visitor) -> None:
    page = read(owls, f"/digests/weekly/{FRIDAY}")
    address = "https://trends.example.org/digests/weekly/2026-11-20"
    assert one(page, "link[rel=canonical]")["href"] == address
    assert one(page, "meta[property='og:url']")["content"] == address
    title = "Weekly digest, 14 to 20 November 2026"
    assert one(page, "meta[property='og:title']")["content"] == title
    assert one(page, "title").get_text() == f"{title} · Trends"
    description = str(one(page, "meta[name=description]")["content"])
    assert description.startswith("Counting Moths & Lamps in Linear Time (1) · Étale Nests")
    assert not page.select("meta[name=robots]")


def test_papers_tell_how_they_moved(visitor: Visitor, engine: Engine) -> None:
    monday = FRIDAY - timedelta(days=4)
    shown = [replace(a_paper(1), announced=monday - timedelta(days=1)), a_paper(2), a_paper(3)]
    with engine.begin() as conn:
        papers.upsert(conn, shown, MADE)
        ids = papers.ids_of(conn, [paper.key for paper in shown])
        ranked = [
            (ids[paper.key], RankedPaper(rank, paper, 5, 4, 1, {"x": Tally(1, 4, 1)}, 5, moved))
            for rank, paper, moved in zip((1, 2, 3), shown, ("up 3", "new", "same"), strict=True)
        ]
        window = (FRIDAY, monday, FRIDAY)
        heard = {"x": True, "hackernews": False}
        digests.freeze(conn, Cadence.WEEKLY, *window, MADE, MADE, ranked, By.RISING, heard)
    page = read(visitor, f"/digests/weekly/{FRIDAY}")
    assert "Counted on X at 06:30 UTC; Hacker News did not answer." in said(page)
    assert "The 3 papers whose retweets and favorites grow fastest." in said(page)
    assert [said(one(paper, ".counts")) for paper in page.select(".papers > li")] == [
        "4 retweets · 1 favorite up 3, late riserX: 1 post",
        "4 retweets · 1 favorite newX: 1 post",
        "4 retweets · 1 favoriteX: 1 post",
    ]
    listed = read(visitor, "/categories/cs.CL").select(".counts")  # here everything is new
    assert "late riser" in said(listed[0])
    feed = visitor.get("/feeds/weekly.atom").text
    assert "(up 3, late riser)" in feed
    assert "(new)" in feed


@pytest.mark.parametrize(
    "path",
    [
        "daily/2020-02-29",
        "daily/2026-02-30",
        "daily/20261120",
        "daily/1763596800",
        "hourly/2026-11-20",
        "DAILY/2026-11-20",
        "weekly/2026-11-19",
        "daily/2026-11-20/",
        "daily/٢٠٢٦-١١-٢٠",
    ],
)
def test_there_is_no_page_of_what_is_no_digest(owls: Visitor, path: str) -> None:
    answer = owls.get(f"/digests/{path}")
    assert answer.status_code == 404
    assert "There is no such page" in answer.text


def test_an_empty_digest_says_so(visitor: Visitor, engine: Engine) -> None:
    with engine.begin() as conn:
        digests.freeze(conn, Cadence.DAILY, FRIDAY, FRIDAY, FRIDAY, MADE, MADE, [])
    page = read(visitor, f"/digests/daily/{FRIDAY}")
    assert "No paper was ranked." in said(page)
    assert not page.select(".papers")


def wordy(number: int, word: str = "owl & moth ") -> Paper:
    """As much as a paper can say."""
    return replace(
        a_paper(number),
        title=f"{number} {word * 100}",
        abstract=word * 200,
        authors=tuple(f"{one} {word * 20}" for one in range(300)),
    )


@pytest.mark.parametrize("word", ["owl & moth ", '"<&>"', "夜梟 "])
def test_no_page_is_too_large(visitor: Visitor, engine: Engine, word: str) -> None:
    with engine.begin() as conn:
        shown = [wordy(number, word) for number in range(100)]
        papers.upsert(conn, shown, MADE)
        ids = papers.ids_of(conn, [paper.key for paper in shown])
        signals = {f"signal {n} {word * 9}": Tally(1, 2, 3) for n in range(9)}
        entries = [
            (ids[paper.key], RankedPaper(rank, paper, 9, 8, 7, signals))
            for rank, paper in enumerate(shown, 1)
        ]
        for cadence, size in ((Cadence.DAILY, 100), (Cadence.WEEKLY, 20)):
            window = (FRIDAY, FRIDAY, MADE, MADE)
            digests.freeze(conn, cadence, FRIDAY, *window, entries[:size])
    for path, size in (("/", 100), ("/digests/daily/2026-11-20", 100)):
        page = read(visitor, path)
        assert len(str(page).encode()) <= pages.LARGEST
        assert len(page.select(".papers > li")) == size
    weekly = read(visitor, "/digests/weekly/2026-11-20")
    assert len(weekly.select(".papers > li")) == 20
    for path in ("/categories/cs", "/papers/2611.00007"):
        assert len(visitor.get(path).content) <= pages.LARGEST


def test_twenty_papers_with_usual_abstracts_are_all_shown_in_full(owls: Visitor) -> None:
    page = read(owls, f"/digests/daily/{FRIDAY}")
    assert not page.select(".brief")
    assert all(len(said(tag)) > 350 for tag in page.select(".abstract"))


# The archive


def test_archive_is_a_calendar_that_can_be_listened_to(owls: Visitor) -> None:
    page = read(owls, "/archive")
    table = one(page, "table.month")
    assert said(one(table, "caption")) == "November 2026"
    headers = table.select("th[scope=col] abbr")
    assert [str(tag["title"]) for tag in headers][::6] == ["Monday", "Sunday"]
    day = one(table, "a[href='/digests/daily/2026-11-20']")
    assert (said(day), day["aria-label"]) == ("20", "20 November 2026, 22 papers")
    row = table.select("tbody tr")[3]
    assert [said(cell) for cell in row.select("td")] == [str(n) for n in range(16, 23)]
    assert len(table.select("a")) == 3


def test_archive_lists_what_is_not_daily(owls: Visitor) -> None:
    page = read(owls, "/archive/2026")
    assert {"/digests/weekly/2026-11-20", "/digests/monthly/2026-10-31"} <= set(links(page))
    assert "October 2026 22 papers" in said(page)
    assert links(one(page, "nav[aria-label=Years]")) == ["/archive/2026", "/archive/2025"]
    before = read(owls, "/archive/2025")
    assert "/digests/monthly/2025-10-31" in links(before)
    assert not before.select("table")


@pytest.mark.parametrize("year", ["1999", "2024", "x", "20266", "２０２６", "0"])
def test_there_is_no_archive_of_other_years(owls: Visitor, year: str) -> None:
    assert owls.get(f"/archive/{year}").status_code == 404


def test_an_empty_archive_says_so(visitor: Visitor) -> None:
    assert "There is no digest yet." in said(read(visitor, "/archive"))


# Categories


def test_categories_say_how_many_papers_digests_had(owls: Visitor) -> None:
    page = read(owls, "/categories")
    lines = {said(one(tag, "b")): said(tag) for tag in page.select(".topics li")}
    assert lines["cs.LG"] == "cs.LG Machine Learning 5 papers"
    assert lines["cs.RO"] == "cs.RO Robotics"
    assert lines["quant-ph"] == "quant-ph Quantum Physics 5 papers"
    assert "/categories/cs" in links(page)


def test_category_page_shows_its_papers_in_pages(owls: Visitor, engine: Engine) -> None:
    page = read(owls, "/categories/cs.LG")
    assert said(one(page, "h1")) == "cs.LG, Machine Learning"
    first = page.select(".papers > li")[0]
    assert said(one(first, ".counts")) == (
        "800 retweets · 180 favorites, counted 21 November 2026, 06:30 UTC "
        "4. in the monthly digest of 31 October 2025"
    )
    assert {"/feeds/daily/cs.LG.atom", "/subscribe?topics=cs.LG"} <= set(links(page))
    assert one(page, "form[action='/search'] input[name=category]")["value"] == "cs.LG"
    assert not page.select("nav.turn a")
    with engine.begin() as conn:
        more = [replace(a_paper(n), categories=("cs.LG",)) for n in range(100, 120)]
        papers.upsert(conn, more, MADE)
        ids = papers.ids_of(conn, [paper.key for paper in more])
        entries = [
            (ids[paper.key], RankedPaper(rank, paper, 9, 8, 7, {"x": Tally(1, 8, 7)}))
            for rank, paper in enumerate(more, 1)
        ]
        day = FRIDAY + timedelta(days=1)
        digests.freeze(conn, Cadence.DAILY, day, day, day, MADE, MADE, entries)
    newest = read(owls, "/categories/cs.LG")
    assert len(newest.select(".papers > li")) == 20
    assert "daily digest of 21 November 2026" in said(newest.select(".papers > li")[0])
    assert links(one(newest, "nav.turn")) == ["/categories/cs.LG?page=2"]
    older = read(owls, "/categories/cs.LG?page=2")
    assert len(older.select(".papers > li")) == 5
    assert links(one(older, "nav.turn")) == ["/categories/cs.LG"]
    assert str(one(older, "link[rel=canonical]")["href"]).endswith("/categories/cs.LG?page=2")
    assert "There are no more papers." in said(read(owls, "/categories/cs.LG?page=3"))


def test_an_archive_is_a_category_too(owls: Visitor) -> None:
    assert len(read(owls, "/categories/math").select(".papers > li")) == 6
    assert "No digest had a paper of this category yet." in said(read(owls, "/categories/hep-th"))


@pytest.mark.parametrize("path", ["cs.lg", "owls", "cs.", "cs.LG/", "%00"])
def test_there_is_no_page_of_unknown_categories(owls: Visitor, path: str) -> None:
    assert owls.get(f"/categories/{path}").status_code in (400, 404)


@pytest.mark.parametrize("page", ["0", "-1", "x", "1001", "9" * 40])
def test_a_page_that_is_none_is_refused_calmly(owls: Visitor, page: str) -> None:
    for path in ("/categories/cs.LG", "/search"):
        answer = owls.get(f"{path}?page={page}")
        assert answer.status_code == 422
        assert "<h1>" in answer.text


# All of them


def test_nothing_hostile_is_more_than_text(visitor: Visitor, engine: Engine) -> None:
    paper = replace(
        a_paper(1),
        title=HOSTILE,
        authors=(HOSTILE,),
        abstract=HOSTILE,
        comments=HOSTILE,
        categories=("cs.LG", HOSTILE[:20]),
        links={"abs": "javascript:alert(1)", "pdf": 'https://x/"onclick="y'},
    )
    fill(engine, [paper], posts_about(paper, HOSTILE, HOSTILE, "javascript:alert(1)"))
    paths = ("/", "/digests/daily/2026-11-20", "/papers/2611.00001", "/categories/cs.LG")
    for path in (*paths, "/search?q=alert", f"/search?q={HOSTILE}"):
        page = read(visitor, path)
        assert not page.select("script"), path
        assert "\u202e" not in str(page)
        assert "49" not in said(one(page, "main"))
        assert not [href for href in links(page) if not href.startswith(("/", "https://", "#"))]
        assert not [tag for tag in page.find_all(True) if "onclick" in tag.attrs]


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/", 3),
        ("/digests/daily/2026-11-19", 3),
        ("/archive", 2),
        ("/papers/2611.00001", 10),
        ("/categories", 1),
        ("/categories/cs.LG", 1),
    ],
)
def test_queries_are_few_however_many_papers(owls: Visitor, path: str, most: int) -> None:
    asked: list[str] = []

    def note(*told: object) -> None:
        asked.append(str(told[2]))

    event.listen(owls.engine, "before_cursor_execute", note)
    read(owls, path)
    event.remove(owls.engine, "before_cursor_execute", note)
    assert len([one for one in asked if one.startswith(("SELECT", "WITH"))]) <= most


def test_times_are_said_to_programs_too(owls: Visitor) -> None:
    for path in ("/", "/digests/daily/2026-11-20", "/papers/2611.00001", "/categories/cs.LG"):
        times = {str(tag["datetime"]): said(tag) for tag in read(owls, path).select("time")}
        assert times["2026-11-21T06:30+00:00"] == "21 November 2026, 06:30 UTC"


def test_dates_are_read_as_they_are_written() -> None:
    assert pages._date("2026-11-20") == date(2026, 11, 20)
    assert pages._date("2026-11-31") is None
    assert pages._date("2026-1-1") is None
