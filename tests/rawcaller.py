"""A client for the raw SMTP server that says what a test wants, right or wrong."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.rawscript import Script
from tests.rawsmtpd import RawSmtpd

LETTER = "Message-ID: <1@test>\r\nSubject: Papers\r\n\r\nShort.\r\n"


class Caller:
    """A client that says what the test wants, whatever the server thinks of it."""

    def __init__(self, server: RawSmtpd) -> None:
        self.socket = socket.create_connection((server.host, server.port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def say(self, *lines: str) -> None:
        self.socket.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def hear(self) -> str:
        """One reply: its lines, joined; "" is the end of the connection."""
        lines = []
        while True:
            line = self.file.readline().decode()
            lines.append(line.rstrip("\r\n"))
            if line[3:4] != "-":
                return "\n".join(lines)

    def ask(self, *lines: str) -> str:
        self.say(*lines)
        return self.hear()

    def codes(self, count: int) -> list[str]:
        return [self.hear()[:3] for _ in range(count)]

    def mail(self, recipient: str, message: str = LETTER) -> str:
        """One mail, command by command; returns the reply to the dot, or the one that ended it."""
        for line in ("MAIL FROM:<bot@test>", f"RCPT TO:<{recipient}>", "DATA"):
            reply = self.ask(line)
            if reply[:1] not in ("2", "3"):
                return reply
        return self.ask(message + ".")

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@contextmanager
def calling(server: RawSmtpd, greeted: bool = True) -> Iterator[Caller]:
    caller = Caller(server)
    try:
        if greeted:
            assert caller.hear() == "220 mx.test ESMTP"
            caller.ask("EHLO client.test")
        yield caller
    finally:
        caller.close()


@contextmanager
def met(script: Script | None = None, **options: Any) -> Iterator[tuple[RawSmtpd, Caller]]:
    with RawSmtpd(script, **options) as server, calling(server) as caller:
        yield server, caller
