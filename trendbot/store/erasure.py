"""What is kept of a subscriber, to show it; and how to keep nothing but a keyed hash.

The row stays, without a word about anybody, because the books of digests count it. The
caller makes the keys under which an erased address is known: hashes, `erased:…`.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, String, bindparam, cast, delete, exists, literal, select, update

from trendbot.model import Cadence, Status
from trendbot.store import subscribers as people
from trendbot.store.schema import deliveries, digests, notices, subscribers

# A mail that was under way when its reader was erased has its outcome by then.
_SCRUBBED_FOR = timedelta(days=7)


def all_of(conn: Connection, subscriber_id: int) -> dict[str, Any]:
    """All that is kept of the subscriber, for JSON: their row, and each digest for them."""
    row = conn.execute(select(subscribers).where(subscribers.c.id == subscriber_id)).one()
    sent = conn.execute(_SENT, {"of_subscriber": subscriber_id})
    waits = select(notices.c.kind, notices.c.created_at).where(
        notices.c.subscriber_id == subscriber_id
    )
    return {
        "email": row.email,
        "status": row.status,
        "cadence": row.cadence,
        "topics": row.topics.split(),
        "fewer": row.fewer.split(),
        "hour": row.hour,
        "timezone": row.timezone,
        **{name: _iso(getattr(row, name)) for name in _MOMENTS},
        "suppressed": people.suppression(conn, row.email_key),
        "deliveries": [
            {
                "cadence": delivery.cadence,
                "date": _iso(delivery.date),
                "state": delivery.state,
                "at": _iso(delivery.updated_at),
                "detail": delivery.detail,
            }
            for delivery in sent
        ],
        "notices": [
            {"kind": notice.kind, "queued_at": _iso(notice.created_at)}
            for notice in conn.execute(waits)
        ],
    }


_MOMENTS = ("paused_until", "created_at", "confirmed_at", "left_at", "confirm_sent_at")
_SENT = (
    select(
        digests.c.cadence,
        digests.c.date,
        deliveries.c.state,
        deliveries.c.updated_at,
        deliveries.c.detail,
    )
    .join(digests, digests.c.id == deliveries.c.digest_id)
    .where(deliveries.c.subscriber_id == bindparam("of_subscriber"))
    .order_by(digests.c.date, digests.c.cadence)
)


def _iso(moment: date | None) -> str | None:
    return None if moment is None else moment.isoformat()


def erase(conn: Connection, subscriber_id: int, erased_keys: Sequence[str], now: datetime) -> bool:
    """Keep nothing of the subscriber but the first of the keys; False if nothing was left.

    What is open of their mail ends when it is claimed. A suppression stays, under the key.
    """
    # In the order in which sending holds rows, so that neither waits for the other in a circle.
    conn.execute(delete(notices).where(notices.c.subscriber_id == subscriber_id))
    told = (deliveries.c.subscriber_id == subscriber_id) & (deliveries.c.detail != "")
    conn.execute(update(deliveries).where(told).values(detail=""))
    mine = subscribers.c.id == subscriber_id
    found = conn.execute(select(subscribers).where(mine).with_for_update()).one()
    if found.status == Status.ERASED:
        return False
    key = erased_keys[0]
    if people.suppression(conn, found.email_key, *erased_keys) is not None:
        people.lift_suppression(conn, found.email_key, *erased_keys)
        people.suppress(conn, key, "suppressed before it was erased", now)
    forgive(conn, erased_keys)
    conn.execute(update(subscribers).where(mine).values(email_key=key, left_at=now, **_NOTHING))
    return True


_NOTHING = {
    "email": "",
    "status": Status.ERASED,
    "cadence": Cadence.DAILY,
    "topics": "",
    "fewer": "",
    "hour": None,
    "timezone": "",
    "confirmed_at": None,
    "confirm_hash": "",
    "confirm_sent_at": None,
    "paused_until": None,
}


def forgive(conn: Connection, erased_keys: Sequence[str]) -> None:
    """Know an erased address no more by these keys: it came back, or is erased once more."""
    known = update(subscribers).where(subscribers.c.email_key.in_(erased_keys))
    conn.execute(known.values(email_key=literal("erased:") + cast(subscribers.c.id, String)))


def erased_keys(conn: Connection) -> set[str]:
    """The keys under which erased addresses are known."""
    return set(
        conn.scalars(select(subscribers.c.email_key).where(subscribers.c.status == Status.ERASED))
    )


def scrub(conn: Connection, now: datetime) -> None:
    """Take out what servers said of addresses that were erased while mail was under way."""
    lately = select(subscribers.c.id).where(
        subscribers.c.status == Status.ERASED, subscribers.c.left_at > now - _SCRUBBED_FOR
    )
    conn.execute(
        update(deliveries)
        .where(deliveries.c.subscriber_id.in_(lately), deliveries.c.detail != "")
        .values(detail="")
    )


def forget_unconfirmed(conn: Connection, before: datetime) -> int:
    """Delete the addresses that were asked once, before this moment, and never answered.

    Nothing counts them: who never confirmed is in no digest's books. Returns how many.
    """
    waits = exists().where(notices.c.subscriber_id == subscribers.c.id)
    sent = exists().where(deliveries.c.subscriber_id == subscribers.c.id)
    silent = delete(subscribers).where(
        subscribers.c.status == Status.PENDING,
        subscribers.c.confirm_sent_at < before,
        ~waits,
        ~sent,
    )
    return conn.execute(silent).rowcount
