"""Making a connection: aiosmtplib connects, encrypts and logs in."""

import asyncio
import re
import ssl
from typing import Any, cast

import aiosmtplib

from trendbot.errors import TransportError
from trendbot.transports.smtp_plain import Client, Plain
from trendbot.transports.smtp_settings import SmtpSettings
from trendbot.transports.smtp_trouble import explain
from trendbot.transports.smtp_wire import Wire

Connection = Wire | Plain


class Unreachable(TransportError):
    """A connection cannot be opened; `final` says that trying again would be wrong."""

    def __init__(self, text: str, final: bool) -> None:
        super().__init__(text)
        self.final = final


async def connect(settings: SmtpSettings, tls: ssl.SSLContext | None) -> Client:
    """Connect, encrypt and log in; raises Unreachable."""
    client = Client(
        hostname=settings.host,
        port=settings.port,
        username=settings.username or None,
        password=settings.password.get_secret_value() or None,
        local_hostname=settings.local_hostname or None,
        timeout=settings.timeout.total_seconds(),
        use_tls=settings.tls == "implicit",
        start_tls=settings.tls == "starttls",  # never None: that would be strippable
        tls_context=tls,
    )
    try:
        await client.connect()
        if client.is_ehlo_or_helo_needed:
            await client.ehlo()
    except (aiosmtplib.SMTPException, OSError, UnicodeError) as error:
        client.close()
        # A refused login stays refused, and tried often it locks the account.
        final = isinstance(error, aiosmtplib.SMTPAuthenticationError) and error.code >= 500
        raise Unreachable(explain(error, settings.host, settings.where), final) from error
    except asyncio.CancelledError:
        client.close()
        raise
    return client


async def dial(settings: SmtpSettings, tls: ssl.SSLContext | None) -> Connection:
    """Open a connection; raises Unreachable."""
    client = await connect(settings, tls)
    if not client.supports_extension("pipelining"):
        return Plain(client)
    unread = client.protocol is None or client.protocol._buffer
    wire = Wire(cast(asyncio.Transport, client.transport), dict(client.esmtp_extensions))
    if unread:
        wire.fail("something unasked for after the greeting")
    return wire


def size_limit(extensions: Any) -> int:
    """The biggest mail the server takes, in octets; 0 is no limit (RFC 1870: up to 20 digits)."""
    told = extensions.get("size", "")
    return int(told) if re.fullmatch("[0-9]{1,20}", told) else 0
