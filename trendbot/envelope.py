"""What addresses and messages must be to go over the wire as they are. Pure."""

import re

# RFC 5321 section 4.5.3.1.3: a path is at most 256 octets, two of them angle brackets.
_LONGEST = 254
# A dot-string before the @ and a domain after it (RFC 5321 section 4.1.2); RFC 6531 section
# 3.3 adds everything beyond ASCII to the former. A domain comes as A-labels.
_ADDRESS = re.compile(r"(?:[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]|[^\x00-\x7f])+@[A-Za-z0-9.-]+")
# RFC 5321 section 4.5.3.1.6: a line is at most 1000 octets, its end among them.
_WIRE_FORM = re.compile(rb"(?:(?!\.)[^\x00\r\n]{0,998}\r\n)+")


def fits_command(address: str) -> bool:
    """Whether an address can stand between < and > in MAIL FROM and RCPT TO.

    Nothing quoted, no comment, no control and no space of any alphabet, so that an address
    can never carry a second command. One that is not ASCII needs a server with SMTPUTF8.
    """
    return (
        _ADDRESS.fullmatch(address) is not None
        and address.isprintable()
        and len(address.encode()) <= _LONGEST
    )


def is_wire_form(message: bytes) -> bool:
    """Whether a message can follow DATA unchanged (RFC 5321 sections 2.3.8 and 4.5.2).

    Lines end with CRLF, the last one too, and there is no other CR or LF, for a bare one lets
    servers disagree on where a mail ends; none begins with a dot or is over 998 octets.
    """
    return _WIRE_FORM.fullmatch(message) is not None
