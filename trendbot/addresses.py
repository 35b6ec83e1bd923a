"""Mail addresses: what may be subscribed, and when two of them are the same mailbox."""

import unicodedata
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

from trendbot.errors import AddressError

# RFC 5321 section 4.5.3.1.3: a path is at most 256 octets, two of them angle brackets.
LONGEST = 254

# Names of networks nobody reaches from outside (RFC 6761, RFC 6762). email-validator
# refuses them; a trendbot that mails its own host or an intranet needs them.
_LOCAL_NAMES = ("localhost", "local", "test")
_STAND_IN = ".example.com"


@dataclass(frozen=True, slots=True)
class Address:
    """An address to mail to, all ASCII, and the key under which it is known only once."""

    email: str
    key: str


def normalise(text: str) -> Address:
    """Read a bare mail address without asking the DNS.

    The domain comes back as the network knows it (lower case, IDNA A-labels), the local
    part as it was typed. Refused: display names, quoted local parts, address literals, and
    local parts beyond ASCII, which only servers with SMTPUTF8 (RFC 6531) could take.
    Raises AddressError saying what is wrong.
    """
    typed = text.strip(" ")
    if len(typed) > LONGEST:
        raise AddressError(f"{typed[:40]!r}… is longer than a mail address can be ({LONGEST})")
    try:
        email = _validated(typed)
    except EmailNotValidError as error:
        raise AddressError(f"{typed!r} is not a mail address: {error}") from error
    return Address(email, unicodedata.normalize("NFC", email).casefold())


def _validated(typed: str) -> str:
    is_local = typed.rpartition("@")[2].rpartition(".")[2].casefold() in _LOCAL_NAMES
    checked = validate_email(
        typed + _STAND_IN if is_local else typed,
        allow_smtputf8=False,
        strict=True,
        check_deliverability=False,
    )
    email = checked.ascii_email or ""  # always there without SMTPUTF8
    return email.removesuffix(_STAND_IN) if is_local else email
