"""Mails to an SMTP server, over a few connections side by side.

    send ── a mail for each free line ──> _Line.deliver ── MAIL, RCPT, DATA, dot ──> Outcome
      ▲                                        │ what the reply means: trendbot.replies
      └── stop, or no line can be opened: let the mails under way end, then TransportError

A mail is taken from the caller only when a line is free for it, so at most `connections`
mails are under way. The event loop lives in `send` and turns only while the caller waits
for an outcome. A line that saw a timeout, nonsense or a cancellation is never used again.
"""

import asyncio
import contextlib
import ipaddress
import re
import ssl
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Literal, Self, cast

import aiosmtplib
from pydantic import Field, SecretStr, model_validator

from trendbot.context import Context
from trendbot.envelope import fits_command, is_wire_form, transparent
from trendbot.errors import SettingsError, TransportError
from trendbot.model import DeliveryState, Limits, Mail, Outcome
from trendbot.pace import Pace
from trendbot.replies import Phase, classify, one_line
from trendbot.settings import Duration, Section
from trendbot.transports.smtp_trouble import explain

# RFC 5321 section 4.5.3.2: ten minutes for the reply to the dot, three for a block of data.
# A shorter wait for the dot is the classic source of mails sent twice (RFC 1047).
_DOT_TIMEOUT = 600
_BODY_TIMEOUT = 180
_QUIT_TIMEOUT = 5
_BODY_POLL = 0.01
# So many mails in a row ended by a hang-up, and a line gives up instead of going on for all.
_HANG_UPS = 3
_LABEL = r"[A-Za-z0-9_-]{1,63}"


class SmtpSettings(Section):
    """Which server takes our mails, and how fast. `rate` is mails per second, `hourly` per hour, 0 no limit.

    `ca_file` names authorities to trust besides the system's, for a certificate of one's own.
    """

    host: str = Field(
        "localhost",
        max_length=253,
        pattern=rf"^({_LABEL}(\.{_LABEL})*|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+)$",
    )
    port: int = Field(587, ge=1, le=65535)
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    allow_insecure: bool = False
    ca_file: Path | None = None
    username: str = ""
    password: SecretStr = SecretStr("")
    local_hostname: str = Field("", max_length=253, pattern=r"^[A-Za-z0-9_.:\[\]-]*$")
    connections: int = Field(4, ge=1, le=50)
    rate: float = Field(0, ge=0, allow_inf_nan=False)
    hourly: int = Field(0, ge=0)
    timeout: Duration = timedelta(seconds=60)

    @property
    def where(self) -> str:
        """The server as people write it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @model_validator(mode="after")
    def _refuse_unsafe(self) -> Self:
        if self.tls == "none" and not self.allow_insecure and not _is_loopback(self.host):
            raise ValueError(
                f'tls: "none" would show passwords and addresses on the way to {self.host}; '
                'use "starttls" or "implicit", or set allow_insecure = true'
            )
        if bool(self.username) != bool(self.password.get_secret_value()):
            raise ValueError("username and password: give both or neither")
        return self


class Smtp:
    """The transport that hands mails to an SMTP server (RFC 5321), a relay or a smarthost."""

    Settings = SmtpSettings
    repeatable = False

    def __init__(self, settings: SmtpSettings, context: Context) -> None:
        self._settings = settings
        self._tls = _tls_context(settings, context.home)
        self._pace = Pace(settings.rate)
        self.limits = Limits(settings.rate, settings.hourly)

    def send(self, mails: Iterable[Mail]) -> Iterator[Outcome]:
        """Hand each mail over and yield what became of it, as the answers come.

        Raises TransportError when the server cannot be reached or refuses us; what was
        handed over by then has had its outcome. Closing the iterator early cancels what is
        under way.
        """
        waiting = iter(mails)
        first = next(waiting, None)
        if first is None:
            return
        with asyncio.Runner(loop_factory=_event_loop) as runner:
            crew = _Crew(runner, [self._line() for _ in range(self._settings.connections)])
            try:
                yield from crew.work(chain([first], waiting))
            finally:
                runner.run(crew.leave())

    def close(self) -> None:
        """Nothing stays open."""

    def check(self) -> str:
        """Connect, encrypt, log in and leave; raises TransportError with what to do."""
        with asyncio.Runner(loop_factory=_event_loop) as runner:
            return runner.run(self._check())

    async def _check(self) -> str:
        line = self._line()
        try:
            await line.open()
            return line.describe()
        finally:
            await line.close()

    def _line(self) -> "_Line":
        settings = self._settings
        client = _Client(
            hostname=settings.host,
            port=settings.port,
            username=settings.username or None,
            password=settings.password.get_secret_value() or None,
            local_hostname=settings.local_hostname or None,
            timeout=settings.timeout.total_seconds(),
            use_tls=settings.tls == "implicit",
            start_tls=settings.tls == "starttls",  # never None: that would be strippable
            tls_context=self._tls,
        )
        return _Line(client, settings, self._pace)


class _Unreachable(TransportError):
    """A line cannot be opened; the mail it was given has not been handed over."""


class _Crew:
    """The lines of one `send`, and the mails they are busy with."""

    def __init__(self, runner: asyncio.Runner, lines: list["_Line"]) -> None:
        self._runner = runner
        self._lines = lines
        self._free = lines[::-1]
        self._busy: dict[asyncio.Task[Outcome], tuple[_Line, Mail]] = {}

    def work(self, waiting: Iterator[Mail]) -> Iterator[Outcome]:
        """Give mails to free lines and yield outcomes until both run out."""
        # One goes ahead, so that a wrong password is tried once and not on every line.
        self._runner.run(self._lines[0].open())
        refusal: TransportError | None = None
        while True:
            if refusal is None:
                self._hand_out(waiting)
            if not self._busy:
                break
            for task in self._runner.run(_first_done(self._busy)):
                line, mail = self._busy.pop(task)
                try:
                    outcome = task.result()
                except _Unreachable as error:
                    # The server may allow fewer connections than ours: the others go on.
                    waiting = chain([mail], waiting)
                    if not self._free and not self._busy:
                        refusal = refusal or error
                except TransportError as error:
                    refusal = refusal or error
                else:
                    self._free.append(line)
                    yield outcome
        if refusal is not None:
            raise refusal

    def _hand_out(self, waiting: Iterator[Mail]) -> None:
        while self._free and (mail := next(waiting, None)) is not None:
            line = self._free.pop()
            task = self._runner.get_loop().create_task(line.deliver(mail))
            self._busy[task] = (line, mail)

    async def leave(self) -> None:
        """End what is under way and close every line."""
        for task in self._busy:
            task.cancel()
        await asyncio.gather(*self._busy, return_exceptions=True)
        await asyncio.gather(*(line.close() for line in self._lines))


class _Client(aiosmtplib.SMTP):
    """aiosmtplib's client; each of its closes is at once, for a TLS goodbye can wait forever."""

    def close(self) -> None:
        if self.transport is not None:
            cast(asyncio.WriteTransport, self.transport).abort()
        super().close()


class _Line:
    """One connection: opened when a mail needs it, and again after it broke."""

    def __init__(self, client: _Client, settings: SmtpSettings, pace: Pace) -> None:
        self._client = client
        self._settings = settings
        self._pace = pace
        self._phase = Phase.MAIL
        self._hang_ups = 0
        self._last = ""
        self._tls_version = ""

    async def open(self) -> None:
        """Connect, encrypt and log in; raises _Unreachable."""
        if self._hang_ups >= _HANG_UPS:
            raise _Unreachable(
                f"{self._settings.where} broke off {_HANG_UPS} mails in a row, "
                f"last with: {self._last}; see the server's log, or lower [mail.smtp] rate"
            )
        try:
            await self._client.connect()
            if self._client.is_ehlo_or_helo_needed:
                await self._client.ehlo()
            tls = self._client.get_transport_info("ssl_object")
            self._tls_version = tls.version() if tls else ""
        except (aiosmtplib.SMTPException, OSError, UnicodeError) as error:
            self._client.close()
            raise _Unreachable(explain(error, self._settings.host, self._settings.where)) from error

    async def deliver(self, mail: Mail) -> Outcome:
        """Hand one mail over; raises TransportError where it was not, and could not be."""
        if not fits_command(mail.recipient):
            detail = "the address cannot be written in an SMTP envelope"
            return Outcome(mail.id, DeliveryState.FAILED, detail=detail)
        await asyncio.sleep(self._pace.book(time.monotonic()))
        if not self._client.is_connected:
            await self.open()
        self._refuse_unfit(mail)
        try:
            code, text = await self._converse(mail)
        except asyncio.CancelledError:
            self._client.close()
            raise
        return await self._conclude(mail, code, text)

    async def _converse(self, mail: Mail) -> tuple[int, str]:
        """One mail transaction (RFC 5321 section 3.3); returns the reply that ended it, or 0."""
        try:
            self._phase = Phase.MAIL
            await self._client.mail(mail.sender, options=self._size_option(mail))
            self._phase = Phase.RCPT
            await self._client.rcpt(mail.recipient)
            self._phase = Phase.DATA
            reply = await self._client.execute_command(b"DATA")
            if reply.code == aiosmtplib.SMTPStatus.start_input:
                reply = await self._hand_over(mail.message)
        except aiosmtplib.SMTPResponseException as refusal:
            return refusal.code, refusal.message
        except OSError as error:  # aiosmtplib's disconnects and timeouts are OSErrors too
            return 0, f"no reply to {self._phase}: {error or type(error).__name__}"
        return reply.code, reply.message

    async def _hand_over(self, message: bytes) -> aiosmtplib.SMTPResponse:
        """Send the message and its final dot; returns the reply to the dot.

        Not `SMTP.data()`, which hides whether the dot had left when the connection broke.
        Here it leaves by itself after the message has, so a break before is no doubt.
        """
        protocol = self._client.protocol
        transport = cast(asyncio.WriteTransport, self._client.transport)
        if protocol is None:
            raise aiosmtplib.SMTPServerDisconnected("Connection lost")
        protocol.write(transparent(message))
        async with asyncio.timeout(_BODY_TIMEOUT):
            while transport.get_write_buffer_size() and self._client.is_connected:
                await asyncio.sleep(_BODY_POLL)
        protocol.write(b".\r\n")
        self._phase = Phase.DOT
        return await protocol.read_response(timeout=_DOT_TIMEOUT)

    async def _conclude(self, mail: Mail, code: int, text: str) -> Outcome:
        """Turn the last reply into an outcome, and leave the line fit for the next mail."""
        verdict = classify(self._phase, code, text)
        detail = self._last = one_line(code, text)
        self._hang_ups = self._hang_ups + 1 if verdict.hang_up else 0
        if verdict.hang_up:
            self._client.close()
        elif self._phase in (Phase.RCPT, Phase.DATA):
            await self._reset()
        if verdict.state is None:
            raise TransportError(
                f"{self._settings.where} refuses us at {self._phase}: {detail}; no subscriber is "
                "to blame: check [mail] sender, the login, and what the server asks of senders",
                mail_id=None if self._phase is Phase.MAIL else mail.id,
            )
        return Outcome(mail.id, verdict.state, max(code, 0), detail)

    async def _reset(self) -> None:
        """Clear the envelope of a refused recipient, so that nothing of it meets the next mail."""
        try:
            await self._client.rset()
        except (aiosmtplib.SMTPException, OSError):
            self._client.close()

    def _size_option(self, mail: Mail) -> list[str]:
        has_size = self._client.supports_extension("size")
        return [f"SIZE={len(mail.message)}"] if has_size else []

    def _refuse_unfit(self, mail: Mail) -> None:
        """Raise TransportError for a mail that is our fault, before the server is asked."""
        if not is_wire_form(mail.message):
            raise TransportError(f"mail {mail.message_id} is not 7-bit with CRLF line ends")
        if not fits_command(mail.sender):
            raise TransportError(f"[mail] sender: {mail.sender!r} cannot be an envelope sender")
        limit = self._client.esmtp_extensions.get("size", "")
        # RFC 1870: up to 20 digits, and 0 is no limit.
        if re.fullmatch("[0-9]{1,20}", limit) and 0 < int(limit) < len(mail.message):
            raise TransportError(
                f"{self._settings.where} takes mails of at most {limit} bytes and this digest has "
                f"{len(mail.message)}: lower [ranking] size"
            )

    def describe(self) -> str:
        """One line on the connection that `open` made."""
        name = {"starttls": "STARTTLS", "implicit": "TLS"}.get(self._settings.tls)
        encrypted = f"{name} ({self._tls_version})" if name else "not encrypted"
        user = self._settings.username
        login = f"logged in as {user}" if user else "no login"
        return f"{self._settings.where} answers, {encrypted}, {login}"

    async def close(self) -> None:
        """Say QUIT if there is somebody to say it to; its answer changes nothing."""
        if self._client.is_connected:
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await self._client.quit(timeout=_QUIT_TIMEOUT)
        self._client.close()


async def _first_done(tasks: Iterable[asyncio.Task[Outcome]]) -> set[asyncio.Task[Outcome]]:
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    return done


def _event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _tls_context(settings: SmtpSettings, home: Path) -> ssl.SSLContext | None:
    if settings.tls == "none":
        return None
    context = ssl.create_default_context()
    if settings.ca_file is not None:
        file = home / settings.ca_file.expanduser()
        try:
            context.load_verify_locations(file)
        except OSError as error:  # ssl.SSLError is one
            raise SettingsError(
                f"[mail.smtp] ca_file: {file} cannot be read as PEM certificates: {error}"
            ) from error
    return context
