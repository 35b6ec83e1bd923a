"""Letters come from templates, and a broken template is named."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from tests.digests import digest, ranked
from trendbot import letter, notice_letters
from trendbot.errors import TrendbotError
from trendbot.model import RankedPaper, Segment
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
