"""Mails to an SMTP server, over a few connections side by side.

    Smtp.send ── smtp_crew: which line gets which mail, rests, stops
                   └─ smtp_line: one connection, opened when needed; pauses
                        ├─ smtp_dial: connect, TLS, login ──> smtp_wire with PIPELINING
                        │                                 └─> smtp_plain without
                        └─ smtp_talk: flights of mails, and what became of them (trendbot.replies)

The event loop lives here and turns only while the caller waits for an outcome, in the
caller's thread. Connections stay open from one `send` to the next, until `close`.
"""

import asyncio
from collections.abc import Iterable, Iterator
from itertools import chain

from trendbot.context import Context
from trendbot.model import Limits, Mail, Outcome
from trendbot.transports.smtp_crew import Crew, closed
from trendbot.transports.smtp_dial import connect
from trendbot.transports.smtp_line import Line
from trendbot.transports.smtp_settings import SmtpSettings, tls_context

_GOODBYE_TIMEOUT = 5


class Smtp:
    """The transport that hands mails to an SMTP server (RFC 5321), a relay or a smarthost."""

    Settings = SmtpSettings
    repeatable = False

    def __init__(self, settings: SmtpSettings, context: Context) -> None:
        self._settings = settings
        self._tls = tls_context(settings, context.home)
        self.limits = Limits(settings.rate, settings.hourly)
        self._lines = [Line(settings, self._tls) for _ in range(settings.connections)]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._crew: Crew | None = None

    def send(self, mails: Iterable[Mail]) -> Iterator[Outcome]:
        """Hand each mail over and yield what became of it, as the answers come.

        Raises TransportError when the server cannot be reached or refuses us; what was
        handed over by then has had its outcome. Closing the iterator early cancels what is
        under way. Calls may come from different threads, never at once.
        """
        waiting = iter(mails)
        first = next(waiting, None)
        if first is None:
            return
        if self._crew is not None:
            self._crew.end()  # of a `send` that nobody finished
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        idle_timeout = self._settings.idle_timeout.total_seconds()
        self._crew = Crew(self._loop, self._lines, idle_timeout)
        yield from self._crew.work(chain([first], waiting))

    def close(self) -> None:
        """Take leave of the server, in a few seconds at most, and close every connection."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        try:
            if self._crew is not None:
                self._crew.end()
            loop.run_until_complete(self._say_goodbye())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            self._crew = None
            loop.close()

    async def _say_goodbye(self) -> None:
        wires = [line.wire for line in self._lines if line.wire is not None]
        goodbyes = [asyncio.ensure_future(wire.quit()) for wire in wires]
        if goodbyes:
            await asyncio.wait(goodbyes, timeout=_GOODBYE_TIMEOUT)
        for goodbye in goodbyes:
            goodbye.cancel()
        for wire in wires:
            wire.fail("closed")
        await closed(self._lines)

    def check(self) -> str:
        """Connect, encrypt, log in and leave; raises TransportError with what to do."""
        with asyncio.Runner() as runner:
            return runner.run(self._check())

    async def _check(self) -> str:
        settings = self._settings
        client = await connect(settings, self._tls)
        try:
            tls = client.get_transport_info("ssl_object")
            version = tls.version() if tls else ""
            await asyncio.wait([asyncio.ensure_future(client.quit(timeout=_GOODBYE_TIMEOUT))])
        finally:
            client.close()
        name = {"starttls": "STARTTLS", "implicit": "TLS"}.get(settings.tls)
        encrypted = f"{name} ({version})" if name else "not encrypted"
        login = f"logged in as {settings.username}" if settings.username else "no login"
        return f"{settings.where} answers, {encrypted}, {login}"
