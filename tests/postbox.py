"""A transport that keeps what it gets, a clock, and a door with both, for the steps of readers."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

from sqlalchemy import Engine, text

from trendbot.doorway import Doorway
from trendbot.errors import TransportError
from trendbot.model import DeliveryState, Limits, Mail, Outcome
from trendbot.settings import MailSection, Site

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
SECRET = "a-secret-of-sixteen-characters"
ADA = "ada@example.org"
_BLOCKED = text(
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@dataclass
class Postbox:
    """A transport that keeps what it gets; some addresses it refuses, or all of us."""

    repeatable: bool = False
    limits: Limits = field(default_factory=Limits)
    mails: list[Mail] = field(default_factory=list)
    answers: dict[str, DeliveryState] = field(default_factory=dict)
    refuse_after: int | None = None
    closed: int = 0

    def send(self, mails: Iterable[Mail]) -> Iterator[Outcome]:
        for mail in mails:
            if self.refuse_after is not None and len(self.mails) >= self.refuse_after:
                raise TransportError("535 wrong password")
            self.mails.append(mail)
            state = self.answers.get(mail.recipient, DeliveryState.SENT)
            yield Outcome(mail.id, state, 0, f"the server said {state} of {mail.recipient}")

    def close(self) -> None:
        self.closed += 1

    def check(self) -> str:
        return "here"

    @property
    def recipients(self) -> list[str]:
        return [mail.recipient for mail in self.mails]

    @property
    def subjects(self) -> list[str]:
        return [_message(mail)["Subject"] for mail in self.mails]

    @property
    def token(self) -> str:
        """The token in the last mail's confirmation."""
        return self.link("confirm")

    def link(self, path: str) -> str:
        """The token of the link to `path` in the last mail."""
        body = _message(self.mails[-1]).get_body(("plain",))
        assert body is not None
        found = re.search(rf"/{path}/(\S+)", body.get_content())
        assert found is not None
        return found[1]


def _message(mail: Mail) -> EmailMessage:
    message = message_from_bytes(mail.message, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


def door_to(engine: Engine, postbox: Postbox, clock: Clock) -> Doorway:
    """A door whose mail goes into the postbox."""
    return Doorway(engine, lambda: postbox, Site(), MailSection(), (SECRET,), clock)


def wait_until_blocked(engine: Engine, how_many: int) -> None:
    """Let others come up to the lock we hold; on SQLite they stop before they read."""
    blocked = 0
    while engine.dialect.name == "postgresql" and blocked < how_many:
        with engine.connect() as conn:
            blocked = conn.scalars(_BLOCKED).one()
