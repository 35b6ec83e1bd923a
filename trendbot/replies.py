"""What an SMTP reply means for one mail. Pure: the transport asks, this decides.

             2xx     4xx, 421              5xx                                      no reply
    MAIL     go on   deferred, ours        stop                                     deferred
    RCPT     go on   deferred: `_deferral` stop, suppressed or failed: `_refusal`   deferred
    DATA     354     as RCPT               as RCPT                                  deferred
    BODY                                                                            deferred
    DOT      sent    as RCPT               as RCPT                                  uncertain

"Stop" is a server that refuses us: the run ends and no subscriber is to blame. DOT begins
the moment the final dot may have left: from there silence can mean that the server has
the mail (RFC 1047). Replies are RFC 5321 section 4.2, their enhanced status codes
RFC 2034 and RFC 3463 with the IANA registry, AUTH's own codes RFC 4954 section 6.

Codes that speak of us, and those that only seem to, after MAIL:

    4yz, "ours": rest, and stop when it is so on every connection
        454                 login or rate for now (RFC 4954; "454 Throttling failure")
        X.3.1 X.3.2 X.4.5   the server is full, takes nothing now, is congested or we are
                            over its quota ("452 4.3.1 Insufficient system storage")
    4yz, this mail's alone: all others
        4.7.x               greylisting says 4.7.1 as often as a throttle does
        452 4.2.2, 452      the mailbox is full; 452 4.5.3 and a bare 452 are as vague
    5yz, stop
        X.7.x               policy: relaying, authentication, reputation
        X.1.7 X.1.8         our sender address
        X.3.1 X.3.2 X.3.4   the server is full, takes nothing, or the mail is too big for it
        X.4.5               quota ("550 5.4.5 Daily sending limit exceeded")
        500 502 503 504 521 530 534 535 538
    5yz, this mail's alone: all others
        552 5.2.2, 552      the mailbox is full; a bare 552 after the dot is storage "of the
                            recipient" (RFC 5321 section 4.2.3), and SIZE knows the server's
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from trendbot.model import DeliveryState

_ENHANCED = re.compile(r"([245])\.([0-9]{1,3})\.([0-9]{1,3})(?![0-9.])")
_LONGEST_LINE = 300

# 421 closes the channel, at any moment: RFC 5321 section 3.8.
CLOSING = 421
# The only reply after which a message may follow: RFC 5321 section 4.1.1.4.
_START_INPUT = 354
# Codes that speak of us, whatever was asked: syntax and order of commands (RFC 5321 section
# 4.2.2), a host that takes no mail (RFC 7504), a login missing or refused (RFC 4954).
_OURS = frozenset({500, 502, 503, 504, 521, 530, 534, 535, 538})
# X.7: security or policy, never the address.
_POLICY = 7
# RFC 4954 section 4.7.12: no login for now. Some services say it of a rate or a quota.
_OURS_FOR_NOW = 454
# X.3.1: full. X.3.2: takes no mail. X.4.5: congested. The server, so everybody.
_SERVER_STATUS = frozenset({(3, 1), (3, 2), (4, 5)})
# X.1.7 and X.1.8: the sender's address. X.3.4: too big for the server, so for everybody.
_OUR_STATUS = _SERVER_STATUS | {(1, 7), (1, 8), (3, 4)}
# X.1.1 no such mailbox, X.1.2 no such domain, X.1.3 bad syntax, X.1.6 moved away,
# X.1.10 a domain that takes no mail (RFC 7505). Not X.1.0 and X.1.4, which are vague, and
# not X.2.1 and X.2.2: a mailbox disabled or full may be well again for the next digest.
_DEAD_ADDRESS = frozenset({(1, 1), (1, 2), (1, 3), (1, 6), (1, 10)})


class Phase(StrEnum):
    """What the server was last asked."""

    MAIL = "MAIL FROM"
    RCPT = "RCPT TO"
    DATA = "DATA"
    BODY = "the message"
    DOT = "the final dot"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reply, or its absence, means; `state` is None where the run must stop.

    `hang_up` says that the connection is of no more use: closing, or out of step. `ours`
    says that the server would rather not hear from us now, whoever the mail is for.
    """

    state: DeliveryState | None
    hang_up: bool = False
    ours: bool = False

    @property
    def stop(self) -> bool:
        """Whether the server refuses us, and not this mail or its reader."""
        return self.state is None


_STOP = Verdict(None)
_SENT = Verdict(DeliveryState.SENT)


def classify(phase: Phase, code: int, text: str = "") -> Verdict:
    """Decide what the reply `code text` to `phase` means where it is not "go on".

    Takes any number and any text; what is no SMTP reply counts as no reply.
    """
    if phase is Phase.DOT and 200 <= code <= 299:
        return _SENT
    if 400 <= code <= 499:
        return _deferral(phase, code, _detail(code, text))
    if 500 <= code <= 599:
        return _refusal(phase, code, _detail(code, text))
    return no_reply(phase)


def goes_on(phase: Phase, code: int) -> bool:
    """Whether a reply to part of an envelope is the one that lets the mail go on."""
    return code == _START_INPUT if phase is Phase.DATA else 200 <= code <= 299


def no_reply(phase: Phase) -> Verdict:
    """Decide what it means that the connection ended, fell silent or made no sense."""
    uncertain = phase is Phase.DOT
    return Verdict(DeliveryState.UNCERTAIN if uncertain else DeliveryState.DEFERRED, hang_up=True)


def _deferral(phase: Phase, code: int, status: tuple[int, int]) -> Verdict:
    """4yz: try again later. 421 ends the connection and is judged by how often it comes."""
    if code == CLOSING:
        return Verdict(DeliveryState.DEFERRED, hang_up=True, ours=phase is Phase.MAIL)
    ours = phase is Phase.MAIL or code == _OURS_FOR_NOW or status in _SERVER_STATUS
    return Verdict(DeliveryState.DEFERRED, ours=ours)


def _refusal(phase: Phase, code: int, status: tuple[int, int]) -> Verdict:
    """5yz: do not send this again. Whose fault it is decides between stop and the address."""
    about_us = status[0] == _POLICY or status in _OUR_STATUS
    if phase is Phase.MAIL or code in _OURS or about_us:
        return _STOP
    dead = status in _DEAD_ADDRESS
    return Verdict(DeliveryState.SUPPRESSED if dead else DeliveryState.FAILED)


def _detail(code: int, text: str) -> tuple[int, int]:
    """Subject and detail of a status; one of another class than the reply is not believed."""
    kind, subject, detail = enhanced(text) or (0, 0, 0)
    return (subject, detail) if kind == code // 100 else (0, 0)


def enhanced(text: str) -> tuple[int, int, int] | None:
    """Read the status code a reply's text begins with, as in "5.1.1 no such user".

    RFC 2034 section 4 puts it first; digits elsewhere may be an IP address or a version.
    """
    match = _ENHANCED.match(text)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def one_line(code: int, text: str) -> str:
    """A reply as one short line for the operator: printable, however hostile the server is.

    A code of 0 or less was no reply and is left out.
    """
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    line = " ".join(text.split())
    return (f"{code} {line}".strip() if code > 0 else line)[:_LONGEST_LINE]
