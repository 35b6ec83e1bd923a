"""What the steps need that readers take: the rows, a way to mail, and what binds them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from trendbot import tokens
from trendbot.model import Transport
from trendbot.settings import Limits, MailSection, Site

_LIMITS = Limits()
_ZONE = ZoneInfo("UTC")


def unheard() -> None:
    """Tell nobody that a notice waits."""


@dataclass(frozen=True, slots=True)
class Doorway:
    """What signing up, changing one's mind and leaving need.

    `limits` are of sign-ups from the web. `zone` is the site's, in which days begin.
    `queued` is called when a notice was queued, so that it need not wait for its turn.
    """

    engine: Engine
    transport: Callable[[], Transport]
    site: Site
    mail: MailSection
    secrets: tuple[str, ...]
    now: Callable[[], datetime]
    limits: Limits = _LIMITS
    zone: ZoneInfo = _ZONE
    queued: Callable[[], None] = unheard

    @property
    def secret(self) -> str:
        """What signs."""
        return self.secrets[0]

    def erased_keys(self, email_key: str) -> tuple[str, ...]:
        """What may stand for the address where it was erased, by the newest secret first."""
        return tuple(f"erased:{self.hash_of('erased', email_key, key)}" for key in self.secrets)

    def hash_of(self, purpose: str, value: str, secret: str = "") -> str:
        """What stands for `value` where it must not be readable."""
        return tokens.keyed_hash(secret or self.secret, purpose, value)
