"""What a mail must be to go over the wire as it is: pure checks before any server is asked."""

# RFC 5322 specials that begin comments, quotes, groups and lists.
_SPECIAL = frozenset(' <>,;:"()\\')


def fits_command(address: str) -> bool:
    """Whether an address can stand between < and > in MAIL FROM and RCPT TO.

    ASCII only: more would need a server with SMTPUTF8 (RFC 6531). No space, quote, bracket
    or control character, so that an address carries no second command and means itself.
    """
    plain = address.isascii() and address.isprintable() and not set(address) & _SPECIAL
    return bool(address) and plain


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
