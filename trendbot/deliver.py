"""Delivery: from a frozen digest to recorded outcomes, with nobody lost and nobody twice.

    pending ─claim→ sending ─→ sent | failed | suppressed
                      │  └───→ deferred(next_at) ──claim→ …
                      └──────→ uncertain(next_at or held)
    whatever still waits `max_age` after planning → expired

1. `plan` freezes the audience and cuts it into batches, in one transaction.
2. `deliver_batch` may be called any number of times, by any process. It claims a few due
   deliveries in a committed transaction, notes each small group as handed over before its
   mails leave, sends them, and records their outcomes in small groups.
3. What a process that died had claimed is taken over once its lease ended or its process
   is known to be gone. Where nothing was handed over, or the transport leaves one copy
   however often it sends, it is sent again; else nobody knows, and it is uncertain.

So nothing is lost, and the copies too many are at most the mails of one group and of what
was in flight beside it.
"""

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from trendbot import addresses, compose, tokens
from trendbot.errors import TransportError, TrendbotError
from trendbot.model import DeliveryState, Digest, Mail, Outcome, Status, Transport
from trendbot.settings import MailSection, Site
from trendbot.store import audience, books, deliveries, digests, subscribers
from trendbot.store.deliveries import Batch, Claim, Orphan, Settlement
from trendbot.store.engine import explain

BATCH_SIZE = 500
CLAIM_SIZE = 50
GROUP_SIZE = 10
HANDED_OVER_WITHIN = 1 / 3  # of the lease; the rest is for the answers
RECORD_PAUSES = (0.2, 1.0, 5.0)  # seconds between tries to write down what was sent
PAUSE_AFTER_DOUBT = timedelta(minutes=10)

log = logging.getLogger(__name__)

# Tells this process from an earlier one that had the same number.
_BIRTH_MARK = secrets.token_hex(4)


def owner_name() -> str:
    """Names the present process so that others of the same machine can see whether it lives."""
    return f"{_machine()}/{os.getpid()}/{_BIRTH_MARK}"


@cache
def _machine() -> str:
    """Where process numbers mean the same: host name, boot and, in containers, namespace."""
    marks = [socket.gethostname()[:40]]
    with suppress(OSError):  # only Linux has these; elsewhere the host name must do
        marks.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:8])
        marks.append(Path("/proc/self/ns/pid").readlink().name.strip("pid:[]"))
    return " ".join(marks)


def never() -> bool:
    """A stop nobody asks for."""
    return False


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What delivering needs besides the rows: how to compose, how to send, and the clock.

    `stop` is asked between mails; once it is true no further mail is handed over.
    """

    engine: Engine
    transport: Transport
    site: Site
    mail: MailSection
    secret: str
    now: Callable[[], datetime]
    stop: Callable[[], bool] = never
    owner: str = field(default_factory=owner_name)


def plan(engine: Engine, digest: Digest, now: datetime) -> int | None:
    """Freeze who gets the digest: active subscribers of its cadence with a paper in it for them.

    Returns the size of the audience, or None if it was planned before.
    """
    with engine.begin() as conn:
        wanted = [
            topics
            for topics in audience.segments(conn, digest.cadence)
            if compose.papers_for(digest, topics)
        ]
        return audience.plan(conn, digest.id, digest.cadence, wanted, now, BATCH_SIZE)


def drain(dispatch: Dispatch, digest_id: int | None = None) -> None:
    """Send what is due of one digest, or of all planned ones.

    Raises TransportError when the mail server refuses us; the reason is kept with the
    digest, and what was not sent stays due.
    """
    with dispatch.engine.connect() as conn:
        parts = deliveries.open_batches(conn, digest_id)
    for part in parts:
        if dispatch.stop():
            return
        deliver_batch(dispatch, part.id)


def deliver_batch(dispatch: Dispatch, batch_id: int) -> bool:
    """Send what is due of one batch; returns whether the batch is done. Idempotent."""
    with dispatch.engine.connect() as conn:
        part = deliveries.batch(conn, batch_id)
        digest = digests.by_id(conn, part.digest_id)
    with dispatch.engine.begin() as conn:
        books.stop(conn, part.digest_id, "")
        _take_over(dispatch, conn, part)
    editions: dict[tuple[str, ...], compose.Composed] = {}
    while not dispatch.stop() and (claims := _claim(dispatch, part)):
        _send(dispatch, part, digest, claims, editions)
    with dispatch.engine.begin() as conn:
        return deliveries.finish(conn, part, dispatch.now())


def _claim(dispatch: Dispatch, part: Batch) -> list[Claim]:
    """The next deliveries to send; none when it is too late for the whole digest."""
    now = dispatch.now()
    with dispatch.engine.begin() as conn:
        if now > part.planned_at + dispatch.mail.max_age:
            deliveries.expire(conn, part, now)
            return []
        lease_until = now + dispatch.mail.lease
        return deliveries.claim(conn, part, now, lease_until, dispatch.owner, CLAIM_SIZE)


def _send(
    dispatch: Dispatch,
    part: Batch,
    digest: Digest,
    claims: list[Claim],
    editions: dict[tuple[str, ...], compose.Composed],
) -> None:
    """Send the claimed deliveries and record each; whatever was not handed over is given back."""
    open_claims = {claim.subscriber_id: claim for claim in claims}
    enough = dispatch.now() + dispatch.mail.lease * HANDED_OVER_WITHIN
    group: list[Outcome] = []
    try:
        # All composed before the first leaves: what fails in composing was never handed over.
        mails = [_mail(dispatch, digest, claim, editions) for claim in claims]
        for outcome in dispatch.transport.send(_hand_over(dispatch, part, mails, enough)):
            group.append(outcome)
            if len(group) >= GROUP_SIZE:
                _record(dispatch, part, open_claims, group)
                group = []
    except TrendbotError as error:
        _record(dispatch, part, open_claims, group)
        _give_back(dispatch, part, open_claims, error)
        raise
    _record(dispatch, part, open_claims, group)
    if len(open_claims) == len(claims) and not dispatch.stop() and dispatch.now() < enough:
        raise TransportError(f"{len(claims)} mails were taken and nothing said of them")
    _give_back(dispatch, part, open_claims)


def _hand_over(
    dispatch: Dispatch, part: Batch, mails: list[Mail], enough: datetime
) -> Iterator[Mail]:
    """Yield the mails, each group after it was noted; ends after one at `enough`, or when stopped.

    Nothing leaves late in a lease: the answer to a final dot may take ten minutes, and must
    come while the delivery is still ours.
    """
    for start in range(0, len(mails), GROUP_SIZE):
        group = mails[start : start + GROUP_SIZE]
        if dispatch.stop() or (start and dispatch.now() >= enough):
            return
        with dispatch.engine.begin() as conn:
            held = deliveries.hand_over(conn, part, dispatch.owner, [mail.id for mail in group])
        for mail in group:
            if dispatch.stop():
                return
            if mail.id in held:
                yield mail


def _mail(
    dispatch: Dispatch,
    digest: Digest,
    claim: Claim,
    editions: dict[tuple[str, ...], compose.Composed],
) -> Mail:
    """The mail of one delivery, from the edition all of its segment share."""
    if claim.topics not in editions:
        editions[claim.topics] = compose.render(digest, claim.topics, dispatch.site, dispatch.mail)
    message_id = compose.message_id(
        dispatch.secret, digest.cadence, digest.date, claim.subscriber_id, dispatch.mail.sender
    )
    token = tokens.sign(dispatch.secret, tokens.UNSUBSCRIBE, str(claim.subscriber_id))
    return Mail(
        id=claim.subscriber_id,
        sender=compose.envelope_sender(dispatch.mail.sender),
        recipient=claim.email,
        message_id=message_id,
        message=compose.personalise(editions[claim.topics], claim.email, message_id, token),
    )


def _record(
    dispatch: Dispatch, part: Batch, open_claims: dict[int, Claim], group: list[Outcome]
) -> None:
    """Write a group of outcomes in one transaction, and suppress the addresses that are bad.

    Tried more than once: these mails have left, and what is not written down may go twice.
    """
    if not group:
        return
    now = dispatch.now()
    settlements = [
        settle(outcome, open_claims.pop(outcome.mail_id), now, dispatch.mail.on_uncertain)
        for outcome in group
    ]
    for pause in RECORD_PAUSES:
        try:
            _write(dispatch, part, settlements, now)
        except DBAPIError as error:
            log.warning("cannot write down what was sent: %s", explain(error))
            time.sleep(pause)
        else:
            return
    _write(dispatch, part, settlements, now)


def _write(dispatch: Dispatch, part: Batch, settlements: list[Settlement], now: datetime) -> None:
    with dispatch.engine.begin() as conn:
        deliveries.record(conn, part.digest_id, dispatch.owner, settlements, now)
        for settlement in settlements:
            if settlement.state is DeliveryState.SUPPRESSED:
                subscriber = subscribers.get(conn, settlement.subscriber_id)
                key = addresses.normalise(subscriber.email).key
                subscribers.suppress(conn, key, settlement.detail, now)
                subscribers.set_status(conn, subscriber.id, Status.SUPPRESSED, now)


def _give_back(
    dispatch: Dispatch,
    part: Batch,
    open_claims: dict[int, Claim],
    error: TrendbotError | None = None,
) -> None:
    """Let claims that were not handed over wait again, and note why sending stopped.

    The mail over which the server refused us waits longer: if it alone is the trouble, the
    next run gets past it.
    """
    now = dispatch.now()
    reason = str(error or "")
    over = error.mail_id if isinstance(error, TransportError) else None
    back = [
        Settlement(
            claim.subscriber_id,
            DeliveryState.DEFERRED,
            now + backoff(claim.attempts + 1) if subscriber_id == over else now,
            claim.attempts,
            claim.doubts,
            0,
            reason,
        )
        for subscriber_id, claim in open_claims.items()
    ]
    with dispatch.engine.begin() as conn:
        deliveries.record(conn, part.digest_id, dispatch.owner, back, now)
        if reason:
            books.stop(conn, part.digest_id, reason)


def _take_over(dispatch: Dispatch, conn: Connection, part: Batch) -> None:
    now = dispatch.now()
    for orphan in deliveries.orphans(conn, part):
        if orphan.lease_until > now and process_lives(orphan.owner):
            continue
        settlement = adopt(orphan, now, dispatch.mail.on_uncertain, dispatch.transport.repeatable)
        deliveries.record(conn, part.digest_id, orphan.owner, [settlement], now)


def process_lives(owner: str) -> bool:
    """Whether the process named by `owner_name` may still run; true for other machines."""
    machine, pid, birth_mark = owner.rsplit("/", 2)
    if machine != _machine():
        return True
    if int(pid) == os.getpid():
        return birth_mark == _BIRTH_MARK
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def settle(outcome: Outcome, claim: Claim, now: datetime, on_uncertain: str) -> Settlement:
    """Decide what an outcome means for its delivery: final, or due again and when."""
    attempts, doubts, next_at = claim.attempts + 1, claim.doubts, None
    if outcome.state is DeliveryState.DEFERRED:
        next_at = now + backoff(attempts)
    if outcome.state is DeliveryState.UNCERTAIN:
        next_at = _after_doubt(doubts, now, on_uncertain)
        doubts += 1
    return Settlement(
        claim.subscriber_id, outcome.state, next_at, attempts, doubts, outcome.code, outcome.detail
    )


def adopt(orphan: Orphan, now: datetime, on_uncertain: str, repeatable: bool) -> Settlement:
    """Decide about a delivery whose process died: again at once if that cannot double it."""
    doubtful = orphan.handed_over and not repeatable
    return Settlement(
        orphan.subscriber_id,
        state=DeliveryState.UNCERTAIN if doubtful else DeliveryState.DEFERRED,
        next_at=_after_doubt(orphan.doubts, now, on_uncertain) if doubtful else now,
        attempts=orphan.attempts + orphan.handed_over,
        doubts=orphan.doubts + doubtful,
        code=0,
        detail=f"the process sending it ended ({orphan.owner})",
    )


def _after_doubt(doubts: int, now: datetime, on_uncertain: str) -> datetime | None:
    """When an uncertain delivery is tried again: once, after a pause; None is never."""
    return now + PAUSE_AFTER_DOUBT if on_uncertain == "retry" and doubts == 0 else None


def backoff(attempts: int) -> timedelta:
    """The wait after the `attempts`-th try: half an hour doubling to four hours.

    RFC 5321 section 4.5.4.1 asks for at least 30 minutes between tries.
    """
    doubled: timedelta = timedelta(minutes=30) * 2 ** min(attempts - 1, 10)
    return min(doubled, timedelta(hours=4))
