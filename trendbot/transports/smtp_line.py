"""One line: mail after mail over one connection, opened when needed, and again after it broke.

                 ┌─ the end of mail N ─┐ ┌──── the envelope of mail N+1 ────┐
    flight out   message N, final dot,   [RSET,] MAIL, RCPT, DATA
    replies in   N: sent, deferred …     N+1: goes on (354), or refused ──> Outcome
                                               └── its message begins the next flight

So a warm connection needs one round trip a mail. Each mail carries its phase, the last thing
that was done about it; when the connection breaks, the phases alone decide:

    MAIL, RCPT, DATA   not handed over: back to the crew, for any line, a few times
    BODY               deferred: the message had not wholly left
    DOT                uncertain: the dot may have left, and its answer was not read
"""

import asyncio
import ssl
from collections.abc import Coroutine
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

from trendbot.envelope import fits_command
from trendbot.errors import TransportError
from trendbot.model import DeliveryState, Mail, Outcome
from trendbot.replies import CLOSING, Phase, Verdict, classify, goes_on, no_reply, one_line
from trendbot.transports.smtp_dial import Connection, Unreachable, dial, size_limit
from trendbot.transports.smtp_settings import SmtpSettings
from trendbot.transports.smtp_wire import Broken, Reply

# RFC 5321 section 4.5.3.2.6. A shorter wait for the answer to the dot is the classic source of
# mails sent twice (RFC 1047).
_DOT_TIMEOUT = 600
# After a 4yz or a break, doubling while they follow each other; after a refusal of us.
_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_REST, _LONGEST_REST = 1.0, 30.0
# So many mails in a row ended by a break, and the line counts as shut.
_BREAKS = 3
_TICK = 0.001
_ENVELOPE = (Phase.MAIL, Phase.RCPT, Phase.DATA)


class Crew(Protocol):
    """What a line needs of those it works with; see smtp_crew."""

    async def next_mail(self) -> Mail | None: ...
    def mail_now(self) -> Mail | None: ...
    def hand_back(self, mail: Mail, why: str) -> bool: ...
    def settle(self, outcome: Outcome) -> None: ...
    def drop(self, mail: Mail) -> None: ...
    def refuse(self, error: TransportError) -> None: ...
    def unreachable(self, line: "Line", mail: Mail, error: Unreachable) -> None: ...
    def shut(self, line: "Line", why: str) -> None: ...
    def opened(self) -> None: ...
    def well(self) -> None: ...


@dataclass(slots=True)
class Passage:
    """One mail from its envelope to its last reply."""

    mail: Mail
    begun: float
    phase: Phase = Phase.MAIL


class Line:
    """One connection at a time. `talking` says that it may take a mail ahead."""

    def __init__(self, settings: SmtpSettings, tls: ssl.SSLContext | None) -> None:
        self.wire: Connection | None = None
        self.talking = False
        self._settings, self._tls = settings, tls
        self._timeout = settings.timeout.total_seconds()
        self._ending: Passage | None = None
        self._coming: Passage | None = None
        self._transaction = False  # a refused envelope left one open
        self._busy = False
        self._pause = self._rest = self._not_until = 0.0
        self._breaks = 0

    async def run(self, crew: Crew) -> None:
        """Carry what the crew has to carry, until cancelled."""
        self._crew, self._loop = crew, asyncio.get_running_loop()
        self._ending = self._coming = None
        try:
            while True:
                await _until(self._not_until)
                mail = await crew.next_mail()
                await self._busily(self._leave() if mail is None else self._serve(mail))
        finally:
            self.talking = False
            if self._busy:
                self._hang_up("cancelled")
            self._busy = False

    def refresh(self) -> None:
        """Forget what kept the line from being used."""
        self._pause = self._rest = self._not_until = 0.0
        self._breaks = 0

    @property
    def is_open(self) -> bool:
        """Whether a mail could begin at once."""
        return self.wire is not None and not self.wire.trouble

    async def _busily(self, work: Coroutine[Any, Any, None]) -> None:
        """Whoever cancels this leaves a connection in the middle of something."""
        self._busy = True
        await work
        self._busy = False

    # Connections

    async def _serve(self, mail: Mail) -> None:
        await self._leave_if_stale()
        if not self.is_open:
            try:
                self.wire = await dial(self._settings, self._tls)
            except Unreachable as error:
                self._rest_a_while()
                self._crew.unreachable(self, mail, error)
                return
            self._transaction = False
        self._crew.opened()
        if self._fits(mail):
            await self._converse(mail)

    async def _leave_if_stale(self) -> None:
        if self.wire is not None and not self.wire.trouble:
            idle = monotonic() - self.wire.idle_since
            if idle > self._settings.idle_timeout.total_seconds():
                await self._leave()

    async def _leave(self) -> None:
        if self.wire is not None:
            await self.wire.quit()
            self.wire = None

    def _hang_up(self, why: str) -> None:
        if self.wire is not None:
            self.wire.fail(why)

    # Conversations

    async def _converse(self, mail: Mail | None) -> None:
        """Go on while there are mails and the connection is good for them."""
        assert self.wire is not None
        self.talking = self.wire.pipelined
        try:
            while mail is not None or self._ending is not None:
                await self._flight(mail)
                mail = self._next()
        except Broken as broken:
            self._break_off(broken)
        except TransportError as error:
            self._stop(error)
        finally:
            self.talking = False
        self.wire.idle_since = monotonic()
        if not self.wire.trouble and self.wire.begun >= self._settings.messages_per_connection:
            await self._leave()

    def _next(self) -> Mail | None:
        """The next mail for this connection, if there is one and it may take one."""
        assert self.wire is not None
        ahead = self._ending is None or self.wire.pipelined
        may = ahead and self._not_until <= monotonic() and not self.wire.trouble
        if not may or self.wire.begun >= self._settings.messages_per_connection:
            return None
        while (mail := self._crew.mail_now()) is not None:
            if self._fits(mail):
                return mail
        return None

    async def _flight(self, mail: Mail | None) -> None:
        """Send the end of one mail and the envelope of the next, and read what came of both."""
        assert self.wire is not None
        ending, commands = self._ending, []
        if mail is not None:
            self._coming = Passage(mail, monotonic())
        if ending is not None:
            await self._carry(ending)
            commands.append(b".")
        reset = self._transaction and mail is not None
        if mail is not None:
            commands += self._envelope(mail, reset)
            self.wire.begun += 1
        if ending is not None:
            ending.phase = Phase.DOT
        self.wire.ask(commands)
        if ending is not None:
            await self._conclude(ending)
        if self._coming is not None:
            await self._introduce(self._coming, reset)

    async def _carry(self, ending: Passage) -> None:
        """The message, when it is due; the final dot is not in it."""
        assert self.wire is not None
        await _until(ending.mail.not_before)
        if not self.wire.trouble:
            ending.phase = Phase.BODY
        await self.wire.carry(ending.mail.message)

    def _envelope(self, mail: Mail, reset: bool) -> list[bytes]:
        assert self.wire is not None
        offers = self.wire.extensions
        sender = f"MAIL FROM:<{mail.sender}>"
        if "size" in offers:
            sender += f" SIZE={len(mail.message)}"
        if "8bitmime" in offers and not mail.message.isascii():
            sender += " BODY=8BITMIME"
        if not mail.recipient.isascii():
            sender += " SMTPUTF8"
        commands = [sender.encode(), f"RCPT TO:<{mail.recipient}>".encode(), b"DATA"]
        return [b"RSET", *commands] if reset else commands

    async def _conclude(self, ending: Passage) -> None:
        """Read the answer to the final dot."""
        assert self.wire is not None
        reply = await self.wire.reply(_DOT_TIMEOUT)
        self._ending = None
        verdict = self._judge(ending, reply)
        if verdict.state is DeliveryState.SENT:
            self.wire.taken += 1
            self.refresh()
            self._crew.well()

    async def _introduce(self, coming: Passage, reset: bool) -> None:
        """Read the answers to an envelope; a refusal is told before the rest is read."""
        assert self.wire is not None
        if reset:
            reply = await self.wire.reply(self._timeout)
            if reply.code // 100 != 2:
                raise Broken(f"RSET refused: {one_line(*reply)}")
            self._transaction = False
        for phase in _ENVELOPE:
            reply = await self.wire.reply(self._timeout)
            going_on = goes_on(phase, reply.code)
            if not going_on and not 400 <= reply.code <= 599:
                raise Broken(f"out of step at {phase}: {one_line(*reply)}")
            if self._coming is not None:
                coming.phase = phase
                if not going_on:
                    self._turn_down(coming, reply)
                    if not self.wire.pipelined:
                        break
        if self._coming is not None:
            self._ending, self._coming = coming, None
            self._transaction = False
            return
        self._transaction = coming.phase is not Phase.MAIL
        if goes_on(Phase.DATA, reply.code):
            await self._lone_dot()

    async def _lone_dot(self) -> None:
        """RFC 2920 section 3.1: nobody is to get it, and still the server waits for a message."""
        assert self.wire is not None
        self.wire.ask([b"."])
        reply = await self.wire.reply(self._timeout)
        if not 400 <= reply.code <= 599:
            raise Broken(f"a mail to nobody was taken: {one_line(*reply)}")
        self._transaction = False

    # What became of a mail

    def _turn_down(self, coming: Passage, reply: Reply) -> None:
        """An envelope was refused. At MAIL for now, it is we who are: others may fare better."""
        self._coming = None
        detail = one_line(*reply)
        if coming.phase is not Phase.MAIL or reply.code >= 500:
            self._judge(coming, reply)
            return
        closing = reply.code == CLOSING
        assert self.wire is not None
        if not closing or not self.wire.taken:
            self._shut(f"refuses us at {coming.phase}: {detail}")
        self._crew.hand_back(coming.mail, f"{coming.phase}: {detail}")
        if closing:  # after some mails that is the usual cap, and no reason to rest
            raise Broken(detail, excused=bool(self.wire.taken))

    def _judge(self, passage: Passage, reply: Reply) -> Verdict:
        """Settle a mail by the reply that ended it."""
        verdict, detail = classify(passage.phase, *reply), one_line(*reply)
        if verdict.state is None:
            self._crew.drop(passage.mail)
            raise TransportError(
                f"{self._settings.where} refuses us at {passage.phase}: {detail}; no subscriber is "
                "to blame: check [mail] sender, the login, and what the server asks of senders",
                mail_id=None if passage.phase is Phase.MAIL else passage.mail.id,
            )
        self._settle(passage, verdict.state, reply.code, detail)
        if verdict.ours:
            self._shut(f"refuses us at {passage.phase}: {detail}")
        elif verdict.state is DeliveryState.DEFERRED and not verdict.hang_up:
            self._cool()
        if verdict.hang_up:
            self._count_break(detail)
            raise Broken(detail)
        return verdict

    def _settle(self, passage: Passage, state: DeliveryState, code: int, detail: str) -> None:
        seconds = monotonic() - passage.begun
        self._crew.settle(Outcome(passage.mail.id, state, code, detail, seconds))

    def _break_off(self, broken: Broken) -> None:
        """The connection is over: what was under way is where its phase says."""
        ending, coming = self._ending, self._coming
        self._ending = self._coming = None
        self._hang_up(str(broken))
        if not broken.excused:
            self._cool()
        if coming is not None:
            self._abandon(coming, broken, awaited=ending is None)
        if ending is not None:
            self._abandon(ending, broken, awaited=True)

    def _abandon(self, passage: Passage, broken: Broken, awaited: bool) -> None:
        detail = one_line(0, f"no reply to {passage.phase}: {broken}")
        known = passage.phase in (Phase.BODY, Phase.DOT) or (broken.silent and awaited)
        state = no_reply(passage.phase).state
        if known and state is not None:
            self._settle(passage, state, 0, detail)
            self._count_break(detail)
        elif not self._crew.hand_back(passage.mail, detail):
            self._count_break(detail)

    def _stop(self, error: TransportError) -> None:
        """The server refuses us; what had not been handed over never will be."""
        self._hang_up("stopped")
        if self._coming is not None:
            self._crew.drop(self._coming.mail)
            self._coming = None
        self._crew.refuse(error)

    def _fits(self, mail: Mail) -> bool:
        """Whether this mail can go out here at all; otherwise that is settled at once."""
        assert self.wire is not None
        if not fits_command(mail.recipient):
            why = "the address cannot be written in an SMTP envelope"
        elif not mail.recipient.isascii() and "smtputf8" not in self.wire.extensions:
            why = f"{self._settings.where} does not take addresses beyond ASCII (SMTPUTF8)"
        else:
            return self._is_no_fault_of_ours(mail)
        self._crew.settle(Outcome(mail.id, DeliveryState.FAILED, detail=why))
        return False

    def _is_no_fault_of_ours(self, mail: Mail) -> bool:
        assert self.wire is not None
        limit = size_limit(self.wire.extensions)
        if not (mail.sender.isascii() and fits_command(mail.sender)):
            why = f"[mail] sender: {mail.sender!r} cannot be an envelope sender"
        elif 0 < limit < len(mail.message):
            why = (
                f"{self._settings.where} takes mails of at most {limit} bytes and this digest has "
                f"{len(mail.message)}: lower [ranking] size"
            )
        else:
            return True
        self._crew.drop(mail)
        self._crew.refuse(TransportError(why))
        return False

    # Waiting

    def _cool(self) -> None:
        """Pause before the next mail, the longer the more often."""
        self._pause = min(max(2 * self._pause, _PAUSE), _LONGEST_PAUSE)
        self._wait(self._pause)

    def _shut(self, why: str) -> None:
        self._rest_a_while()
        self._crew.shut(self, f"{self._settings.where} {why}; no subscriber is to blame")

    def _rest_a_while(self) -> None:
        self._rest = min(max(2 * self._rest, _REST), _LONGEST_REST)
        self._wait(self._rest)

    def _wait(self, seconds: float) -> None:
        self._not_until = max(self._not_until, monotonic() + seconds)

    def _count_break(self, detail: str) -> None:
        self._breaks += 1
        if self._breaks >= _BREAKS:
            self._shut(
                f"broke off {self._breaks} mails in a row, last with: {detail}; "
                "see its log, or lower [mail.smtp] rate"
            )


async def _until(moment: float) -> None:
    """Sleep; a loop's clock is coarse and may wake us a little early."""
    while (left := moment - monotonic()) > 0:
        await asyncio.sleep(max(left, _TICK))
