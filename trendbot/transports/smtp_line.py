"""One line: a connection that is opened when a mail needs it, and again after it broke.

    wait: pause, rest ──> a mail from the crew ──> open, if it is not ──> talk ──> wait
                             └─ none for the idle time: take leave

A pause follows a mail that was turned away; a rest, when the server would not have us.
"""

import ssl
from collections.abc import Coroutine
from time import monotonic
from typing import TYPE_CHECKING, Any

from trendbot.model import Mail
from trendbot.transports.smtp_dial import Connection, Unreachable, dial
from trendbot.transports.smtp_settings import SmtpSettings
from trendbot.transports.smtp_talk import Talk, until

if TYPE_CHECKING:
    from trendbot.transports.smtp_crew import Crew

# Seconds, doubling while they follow each other.
_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_REST, _LONGEST_REST = 1.0, 30.0
# So many mails in a row ended by a break, and the line counts as shut.
_BREAKS = 3


class Line:
    """One connection at a time. `talking` says that it may take a mail ahead."""

    crew: "Crew"

    def __init__(self, settings: SmtpSettings, tls: ssl.SSLContext | None) -> None:
        self.wire: Connection | None = None
        self.talking = False
        self._talk: Talk | None = None
        self._settings, self._tls = settings, tls
        self._busy = False
        self._pause = self._rest = self._not_until = 0.0
        self._breaks = 0

    async def run(self, crew: "Crew") -> None:
        """Carry what the crew has to carry, until cancelled."""
        self.crew = crew
        try:
            while True:
                await until(self._not_until)
                mail = await crew.next_mail()
                await self._busily(self._leave() if mail is None else self._serve(mail))
        finally:
            self.talking = False
            if self._busy and self.wire is not None:
                self.wire.fail("left in the middle")
            self._busy = False

    async def _busily(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what must not be cancelled without closing the connection."""
        self._busy = True
        await work
        self._busy = False

    @property
    def is_open(self) -> bool:
        """Whether a mail could begin at once."""
        return self.wire is not None and not self.wire.trouble

    @property
    def is_ready(self) -> bool:
        """Whether no pause and no rest is due."""
        return self._not_until <= monotonic()

    async def _serve(self, mail: Mail) -> None:
        talk = await self._open(mail)
        if talk is not None:
            self.crew.opened()
            if talk.fits(mail):
                await talk.go_on(mail)
            if talk.is_full:
                await self._leave()

    async def _open(self, mail: Mail) -> Talk | None:
        if self.wire is not None and self._is_stale(self.wire):
            await self._leave()
        if self._talk is None or not self.is_open:
            try:
                self.wire = await dial(self._settings, self._tls)
            except Unreachable as error:
                self._rest_a_while()
                self.crew.unreachable(self, mail, error)
                return None
            self._talk = Talk(self.wire, self, self._settings)
        return self._talk

    def _is_stale(self, wire: Connection) -> bool:
        return monotonic() - wire.idle_since > self._settings.idle_timeout.total_seconds()

    async def _leave(self) -> None:
        if self.wire is not None:
            await self.wire.quit()
            self.wire = self._talk = None

    # What a conversation says

    def refresh(self) -> None:
        """All is well: forget what kept the line from being used."""
        self._pause = self._rest = self._not_until = 0.0
        self._breaks = 0

    def cool(self) -> None:
        """Pause before the next mail, the longer the more often."""
        self._pause = min(max(2 * self._pause, _PAUSE), _LONGEST_PAUSE)
        self._wait(self._pause)

    def shut(self, why: str) -> None:
        """The server would not have us on this line for now."""
        self._rest_a_while()
        self.crew.shut(self, f"{self._settings.where} {why}; no subscriber is to blame")

    def count_break(self, detail: str) -> None:
        """A mail was ended by the end of the connection."""
        self._breaks += 1
        if self._breaks >= _BREAKS:
            self.shut(
                f"broke off {self._breaks} mails in a row, last with: {detail}; "
                "see its log, or lower [mail.smtp] rate"
            )

    def _rest_a_while(self) -> None:
        self._rest = min(max(2 * self._rest, _REST), _LONGEST_REST)
        self._wait(self._rest)

    def _wait(self, seconds: float) -> None:
        self._not_until = max(self._not_until, monotonic() + seconds)
