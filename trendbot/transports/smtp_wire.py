"""One SMTP connection that aiosmtplib has made: flights of commands out, replies in, in order.

    ask([MAIL, RCPT, DATA]) ──> kernel ──> server
    reply() <── replies <── data_received: complete, well formed and asked for
                   └── or else `trouble`: the connection is over, and reply() raises Broken

What was read before the trouble still counts, so the last reply tells how far each mail came.
There is no task and no timer here: `look` is called now and then and ends what takes too long.
"""

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import Mapping, Sequence
from math import inf
from time import monotonic
from typing import NamedTuple

from trendbot.replies import one_line

# RFC 5321 section 4.5.3.1.5 has 512 octets for a reply line; the servers that say more stay
# within these, as aiosmtplib has them.
_LONGEST_LINE = 8192
_LONGEST_REPLY = 4 * _LONGEST_LINE
# RFC 5321 section 4.2. The text may be missing with its space, and a lone LF end a line.
_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?")
# RFC 5321 section 4.5.3.2.5: three minutes without progress in a message, and no more for
# all of it than for the answer, or a trickle would hold a connection for ever.
_BODY_TIMEOUT = 180
_WHOLE_BODY_TIMEOUT = 600
_QUIT_TIMEOUT = 5


class Reply(NamedTuple):
    """A complete reply; its lines are joined by line feeds."""

    code: int
    text: str


class Broken(Exception):
    """The connection is of no more use.

    `silent` says that it fell silent and was given up, `excused` that nothing is wrong with it.
    """

    def __init__(self, why: str, silent: bool = False, excused: bool = False) -> None:
        super().__init__(why)
        self.silent, self.excused = silent, excused


class Wire(asyncio.Protocol):
    """A connection that takes commands in flights (RFC 2920).

    `begun` and `taken` count its mails, `idle_since` is when it was last used, `gone` is set
    once the socket is closed. `confused` says that what came was no answer to what was asked.
    """

    pipelined = True

    def __init__(self, transport: asyncio.Transport, extensions: Mapping[str, str]) -> None:
        self.extensions = extensions
        self.begun = self.taken = 0
        self.trouble = ""
        self.confused = False
        self.gone = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.idle_since = monotonic()
        self._transport = transport
        self._replies: deque[Reply] = deque()
        self._expected = 0
        self._partial = b""
        self._lines: list[bytes] = []
        self._code = b""
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = self._body_end = inf
        self._left = 0
        self._overdue = self._silent = False
        transport.set_protocol(self)
        # Nothing may linger here unseen. At 0, asyncio's TLS would pause when it is empty.
        encrypted = transport.get_extra_info("ssl_object") is not None
        transport.set_write_buffer_limits(high=1 if encrypted else 0, low=0)
        if transport.is_closing():
            self.fail("connection lost")

    # What the line asks for

    def ask(self, commands: Sequence[bytes]) -> None:
        """Send commands in one flight; each has one reply."""
        self._expected += len(commands)
        self._transport.write(b"\r\n".join((*commands, b"")))

    async def reply(self, seconds: float) -> Reply:
        """The next reply, for which the server has so long; raises Broken."""
        if not self._replies:
            self._deadline = monotonic() + seconds
            while not self._replies:
                self._check()
                await self._wait()
            self._deadline = inf
        return self._replies.popleft()

    async def carry(self, message: bytes) -> None:
        """Hand a message to the kernel, all of it; raises Broken."""
        self._check()
        self._transport.write(message)
        if self._transport.get_write_buffer_size():
            await self._drained()
        self._check()

    async def _drained(self) -> None:
        now = monotonic()
        self._left = self._transport.get_write_buffer_size()
        self._deadline, self._body_end = now + _BODY_TIMEOUT, now + _WHOLE_BODY_TIMEOUT
        while self._transport.get_write_buffer_size() and not self.trouble:
            await self._wait()
        self._deadline = self._body_end = inf

    async def quit(self) -> None:
        """Take leave and close; the answer changes nothing."""
        self.idle_since = monotonic()
        if not self.trouble:
            self.ask([b"QUIT"])
            with contextlib.suppress(Broken):
                await self.reply(_QUIT_TIMEOUT)
        self.fail("closed")

    def fail(self, why: str, silent: bool = False) -> None:
        """End the connection at once; a TLS goodbye could wait for ever."""
        if not self.trouble:
            self.trouble, self._silent = why, silent
            self._transport.abort()
            self._wake()

    def _confuse(self, why: str) -> None:
        """What came was no answer to what was asked."""
        self.confused = True
        self.fail(why)

    def look(self, now: float) -> None:
        """End what has taken too long.

        Seen twice: while the caller was busy elsewhere nothing was read, so what is late may
        have come long ago and be read before the second look.
        """
        if (left := self._transport.get_write_buffer_size()) < self._left:
            self._left, self._deadline = left, min(now + _BODY_TIMEOUT, self._body_end)
        if now < self._deadline:
            self._overdue = False
        elif self._overdue:
            self.fail("no answer in time", silent=True)
        else:
            self._overdue = True

    def _check(self) -> None:
        if not self.trouble and self._transport.is_closing():
            self.fail("connection lost")
        if self.trouble:
            raise Broken(self.trouble, self._silent)

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        await self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What the event loop tells

    def data_received(self, data: bytes) -> None:
        """Take complete replies out of what came; anything else is trouble."""
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            if self.trouble:
                return
            self._read(line.removesuffix(b"\r"))
        if len(self._partial) > _LONGEST_LINE:
            self._confuse("a reply line without end")
        elif not self._expected and (self._partial or self._lines):
            self._confuse("something unasked for")
        if self._replies:
            self._overdue = False
            self._wake()

    def _read(self, line: bytes) -> None:
        match = _LINE.fullmatch(line)
        if match is None or len(line) > _LONGEST_LINE or self._code not in (b"", match[1]):
            self._confuse(f"no SMTP reply: {_shown(line)}")
            return
        self._lines.append(match[3] or b"")
        self._code = match[1]
        self._size += len(line)
        if self._size > _LONGEST_REPLY:
            self._confuse("a reply without end")
        if self.trouble or match[2] == b"-":
            return
        if not self._expected:
            self.confused = match[1] != b"421"  # which may come at any time
            self.fail(f"unasked for: {_shown(line)}")
            return
        self._expected -= 1
        text = b"\n".join(self._lines).decode("utf-8", "replace")
        self._replies.append(Reply(int(self._code), text))
        self._lines, self._code, self._size = [], b"", 0

    def resume_writing(self) -> None:
        """All that was written is with the kernel."""
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is closed, by whomever."""
        self.fail(f"connection lost: {error}" if error else "connection lost")
        self.gone.set()


def _shown(line: bytes) -> str:
    return one_line(0, line.decode("utf-8", "replace"))
