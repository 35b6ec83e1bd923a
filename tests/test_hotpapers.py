import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trendbot.errors import ArchiveError
from trendbot.hotpapers import MAX_BYTES, ArchiveDay, parse
from trendbot.model import Paper, Post, Reading

POSTS = Path(__file__).parent / "data" / "hotpapers"
NAME = "2021-03-06---Hot-Papers.md"
CLEAN = (POSTS / NAME).read_text(encoding="utf-8")


def parsed(text: str, name: str = NAME) -> ArchiveDay:
    return parse(name, text.encode())


def links(paper_id: str) -> dict[str, str]:
    return {kind: f"https://arxiv.org/{kind}/{paper_id}" for kind in ("abs", "pdf")}


def test_the_papers_of_a_post() -> None:
    day = parsed(CLEAN)
    assert day.day == date(2021, 3, 6)
    assert day.papers == (
        Paper(
            "arxiv",
            "2103.99901",
            "Kites on a Budget: Learning to Fly from Twelve Photographs",
            ("Ada Windle", "Bo Färber", "José Ñandú"),
            ("cs.CV", "cs.LG"),
            date(2021, 3, 6),
            "We teach a paper kite to steer itself from twelve photographs, at a cost of"
            r" $\approx 3$ dollars. Code: https://example.org/kites",
            links=links("2103.99901"),
        ),
        Paper(
            "arxiv",
            "hep-th/9901999",
            r"A *Short* History of $\mathcal{K}$-nots",
            ("Chen Li",),
            ("hep-th",),
            date(2021, 3, 6),
            links=links("hep-th/9901999"),
        ),
        Paper(
            "arxiv",
            "2103.99903",
            "Which Wind Is Whose? An Audit",
            ("A. N. Onymous", "Bo Färber"),
            ("stat.ML", "cs.CY", "physics.ao-ph"),
            date(2021, 3, 6),
            r"An audit of 31 weather stations; 40\% of them disagree about the wind.",
            links=links("2103.99903"),
        ),
    )


def test_printed_totals_are_posts_of_the_day_read_on_a_japanese_clock() -> None:
    totals = [post for post in parsed(CLEAN).posts if post.signal == "hotpapers"]
    assert totals[0] == Post(
        signal="hotpapers",
        id="2021-03-06/2103.99901",
        papers=("arxiv:2103.99901",),
        author="daily-arxiv",
        url="https://arxiv.org/abs/2103.99901",
        posted_at=datetime(2021, 3, 6, tzinfo=UTC),
        reading=Reading(datetime(2021, 3, 7, 0, 30, 5, tzinfo=UTC), 120, 431),
        listed_on=date(2021, 3, 6),
    )
    assert [post.id for post in totals[1:]] == [
        "2021-03-06/hep-th/9901999",
        "2021-03-06/2103.99903",
    ]
    readings = [post.reading for post in totals if post.reading]
    assert [(one.retweets, one.favorites) for one in readings] == [(120, 431), (9, 60), (40, 11)]


def test_quoted_posts_have_no_counts_and_one_may_serve_several_papers() -> None:
    both, japanese = [post for post in parsed(CLEAN).posts if post.signal == "x"]
    assert both == Post(
        signal="x",
        id="1368127974011834369",
        papers=("arxiv:2103.99901", "arxiv:hep-th/9901999"),
        author="ada_windle",
        url="https://x.com/i/web/status/1368127974011834369",
        posted_at=datetime(2021, 3, 6, 9, 15, 2, 250_000, tzinfo=UTC),
        text="Two kite papers in one week!\n\nShapes: https://t.co/aaaa\n"
        "Strings & knots: https://t.co/bbbb",
    )
    assert (japanese.author, japanese.text) == ("kaze_lab", "凧が自分で飛ぶ論文。\n写真12枚だけ🪁")


def test_an_id_that_holds_no_time_leaves_the_printed_date() -> None:
    early = re.sub(r"/status/[0-9]+", "/status/20", CLEAN)
    quoted = [post for post in parsed(early).posts if post.signal == "x"]
    assert {post.posted_at for post in quoted} == {datetime(2021, 3, 6, tzinfo=UTC)}


def test_text_misread_as_mac_roman_is_put_right() -> None:
    day = parse("mangled.md", (POSTS / "mangled.md").read_bytes())
    [paper] = day.papers
    assert paper.title == "Guns N’ Kites: Two-Sided Control with Style"
    assert paper.authors == ("Zoë Müller", "Łukasz Wiatr")
    assert paper.abstract == "A controller for two kites that share one string – and “style”."
    assert day.posts[1].text == "Des cerfs-volants très élégants 🎉"


def test_text_that_only_looks_partly_misread_stays_as_it_is() -> None:
    text = CLEAN.replace("An Audit", "N‚Äô Audit")
    assert parsed(text).papers[2].title == "Which Wind Is Whose? N‚Äô Audit"


@pytest.mark.parametrize(
    "data",
    [
        ("\ufeff" + CLEAN).encode(),
        CLEAN.replace("\n", "\r\n").encode(),
        CLEAN.replace("\n", "\r").encode(),
        CLEAN.replace("\n", " \n").encode(),
        re.sub(r"\n\n+", "\n", CLEAN).encode(),
        CLEAN.encode().decode("mac_roman").encode(),
        ("\ufeff" + CLEAN).encode().decode("mac_roman").encode("utf-8-sig"),
    ],
)
def test_line_ends_blank_lines_and_byte_order_marks_do_not_matter(data: bytes) -> None:
    assert parse(NAME, data) == parsed(CLEAN)


def test_a_day_without_entries_has_no_papers() -> None:
    name = "2021-03-13---Hot-Papers.md"
    assert parse(name, (POSTS / name).read_bytes()) == ArchiveDay(date(2021, 3, 13), (), ())


def test_the_name_of_the_file_need_not_hold_a_date() -> None:
    assert parsed(CLEAN, "002 hot papers.md") == parsed(CLEAN)


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("---\ntitle", "title", 1, "no front matter"),
        ("title: Hot Papers 2021-03-06", "title: Hot Papers 2021-03-05", 1, "one day"),
        ("# 1. Kites on a Budget", "# Kites on a Budget", 16, "heading"),
        ("# 1. Kites", "Kites", 16, "heading of the first entry"),
        ("Ada Windle, Bo Färber, José Ñandú\n", "", 19, "authors"),
        ("- retweets: 120, favorites: 431 (03/07/2021 09:30:05)\n", "", 21, "'- retweets:"),
        ("- retweets: 120,", "- retweets: -120,", 20, "'- retweets:"),
        ("- retweets: 120,", "- retweets: 1234567890123,", 20, "'- retweets:"),
        ("03/07/2021 09:30:05", "13/07/2021 09:30:05", 20, "no possible time"),
        ("/abs/2103.99901)", "/abs/elsewhere)", 22, "'- links:"),
        ("/pdf/2103.99901)", "/pdf/2103.99902)", 22, "links to one paper"),
        ("- [hep-th](https://arxiv.org/list/hep-th/recent)\n", "", 44, "categories"),
        ("# 2. A *Short* History of $\\mathcal{K}$-nots\n\nChen Li\n", "", 37, "a heading before"),
        ("March 7, 2021", "yesterday", 30, "no date of a post"),
        ("March 7, 2021", "February 30, 2021", 30, "no possible date"),
        ("https://twitter.com/kaze_lab/", "https://example.org/kaze_lab/", 30, "quoted post"),
        ("</script>\n\n<blockquote", "</script>\nlost words\n<blockquote", 27, "nothing but"),
        ("twelve photographs,", "twelve \x00photographs,", 25, "control character"),
    ],
)
def test_what_is_broken_is_named_with_its_line(old: str, new: str, line: int, words: str) -> None:
    assert old in CLEAN
    with pytest.raises(ArchiveError) as caught:
        parsed(CLEAN.replace(old, new, 1))
    message = str(caught.value)
    assert message.startswith(f"{NAME}: line {line}: ")
    assert words in message
    assert message.endswith("; download the file again, or leave it out")
    assert "\n" not in message


@pytest.mark.parametrize("end", [2, 3, 4, 5])
def test_a_file_cut_off_inside_an_entry_is_refused(end: int) -> None:
    head, last = CLEAN.split("# 3. ")
    kept = "\n".join(line for line in last.split("\n") if line).split("\n")[: end - 1]
    with pytest.raises(ArchiveError, match="is missing after this line"):
        parsed(head + "# 3. " + "\n".join(kept))


def test_a_paper_listed_twice_is_refused() -> None:
    with pytest.raises(ArchiveError, match=r"lists 2103\.99901 twice"):
        parsed(CLEAN.replace("2103.99903", "2103.99901"))


def test_a_post_of_another_day_than_its_file_is_refused() -> None:
    with pytest.raises(ArchiveError, match="line 6: is a post of 2021-03-06, unlike the name"):
        parsed(CLEAN, "2021-03-07---Hot-Papers.md")


@pytest.mark.parametrize("data", [b"", b"\n", b"# Notes\n", b"---\ntitle: Cold Papers\n---\n"])
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(ArchiveError, match=r"notes\.md: line 1: "):
        parse("notes.md", data)


def test_bytes_that_are_not_utf8_are_refused() -> None:
    with pytest.raises(ArchiveError, match="line 18: is not UTF-8"):
        parse(NAME, CLEAN.encode("latin-1", errors="ignore"))


def test_a_huge_file_is_refused() -> None:
    with pytest.raises(ArchiveError, match="larger than"):
        parse(NAME, CLEAN.encode().ljust(MAX_BYTES + 1))


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: f"{CLEAN}{text}".encode()))
def test_whatever_comes_is_read_or_refused(data: bytes) -> None:
    try:
        parse(NAME, data)
    except ArchiveError as error:
        assert "\n" not in str(error)  # noqa: PT017


words = st.text(
    st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=60
).map(lambda text: " ".join(text.split()))
names = words.map(lambda text: text.replace(",", "")).filter(
    lambda text: re.match(r"(?!- |<|# )[^\s,]", text) and re.search(r"\w", text)
)
abstracts = words.filter(lambda text: not text.startswith(("# ", "<blockquote", "- retweets:")))
counts = st.integers(0, 999_999_999)


@given(
    title=words.filter(bool),
    authors=st.lists(names.map(str.strip).filter(bool), min_size=1, max_size=5),
    retweets=counts,
    favorites=counts,
    abstract=abstracts,
    seconds=st.integers(0, 10**9),
)
def test_what_is_written_is_read_back(
    title: str, authors: list[str], retweets: int, favorites: int, abstract: str, seconds: int
) -> None:
    printed = datetime(2000, 1, 1) + timedelta(seconds=seconds)  # noqa: DTZ001
    text = (
        "---\ntitle: Hot Papers 2021-03-06\nslug: hot-papers-2021-03-06\n---\n\n"
        f"# 1. {title}\n\n{', '.join(authors)}\n\n"
        f"- retweets: {retweets}, favorites: {favorites} ({printed:%m/%d/%Y %H:%M:%S})\n\n"
        "- links: [abs](https://arxiv.org/abs/2103.99901) | "
        "[pdf](https://arxiv.org/pdf/2103.99901)\n"
        f"- [cs.CV](https://arxiv.org/list/cs.CV/recent)\n\n{abstract}\n\n"
        + '<blockquote class="twitter-tweet"><p>🪁</p>&mdash; A (@a) '
        '<a href="https://twitter.com/a/status/1">March 6, 2021</a></blockquote>\n'
    )
    day = parsed(text)
    assert [(paper.title, paper.authors, paper.abstract) for paper in day.papers] == [
        (title, tuple(authors), abstract)
    ]
    taken_at = (printed - timedelta(hours=9)).replace(tzinfo=UTC)
    assert day.posts[0].reading == Reading(taken_at, retweets, favorites)
