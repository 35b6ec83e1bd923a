import socket
import ssl

import aiosmtplib
import pytest

from trendbot.transports.smtp_trouble import explain


def connect_error(cause: Exception) -> Exception:
    error = aiosmtplib.SMTPConnectError("Error connecting")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (connect_error(socket.gaierror(-2, "unknown")), "mail.example.org is not known to DNS"),
        (UnicodeError("label too long"), "mail.example.org is not known to DNS"),
        (connect_error(ConnectionRefusedError()), "nothing listens on mail.example.org:587"),
        (connect_error(ssl.SSLError(1, "WRONG_VERSION_NUMBER")), 'usually "starttls" on port 587'),
        (aiosmtplib.SMTPConnectTimeoutError("Timed out"), "a firewall blocks it"),
        (aiosmtplib.SMTPReadTimeoutError("Timed out"), "a firewall blocks it"),
        (aiosmtplib.SMTPServerDisconnected("Connection lost"), "Connection lost; check"),
        (aiosmtplib.SMTPConnectResponseError(554, "5.7.1 no\x07"), "refuses to talk to us: 554"),
        (
            aiosmtplib.SMTPAuthenticationError(535, "5.7.8 bad"),
            "535 5.7.8 bad; check [mail.smtp] user",
        ),
        (aiosmtplib.SMTPException("STARTTLS not supported"), "STARTTLS not supported; check"),
    ],
)
def test_the_line_says_what_to_look_at(error: Exception, says: str) -> None:
    line = explain(error, "mail.example.org", "mail.example.org:587")
    assert says in line
    assert line.isprintable()
