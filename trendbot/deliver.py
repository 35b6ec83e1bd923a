"""Delivery: from a frozen digest to recorded outcomes, with nobody lost and nobody twice.

    pending ─claim→ sending ─→ sent | failed | suppressed
                      │  └───→ deferred(next_at) ──claim→ …
                      └──────→ uncertain(next_at or held)
    whatever still waits `max_age` after planning → expired

1. `plan` freezes the audience and cuts it into batches, in one transaction that on
   PostgreSQL also defers a job for each. Whoever asked for an hour of the day is pending
   until then.
2. `deliver_batch` may be called any number of times, by any process. Its `_Round` trades
   with the database, one transaction at a time: what came back is written down, the next
   few due deliveries are claimed. A claim is committed before its mail leaves.
3. What a process that died had claimed is taken over once its lease ended or its process
   is known to be gone. Where the transport leaves one copy however often it sends, it is
   sent again; else nobody knows, and it is uncertain.

So nothing is lost, and the copies too many are at most what was claimed and not written
down: `LARGEST_GROUP` and what the transport still had of the group before, which is three
for each connection: one being answered, one being announced, one waiting.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from trendbot import addresses, compose, due, jobs, tokens
from trendbot.errors import BooksError, TransportError, TrendbotError
from trendbot.model import DeliveryState, Digest, Mail, Outcome, Status, Transport
from trendbot.owner import owner_name, process_lives
from trendbot.press import Press
from trendbot.settings import MailSection, Site
from trendbot.settle import adopt, backoff, give_back, rest, settle
from trendbot.store import audience, books, deliveries, pace, queue, subscribers
from trendbot.store.deliveries import Batch, Claim, Settlement
from trendbot.store.engine import explain

BATCH_SIZE = 500
SMALLEST_GROUP = 10
LARGEST_GROUP = 50
GROUP_SECONDS = 0.5  # how much sending is claimed, and may be unwritten, at a time
HANDED_OVER_WITHIN = 1 / 3  # of the lease; the rest is for the answers
WRITE_PAUSES = (0.2, 1.0, 5.0, 15.0, 30.0)  # seconds between tries to write down what was sent

UTC = ZoneInfo("UTC")

Watch = Callable[[Digest, Sequence[Settlement]], None]

log = logging.getLogger(__name__)


def never() -> bool:
    """A stop nobody asks for."""
    return False


def unwatched(_digest: Digest, _settled: Sequence[Settlement]) -> None:
    """A watch that looks away."""


class Stride:
    """How many deliveries are claimed at a time: about `GROUP_SECONDS` of sending."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.size = SMALLEST_GROUP
        self._clock = clock
        self._since = clock()

    def is_over(self) -> bool:
        """Whether the last group took longer than it should."""
        return self._clock() - self._since > GROUP_SECONDS

    def begin(self) -> None:
        """Fit the size to the time since the last group began, and begin the next."""
        if self.is_over():
            self.size = max(self.size // 2, SMALLEST_GROUP)
        elif self._clock() - self._since < GROUP_SECONDS / 2:
            self.size = min(self.size * 2, LARGEST_GROUP)
        self._since = self._clock()


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What delivering needs besides the rows: how to compose, how to send, and the clock.

    `stop` is asked between mails; once it is true no further mail is handed over. `watch`
    is told what was written down of which digest, after each commit. `zone` is the
    schedule's, in which readers pause.
    """

    engine: Engine
    transport: Transport
    site: Site
    mail: MailSection
    secret: str
    now: Callable[[], datetime]
    stop: Callable[[], bool] = never
    watch: Watch = unwatched
    zone: ZoneInfo = UTC
    owner: str = field(default_factory=owner_name)
    stride: Stride = field(default_factory=Stride)
    press: Press = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "press", Press(self.engine, self.site, self.mail))


def plan(
    engine: Engine,
    digest: Digest,
    now: datetime,
    zone: ZoneInfo = UTC,
    max_age: timedelta | None = None,
) -> int | None:
    """Freeze who gets the digest: active subscribers of its cadence with a paper in it for them.

    Left out is who pauses today, in the schedule's time zone `zone`. Whoever asked for an
    hour of the day waits for it, if the digest is not older than `max_age` by then. Returns
    the size of the audience, or None if it was planned before.
    """
    planned = audience.Plan(digest.id, digest.cadence, now, now.astimezone(zone).date())
    with engine.begin() as conn:
        if not audience.begin(conn, planned):
            return None
        wanted = [
            topics for topics in audience.topics(conn, planned) if compose.concerns(digest, topics)
        ]
        moments = {
            (hour, name): due.at_hour(now, hour, due.zone_of(name, zone))
            for hour, name in audience.hours(conn, planned)
        }
        later = {
            hour: at
            for hour, at in moments.items()
            if at > now and (max_age is None or at <= now + max_age)
        }
        size = audience.plan(conn, planned, wanted, later, BATCH_SIZE)
        jobs.defer(conn, [part.id for part in deliveries.open_batches(conn, digest.id)])
        return size


def drain(dispatch: Dispatch, digest_id: int | None = None, insist: bool = False) -> None:
    """Send what is due of one digest, or of all planned ones.

    A digest over which the server refused us rests a while, unless we `insist`. Raises
    TransportError when the mail server refuses us; the reason is kept with the digest, and
    what was not sent stays due.
    """
    with dispatch.engine.connect() as conn:
        batch_ids = queue.ready(conn, dispatch.now(), digest_id)
    try:
        for batch_id in batch_ids:
            if dispatch.stop() or _full(dispatch):
                return
            deliver_batch(dispatch, batch_id, insist)
    finally:
        dispatch.transport.close()


def deliver_batch(dispatch: Dispatch, batch_id: int, insist: bool = False) -> bool:
    """Send what is due of one batch; returns whether the batch is done. Idempotent.

    Raises TransportError as `drain` does, and BooksError if its digest is done and not
    everybody in its audience accounted for.
    """
    with dispatch.engine.connect() as conn:
        part = deliveries.batch(conn, batch_id)
    resting = part.resume_at is not None and part.resume_at > dispatch.now()
    if insist or not resting:
        with dispatch.engine.begin() as conn:
            _take_over(dispatch, conn, part)
        _Round(dispatch, part).run()
    with dispatch.engine.begin() as conn:
        done = deliveries.finish(conn, part, dispatch.now())
        if not done:
            jobs.defer(conn, [part.id], _next_due(dispatch, conn, part))
    if done:
        _close_books(dispatch.engine, part.digest_id)
    return done


class _Round:
    """One batch on its way: what is claimed, and what came back and is not written down."""

    def __init__(self, dispatch: Dispatch, part: Batch) -> None:
        self._dispatch = dispatch
        self._part = part
        self._digest = dispatch.press.digest(part.digest_id)
        self._sender = compose.envelope_sender(dispatch.mail.sender)
        self._claims: dict[int, Claim] = {}
        self._settled: list[Settlement] = []
        self._heard = False  # whether the server answered for a mail

    def run(self) -> None:
        """Send until nothing of the batch is due now."""
        try:
            for outcome in self._dispatch.transport.send(self._mails()):
                self._settle(outcome)
                if self._dispatch.stride.is_over():
                    self._trade(0)
            if self._claims:
                raise TransportError(
                    f"{len(self._claims)} mails were taken and nothing said of them"
                )
        except TrendbotError as error:
            self._refused(error)
            raise
        self._trade(0)

    def _mails(self) -> Iterator[Mail]:
        """Claim and compose, a group at a time, as the transport takes mails."""
        dispatch = self._dispatch
        while not dispatch.stop() and (group := self._trade(dispatch.stride.size)):
            # Nothing leaves late in a lease: the answer to a final dot may take ten minutes, and
            # must come while the delivery is still ours.
            enough = dispatch.now() + dispatch.mail.lease * HANDED_OVER_WITHIN
            # All composed before the first leaves: what fails in composing was never handed over.
            mails = [self._mail(claim, at) for claim, at in group if self._can_be_mailed(claim)]
            for number, mail in enumerate(mails):
                if dispatch.stop() or (number and dispatch.now() >= enough):
                    self._put_back(mails[number:])
                    break
                yield mail

    def _mail(self, claim: Claim, not_before: float) -> Mail:
        """The mail of one delivery, from the edition all of its segment share."""
        secret, digest = self._dispatch.secret, self._digest
        message_id = compose.message_id(
            secret, digest.cadence, digest.date, claim.subscriber_id, self._dispatch.mail.sender
        )
        leave, prefer = (
            tokens.sign(secret, purpose, str(claim.subscriber_id))
            for purpose in (tokens.UNSUBSCRIBE, tokens.PREFERENCES)
        )
        edition = self._dispatch.press.edition(digest, claim.segment)
        return Mail(
            claim.subscriber_id,
            self._sender,
            claim.email,
            message_id,
            compose.personalise(edition, claim.email, message_id, leave, prefer),
            not_before,
        )

    def _can_be_mailed(self, claim: Claim) -> bool:
        """Whether the address is one; what a hand wrote into the database stops nobody else."""
        if addresses.is_normal(claim.email):
            return True
        detail = "what is stored is no mail address; correct it, or unsubscribe it"
        self._settle(Outcome(claim.subscriber_id, DeliveryState.FAILED, detail=detail))
        return False

    def _settle(self, outcome: Outcome) -> None:
        claim = self._claims.pop(outcome.mail_id)
        mail = self._dispatch.mail
        self._settled.append(settle(outcome, claim, self._dispatch.now(), mail.on_uncertain))
        self._heard = True

    def _put_back(self, mails: Sequence[Mail]) -> None:
        now = self._dispatch.now()
        self._settled += [give_back(self._claims.pop(mail.id), now) for mail in mails]

    def _trade(self, wanted: int) -> list[tuple[Claim, float]]:
        """Write down what came back and claim up to `wanted` due deliveries, in one transaction.

        Returns each claim with the moment before which its mail must not leave. Tried more
        than once if mails have left or are under way: what is not written down may go twice.
        """
        for pause in (*WRITE_PAUSES, None):
            try:
                with self._dispatch.engine.begin() as conn:
                    self._write(conn)
                    group = self._claim(conn, wanted) if wanted else []
                break
            except DBAPIError as error:
                if pause is None or not (self._heard or self._claims):
                    raise
                log.warning("cannot write down what was sent: %s", explain(error))
                time.sleep(pause)
        settled, self._settled, self._heard = self._settled, [], False
        self._claims |= {claim.subscriber_id: claim for claim, _ in group}
        self._dispatch.stride.begin()
        self._dispatch.watch(self._digest, settled)
        return group

    def _write(self, conn: Connection) -> None:
        """Write down what came back, and suppress the addresses that are bad."""
        now = self._dispatch.now()
        deliveries.record(conn, self._part.digest_id, self._dispatch.owner, self._settled, now)
        for settlement in self._settled:
            if settlement.state is DeliveryState.SUPPRESSED:
                subscriber = subscribers.seek(conn, settlement.subscriber_id, for_update=True)
                if subscriber is None or subscriber.status is Status.ERASED:
                    continue  # since the mail was under way
                key = addresses.normalise(subscriber.email).key
                subscribers.suppress(conn, key, settlement.detail, now)
                subscribers.set_status(conn, subscriber.id, Status.SUPPRESSED, now)
        if self._heard and self._part.resume_at is not None:
            books.go_on(conn, self._part.digest_id)

    def _claim(self, conn: Connection, wanted: int) -> list[tuple[Claim, float]]:
        """The next deliveries to send, none when it is too late for the whole digest."""
        dispatch, part, now = self._dispatch, self._part, self._dispatch.now()
        if now > part.planned_at + dispatch.mail.max_age:
            deliveries.expire(conn, part, now)
            return []
        limits = dispatch.transport.limits
        if limits.per_second:  # a second's worth, so that other processes get their turn
            wanted = min(wanted, max(1, int(limits.per_second)))
        if (room := pace.room(conn, limits, now)) is not None:
            wanted = min(wanted, room)
        lease_until = now + dispatch.mail.lease
        today = now.astimezone(dispatch.zone).date()
        claims = deliveries.claim(conn, part, now, today, lease_until, dispatch.owner, wanted)
        first = time.monotonic() + pace.book(conn, limits, now, len(claims))
        gap = 1 / limits.per_second if limits.per_second else 0
        return [(claim, first + place * gap) for place, claim in enumerate(claims)]

    def _refused(self, error: TrendbotError) -> None:
        """Let claims that were not handed over wait again, and the digest rest.

        The mail over which the server refused us waits longer: if it alone is the trouble,
        the next run gets past it.
        """
        now = self._dispatch.now()
        over = error.mail_id if isinstance(error, TransportError) else None
        for claim in self._claims.values():
            next_at = now + backoff(claim.attempts + 1) if claim.subscriber_id == over else now
            self._settled.append(give_back(claim, next_at, str(error)))
        self._claims = {}
        self._trade(0)
        with self._dispatch.engine.begin() as conn:
            resume_at = now + rest(books.last_rest(conn, self._part.digest_id))
            books.stop(conn, self._part.digest_id, str(error), now, resume_at)
            jobs.defer(conn, [self._part.id], resume_at)


def _take_over(dispatch: Dispatch, conn: Connection, part: Batch) -> None:
    now = dispatch.now()
    for orphan in deliveries.orphans(conn, part):
        # A process sends one batch at a time, so what it held itself is of a round that failed.
        ours = orphan.owner == dispatch.owner
        if not ours and orphan.lease_until > now and process_lives(orphan.owner):
            continue
        settlement = adopt(orphan, now, dispatch.mail.on_uncertain, dispatch.transport.repeatable)
        deliveries.record(conn, part.digest_id, orphan.owner, [settlement], now)


def _next_due(dispatch: Dispatch, conn: Connection, part: Batch) -> datetime:
    """When the batch is worth another look: something is due, and the limits let it leave."""
    now = dispatch.now()
    moments = (
        deliveries.next_due(conn, part),
        deliveries.batch(conn, part.id).resume_at,
        pace.full_until(conn, dispatch.transport.limits, now),
    )
    return max([now, *(moment for moment in moments if moment is not None)])


def _full(dispatch: Dispatch) -> bool:
    """Whether the hourly limit lets nothing leave now."""
    limits = dispatch.transport.limits
    if not limits.per_hour:
        return False
    with dispatch.engine.connect() as conn:
        return pace.full_until(conn, limits, dispatch.now()) is not None


def _close_books(engine: Engine, digest_id: int) -> None:
    """Close the books of a digest whose batches are all done; BooksError if they do not balance."""
    with engine.begin() as conn:
        if deliveries.is_open(conn, digest_id):
            return
        of = books.close(conn, digest_id)
    if not of.balanced:
        raise BooksError(
            f"the books of the {of.cadence} digest of {of.date} do not balance: its audience is "
            f"{of.audience} and {sum(of.counts.values())} are accounted for; "
            "was the database changed by hand? Please report `trendbot status --json`"
        )
