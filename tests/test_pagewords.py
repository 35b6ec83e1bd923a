"""What pages say of papers and posts, and that none of it can do harm."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.digests import COUNTED, digest, ranked
from trendbot import pagewords, search_words
from trendbot.model import Cadence, Point, Post, Reading, Tally
from trendbot.pagewords import Topic

LINK = '<a href="https://owls.example/x?a=1&amp;b=2" rel="nofollow noopener ugc"><bdi>'


class Tags(HTMLParser):
    """The tags of a quotation with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(str(html))  # Markup escapes what is added to it
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_an_address_in_a_post_becomes_a_link_that_vouches_for_nothing() -> None:
    said = pagewords.quotation("See https://owls.example/x?a=1&b=2.")
    assert said == f"See {LINK}https://owls.example/x?a=1&amp;b=2</bdi></a>."


@pytest.mark.parametrize(
    ("written", "linked"),
    [
        ("(https://owls.example/a)", "https://owls.example/a"),
        ("HTTPS://OWLS.example/A!", None),  # nobody writes it so
        ("https://owls.example/a, and", "https://owls.example/a"),
        ("https://owls.example/cut…", None),
        ("https://user@owls.example/", None),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("https://", None),
        ("https://owls.example/" + 300 * "a", None),
    ],
)
def test_only_whole_addresses_become_links(written: str, linked: str | None) -> None:
    tags = Tags(pagewords.quotation(written))
    assert [attrs["href"] for tag, attrs in tags.found if tag == "a"] == (
        [linked] if linked else []
    )
    assert tags.text == written


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        '<img src=x onerror="alert(1)">',
        "<a href='javascript:alert(1)'>x</a>",
        '"><svg/onload=alert(1)>',
        'https://owls.example/"onmouseover="alert(1)',
        "https://owls.example/'><script>",
        "&lt;script&gt; &amp;lt;",
        "<!-- --><style>*{display:none}</style>",
        "</blockquote></main>",
    ],
)
def test_markup_in_a_post_is_text(hostile: str) -> None:
    tags = Tags(pagewords.quotation(hostile))
    assert {tag for tag, _ in tags.found} <= {"a", "bdi"}
    assert tags.text == hostile


def test_lines_stay_lines_and_nothing_invisible_stays() -> None:
    assert pagewords.quotation("One\r\n\n\n  two \u202egnp.exe\n") == "One<br>two gnp.exe"
    assert pagewords.quotation(" \n\u200b\n") == ""
    assert pagewords.quotation("a\n" * 30).count("<br>") == pagewords.MOST_LINES - 1
    assert len(Tags(pagewords.quotation("word " * 9000)).text) <= pagewords.LONGEST_QUOTE


@given(st.text(alphabet=st.sampled_from("<>&\"'/: \n=.#?%;xahttps"), max_size=300) | st.text())
def test_whatever_a_post_says_only_links_and_breaks_are_tags(written: str) -> None:
    for tag, attrs in Tags(pagewords.quotation(written)).found:
        assert tag in ("a", "bdi", "br")
        if tag == "a":
            assert set(attrs) == {"href", "rel"}
            assert str(attrs["href"]).startswith(("https://", "http://"))
        else:
            assert attrs == {}


def post(name: str, *counts: int, hours: int = 0, **more: object) -> Post:
    reading = Reading(COUNTED, *counts) if counts else None
    posted = datetime(2026, 11, 20, tzinfo=UTC) + timedelta(hours=hours)
    fields = {"author": f"@{name}", "url": f"https://x.com/{name}", "text": f"I am {name}"} | more
    return Post("x", name, ("arxiv:2611.00001",), posted_at=posted, reading=reading, **fields)  # type: ignore[arg-type]


def test_the_best_posts_are_quoted_first_then_the_newest() -> None:
    found = [
        post("uncounted", hours=9),
        post("old", 1, 1),
        post("best", 5, 50),
        post("new", 0, 2, hours=5),
        post("total", 500, 900, listed_on=date(2026, 11, 20)),
    ]
    quotations, more = pagewords.quoted(found, 20)
    assert [one.author for one in quotations] == ["@best", "@new", "@old", "@uncounted"]
    assert more == 0
    assert quotations[0].counts == "5 retweets · 50 favorites"
    assert quotations[0].counted_at == COUNTED
    assert (quotations[3].counts, quotations[3].counted_at) == ("", None)
    assert pagewords.quoted(found, 1) == (quotations[:1], 3)


def test_a_post_cannot_lead_elsewhere_than_to_a_page() -> None:
    (quoted,), _ = pagewords.quoted(
        [post("a", 1, 1, url="javascript:alert(1)", author="a\u202eb")], 9
    )
    assert (quoted.url, quoted.author, quoted.signal) == ("", "ab", "X")


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("arxiv:2611.00001", "/papers/2611.00001"),
        ("arxiv:math/0309136", "/papers/math/0309136"),
        ('owls:a b?c#d"<é', "/papers/owls:a%20b%3Fc%23d%22%3C%C3%A9"),
    ],
)
def test_each_paper_has_a_page(key: str, path: str) -> None:
    assert pagewords.paper_path(key) == path


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("2106.06561", "2106.06561"),
        ("2106.06561v2", "2106.06561"),
        ("arxiv:2106.06561", "2106.06561"),
        ("arxiv:2106.06561v12", "2106.06561"),
        ("2106.06561/", "2106.06561"),
        ("math/0309136", "math/0309136"),
        ("math.GT/0309136v1", "math/0309136"),
        ("owls:2106.06561v2", "owls:2106.06561v2"),
        ("owls.EX/0309136", "owls/0309136"),
        ("no paper v2", "no paper v2"),
        ("//elsewhere.example", "//elsewhere.example"),
        ("", ""),
    ],
)
def test_a_paper_has_one_name(asked: str, name: str) -> None:
    assert pagewords.paper_named(asked) == name
    assert pagewords.paper_named(name) == name


def test_categories_of_arxiv_have_names() -> None:
    assert pagewords.topics(("cs.LG", "owls.<b>", "\u200b")) == (
        Topic("cs.LG", "Machine Learning", is_known=True),
        Topic("owls.<b>", "owls.<b>", is_known=False),
    )
    assert len(pagewords.topics(["cs.LG"] * 40)) == 5


def test_what_counts_now_is_the_last_point_of_each_signal() -> None:
    points = [Point(COUNTED - timedelta(hours=1), 1, 2, 3), Point(COUNTED, 4, 5, 6)]
    standing = pagewords.standing({"x": points[:1], "hn": points})
    assert list(standing.items()) == [("hn", Tally(4, 5, 6)), ("x", Tally(1, 2, 3))]


def test_a_course_says_when_each_number_was_counted() -> None:
    points = [Point(COUNTED - timedelta(hours=1), 1, 2, 3), Point(COUNTED, 4, 5, 6)]
    course = pagewords.course("x", points)
    assert (course.name, course.counts, course.posts) == (
        "X",
        "5 retweets · 6 favorites",
        "4 posts",
    )
    assert course.rows == (points[1], points[0])
    assert course.chart is not None
    assert pagewords.course("huggingface", points[:1]).posts == ""
    assert pagewords.course("x", points[:1]).chart is None


def test_results_have_what_was_searched_for_marked() -> None:
    words = search_words.parse("owl")
    found = pagewords.result(
        replace(ranked(1, "Owls & moths").paper, abstract=f"{'Moths. ' * 100}An owl!"), words
    )
    assert found.title == [("Owls", True), (" & moths", False)]
    assert ("owl", True) in found.snippet
    assert sum(len(piece) for piece, _ in found.snippet) <= pagewords.LONGEST_SNIPPET
    assert found.path == "/papers/2611.00001"


def test_previews_say_what_there_is() -> None:
    assert pagewords.led(digest(ranked(1, "Owls"), ranked(2, "Bats"))) == "Owls · Bats"
    assert pagewords.led(digest()) == "No paper was ranked."
    paper = ranked(1).paper
    assert pagewords.summary(paper) == "We count posts. They are many."
    assert pagewords.summary(replace(paper, abstract="")) == "Ann Lee, Bo Ray"


def test_digests_are_named_by_their_dates() -> None:
    day = date(2026, 11, 30)
    assert pagewords.dated(Cadence.DAILY, day) == "30 November 2026"
    assert pagewords.dated(Cadence.WEEKLY, day) == "Week to 30 November 2026"
    assert pagewords.dated(Cadence.MONTHLY, day) == "November 2026"
