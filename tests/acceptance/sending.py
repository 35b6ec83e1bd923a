"""A digest on its way over the real transport, in process, its clock driven until it is done."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from tests.rawsmtpd import RawSmtpd
from tests.transports.outside import context
from trendbot.deliver import Dispatch, drain, plan
from trendbot.errors import TransportError
from trendbot.model import (
    Cadence,
    DeliveryState,
    Digest,
    Paper,
    RankedPaper,
    Status,
    Tally,
)
from trendbot.settings import MailSection, Site, section
from trendbot.store import books, deliveries, digests, papers, subscribers
from trendbot.store.schema import deliveries as rows
from trendbot.store.schema import subscribers as people
from trendbot.transports.smtp import Smtp
from trendbot.transports.smtp_settings import SmtpSettings

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
DAY = date(2026, 11, 19)
READERS = tuple(f"reader{n}@example.org" for n in range(1, 9))
CONNECTIONS = 2
NOBODY_ELSE: Mapping[str, DeliveryState] = {}

SENT, FAILED = DeliveryState.SENT, DeliveryState.FAILED
SUPPRESSED, EXPIRED = DeliveryState.SUPPRESSED, DeliveryState.EXPIRED
UNCERTAIN = DeliveryState.UNCERTAIN

_MOST_ROUNDS = 100


@dataclass
class Sending:
    """A planned digest; `stops` are the reasons for which runs ended."""

    engine: Engine
    home: Path
    readers: Sequence[str] = READERS
    mail: MailSection = field(default_factory=MailSection)
    now: datetime = NOW
    stops: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        add_readers(self.engine, self.readers)
        self.digest = freeze_digest(self.engine)
        assert plan(self.engine, self.digest, NOW) == len(self.readers)

    def once(self, port: int, **settings: Any) -> None:
        """Send what is due now; a refusal is noted."""
        transport = self._transport(port, settings)
        try:
            self._drain(transport)
        finally:
            transport.close()

    def until_done(self, port: int, **settings: Any) -> None:
        """Send what is due, and go to the next moment when something is, until nothing is left."""
        transport = self._transport(port, settings)
        try:
            for _ in range(_MOST_ROUNDS):
                self._drain(transport)
                if (due := self._next_due()) is None:
                    return
                self.now = max(self.now + timedelta(seconds=1), due)
        finally:
            transport.close()
        raise AssertionError(
            f"not done after {_MOST_ROUNDS} rounds: {self.states()} {set(self.stops)}"
        )

    def states(self) -> dict[str, DeliveryState]:
        """Where each reader's delivery stands."""
        with self.engine.connect() as conn:
            found = conn.execute(
                select(people.c.email, rows.c.state).join(
                    people, people.c.id == rows.c.subscriber_id
                )
            )
            return {email: DeliveryState(state) for email, state in found}

    def blamed(self) -> list[str]:
        """Who is not mailed any more."""
        with self.engine.connect() as conn:
            return list(
                conn.scalars(select(people.c.email).where(people.c.status == Status.SUPPRESSED))
            )

    def check(
        self,
        server: RawSmtpd,
        too_many: int = 0,
        others: Mapping[str, DeliveryState] = NOBODY_ELSE,
    ) -> None:
        """Nobody is lost, the copies too many are at most `too_many`, and the books are right.

        Everybody has the mail, but for `others`, who stand where it says.
        """
        expected = {reader: others.get(reader, SENT) for reader in self.readers}
        states, copies = self.states(), server.copies()
        assert states == expected, self.stops
        for reader, state in expected.items():
            if state is SENT:
                assert copies[reader] >= 1, f"lost: {reader}"
            elif state is not UNCERTAIN:
                assert copies[reader] == 0, f"{reader} has a mail and is {state}"
        assert sum(max(0, number - 1) for number in copies.values()) <= too_many, copies
        assert self.blamed() == [who for who, state in expected.items() if state is SUPPRESSED]
        self._check_books()
        _check_ids(server)
        assert server.breaches == []

    def _check_books(self) -> None:
        with self.engine.connect() as conn:
            (of,) = books.of_digests(conn)
            assert deliveries.open_batches(conn) == []
        assert of.balanced
        assert of.audience == len(self.readers)
        assert of.counts == Counter(self.states().values())

    def _transport(self, port: int, settings: dict[str, Any]) -> Smtp:
        table = {"host": "127.0.0.1", "port": port, "tls": "none", "connections": CONNECTIONS}
        table |= {"local_hostname": "trendbot.test", **settings}
        return Smtp(section(SmtpSettings, table, "mail.smtp"), context(self.home))

    def _drain(self, transport: Smtp) -> None:
        secret = "a-secret-of-sixteen-characters"
        dispatch = Dispatch(self.engine, transport, Site(), self.mail, secret, now=lambda: self.now)
        try:
            drain(dispatch, self.digest.id)
        except TransportError as refusal:
            self.stops.append(str(refusal))

    def _next_due(self) -> datetime | None:
        """When to try again; None when every batch is done."""
        with self.engine.connect() as conn:
            parts = deliveries.open_batches(conn)
            if not parts:
                return None
            due = books.next_due(conn) or self.now
        return max(due, *(part.resume_at or due for part in parts))


def _check_ids(server: RawSmtpd) -> None:
    """All copies of one reader have one Message-ID, and no two readers have the same."""
    ids = defaultdict(set)
    for copy in server.taken:
        ids[copy.recipient].add(copy.message_id)
    assert all(len(of_one) == 1 for of_one in ids.values()), ids
    assert len(set.union(set(), *ids.values())) == len(ids)


def freeze_digest(engine: Engine, day: date = DAY) -> Digest:
    """Store the digest of a day, of one paper."""
    paper = Paper("arxiv", "2611.13001", "On Looping", ("Ada Moreno",), ("cs.LG",), day)
    entry = RankedPaper(1, paper, 30, 20, 10, {"x": Tally(2, 20, 10)})
    with engine.begin() as conn:
        papers.upsert(conn, [paper], NOW)
        paper_id = papers.ids_of(conn, [paper.key])[paper.key]
        content = [(paper_id, entry)]
        digest_id = digests.freeze(conn, Cadence.DAILY, day, day, day, NOW, NOW, content)
        assert digest_id is not None
        return digests.by_id(conn, digest_id)


def add_readers(engine: Engine, readers: Sequence[str]) -> None:
    """Store active subscribers."""
    with engine.begin() as conn:
        for reader in readers:
            subscribers.add(conn, reader, reader, Status.ACTIVE, Cadence.DAILY, (), NOW)
