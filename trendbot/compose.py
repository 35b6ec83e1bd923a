"""Mails as bytes: a digest is composed once per segment, then only joined per recipient.

    render(digest, segment) -> Composed       once for all who get the same content
    personalise(composed, recipient, …)       per recipient: joins bytes, encodes nothing

What differs between recipients are four slots: the address in To, the Message-ID, and the
tokens of the links to unsubscribe and to the preferences. In headers a slot is never folded;
in the quoted-printable bodies it stands on a line of its own between soft line breaks (RFC
2045 section 6.7), so that no encoding and no line length depends on it.

What comes out goes over the wire as it is (`envelope.is_wire_form`): that is settled when a
mail is composed, not when it is sent. All is 7-bit but an address in To that is not ASCII
(RFC 6532), which only goes to a server with SMTPUTF8.
"""

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from email import policy
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, getaddresses
from enum import StrEnum
from functools import lru_cache
from math import ceil
from urllib.parse import quote, urlsplit

from trendbot import addresses, envelope, letter, notice_letters, text, tokens
from trendbot.errors import AddressError, HeaderError
from trendbot.model import Cadence, Digest, RankedPaper, Segment, Taste
from trendbot.notice_letters import Kind
from trendbot.settings import MailSection, Site

TOPIC = re.compile(r"(?=.{1,40}\Z)[A-Za-z]+(?:-[A-Za-z]+)*(?:\.[A-Za-z]+(?:-[A-Za-z]+)*)?")

# Stand for the tokens while a mail is composed. Text from outside cannot hold them, being
# cleaned of controls, and quoted-printable makes =1A and =1B of them, and of nothing else.
_SLOT_MARK = "\x1a"
_PREFERENCES_MARK = "\x1b"
_ENCODED_MARK = re.compile(rb"=1([AB])")
_MARK = re.compile(rb"([\x1a\x1b])")
# RFC 2045 section 6.7 (5) recommends a boundary with "=_", which no quoted-printable line holds.
_BOUNDARY = "=_trendbot"
_LONGEST_LINE = 76  # of headers, and of quoted-printable bodies (RFC 2045 section 6.7)
# Python folds bodies two short of it, because a dot that begins a line becomes =2E later.
_POLICY = policy.SMTP.clone(max_line_length=_LONGEST_LINE - 2)
_LONGEST_MAILBOX = 320
_LONGEST_BASE_URL = 300
_BASE_URL = re.compile(
    r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?(?:/[A-Za-z0-9._~:/@!$&'()*+;=%-]*)?"
)


class Slot(StrEnum):
    """A place in a composed mail that is filled per recipient."""

    RECIPIENT = "recipient"
    MESSAGE_ID = "Message-ID"
    TOKEN = "token"  # noqa: S105  # its name
    PREFERENCES = "token of the preferences"


# No slot begins with a dot, so that none can begin a line with one (RFC 5321 section 4.5.2).
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9.-]{1,64}@[A-Za-z0-9.-]{1,254}>")
_TOKEN = re.compile(rf"[A-Za-z0-9_-][A-Za-z0-9_.-]{{0,{tokens.LONGEST - 1}}}")
_WIDEST = {
    Slot.RECIPIENT: b"a" * addresses.LONGEST,
    Slot.MESSAGE_ID: b"a" * 321,
    Slot.TOKEN: b"a" * tokens.LONGEST,
    Slot.PREFERENCES: b"a" * tokens.LONGEST,
}
_SLOTS = {_SLOT_MARK.encode(): Slot.TOKEN, _PREFERENCES_MARK.encode(): Slot.PREFERENCES}


@dataclass(frozen=True, slots=True)
class Composed:
    """A mail for one segment: the bytes all share, in order, and the slots between them."""

    parts: tuple[bytes | Slot, ...]


def matches(topics: Sequence[str], categories: Sequence[str]) -> bool:
    """Whether a paper of `categories` is in `topics`: the category, or its archive ("cs").

    No topics are all topics.
    """
    wanted = {topic.casefold() for topic in topics}
    names = [category.casefold() for category in categories]
    return not wanted or any(name in wanted or name.split(".")[0] in wanted for name in names)


def papers_for(digest: Digest, segment: Segment) -> tuple[RankedPaper, ...]:
    """The papers of the digest for the segment, with the ranks they have in the whole digest.

    There are some if it `concerns` the topics: of what is wanted less, some stays.
    """
    found = [one for one in digest.papers if matches(segment.topics, one.paper.categories)]
    return less_of(segment.fewer, found)


def concerns(digest: Digest, topics: Sequence[str]) -> bool:
    """Whether the digest has a paper in `topics`."""
    return any(matches(topics, one.paper.categories) for one in digest.papers)


def less_of(fewer: Sequence[str], papers: Sequence[RankedPaper]) -> tuple[RankedPaper, ...]:
    """The papers, of those whose primary category is in `fewer` the best third, rounded up.

    An archive ("cs") in `fewer` is each of its categories.
    """
    less = [one for one in papers if fewer and matches(fewer, one.paper.categories[:1])]
    left_out = {one.rank for one in less[ceil(len(less) / 3) :]}
    return tuple(one for one in papers if one.rank not in left_out)


def render(digest: Digest, segment: Segment, site: Site, mail: MailSection) -> Composed:
    """Compose the digest for the segment; the same digest gives the same bytes.

    Raises HeaderError for settings that cannot stand in a header.
    """
    links = _links(site)
    content = letter.of_digest(digest, papers_for(digest, segment), segment, site, links)
    headers = _list_headers(_archive_path(digest), _feedback(digest), site, mail)
    return _compose(content, mail, digest.made_at, headers)


def welcome(
    digest: Digest | None, taste: Taste, site: Site, mail: MailSection, now: datetime
) -> Composed:
    """Compose what greets a new subscriber: the latest digest, or that none has come yet.

    Its slots are those of a digest. A digest without a paper for this taste is as good as
    none. Raises HeaderError for settings that cannot stand in a header.
    """
    links, segment = _links(site), Segment(taste.topics, taste.fewer)
    papers = papers_for(digest, segment) if digest is not None else ()
    feedback = f"{now:%Y%m%d}:{taste.cadence}:welcome"
    if digest is None or not papers:
        content, path = letter.of_welcome(taste, site, links), "archive"
    else:
        content = letter.of_digest(digest, papers, segment, site, links, taste)
        path = _archive_path(digest)
    return _compose(content, mail, now, _list_headers(path, feedback, site, mail))


def personalise(
    composed: Composed, recipient: str, message_id: str, token: str, preferences: str = ""
) -> bytes:
    """The mail for one recipient, ready for the wire.

    `token` is for the links to unsubscribe or to confirm, `preferences` for those to the
    preferences, if the mail has any. Raises HeaderError for a value that is not what its slot
    takes.
    """
    if not addresses.is_normal(recipient):
        raise HeaderError(f"{recipient!r} cannot stand as the recipient of a mail")
    if not _MESSAGE_ID.fullmatch(message_id):
        raise HeaderError(f"{message_id!r} cannot stand as the Message-ID of a mail")
    if not _TOKEN.fullmatch(token):
        raise HeaderError(f"{token!r} cannot stand as the token of a mail")
    if not _TOKEN.fullmatch(preferences) and Slot.PREFERENCES in composed.parts:
        raise HeaderError(f"{preferences!r} cannot stand as the token of a mail's preferences")
    return _joined(
        composed,
        {
            Slot.RECIPIENT: recipient.encode(),
            Slot.MESSAGE_ID: message_id.encode(),
            Slot.TOKEN: token.encode(),
            Slot.PREFERENCES: preferences.encode(),
        },
    )


def _joined(composed: Composed, filled: Mapping[Slot, bytes]) -> bytes:
    return b"".join([filled[part] if isinstance(part, Slot) else part for part in composed.parts])


def notice(
    kind: Kind,
    recipient: str,
    token: str,
    message_id: str,
    site: Site,
    mail: MailSection,
    now: datetime,
) -> bytes:
    """A mail that is no digest, any but a welcome: its one link ends with `token`.

    Raises HeaderError.
    """
    link = f"{_base_url(site)}/{notice_letters.PATHS[kind]}/{_SLOT_MARK}"
    content = notice_letters.of_notice(kind, site, link)
    return personalise(_compose(content, mail, now, ()), recipient, message_id, token)


def message_id(secret: str, cadence: Cadence, day: date, subscriber_id: int, sender: str) -> str:
    """The Message-ID of one delivery: the same at every try, and nobody can guess it."""
    return message_id_of(secret, f"{cadence}/{day}/{subscriber_id}", sender)


def message_id_of(secret: str, subject: str, sender: str) -> str:
    """The Message-ID of the one mail about `subject`. Raises HeaderError for a wrong sender."""
    mark = _keyed(secret).copy()
    mark.update(f"message-id {subject}".encode())
    return f"<{mark.hexdigest()[:40]}@{_mailbox(sender, 'mail.sender').domain}>"


@lru_cache(maxsize=8)
def _keyed(secret: str) -> hmac.HMAC:
    """To copy, which takes a fraction of the time of taking in the key again."""
    return hmac.new(secret.encode(), digestmod=hashlib.sha256)


@lru_cache(maxsize=8)
def envelope_sender(sender: str) -> str:
    """The bare address of "Name <address>", for MAIL FROM. Raises HeaderError."""
    return _mailbox(sender, "mail.sender").addr_spec


def check_settings(site: Site, mail: MailSection) -> None:
    """Raise HeaderError for settings that could not stand in a mail, before there is one."""
    _base_url(site)
    _mailbox(mail.sender, "mail.sender")
    if mail.reply_to:
        _mailbox(mail.reply_to, "mail.reply_to")


def header_value(value: str, key: str) -> str:
    """`value`, fit for a header. Raises HeaderError naming `key` if anything invisible is in it.

    Refused are C0, DEL, C1, line separators and bidi controls, so that no value can end its
    header (RFC 5322 section 2.2) or make it read as something else.
    """
    if found := text.HIDDEN.search(value):
        raise HeaderError(
            f"{key} holds U+{ord(found[0]):04X}, which must not reach a mail header; remove it"
        )
    return value


def _compose(
    content: letter.Letter, mail: MailSection, sent_at: datetime, headers: Sequence[bytes | Slot]
) -> Composed:
    written = {"From": _written(_mailbox(mail.sender, "mail.sender"))}
    if reply_to := _reply_to(mail):
        written["Reply-To"] = _written(reply_to)
    written |= {
        "Subject": _encoded(header_value(content.subject, "the subject"), "Subject"),
        "Date": format_datetime(sent_at),
        "Auto-Submitted": "auto-generated",  # RFC 3834 section 5
    }
    first, *others = _MARK.split(_multipart(content))
    composed = Composed(
        (
            *(b"To: ", Slot.RECIPIENT, b"\r\nMessage-ID: ", Slot.MESSAGE_ID, b"\r\n"),
            *headers,
            _lines(written) + first,
            *(_SLOTS.get(part, part) for part in others),
        )
    )
    if not envelope.is_wire_form(_joined(composed, _WIDEST)):
        raise HeaderError(f"the mail {content.subject!r} cannot go over the wire as it is")
    return composed


def _multipart(content: letter.Letter) -> bytes:
    """Both parts in quoted-printable, and the headers that say so (RFC 2046 section 5.1.4).

    The mark of a slot is the one line that is not encoded. No line begins with a dot.
    """
    message = EmailMessage(policy=_POLICY)
    message.set_content(content.text, cte="quoted-printable")
    message.add_alternative(content.html, subtype="html", cte="quoted-printable")
    message.set_boundary(_BOUNDARY)
    marked = _ENCODED_MARK.sub(_on_a_line, message.as_bytes())
    return marked.replace(b"\r\n.", b"\r\n=2E")


def _on_a_line(mark: re.Match[bytes]) -> bytes:
    return b"=\r\n" + bytes.fromhex(f"1{mark[1].decode()}") + b"=\r\n"


def _links(site: Site) -> letter.Links:
    """The links of a digest, a mark in each for the token. Raises HeaderError."""
    base_url = _base_url(site)
    return letter.Links(
        leave=f"{base_url}/unsubscribe/{_SLOT_MARK}",
        preferences=f"{base_url}/preferences/{_PREFERENCES_MARK}",
    )


def _archive_path(digest: Digest) -> str:
    return f"digests/{digest.cadence}/{digest.date}"


def _feedback(digest: Digest) -> str:
    return f"{digest.date:%Y%m%d}:{digest.cadence}:digest"


def _list_headers(path: str, feedback: str, site: Site, mail: MailSection) -> list[bytes | Slot]:
    """The headers of a list, written out because their addresses must never be folded."""
    base_url = _base_url(site)
    back = _reply_to(mail) or _mailbox(mail.sender, "mail.sender")
    slug = _slug(site.name)
    lines: list[bytes | Slot] = [
        f"List-Unsubscribe: <{base_url}/unsubscribe/".encode("ascii"),  # RFC 2369
        Slot.TOKEN,
        f">,\r\n <mailto:{quote(back.addr_spec, safe='@')}?subject=unsubscribe%20".encode("ascii"),
        Slot.TOKEN,
        b">\r\n",
    ]
    if base_url.startswith("https:"):  # RFC 8058 section 3.1 asks for https
        lines.append(b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")
    others = {
        "List-Id": f"<{slug}.{_host(base_url)}>",  # RFC 2919
        "List-Archive": f"<{base_url}/{path}>",
        "Feedback-ID": f"{feedback}:{slug[:15]}",
    }
    return [*lines, _lines(others)]


def _lines(headers: Mapping[str, str]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("ascii")


def _encoded(value: str, name: str) -> str:
    """`value` as a header's text, folded; in encoded words if it is not ASCII or looks like one.

    The older `Header`, because `EmailMessage` loses spaces between encoded words and decodes
    what somebody's title only quotes (RFC 2047).
    """
    plain = value.isascii() and "=?" not in value
    header = Header(value, "us-ascii" if plain else "utf-8", _LONGEST_LINE, name)
    return header.encode(linesep="\r\n")


def _written(mailbox: Address) -> str:
    if mailbox.display_name.isascii():
        return str(mailbox)
    return f"{_encoded(mailbox.display_name, 'Reply-To')} <{mailbox.addr_spec}>"


def _reply_to(mail: MailSection) -> Address | None:
    return _mailbox(mail.reply_to, "mail.reply_to") if mail.reply_to else None


def _base_url(site: Site) -> str:
    if len(site.base_url) > _LONGEST_BASE_URL or not _BASE_URL.fullmatch(site.base_url):
        raise HeaderError(
            f"site.base_url {site.base_url[:80]!r} cannot stand in a mail: write it in at most "
            f"{_LONGEST_BASE_URL} ASCII characters, a domain of other letters as xn--…"
        )
    return site.base_url


def _host(base_url: str) -> str:
    return re.sub(r"[^a-z0-9.-]+", "-", urlsplit(base_url).hostname or "localhost").strip("-")


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "digest"


@lru_cache(maxsize=8)
def _mailbox(written: str, key: str) -> Address:
    """Read "Name <address>" of the settings. Raises HeaderError."""
    boxes = getaddresses([header_value(written, key)])
    if len(boxes) != 1 or len(written) > _LONGEST_MAILBOX:
        raise HeaderError(f"{key} {written!r} is not one address; write Name <name@host>")
    name, spec = boxes[0]
    try:
        email = addresses.normalise(spec).email
    except AddressError as error:
        raise HeaderError(f"{key}: {error}") from error
    if not email.isascii():
        raise HeaderError(
            f"{key} {email!r} must be ASCII before the @: not every server takes more"
        )
    return Address(display_name=name, addr_spec=email)
