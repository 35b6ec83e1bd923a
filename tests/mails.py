"""Mails of invented papers, and what every mail must be, for tests of how they are made."""

from email import message_from_bytes, policy
from email.message import EmailMessage

from bs4 import BeautifulSoup
from hypothesis import strategies as st

from trendbot import compose, tokens
from trendbot.model import Digest, Segment
from trendbot.settings import MailSection, Site

SITE = Site(name="Paper Post", base_url="https://papers.example.org/t", postal_address="1 Road")
MAIL = MailSection(sender="Paper Post <digest@example.org>", reply_to="editor@example.org")
TOKEN = tokens.sign("secret", tokens.UNSUBSCRIBE, "42")
PREFERENCES = tokens.sign("secret", tokens.PREFERENCES, "42")
MESSAGE_ID = "<abc@example.org>"
EVERYTHING = Segment()

HOSTILE = st.sampled_from(
    [
        "Break\r\nBcc: eve@example.org\r\n\r\nbody",
        "user\u202egnp.exe \u2066x\u2069 \u2028 \x00\x1a\x1b\x1b[31m \x85",
        "<script>alert(1)</script><img src=x onerror=alert(1)>",
        "\"><a href='javascript:alert(1)'>x</a> {{ 7*7 }} {% raw %}",
        "=?utf-8?q?hidden?= =?utf-8?b?aGlkZGVu?= =1A =\r\n",
        "=1A =1B =3D =_trendbot --=_trendbot--",
        "מאמר על למידה 👩‍🔬 論文 статья",
        "$\\alpha$ \\emph{TeX} \\input{x} $\\frac{1}{2}$",
        "word" * 1250,
        "& < > \" ' ` .",
        ".\r\n.\r\n",
        "\r.\r\n.\n.\r",
        "." * 500,
        " .dotted" * 60,
        ("." + "x" * 71) * 30,
        "é." * 200,
        "",
    ]
)


def mail_of(
    made: Digest, segment: Segment = EVERYTHING, recipient: str = "ann@example.com"
) -> bytes:
    composed = compose.render(made, segment, SITE, MAIL)
    return compose.personalise(composed, recipient, MESSAGE_ID, TOKEN, PREFERENCES)


def parse(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert isinstance(part, EmailMessage)
    assert not part.defects
    return str(part.get_content()).replace("\r\n", "\n")


def assert_wire_form(raw: bytes) -> None:
    """RFC 5322 section 2.1.1, RFC 5321 sections 2.3.8 and 4.5.2, and quoted-printable's lines."""
    to, _, rest = raw.partition(b"\r\n")
    assert to.startswith(b"To: ")
    assert rest.isascii()
    assert raw.endswith(b"\r\n")
    lines = raw.split(b"\r\n")
    assert not any(line.startswith(b".") for line in lines)
    assert not any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines)
    assert max(len(line) for line in lines) <= 998
    _, _, bodies = raw.partition(b"\r\n\r\n")
    assert max(len(line) for line in bodies.split(b"\r\n")) <= 76


def assert_harmless(html: str) -> None:
    soup = BeautifulSoup(html, "html.parser")
    assert not soup.find_all(["script", "iframe", "img", "link", "form", "object", "base", "svg"])
    for tag in soup.find_all(True):
        assert not [name for name in tag.attrs if name.startswith("on")]
        for name in ("href", "src"):
            assert str(tag.get(name, "https://")).startswith("https://")
