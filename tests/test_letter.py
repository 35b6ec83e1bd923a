"""Letters come from templates, and a broken template is named."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from tests.digests import DAY, digest, ranked
from trendbot import letter, notice_letters
from trendbot.errors import TrendbotError
from trendbot.model import By, RankedPaper, Segment
from trendbot.notice_letters import Kind
from trendbot.settings import Site


@pytest.fixture
def templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of templates of our own, in place of the installed one."""
    (tmp_path / "confirm").mkdir()
    for name in ("subject.txt", "body.txt", "body.html"):
        (tmp_path / "confirm" / name).write_text("{{ name }}: {{ link }}")
    monkeypatch.setattr(letter, "folder", lambda name: tmp_path)
    letter._templates.cache_clear()
    yield tmp_path
    letter._templates.cache_clear()


SITE = Site(name="Post & <Papers>", base_url="https://example.org", postal_address="1 Road")
LINKS = letter.Links("https://example.org/leave", "https://example.org/prefer")


def test_only_html_is_escaped(templates: Path) -> None:
    made = notice_letters.of_notice(Kind.CONFIRM, SITE, "https://example.org/?a=1&b=2")
    assert made.text == "Post & <Papers>: https://example.org/?a=1&b=2"
    assert made.html == "Post &amp; &lt;Papers&gt;: https://example.org/?a=1&amp;b=2"


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("one\n{% if %}", r"confirm/body\.txt, line 2"),
        ("{{ nobody }}", r"confirm/body\.txt .*nobody"),
        (None, r"confirm/body\.txt"),
    ],
)
def test_a_broken_template_is_named(templates: Path, broken: str | None, why: str) -> None:
    file = templates / "confirm" / "body.txt"
    file.unlink() if broken is None else file.write_text(broken)
    with pytest.raises(TrendbotError, match=why):
        notice_letters.of_notice(Kind.CONFIRM, SITE, "https://example.org")


def test_a_template_of_another_encoding_is_named(templates: Path) -> None:
    (templates / "confirm" / "body.txt").write_bytes(b"caf\xe9")
    with pytest.raises(TrendbotError, match=r"confirm/body\.txt"):
        notice_letters.of_notice(Kind.CONFIRM, SITE, "https://example.org")


def worst_paper(rank: int, sign: str) -> RankedPaper:
    return ranked(
        rank,
        title=sign * 5000,
        authors=(sign * 5000,) * 100,
        categories=(sign * 100,) * 100,
        abstract=sign * 5000,
        links={key: f"https://example.org/{key}?" + "&" * 170 for key in ("abs", "pdf", "html")},
    )


@pytest.mark.parametrize("sign", ['"', "&", "👩", "W. ", "字"])
@pytest.mark.parametrize("size", [20, 100])
def test_the_html_stays_below_what_gmail_clips(sign: str, size: int) -> None:
    made = digest(*(worst_paper(rank, sign) for rank in range(1, size + 1)))
    topics = (*(f"{'a' * 18}-{chr(97 + number % 26)}" for number in range(49)), sign * 10)
    shown = letter.of_digest(made, made.papers, Segment(topics, topics), SITE, LINKS)
    assert len(shown.html.encode()) <= 90_000
    assert shown.html.count("</tr>") >= size
    assert f"{size}" in BeautifulSoup(shown.html, "html.parser").get_text(" ").split()


def test_a_long_digest_gives_the_first_papers_in_full_and_names_all() -> None:
    abstract = "We look at this from all sides and measure it. " * 20
    made = digest(*(ranked(rank, f"Title {rank}", abstract=abstract) for rank in range(1, 101)))
    shown = letter.of_digest(made, made.papers, Segment(), SITE, LINKS)
    assert len(shown.html.encode()) <= letter.HTML_LIMIT
    for content in (shown.html, shown.text):
        assert content.count("We look at this") >= 20
        assert all(f"Title {rank}" in content for rank in range(1, 101))


def test_it_says_how_papers_moved_what_counts_and_who_did_not_answer() -> None:
    late = ranked(3, "Late", announced=DAY - timedelta(days=3))
    entries = [replace(ranked(1, "Up"), movement="up 3"), replace(ranked(2, "New"), movement="new")]
    made = replace(
        digest(*entries, replace(late, movement="new"), *(ranked(n) for n in range(4, 60))),
        by=By.RISING,
        heard={"x": True, "huggingface": True, "hackernews": False},
    )
    shown = letter.of_digest(made, made.papers, Segment(), SITE, LINKS)
    for content in (BeautifulSoup(shown.html, "html.parser").get_text(), shown.text):
        said = " ".join(content.split())
        assert "12 retweets" not in said
        assert "10 retweets · 2 favorites · up 3" in said
        assert "10 retweets · 2 favorites · new, late riser" in said
        assert "whose retweets and favorites grow fastest" in said
        assert "Counted on X and Hugging Face at 05:50 UTC; Hacker News did not answer." in said


def test_what_was_not_written_down_is_not_said() -> None:
    made = digest(ranked(1))
    shown = letter.of_digest(made, made.papers, Segment(), SITE, LINKS)
    assert "Counted on" not in shown.html + shown.text
    assert "2 favorites ·" not in shown.html + shown.text
