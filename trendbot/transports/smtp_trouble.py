"""Why no connection to the mail server came about, and which setting to look at."""

import socket
import ssl

import aiosmtplib

from trendbot.replies import one_line


def explain(error: Exception, host: str, where: str) -> str:
    """One line for the error that kept aiosmtplib from `where`, which is host and port."""
    cause = error.__cause__ if isinstance(error, aiosmtplib.SMTPConnectError) else error
    match cause or error:
        case ssl.SSLCertVerificationError() as failure:
            return (
                f"{where} shows a certificate that cannot be trusted: {failure.verify_message}; "
                "correct [mail.smtp] host, or name its authority in ca_file"
            )
        case ssl.SSLError() as failure:
            return (
                f"{where} does not speak TLS as expected ({failure}); [mail.smtp] tls is "
                'usually "starttls" on port 587 and "implicit" on port 465'
            )
        case socket.gaierror() | UnicodeError():
            return f"{host} is not known to DNS; check [mail.smtp] host"
        case ConnectionRefusedError():
            return f"nothing listens on {where}; check [mail.smtp] host and port"
        case aiosmtplib.SMTPAuthenticationError() as refusal:
            reply = one_line(refusal.code, refusal.message)
            return f"{where} refuses the login: {reply}; check [mail.smtp] username and password"
        case aiosmtplib.SMTPResponseException() as refusal:
            return f"{where} refuses to talk to us: {one_line(refusal.code, refusal.message)}"
        case TimeoutError():
            return (
                f"{where} does not answer; check [mail.smtp] host, port and tls "
                '(port 465 wants "implicit"), and whether a firewall blocks it'
            )
        case other:
            return f"{where}: {other}; check [mail.smtp] port, tls and username"
