"""One conversation: mail after mail over one connection, while it is good.

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
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from trendbot.envelope import fits_command
from trendbot.errors import TransportError
from trendbot.model import DeliveryState, Mail, Outcome
from trendbot.replies import CLOSING, Phase, Verdict, classify, goes_on, no_reply, one_line
from trendbot.transports.smtp_dial import Connection, size_limit
from trendbot.transports.smtp_settings import SmtpSettings
from trendbot.transports.smtp_wire import Broken, Reply

if TYPE_CHECKING:
    from trendbot.transports.smtp_line import Line

# RFC 5321 section 4.5.3.2.6. A shorter wait for the answer to the dot is the classic source of
# mails sent twice (RFC 1047).
_DOT_TIMEOUT = 600
_ENVELOPE = (Phase.MAIL, Phase.RCPT, Phase.DATA)
_TICK = 0.001


@dataclass(slots=True)
class Passage:
    """One mail from its envelope to its last reply."""

    mail: Mail
    begun: float
    phase: Phase = Phase.MAIL


class Talk:
    """What is said over one connection, and what it means for the mails."""

    def __init__(self, wire: Connection, line: "Line", settings: SmtpSettings) -> None:
        self._wire, self._line, self._settings = wire, line, settings
        self._timeout = settings.timeout.total_seconds()
        self._ending: Passage | None = None
        self._coming: Passage | None = None
        self._transaction = False  # a refused envelope left one open

    @property
    def is_full(self) -> bool:
        """Whether the connection has carried its share."""
        return self._wire.begun >= self._settings.messages_per_connection

    async def go_on(self, mail: Mail | None) -> None:
        """Go on while there are mails and the connection is good for them."""
        self._line.talking = self._wire.pipelined
        try:
            while mail is not None or self._ending is not None:
                await self._flight(mail)
                mail = await self._next()
        except Broken as broken:
            self._break_off(broken)
        except TransportError as error:
            self._stop(error)
        finally:
            self._line.talking = False
        self._wire.idle_since = monotonic()

    async def _next(self) -> Mail | None:
        """The next mail for this connection, if there is one and it may take one."""
        ahead = self._ending is None or self._wire.pipelined
        may = ahead and self._line.is_ready and not self._wire.trouble
        if not may or self.is_full:
            return None
        while (mail := await self._line.crew.mail_ahead()) is not None:
            if self.fits(mail):
                return mail
        return None

    async def _flight(self, mail: Mail | None) -> None:
        """Send the end of one mail and the envelope of the next, and read what came of both."""
        ending, commands = self._ending, []
        if mail is not None:
            self._coming = Passage(mail, monotonic())
        if ending is not None:
            await self._carry(ending)
            commands.append(b".")
        reset = self._transaction and mail is not None
        if mail is not None:
            commands += self._envelope(mail, reset)
            self._wire.begun += 1
        if ending is not None:
            ending.phase = Phase.DOT
        self._wire.ask(commands)
        if ending is not None:
            await self._conclude(ending)
        if self._coming is not None:
            await self._introduce(self._coming, reset)

    async def _carry(self, ending: Passage) -> None:
        """The message, when it is due; the final dot is not in it."""
        await until(ending.mail.not_before)
        if not self._wire.trouble:
            ending.phase = Phase.BODY
        await self._wire.carry(ending.mail.message)

    def _envelope(self, mail: Mail, reset: bool) -> list[bytes]:
        offers = self._wire.extensions
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
        reply = await self._wire.reply(_DOT_TIMEOUT)
        self._ending = None
        verdict = self._judge(ending, reply)
        if verdict.state is DeliveryState.SENT:
            self._wire.taken += 1
            self._line.refresh()
            self._line.crew.well()

    async def _introduce(self, coming: Passage, reset: bool) -> None:
        """Read the answers to an envelope; what refuses it counts once they are all in step."""
        if reset:
            reply = await self._wire.reply(self._timeout)
            if reply.code // 100 != 2:
                raise Broken(f"RSET refused: {one_line(*reply)}")
            self._transaction = False
        refusal, waiting = await self._answers(coming)
        if refusal is None:
            self._ending, self._coming = coming, None
            self._transaction = False
            return
        self._turn_down(coming, refusal)
        self._transaction = coming.phase is not Phase.MAIL
        if waiting:
            await self._lone_dot()

    async def _answers(self, coming: Passage) -> tuple[Reply | None, bool]:
        """The reply that refused an envelope, if one did, and whether a message is waited for.

        If the connection ends first, a refusal that was read still holds; if the replies turn
        out not to be those to our commands, none does.
        """
        refusal: Reply | None = None
        for phase in _ENVELOPE:
            try:
                reply = await self._wire.reply(self._timeout)
            except Broken:
                if refusal is not None and not self._wire.confused:
                    self._turn_down(coming, refusal)
                raise
            going_on = goes_on(phase, reply.code)
            if not going_on and not 400 <= reply.code <= 599:
                raise Broken(f"out of step at {phase}: {one_line(*reply)}")
            if refusal is None:
                coming.phase = phase
                refusal = None if going_on else reply
            if refusal is not None and not self._wire.pipelined:
                break
        if refusal is not None and self._wire.confused:
            raise Broken(self._wire.trouble)
        return refusal, goes_on(Phase.DATA, reply.code)

    async def _lone_dot(self) -> None:
        """RFC 2920 section 3.1: nobody is to get it, and still the server waits for a message."""
        self._wire.ask([b"."])
        reply = await self._wire.reply(self._timeout)
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
        if not closing or not self._wire.taken:
            self._line.shut(f"refuses us at {coming.phase}: {detail}")
        self._line.crew.hand_back(coming.mail, f"{coming.phase}: {detail}")
        if closing:  # after some mails that is the usual cap, and no reason to rest
            raise Broken(detail, excused=bool(self._wire.taken))

    def _judge(self, passage: Passage, reply: Reply) -> Verdict:
        """Settle a mail by the reply that ended it."""
        verdict, detail = classify(passage.phase, *reply), one_line(*reply)
        if verdict.state is None:
            self._line.crew.drop()
            raise TransportError(
                f"{self._settings.where} refuses us at {passage.phase}: {detail}; no subscriber is "
                "to blame: check [mail] sender, the login, and what the server asks of senders",
                mail_id=None if passage.phase is Phase.MAIL else passage.mail.id,
            )
        self._settle(passage, verdict.state, reply.code, detail)
        if verdict.ours:
            self._line.shut(f"refuses us at {passage.phase}: {detail}")
        elif verdict.state is DeliveryState.DEFERRED and not verdict.hang_up:
            self._line.cool()
        if verdict.hang_up:
            self._line.count_break(detail)
            raise Broken(detail)
        return verdict

    def _settle(self, passage: Passage, state: DeliveryState, code: int, detail: str) -> None:
        seconds = monotonic() - passage.begun
        self._line.crew.settle(Outcome(passage.mail.id, state, code, detail, seconds))

    def _break_off(self, broken: Broken) -> None:
        """The connection is over: what was under way is where its phase says."""
        ending, coming = self._ending, self._coming
        self._ending = self._coming = None
        self._wire.fail(str(broken))
        if not broken.excused:
            self._line.cool()
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
            self._line.count_break(detail)
        elif not self._line.crew.hand_back(passage.mail, detail):
            self._line.count_break(detail)

    def _stop(self, error: TransportError) -> None:
        """The server refuses us; what had not been handed over never will be."""
        self._wire.fail("stopped")
        if self._coming is not None:
            self._line.crew.drop()
            self._coming = None
        self._line.crew.refuse(error)

    def fits(self, mail: Mail) -> bool:
        """Whether this mail can go out here at all; otherwise that is settled at once."""
        if not fits_command(mail.recipient):
            why = "the address cannot be written in an SMTP envelope"
        elif not mail.recipient.isascii() and "smtputf8" not in self._wire.extensions:
            why = f"{self._settings.where} does not take addresses beyond ASCII (SMTPUTF8)"
        else:
            return self._is_no_fault_of_ours(mail)
        self._line.crew.settle(Outcome(mail.id, DeliveryState.FAILED, detail=why))
        return False

    def _is_no_fault_of_ours(self, mail: Mail) -> bool:
        limit = size_limit(self._wire.extensions)
        if not (mail.sender.isascii() and fits_command(mail.sender)):
            why = f"[mail] sender: {mail.sender!r} cannot be an envelope sender"
        elif 0 < limit < len(mail.message):
            why = (
                f"{self._settings.where} takes mails of at most {limit} bytes and this digest has "
                f"{len(mail.message)}: lower [ranking] size"
            )
        else:
            return True
        self._line.crew.drop()
        self._line.crew.refuse(TransportError(why))
        return False


async def until(moment: float) -> None:
    """Sleep; a loop's clock is coarse and may wake us a little early."""
    while (left := moment - monotonic()) > 0:
        await asyncio.sleep(max(left, _TICK))
