"""The doctor: looks at every part once and says what to do about the sick ones."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import dns.exception
import dns.resolver

from trendbot import compose
from trendbot.app import App, build
from trendbot.errors import SettingsError, TrendbotError
from trendbot.health import Host
from trendbot.settings import Settings
from trendbot.store import hosts
from trendbot.store.engine import current
from trendbot.text import clean

Resolve = Callable[..., dns.resolver.Answer]

DNS_TIMEOUT = 5.0  # seconds for all tries of one question


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one part, in one line."""

    part: str
    well: bool
    text: str


def examine(settings: Settings, resolve: Resolve = dns.resolver.resolve) -> Iterator[Finding]:
    """Check database, settings for mail, the transport, DNS, each source and each signal.

    Hosts that are left alone are asked at once, and told. `resolve` asks DNS.
    """
    try:
        app = build(settings)
    except TrendbotError as error:
        part = "settings" if isinstance(error, SettingsError) else "database"
        yield Finding(part, False, str(error))
        return
    where = app.engine.dialect.name
    yield Finding("database", True, f"{where}, revision {current(app.engine)}")
    with app.engine.connect() as conn:
        closed = [host for host in hosts.ailing(conn) if host.closed_until]
    app.insist()
    yield from _examine_app(app, resolve)
    with app.engine.connect() as conn:
        ailing = {host.host: host for host in hosts.ailing(conn)}
    for host in closed:
        yield _of_host(host, ailing.get(host.host))
    app.close()


def _examine_app(app: App, resolve: Resolve) -> Iterator[Finding]:
    mail = app.settings.mail
    yield _ask("settings", lambda: f"links are signed ({len(app.secret)} characters)")
    yield _ask(f"mail {mail.transport}", lambda: app.transport.check())
    if mail.transport == "smtp":
        yield from _examine_dns(mail.sender, resolve)
    for kind in ("sources", "signals"):
        try:
            adapters = getattr(app, kind)
        except TrendbotError as error:
            yield Finding(kind, False, str(error))
            continue
        if not adapters:
            yield Finding(kind, False, f"none is enabled; enable one under [{kind}.…]")
        for name, adapter in adapters.items():
            yield _ask(f"{kind[:-1]} {name}", adapter.check)


def _of_host(closed: Host, after: Host | None) -> Finding:
    """What became of a host that was closed before it was looked at."""
    was = f"was left alone after {closed.failures} failures in a row ({clean(closed.reason)})"
    if after is None:
        return Finding(f"host {closed.host}", True, f"{was}; it answers again")
    if after.closed_until is None:
        return Finding(f"host {closed.host}", True, f"{was}; it is asked again from now on")
    until = f"{after.closed_until:%H:%M} UTC"
    return Finding(
        f"host {closed.host}", False, f"{was}; it failed again now, the daemon waits until {until}"
    )


def _examine_dns(sender: str, resolve: Resolve) -> Iterator[Finding]:
    """Whether receivers can check who sends as `sender`: SPF (RFC 7208), DMARC (RFC 9989)."""
    try:
        domain = compose.envelope_sender(sender).rpartition("@")[2]
    except TrendbotError as error:
        yield Finding("DNS", False, str(error))
        return
    for part, name, prefix, advice in (
        ("DNS SPF", domain, "v=spf1", "publish one that names your mail server"),
        ("DNS DMARC", f"_dmarc.{domain}", "v=DMARC1", "publish at least: v=DMARC1; p=none"),
    ):
        records = _txt(name, resolve)
        if isinstance(records, str):
            yield Finding(part, False, f"{name}: {records}")
        elif found := [record for record in records if record.startswith(prefix)]:
            yield Finding(part, True, f"{name}: {clean(found[0])[:100]}")
        else:
            yield Finding(part, False, f"{name} has no {prefix} record; {advice}")


def _txt(name: str, resolve: Resolve) -> list[str] | str:
    """The TXT records of `name`, or in one line why they could not be had."""
    try:
        answer = resolve(name, "TXT", lifetime=DNS_TIMEOUT)
    except (dns.resolver.NoAnswer, dns.resolver.NXDOMAIN):
        return []
    except (dns.exception.DNSException, OSError) as error:
        return f"DNS did not answer: {' '.join(str(error).split())[:150]}"
    return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]


def _ask(part: str, question: Callable[[], str]) -> Finding:
    try:
        return Finding(part, True, question())
    except TrendbotError as error:
        return Finding(part, False, str(error))
