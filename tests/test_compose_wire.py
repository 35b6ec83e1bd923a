"""Mails are what was meant at the other end of the wire, whatever the papers and readers are."""

from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from email.parser import BytesParser

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tests.digests import digest, ranked
from tests.mails import HOSTILE, MAIL, SITE, assert_harmless, assert_wire_form, body, mail_of, parse
from trendbot import addresses, compose, letter, tokens
from trendbot.errors import AddressError, HeaderError
from trendbot.model import Cadence, Digest, Segment
from trendbot.notice_letters import Kind

ANYTHING = HOSTILE | st.text(st.characters(), max_size=80)
SECRET = "a secret of the tests"
DOMAINS = st.sampled_from(
    ["example.com", "bücher.example.org", "localhost", "a.b-c.d1.example.net"]
)
LOCAL_PARTS = st.text(st.characters(max_codepoint=126), min_size=1, max_size=64) | st.text(
    st.characters(), min_size=1, max_size=40
)


@st.composite
def recipients(draw: st.DrawFn) -> str:
    """Whatever can be subscribed."""
    known = ["ann@example.com", "o'neill+x@example.com", "用户@例子.example.com", "é.ü@example.com"]
    try:
        typed = draw(st.sampled_from(known) | st.builds("{}@{}".format, LOCAL_PARTS, DOMAINS))
        return addresses.normalise(typed).email
    except AddressError:
        assume(False)
        raise


@st.composite
def hostile_digests(draw: st.DrawFn) -> Digest:
    title, author, category, abstract, link = (draw(ANYTHING) for _ in range(5))
    links = {"abs": link, "pdf": "javascript:" + link, "html": "https://example.org/" + link}
    paper = ranked(
        1,
        title,
        authors=(author, author),
        categories=(category,),
        abstract=abstract,
        links=links,
    )
    return digest(paper, ranked(2))


READERS = st.tuples(recipients(), st.integers(1, 2**63 - 1))


def values_of(reader: tuple[str, int], made: Digest) -> tuple[str, str, str, str]:
    """What fills the slots for a reader."""
    recipient, number = reader
    sender = MAIL.sender
    message_id = compose.message_id(SECRET, Cadence.DAILY, made.date, number, sender)
    purposes = (tokens.UNSUBSCRIBE, tokens.PREFERENCES)
    leave, prefer = (tokens.sign(SECRET, purpose, str(number)) for purpose in purposes)
    return recipient, message_id, leave, prefer


@settings(deadline=None, max_examples=100)
@given(hostile_digests(), READERS, READERS)
@example(digest(ranked(1, "=?utf-8?q?=0D=0ABcc:_eve@example.org?=")), ("é@a.org", 1), ("a@b.c", 2))
def test_every_mail_is_what_was_meant_after_its_way(
    made: Digest, reader: tuple[str, int], other: tuple[str, int]
) -> None:
    composed = compose.render(made, Segment(), SITE, MAIL)
    mine, theirs = values_of(reader, made), values_of(other, made)
    raw = compose.personalise(composed, *mine)
    assert_wire_form(raw)
    arrived = over_the_wire(raw)
    assert arrived == raw
    assert_meant(arrived, made, *mine)
    assert blanked(raw, *mine) == blanked(compose.personalise(composed, *theirs), *theirs)


def over_the_wire(raw: bytes) -> bytes:
    """Line by line as RFC 5321 section 4.5.2 has it: dots doubled, and single again."""
    sent = [b"." + line if line.startswith(b".") else line for line in raw.split(b"\r\n")[:-1]]
    assert b"." not in sent
    return b"".join((line[1:] if line.startswith(b".") else line) + b"\r\n" for line in sent)


def assert_meant(
    raw: bytes, made: Digest, recipient: str, message_id: str, token: str, preferences: str
) -> None:
    leave_url = f"{SITE.base_url}/unsubscribe/{token}"
    links = letter.Links(leave_url, f"{SITE.base_url}/preferences/{preferences}")
    meant = letter.of_digest(made, made.papers, Segment(), SITE, links)
    message = BytesParser(policy=policy.SMTP).parsebytes(raw)
    assert isinstance(message, EmailMessage)
    old = BytesParser(policy=policy.compat32).parsebytes(raw)
    for parsed in (message, old):
        assert not parsed.defects
        assert written(parsed, "To") == recipient
        assert parsed["Message-ID"].strip() == message_id
        assert parsed["Bcc"] is None
        assert len(parsed.keys()) == 14
        parts = [part.get_content_type() for part in parsed.walk()]
        assert parts == ["multipart/alternative", "text/plain", "text/html"]
        for part, content in zip(parsed.walk(), (None, meant.text, meant.html), strict=True):
            assert not part.defects
            if content is not None:
                payload = part.get_payload(decode=True)
                assert isinstance(payload, bytes)
                assert payload.decode().replace("\r\n", "\n") == content
    assert message["Subject"] == meant.subject
    assert message["List-Unsubscribe"].startswith(f"<{leave_url}>, <mailto:")
    assert body(message, "plain") == meant.text
    assert body(message, "html") == meant.html
    for slot in (token, preferences):
        assert meant.text.count(slot) == meant.html.count(slot) == 1
    assert_harmless(meant.html)


def written(message: Message, name: str) -> str:
    """A header as its bytes say, which the older parsers show as �, as UTF-8 (RFC 6532)."""
    (value,) = [str(value) for key, value in message.raw_items() if key == name]
    return value.strip().encode("ascii", "surrogateescape").decode()


def blanked(raw: bytes, recipient: str, message_id: str, token: str, preferences: str) -> bytes:
    """The mail with its slots emptied again, which all of a segment must share."""
    start = f"To: {recipient}\r\nMessage-ID: {message_id}\r\n".encode()
    assert raw.startswith(start)
    assert raw.count(token.encode()) == 4  # two links in List-Unsubscribe, one in each part
    assert raw.count(preferences.encode()) == 2  # in no header
    emptied = raw.removeprefix(start).replace(token.encode(), b"")
    return emptied.replace(preferences.encode(), b"")


@settings(deadline=None)
@given(st.from_regex(r"[A-Za-z0-9_.-]{1,70}", fullmatch=True))
@example(".")
@example(".42")
def test_no_token_begins_a_line_with_a_dot(token: str) -> None:
    composed = compose.render(digest(ranked(1)), Segment(), SITE, MAIL)
    mine = ("ann@example.com", "<a@example.org>")
    if token.startswith("."):
        for pair in ((token, "1.a"), ("1.a", token)):
            with pytest.raises(HeaderError, match="token"):
                compose.personalise(composed, *mine, *pair)
        return
    assert_wire_form(compose.personalise(composed, *mine, token, token))


def test_a_dot_that_begins_a_line_is_written_out() -> None:
    dots = " .dotted" * 60
    raw = mail_of(digest(ranked(1, abstract=dots)))
    assert b"\r\n=2E" in raw
    assert_wire_form(raw)
    assert ".dotted .dotted" in " ".join(body(parse(raw), "plain").split())


def test_an_address_beyond_ascii_stands_in_to_as_it_is() -> None:
    raw = mail_of(digest(ranked(1)), recipient="jürgen@example.com")
    assert raw.startswith("To: jürgen@example.com\r\n".encode())
    assert raw.replace("ü".encode(), b"u").isascii()
    assert mail_of(digest(ranked(1)), recipient="j@example.com").isascii()


def test_a_confirmation_is_ready_for_the_wire_too() -> None:
    token = tokens.sign(SECRET, tokens.CONFIRM, "1")
    for recipient in ("ann@example.com", "jürgen@example.com"):
        raw = compose.notice(
            Kind.CONFIRM, recipient, token, "<a@example.org>", SITE, MAIL, digest().made_at
        )
        assert_wire_form(raw)
        assert written(message_from_bytes(raw), "To") == recipient
