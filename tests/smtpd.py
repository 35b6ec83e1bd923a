"""A recording SMTP server for tests that answers as its script says, on a real socket.

    with Smtpd(script={"RCPT bob@example.org": "550 5.1.1 no such user"}) as server:
        ...  # send to server.host, server.port
    assert [mail.recipient for mail in server.mails] == ["alice@example.org"]

A key of the script is a phase, or a phase and the recipient of the mail at hand. Phases are
CONNECT, EHLO, AUTH, MAIL, RCPT, DATA (the command), BODY (the first octet of the message),
DOT (the whole message is here), RSET and QUIT. A value is the line to answer instead of the
usual one, every time, or a list of such answers, each used once; DROP ends the connection
without an answer, HANG never answers, None is the usual answer.

At DOT a mail is recorded unless the script refuses it: also DROP and HANG take it first,
which is the worst a server can do to its client.
"""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, AnyStr, Self, cast

from aiosmtpd.smtp import MISSING, SMTP, AuthResult, LoginPassword

DROP = "drop"
HANG = "hang"

Answer = str | None
Script = Mapping[str, Answer | Sequence[Answer]]

_PATIENCE = 20


@dataclass(frozen=True, slots=True)
class Received:
    """One mail the server took, with the envelope it came in."""

    sender: str
    recipient: str
    message: bytes


class Smtpd:
    """One server on a free port of 127.0.0.1, running in a thread of its own.

    `tls` makes it offer STARTTLS, or with `implicit` speak TLS at once. With `login` it takes
    mails only after that (username, password). `size` is its SIZE limit in octets.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        login: tuple[str, str] | None = None,
        size: int = 33_554_432,
    ) -> None:
        self.mails: list[Received] = []
        self.log: list[str] = []
        self.peak = 0
        self._open: set[_Session] = set()
        self._script = {
            key: list(value) if isinstance(value, list | tuple) else value
            for key, value in (script or {}).items()
        }
        self._tls, self._implicit, self._login, self._size = tls, implicit, login, size
        self._changed = threading.Condition()
        self._socket = socket.create_server(("127.0.0.1", 0))
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

    def copies(self) -> dict[str, int]:
        """How many mails each recipient got."""
        recipients = [mail.recipient for mail in self.mails]
        return {recipient: recipients.count(recipient) for recipient in recipients}

    def wait_for(self, entry: str, times: int = 1) -> None:
        """Wait until `entry`, for example "DOT bob@example.org", is in the log so often."""
        self._wait(lambda: self.log.count(entry) >= times, entry)

    def wait_until_left(self) -> None:
        """Wait until no client is connected any more."""
        self._wait(lambda: not self._open, "the clients leave")

    def _wait(self, done: Callable[[], bool], what: str) -> None:
        with self._changed:
            assert self._changed.wait_for(done, _PATIENCE), f"never: {what}; {self.log}"

    def note(self, phase: str, recipient: str = "") -> None:
        with self._changed:
            self.log.append(f"{phase} {recipient}".strip())
            self._changed.notify_all()

    def came(self, session: "_Session") -> None:
        with self._changed:
            self._open.add(session)
            self.peak = max(self.peak, len(self._open))

    def left(self, session: "_Session") -> None:
        with self._changed:
            self._open.discard(session)
            self._changed.notify_all()

    def answer(self, phase: str, recipient: str = "") -> Answer:
        """What the script says now; None where it says nothing."""
        for key in (f"{phase} {recipient}", phase):
            if key in self._script:
                value = self._script[key]
                if isinstance(value, list):
                    return value.pop(0) if value else None
                return value if isinstance(value, str) else None
        return None

    def knows(self, attempt: LoginPassword) -> bool:
        return self._login == (attempt.login.decode(), attempt.password.decode())

    @property
    def needs_login(self) -> bool:
        return self._login is not None

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        at_once = self._tls if self._implicit else None
        server = await self._loop.create_server(self._session, sock=self._socket, ssl=at_once)
        self._ready.set()
        await self._stop.wait()
        server.close()
        for session in list(self._open):
            session.hang_up()
        await server.wait_closed()

    def _session(self) -> "_Session":
        starttls = None if self._implicit else self._tls
        return _Session(self, self._loop, starttls, self._size)


class _Session(SMTP):
    """One connection; aiosmtpd speaks the protocol, the script interrupts it."""

    def __init__(
        self,
        owner: Smtpd,
        loop: asyncio.AbstractEventLoop,
        starttls: ssl.SSLContext | None,
        size: int,
    ) -> None:
        self._owner = owner
        self._greeted = False
        super().__init__(
            self,
            hostname="mx.test",
            ident="test",
            loop=loop,
            tls_context=starttls,
            auth_require_tls=starttls is not None,
            authenticator=self._authenticate_login,
            data_size_limit=size,
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._owner.came(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._owner.left(self)

    def hang_up(self) -> None:
        if self.transport is not None:
            cast(asyncio.Transport, self.transport).abort()

    async def push(self, status: AnyStr) -> None:
        greeting = None if self._greeted else await self._ask("CONNECT")
        self._greeted = True
        answer = greeting or status
        await super().push(answer.encode() if isinstance(answer, str) else answer)

    async def handle_EHLO(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        refusal = await self._ask("EHLO")
        return [refusal] if refusal else responses

    async def handle_AUTH(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, args: list[str]
    ) -> Any:
        return await self._ask("AUTH") or MISSING

    async def handle_MAIL(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> Any:
        refusal = await self._ask("MAIL")
        if refusal is None and self._owner.needs_login and not session.authenticated:
            return "530 5.7.0 Authentication required"
        return refusal or MISSING

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> Any:
        return await self._ask("RCPT", address) or MISSING

    async def handle_RSET(self, server: Any, session: Any, envelope: Any) -> Any:  # noqa: N802
        return await self._ask("RSET") or MISSING

    async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> Any:  # noqa: N802
        return await self._ask("QUIT") or MISSING

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        assert self.envelope is not None
        recipient = self.envelope.rcpt_tos[0] if self.envelope.rcpt_tos else ""
        refusal = await self._ask("DATA", recipient)
        if refusal:
            await self.push(refusal)
        elif self._owner.answer("BODY", recipient):
            await self.push("354 go on")
            await self._reader.read(1)
            self._owner.note("BODY", recipient)
            await self._go_silent(DROP)
        else:
            await super().smtp_DATA(arg)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> Any:  # noqa: N802
        (recipient,) = envelope.rcpt_tos
        answer = self._owner.answer("DOT", recipient)
        if answer is None or answer in (DROP, HANG) or answer.startswith("2"):
            self._owner.mails.append(
                Received(envelope.mail_from, recipient, envelope.original_content)
            )
        self._owner.note("DOT", recipient)
        if answer in (DROP, HANG):
            await self._go_silent(answer)
        return answer or MISSING

    async def handle_exception(self, error: Exception) -> str:
        return f"451 the test server failed: {error!r}"

    async def _ask(self, phase: str, recipient: str = "") -> Answer:
        answer = self._owner.answer(phase, recipient)
        self._owner.note(phase, recipient)
        if answer in (DROP, HANG):
            await self._go_silent(answer)
        return answer

    async def _go_silent(self, how: str) -> None:
        """Say no more on this connection; its end cancels the wait."""
        if how == DROP:
            self.hang_up()
        await self.loop.create_future()

    def _authenticate_login(
        self, server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        return AuthResult(success=self._owner.knows(data), handled=False)
