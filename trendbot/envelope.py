"""What a mail must be to go over the wire as it is: pure checks before any server is asked."""

import re

# RFC 5322 specials that begin comments, quotes, groups and lists.
_SPECIAL = frozenset(' <>,;:"()\\')


# A dot-string before the @ and a domain after it (RFC 5321 section 4.1.2), both ASCII.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")


def fits_command(address: str) -> bool:
    """Whether an address can stand between < and > in MAIL FROM and RCPT TO.

    ASCII only: more would need a server with SMTPUTF8 (RFC 6531). Nothing quoted and no
    comment, so that an address can never carry a second command.
    """
    return _ADDRESS.fullmatch(address) is not None


def is_wire_form(message: bytes) -> bool:
    """Whether a message is 7-bit with CRLF line ends and no bare CR or LF.

    A bare one lets servers disagree on where a mail ends, and so split it in two (RFC 5321
    section 2.3.8).
    """
    lines = message.count(b"\r\n")
    return message.isascii() and message.count(b"\r") == lines == message.count(b"\n")


def transparent(message: bytes) -> bytes:
    """Double the dots that begin lines, and end the last line (RFC 5321 section 4.5.2)."""
    end = b"" if message.endswith(b"\r\n") else b"\r\n"
    return (b"\r\n" + message + end).replace(b"\r\n.", b"\r\n..")[2:]
