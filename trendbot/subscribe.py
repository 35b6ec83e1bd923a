"""Subscribers: signing up, confirming, changing one's mind, leaving, being erased.

Double opt-in: an address is pending until the token mailed to it comes back. The token is
good for 48 hours and one use; only its hash is kept. An address gets at most one
confirmation mail a day, whoever asks.

The web's steps send no mail themselves: they queue notices (`trendbot.notices`). What
somebody may do by a link depends on its token: one to unsubscribe opens nothing else.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address, ip_network

from sqlalchemy import Connection, Engine

from trendbot import addresses, notices, tastes, tokens
from trendbot.addresses import Address
from trendbot.doorway import Doorway
from trendbot.errors import (
    AddressError,
    LimitError,
    TasteError,
    TokenError,
    TokenSpent,
    TrendbotError,
    UnknownSubscriber,
)
from trendbot.model import Cadence, DeliveryState, Status, Subscriber, Taste
from trendbot.notice_letters import Kind
from trendbot.store import erasure, limits, subscribers
from trendbot.store import notices as waiting
from trendbot.store.engine import begin_lightly
from trendbot.text import clean

CONFIRM_WITHIN = timedelta(hours=48)
CONFIRM_PAUSE = timedelta(days=1)
NOTICE_PAUSE = timedelta(days=1)
LONGEST_PAUSE = timedelta(days=366)

_ADDRESS = "address"  # whose limit nobody is told of: it would tell who asks for it

_SPENT = (
    "this link no longer counts: it was used, or followed by a newer one, or its address was "
    "taken off the list; who is not subscribed may sign up again"
)
_ERASED = "this link no longer counts: all that was kept of its address is erased"


class Added(StrEnum):
    """What adding an address did."""

    ACTIVE = "active"
    MAILED = "confirmation mail sent"
    WAITING = "still waits; an address is mailed one confirmation a day"
    REFUSED = "refused; import the list again to try once more"
    KNOWN = "already known"
    ERASED = "erased at their own wish; they may sign up again themselves"


def ask(door: Doorway, email: str, taste: Taste, client: str) -> None:
    """Somebody at `client`, an IP address, asks that `email` gets `taste`; sends nothing.

    The same for whatever address, and in the same time: what differs is the mail it gets. A
    stranger's asking changes nothing for who is subscribed. Raises AddressError, and
    LimitError where this client, all at the domain or all together ask too often.
    """
    address, now = addresses.normalise(email), door.now()
    barred = [address.key, *door.erased_keys(address.key)]
    rates = _rates(door, address, client)
    with begin_lightly(door.engine) as conn:  # all who ask wait here for each other
        if not _may_ask(conn, rates, now):
            return
    with door.engine.begin() as conn:
        asked = subscribers.ask(
            conn, address.email, address.key, barred, taste, now - CONFIRM_PAUSE, now
        )
        is_queued = _answer(conn, asked, now)
    if is_queued:
        door.queued()


def _rates(door: Doorway, address: Address, client: str) -> dict[str, int]:
    """How often an hour whom this sign-up is counted for may ask; nobody's name is in it."""
    domain = address.key.rpartition("@")[2]
    return {
        f"{_ADDRESS} {door.hash_of(_ADDRESS, address.key)}": door.limits.address,
        f"client {door.hash_of('client', _network(client))}": door.limits.client,
        f"domain {door.hash_of('domain', domain)}": door.limits.domain,
        "total": door.limits.total,
    }


def _may_ask(conn: Connection, rates: Mapping[str, int], now: datetime) -> bool:
    """Whether the address was not asked for too often; raises LimitError for all other limits."""
    refused = limits.take(conn, rates, now)
    told = [wait for key, wait in refused.items() if not key.startswith(_ADDRESS)]
    if told:
        wait = math.ceil(max(told).total_seconds())
        raise LimitError("too many sign-ups just now; please try again later", wait)
    return not refused


def _network(client: str) -> str:
    """What one client has for itself: an IPv4 address, or 64 bits of IPv6 (RFC 6177)."""
    try:
        address = ip_address(client)
    except ValueError:
        return client
    if address.version == 6 and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(address if address.version == 4 else ip_network((int(address), 64), strict=False))


def _answer(conn: Connection, asked: subscribers.Asked | None, now: datetime) -> bool:
    """Queue the mail that answers; asked for in vain too, so that the time tells nothing."""
    if asked is None:
        return waiting.queue(conn, Kind.CONFIRM, 0, now)
    if asked.status is Status.ACTIVE:
        return _queue_once(conn, Kind.KNOWN, asked.subscriber_id, now)
    is_wanted = asked.may_be_mailed and asked.status is not Status.SUPPRESSED
    return waiting.queue(conn, Kind.CONFIRM, asked.subscriber_id if is_wanted else 0, now)


def _queue_once(conn: Connection, kind: Kind, subscriber_id: int, now: datetime) -> bool:
    """Queue a mail that a subscriber gets at most once a day."""
    is_first = limits.once(conn, f"{kind} {subscriber_id}", NOTICE_PAUSE, now)
    return is_first and waiting.queue(conn, kind, subscriber_id, now)


def add(door: Doorway, text: str, taste: Taste, confirmed: bool) -> Added:
    """Add an address; unless `confirmed`, it stays pending and is mailed a confirmation.

    The newest `taste` of a pending one holds. Whoever left comes back, and gets what is
    wished now, by their own confirmation or by `confirmed`, the operator's word; whoever is
    suppressed by that word alone. Raises AddressError when this address is suppressed or
    refused, and TransportError when no mail can go out.
    """
    address = addresses.normalise(text)
    erased_keys = door.erased_keys(address.key)
    now = door.now()
    with door.engine.begin() as conn:
        wish = (taste.cadence, taste.topics)
        subscribers.add(conn, address.email, address.key, Status.PENDING, *wish, now)
        subscriber = subscribers.find(conn, address.key, for_update=True)
        assert subscriber is not None  # noqa: S101  # added or there before; nobody is deleted
        if subscriber.status is Status.ACTIVE:
            return Added.KNOWN
        if confirmed:
            subscribers.change(conn, subscriber.id, taste)
            subscribers.lift_suppression(conn, address.key, *erased_keys)
            subscribers.set_status(conn, subscriber.id, Status.ACTIVE, now)
            erasure.forgive(conn, erased_keys)
            return Added.ACTIVE
        _check_suppression(conn, subscriber, address.key, *erased_keys)
        token = _open_confirmation(conn, door, subscriber, now)
        subscribers.change_expected(conn, subscriber.id, taste)
    if token is None:
        return Added.WAITING
    _mail_confirmation(door, subscriber, token)
    return Added.MAILED


def _check_suppression(conn: Connection, subscriber: Subscriber, *keys: str) -> None:
    why = subscribers.suppression(conn, *keys)
    if why is not None or subscriber.status is Status.SUPPRESSED:
        raise AddressError(
            f"{subscriber.email} is suppressed: {why or 'mail to it failed for good'}; "
            "if it takes mail again, add it with --confirmed"
        )


def _open_confirmation(
    conn: Connection, door: Doorway, subscriber: Subscriber, now: datetime
) -> str | None:
    """Book the one confirmation mail of the day; None if it was sent already."""
    sent_at = subscribers.confirmation_sent_at(conn, subscriber.id)
    if sent_at is not None and now - sent_at < CONFIRM_PAUSE:
        return None
    return notices.open_link(conn, door, Kind.CONFIRM, subscriber, now)


def _mail_confirmation(door: Doorway, subscriber: Subscriber, token: str) -> None:
    """Send the confirmation now; if it cannot leave, the next try need not wait a day.

    Raises AddressError when the server does not take this address, TransportError when it
    does not take us.
    """
    try:
        outcome = notices.post(door, Kind.CONFIRM, subscriber, token)
        if outcome.state not in (DeliveryState.SENT, DeliveryState.UNCERTAIN):
            raise AddressError(
                f"the confirmation mail to {subscriber.email} was not taken: "
                f"{clean(outcome.detail)}; check the address, and add it again to try once more"
            )
    except TrendbotError:
        with door.engine.begin() as conn:
            subscribers.forget_confirmation(conn, subscriber.id)
        raise


def expected(door: Doorway, token: str) -> Subscriber:
    """Who would be active by `confirm` with this token; changes nothing. Raises TokenError."""
    subscriber_id = _subject(door, tokens.CONFIRM, token)
    with door.engine.connect() as conn:
        if not subscribers.expects(conn, subscriber_id, tokens.digest_of(token)):
            raise TokenSpent(_SPENT)
        return subscribers.get(conn, subscriber_id)


def confirm(door: Doorway, token: str) -> Subscriber:
    """Make the subscriber whose confirmation token this is active; a welcome is on its way.

    Raises TokenError.
    """
    subscriber_id, now = _subject(door, tokens.CONFIRM, token), door.now()
    with door.engine.begin() as conn:
        if not subscribers.confirm(conn, subscriber_id, tokens.digest_of(token), now):
            raise TokenSpent(_SPENT)
        subscriber = subscribers.get(conn, subscriber_id)
        erasure.forgive(conn, door.erased_keys(addresses.normalise(subscriber.email).key))
        waiting.queue(conn, Kind.WELCOME, subscriber_id, now)
    door.queued()
    return subscriber


def _subject(door: Doorway, purpose: str, token: str) -> int:
    """Whom a token is for that is good for 48 hours."""
    return int(tokens.verify_timed(door.secrets, purpose, token, CONFIRM_WITHIN, door.now()))


def known(door: Doorway, token: str) -> Subscriber:
    """Whom an unsubscribe token is for, also one who is gone. Raises TokenError."""
    with door.engine.connect() as conn:
        return _known(conn, tokens.verify(door.secrets, tokens.UNSUBSCRIBE, token))


def leave(door: Doorway, token: str) -> Subscriber:
    """Unsubscribe; as often as one likes and for ever. Raises TokenError.

    A confirmation still open does not bring them back.
    """
    subject = tokens.verify(door.secrets, tokens.UNSUBSCRIBE, token)
    with door.engine.begin() as conn:
        _let_leave(conn, int(subject), door.now())
        return _known(conn, subject)


def instead(door: Doorway, token: str, cadence: Cadence) -> Subscriber:
    """Change the cadence rather than leave; who is not active stays so. Raises TokenError."""
    subject = tokens.verify(door.secrets, tokens.UNSUBSCRIBE, token)
    with door.engine.begin() as conn:
        found = _known(conn, subject, for_update=True)
        if found.status is Status.ACTIVE:
            subscribers.change(conn, found.id, replace(tastes.of(found), cadence=cadence))
        return _known(conn, subject)


def preferences(door: Doorway, token: str) -> Subscriber:
    """Whose preferences a token opens. Raises TokenError, TokenSpent for one who was erased."""
    with door.engine.connect() as conn:
        return _there(conn, tokens.verify(door.secrets, tokens.PREFERENCES, token))


def prefer(door: Doorway, token: str, taste: Taste, paused_until: date | None) -> Subscriber:
    """Change what they get; mail comes again on `paused_until`, None is no pause.

    Who left stays so. Raises TokenError, and TasteError for a day that is not after today
    or over a year ahead.
    """
    subject = tokens.verify(door.secrets, tokens.PREFERENCES, token)
    today = door.now().astimezone(door.zone).date()
    if paused_until is not None and not today < paused_until <= today + LONGEST_PAUSE:
        raise TasteError(
            f"mail can be paused from tomorrow until {today + LONGEST_PAUSE}",
            "paused_until",
        )
    with door.engine.begin() as conn:
        found = _there(conn, subject, for_update=True)
        subscribers.change(conn, found.id, taste)
        subscribers.pause(conn, found.id, paused_until)
        return _there(conn, subject)


def ask_export(door: Doorway, token: str) -> None:
    """Mail a link to all that is kept of them, at most once a day. Raises TokenError."""
    _ask_by_mail(door, token, Kind.EXPORT)


def ask_erase(door: Doorway, token: str) -> None:
    """Mail a link by which they are erased, at most once a day. Raises TokenError."""
    _ask_by_mail(door, token, Kind.ERASE)


def _ask_by_mail(door: Doorway, token: str, kind: Kind) -> None:
    subject = tokens.verify(door.secrets, tokens.PREFERENCES, token)
    with door.engine.begin() as conn:
        found = _there(conn, subject, for_update=True)
        is_queued = _queue_once(conn, kind, found.id, door.now())
    if is_queued:
        door.queued()


def export_of(door: Doorway, token: str) -> dict[str, object]:
    """All that is kept of whoever has this export token, for JSON. Raises TokenError."""
    subscriber_id = _subject(door, tokens.EXPORT, token)
    with door.engine.connect() as conn:
        _there(conn, str(subscriber_id))
        return erasure.all_of(conn, subscriber_id)


def erasing(door: Doorway, token: str) -> Subscriber:
    """Whom `erase` would erase by this token; changes nothing. Raises TokenError."""
    with door.engine.connect() as conn:
        return _there(conn, str(_subject(door, tokens.ERASE, token)))


def erase(door: Doorway, token: str) -> None:
    """Keep nothing of them but a keyed hash of the address. Raises TokenError."""
    subscriber_id = _subject(door, tokens.ERASE, token)
    with door.engine.begin() as conn:
        _erase(conn, door, _there(conn, str(subscriber_id)))


def erase_all(door: Doorway, texts: Sequence[str]) -> list[Subscriber]:
    """Erase the addresses, all or, if one is unknown, none; as who they were.

    Raises UnknownSubscriber naming the addresses nobody has.
    """
    with door.engine.begin() as conn:
        found = _all_of(conn, texts, "erased")
        for subscriber in found:
            _erase(conn, door, subscriber)
    return found


def unsubscribe(engine: Engine, texts: Sequence[str], now: datetime) -> list[Subscriber]:
    """Let the addresses leave, all or, if one is unknown, none; leaving twice changes nothing.

    A confirmation still open does not bring them back. Raises UnknownSubscriber naming the
    addresses nobody has.
    """
    with engine.begin() as conn:
        leaving = _all_of(conn, texts, "unsubscribed")
        for subscriber in leaving:
            _let_leave(conn, subscriber.id, now)
    return leaving


def find(engine: Engine, text: str) -> Subscriber:
    """The subscriber with this address. Raises UnknownSubscriber."""
    with engine.connect() as conn:
        subscriber = subscribers.find(conn, addresses.normalise(text).key)
    if subscriber is None:
        raise UnknownSubscriber(f"no subscriber has the address {text}")
    return subscriber


def _all_of(conn: Connection, texts: Sequence[str], becoming: str) -> list[Subscriber]:
    keys = {text: addresses.normalise(text).key for text in texts}
    found = {text: subscribers.find(conn, key) for text, key in keys.items()}
    unknown = [text for text, subscriber in found.items() if subscriber is None]
    if unknown:
        raise UnknownSubscriber(
            f"no subscriber has the address {', '.join(unknown)}; nobody was {becoming}"
        )
    return [subscriber for subscriber in found.values() if subscriber is not None]


def _let_leave(conn: Connection, subscriber_id: int, now: datetime) -> None:
    # Notices before subscribers: in the order in which sending them holds both.
    waiting.forget(conn, subscriber_id, Kind.CONFIRM, Kind.KNOWN, Kind.WELCOME)
    subscribers.leave(conn, subscriber_id, now)


def _erase(conn: Connection, door: Doorway, subscriber: Subscriber) -> None:
    keys = door.erased_keys(addresses.normalise(subscriber.email).key)
    erasure.erase(conn, subscriber.id, keys, door.now())


def _known(conn: Connection, subject: str, for_update: bool = False) -> Subscriber:
    found = subscribers.seek(conn, int(subject), for_update)
    if found is None:
        raise TokenError("this link is of a list that is no more; nobody is mailed by it")
    return found


def _there(conn: Connection, subject: str, for_update: bool = False) -> Subscriber:
    """The subscriber, unless erased."""
    found = _known(conn, subject, for_update)
    if found.status is Status.ERASED:
        raise TokenSpent(_ERASED)
    return found
