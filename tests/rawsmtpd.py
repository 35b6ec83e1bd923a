"""An SMTP server that speaks the raw protocol, keeps a ledger, and fails as its script says.

    with RawSmtpd({"RCPT bob@example.org": ["450 4.7.1 later"], "DOT #2": DROP}) as server:
        ...  # send to server.host, server.port
    assert server.copies() == {"alice@example.org": 1, "bob@example.org": 1}
    assert server.breaches == []

Commands are answered exactly in the order in which they arrive, also when many come at
once; the replies to what came at once leave at once. Phases of the script (tests/rawscript.py):
CONNECT (the banner), EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, NOBODY (DATA after every
recipient was refused), BODY (the first octet of a message), DOT, RSET, NOOP and QUIT.

`breaches` are the client's own: what it must not do by RFC 5321, 2920, 1870, 6152, 6531.
"""

import asyncio
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from types import TracebackType
from typing import Self

from tests.rawscript import Act, Chooser, Moment, Script
from tests.rawsession import Copy, Session

OFFERS = ("PIPELINING", "SIZE 33554432", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")

_PATIENCE = 20


class RawSmtpd:
    """One server on a free port of 127.0.0.1, running in a thread of its own.

    `offers` are the extensions it names, without STARTTLS and AUTH: those are offered with
    `tls` (or TLS is spoken at once: `implicit`) and `login`, the username and password
    without which no mail is taken. `delay` keeps all replies back for so many seconds, as
    a distant network does. `watch` is called in the server's thread for every moment,
    before anything is done about it.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        offers: Sequence[str] = OFFERS,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        login: tuple[str, str] | None = None,
        delay: float = 0.0,
        watch: Callable[[Moment], None] | None = None,
    ) -> None:
        self.offers, self.tls, self.implicit, self.login = list(offers), tls, implicit, login
        self.delay, self.watch = delay, watch
        self.taken: list[Copy] = []
        self.moments: list[Moment] = []
        self.breaches: list[str] = []
        self.connections = 0
        self.peak = 0
        self.chooser = Chooser(script or {})
        self._met: Counter[tuple[str, str]] = Counter()
        self._open: set[Session] = set()
        self._changed = threading.Condition()
        self._errors: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.host, self.port = self._socket.getsockname()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(_PATIENCE)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_PATIENCE)
        assert not self._thread.is_alive()
        assert not self._errors, self._errors

    # What tests ask

    def copies(self) -> Counter[str]:
        """How many copies each recipient has."""
        return Counter(copy.recipient for copy in self.taken)

    @property
    def log(self) -> list[str]:
        """What was met, in order: "CONNECT", …, "RCPT bob@example.org", …"""
        return [str(moment) for moment in self.moments]

    def flights(self, connection: int = 1) -> list[list[str]]:
        """The phases of a connection, those together that came without waiting for a reply."""
        flights: dict[int, list[str]] = {}
        for moment in self.moments:
            if moment.connection == connection:
                flights.setdefault(moment.flight, []).append(moment.phase)
        return list(flights.values())

    def play(self, script: Script) -> None:
        """Go on by another script."""
        self.chooser = Chooser(script)

    def release(self) -> None:
        """Let go on what waits at an Act with `hold`, now and from now on."""
        self._loop.call_soon_threadsafe(self.released.set)

    def wait_for(self, entry: str, times: int = 1) -> None:
        """Wait until `entry`, for example "DOT bob@example.org", was met so often."""
        self.wait_until(lambda: self.log.count(entry) >= times, entry)

    def wait_until_left(self) -> None:
        """Wait until no client is connected any more."""
        self.wait_until(lambda: not self._open, "the clients leave")

    def wait_until(self, done: Callable[[], bool], what: str) -> None:
        """Wait until something is so; it is asked after everything the server meets."""
        with self._changed:
            assert self._changed.wait_for(done, _PATIENCE), f"never: {what}; {self.log[-50:]}"

    # What sessions say

    def meet(self, phase: str, recipient: str, session: "Session") -> Act:
        """Note what comes, and choose what to do about it."""
        with self._changed:
            self._met[phase, recipient] += 1
            nth = self._met[phase, recipient]
            moment = Moment(phase, recipient, session.number, nth, session.mails, session.flight)
            self.moments.append(moment)
            self._changed.notify_all()
        if self.watch is not None:
            self.watch(moment)
        return self.chooser.act(moment)

    def take(self, copy: Copy) -> None:
        with self._changed:
            self.taken.append(copy)
            self._changed.notify_all()

    def came(self, session: "Session") -> int:
        """Count a connection; returns its number, from 1."""
        with self._changed:
            self._open.add(session)
            self.connections += 1
            self.peak = max(self.peak, len(self._open))
            self._changed.notify_all()
            return self.connections

    def left(self, session: "Session") -> None:
        with self._changed:
            self._open.discard(session)
            self._changed.notify_all()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self.released = asyncio.Event()
        self._loop.set_exception_handler(self._loop_error)
        at_once = self.tls if self.implicit else None
        server = await self._loop.create_server(
            lambda: Session(self), sock=self._socket, ssl=at_once
        )
        self._ready.set()
        await self._stop.wait()
        server.close()
        for session in list(self._open):
            await session.end()
        await server.wait_closed()

    def went_wrong(self, error: BaseException) -> None:
        """Keep the error of a session, to be raised in the test."""
        self._errors.append(repr(error))

    def _loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """A handshake that a client breaks off is part of the play; the rest is our fault."""
        if not isinstance(context.get("exception"), OSError):  # ssl.SSLError is one
            self._errors.append(repr(context))


@contextmanager
def refused_port() -> Iterator[int]:
    """A port of 127.0.0.1 where nobody listens, and nobody else will."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextmanager
def black_hole() -> Iterator[int]:
    """A port of 127.0.0.1 that answers nothing at all: its queue is full and stays so."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with suppress(BlockingIOError):
                filler.connect(listener.getsockname())
        yield listener.getsockname()[1]
