"""A site with subscribers in any state, and somebody who visits it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from httpx2 import Response
from pydantic import SecretStr
from sqlalchemy import Engine, select
from starlette.testclient import TestClient

from trendbot import notices, subscribe, tokens
from trendbot.app import App
from trendbot.model import Status, Subscriber, Taste
from trendbot.notice_letters import Kind
from trendbot.settings import Limits, Schedule, Settings, Site, Web
from trendbot.store import subscribers
from trendbot.store.schema import metadata
from trendbot.store.schema import notices as waiting
from trendbot.web.site import create

NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
ADA = "ada@example.org"
KEY = "a-secret-of-sixteen-characters"
NO_LIMITS = Limits(client=0, address=0, domain=0, total=0)
NEWER = "a-newer-secret-of-more-characters"


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Page(HTMLParser):
    """What stands in a page, as far as tests ask."""

    text: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._select = ""
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        self.tags.append((tag, said))
        self.ids.add(said.get("id") or "")
        name, value = said.get("name") or "", said.get("value") or ""
        if tag == "select":
            self._select = name
        elif tag == "option" and "selected" in said:
            self.fields.setdefault(self._select, []).append(value)
        elif tag == "input" and (
            said.get("type") not in ("checkbox", "radio") or "checked" in said
        ):
            self.fields.setdefault(name, []).append(value)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [said for name, said in self.tags if name == tag]


class Visitor:
    """Somebody without cookies at the site of `app`, who can be anybody's subscriber too."""

    def __init__(self, engine: Engine, home: Path, limits: Limits, *keys: str) -> None:
        self.clock = Clock()
        self.engine = engine
        self.home = home
        self.limits = limits
        self.turn_keys(*(keys or (KEY,)))

    def turn_keys(self, newest: str, *former: str) -> None:
        web = Web(
            secret_key=SecretStr(newest),
            former_secret_keys=tuple(SecretStr(key) for key in former),
            limits=self.limits,
        )
        site = Site(name="Trends", base_url="https://trends.example.org")
        schedule = Schedule(timezone="Europe/Berlin")
        settings = Settings(home=self.home, web=web, site=site, schedule=schedule)
        self.app = App(settings, self.engine, self.clock)
        self.client = TestClient(create(self.app, shelf_seconds=0))

    def get(self, path: str) -> Response:
        return self.client.get(path, follow_redirects=False)

    def post(self, path: str, data: dict[str, Any] | None = None, **more: Any) -> Response:
        return self.client.post(path, data=data, follow_redirects=False, **more)

    def subscriber(
        self, status: Status = Status.ACTIVE, email: str = ADA, taste: Taste | None = None
    ) -> Subscriber:
        """A subscriber of this status, made as subscribers come to it."""
        door = self.app.doorway()
        subscribe.ask(replace(door, limits=NO_LIMITS), email, taste or Taste(), "")
        found = subscribe.find(self.engine, email)
        if status is not Status.PENDING:
            subscribe.confirm(door, self.token_of(Kind.CONFIRM, found))
        if status is Status.UNSUBSCRIBED:
            subscribe.leave(door, self.token_of(tokens.UNSUBSCRIBE, found))
        elif status is Status.ERASED:
            subscribe.erase(door, self.token_of(Kind.ERASE, found))
        elif status is Status.SUPPRESSED:
            with self.engine.begin() as conn:
                subscribers.suppress(conn, email, "550 no such user", NOW)
                subscribers.set_status(conn, found.id, Status.SUPPRESSED, NOW)
        with self.engine.begin() as conn:
            conn.execute(waiting.delete())
            return subscribers.get(conn, found.id)

    def token_of(self, purpose: str, subscriber: Subscriber) -> str:
        """The token of a link mailed now."""
        now, door = self.clock(), self.app.doorway()
        if purpose in (tokens.UNSUBSCRIBE, tokens.PREFERENCES):
            return tokens.sign(door.secret, purpose, str(subscriber.id))
        with self.engine.begin() as conn:
            return notices.open_link(conn, door, Kind(purpose), subscriber, now)

    def again(self, subscriber: Subscriber) -> Subscriber:
        """The subscriber as they are now."""
        with self.engine.connect() as conn:
            return subscribers.get(conn, subscriber.id)

    def queued(self) -> list[str]:
        """The kinds of the mails that wait."""
        with self.engine.connect() as conn:
            return sorted(conn.scalars(select(waiting.c.kind)))

    def everything(self) -> dict[str, Sequence[Any]]:
        """All rows of the database."""
        with self.engine.connect() as conn:
            return {
                table.name: sorted(map(tuple, conn.execute(select(table))), key=repr)
                for table in metadata.sorted_tables
            }

    def days_later(self, days: float) -> None:
        self.clock.now += timedelta(days=days)


def day(text: str) -> date:
    return date.fromisoformat(text)
