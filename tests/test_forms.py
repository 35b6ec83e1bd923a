"""A digest in every form: what its papers' authors wrote stays text, and no link is lost."""

from email import message_from_string, policy
from email.message import EmailMessage
from itertools import pairwise

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.digests import digest, ranked
from trendbot import forms, wording
from trendbot.model import Digest
from trendbot.settings import MailSection, Site

SITE = Site(name="Paper Post", base_url="https://papers.example.org/t")
MAIL = MailSection(sender="Paper Post <digest@example.org>")
GITHUB = MarkdownIt("commonmark").enable(["table", "strikethrough"])

HOSTILE = (
    "[click](javascript:alert(1))",
    "![pixel](https://evil.example/p.png)",
    "<https://evil.example>",
    "<script>alert(1)</script>",
    "<!-- hidden",
    "&lt;img src=x onerror=alert(1)&gt;",
    "[note]: https://evil.example",
    "# Heading #",
    "Ends like a heading ##",
    "- item",
    "+ item",
    "* item",
    "1. item",
    "12) item",
    "---",
    "===",
    "***",
    "> quoted",
    "```",
    "~~~",
    "~~gone~~ and **loud** and __loud__ and _soft_",
    "`code` and \\[not escaped\\]",
    "    indented",
    "a | b",
    "Two\n\n# lines",
    "\u202egnp.evil\u202c and \u200bzero",
    "\x1b[2J\x07\r\n.\r\nSubject: other",
    '"><b onmouseover=alert(1)>',
    "",
)
INLINE = {"text", "softbreak", "link_open", "link_close", "text_special"}


def hostile(written: str, **more: object) -> Digest:
    """Two papers, so that what the first one opens could swallow the second."""
    said = {"authors": (written, written), "categories": (written,), "abstract": written, **more}
    return digest(ranked(1, written, **said), ranked(2, "An honest paper"))


def inlines(tokens: list[Token]) -> list[Token]:
    return [child for token in tokens for child in token.children or ()]


def links_of(made: Digest) -> list[tuple[str, str]]:
    return [link for one in made.papers for link in wording.entry(one).links]


def assert_only_our_markup(made: Digest) -> None:
    tokens = GITHUB.parse(forms.markdown(made))
    blocks = {token.type.removesuffix("_open").removesuffix("_close") for token in tokens}
    assert blocks <= {"heading", "paragraph", "inline"}
    headings = [after for token, after in pairwise(tokens) if token.type == "heading_open"]
    assert [_shown(one) for one in headings] == [
        wording.heading(made),
        *(f"{one.rank}. {wording.entry(one).title}".strip() for one in made.papers),
    ]
    assert {token.type for token in inlines(tokens)} <= INLINE
    targets = [t.attrGet("href") for t in inlines(tokens) if t.type == "link_open"]
    assert targets == [GITHUB.normalizeLink(url) for _, url in links_of(made)]


def _shown(inline: Token) -> str:
    return "".join(child.content for child in inline.children or ())


@pytest.mark.parametrize("written", HOSTILE)
def test_markdown_cannot_be_broken_out_of(written: str) -> None:
    assert_only_our_markup(hostile(written))


@given(st.text(st.sampled_from("ab1.)-+=#>*_`~|[]()<>!&\\: \n\t;/"), max_size=40))
def test_no_text_becomes_markup(written: str) -> None:
    assert_only_our_markup(hostile(written))


@pytest.mark.parametrize(
    "url",
    [
        "https://arxiv.org/abs/1)[click](javascript:alert(1)",
        "https://arxiv.org/abs/((1",
        "https://arxiv.org/abs/1?a=1&copy;=2&lt;=3",
        "https://arxiv.org/abs/*1*_2_",
    ],
)
def test_no_link_leads_elsewhere_in_markdown(url: str) -> None:
    made = digest(ranked(1, links={"abs": url}), ranked(2))
    assert ("Abstract", url) in links_of(made)
    assert_only_our_markup(made)


def test_markdown_shows_each_paragraph_as_it_was_written() -> None:
    made = hostile("1. We *prove* #3 & more_than_that")
    tokens = GITHUB.parse(forms.markdown(made))
    shown = [_shown(token) for token in tokens if token.type == "inline"]
    assert "1. We *prove* #3 & more_than_that" in shown
    assert "1. We *prove* #3 & more_than_that, 1. We *prove* #3 & more_than_that" in shown
    assert "10 retweets · 2 favorites (X: 3 posts)" in shown


@pytest.mark.parametrize("written", HOSTILE)
def test_html_is_harmless(written: str) -> None:
    made = hostile(written, links={"abs": "javascript:alert(1)", "pdf": "https://x.example/1.pdf"})
    soup = BeautifulSoup(forms.html(made, SITE), "html.parser")
    assert not soup.find_all(["script", "iframe", "img", "form", "object", "base", "svg", "link"])
    honest = BeautifulSoup(forms.html(hostile("Plain"), SITE), "html.parser")
    assert {tag.name for tag in soup.find_all(True)} <= {tag.name for tag in honest.find_all(True)}
    for tag in soup.find_all(True):
        assert not [name for name in tag.attrs if name.startswith("on")]
        assert str(tag.get("href", "https://")).startswith("https://")
    assert wording.entry(made.papers[0]).title in soup.get_text()


@pytest.mark.parametrize("written", HOSTILE)
def test_a_whole_message_parses(written: str) -> None:
    made = hostile(written)
    message = message_from_string(forms.eml(made, SITE, MAIL), policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert message["To"] == "reader@example.org"
    assert message["From"] == "Paper Post <digest@example.org>"
    assert len(message.get_all("Subject", [])) == 1
    plain = message.get_body(("plain",))
    assert isinstance(plain, EmailMessage)
    assert all(url in plain.get_content() for _, url in links_of(made))


@pytest.mark.parametrize("written", HOSTILE)
def test_text_has_every_link_and_no_control_characters(written: str) -> None:
    links = {key: f"https://arxiv.org/{key}/2611.00001" for key in ("abs", "pdf", "html")}
    made = hostile(written, links=links)
    shown = forms.text(made, SITE)
    lines = [line.strip() for line in shown.splitlines()]
    assert [line for line in lines if line.startswith(("Abstract: ", "PDF: ", "HTML: "))] == [
        f"{name}: {url}" for name, url in links_of(made)
    ]
    assert all(line.isprintable() for line in shown.split("\n"))


def test_forms_without_a_reader_hold_no_token() -> None:
    made = digest(ranked(1))
    for shown in (forms.text(made, SITE), forms.html(made, SITE)):
        assert "/unsubscribe/" not in shown
        assert f"{SITE.base_url}/" in shown
