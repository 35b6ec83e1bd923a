"""The SQL in docs/scaling.md does what is said of it."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, text

from tests.digests import ranked
from trendbot import deliver
from trendbot.model import Cadence, DeliveryState, Digest, Limits, Mail, Outcome, Status
from trendbot.settings import MailSection, Site
from trendbot.store import books, digests, papers, subscribers
from trendbot.store.engine import open_store

SCALING = Path(__file__).parent.parent / "docs" / "scaling.md"
PRUNE, PARTITION, DROP = re.findall(
    r"^```sql\n(.*?)^```", SCALING.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
)
NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
TODAY = date(2026, 11, 20)
LONG_AGO = date(2026, 10, 1)


class Postbox:
    """A transport that takes every mail."""

    repeatable = False
    limits = Limits()

    def send(self, mails: Iterable[Mail]) -> Iterator[Outcome]:
        for mail in mails:
            yield Outcome(mail.id, DeliveryState.SENT, 250)

    def close(self) -> None:
        """Nothing stays open."""

    def check(self) -> str:
        return "here"


def subscribe(engine: Engine, many: int) -> None:
    with engine.begin() as conn:
        for number in range(many):
            email = f"reader{number}@example.org"
            subscribers.add(conn, email, email, Status.ACTIVE, Cadence.DAILY, (), NOW)


def planned(engine: Engine, day: date) -> Digest:
    entry = ranked(1)
    with engine.begin() as conn:
        papers.upsert(conn, [entry.paper], NOW)
        entries = [(papers.ids_of(conn, [entry.paper.key])[entry.paper.key], entry)]
        digests.freeze(conn, Cadence.DAILY, day, day, day, NOW, NOW, entries)
        digest = digests.find(conn, Cadence.DAILY, day)
    assert digest is not None
    assert deliver.plan(engine, digest, NOW) == 3
    return digest


def sent(engine: Engine, day: date) -> Digest:
    digest = planned(engine, day)
    dispatch = deliver.Dispatch(
        engine, Postbox(), Site(), MailSection(), "a-secret-of-sixteen-characters", lambda: NOW
    )
    deliver.drain(dispatch, digest.id)
    return digest


def run(engine: Engine, script: str) -> None:
    with engine.begin() as conn:
        for statement in re.sub(r"--.*|BEGIN;|COMMIT;", "", script).split(";"):
            if statement.strip():
                conn.execute(text(statement))


def kept(engine: Engine) -> dict[date, int]:
    """How many deliveries there are of each digest."""
    query = "SELECT d.date, count(*) FROM deliveries JOIN digests d ON d.id = digest_id GROUP BY 1"
    with engine.connect() as conn:
        return {date.fromisoformat(str(row[0])): row[1] for row in conn.execute(text(query))}


def test_pruning_deletes_what_is_old_and_done_and_leaves_the_books_balanced(
    engine: Engine,
) -> None:
    subscribe(engine, 3)
    planned(engine, LONG_AGO)
    old, new = sent(engine, LONG_AGO + timedelta(days=1)), sent(engine, TODAY)
    run(engine, PRUNE)
    assert kept(engine) == {LONG_AGO: 3, TODAY: 3}
    with engine.connect() as conn:
        for digest in (old, new):
            (of,) = books.of_digests(conn, digest.id)
            assert of.balanced
            assert of.counts == {DeliveryState.SENT: 3}


def test_deliveries_cut_by_digest_are_planned_and_sent_as_before(empty_postgresql: str) -> None:
    engine = open_store(empty_postgresql, Path())
    subscribe(engine, 3)
    sent(engine, LONG_AGO)
    run(engine, PARTITION.replace("1000)", "2)").replace("(1000)", "(2)"))
    sent(engine, TODAY)
    assert kept(engine) == {LONG_AGO: 3, TODAY: 3}
    run(engine, DROP)
    assert kept(engine) == {TODAY: 3}
    with engine.connect() as conn:
        assert conn.scalar(text("SELECT count(*) FROM deliveries_1000")) == 3
        assert all(of.balanced for of in books.of_digests(conn))
    engine.dispose()
