"""Mails that are no digest: made, sent one at a time, and tried again where that helps.

    ask … confirm … ──queue──> waiting ──claim──> sent | refused | no longer wanted ──> gone
                                  ^                 │
                                  └── put off <─────┘ deferred, or the server refused us

A claim is committed before its mail leaves and ends by itself, so nobody gets two of one
notice unless a process dies between its mail and its row.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from trendbot import addresses, compose, tastes, tokens
from trendbot.doorway import Doorway
from trendbot.errors import TransportError
from trendbot.model import DeliveryState, Mail, Outcome, Status, Subscriber
from trendbot.notice_letters import Kind
from trendbot.settle import backoff
from trendbot.store import notices, pace, subscribers
from trendbot.store.engine import begin_lightly, explain
from trendbot.store.notices import Notice

log = logging.getLogger(__name__)

CLAIMED_FOR = timedelta(minutes=10)
GIVEN_UP_AFTER = timedelta(days=2)
WRITE_PAUSES = (0.2, 1.0, 5.0, 15.0)  # seconds between tries to write down what was sent
_AFTER_REFUSAL = timedelta(minutes=1)
_LONGEST_REFUSAL = timedelta(hours=1)

_TIMED = {Kind.CONFIRM: tokens.CONFIRM, Kind.EXPORT: tokens.EXPORT, Kind.ERASE: tokens.ERASE}
# Whom a mail of each kind is still for when its turn comes.
_FOR = {
    Kind.CONFIRM: {Status.PENDING, Status.UNSUBSCRIBED},
    Kind.KNOWN: {Status.ACTIVE},
    Kind.WELCOME: {Status.ACTIVE},
    Kind.EXPORT: {Status.PENDING, Status.ACTIVE, Status.UNSUBSCRIBED},
    Kind.ERASE: {Status.PENDING, Status.ACTIVE, Status.UNSUBSCRIBED},
}


@dataclass(frozen=True, slots=True)
class Claimed:
    """A notice this process may send now, to whom, and the token of its link."""

    notice: Notice
    subscriber: Subscriber
    token: str


def drain(door: Doorway, stop: Callable[[], bool]) -> int:
    """Send what is due, one mail at a time; returns how many left.

    Raises TransportError when the mail server refuses us; what was not sent stays due.
    """
    sent = 0
    try:
        while not stop() and (claimed := _claim(door)) is not None:
            sent += _send(door, claimed)
    finally:
        door.transport().close()
    return sent


def open_link(conn: Connection, door: Doorway, kind: Kind, to: Subscriber, now: datetime) -> str:
    """The token of the link in a mail of this kind; of a confirmation its hash is expected now."""
    subject = str(to.id)
    if kind not in _TIMED:
        return tokens.sign(door.secret, tokens.PREFERENCES, subject)
    token = tokens.sign_timed(door.secret, _TIMED[kind], subject, now)
    if kind is Kind.CONFIRM:
        subscribers.open_confirmation(conn, to.id, tokens.digest_of(token), now)
    return token


def post(door: Doorway, kind: Kind, to: Subscriber, token: str) -> Outcome:
    """Send one mail now, at the pace all processes keep together.

    Raises TransportError when the server refuses us, and HeaderError for settings that
    cannot stand in a mail.
    """
    transport, now = door.transport(), door.now()
    subject = f"{kind} {to.id} {now.isoformat()}"
    message_id = compose.message_id_of(door.secret, subject, door.mail.sender)
    message = _message(door, kind, to, token, message_id, now)
    with door.engine.begin() as conn:  # counted, but never kept waiting for an hour
        wait = pace.book(conn, transport.limits, now, 1)
    sender = compose.envelope_sender(door.mail.sender)
    mail = Mail(to.id, sender, to.email, message_id, message, time.monotonic() + wait)
    (outcome,) = transport.send([mail])
    return outcome


def _message(
    door: Doorway, kind: Kind, to: Subscriber, token: str, message_id: str, now: datetime
) -> bytes:
    site, mail = door.site, door.mail
    if kind is not Kind.WELCOME:
        return compose.notice(kind, to.email, token, message_id, site, mail, now)
    with door.engine.connect() as conn:
        digest = notices.latest_digest(conn, to.cadence, now)
    composed = compose.welcome(digest, tastes.of(to), site, mail, now)
    leave = tokens.sign(door.secret, tokens.UNSUBSCRIBE, str(to.id))
    return compose.personalise(composed, to.email, message_id, leave, token)


def _claim(door: Doorway) -> Claimed | None:
    """The next notice that is due and still wanted; what is not, is forgotten on the way.

    Neither this nor what becomes of the mail waits for the disk, for which sign-ups queue: a
    power cut may have a mail sent once more, with a link of its own.
    """
    while True:
        now = door.now()
        with begin_lightly(door.engine) as conn:
            notice = notices.claim(conn, now, now + CLAIMED_FOR)
            if notice is None:
                return None
            to = subscribers.seek(conn, notice.subscriber_id, for_update=True)
            if to is not None and _is_wanted(conn, notice, to, now):
                return Claimed(notice, to, open_link(conn, door, notice.kind, to, now))
            notices.done(conn, notice)


def _is_wanted(conn: Connection, notice: Notice, to: Subscriber, now: datetime) -> bool:
    """Whether the mail is still of use to somebody who may be mailed."""
    return (
        now - notice.created_at <= GIVEN_UP_AFTER
        and to.status in _FOR[notice.kind]
        and addresses.is_normal(to.email)
        and subscribers.suppression(conn, addresses.normalise(to.email).key) is None
    )


def _send(door: Doorway, claimed: Claimed) -> bool:
    """Send a claimed notice and write down what became of it; returns whether it left."""
    notice = claimed.notice
    try:
        outcome = post(door, notice.kind, claimed.subscriber, claimed.token)
    except TransportError:
        wait = min(_AFTER_REFUSAL * 2 ** min(notice.attempts - 1, 6), _LONGEST_REFUSAL)
        _write(door, partial(notices.put_off, notice=notice, until=door.now() + wait))
        raise
    if outcome.state is DeliveryState.DEFERRED:
        later = door.now() + backoff(notice.attempts)
        _write(door, partial(notices.put_off, notice=notice, until=later))
    else:
        _write(door, partial(notices.done, notice=notice))
    left = outcome.state in (DeliveryState.SENT, DeliveryState.UNCERTAIN)
    if not left:  # what the server said may quote the address, which has no place in a log
        log.warning("a mail (%s) was %s: code %d", notice.kind, outcome.state, outcome.code)
    return left


def _write(door: Doorway, change: Callable[[Connection], None]) -> None:
    """Write down what became of a mail; tried more than once, or it goes out once more."""
    for pause in (*WRITE_PAUSES, None):
        try:
            with begin_lightly(door.engine) as conn:
                change(conn)
        except DBAPIError as error:
            if pause is None:
                raise
            log.warning("cannot write down what was sent: %s", explain(error))
            time.sleep(pause)
        else:
            return
