"""Subscribers: signing up, confirming, leaving, and moving lists in and out.

Double opt-in: an address is pending until the token mailed to it comes back. The token is
good for 48 hours and one use; only its hash is kept. An address gets at most one
confirmation mail a day, whoever asks.
"""

import csv
import io
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from sqlalchemy import Connection, Engine

from trendbot import addresses, compose, tokens
from trendbot.errors import (
    AddressError,
    TokenSpent,
    TransportError,
    TrendbotError,
    UnknownSubscriber,
)
from trendbot.model import Cadence, DeliveryState, Mail, Status, Subscriber, Transport
from trendbot.settings import MailSection, Site
from trendbot.store import pace, subscribers
from trendbot.text import clean

log = logging.getLogger(__name__)

CONFIRM_WITHIN = timedelta(hours=48)
CONFIRM_PAUSE = timedelta(days=1)
MOST_TOPICS = 50
COLUMNS = ("email", "status", "cadence", "topics", "created_at", "confirmed_at")
SHOWN_ERRORS = 5  # of a list in full; the other wrong lines by their numbers

# Of several lines of a list for one address the heaviest counts; from 1 on it is not mailed.
_WEIGHTS = {Status.UNSUBSCRIBED: 1, Status.SUPPRESSED: 2}

_Choice = TypeVar("_Choice", bound=StrEnum)


class Added(StrEnum):
    """What adding an address did."""

    ACTIVE = "active"
    MAILED = "confirmation mail sent"
    WAITING = "still waits; an address is mailed one confirmation a day"
    REFUSED = "refused; import the list again to try once more"
    KNOWN = "already known"


@dataclass(frozen=True, slots=True)
class Doorway:
    """What signing up needs: the rows, and a way to mail the confirmation."""

    engine: Engine
    transport: Callable[[], Transport]
    site: Site
    mail: MailSection
    secrets: tuple[str, ...]
    now: Callable[[], datetime]

    @property
    def secret(self) -> str:
        """What signs."""
        return self.secrets[0]


@dataclass(frozen=True, slots=True)
class Wish:
    """One line of a list to import."""

    address: addresses.Address
    status: Status
    cadence: Cadence
    topics: tuple[str, ...]
    created_at: datetime | None
    confirmed_at: datetime | None

    @property
    def weight(self) -> int:
        """How much it counts beside another line for the address; 0 if it may be mailed."""
        return _WEIGHTS.get(self.status, 0)


def topics_of(text: str) -> tuple[str, ...]:
    """Read "cs.LG,cs.CL" (commas or spaces) as sorted topics. Raises AddressError."""
    found = sorted(set(text.replace(",", " ").split()))
    wrong = [topic for topic in found if not compose.TOPIC.fullmatch(topic)]
    if wrong or len(found) > MOST_TOPICS:
        raise AddressError(
            f"not topics: {text[:80]!r}; write arXiv categories or archives, such as cs.LG,math"
        )
    return tuple(found)


def add(
    door: Doorway, text: str, cadence: Cadence, topics: tuple[str, ...], confirmed: bool
) -> Added:
    """Add an address; unless `confirmed`, it stays pending and is mailed a confirmation.

    The newest `cadence` and `topics` of a pending one hold. Whoever left comes back, and
    gets what is wished now, by their own confirmation or by `confirmed`, the operator's
    word; whoever is suppressed by that word alone. Raises AddressError when this address is
    suppressed or refused, and TransportError when no mail can go out.
    """
    address = addresses.normalise(text)
    now = door.now()
    with door.engine.begin() as conn:
        subscribers.add(conn, address.email, address.key, Status.PENDING, cadence, topics, now)
        subscriber = subscribers.find(conn, address.key, for_update=True)
        assert subscriber is not None  # noqa: S101  # added or there before; nobody is deleted
        if subscriber.status is Status.ACTIVE:
            return Added.KNOWN
        if confirmed:
            subscribers.change(conn, subscriber.id, cadence, topics)
            subscribers.lift_suppression(conn, address.key)
            subscribers.set_status(conn, subscriber.id, Status.ACTIVE, now)
            return Added.ACTIVE
        _check_suppression(conn, subscriber, address.key)
        token = _open_confirmation(conn, door, subscriber, now)
        subscribers.change_expected(conn, subscriber.id, cadence, topics)
    if token is None:
        return Added.WAITING
    _mail_confirmation(door, subscriber, token)
    return Added.MAILED


def _check_suppression(conn: Connection, subscriber: Subscriber, key: str) -> None:
    why = subscribers.suppression(conn, key)
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
    token = tokens.sign_timed(door.secret, tokens.CONFIRM, str(subscriber.id), now)
    subscribers.open_confirmation(conn, subscriber.id, tokens.digest_of(token), now)
    return token


def _mail_confirmation(door: Doorway, subscriber: Subscriber, token: str) -> None:
    """Send the confirmation now; if it cannot leave, the next try need not wait a day.

    Raises AddressError when the server does not take this address, TransportError when it
    does not take us.
    """
    try:
        transport = door.transport()
        with door.engine.begin() as conn:  # counted, but never kept waiting for an hour
            wait = pace.book(conn, transport.limits, door.now(), 1)
        mail = _confirmation(door, subscriber, token, time.monotonic() + wait)
        (outcome,) = transport.send([mail])
        if outcome.state not in (DeliveryState.SENT, DeliveryState.UNCERTAIN):
            raise AddressError(
                f"the confirmation mail to {subscriber.email} was not taken: "
                f"{clean(outcome.detail)}; check the address, and add it again to try once more"
            )
    except TrendbotError:
        with door.engine.begin() as conn:
            subscribers.forget_confirmation(conn, subscriber.id)
        raise


def _confirmation(door: Doorway, subscriber: Subscriber, token: str, not_before: float) -> Mail:
    email, sender = subscriber.email, door.mail.sender
    message_id = compose.message_id_of(door.secret, token, sender)
    message = compose.confirmation(email, token, message_id, door.site, door.mail, door.now())
    box = compose.envelope_sender(sender)
    return Mail(subscriber.id, box, email, message_id, message, not_before)


def confirm(engine: Engine, secrets: tuple[str, ...], token: str, now: datetime) -> Subscriber:
    """Make the subscriber whose confirmation token this is active. Raises TokenError."""
    subject = tokens.verify_timed(secrets, tokens.CONFIRM, token, CONFIRM_WITHIN, now)
    with engine.begin() as conn:
        if not subscribers.confirm(conn, int(subject), tokens.digest_of(token), now):
            raise TokenSpent(
                "this link no longer counts: it was used, or followed by a newer one, or its "
                "address was taken off the list; who is not subscribed may sign up again"
            )
        return subscribers.get(conn, int(subject))


def unsubscribe(engine: Engine, texts: Sequence[str], now: datetime) -> list[Subscriber]:
    """Let the addresses leave, all or, if one is unknown, none; leaving twice changes nothing.

    A confirmation still open does not bring them back. Raises UnknownSubscriber naming the
    addresses nobody has.
    """
    keys = {text: addresses.normalise(text).key for text in texts}
    with engine.begin() as conn:
        found = {text: subscribers.find(conn, key) for text, key in keys.items()}
        unknown = [text for text, subscriber in found.items() if subscriber is None]
        if unknown:
            raise UnknownSubscriber(
                f"no subscriber has the address {', '.join(unknown)}; nobody was unsubscribed"
            )
        leaving = [subscriber for subscriber in found.values() if subscriber is not None]
        for subscriber in leaving:
            subscribers.close_confirmation(conn, subscriber.id)
            if subscriber.status is not Status.UNSUBSCRIBED:
                subscribers.set_status(conn, subscriber.id, Status.UNSUBSCRIBED, now)
    return leaving


def find(engine: Engine, text: str) -> Subscriber:
    """The subscriber with this address. Raises UnknownSubscriber."""
    with engine.connect() as conn:
        subscriber = subscribers.find(conn, addresses.normalise(text).key)
    if subscriber is None:
        raise UnknownSubscriber(f"no subscriber has the address {text}")
    return subscriber


def export(engine: Engine) -> Iterator[str]:
    """All subscribers as the lines of a CSV file that `read_list` takes back."""
    yield _csv_line(COLUMNS)
    with engine.connect() as conn:
        for subscriber in subscribers.every(conn):
            yield _csv_line(
                (
                    subscriber.email,
                    subscriber.status,
                    subscriber.cadence,
                    " ".join(subscriber.topics),
                    subscriber.created_at.isoformat(),
                    subscriber.confirmed_at.isoformat() if subscriber.confirmed_at else "",
                )
            )


def read_list(text: str) -> list[Wish]:
    """Read a CSV list; only the column `email` must be there. Raises AddressError.

    All wrong lines are named at once, so that a list is mended in one go. Times are
    ISO 8601 with a zone.
    """
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    wishes: list[Wish] = []
    wrong: dict[int, str] = {}
    try:
        if "email" not in (rows.fieldnames or []):
            raise AddressError("the first line must name the columns, one of them email")
        for row in rows:
            try:
                wishes.append(_wish(row))
            except AddressError as error:
                wrong[rows.line_num] = str(error)
    except csv.Error as error:
        raise AddressError(f"line {rows.line_num}: not CSV: {error}") from error
    if wrong:
        raise AddressError(_all_of(wrong))
    return wishes


def _all_of(wrong: dict[int, str]) -> str:
    shown = [f"line {line}: {why}" for line, why in wrong.items()]
    if len(wrong) > SHOWN_ERRORS:
        others = ", ".join(str(line) for line in list(wrong)[SHOWN_ERRORS:])
        shown[SHOWN_ERRORS:] = [f"and so for line {others}"]
    return "; ".join(shown)


def _wish(row: dict[str, str]) -> Wish:
    return Wish(
        addresses.normalise(row["email"] or ""),
        _choice(Status, row.get("status") or Status.ACTIVE, "status"),
        _choice(Cadence, row.get("cadence") or Cadence.DAILY, "cadence"),
        topics_of(row.get("topics") or ""),
        _moment(row.get("created_at") or "", "created_at"),
        _moment(row.get("confirmed_at") or "", "confirmed_at"),
    )


def _choice(choices: type[_Choice], text: str, column: str) -> _Choice:
    try:
        return choices(text)
    except ValueError:
        raise AddressError(f"{column} {text[:40]!r} is none of {', '.join(choices)}") from None


def _moment(text: str, column: str) -> datetime | None:
    """Read an ISO 8601 time with its zone; nothing is None. Raises AddressError."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise AddressError(
        f"{column} {text[:40]!r} is no time with its zone; write 2026-11-20T07:00:00+00:00"
    )


def take_in(door: Doorway, wishes: Iterable[Wish], confirmed: bool) -> dict[Added | Status, int]:
    """Add the addresses of a list; known ones stay as they are, unless they are pending.

    `confirmed` makes those active whom the list does not call otherwise. Who left or was
    suppressed stays so. The others are pending and mailed a confirmation each; one that is
    refused is logged, counted, and tried again by the next import. Of several lines for one
    address the last counts, but one that keeps it from mail counts more. Returns how many
    addresses became what. Raises TransportError when no mail can go out: the addresses are
    in, and the same import mails the rest.
    """
    now = door.now()
    entries = [_entry(wish, confirmed, now) for wish in _one_each(wishes)]
    with door.engine.begin() as conn:
        changed = subscribers.take_in(conn, entries, now)
        taken = [entry for entry in entries if entry.email_key in changed]
        for entry in taken:
            if entry.status is Status.SUPPRESSED:
                subscribers.suppress(conn, entry.email_key, "imported as suppressed", now)
    counts: Counter[Added | Status] = Counter(
        _ask(door, entry) if entry.status is Status.PENDING else entry.status for entry in taken
    )
    known = len(entries) - len(taken)
    return dict(counts) | ({Added.KNOWN: known} if known else {})


def _one_each(wishes: Iterable[Wish]) -> Iterable[Wish]:
    """One wish for each address: of the heaviest the last."""
    found: dict[str, Wish] = {}
    for wish in wishes:
        before = found.get(wish.address.key)
        if before is None or wish.weight >= before.weight:
            found[wish.address.key] = wish
    return found.values()


def _entry(wish: Wish, confirmed: bool, now: datetime) -> subscribers.Entry:
    """How a wish is to stand in the database; a consent counts by the operator's word."""
    status, confirmed_at = wish.status, wish.confirmed_at
    if not wish.weight and not (confirmed and status is Status.ACTIVE):
        status, confirmed_at = Status.PENDING, None
    elif status is Status.ACTIVE:
        confirmed_at = confirmed_at or now
    return subscribers.Entry(
        wish.address.email,
        wish.address.key,
        status,
        wish.cadence,
        wish.topics,
        wish.created_at or now,
        confirmed_at,
    )


def _ask(door: Doorway, entry: subscribers.Entry) -> Added:
    """Mail a confirmation to an address of a list; a refusal of one is not the end of it."""
    try:
        return add(door, entry.email, entry.cadence, entry.topics, confirmed=False)
    except AddressError as error:
        log.warning("%s", error)
        return Added.REFUSED
    except TransportError as error:
        raise TransportError(
            f"{error}; then run the same import again, it mails the rest"
        ) from error


def _csv_line(values: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(values)
    return line.getvalue()
