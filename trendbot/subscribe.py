"""Subscribers: signing up, confirming, leaving, and moving lists in and out.

Double opt-in: an address is pending until the token mailed to it comes back. The token is
good for 48 hours and one use; only its hash is kept. An address gets at most one
confirmation mail a day, whoever asks.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, Engine

from trendbot import addresses, compose, tokens
from trendbot.errors import AddressError, TokenError, TransportError, UnknownSubscriber
from trendbot.model import Cadence, DeliveryState, Mail, Status, Subscriber, Transport
from trendbot.settings import MailSection, Site
from trendbot.store import subscribers

CONFIRM_WITHIN = timedelta(hours=48)
CONFIRM_PAUSE = timedelta(days=1)
MOST_TOPICS = 50
COLUMNS = ("email", "status", "cadence", "topics", "created_at", "confirmed_at")


class Added(StrEnum):
    """What adding an address did."""

    ACTIVE = "active"
    MAILED = "confirmation mail sent"
    WAITING = "still waits for the confirmation mailed within the last day"
    KNOWN = "already subscribed"


@dataclass(frozen=True, slots=True)
class Doorway:
    """What signing up needs: the rows, and a way to mail the confirmation."""

    engine: Engine
    transport: Callable[[], Transport]
    site: Site
    mail: MailSection
    secret: str
    now: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Wish:
    """One line of a list to import."""

    address: addresses.Address
    status: Status
    cadence: Cadence
    topics: tuple[str, ...]


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

    Whoever was suppressed or left comes back only by their own confirmation or by
    `confirmed`, the operator's word. Raises AddressError and TransportError.
    """
    address = addresses.normalise(text)
    now = door.now()
    with door.engine.begin() as conn:
        reader = subscribers.find(conn, address.key)
        if reader is None:
            reader = subscribers.add(
                conn, address.email, address.key, Status.PENDING, cadence, topics, now
            ) or subscribers.find(conn, address.key)
        assert reader is not None  # noqa: S101  # added or found, in one transaction
        if reader.status is Status.ACTIVE:
            return Added.KNOWN
        if confirmed:
            subscribers.change(conn, reader.id, cadence, topics)
            subscribers.lift_suppression(conn, address.key)
            subscribers.set_status(conn, reader.id, Status.ACTIVE, now)
            return Added.ACTIVE
        if (why := subscribers.suppression(conn, address.key)) is not None:
            raise AddressError(f"{address.email} is suppressed: {why}")
        token = _open_confirmation(conn, door, reader, now)
    if token is None:
        return Added.WAITING
    _mail_confirmation(door, reader, token)
    return Added.MAILED


def _open_confirmation(
    conn: Connection, door: Doorway, reader: Subscriber, now: datetime
) -> str | None:
    """Book the one confirmation mail of the day; None if it was sent already."""
    sent_at = subscribers.confirmation_sent_at(conn, reader.id)
    if sent_at is not None and now - sent_at < CONFIRM_PAUSE:
        return None
    token = tokens.sign_timed(door.secret, tokens.CONFIRM, str(reader.id), now)
    subscribers.open_confirmation(conn, reader.id, tokens.digest_of(token), now)
    return token


def _mail_confirmation(door: Doorway, reader: Subscriber, token: str) -> None:
    """Send the confirmation now; if it cannot leave, the next try need not wait a day."""
    message_id = compose.message_id_of(door.secret, token, door.mail.sender)
    message = compose.confirmation(
        reader.email, token, message_id, door.site, door.mail, door.now()
    )
    mail = Mail(
        reader.id, compose.envelope_sender(door.mail.sender), reader.email, message_id, message
    )
    try:
        outcomes = list(door.transport().send([mail]))
    except TransportError:
        _forget_confirmation(door, reader)
        raise
    outcome = outcomes[0]
    if outcome.state not in (DeliveryState.SENT, DeliveryState.UNCERTAIN):
        _forget_confirmation(door, reader)
        raise TransportError(
            f"the confirmation mail to {reader.email} was not taken: {outcome.detail}; "
            "add the address again to try once more"
        )


def _forget_confirmation(door: Doorway, reader: Subscriber) -> None:
    with door.engine.begin() as conn:
        subscribers.close_confirmation(conn, reader.id)


def confirm(engine: Engine, secret: str, token: str, now: datetime) -> Subscriber:
    """Make the subscriber whose confirmation token this is active. Raises TokenError."""
    subject = tokens.verify_timed(secret, tokens.CONFIRM, token, CONFIRM_WITHIN, now)
    with engine.begin() as conn:
        if not subscribers.confirm(conn, int(subject), tokens.digest_of(token), now):
            raise TokenError("this link was used before; nothing more is to be done")
        return subscribers.get(conn, int(subject))


def unsubscribe(engine: Engine, texts: Sequence[str], now: datetime) -> list[Subscriber]:
    """Let the addresses leave, all or, if one is unknown, none; leaving twice changes nothing.

    Raises UnknownSubscriber naming the addresses nobody has.
    """
    keys = {text: addresses.normalise(text).key for text in texts}
    with engine.begin() as conn:
        found = {text: subscribers.find(conn, key) for text, key in keys.items()}
        unknown = [text for text, reader in found.items() if reader is None]
        if unknown:
            raise UnknownSubscriber(
                f"no subscriber has the address {', '.join(unknown)}; nobody was unsubscribed"
            )
        readers = [reader for reader in found.values() if reader is not None]
        for reader in readers:
            if reader.status is not Status.UNSUBSCRIBED:
                subscribers.set_status(conn, reader.id, Status.UNSUBSCRIBED, now)
    return readers


def find(engine: Engine, text: str) -> Subscriber:
    """The subscriber with this address. Raises UnknownSubscriber."""
    with engine.connect() as conn:
        reader = subscribers.find(conn, addresses.normalise(text).key)
    if reader is None:
        raise UnknownSubscriber(f"no subscriber has the address {text}")
    return reader


def export(engine: Engine) -> Iterator[str]:
    """All subscribers as the lines of a CSV file that `read_list` takes back."""
    yield _csv_line(COLUMNS)
    with engine.connect() as conn:
        for reader in subscribers.every(conn):
            yield _csv_line(
                (
                    reader.email,
                    reader.status,
                    reader.cadence,
                    " ".join(reader.topics),
                    reader.created_at.isoformat(),
                    reader.confirmed_at.isoformat() if reader.confirmed_at else "",
                )
            )


def read_list(text: str) -> list[Wish]:
    """Read a CSV list; only the column `email` must be there. Raises AddressError.

    All wrong lines are named at once, so that a list is mended in one go.
    """
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    wishes: list[Wish] = []
    wrong: list[str] = []
    try:
        if "email" not in (rows.fieldnames or []):
            raise AddressError("the first line must name the columns, one of them email")
        for row in rows:
            try:
                wishes.append(_wish(row))
            except (AddressError, ValueError) as error:
                wrong.append(f"line {rows.line_num}: {error}")
    except csv.Error as error:
        raise AddressError(f"line {rows.line_num}: not CSV: {error}") from error
    if wrong:
        more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise AddressError("; ".join(wrong[:5]) + more)
    return wishes


def _wish(row: dict[str, str]) -> Wish:
    return Wish(
        addresses.normalise(row["email"] or ""),
        Status(row.get("status") or Status.ACTIVE),
        Cadence(row.get("cadence") or Cadence.DAILY),
        topics_of(row.get("topics") or ""),
    )


def take_in(door: Doorway, wishes: Iterable[Wish], confirmed: bool) -> dict[Added | Status, int]:
    """Add the addresses of a list; known ones stay as they are, unless they are pending.

    `confirmed` makes those active whom the list does not call otherwise. Who left or was
    suppressed stays so. The others are pending and mailed a confirmation each, so that an
    import cut off half way is finished by running it again. Returns how many became what.
    """
    counts: dict[Added | Status, int] = {}
    to_confirm: list[Wish] = []
    now = door.now()
    with door.engine.begin() as conn:
        for wish in wishes:
            became = _take_in_one(conn, wish, confirmed, now)
            if became is Status.PENDING:
                to_confirm.append(wish)
            else:
                counts[became] = counts.get(became, 0) + 1
    for wish in to_confirm:
        mailed = add(door, wish.address.email, wish.cadence, wish.topics, confirmed=False)
        counts[mailed] = counts.get(mailed, 0) + 1
    return counts


def _take_in_one(conn: Connection, wish: Wish, confirmed: bool, now: datetime) -> Added | Status:
    left = wish.status in (Status.UNSUBSCRIBED, Status.SUPPRESSED)
    active = wish.status is Status.ACTIVE and confirmed
    status = wish.status if left else Status.ACTIVE if active else Status.PENDING
    if subscribers.add(
        conn, wish.address.email, wish.address.key, status, wish.cadence, wish.topics, now
    ):
        return status
    known = subscribers.find(conn, wish.address.key)
    if known is None or known.status is not Status.PENDING or left:
        return Added.KNOWN
    if active:
        subscribers.set_status(conn, known.id, Status.ACTIVE, now)
    return status


def _csv_line(values: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(values)
    return line.getvalue()
