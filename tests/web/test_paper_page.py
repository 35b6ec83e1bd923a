"""What readers find on the page of a paper."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.web.reading import links, one, read, said
from tests.web.visitors import NO_LIMITS, Visitor
from tests.web.world import MADE, a_paper, fill, fill_with_owls, posts_about
from trendbot.model import Post, Reading
from trendbot.settings import Counting
from trendbot.store import papers


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


def test_paper_page_says_what_the_paper_says(owls: Visitor) -> None:
    page = read(owls, "/papers/2611.00004")
    assert said(one(page, "h1")) == "Owls That Learn: O(n log n) Hooting at Scale (4)"
    assert "Ada Moreno-4, Béla Moreno-4, Chloé Moreno-4, Dmitri Moreno-4, Eun Moreno-4" in said(
        page
    )
    assert said(one(page, ".reading")).endswith("We show that owl 39 hoots 2³⁹ times.")
    assert "Comments 12 pages, 3 figures; see https://owls.example/code" in said(page)
    assert "https://arxiv.org/pdf/2611.00004" in links(page)
    assert {"/categories/cs.LG", "/categories/stat.ML"} <= set(links(page))
    assert one(page, "meta[property='og:title']")["content"] == said(one(page, "h1"))
    assert str(one(page, "meta[name=description]")["content"]).startswith("We show that owl 0")


def test_paper_page_draws_how_each_signal_counted(owls: Visitor) -> None:
    page = read(owls, "/papers/2611.00001")
    assert "800 retweets · 180 favorites in all, counted 21 November 2026, 06:30 UTC." in said(page)
    by_name, x = page.select(".signal")
    assert said(one(by_name, "h3")) == "Hugging Face"
    assert said(one(x, "h3")) == "X"
    assert "400 retweets · 90 favorites, from 1 post, counted 21 November 2026" in said(x)
    drawn = one(x, ".chart > svg")
    assert drawn["role"] == "img"
    named = [one(x, f"#{name}") for name in str(drawn["aria-labelledby"]).split()]
    assert [tag.name for tag in named] == ["title", "desc"]
    assert "to 400 retweets · 90 favorites on 21 November 2026" in said(named[1])
    assert len(drawn.select("path.line")) == 2
    rows = [said(row) for row in one(x, "details table").select("tbody tr")]
    assert rows[0] == "21 November 2026, 06:30 UTC140090"
    assert len(rows) == 4
    assert "style" not in {name for tag in page.find_all(True) for name in tag.attrs}


def test_one_reading_is_numbers_with_their_moment_but_no_chart(
    visitor: Visitor, engine: Engine
) -> None:
    paper = a_paper(1)
    fill(engine, [paper], posts_about(paper, "An owl!", "ada", "https://x.com/1")[:1])
    page = read(visitor, "/papers/2611.00001")
    assert "400 retweets · 90 favorites, from 1 post, counted 21 November 2026, 06:30 UTC." in said(
        page
    )
    assert not page.select(".chart")
    assert not page.select("details")


def test_a_paper_nobody_posted_about_says_so(visitor: Visitor, engine: Engine) -> None:
    with engine.begin() as conn:
        papers.upsert(conn, [a_paper(1)], MADE)
    page = read(visitor, "/papers/2611.00001")
    assert "No post about it was counted so far." in said(page)
    assert "In none so far." in said(page)
    assert not page.select(".quotations")


def test_paper_page_tells_the_digests_it_was_in(owls: Visitor) -> None:
    stood = read(owls, "/papers/2611.00003").select(".stood li")
    assert len(stood) == 6
    assert said(stood[0]).startswith("3. in the Weekly, 20 November 2026")
    assert "800 retweets · 180 favorites, counted 21 November 2026, 06:30 UTC" in said(stood[0])
    assert links(stood[1]) == ["/digests/daily/2026-11-20"]


def test_posts_are_quoted_and_no_more_than_twenty(visitor: Visitor, engine: Engine) -> None:
    paper = a_paper(1)
    found = [
        Post("x", f"{n}", (paper.key,), f"owl{n}", f"https://x.com/{n}", MADE, f"I say {n}",
             Reading(MADE, 0, n))
        for n in range(23)
    ]  # fmt: skip
    fill(engine, [paper], found)
    page = read(visitor, "/papers/2611.00001")
    quotes = page.select(".quotations blockquote")
    assert [said(quote) for quote in quotes] == [f"I say {n}" for n in range(22, 2, -1)]
    assert quotes[0]["cite"] == "https://x.com/22"
    first = page.select(".quotations figcaption")[0]
    assert said(first) == (
        "owl22 on X, 21 November 2026, 06:30 UTC "
        "0 retweets · 22 favorites, counted 21 November 2026, 06:30 UTC"
    )
    assert one(first, "a")["rel"] == ["nofollow", "noopener", "ugc"]
    assert "And 3 more posts." in said(page)


def test_what_cannot_be_true_is_flagged_and_in_no_sum(owls: Visitor) -> None:
    page = read(owls, "/papers/2611.00099")
    x, archive = page.select(".signal")
    assert said(x.select(".counts")[0]) == (
        "43 retweets · 114 favorites, from 4 posts, counted 21 November 2026, 06:30 UTC."
    )
    assert "Left out: 1 post with counts that cannot be true." in said(x)
    assert "930 retweets · 20 favorites, counted" in said(archive)
    assert (
        "Flagged These counts cannot be true: many retweets, hardly a favorite. "
        "Digests rank them as printed." in said(archive)
    )
    assert "in all" not in said(page)


def test_totals_of_archives_that_are_checked_count_nowhere(
    owls: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Counting(archives="checked")
    settings = owls.app.settings.model_copy(update={"counting": counting})
    monkeypatch.setattr(owls.app, "settings", settings)
    archive = read(owls, "/papers/2611.00099").select(".signal")[1]
    assert "They are in no sum." in said(archive)


def test_the_course_of_counts_holds_only_what_is_believed(owls: Visitor) -> None:
    x = read(owls, "/papers/2611.00099").select(".signal")[0]
    rows = [said(row) for row in one(x, "details table").select("tbody tr")]
    assert rows == ["21 November 2026, 06:30 UTC443114", "19 November 2026, 06:30 UTC2314"]


def test_posts_say_what_is_particular_about_them(owls: Visitor) -> None:
    page = read(owls, "/papers/2611.00099")
    captions = [said(caption) for caption in page.select(".quotations figcaption")]
    assert [caption.split()[0] for caption in captions] == [
        *("lantern_bot", "both_sides", "jumper", "echo"),
    ]
    bot, both, jumper, echo = captions
    assert "UTC automated account 30 retweets" in bot
    assert "UTC also about 2 other papers 10 retweets" in both
    assert "2 retweets · 9 favorites, counted 19 November 2026, 06:30 UTC" in jumper
    assert "Flagged the newest counts cannot be true: counts that jumped at once" in jumper
    assert "counts not known Flagged" in echo
    assert "And 1 post not looked at any more, counted as last measured." in said(page)
    assert "unseen" not in said(page)


def test_posts_are_forgotten_a_day_after_the_last_look(owls: Visitor) -> None:
    owls.days_later(2)
    page = read(owls, "/papers/2611.00001")
    assert not page.select(".quotations")
    assert "2 posts not looked at any more, counted as last measured." in said(page)
    assert "ada_quill" not in said(page)
    assert "800 retweets · 180 favorites in all" in said(page)


@pytest.mark.parametrize(
    ("asked", "there"),
    [
        ("2611.00001v2", "2611.00001"),
        ("arxiv:2611.00001", "2611.00001"),
        ("math.GT/0309136", "math/0309136"),
        ("math/0309136v3", "math/0309136"),
    ],
)
def test_a_paper_has_one_page(owls: Visitor, asked: str, there: str) -> None:
    answer = owls.get(f"/papers/{asked}")
    assert (answer.status_code, answer.headers["Location"]) == (308, f"/papers/{there}")


def test_old_ids_and_other_sources_have_pages_too(visitor: Visitor, engine: Engine) -> None:
    old = replace(a_paper(1), id="math/0309136")
    other = replace(a_paper(2), source="owls", id="a/b?c")
    with engine.begin() as conn:
        papers.upsert(conn, [old, other], MADE)
    page = read(visitor, "/papers/math/0309136")
    assert one(page, "link[rel=canonical]")["href"] == (
        "https://trends.example.org/papers/math/0309136"
    )
    assert "owls:a/b?c" in said(read(visitor, "/papers/owls:a/b%3Fc"))


@pytest.mark.parametrize("name", ["0000.00000", "", "x", "owls:x", "//evil.example", "a%0d%0ab"])
def test_there_is_no_page_of_unknown_papers(owls: Visitor, name: str) -> None:
    assert owls.get(f"/papers/{name}").status_code == 404
