"""What the mails that are no digest say."""

import pytest
from bs4 import BeautifulSoup

from tests.digests import MADE
from tests.mails import MAIL, SITE, TOKEN, assert_harmless, assert_wire_form, body, parse
from trendbot import compose, notice_letters
from trendbot.notice_letters import Kind
from trendbot.settings import Site

LINK = "https://papers.example.org/t/somewhere/a.token"
MAILED = [kind for kind in Kind if kind is not Kind.WELCOME]


@pytest.mark.parametrize("kind", MAILED)
def test_a_notice_says_the_same_in_text_and_html(kind: Kind) -> None:
    made = notice_letters.of_notice(kind, SITE, LINK)
    soup = BeautifulSoup(made.html, "html.parser")
    assert [a["href"] for a in soup.find_all("a")] == [LINK, SITE.base_url]
    assert soup.title is not None
    assert soup.title.get_text() == made.subject
    shown = " ".join(soup.get_text(" ").split())
    for paragraph in made.text.split("\n\n"):
        sentence = " ".join(paragraph.removeprefix("-- \n").split())
        assert sentence == LINK or sentence in shown or "1 Road" in sentence
    assert made.text.count(LINK) == 1
    assert "\n\n\n" not in made.text


@pytest.mark.parametrize("kind", MAILED)
def test_a_notice_is_ready_for_the_wire(kind: Kind) -> None:
    raw = compose.notice(kind, "ann@example.com", TOKEN, "<a@example.org>", SITE, MAIL, MADE)
    assert_wire_form(raw)
    message = parse(raw)
    assert message["To"] == "ann@example.com"
    assert message["Auto-Submitted"] == "auto-generated"
    assert not [name for name in message if name.startswith("List-")]
    url = f"https://papers.example.org/t/{notice_letters.PATHS[kind]}/{TOKEN}"
    for part in ("plain", "html"):
        assert body(message, part).count(url) == 1
        assert "ann@example.com" not in body(message, part)
    assert_harmless(body(message, "html"))


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        (Kind.CONFIRM, "Confirm your subscription to Paper Post"),
        (Kind.KNOWN, "You are subscribed to Paper Post already"),
        (Kind.EXPORT, "What Paper Post keeps of you"),
        (Kind.ERASE, "Do you want Paper Post to erase you?"),
    ],
)
def test_each_has_its_subject(kind: Kind, subject: str) -> None:
    assert notice_letters.of_notice(kind, SITE, LINK).subject == subject


@pytest.mark.parametrize("kind", MAILED)
def test_a_hostile_name_of_the_site_stays_text(kind: Kind) -> None:
    site = Site(name="<script>\u202e & Co", base_url="https://example.org")
    made = notice_letters.of_notice(kind, site, LINK)
    assert "<script>" not in made.html
    assert "\u202e" not in made.subject + made.text + made.html
