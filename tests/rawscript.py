"""What the raw SMTP server does at one moment of a conversation in place of the usual."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Moment:
    """One command, body or dot as the server meets it.

    `nth` counts, from 1, how often this phase was met with this recipient; `mails` those
    taken on this connection before; `flight` grows whenever something arrived that the
    client may have sent after reading a reply.
    """

    phase: str
    recipient: str
    connection: int
    nth: int
    mails: int
    flight: int

    def __str__(self) -> str:
        return f"{self.phase} {self.recipient}".strip()


@dataclass(frozen=True, slots=True)
class Act:
    """Something else than the usual reply, in this order: hold, reply, endless, then.

    `reply` as text is one or several lines, as bytes goes out as it is, "" is none and None
    the usual one. With `hold` the server first waits for `release()`. `drip` sends the
    reply octet by octet, so many seconds apart. `endless` is repeated until the client goes.
    `late` lets the reply to the next command go first. `takes` says whether a mail counts
    as taken at DOT; by default it does unless it is refused: falling silent takes it, which
    is the worst a server can do to its client.
    """

    reply: str | bytes | None = None
    then: Literal["go on", "drop", "reset", "hang"] = "go on"
    takes: bool | None = None
    hold: bool = False
    drip: float | None = None
    endless: bytes = b""
    late: bool = False

    def octets(self, usual: str) -> bytes:
        """What goes over the wire."""
        reply = usual if self.reply is None else self.reply
        if isinstance(reply, bytes) or not reply:
            return reply if isinstance(reply, bytes) else b""
        return reply.replace("\n", "\r\n").encode() + b"\r\n"

    @property
    def tells(self) -> bool:
        """Whether the client is sent a 2yz where that is usual."""
        return self.octets("250").startswith(b"2")

    @property
    def taking(self) -> bool:
        """Whether a mail counts as taken, said at DOT."""
        silent = not self.octets("250")
        return self.tells or silent if self.takes is None else self.takes


USUAL = Act()
DROP = Act("", "drop")
RESET = Act("", "reset")
HANG = Act("", "hang")
HOLD = Act(hold=True)
LATE = Act(late=True)

Answer = str | bytes | Act | None
Choice = Callable[[Moment], Answer]
Script = Mapping[str, Answer | Choice | Sequence[Answer]]


def split(reply: str) -> Act:
    """The reply in as many pieces as it has octets."""
    return Act(reply, drip=0)


def endless(piece: bytes = b"250-and more\r\n") -> Act:
    """A reply that never ends."""
    return Act(b"", endless=piece)


def greylist(reply: str = "451 4.7.1 greylisted, come back later") -> Choice:
    """Turn everybody away the first time."""
    return lambda moment: reply if moment.nth == 1 else None


def after(mails: int, answer: Answer) -> Choice:
    """Answer so once the connection has carried so many mails."""
    return lambda moment: answer if moment.mails >= mails else None


class Chooser:
    """Looks up the script: first "PHASE recipient", then "PHASE #connection", then "PHASE".

    A value may also be a list, each of its answers used once, or a function of the moment.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self._used: Counter[str] = Counter()

    def act(self, moment: Moment) -> Act:
        """What to do now."""
        phase = moment.phase
        for key in (f"{phase} {moment.recipient}", f"{phase} #{moment.connection}", phase):
            if key in self._script:
                answer = self._choose(key, moment)
                return answer if isinstance(answer, Act) else Act(answer)
        return USUAL

    def _choose(self, key: str, moment: Moment) -> Answer:
        value = self._script[key]
        if callable(value):
            return value(moment)
        if value is None or isinstance(value, str | bytes | Act):
            return value
        self._used[key] += 1
        return value[self._used[key] - 1] if self._used[key] <= len(value) else None
