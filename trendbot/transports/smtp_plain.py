"""One SMTP connection to a server without PIPELINING: aiosmtplib says command after command.

It has the face of smtp_wire.Wire, so that a line need not know; only the message and its dot
are sent apart, which `SMTP.data()` does not do: it hides whether the dot had left.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import cast

import aiosmtplib

from trendbot.transports.smtp_wire import Broken, Reply

_BODY_TIMEOUT = 180  # RFC 5321 section 4.5.3.2.5
_BODY_POLL = 0.01
_QUIT_TIMEOUT = 5


class Client(aiosmtplib.SMTP):
    """aiosmtplib's client; each of its closes is at once, for a TLS goodbye can wait forever."""

    def close(self) -> None:
        """Close the socket."""
        if self.transport is not None:
            cast(asyncio.WriteTransport, self.transport).abort()
        super().close()


class Plain:
    """A connection that takes one command at a time; the rest is as in Wire."""

    pipelined = False

    def __init__(self, client: Client) -> None:
        self.extensions: Mapping[str, str] = dict(client.esmtp_extensions)
        self.begun = self.taken = 0
        self.confused = False
        self.gone = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.idle_since = monotonic()
        self._client = client
        self._why = "connection lost"
        self._commands: deque[bytes] = deque()
        transport = cast(asyncio.WriteTransport, client.transport)
        transport.set_write_buffer_limits(high=0)

    @property
    def trouble(self) -> str:
        """Why the connection is of no more use, or nothing."""
        return "" if self._client.is_connected else self._why

    def ask(self, commands: Sequence[bytes]) -> None:
        """Commands to send, each when the reply to the one before it is read."""
        self._commands = deque(commands)

    async def reply(self, seconds: float) -> Reply:
        """Send the next command and read its reply, for which the server has so long."""
        try:
            reply = await self._client.execute_command(self._commands.popleft(), timeout=seconds)
        except aiosmtplib.SMTPResponseException as nonsense:
            self.fail("nonsense")
            raise Broken(f"no SMTP reply: {nonsense.message}") from nonsense
        except (aiosmtplib.SMTPException, OSError) as error:
            self.fail("connection lost")
            silent = isinstance(error, TimeoutError)
            raise Broken(str(error) or type(error).__name__, silent) from error
        protocol = self._client.protocol
        if protocol is not None and protocol._buffer:  # more came with it than the reply
            self.confused = not protocol._buffer.startswith(b"421")  # which may come at any time
            self.fail("something unasked for")
        if not 200 <= reply.code <= 599:
            self.fail("nonsense")
            raise Broken(f"no SMTP reply: {reply.code} {reply.message}")
        return Reply(reply.code, reply.message)

    async def carry(self, message: bytes) -> None:
        """Hand a message to the kernel, all of it; raises Broken."""
        protocol, transport = self._client.protocol, self._client.transport
        if protocol is None or transport is None:
            raise Broken("connection lost")
        writing = cast(asyncio.WriteTransport, transport)
        try:
            protocol.write(message)
            async with asyncio.timeout(_BODY_TIMEOUT):
                while writing.get_write_buffer_size() and self._client.is_connected:
                    await asyncio.sleep(_BODY_POLL)
        except (aiosmtplib.SMTPException, OSError) as error:
            self.fail("connection lost")
            raise Broken(str(error) or type(error).__name__) from error
        if not self._client.is_connected:
            raise Broken("connection lost")

    async def quit(self) -> None:
        """Take leave and close; the answer changes nothing."""
        if self._client.is_connected:
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await self._client.quit(timeout=_QUIT_TIMEOUT)
        self.fail("closed")

    def fail(self, why: str) -> None:
        """End the connection at once."""
        self._why = why
        self._client.close()
        self.gone.set()

    def look(self, now: float) -> None:
        """Nothing to do: aiosmtplib watches the time itself."""
