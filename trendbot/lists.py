"""Lists of subscribers as CSV files: out, and in again, here or elsewhere."""

import csv
import io
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import Engine

from trendbot import addresses, subscribe, tastes
from trendbot.doorway import Doorway
from trendbot.errors import AddressError, TasteError, TransportError
from trendbot.model import Status, Taste
from trendbot.store import erasure, subscribers
from trendbot.store.subscribers import Entry
from trendbot.subscribe import Added

log = logging.getLogger(__name__)

COLUMNS = (
    *("email", "status", "cadence", "topics", "created_at", "confirmed_at"),
    *("hour", "timezone", "fewer", "paused_until"),
)
SHOWN_ERRORS = 5  # of a list in full; the other wrong lines by their numbers

# Of several lines of a list for one address the heaviest counts; from 1 on it is not mailed.
_WEIGHTS = {Status.UNSUBSCRIBED: 1, Status.SUPPRESSED: 2}
_LISTED = {str(status): status for status in Status if status is not Status.ERASED}


@dataclass(frozen=True, slots=True)
class Wish:
    """One line of a list to import."""

    address: addresses.Address
    status: Status
    taste: Taste
    created_at: datetime | None
    confirmed_at: datetime | None
    paused_until: date | None

    @property
    def weight(self) -> int:
        """How much it counts beside another line for the address; 0 if it may be mailed."""
        return _WEIGHTS.get(self.status, 0)


def export(engine: Engine) -> Iterator[str]:
    """All subscribers as the lines of a CSV file that `read` takes back."""
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
                    "" if subscriber.hour is None else str(subscriber.hour),
                    subscriber.timezone,
                    " ".join(subscriber.fewer),
                    subscriber.paused_until.isoformat() if subscriber.paused_until else "",
                )
            )


def read(text: str) -> list[Wish]:
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
    def of(column: str) -> str:
        return row.get(column) or ""

    return Wish(
        addresses.normalise(of("email")),
        _status(of("status")),
        _taste(of("cadence"), of("topics"), of("hour"), of("timezone"), of("fewer")),
        _moment(of("created_at"), "created_at"),
        _moment(of("confirmed_at"), "confirmed_at"),
        _day(of("paused_until")),
    )


def _taste(cadence: str, topics: str, hour: str, timezone: str, fewer: str) -> Taste:
    try:
        return tastes.read(cadence, topics, hour, timezone, fewer)
    except TasteError as error:
        raise AddressError(str(error)) from error


def _status(text: str) -> Status:
    try:
        return _LISTED[text or Status.ACTIVE]
    except KeyError:
        raise AddressError(f"status {text[:40]!r} is none of {', '.join(_LISTED)}") from None


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


def _day(text: str) -> date | None:
    """Read an ISO 8601 date; nothing is None. Raises AddressError."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise AddressError(
            f"paused_until {text[:40]!r} is no date; write it as 2026-11-20"
        ) from None


def take_in(door: Doorway, wishes: Iterable[Wish], confirmed: bool) -> dict[Added | Status, int]:
    """Add the addresses of a list; known ones stay as they are, unless they are pending.

    `confirmed` makes those active whom the list does not call otherwise. Who left or was
    suppressed stays so, and who was erased is not brought back. The others are pending and
    mailed a confirmation each; one that is refused is logged, counted, and tried again by
    the next import. Of several lines for one address the last counts, but one that keeps it
    from mail counts more. Returns how many addresses became what. Raises TransportError when
    no mail can go out: the addresses are in, and the same import mails the rest.
    """
    now = door.now()
    entries = [_entry(wish, confirmed, now) for wish in _one_each(wishes)]
    with door.engine.begin() as conn:
        erased = _erased(door, entries, erasure.erased_keys(conn))
        entries = [entry for entry in entries if entry.email_key not in erased]
        changed = subscribers.take_in(conn, entries, now)
        taken = [entry for entry in entries if entry.email_key in changed]
        for entry in taken:
            if entry.status is Status.SUPPRESSED:
                subscribers.suppress(conn, entry.email_key, "imported as suppressed", now)
    counts: Counter[Added | Status] = Counter(
        _ask(door, entry) if entry.status is Status.PENDING else entry.status for entry in taken
    )
    counts[Added.KNOWN] = len(entries) - len(taken)
    counts[Added.ERASED] = len(erased)
    return {became: how_many for became, how_many in counts.items() if how_many}


def _erased(door: Doorway, entries: Iterable[Entry], erased: set[str]) -> set[str]:
    """The keys of those who were erased, and may come back by their own word alone."""
    keys = [entry.email_key for entry in entries] if erased else []
    return {key for key in keys if not erased.isdisjoint(door.erased_keys(key))}


def _one_each(wishes: Iterable[Wish]) -> Iterable[Wish]:
    """One wish for each address: of the heaviest the last."""
    found: dict[str, Wish] = {}
    for wish in wishes:
        before = found.get(wish.address.key)
        if before is None or wish.weight >= before.weight:
            found[wish.address.key] = wish
    return found.values()


def _entry(wish: Wish, confirmed: bool, now: datetime) -> Entry:
    """How a wish is to stand in the database; a consent counts by the operator's word."""
    status, confirmed_at = wish.status, wish.confirmed_at
    if not wish.weight and not (confirmed and status is Status.ACTIVE):
        status, confirmed_at = Status.PENDING, None
    elif status is Status.ACTIVE:
        confirmed_at = confirmed_at or now
    return Entry(
        wish.address.email,
        wish.address.key,
        status,
        wish.taste,
        wish.created_at or now,
        confirmed_at,
        wish.paused_until,
    )


def _ask(door: Doorway, entry: Entry) -> Added:
    """Mail a confirmation to an address of a list; a refusal of one is not the end of it."""
    try:
        return subscribe.add(door, entry.email, entry.taste, confirmed=False)
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
