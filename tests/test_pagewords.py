"""What pages say of papers and posts, and that none of it can do harm."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.digests import COUNTED, digest, ranked
from trendbot import pagewords, search_words
from trendbot.honesty import SQUARE, UNLIKED
from trendbot.model import Cadence, Point, Post, Reading, Tally
from trendbot.pagewords import Quoted, Topic

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
    fields = {"author": f"@{name}", "url": f"https://x.com/{name}", "text": f"I am {name}"}
    said: dict[str, object] = {**fields, "seen_at": COUNTED, **more}
    return Post("x", name, ("arxiv:2611.00001",), posted_at=posted, reading=reading, **said)  # type: ignore[arg-type]


def test_the_best_posts_are_quoted_first_then_the_newest() -> None:
    found = [
        post("uncounted", hours=9),
        post("old", 1, 1),
        post("best", 5, 50),
        post("new", 0, 2, hours=5),
        post("total", 500, 900, listed_on=date(2026, 11, 20)),
    ]
    quoted = pagewords.quoted(found, COUNTED, 20)
    quotations = quoted.quotations
    assert [one.author for one in quotations] == ["@best", "@new", "@old", "@uncounted"]
    assert quoted.others == ()
    assert quotations[0].counts == "5 retweets · 50 favorites"
    assert quotations[0].counted_at == COUNTED
    assert (quotations[3].counts, quotations[3].counted_at) == ("", None)
    assert pagewords.quoted(found, COUNTED, 1) == Quoted(quotations[:1], ("3 more posts",))


def test_who_says_what_is_shown_only_while_it_was_seen_within_a_day() -> None:
    day = timedelta(days=1)
    found = [
        post("seen", 1, 1, seen_at=COUNTED - day),
        post("missed", 9, 9, seen_at=COUNTED - day - timedelta(seconds=1)),
        post("never", 2, 2, seen_at=None),
        post("lapsed", 3, 3, seen_at=COUNTED - 2 * day, lapsed=True),
        post("unknown", seen_at=None, lapsed=True),
        post("untrue", seen_at=None, flag=UNLIKED),
        post("total", 500, 900, listed_on=date(2026, 11, 20), seen_at=None),
    ]
    quoted = pagewords.quoted(found, COUNTED, 20)
    assert [one.author for one in quoted.quotations] == ["@seen"]
    assert quoted.others == (
        "2 posts not looked at any more, counted as last measured",
        "1 post not seen there for a day, left out of the sums",
        "2 posts not looked at lately, whose counts are not known",
    )


@pytest.mark.parametrize(
    ("more", "marks"),
    [
        ({}, ()),
        ({"label": "automated"}, ("automated account",)),
        ({"label": "titles"}, ("repeats titles",)),
        ({"label": "known"}, ("known bot",)),
        ({"shared": True, "papers": ("arxiv:1", "arxiv:2")}, ("also about 1 other paper",)),
        ({"shared": True, "papers": tuple("abc")}, ("also about 2 other papers",)),
        ({"shared": True}, ("also about other papers",)),  # none of them is known here
        (
            {"label": "titles", "shared": True, "papers": tuple("abc")},
            ("repeats titles", "also about 2 other papers"),
        ),
    ],
)
def test_a_quotation_says_what_is_particular(
    more: dict[str, object], marks: tuple[str, ...]
) -> None:
    found = replace(post("a", 1, 1), **more)  # type: ignore[arg-type]
    (quotation,) = pagewords.quoted([found], COUNTED, 9).quotations
    assert (quotation.marks, quotation.untrue) == (marks, "")


def test_a_quotation_says_why_its_newest_counts_are_not_believed() -> None:
    (quotation,) = pagewords.quoted([post("a", 1, 1, flag=UNLIKED)], COUNTED, 9).quotations
    assert quotation.counts == "1 retweet · 1 favorite"
    assert quotation.untrue == "many retweets, hardly a favorite"


def test_a_post_cannot_lead_elsewhere_than_to_a_page() -> None:
    found = [post("a", 1, 1, url="javascript:alert(1)", author="a\u202eb")]
    (quoted,) = pagewords.quoted(found, COUNTED, 9).quotations
    assert (quoted.url, quoted.author, quoted.signal) == ("", "ab", "X")


def test_a_number_names_nobody() -> None:
    (quoted,) = pagewords.quoted([post("a", 1, 1, author="125779")], COUNTED, 9).quotations
    assert quoted.author == ""


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


def test_what_counts_most_comes_first_and_what_cannot_be_true_last() -> None:
    tallies = {"a": Tally(1, 900, 0, flag=UNLIKED), "b": Tally(1, 1, 2), "c": Tally(1, 5, 6)}
    assert list(pagewords.leading({**tallies, "d": Tally(2, 3, 0)})) == ["c", "b", "d", "a"]


def test_a_course_says_when_each_number_was_counted() -> None:
    points = [Point(COUNTED - timedelta(hours=1), 1, 2, 3), Point(COUNTED, 4, 5, 6)]
    course = pagewords.course("x", Tally(4, 5, 6, measured_at=COUNTED), points)
    assert (course.name, course.counts, course.posts) == (
        "X",
        "5 retweets · 6 favorites",
        "4 posts",
    )
    assert (course.counted_at, course.untrue, course.left_out) == (COUNTED, "", "")
    assert course.rows == (points[1], points[0])
    assert course.chart is not None
    assert pagewords.course("huggingface", Tally(1, 2, 3), points[:1]).posts == ""
    assert pagewords.course("x", Tally(1, 2, 3), points[:1]).chart is None
    assert pagewords.course("x", Tally(0, 0, 0), ()).rows == ()


@pytest.mark.parametrize(
    ("left_out", "untrue", "said"),
    [
        (1, 0, "1 post by bots or accounts that repeat themselves"),
        (2, 2, "2 posts with counts that cannot be true"),
        (
            1200,
            1,
            "1 post with counts that cannot be true, "
            "1,199 posts by bots or accounts that repeat themselves",
        ),
        (1, 9, "1 post with counts that cannot be true"),
    ],
)
def test_a_course_says_which_posts_are_left_out(left_out: int, untrue: int, said: str) -> None:
    assert pagewords.course("x", Tally(1, 1, 1, left_out=left_out), (), untrue).left_out == said


def test_a_course_says_why_it_cannot_be_true() -> None:
    course = pagewords.course("x", Tally(30, 930, 20, flag=SQUARE), ())
    assert course.untrue == "retweets counted again for every retweet"


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
