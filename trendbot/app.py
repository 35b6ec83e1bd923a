"""The only wiring: settings become a database, adapters, and what the steps need."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pkgutil import resolve_name
from threading import Event
from typing import Any

from sqlalchemy import Engine

from trendbot import compose
from trendbot.context import Budget, Context, Known, Spent
from trendbot.deliver import Dispatch, Watch, never, unwatched
from trendbot.doorway import Doorway
from trendbot.errors import SettingsError
from trendbot.fetch import Breaker, Fetcher
from trendbot.health import Asked, hosts_in
from trendbot.model import Digest, PaperSource, Signal, Transport
from trendbot.settings import Settings, kept_key, section
from trendbot.signals import SIGNALS
from trendbot.sources import SOURCES
from trendbot.store import hosts, posts, reads, runs
from trendbot.store.deliveries import Settlement
from trendbot.store.engine import open_store
from trendbot.telemetry import Telemetry
from trendbot.transports import TRANSPORTS

SHORTEST_KEY = 16


def utc_now() -> datetime:
    """The clock."""
    return datetime.now(UTC)


class App:
    """One trendbot: its settings, its database, and its adapters, built when first used."""

    def __init__(self, settings: Settings, engine: Engine, now: Callable[[], datetime]) -> None:
        self.settings = settings
        self.engine = engine
        self.now = now
        self.queued = Event()  # a notice waits, and was queued by this process

    def close(self) -> None:
        """Close every connection: to the database, the web, the mail server."""
        self.engine.dispose()
        if "fetcher" in vars(self):
            self.fetcher.close()
        if "transport" in vars(self):
            self.transport.close()

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """The keys of mailed links: the first signs, all of them are believed.

        Without one in the settings the first is our own, in trendbot.key; with one, what
        our own signed before counts still. Raises SettingsError for a key that is too short
        to protect anything.
        """
        web, home = self.settings.web, self.settings.home
        named = web.secret_key.get_secret_value()
        former = [key.get_secret_value() for key in web.former_secret_keys]
        if any(len(key) < SHORTEST_KEY for key in [*former, *([named] if named else [])]):
            raise SettingsError(
                f"web.secret_key is too short: {SHORTEST_KEY} characters or more, please; "
                "`trendbot init` writes a trendbot.toml with a good one"
            )
        own = kept_key(home, make=not named)
        return tuple(dict.fromkeys(key for key in (named, *former, own) if key))

    @property
    def secret(self) -> str:
        """The key that mailed links are signed with."""
        return self.secrets[0]

    @cached_property
    def fetcher(self) -> Fetcher:
        """The one way to the web that all adapters share, so that hosts see one visitor."""
        contact = compose.envelope_sender(self.settings.mail.sender)
        return Fetcher(f"{self.settings.site.base_url}; {contact}", breaker=self._breaker())

    def insist(self) -> None:
        """Ask closed hosts at once: whoever types a command may have mended something."""
        with self.engine.begin() as conn:
            hosts.reopen(conn)

    @cached_property
    def sources(self) -> dict[str, PaperSource]:
        """The enabled sources by name."""
        return self._adapters("sources", SOURCES, self.settings.sources)

    @cached_property
    def signals(self) -> dict[str, Signal]:
        """The enabled signals by name."""
        return self._adapters("signals", SIGNALS, self.settings.signals)

    @cached_property
    def transport(self) -> Transport:
        """The transport `mail.transport` names."""
        return self._transport()

    def _transport(self) -> Transport:
        name = self.settings.mail.transport
        adapter = resolve_name(TRANSPORTS[name])
        table = self.settings.mail.tables.get(name, {})
        transport: Transport = adapter(
            section(adapter.Settings, table, f"mail.{name}"), self._context(name)
        )
        return transport

    @cached_property
    def telemetry(self) -> Telemetry:
        """The figures of this process; of sources and signals where it is the one that asks."""
        return Telemetry(
            self.engine, self.now, lambda: self.asked if "sources" in vars(self) else ()
        )

    def dispatch(self, stop: Callable[[], bool] = never, watch: Watch = unwatched) -> Dispatch:
        """What delivering needs. Raises SettingsError and HeaderError where it cannot work."""

        def told(digest: Digest, settled: Sequence[Settlement]) -> None:
            self.telemetry.watch(digest, settled)
            watch(digest, settled)

        compose.check_settings(self.settings.site, self.settings.mail)
        return Dispatch(
            self.engine,
            self.transport,
            self.settings.site,
            self.settings.mail,
            self.secret,
            self.now,
            stop,
            told,
            self.settings.schedule.zone,
        )

    def doorway(self) -> Doorway:
        """What the steps of readers need."""
        settings = self.settings
        return Doorway(
            self.engine,
            lambda: self.transport,
            settings.site,
            settings.mail,
            self.secrets,
            self.now,
            settings.web.limits,
            settings.schedule.zone,
            self.queued.set,
        )

    def back_door(self) -> Doorway:
        """The same with a transport of its own, for a thread that mails beside the digests.

        No transport takes mails from two threads at once. Raises SettingsError.
        """
        transport = self._transport()
        return replace(self.doorway(), transport=lambda: transport)

    def _adapters(
        self, kind: str, registry: Mapping[str, str], tables: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, Any]:
        return {
            name: adapter(settings, self._context(name))
            for name, adapter, settings in _enabled(kind, registry, tables)
        }

    @cached_property
    def asked(self) -> tuple[Asked, ...]:
        """The enabled sources and signals: how often each is asked, and where; builds none.

        Raises SettingsError.
        """
        pause = self.settings.schedule.collect_every
        return tuple(
            Asked(
                kind.removesuffix("s"),
                name,
                getattr(settings, "every", pause),
                pause,
                hosts_in(settings.model_dump()),
            )
            for kind, registry in (("sources", SOURCES), ("signals", SIGNALS))
            for name, _, settings in _enabled(kind, registry, getattr(self.settings, kind))
        )

    @property
    def budgets(self) -> dict[str, int]:
        """The posts each enabled signal may pay for in a day; free ones are not in it."""
        enabled = _enabled("signals", SIGNALS, self.settings.signals)
        limits = ((name, getattr(of, "daily_post_budget", None)) for name, _, of in enabled)
        return {name: limit for name, limit in limits if limit is not None}

    def _context(self, name: str) -> Context:
        return Context(
            home=self.settings.home,
            now=self.now,
            fetcher=self.fetcher,
            budget=self._budget(name),
            worth_a_look=partial(self._worth_a_look, name),
            contenders=partial(self._worth_a_look, name, contenders=True),
            answered_at=partial(self._answered_at, name),
            stored=partial(self._stored, name),
        )

    def _breaker(self) -> Breaker:
        def refusal(host: str) -> str:
            with self.engine.connect() as conn:
                found = hosts.find(conn, host)
            if found is None or found.closed_until is None:
                return ""
            if found.closed_until <= self.now():
                with self.engine.begin() as conn:
                    if hosts.let_through(conn, host, self.now()):
                        return ""
                    found = hosts.find(conn, host)
            return found.refusal if found else ""

        def failed(host: str, why: str, reached: bool) -> None:
            with self.engine.begin() as conn:
                hosts.failed(conn, host, why, reached, self.now())

        def worked(host: str) -> None:
            with self.engine.connect() as conn:
                is_known = hosts.find(conn, host) is not None
            if is_known:
                with self.engine.begin() as conn:
                    hosts.worked(conn, host)

        return Breaker(refusal, failed, worked)

    def _budget(self, name: str) -> Budget:
        booked_on = self.now().date()  # what is booked before midnight is settled for that day

        def reserve(wanted: int, limit: int) -> int:
            nonlocal booked_on
            booked_on = self.now().date()
            with self.engine.begin() as conn:
                return runs.reserve(conn, name, booked_on, wanted, limit)

        def release(unused: int) -> None:
            with self.engine.begin() as conn:
                runs.release(conn, name, booked_on, unused)

        def stop(reason: str) -> None:
            with self.engine.begin() as conn:
                runs.stop(conn, name, self.now().date(), reason)

        def today() -> Spent:
            day = self.now().date()
            with self.engine.connect() as conn:
                return Spent(*runs.budget(conn, name, day), reads.planned(conn, name, day))

        def remember(plan: Mapping[str, Any]) -> None:
            with self.engine.begin() as conn:
                reads.plan(conn, name, self.now().date(), plan)

        def note(purpose: str, requests: int, posts: int, useful: int, dollars: float) -> None:
            with self.engine.begin() as conn:
                reads.add(conn, name, booked_on, purpose, requests, posts, useful, dollars)

        def known(ids: Sequence[str]) -> Mapping[str, Known]:
            with self.engine.connect() as conn:
                rows = reads.known(conn, name, ids)
            return {post_id: Known(*row) for post_id, row in rows.items()}

        return Budget(reserve, release, stop, today, remember, note, known)

    def _worth_a_look(self, name: str, limit: int, contenders: bool = False) -> list[str]:
        size = self.settings.ranking.size
        with self.engine.connect() as conn:
            return posts.worth_a_look(conn, name, self.now(), limit, contenders, size)

    def _stored(self, name: str) -> list[str]:
        with self.engine.connect() as conn:
            return posts.stored(conn, name)

    def _answered_at(self, name: str) -> datetime | None:
        with self.engine.connect() as conn:
            return runs.answered_at(conn, "signal", name)


def build(settings: Settings, now: Callable[[], datetime] | None = None) -> App:
    """Open the database, upgrading an older one, and wire everything to it.

    Raises SettingsError and StoreError.
    """
    _refuse_unknown(settings)
    engine = open_store(settings.database.url.get_secret_value(), settings.home)
    return App(settings, engine, now or utc_now)


def _enabled(
    kind: str, registry: Mapping[str, str], tables: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, Any, Any]]:
    """The name, class and settings of each adapter that is enabled. Raises SettingsError."""
    for name, place in registry.items():
        adapter = resolve_name(place)
        settings = section(adapter.Settings, tables.get(name, {}), f"{kind}.{name}")
        if settings.enabled:
            yield name, adapter, settings


def _refuse_unknown(settings: Settings) -> None:
    """Raise SettingsError for the name of an adapter that is none."""
    for place, named, known in (
        ("sources", settings.sources, SOURCES),
        ("signals", settings.signals, SIGNALS),
        ("mail", settings.mail.tables, TRANSPORTS),
        ("mail.transport", {settings.mail.transport}, TRANSPORTS),
        ("ranking.weights", settings.ranking.weights, {**SIGNALS, "hotpapers": ""}),
    ):
        if unknown := set(named) - set(known):
            raise SettingsError(
                f"{place}.{min(unknown)}: unknown; there are {', '.join(sorted(known))}"
            )
