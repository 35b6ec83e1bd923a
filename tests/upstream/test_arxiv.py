"""The upstream's listing pages have the structure of the real ones, and their limits."""

from datetime import date, timedelta

import pytest
from bs4 import BeautifulSoup

from tests.upstream.client import get
from tests.upstream.server import Upstream
from tests.upstream.world import WorldPaper

TODAY = date(2026, 11, 20)
QUIET = date(2026, 11, 18)


def listing(upstream: Upstream, category: str = "cs.LG") -> str:
    return get(f"{upstream.arxiv}/list/{category}/new").text


class TestListing:
    def test_has_a_list_per_section_with_its_heading_inside(self, upstream: Upstream) -> None:
        soup = BeautifulSoup(listing(upstream), "html.parser")
        headings = [dl.select_one("h3") for dl in soup.select("#dlpage dl#articles")]
        assert [heading.get_text() for heading in headings if heading] == [
            "New submissions (showing 2 of 2 entries)",
            "Cross submissions (showing 2 of 2 entries)",
            "Replacement submissions (showing 3 of 3 entries)",
        ]
        assert "Showing new listings for Friday, 20 November 2026" in soup.get_text()
        assert "Total of 7 entries" in soup.get_text()

    def test_prints_an_entry_as_the_real_template_does(self, upstream: Upstream) -> None:
        page = listing(upstream)
        assert '<a href ="/abs/2611.10001" title="Abstract" id="2611.10001">' in page
        assert "list-identifier" not in page
        entry = BeautifulSoup(page, "html.parser").select("dd")[0]
        text = {
            name: " ".join(entry.select(f"div.meta > {name}")[0].get_text().split())
            for name in ("div.list-title", "div.list-authors", "div.list-subjects", "p.mathjax")
        }
        assert text == {
            "div.list-title": "Title: Sparse Gradients Are Enough for Small Agents",
            "div.list-authors": "Ada Quintero, Min-jun Seo, Lena B. Vogt",
            "div.list-subjects": "Subjects: Machine Learning (cs.LG); "
            "Artificial Intelligence (cs.AI); Machine Learning (stat.ML)",
            "p.mathjax": "Agents learn from few gradients."
            "Code is at https://github.com/example/sparse.",
        }
        assert entry.select("div.list-comments a")[0]["href"] == "https://github.com/example/sparse"

    def test_marks_cross_lists_replacements_and_old_ids(self, upstream: Upstream) -> None:
        soup = BeautifulSoup(listing(upstream), "html.parser")
        notes = {
            str(dt.select("a[title=Abstract]")[0]["href"]): " ".join(dt.get_text().split())
            for dt in soup.select("dt")
        }
        assert "(cross-list from cs.CL)" in notes["/abs/2611.10002"]
        assert "(replaced)" in notes["/abs/hep-th/9901002"]
        assert notes["/abs/2611.10001"] == "[1] arXiv:2611.10001 [pdf, html, other]"
        assert notes["/abs/2611.10005"] == "[2] arXiv:2611.10005 [pdf, other]"

    def test_keeps_hostile_names_inert_and_whole(self, upstream: Upstream) -> None:
        page = listing(upstream, "cs.CV")
        soup = BeautifulSoup(page, "html.parser")
        assert not soup.select("script, img, dd b")
        assert "<script>alert('title')</script> & <b>Bold</b> Claims" in soup.get_text()
        assert "Bayes at Night\r\nBcc:" in listing(upstream, "stat.ML")

    def test_says_so_where_nothing_was_announced(self, upstream: Upstream) -> None:
        upstream.world.move_to(QUIET)
        page = listing(upstream)
        assert "Wednesday, 18 November 2026" in page
        assert "<p>No updates today.</p>" in page
        assert "<dl" not in page

    def test_shows_the_last_announcement_on_a_weekend(self, upstream: Upstream) -> None:
        upstream.world.move_to(TODAY + timedelta(days=2))
        assert "Friday, 20 November 2026" in listing(upstream)

    def test_pages_with_headings_that_count(self, upstream: Upstream) -> None:
        upstream.world.papers = [
            WorldPaper(f"2611.{number:05d}", "T", ("A B",), ("cs.CL",), TODAY)
            for number in range(1, 61)
        ]
        url = f"{upstream.arxiv}/list/cs.CL/new"
        pages = [get(url, skip=skip, show=25).text for skip in (0, 25, 50)]
        assert "New submissions (showing first 25 of 60 entries)" in pages[0]
        assert "New submissions (continued, showing 25 of 60 entries)" in pages[1]
        assert "New submissions (continued, showing last 10 of 60 entries)" in pages[2]
        assert "<a name='item60'>[60]</a>" in pages[2]

    @pytest.mark.parametrize("path", ["cs.lg/new", "cs.NO/new", "cs.LG/new?show=512"])
    def test_refuses_what_arxiv_refuses(self, upstream: Upstream, path: str) -> None:
        assert get(f"{upstream.arxiv}/list/{path}").status_code == 400

    def test_answers_304_to_what_the_client_has(self, upstream: Upstream) -> None:
        url = f"{upstream.arxiv}/list/cs.LG/new"
        first = get(url)
        same = get(url, {"If-None-Match": first.headers["ETag"]})
        since = get(url, {"If-Modified-Since": first.headers["Last-Modified"]})
        upstream.world.papers[0].title = "Changed"
        changed = get(url, {"If-None-Match": first.headers["ETag"]})
        assert [same.status_code, since.status_code, changed.status_code] == [304, 304, 200]
        assert same.content == b""
        assert first.headers["Date"] == "Fri, 20 Nov 2026 18:00:00 GMT"


class TestCatchup:
    def test_shows_a_past_day_as_it_was(self, upstream: Upstream) -> None:
        page = get(f"{upstream.arxiv}/catchup/cs.LG/2026-11-19", abs="True", page=1).text
        soup = BeautifulSoup(page, "html.parser")
        assert "Catchup results for Machine Learning on Thu, 19 Nov 2026" in page
        assert [a["id"] for a in soup.select("a[title=Abstract]")] == ["2611.09001", "2611.09002"]
        assert "https://arxiv.org/html/2611.09001v1" in page
        assert len(soup.select("p.mathjax")) == 2
        assert "/catchup/cs.LG/2026-11-20?abs=True&amp;page=1" in page

    def test_leaves_abstracts_out_unless_asked(self, upstream: Upstream) -> None:
        assert "<p class='mathjax'>" not in get(f"{upstream.arxiv}/catchup/cs.LG/2026-11-19").text

    def test_says_so_where_there_is_nothing(self, upstream: Upstream) -> None:
        quiet = get(f"{upstream.arxiv}/catchup/cs.LG/{QUIET}").text
        beyond = get(f"{upstream.arxiv}/catchup/cs.LG/2026-11-19", page=2).text
        assert "No updates for Wed, 18 Nov 2026." in quiet
        assert "No further updates for Thu, 19 Nov 2026" in beyond

    def test_splits_a_long_day(self, upstream: Upstream) -> None:
        upstream.world.page_size = 1
        page = get(f"{upstream.arxiv}/catchup/cs.LG/2026-11-19", page=2).text
        assert "2611.09002" in page
        assert "2611.09001" not in page

    @pytest.mark.parametrize(
        "path",
        [
            "cs.lg/2026-11-19",
            "cs.LG/2026-08-20",
            "cs.LG/2026-11-21",
            "cs.LG/2026-13-01",
            "cs.LG/20261119",
            "cs.LG/2026-11-19?show=50",
            "cs.LG/2026-11-19?abs=true",
            "cs.LG/2026-11-19?page=0",
        ],
    )
    def test_refuses_what_arxiv_refuses(self, upstream: Upstream, path: str) -> None:
        assert get(f"{upstream.arxiv}/catchup/{path}").status_code == 400

    def test_goes_ninety_days_back(self, upstream: Upstream) -> None:
        day = TODAY - timedelta(days=90)
        assert get(f"{upstream.arxiv}/catchup/cs.LG/{day}").status_code == 200
