"""What a mail says and to whom; that it survives its way is in test_compose_wire.py.

Over 400 lines: every header, slot and kind of mail is looked at once.
"""

import re
from datetime import date
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage

import pytest
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.digests import DAY, MADE, digest, ranked
from tests.mails import (
    HOSTILE,
    MAIL,
    MESSAGE_ID,
    PREFERENCES,
    SITE,
    TOKEN,
    assert_harmless,
    assert_wire_form,
    body,
    mail_of,
    parse,
)
from trendbot import compose, text, tokens
from trendbot.errors import HeaderError
from trendbot.model import Cadence, Digest, Segment, Taste
from trendbot.notice_letters import Kind
from trendbot.settings import MailSection, Site


def test_the_headers() -> None:
    message = parse(mail_of(digest(ranked(1), ranked(2))))
    assert dict(message.items()) == {
        "To": "ann@example.com",
        "Message-ID": MESSAGE_ID,
        "List-Unsubscribe": f"<https://papers.example.org/t/unsubscribe/{TOKEN}>,"
        f" <mailto:editor@example.org?subject=unsubscribe%20{TOKEN}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Id": "<paper-post.papers.example.org>",
        "List-Archive": "<https://papers.example.org/t/digests/daily/2026-11-20>",
        "Feedback-ID": "20261120:daily:digest:paper-post",
        "From": "Paper Post <digest@example.org>",
        "Reply-To": "editor@example.org",
        "Subject": "Paper Post daily: A plain title and 1 more · 20 Nov 2026",
        "Date": "Sat, 21 Nov 2026 06:30:00 +0000",
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
        "Content-Type": 'multipart/alternative; boundary="=_trendbot"',
    }


def test_one_click_is_promised_only_where_it_is_safe() -> None:
    site = Site(base_url="http://localhost:8080")
    composed = compose.render(digest(ranked(1)), Segment(), site, MAIL)
    message = parse(
        compose.personalise(composed, "ann@example.com", MESSAGE_ID, TOKEN, PREFERENCES)
    )
    assert message["List-Unsubscribe-Post"] is None
    assert f"<http://localhost:8080/unsubscribe/{TOKEN}>" in message["List-Unsubscribe"]
    assert message["List-Id"] == "<trendbot.localhost>"


def test_both_parts_say_the_same() -> None:
    message = parse(mail_of(digest(ranked(1), ranked(2, r"Sorting in $O(n^2)$"))))
    soup = BeautifulSoup(body(message, "html"), "html.parser")
    html = " ".join(soup.get_text(" ").split())
    plain = " ".join(body(message, "plain").split())
    for said in (
        "Paper Post",
        "Friday 20 November 2026",
        "Counted 21 November 2026, 05:50 UTC.",
        "A plain title",
        "Sorting in O(n²)",
        "Ann Lee, Bo Ray",
        "10 retweets · 2 favorites",
        "X: 3 posts",
        "cs.LG, stat.ML",
        "We count posts. They are many.",
        "1 Road",
    ):
        assert said in html
        assert said in plain
    links = {str(link["href"]) for link in soup.find_all("a")}
    assert links == set(re.findall(r"https://\S+", plain))
    assert f"https://papers.example.org/t/unsubscribe/{TOKEN}" in links
    assert f"https://papers.example.org/t/preferences/{PREFERENCES}" in links


def test_the_html_is_one_document_with_headings_in_order() -> None:
    soup = BeautifulSoup(body(parse(mail_of(digest(ranked(1), ranked(2)))), "html"), "html.parser")
    assert soup.html is not None
    assert soup.html["lang"] == "en"
    assert [tag.name for tag in soup.find_all(re.compile("h[1-6]"))] == ["h1", "h2", "h2"]


def test_recipients_differ_only_in_their_slots() -> None:
    composed = compose.render(digest(ranked(1)), Segment(), SITE, MAIL)
    one = ("ann@example.com", "<a1@example.org>", "1.aaa", "1.ppp")
    other = ("bo.ray@mail.example.net", "<b2@example.org>", "22.b-b_b", "22.p-p_p")
    left, right = (compose.personalise(composed, *values) for values in (one, other))
    for mine, theirs in zip(one, other, strict=True):
        left = left.replace(mine.encode(), theirs.encode())
    assert left == right


def test_a_slot_in_a_body_stands_on_a_line_of_its_own() -> None:
    raw = mail_of(digest(ranked(1)))
    _, _, bodies = raw.partition(b"\r\n\r\n")
    lines = bodies.split(b"\r\n")
    for token in (TOKEN.encode(), PREFERENCES.encode()):
        places = [place for place, line in enumerate(lines) if token in line]
        assert len(places) == 2
        for place in places:
            assert lines[place] == token + b"="
            assert lines[place - 1].endswith(b"=")


def test_the_same_digest_gives_the_same_bytes() -> None:
    made = digest(ranked(1), ranked(2))
    assert mail_of(made) == mail_of(made)


@pytest.mark.parametrize(
    ("topics", "categories", "matching"),
    [
        ((), ("cs.LG",), True),
        (("cs.LG",), ("stat.ML", "cs.LG"), True),
        (("cs",), ("cs.LG",), True),
        (("cs.lg",), ("cs.LG",), True),
        (("astro-ph",), ("astro-ph.GA",), True),
        (("math-ph",), ("math-ph",), True),
        (("cs.LG",), ("cs.CL",), False),
        (("cs.L",), ("cs.LG",), False),
        (("math",), ("math-ph",), False),
        (("cs.LG",), ("cs",), False),
        (("cs",), (), False),
    ],
)
def test_topics(topics: tuple[str, ...], categories: tuple[str, ...], matching: bool) -> None:
    assert compose.matches(topics, categories) is matching


def test_a_segment_keeps_the_ranks_of_the_digest() -> None:
    made = digest(ranked(1), ranked(2, "On sets", categories=("math.LO",)), ranked(3))
    assert [one.rank for one in compose.papers_for(made, Segment(("math",)))] == [2]
    plain = body(parse(mail_of(made, Segment(("math",)))), "plain")
    assert "2. On sets" in plain
    assert "1. A plain title" not in plain
    assert "the 1 in your topics: math" in " ".join(plain.split())


@pytest.mark.parametrize("topic", ["cs", "cs.LG", "math-ph", "cond-mat.mes-hall", "q-bio.QM"])
def test_a_topic(topic: str) -> None:
    assert compose.TOPIC.fullmatch(topic)


@pytest.mark.parametrize(
    "topic", ["", "cs.", ".LG", "cs LG", "cs.LG\n", "<b>", "a" * 41, "cs,math"]
)
def test_no_topic(topic: str) -> None:
    assert not compose.TOPIC.fullmatch(topic)


def test_a_message_id_is_stable_and_says_nothing_of_whom_it_is_for() -> None:
    def made(secret: str = "s", day: date = DAY, reader: int = 7) -> str:
        return compose.message_id(secret, Cadence.DAILY, day, reader, MAIL.sender)

    assert made() == made()
    assert re.fullmatch(r"<[0-9a-f]{40}@example\.org>", made())
    assert len({made(), made(secret="t"), made(day=date(2026, 11, 21)), made(reader=8)}) == 4


def test_a_message_id_does_not_change_with_versions() -> None:
    made = compose.message_id("a-secret-of-at-least-16", Cadence.DAILY, DAY, 42, MAIL.sender)
    assert made == "<8bf9ddde561e3f9b62f9061d987c87cb704341e0@example.org>"


@pytest.mark.parametrize(
    ("recipient", "message_id", "token"),
    [
        ("ann@example.com\r\nBcc: eve@example.org", MESSAGE_ID, TOKEN),
        ("ann@example.com, eve@example.org", MESSAGE_ID, TOKEN),
        ("änn@exämple.com", MESSAGE_ID, TOKEN),
        ("a\u0308nn@example.com", MESSAGE_ID, TOKEN),
        ("änn\u2028@example.com", MESSAGE_ID, TOKEN),
        ("änn\u202e@example.com", MESSAGE_ID, TOKEN),
        ("änn\x85@example.com", MESSAGE_ID, TOKEN),
        ("änn\udc80@example.com", MESSAGE_ID, TOKEN),
        ("ä nn@example.com", MESSAGE_ID, TOKEN),
        ("ä，nn@example.com", MESSAGE_ID, TOKEN),
        (".ann@example.com", MESSAGE_ID, TOKEN),
        ("ann@example.com.", MESSAGE_ID, TOKEN),
        ("a" * 65 + "@example.com", MESSAGE_ID, TOKEN),
        ("ä" * 33 + "@example.com", MESSAGE_ID, TOKEN),
        ("ann@example.com", "<a b@example.org>", TOKEN),
        ("ann@example.com", "a@example.org", TOKEN),
        ("ann@example.com", f"<{'a' * 65}@example.org>", TOKEN),
        ("ann@example.com", f"<a@{'a' * 255}>", TOKEN),
        ("ann@example.com", "<ä@example.org>", TOKEN),
        ("ann@example.com", MESSAGE_ID, ""),
        ("ann@example.com", MESSAGE_ID, ".42"),
        ("ann@example.com", MESSAGE_ID, "a b"),
        ("ann@example.com", MESSAGE_ID, "a" * 71),
        ("ann@example.com", MESSAGE_ID, "a=\n"),
    ],
)
def test_nothing_but_its_kind_fills_a_slot(recipient: str, message_id: str, token: str) -> None:
    composed = compose.render(digest(ranked(1)), Segment(), SITE, MAIL)
    with pytest.raises(HeaderError, match="cannot stand"):
        compose.personalise(composed, recipient, message_id, token, PREFERENCES)
    if token != TOKEN:
        with pytest.raises(HeaderError, match="cannot stand"):
            compose.personalise(composed, recipient, message_id, TOKEN, token)


@pytest.mark.parametrize(
    ("sender", "address"),
    [
        ("digest@example.org", "digest@example.org"),
        ("Paper Post <digest@EXAMPLE.org>", "digest@example.org"),
        ('"Post, Paper" <digest@example.org>', "digest@example.org"),
        ("Zeitung für Aufsätze, täglich <digest@bücher.example>", None),
        ("日刊論文ダイジェスト" * 3 + " <digest@example.org>", "digest@example.org"),
        ("trendbot <trendbot@localhost>", "trendbot@localhost"),
    ],
)
def test_senders(sender: str, address: str | None) -> None:
    address = address or "digest@xn--bcher-kva.example"
    if "," in sender and '"' not in sender:
        with pytest.raises(HeaderError, match="one address"):
            compose.envelope_sender(sender)
        return
    assert compose.envelope_sender(sender) == address
    composed = compose.render(digest(ranked(1)), Segment(), SITE, MailSection(sender=sender))
    raw = compose.personalise(composed, "ann@example.com", MESSAGE_ID, TOKEN, PREFERENCES)
    assert_wire_form(raw)
    (author,) = parse(raw)["From"].addresses
    assert author.addr_spec == address
    # The new parser of Python 3.11 keeps the spaces between encoded words; the old does not.
    written = message_from_bytes(raw, policy=policy.compat32)["From"].rpartition("<")[0]
    name = str(make_header(decode_header(written.replace("\r\n", ""))))
    assert name.strip(' "') == sender.rpartition("<")[0].strip(' "')


@pytest.mark.parametrize(
    "sender",
    [
        "",
        "nobody",
        "a@example.org, b@example.org",
        "Post <digest@example.org>\r\nBcc: eve@example.org",
        "Post\u202e <digest@example.org>",
        "Post\x07 <digest@example.org>",
        "Post <digest@example>",
        "pöst@example.org",
    ],
)
def test_senders_that_are_none(sender: str) -> None:
    with pytest.raises(HeaderError, match=r"mail\.sender"):
        compose.render(digest(ranked(1)), Segment(), SITE, MailSection(sender=sender))


@pytest.mark.parametrize(
    "base_url",
    [
        "https://exämple.org",
        "https://example.org/>,<mailto:eve@example.org",
        "https://example.org/a,b",
        'https://example.org/"x',
        "https://example.org/\x1a",
        "https://user@example.org",
        "https://[::1",
        "https://example.org/" + "a" * 300,
    ],
)
def test_a_base_url_that_would_break_headers_is_refused(base_url: str) -> None:
    with pytest.raises(HeaderError, match=r"site\.base_url"):
        compose.render(digest(ranked(1)), Segment(), Site(base_url=base_url), MAIL)


@settings(deadline=None)
@given(st.text(st.characters(), max_size=30))
def test_a_header_value_is_itself_or_refused(value: str) -> None:
    if re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", value):
        with pytest.raises(HeaderError, match=r"some\.key holds U\+[0-9A-F]+, which"):
            compose.header_value(value, "some.key")
        return
    try:
        assert compose.header_value(value, "some.key") == value
    except HeaderError:
        assert text.clean(value) != " ".join(value.split())


@settings(deadline=None, max_examples=30)
@given(HOSTILE | st.text(st.characters(codec="utf-8"), min_size=1, max_size=60), HOSTILE)
def test_no_name_of_the_site_breaks_a_mail(name: str, postal_address: str) -> None:
    site = Site(
        name=name[:60] or "x",
        base_url="https://[2001:db8::1]:8443/t",
        postal_address=postal_address[:300],
    )
    composed = compose.render(digest(ranked(1)), Segment(), site, MAIL)
    raw = compose.personalise(composed, "ann@example.com", MESSAGE_ID, TOKEN, PREFERENCES)
    assert_wire_form(raw)
    message = parse(raw)
    assert body(message, "plain").count(TOKEN) == 1
    assert body(message, "plain").count(PREFERENCES) == 1
    assert_harmless(body(message, "html"))
    assert re.fullmatch(r"<[a-z0-9.-]+>", message["List-Id"])
    assert message["Bcc"] is None


def test_a_confirmation_asks_and_says_who_asks() -> None:
    token = tokens.sign_timed("secret", tokens.CONFIRM, "42", MADE)
    message_id = compose.message_id_of("secret", token, MAIL.sender)
    raw = compose.notice(Kind.CONFIRM, "ann@example.com", token, message_id, SITE, MAIL, MADE)
    assert_wire_form(raw)
    message = parse(raw)
    assert message["To"] == "ann@example.com"
    assert message["Message-ID"] == message_id
    assert message["Subject"] == "Confirm your subscription to Paper Post"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"] == "Sat, 21 Nov 2026 06:30:00 +0000"
    assert not [name for name in message if name.startswith("List-")]
    for kind in ("plain", "html"):
        content = body(message, kind)
        assert content.count(f"https://papers.example.org/t/confirm/{token}") == 1
        assert "48 hours" in content
        assert "Paper Post, which runs at" in " ".join(content.split())
        assert "1 Road" in content
        assert "ann@example.com" not in content
    assert_harmless(body(message, "html"))


WISHES = st.lists(st.sampled_from(["cs", "cs.LG", "cs.CV", "math", "q-bio.QM"]), max_size=3)
CATEGORIES = st.lists(st.sampled_from(["cs.LG", "cs.CV", "math.LO", "q-bio.QM"]), max_size=3)


@given(WISHES, WISHES, st.lists(CATEGORIES, max_size=20))
def test_of_what_is_wanted_less_the_best_third_stays(
    topics: list[str], fewer: list[str], categories: list[list[str]]
) -> None:
    papers = [ranked(place, categories=tuple(of)) for place, of in enumerate(categories, 1)]
    made = digest(*papers)
    found = compose.papers_for(made, Segment(tuple(topics)))
    shown = compose.papers_for(made, Segment(tuple(topics), tuple(fewer)))
    less = [
        one
        for one in found
        if {*one.paper.categories[:1], *(name[:-3] for name in one.paper.categories[:1])}
        & set(fewer)
    ]
    stays = less[: (len(less) + 2) // 3]
    assert shown == tuple(one for one in found if one not in less or one in stays)
    assert bool(shown) == bool(found) == compose.concerns(made, topics)


@pytest.mark.parametrize(
    ("topics", "fewer", "said"),
    [
        ((), (), "The 7 papers with the most retweets and favorites."),
        ((), ("cs.CV",), "and favorites, 3, with fewer of cs.CV."),
        (("cs",), ("cs.CV",), "the 3 in your topics: cs, with fewer of cs.CV."),
    ],
)
def test_a_mail_says_what_there_is_fewer_of(
    topics: tuple[str, ...], fewer: tuple[str, ...], said: str
) -> None:
    made = digest(ranked(1), *(ranked(place, categories=("cs.CV",)) for place in range(2, 8)))
    message = parse(mail_of(made, Segment(topics, fewer)))
    soup = BeautifulSoup(body(message, "html"), "html.parser")
    assert said in " ".join(body(message, "plain").split())
    assert said in " ".join(soup.get_text(" ").split())


def welcome(latest: Digest | None, taste: Taste) -> EmailMessage:
    composed = compose.welcome(latest, taste, SITE, MAIL, MADE)
    slots = ("ann@example.com", MESSAGE_ID, TOKEN, PREFERENCES)
    raw = compose.personalise(composed, *slots)
    assert_wire_form(raw)
    assert_harmless(body(parse(raw), "html"))
    return parse(raw)


def test_a_newcomer_is_greeted_with_the_latest_digest() -> None:
    made = digest(ranked(1), ranked(2, "On sets", categories=("math.LO",)))
    taste = Taste(Cadence.WEEKLY, ("math",), hour=7, timezone="Europe/Berlin")
    message = welcome(made, taste)
    assert message["Subject"] == "Welcome to Paper Post: its daily digest, 20 Nov 2026"
    assert message["Date"] == "Sat, 21 Nov 2026 06:30:00 +0000"
    assert message["Feedback-ID"] == "20261121:weekly:welcome:paper-post"
    assert message["List-Archive"] == "<https://papers.example.org/t/digests/daily/2026-11-20>"
    assert message["List-Unsubscribe"].startswith(f"<{SITE.base_url}/unsubscribe/{TOKEN}>")
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    for kind in ("plain", "html"):
        content = " ".join(body(message, kind).split())
        assert "You are subscribed to the weekly digest of Paper Post. This is the" in content
        assert "the next one comes after Sunday, from 07:00 on (Europe/Berlin)." in content
        assert "On sets" in content
        assert "A plain title" not in content
        assert f"/preferences/{PREFERENCES}" in content


@pytest.mark.parametrize("latest", [None, digest(ranked(1))], ids=["none", "none of it wanted"])
def test_a_newcomer_is_greeted_without_a_digest(latest: Digest | None) -> None:
    message = welcome(latest, Taste(topics=("math",), hour=7))
    assert message["Subject"] == "Welcome to Paper Post"
    assert message["Feedback-ID"] == "20261121:daily:welcome:paper-post"
    assert message["List-Archive"] == "<https://papers.example.org/t/archive>"
    for kind in ("plain", "html"):
        content = " ".join(body(message, kind).split())
        assert "There is no digest for you yet" in content
        assert "after the next day with new papers, from 07:00 on." in content
        assert "A plain title" not in content
        for path in (f"unsubscribe/{TOKEN}", f"preferences/{PREFERENCES}"):
            assert content.count(f"{SITE.base_url}/{path}") == 1


def test_a_mail_without_preferences_needs_no_token_for_them() -> None:
    composed = compose.render(digest(ranked(1)), Segment(), SITE, MAIL)
    with pytest.raises(HeaderError, match="preferences"):
        compose.personalise(composed, "ann@example.com", MESSAGE_ID, TOKEN)
    raw = compose.notice(Kind.CONFIRM, "ann@example.com", TOKEN, MESSAGE_ID, SITE, MAIL, MADE)
    assert b"/preferences/" not in raw
