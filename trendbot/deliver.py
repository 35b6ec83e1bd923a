"""Delivery: from a frozen digest to recorded outcomes, with nobody lost and nobody twice.

    pending ─claim→ sending ─→ sent | failed | suppressed
                      │  └───→ deferred(next_at) ──claim→ …
                      └──────→ uncertain(next_at or held)
    whatever still waits `max_age` after planning → expired

1. `plan` freezes the audience and cuts it into batches, in one transaction.
2. `deliver_batch` may be called any number of times, by any process. It claims a few due
   deliveries in a committed transaction, sends them, and records outcomes in small groups.
3. What a process that died had claimed is taken over once its lease ended or its process
   is known to be gone. If the transport leaves one copy however often it sends, it is sent
   again; else nobody knows whether the mail left, and it is uncertain.

So nothing is lost, and the copies too many are at most the mails claimed and not recorded.
"""

import os
import secrets
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import takewhile

from sqlalchemy import Connection, Engine

from trendbot import addresses, compose, tokens
from trendbot.errors import TransportError, TrendbotError
from trendbot.model import DeliveryState, Digest, Mail, Outcome, Status, Transport
from trendbot.settings import MailSection, Site
from trendbot.store import books, deliveries, digests, subscribers
from trendbot.store.deliveries import Batch, Claim, Orphan, Verdict

BATCH_SIZE = 500
CLAIM_SIZE = 50
RECORD_SIZE = 10
PAUSE_AFTER_DOUBT = timedelta(minutes=10)


# Tells this process from an earlier one that had the same number, as in a container.
_BIRTH_MARK = secrets.token_hex(4)


def owner_name() -> str:
    """This process, as others on the same host can check it: host, process id, birth mark."""
    return f"{socket.gethostname()[:60]}/{os.getpid()}/{_BIRTH_MARK}"


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
            for topics in deliveries.segments(conn, digest.cadence)
            if compose.papers_for(digest, topics)
        ]
        return deliveries.plan(conn, digest.id, digest.cadence, wanted, now, BATCH_SIZE)


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
        if dispatch.now() > part.planned_at + dispatch.mail.max_age:
            deliveries.expire(conn, part, dispatch.now())
    editions: dict[tuple[str, ...], compose.Composed] = {}
    while not dispatch.stop() and (claims := _claim(dispatch, part)):
        _send(dispatch, part, digest, claims, editions)
    with dispatch.engine.begin() as conn:
        return deliveries.finish(conn, part, dispatch.now())


def _claim(dispatch: Dispatch, part: Batch) -> list[Claim]:
    now = dispatch.now()
    with dispatch.engine.begin() as conn:
        return deliveries.claim(
            conn, part, now, now + dispatch.mail.lease, dispatch.owner, CLAIM_SIZE
        )


def _send(
    dispatch: Dispatch,
    part: Batch,
    digest: Digest,
    claims: list[Claim],
    editions: dict[tuple[str, ...], compose.Composed],
) -> None:
    """Send the claimed deliveries and record each; whatever was not handed over is given back."""
    open_claims = {claim.subscriber_id: claim for claim in claims}
    group: list[Outcome] = []
    try:
        # All composed before the first leaves: what fails in composing was never handed over.
        mails = [_mail(dispatch, digest, claim, editions) for claim in claims]
        for outcome in dispatch.transport.send(_until_stopped(mails, dispatch.stop)):
            group.append(outcome)
            if len(group) >= RECORD_SIZE:
                _record(dispatch, part, open_claims, group)
                group = []
    except TrendbotError as error:
        _record(dispatch, part, open_claims, group)
        _give_back(dispatch, part, open_claims, error)
        raise
    _record(dispatch, part, open_claims, group)
    if open_claims and not dispatch.stop():
        raise TransportError(f"{len(open_claims)} mails were taken and nothing said of them")
    _give_back(dispatch, part, open_claims)


def _until_stopped(mails: list[Mail], stop: Callable[[], bool]) -> Iterator[Mail]:
    return takewhile(lambda _: not stop(), mails)


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
    """Write a group of outcomes in one transaction, and suppress the addresses that are bad."""
    if not group:
        return
    now = dispatch.now()
    verdicts = [
        settle(outcome, open_claims.pop(outcome.mail_id), now, dispatch.mail.on_uncertain)
        for outcome in group
    ]
    with dispatch.engine.begin() as conn:
        deliveries.record(conn, part.digest_id, dispatch.owner, verdicts, now)
        for verdict in verdicts:
            if verdict.state is DeliveryState.SUPPRESSED:
                reader = subscribers.get(conn, verdict.subscriber_id)
                subscribers.suppress(
                    conn, addresses.normalise(reader.email).key, verdict.detail, now
                )
                subscribers.set_status(conn, reader.id, Status.SUPPRESSED, now)


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
        Verdict(
            claim.subscriber_id,
            DeliveryState.DEFERRED,
            now + backoff(claim.attempts) if subscriber_id == over else now,
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
        verdict = adopt(orphan, now, dispatch.mail.on_uncertain, dispatch.transport.repeatable)
        deliveries.record(conn, part.digest_id, orphan.owner, [verdict], now)


def process_lives(owner: str) -> bool:
    """Whether the process named by `owner_name` may still run; true for other hosts."""
    host, pid, birth_mark = owner.rsplit("/", 2)
    if host != socket.gethostname()[:60]:
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


def settle(outcome: Outcome, claim: Claim, now: datetime, on_uncertain: str) -> Verdict:
    """Decide what an outcome means for its delivery: final, or due again and when."""
    verdict = partial(Verdict, claim.subscriber_id, code=outcome.code, detail=outcome.detail)
    if outcome.state is DeliveryState.DEFERRED:
        return verdict(
            state=outcome.state, next_at=now + backoff(claim.attempts), doubts=claim.doubts
        )
    if outcome.state is DeliveryState.UNCERTAIN:
        return verdict(
            state=outcome.state,
            next_at=_after_doubt(claim.doubts, now, on_uncertain),
            doubts=claim.doubts + 1,
        )
    return verdict(state=outcome.state, next_at=None, doubts=claim.doubts)


def adopt(orphan: Orphan, now: datetime, on_uncertain: str, repeatable: bool) -> Verdict:
    """Decide about a delivery whose process died: again at once if that cannot double it."""
    detail = f"the process sending it ended ({orphan.owner})"
    if repeatable:
        return Verdict(orphan.subscriber_id, DeliveryState.DEFERRED, now, orphan.doubts, 0, detail)
    next_at = _after_doubt(orphan.doubts, now, on_uncertain)
    return Verdict(
        orphan.subscriber_id, DeliveryState.UNCERTAIN, next_at, orphan.doubts + 1, 0, detail
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
