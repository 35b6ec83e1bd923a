"""Mails into a folder: one Maildir for all recipients, as any mail program opens it.

The format is https://cr.yp.to/proto/maildir.html: written to tmp/, synced, renamed into
new/; a reader moves what it has seen to cur/ and adds ":2,flags" to the name. The name here
comes from the Message-ID, so a mail sent twice leaves one copy. That is why the few lines
of writing are ours: `mailbox.Maildir.add` always invents a name, and syncs no folder.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from trendbot.context import Context
from trendbot.errors import TransportError
from trendbot.model import DeliveryState, Limits, Mail, Outcome
from trendbot.settings import Section


class MaildirSettings(Section):
    """Where the mailbox is; a relative path starts from the folder of trendbot.toml."""

    path: Path = Path("mail")


class Maildir:
    """The transport that keeps mails on this machine; sending again leaves one copy."""

    Settings = MaildirSettings
    repeatable = True
    limits = Limits()

    def __init__(self, settings: MaildirSettings, context: Context) -> None:
        self._folder = context.home / settings.path.expanduser()

    def send(self, mails: Iterable[Mail]) -> Iterator[Outcome]:
        """Put each mail into new/, unless a mail of that Message-ID is there or in cur/.

        Raises TransportError when the folder cannot be written; nothing half written stays.
        """
        with _explained(self._folder):
            self._make()
            there = self._names()
        for mail in mails:
            yield self._deliver(mail, there)

    def close(self) -> None:
        """Nothing stays open."""

    def check(self) -> str:
        """Make the folder if it is missing and write into it; raises TransportError."""
        with _explained(self._folder):
            self._make()
            with tempfile.TemporaryFile(dir=self._folder / "tmp") as probe:
                probe.write(b"trendbot")
        return f"{self._folder} can be written"

    def _deliver(self, mail: Mail, there: set[str]) -> Outcome:
        if not mail.recipient.isprintable() or not mail.sender.isprintable():
            return Outcome(mail.id, DeliveryState.FAILED, detail="the address is not printable")
        name = file_name(mail.message_id)
        if name not in there:
            with _explained(self._folder):
                self._write(name, _envelope(mail) + mail.message.replace(b"\r\n", b"\n"))
            there.add(name)
        return Outcome(mail.id, DeliveryState.SENT, detail=f"new/{name}")

    def _write(self, name: str, content: bytes) -> None:
        handle, draft = tempfile.mkstemp(prefix=f"{name}.", dir=self._folder / "tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(draft).replace(self._folder / "new" / name)
        finally:
            Path(draft).unlink(missing_ok=True)
        _sync_folder(self._folder / "new")

    def _make(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("tmp", "new", "cur"):
            (self._folder / name).mkdir(mode=0o700, exist_ok=True)

    def _names(self) -> set[str]:
        """The names of all mails that are there, without the flags of those already seen."""
        return {
            entry.name.partition(":")[0]
            for subfolder in ("new", "cur")
            for entry in (self._folder / subfolder).iterdir()
        }


def file_name(message_id: str) -> str:
    """The name of a mail's file: the same for the same Message-ID, and with nothing to escape."""
    return hashlib.sha256(message_id.encode()).hexdigest()[:32] + ".trendbot"


def _envelope(mail: Mail) -> bytes:
    """What final delivery writes on top (RFC 5321 section 4.4): all readers share one folder."""
    return f"Return-Path: <{mail.sender}>\nDelivered-To: {mail.recipient}\n".encode()


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut, not only the file's content."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TransportError(
            f"{folder}: mail cannot be written: {error.strerror}; "
            "free some space there, or correct [mail.maildir] path"
        ) from error
