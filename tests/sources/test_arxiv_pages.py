"""arXiv's listing pages, against pages of the same structure with invented papers."""

from datetime import date
from html import escape
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sources.data import catchup, list_new
from trendbot.errors import SourceError
from trendbot.model import Paper
from trendbot.sources.arxiv_pages import ListingPage, Part, gathered, one_line, parse_listing

DATA = Path(__file__).parent / "data"
NEW = (DATA / "list_new.html").read_text(encoding="utf-8")
CATCHUP = (DATA / "catchup.html").read_text(encoding="utf-8")
END = "</body></html>"
QUIET_NEW = (
    f"<h3>Showing new listings for Friday, 27 November 2026</h3><p>No updates today.</p>{END}"
)
QUIET_DAY = (
    "<h1>Catchup results for Machine Learning on Thu, 26 Nov 2026</h1>"
    f"Total of 0 entries for Thu, 26 Nov 2026<p>{{}}</p>{END}"
)

readable = st.text(min_size=1, max_size=40).filter(one_line)
archives = st.sampled_from(["hep-th", "cs", "math.GT", "cond-mat", "q-alg"])
ids = st.one_of(
    st.from_regex(r"[0-9]{4}\.[0-9]{4,5}", fullmatch=True),
    st.builds("{}/{:07d}".format, archives, st.integers(0, 9999999)),
)
categories = st.lists(
    st.sampled_from(["cs.LG", "hep-th", "physics.soc-ph", "cond-mat.mes-hall", "stat.ML"]),
    min_size=1,
    unique=True,
)
papers = st.builds(
    Paper,
    source=st.just("arxiv"),
    id=ids,
    title=readable,
    authors=st.lists(readable, min_size=1, max_size=4).map(tuple),
    categories=categories.map(tuple),
    announced=st.just(date(2026, 11, 20)),
    abstract=readable,
    comments=st.just("") | readable,
)


def entry(paper: Paper, version: str) -> str:
    authors = ", ".join(f'<a href="/a">{escape(name)}</a>' for name in paper.authors)
    subjects = [f"Some (odd) Name; and more ({category})" for category in paper.categories]
    comments = (
        f"<div class='list-comments mathjax'><span class='descriptor'>Comments:</span>"
        f" {escape(paper.comments)}</div>"
    )
    return f"""<dt><a name='item1'>[1]</a>
      <a href ="/abs/{paper.id}{version}" title="Abstract" id="{paper.id}">arXiv:{paper.id}</a>
      [<a href="/pdf/{paper.id}" title="Download PDF">pdf</a>]</dt>
    <dd><div class='meta'>
      <div class='list-title mathjax'><span class='descriptor'>Title:</span>
        {escape(paper.title)}
      </div>
      <div class='list-authors'>{authors}</div>
      {comments if paper.comments else ""}
      <div class='list-subjects'><span class='descriptor'>Subjects:</span>
        <span class="primary-subject">{subjects[0]}</span>{"".join("; " + s for s in subjects[1:])}
      </div>
      <p class='mathjax'>
        {escape(paper.abstract)}
      </p></div></dd>"""


def page_of(entries: list[str]) -> str:
    n = len(entries)
    return (
        "<h3>Showing new listings for Friday, 20 November 2026</h3>"
        f"<div class='paging'>Total of {n} entries</div><dl id='articles'>"
        f"<h3>New submissions (showing {n} of {n} entries)</h3>{''.join(entries)}</dl>{END}"
    )


def test_a_page_of_new_listings() -> None:
    assert parse_listing(NEW) == list_new.EXPECTED


def test_a_page_of_a_past_day() -> None:
    assert parse_listing(CATCHUP) == catchup.EXPECTED


def test_a_quiet_newest_day() -> None:
    page = parse_listing(QUIET_NEW)
    assert page == ListingPage(date(2026, 11, 27), 0, ())
    assert gathered([page]) == ()


@pytest.mark.parametrize(
    "line",
    [
        "No updates for this time period.",
        "No updates for Thu, 26 Nov 2026. There was either no announcement for this day, or no "
        "updates within the requested subject.",
    ],
)
def test_a_quiet_past_day(line: str) -> None:
    page = parse_listing(QUIET_DAY.format(line))
    assert page == ListingPage(date(2026, 11, 26), 0, ())
    assert gathered([page]) == ()


@settings(max_examples=60, deadline=None)
@given(st.lists(papers, min_size=1, max_size=3), st.sampled_from(["", "v1", "v12"]))
def test_whatever_authors_write_comes_back(listed: list[Paper], version: str) -> None:
    page = parse_listing(page_of([entry(paper, version) for paper in listed]))

    found = gathered([page])
    assert found is not None
    for paper, original in zip(found, listed, strict=True):
        key = original.id.replace("math.GT/", "math/")
        assert paper.id == key
        assert paper.title == one_line(original.title)
        assert paper.authors == tuple(map(one_line, original.authors))
        assert paper.categories == original.categories
        assert paper.comments.split() == one_line(original.comments).split()
        assert paper.abstract.split() == one_line(original.abstract).split()
        assert paper.links["abs"] == f"https://arxiv.org/abs/{key}"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, NEW.index("</html>")))
def test_a_page_cut_off_anywhere_is_refused(length: int) -> None:
    with pytest.raises(SourceError):
        parse_listing(NEW[:length])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(NEW)), st.integers(1, 4000))
def test_a_page_with_a_hole_never_loses_a_paper(start: int, length: int) -> None:
    try:
        found = gathered([parse_listing(NEW[:start] + NEW[start + length :])])
    except SourceError:
        return
    assert found is None or len(found) == 4


@settings(max_examples=100, deadline=None)
@given(st.text() | st.text("<>/=\"' dlti#h3&;", max_size=300))
def test_anything_else_is_refused(html: str) -> None:
    with pytest.raises(SourceError):
        parse_listing(html)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Showing new listings for", "New:", "page date missing"),
        ("20 November 2026", "31 November 2026", "page date '31 November 2026' is not a date"),
        ("Total of 6", "Sum of 6", "no single 'Total of N entries'"),
        ("</html>", "", "page is cut off: no </html>"),
        ("Cross submissions", "Odd submissions", "unknown section heading 'Odd submissions"),
        ("showing 3 of 3", "showing 4 of 4", "says 4 entries, found 3"),
        ('title="Abstract"', 'title="Summary"', "entry 1 has no identifier"),
        ("/abs/2611.20001", "/abs/2611.201", "entry 1 has no identifier"),
        ("list-title", "title", r"entry 1 \(arXiv:2611.20001\) has no title"),
        ("list-authors", "authors", r"entry 1 \(arXiv:2611.20001\) has no authors"),
        ("list-subjects", "subjects", r"entry 1 \(arXiv:2611.20001\) has no subjects"),
        ("primary-subject", "subject", r"entry 1 \(arXiv:2611.20001\) has no subjects"),
        ("<p class='mathjax'>", "<p>", r"entry 1 \(arXiv:2611.20001\) has no abstract"),
        ("<dd>", "<p></p><dd>", r"entry 1 \(arXiv:2611.20001\) has no dd"),
        ("Knots Before Noon", " ", r"entry 3 \(arXiv:math/0309136\) has no title"),
    ],
)
def test_a_changed_page_says_what_it_lacks(old: str, new: str, message: str) -> None:
    assert old in NEW
    with pytest.raises(SourceError, match=message):
        parse_listing(NEW.replace(old, new))


def test_a_page_without_sections_must_say_that_nothing_is_new() -> None:
    with pytest.raises(SourceError, match="no dl#articles and no 'No updates' line"):
        parse_listing(CATCHUP.replace("id='articles'", "id='entries'"))
    # Here an abstract says "No updates today." and "Total of 3 entries".
    with pytest.raises(SourceError, match="no single 'Total of N entries'"):
        parse_listing(NEW.replace("id='articles'", "id='entries'"))


def test_missing_pages_are_noticed() -> None:
    assert gathered([parse_listing(CATCHUP)]) is None


def part(kind: str, shown: int, total: int) -> Part:
    paper = Paper("arxiv", "2611.00001", "t", (), ("cs.LG",), date(2026, 11, 20))
    return Part(kind, shown, total, (paper,) * shown if kind != "replacement" else ())


def pages(total: int, *parts: list[Part]) -> list[ListingPage]:
    return [ListingPage(date(2026, 11, 20), total, tuple(one)) for one in parts]


def test_pages_are_put_together() -> None:
    first, second = [part("new", 2, 3)], [part("new", 1, 3), part("cross", 1, 2)]
    third = [part("cross", 1, 2), part("replacement", 1, 7)]

    assert gathered(pages(12, first)) is None
    assert gathered(pages(12, first, second)) is None
    found = gathered(pages(12, first, second, third))
    assert found is not None
    assert len(found) == 5


def test_the_last_page_may_lack_replacements() -> None:
    found = gathered(pages(3, [part("new", 2, 2), part("cross", 1, 1)]))
    assert found is not None
    assert len(found) == 3


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([part("new", 2, 3), part("replacement", 1, 1)], "says 3 new submissions, found 2"),
        ([part("new", 1, 1), part("cross", 1, 2), part("replacement", 1, 1)], "says 2 cross"),
        ([part("cross", 1, 1), part("replacement", 1, 1)], "says 9 entries, its sections 2"),
    ],
)
def test_a_section_that_lacks_entries_is_refused(parts: list[Part], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        gathered(pages(9, parts))
