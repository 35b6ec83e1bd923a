"""One connection of the raw SMTP server: what the client says, in order, and the replies."""

import asyncio
import re
import socket
import ssl
import struct
from base64 import b64decode
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, cast

from tests.rawscript import Act

_VERBS = frozenset("EHLO HELO STARTTLS AUTH MAIL RCPT DATA RSET NOOP QUIT".split())
_LAST_OF_FLIGHT = frozenset(
    "EHLO HELO STARTTLS AUTH DATA NOOP QUIT".split()
)  # RFC 2920 section 3.1
_LONGEST_COMMAND = 600  # 512 of RFC 5321, and what SIZE, BODY, SMTPUTF8 and AUTH may add
_MAIL = re.compile(rb"MAIL FROM:<([^<>\s]*)>((?: [^ ]+)*)", re.IGNORECASE)
_RCPT = re.compile(rb"RCPT TO:<([^<>\s]+)>", re.IGNORECASE)
_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>\r\n]*>)", re.IGNORECASE | re.MULTILINE)
_ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: the end of the connection is a reset


@dataclass(frozen=True, slots=True)
class Copy:
    """One mail the server took; `told` says whether the client was sent its 250."""

    sender: str
    recipient: str
    message_id: str
    message: bytes
    connection: int
    told: bool


class Ledger(Protocol):
    """What a session needs of its server."""

    offers: list[str]
    tls: ssl.SSLContext | None
    login: tuple[str, str] | None
    delay: float
    breaches: list[str]
    released: asyncio.Event

    def meet(self, phase: str, recipient: str, session: "Session") -> Act: ...
    def take(self, copy: Copy) -> None: ...
    def came(self, session: "Session") -> int: ...
    def left(self, session: "Session") -> None: ...
    def went_wrong(self, error: BaseException) -> None: ...


class _Over(Exception):
    """The connection is of no more use."""


class Session(asyncio.Protocol):
    """One connection."""

    number = 0
    mails = 0
    flight = 0

    def __init__(self, owner: Ledger) -> None:
        self._owner = owner
        self._input = bytearray()
        self._out = bytearray()
        self._late = b""
        self._wrote = True
        self._gone = self._encrypted = self._known = False
        self._arrived, self._writable = asyncio.Event(), asyncio.Event()
        self._writable.set()
        self._forget()

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._encrypted = transport.get_extra_info("ssl_object") is not None
        self.number = self._owner.came(self)
        self._task = asyncio.get_running_loop().create_task(self._converse())
        self._task.add_done_callback(self._finished)

    def data_received(self, data: bytes) -> None:
        self.flight += self._wrote
        self._wrote = False
        self._input += data
        self._arrived.set()

    def connection_lost(self, error: Exception | None) -> None:
        self._gone = True
        self._arrived.set()
        self._writable.set()
        self._owner.left(self)

    def _finished(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._owner.went_wrong(error)
            self._transport.abort()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def end(self) -> None:
        self._transport.abort()
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _flush(self) -> None:
        if self._out and self._owner.delay:
            await asyncio.sleep(self._owner.delay)
        if self._gone:
            raise _Over
        if self._out:
            self._transport.write(bytes(self._out))
            self._out.clear()
            self._wrote = True
        await self._writable.wait()

    async def _more(self) -> None:
        """Wait for more input; all replies are out by then."""
        before = len(self._input)
        await self._flush()
        if len(self._input) > before:
            return
        self._arrived.clear()
        await self._arrived.wait()
        if self._gone:
            raise _Over

    async def _line(self) -> bytes:
        while (end := self._input.find(b"\n")) < 0:
            if len(self._input) > _LONGEST_COMMAND:
                self._breach(f"a command of more than {_LONGEST_COMMAND} octets")
                raise _Over
            await self._more()
        line = bytes(self._input[: end + 1])
        del self._input[: end + 1]
        if not line.endswith(b"\r\n"):
            self._breach(f"a bare line feed after {line!r}")
        if (self._out or self._late) and "PIPELINING" not in self._owner.offers:
            self._breach(f"{line!r} came before the reply to the last command was sent")
        return line.rstrip(b"\r\n")

    def _breach(self, what: str) -> None:
        self._owner.breaches.append(what)

    # Replies

    async def _reply(self, phase: str, usual: str, recipient: str = "") -> str:
        """Do what the script says; returns the first octet of the reply."""
        act = self._owner.meet(phase, recipient, self)
        await self._play(act, usual)
        return act.octets(usual)[:1].decode("latin-1")

    async def _play(self, act: Act, usual: str) -> None:
        if act.hold:
            await self._flush()
            await self._owner.released.wait()
        octets = act.octets(usual)
        if act.late:
            self._late += octets
        elif act.drip is not None:
            await self._drip(octets, act.drip)
        else:
            self._out += octets + self._late
            self._late = b""
        while act.endless:
            self._out += act.endless * 20
            await self._flush()
            await asyncio.sleep(0)
        if act.then != "go on":
            await self._leave(act.then)

    async def _drip(self, octets: bytes, pause: float) -> None:
        for octet in octets:
            self._out.append(octet)
            await self._flush()
            await asyncio.sleep(pause)

    async def _leave(self, how: str) -> None:
        await self._flush()
        if how == "hang":
            while True:
                await self._more()
        if how == "reset":
            connection = self._transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
            self._transport.abort()
        raise _Over

    # The conversation

    async def _converse(self) -> None:
        with suppress(_Over):
            await self._reply("CONNECT", "220 mx.test ESMTP")
            while True:
                line = await self._line()
                verb = line.split(b" ")[0].decode("ascii", "replace").upper()
                command = getattr(self, f"_{verb.lower()}", None) if verb.isalpha() else None
                if verb not in _VERBS or command is None:
                    self._breach(f"{line!r} is no command")
                    self._out += b"500 5.5.2 not understood\r\n"
                    continue
                if verb in _LAST_OF_FLIGHT and self._input:
                    self._breach(f"commands behind {verb}, which must be the last of its flight")
                await command(line)
        self._transport.close()

    def _forget(self) -> None:
        """Begin without a mail transaction."""
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._utf8 = self._eightbit = False

    async def _ehlo(self, line: bytes) -> None:
        self._forget()
        offers = list(self._owner.offers)
        if self._owner.tls and not self._encrypted:
            offers.append("STARTTLS")
        if self._owner.login:
            offers.append("AUTH PLAIN LOGIN")
        lines = ["mx.test", *offers]
        usual = [f"250-{each}" for each in lines[:-1]] + [f"250 {lines[-1]}"]
        await self._reply("EHLO", "\n".join(usual))

    async def _helo(self, line: bytes) -> None:
        self._forget()
        await self._reply("HELO", "250 mx.test")

    async def _starttls(self, line: bytes) -> None:
        usual = "220 2.0.0 go ahead" if self._owner.tls else "454 4.7.0 no TLS here"
        said = await self._reply("STARTTLS", usual)
        await self._flush()
        if not self._owner.tls or said != "2":
            return
        self._input.clear()
        try:
            transport = await asyncio.get_running_loop().start_tls(
                self._transport, self, self._owner.tls, server_side=True
            )
        except OSError as error:  # the client breaks off: ssl.SSLError, ConnectionError
            raise _Over from error
        assert transport is not None
        self._transport, self._encrypted = transport, True
        self._forget()

    async def _auth(self, line: bytes) -> None:
        _, method, *initial = line.decode("ascii", "replace").split(" ")
        if method.upper() == "PLAIN":
            _, *told = _unpacked(initial[0] if initial else await self._challenge("")).split("\0")
        else:
            name = initial[0] if initial else await self._challenge("VXNlcm5hbWU6")
            told = [_unpacked(name), _unpacked(await self._challenge("UGFzc3dvcmQ6"))]
        right = self._owner.login is not None and tuple(told) == self._owner.login
        said = await self._reply("AUTH", "235 2.7.0 welcome" if right else "535 5.7.8 wrong")
        self._known = said == "2"

    async def _challenge(self, text: str) -> str:
        self._out += f"334 {text}\r\n".encode()
        return (await self._line()).decode("ascii", "replace")

    async def _mail(self, line: bytes) -> None:
        match = _MAIL.fullmatch(line)
        if match is None:
            self._breach(f"{line!r} is no MAIL command")
        options = [option.decode().upper() for option in match[2].split()] if match else []
        for option in options:
            self._check_option(option)
        self._utf8, self._eightbit = "SMTPUTF8" in options, "BODY=8BITMIME" in options
        said = await self._reply("MAIL", self._about_sender(line, options))
        if match is not None and self._sender is None and said == "2":
            self._sender = match[1].decode()

    def _about_sender(self, line: bytes, options: list[str]) -> str:
        """The usual reply to MAIL."""
        if self._sender is not None:
            self._breach(f"{line!r} within a mail transaction")
            return "503 5.5.1 nested MAIL"
        if self._owner.login and not self._known:
            return "530 5.7.0 log in first"
        size = next((int(option[5:]) for option in options if option.startswith("SIZE=")), 0)
        return "552 5.3.4 too big" if 0 < self._limit < size else "250 2.1.0 ok"

    def _check_option(self, option: str) -> None:
        needed = option.partition("=")[0].replace("BODY", "8BITMIME")
        if needed not in {offer.partition(" ")[0] for offer in self._owner.offers}:
            self._breach(f"MAIL with {option} and {needed} was not offered")

    @property
    def _limit(self) -> int:
        """The biggest message that is taken, in octets; 0 is none."""
        sizes = [offer[5:] for offer in self._owner.offers if offer.startswith("SIZE ")]
        return int(sizes[0]) if sizes and sizes[0].isdigit() else 0

    async def _rcpt(self, line: bytes) -> None:
        match = _RCPT.match(line)
        recipient = match[1].decode() if match else ""
        usual = "250 2.1.5 ok"
        if match is None:
            self._breach(f"{line!r} is no RCPT command")
            usual = "501 5.5.4 no RCPT"
        if self._sender is None:
            usual = "503 5.5.1 MAIL first"
        elif not recipient.isascii() and not self._utf8:
            self._breach(f"{line!r} without SMTPUTF8")
            usual = "553 5.6.7 no SMTPUTF8"
        said = await self._reply("RCPT", usual, recipient)
        if usual[0] == said == "2":
            self._recipients.append(recipient)

    async def _data(self, line: bytes) -> None:
        if self._recipients:
            said = await self._reply("DATA", "354 go on", self._recipients[0])
        else:
            usual = "503 5.5.1 RCPT first" if self._sender is None else "554 5.5.1 no recipient"
            said = await self._reply("NOBODY", usual)
        if said != "3":
            return
        message = await self._body()
        if self._recipients:
            await self._dot(message)
        else:
            self._out += b"554 5.5.1 no recipient\r\n"
        self._forget()

    async def _body(self) -> bytes:
        """Read a message up to its final dot, without the dot and the stuffing."""
        if self._out:
            await self._flush()
            if self._input:
                self._breach("a message that did not wait for the 354")
        while len(self._input) < 3:
            await self._more()
        act = self._owner.meet("BODY", self._recipients[0] if self._recipients else "", self)
        await self._play(act, "")
        seen = 0
        while not self._input.startswith(b".\r\n"):
            if (end := self._input.find(b"\r\n.\r\n", max(0, seen - 4))) >= 0:
                message = bytes(self._input[: end + 2])
                del self._input[: end + 5]
                self._check_body(message)
                return _unstuffed(message)
            seen = len(self._input)
            await self._more()
        del self._input[:3]
        return b""

    def _check_body(self, message: bytes) -> None:
        if message.count(b"\n") != message.count(b"\r\n"):
            self._breach("a bare line feed in a message")
        if not message.isascii() and not (self._eightbit or self._utf8):
            self._breach("an 8-bit message that was not announced")
        if max(map(len, message.split(b"\r\n"))) > 998:
            self._breach("a line of more than 998 octets")

    async def _dot(self, message: bytes) -> None:
        too_big = 0 < self._limit < len(message)
        usual = "552 5.3.4 too big" if too_big else "250 2.0.0 taken"
        act = self._owner.meet("DOT", self._recipients[0], self)
        if act.taking and not too_big:
            self.mails += 1
            found = _MESSAGE_ID.search(message)
            message_id = found[1].decode() if found else ""
            told = act.tells
            for recipient in self._recipients:
                self._owner.take(
                    Copy(self._sender or "", recipient, message_id, message, self.number, told)
                )
        await self._play(act, usual)

    async def _rset(self, line: bytes) -> None:
        self._forget()
        await self._reply("RSET", "250 2.0.0 ok")

    async def _noop(self, line: bytes) -> None:
        await self._reply("NOOP", "250 2.0.0 ok")

    async def _quit(self, line: bytes) -> None:
        await self._reply("QUIT", "221 2.0.0 bye")
        await self._leave("drop")


def _unstuffed(message: bytes) -> bytes:
    return message[message.startswith(b".") :].replace(b"\r\n..", b"\r\n.")


def _unpacked(base64: str) -> str:
    return b64decode(base64).decode("utf-8", "replace")
