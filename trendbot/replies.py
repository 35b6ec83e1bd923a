"""What an SMTP reply means for one mail. Pure: the transport asks, this decides.

             2xx     4xx, 421   5xx                                          no reply
    MAIL     go on   deferred   stop                                         deferred
    RCPT     go on   deferred   stop, suppressed or failed: `_refusal`       deferred
    DATA     3xx     deferred   as RCPT                                      deferred
    DOT      sent    deferred   as RCPT                                      uncertain

"Stop" is a server that refuses us: the run ends and no subscriber is to blame. DOT begins
the moment the final dot may have left: from there silence can mean that the server has
the mail (RFC 1047). Replies are RFC 5321 section 4.2, their enhanced status codes
RFC 2034 and RFC 3463 with the IANA registry, AUTH's own codes RFC 4954 section 6.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from trendbot.model import DeliveryState

_ENHANCED = re.compile(r"([245])\.([0-9]{1,3})\.([0-9]{1,3})(?![0-9.])")
_LONGEST_LINE = 300

# 421 closes the channel, at any moment: RFC 5321 section 3.8.
_CLOSING = 421
# Codes that speak of us, whatever was asked: syntax and order of commands (RFC 5321 section
# 4.2.2), a host that takes no mail (RFC 7504), a login missing or refused (RFC 4954).
_OURS = frozenset({500, 502, 503, 504, 521, 530, 534, 535, 538})
# X.7: security or policy, never the address.
_POLICY = 7
# X.1.7 and X.1.8: the sender's address. X.3.4: too big for the server, so for everybody.
_OUR_STATUS = frozenset({(1, 7), (1, 8), (3, 4)})
# X.1.1 no such mailbox, X.1.2 no such domain, X.1.3 bad syntax, X.1.6 moved away,
# X.1.10 a domain that takes no mail (RFC 7505). Not X.1.0 and X.1.4, which are vague, and
# not X.2.1 and X.2.2: a mailbox disabled or full may be well again for the next digest.
_DEAD_ADDRESS = frozenset({(1, 1), (1, 2), (1, 3), (1, 6), (1, 10)})


class Phase(StrEnum):
    """What the server was last asked."""

    MAIL = "MAIL FROM"
    RCPT = "RCPT TO"
    DATA = "DATA"
    DOT = "the final dot"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reply, or its absence, means; `state` is None where the run must stop.

    `hang_up` says that the connection is of no more use: closing, or out of step.
    """

    state: DeliveryState | None
    hang_up: bool = False

    @property
    def stop(self) -> bool:
        """Whether the server refuses us, and not this mail or its reader."""
        return self.state is None


_STOP = Verdict(None)


def classify(phase: Phase, code: int, text: str = "") -> Verdict:
    """Decide what the reply `code text` to `phase` means where it is not "go on".

    Takes any number and any text; what is no SMTP reply counts as no reply.
    """
    if code == _CLOSING:
        return Verdict(DeliveryState.DEFERRED, hang_up=True)
    if phase is Phase.DOT and 200 <= code <= 299:
        return Verdict(DeliveryState.SENT)
    if 400 <= code <= 499:
        return Verdict(DeliveryState.DEFERRED)
    if 500 <= code <= 599:
        return _refusal(phase, code, enhanced(text))
    return no_reply(phase)


def no_reply(phase: Phase) -> Verdict:
    """Decide what it means that the connection ended, fell silent or made no sense."""
    uncertain = phase is Phase.DOT
    return Verdict(DeliveryState.UNCERTAIN if uncertain else DeliveryState.DEFERRED, hang_up=True)


def _refusal(phase: Phase, code: int, status: tuple[int, int, int] | None) -> Verdict:
    """5yz: do not send this again. Whose fault it is decides between stop and the address.

    A status of another class than the reply contradicts it and is not believed.
    """
    kind, subject, detail = status or (0, 0, 0)
    if kind != code // 100:
        subject = detail = 0
    about_us = subject == _POLICY or (subject, detail) in _OUR_STATUS
    if phase is Phase.MAIL or code in _OURS or about_us:
        return _STOP
    dead = (subject, detail) in _DEAD_ADDRESS
    return Verdict(DeliveryState.SUPPRESSED if dead else DeliveryState.FAILED)


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
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return (f"{code} {line}".strip() if code > 0 else line)[:_LONGEST_LINE]
