"""Mail addresses: what may be subscribed, and when two of them are the same mailbox."""

import re
import unicodedata
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

from trendbot.errors import AddressError

# RFC 5321 section 4.5.3.1.3: a path is at most 256 octets, two of them angle brackets.
LONGEST = 254
# Section 4.5.3.1.1. Beyond ASCII the octets of UTF-8 count (RFC 6531 section 3.3).
_LONGEST_LOCAL = 64

# Names of networks nobody reaches from outside (RFC 6761, RFC 6762). email-validator
# refuses them; a trendbot that mails its own host or an intranet needs them.
_LOCAL_NAMES = ("localhost", "local", "test")
_STAND_IN = ".example.com"

# A dot-atom (RFC 5322 section 3.2.3; beyond ASCII RFC 6532 section 3.2), then A-labels.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+"
_LABEL = r"[a-z0-9]+(?:-+[a-z0-9]+)*"
_NORMAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")


@dataclass(frozen=True, slots=True)
class Address:
    """An address to mail to, its domain ASCII, and the key under which it is known only once."""

    email: str
    key: str


def normalise(text: str) -> Address:
    """Read a bare mail address without asking the DNS.

    The domain comes back as the network knows it (lower case, IDNA A-labels), the local
    part as it was typed, in NFC (RFC 6532 section 3.1). Refused: display names, quoted local
    parts, address literals, and signs that nobody sees or that read as others.
    Raises AddressError saying what is wrong.
    """
    typed = text.strip(" ")
    if len(typed) > LONGEST:
        raise AddressError(f"{typed[:40]!r}… is longer than a mail address can be ({LONGEST})")
    try:
        email = _validated(typed)
    except EmailNotValidError as error:
        raise AddressError(f"{typed!r} is not a mail address: {error}") from error
    if not is_normal(email):
        raise AddressError(
            f"{typed!r} cannot be mailed to: what stands before the @-sign takes more than "
            f"{_LONGEST_LOCAL} bytes, or holds signs that mail programs read as others"
        )
    return Address(email, _key(email))


def is_normal(email: str) -> bool:
    """Whether `email` has the form `normalise` gives to addresses; asked for every mail."""
    if not _NORMAL.fullmatch(email) or not (email.isascii() or _is_plain(email)):
        return False
    octets = email.encode()
    return len(octets) <= LONGEST and octets.index(b"@") <= _LONGEST_LOCAL


def masked(email: str) -> str:
    """What its owner knows again and nobody else can write to: "a…@example.org"."""
    local, at, domain = email.rpartition("@")
    return f"{local[:1]}…{at}{domain}"


def _is_plain(email: str) -> bool:
    """Whether what is beyond ASCII is seen, and is itself: letters, marks, digits, symbols.

    `isprintable` leaves out controls, separators, bidi controls, and what is not assigned.
    Some that remain become a comma, an @ or a space in programs that look for
    compatibility (NFKC, as UTS #39 section 3.3 has it), and so another address.
    """
    return (
        email.isprintable()
        and unicodedata.is_normalized("NFC", email)
        and not unicodedata.category(email[0]).startswith("M")
        and _NORMAL.fullmatch(unicodedata.normalize("NFKC", email)) is not None
    )


def _key(email: str) -> str:
    """What all spellings of an address share: canonical caseless matching, Unicode D145."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", email).casefold())


def _validated(typed: str) -> str:
    is_local = typed.rpartition("@")[2].rpartition(".")[2].casefold() in _LOCAL_NAMES
    checked = validate_email(
        typed + _STAND_IN if is_local else typed,
        allow_smtputf8=True,
        strict=True,
        check_deliverability=False,
    )
    domain = checked.ascii_domain
    return f"{checked.local_part}@{domain.removesuffix(_STAND_IN) if is_local else domain}"
