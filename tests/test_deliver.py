"""Delivery: the states, the books, and what is left when a process dies.

One file, though long: every state and every way to die of one state machine.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import Engine, select, text, update
from sqlalchemy.exc import OperationalError

from trendbot import deliver
from trendbot.deliver import Dispatch, Stride, drain, plan
from trendbot.errors import BooksError, HeaderError, TransportError
from trendbot.model import (
    Cadence,
    DeliveryState,
    Digest,
    Limits,
    Mail,
    Outcome,
    Paper,
    RankedPaper,
    Segment,
    Status,
    Tally,
)
from trendbot.owner import owner_name
from trendbot.settings import MailSection, Site
from trendbot.settle import AFTER_DOUBT, settle
from trendbot.store import books, deliveries, digests, papers, subscribers
from trendbot.store.deliveries import Claim, Settlement
from trendbot.store.schema import deliveries as rows
from trendbot.store.schema import subscribers as people

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
DAY = date(2026, 11, 19)
SECRET = "a-secret-of-sixteen-characters"
NO_LIMITS = Limits()


@dataclass
class Postbox:
    """A transport that keeps what it gets and answers what the test says."""

    repeatable: bool = False
    limits: Limits = NO_LIMITS
    mails: list[Mail] = field(default_factory=list)
    answers: dict[str, list[Outcome]] = field(default_factory=dict)
    refuse_after: int | None = None
    closed: bool = False

    def send(self, mails: Iterable[Mail]) -> Iterator[Outcome]:
        for mail in mails:
            if self.refuse_after is not None and len(self.mails) >= self.refuse_after:
                raise TransportError("535 wrong password")
            self.mails.append(mail)
            said = self.answers.get(mail.recipient)
            answer = said.pop(0) if said else Outcome(0, DeliveryState.SENT, 250)
            yield replace(answer, mail_id=mail.id)

    def check(self) -> str:
        return "here"

    def close(self) -> None:
        self.closed = True

    def copies(self, recipient: str) -> int:
        return sum(mail.recipient == recipient for mail in self.mails)


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


@pytest.fixture
def dispatch(engine: Engine, postbox: Postbox, clock: Clock) -> Dispatch:
    swift = Stride(lambda: 0.0)  # groups are as large as they get, however slow the machine
    return Dispatch(engine, postbox, Site(), MailSection(), SECRET, clock, stride=swift)


def add(engine: Engine, *emails: str, topics: tuple[str, ...] = ()) -> None:
    with engine.begin() as conn:
        for email in emails:
            subscribers.add(conn, email, email, Status.ACTIVE, Cadence.DAILY, topics, NOW)


@pytest.fixture
def digest(engine: Engine) -> Digest:
    paper = Paper("arxiv", "2611.13001", "On Looping", ("Ada Moreno",), ("cs.LG",), DAY)
    entry = RankedPaper(1, paper, 30, 20, 10, {"x": Tally(2, 20, 10)})
    with engine.begin() as conn:
        papers.upsert(conn, [paper], NOW)
        paper_id = papers.ids_of(conn, [paper.key])[paper.key]
        digest_id = digests.freeze(
            conn, Cadence.DAILY, DAY, DAY, DAY, NOW, NOW, [(paper_id, entry)]
        )
        assert digest_id is not None
        return digests.by_id(conn, digest_id)


def states(engine: Engine) -> dict[str, DeliveryState]:
    with engine.connect() as conn:
        found = conn.execute(
            select(people.c.email, rows.c.state).join(people, people.c.id == rows.c.subscriber_id)
        )
        return {email: DeliveryState(state) for email, state in found}


def balanced(engine: Engine) -> bool:
    with engine.connect() as conn:
        return all(of.balanced for of in books.of_digests(conn))


def test_everybody_gets_one_mail_and_the_books_balance(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox
) -> None:
    people = [f"reader{n}@example.org" for n in range(120)]
    add(engine, *people)
    assert plan(engine, digest, NOW) == 120
    drain(dispatch, digest.id)
    assert sorted(mail.recipient for mail in postbox.mails) == sorted(people)
    assert set(states(engine).values()) == {DeliveryState.SENT}
    assert balanced(engine)
    with engine.connect() as conn:
        assert deliveries.open_batches(conn) == []
    drain(dispatch)
    assert plan(engine, digest, NOW) is None
    assert len(postbox.mails) == 120


def test_batches_cut_the_audience_without_gap_or_overlap(
    engine: Engine, digest: Digest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "BATCH_SIZE", 7)
    add(engine, *(f"reader{n}@example.org" for n in range(30)))
    plan(engine, digest, NOW)
    with engine.connect() as conn:
        parts = sorted(deliveries.open_batches(conn), key=lambda part: part.first_id)
        ids = list(conn.scalars(select(rows.c.subscriber_id).order_by(rows.c.subscriber_id)))
    covered = [i for part in parts for i in ids if part.first_id <= i <= part.last_id]
    assert covered == ids
    assert len(parts) == 5


def test_the_audience_is_who_has_a_paper_in_it(engine: Engine, digest: Digest) -> None:
    add(engine, "all@example.org")
    add(engine, "learning@example.org", topics=("cs.LG",))
    add(engine, "computing@example.org", topics=("cs",))
    add(engine, "physics@example.org", topics=("hep-th",))
    with engine.begin() as conn:
        for status in (Status.PENDING, Status.UNSUBSCRIBED, Status.SUPPRESSED):
            subscribers.add(conn, f"{status}@example.org", status, status, Cadence.DAILY, (), NOW)
        subscribers.add(conn, "w@example.org", "w", Status.ACTIVE, Cadence.WEEKLY, (), NOW)
    assert plan(engine, digest, NOW) == 3
    assert set(states(engine)) == {
        "all@example.org",
        "learning@example.org",
        "computing@example.org",
    }


def test_whoever_leaves_before_the_claim_gets_nothing(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox
) -> None:
    add(engine, "stays@example.org", "leaves@example.org", "bounces@example.org")
    plan(engine, digest, NOW)
    with engine.begin() as conn:
        leaving = subscribers.find(conn, "leaves@example.org")
        assert leaving is not None
        subscribers.set_status(conn, leaving.id, Status.UNSUBSCRIBED, NOW)
        subscribers.suppress(conn, "bounces@example.org", "5.1.1 no such user", NOW)
    drain(dispatch)
    assert [mail.recipient for mail in postbox.mails] == ["stays@example.org"]
    assert states(engine)["leaves@example.org"] is DeliveryState.SUPPRESSED
    assert states(engine)["bounces@example.org"] is DeliveryState.SUPPRESSED
    assert balanced(engine)


def test_a_deferred_mail_waits_then_goes_out_unchanged(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox, clock: Clock
) -> None:
    add(engine, "grey@example.org")
    postbox.answers["grey@example.org"] = [Outcome(0, DeliveryState.DEFERRED, 451, "4.7.1 later")]
    plan(engine, digest, NOW)
    drain(dispatch)
    drain(dispatch)
    assert postbox.copies("grey@example.org") == 1
    assert states(engine) == {"grey@example.org": DeliveryState.DEFERRED}
    with engine.connect() as conn:
        assert books.next_due(conn) == NOW + timedelta(minutes=30)
    clock.now += timedelta(minutes=30)
    drain(dispatch)
    assert states(engine) == {"grey@example.org": DeliveryState.SENT}
    first, second = (replace(mail, not_before=0) for mail in postbox.mails)
    assert first == second


def test_what_is_late_expires_and_is_never_sent(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox, clock: Clock
) -> None:
    add(engine, "grey@example.org", "fresh@example.org")
    postbox.answers["grey@example.org"] = [Outcome(0, DeliveryState.DEFERRED, 451)]
    plan(engine, digest, NOW)
    drain(dispatch)
    clock.now += timedelta(days=2, seconds=1)
    drain(dispatch)
    assert states(engine)["grey@example.org"] is DeliveryState.EXPIRED
    assert postbox.copies("grey@example.org") == 1
    assert balanced(engine)


def test_a_bad_address_is_suppressed_for_good(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox
) -> None:
    add(engine, "gone@example.org")
    postbox.answers["gone@example.org"] = [
        Outcome(0, DeliveryState.SUPPRESSED, 550, "5.1.1 no such user")
    ]
    plan(engine, digest, NOW)
    drain(dispatch)
    with engine.connect() as conn:
        reader = subscribers.find(conn, "gone@example.org")
        assert reader is not None
        assert reader.status is Status.SUPPRESSED
        assert subscribers.suppression(conn, "gone@example.org") == "5.1.1 no such user"


def test_a_refused_sender_stops_the_run_and_blames_nobody(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox
) -> None:
    people = [f"reader{n}@example.org" for n in range(30)]
    add(engine, *people)
    plan(engine, digest, NOW)
    postbox.refuse_after = 13
    with pytest.raises(TransportError, match="wrong password"):
        drain(dispatch)
    with engine.connect() as conn:
        (of,) = books.of_digests(conn)
    assert of.counts == {DeliveryState.SENT: 13, DeliveryState.DEFERRED: 17}
    assert "wrong password" in of.stopped
    postbox.refuse_after = None
    drain(dispatch)
    assert len(postbox.mails) == 13  # it rests
    drain(dispatch, insist=True)
    assert all(postbox.copies(email) == 1 for email in people)
    with engine.connect() as conn:
        (of,) = books.of_digests(conn)
    assert (of.counts, of.stopped) == ({DeliveryState.SENT: 30}, "")


def test_one_mail_that_stops_every_run_does_not_stop_the_others(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox, clock: Clock
) -> None:
    people = [f"reader{n}@example.org" for n in range(5)]
    add(engine, *people)
    plan(engine, digest, NOW)

    class Touchy(Postbox):
        def send(self, mails: Iterable[Mail]) -> Iterator[Outcome]:
            for mail in mails:
                if mail.recipient == people[0]:
                    raise TransportError("550 5.7.1 policy", mail_id=mail.id)
                yield from super().send([mail])

    touchy = replace(dispatch, transport=Touchy(mails=postbox.mails))
    with pytest.raises(TransportError):
        drain(touchy)
    clock.now += timedelta(minutes=1)
    drain(touchy)
    assert sorted(mail.recipient for mail in postbox.mails) == people[1:]
    assert states(engine)[people[0]] is DeliveryState.DEFERRED
    clock.now += timedelta(minutes=30)
    drain(dispatch)
    assert postbox.copies(people[0]) == 1


def test_what_cannot_be_composed_was_never_handed_over(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox
) -> None:
    add(engine, "reader@example.org")
    plan(engine, digest, NOW)
    with pytest.raises(HeaderError, match="base_url"):
        drain(replace(dispatch, site=Site(base_url="https://bücher.example")))
    assert states(engine) == {"reader@example.org": DeliveryState.DEFERRED}
    drain(dispatch, insist=True)
    assert states(engine) == {"reader@example.org": DeliveryState.SENT}


def test_stopping_gives_back_what_was_not_handed_over(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox
) -> None:
    people = [f"reader{n}@example.org" for n in range(30)]
    add(engine, *people)
    plan(engine, digest, NOW)
    drain(replace(dispatch, stop=lambda: len(postbox.mails) >= 4))
    assert len(postbox.mails) == 4
    assert DeliveryState.SENDING not in states(engine).values()
    drain(dispatch)
    assert all(postbox.copies(email) == 1 for email in people)


def lost_process(engine: Engine, digest: Digest, owner: str, now: datetime = NOW) -> None:
    """Claim everything as a process that then dies."""
    with engine.begin() as conn:
        (part,) = deliveries.open_batches(conn, digest.id)
        deliveries.claim(conn, part, now, now.date(), now + timedelta(minutes=15), owner, 50)


def dead_process() -> str:
    """The name of a process of this machine that is no more."""
    machine, pid, _ = owner_name().rsplit("/", 2)
    return f"{machine}/{pid}/another-life"


def test_nothing_leaves_late_in_a_lease(
    engine: Engine, dispatch: Dispatch, digest: Digest, clock: Clock
) -> None:
    class Slow(Postbox):
        def send(self, mails: Iterable[Mail]) -> Iterator[Outcome]:
            for mail in mails:
                with engine.connect() as conn:
                    lease = conn.execute(
                        select(rows.c.lease_until).where(rows.c.subscriber_id == mail.id)
                    ).scalar_one()
                assert lease - clock.now >= timedelta(minutes=10)
                clock.now += timedelta(minutes=1)
                yield from super().send([mail])

    people = [f"reader{n}@example.org" for n in range(45)]
    add(engine, *people)
    plan(engine, digest, NOW)
    slow = Slow()
    drain(replace(dispatch, transport=slow))
    assert sorted(mail.recipient for mail in slow.mails) == sorted(people)
    assert set(states(engine).values()) == {DeliveryState.SENT}


def test_a_lease_too_short_for_anything_still_gets_on(
    engine: Engine, dispatch: Dispatch, digest: Digest, clock: Clock
) -> None:
    class Slow(Postbox):
        def send(self, mails: Iterable[Mail]) -> Iterator[Outcome]:
            clock.now += timedelta(seconds=5)
            yield from super().send(mails)

    add(engine, *(f"reader{n}@example.org" for n in range(12)))
    plan(engine, digest, NOW)
    hasty = MailSection(lease=timedelta(seconds=1))
    drain(replace(dispatch, transport=Slow(), mail=hasty))
    assert set(states(engine).values()) == {DeliveryState.SENT}


def test_what_was_sent_is_written_down_after_the_database_failed_for_a_moment(
    engine: Engine,
    dispatch: Dispatch,
    digest: Digest,
    postbox: Postbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failures = [OperationalError("", {}, Exception("gone")) for _ in range(2)]
    record = deliveries.record

    def failing(*arguments: Any) -> int:
        if arguments[3] and failures:
            raise failures.pop()
        return record(*arguments)

    monkeypatch.setattr(deliveries, "record", failing)
    monkeypatch.setattr(deliver, "WRITE_PAUSES", (0, 0))
    add(engine, *(f"reader{n}@example.org" for n in range(8)))
    plan(engine, digest, NOW)
    drain(dispatch)
    assert not failures
    assert set(states(engine).values()) == {DeliveryState.SENT}
    assert len(postbox.mails) == 8


@pytest.mark.parametrize("repeatable", [True, False])
def test_claims_of_a_dead_process(
    repeatable: bool,
    engine: Engine,
    dispatch: Dispatch,
    digest: Digest,
    postbox: Postbox,
    clock: Clock,
) -> None:
    add(engine, "reader@example.org")
    plan(engine, digest, NOW)
    lost_process(engine, digest, dead_process())
    postbox.repeatable = repeatable
    drain(dispatch)
    if repeatable:
        assert states(engine) == {"reader@example.org": DeliveryState.SENT}
        return
    assert states(engine) == {"reader@example.org": DeliveryState.UNCERTAIN}
    clock.now += AFTER_DOUBT
    drain(dispatch)
    assert states(engine) == {"reader@example.org": DeliveryState.SENT}
    assert len(postbox.mails) == 1


def test_a_living_process_keeps_its_claims_until_the_lease_ends(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox, clock: Clock
) -> None:
    add(engine, "reader@example.org")
    plan(engine, digest, NOW)
    lost_process(engine, digest, "another-host/1/abc")
    drain(dispatch)
    assert states(engine) == {"reader@example.org": DeliveryState.SENDING}
    assert balanced(engine)
    clock.now += timedelta(minutes=15)
    drain(dispatch)
    assert states(engine) == {"reader@example.org": DeliveryState.UNCERTAIN}


def test_what_a_failed_round_of_ours_held_waits_for_no_lease(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox, clock: Clock
) -> None:
    class Failing(Postbox):
        def send(self, mails: Iterable[Mail]) -> Iterator[Outcome]:
            next(iter(mails))
            raise OperationalError("", {}, Exception("gone"))
            yield

    add(engine, "one@example.org", "two@example.org")
    plan(engine, digest, NOW)
    with pytest.raises(OperationalError):
        drain(replace(dispatch, transport=Failing()))
    assert set(states(engine).values()) == {DeliveryState.SENDING}
    drain(dispatch)
    assert set(states(engine).values()) == {DeliveryState.UNCERTAIN}
    clock.now += AFTER_DOUBT
    drain(dispatch)
    assert set(states(engine).values()) == {DeliveryState.SENT}


def test_hold_leaves_an_uncertain_mail_alone(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox, clock: Clock
) -> None:
    add(engine, "reader@example.org")
    postbox.answers["reader@example.org"] = [Outcome(0, DeliveryState.UNCERTAIN, 0, "no answer")]
    plan(engine, digest, NOW)
    held = replace(dispatch, mail=MailSection(on_uncertain="hold"))
    drain(held)
    clock.now += timedelta(hours=5)
    drain(held)
    assert postbox.copies("reader@example.org") == 1
    with engine.connect() as conn:
        assert deliveries.open_batches(conn) == []


def test_an_uncertain_mail_is_tried_once_more_with_the_same_message_id(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox, clock: Clock
) -> None:
    add(engine, "reader@example.org")
    doubt = Outcome(0, DeliveryState.UNCERTAIN, 0, "no answer")
    postbox.answers["reader@example.org"] = [doubt, doubt]
    plan(engine, digest, NOW)
    for _ in range(4):
        drain(dispatch)
        clock.now += timedelta(hours=1)
    assert len({mail.message_id for mail in postbox.mails}) == 1
    assert postbox.copies("reader@example.org") == 2
    assert states(engine) == {"reader@example.org": DeliveryState.UNCERTAIN}
    assert balanced(engine)


def test_a_lost_lease_does_not_overwrite_the_new_owner(
    engine: Engine, dispatch: Dispatch, digest: Digest
) -> None:
    add(engine, "reader@example.org")
    plan(engine, digest, NOW)
    lost_process(engine, digest, "slow/1/a")
    with engine.begin() as conn:
        conn.execute(update(rows).values(owner="quick/2/b"))
        settlement = settle(
            Outcome(1, DeliveryState.SENT), Claim(1, "", Segment(), 0, 0, 0), NOW, "retry"
        )
        (subscriber_id,) = conn.scalars(select(rows.c.subscriber_id))
        late = replace(settlement, subscriber_id=subscriber_id)
        assert deliveries.record(conn, digest.id, "slow/1/a", [late], NOW) == 0
    assert states(engine) == {"reader@example.org": DeliveryState.SENDING}


def test_a_transport_that_says_nothing_is_an_error(
    engine: Engine, dispatch: Dispatch, digest: Digest
) -> None:
    class Silent(Postbox):
        def send(self, mails: Iterable[Mail]) -> Iterator[Outcome]:
            self.mails += list(mails)
            return iter(())

    add(engine, "reader@example.org")
    plan(engine, digest, NOW)
    with pytest.raises(TransportError, match="nothing said of them"):
        drain(replace(dispatch, transport=Silent()))


def test_an_uncertain_mail_never_becomes_not_sent(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox, clock: Clock
) -> None:
    add(engine, "reader@example.org")
    postbox.answers["reader@example.org"] = [Outcome(0, DeliveryState.UNCERTAIN, 0, "no answer")]
    plan(engine, digest, NOW)
    drain(dispatch)
    clock.now += timedelta(days=3)
    drain(dispatch)
    assert states(engine) == {"reader@example.org": DeliveryState.UNCERTAIN}
    with engine.connect() as conn:
        assert deliveries.open_batches(conn) == []


def test_an_outage_does_not_count_as_tries(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox, clock: Clock
) -> None:
    add(engine, "reader@example.org")
    plan(engine, digest, NOW)
    postbox.refuse_after = 0
    for _ in range(10):
        with pytest.raises(TransportError):
            drain(dispatch, insist=True)
        clock.now += timedelta(minutes=1)
    clock.now += timedelta(hours=1)
    postbox.refuse_after = None
    postbox.answers["reader@example.org"] = [Outcome(0, DeliveryState.DEFERRED, 451, "later")]
    drain(dispatch)
    with engine.connect() as conn:
        assert books.next_due(conn) == clock.now + timedelta(minutes=30)


def test_refusals_let_a_digest_rest_longer_each_time(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox, clock: Clock
) -> None:
    add(engine, "reader@example.org")
    plan(engine, digest, NOW)
    postbox.refuse_after = 0
    tried: list[datetime] = []
    for _ in range(60 * 6):
        try:
            drain(dispatch)
        except TransportError:
            tried.append(clock.now)
        clock.now += timedelta(minutes=1)
    pauses = [int((b - a).total_seconds() // 60) for a, b in pairwise(tried)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]


def test_a_rest_is_over_when_the_server_answers_for_a_mail(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox, clock: Clock
) -> None:
    add(engine, "one@example.org", "two@example.org")
    plan(engine, digest, NOW)
    postbox.refuse_after = 0
    for wait in (1, 2, 4):
        with pytest.raises(TransportError):
            drain(dispatch)
        clock.now += timedelta(minutes=wait)
    postbox.refuse_after = 1
    with pytest.raises(TransportError):
        drain(dispatch)
    with engine.connect() as conn:
        assert books.last_rest(conn, digest.id) == timedelta(minutes=1)
    postbox.refuse_after = None
    drain(dispatch, insist=True)
    with engine.connect() as conn:
        (of,) = books.of_digests(conn)
        assert (of.stopped, books.last_rest(conn, digest.id)) == ("", None)


def test_claims_of_processes_that_die_again_and_again_are_not_lost(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox, clock: Clock
) -> None:
    add(engine, "reader@example.org")
    plan(engine, digest, NOW)
    for _ in range(6):
        lost_process(engine, digest, dead_process(), clock.now)
        drain(dispatch)
        clock.now += timedelta(hours=4)
    assert postbox.mails == []
    drain(dispatch)
    assert states(engine) == {"reader@example.org": DeliveryState.SENT}
    assert len(postbox.mails) == 1


def test_the_hourly_limit_holds_across_digests_batches_and_processes(
    engine: Engine,
    dispatch: Dispatch,
    digest: Digest,
    postbox: Postbox,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deliver, "BATCH_SIZE", 7)
    add(engine, *(f"reader{n}@example.org" for n in range(50)))
    plan(engine, digest, NOW)
    postbox.limits = Limits(per_hour=20)
    counts: list[int] = []
    for _ in range(4):
        drain(replace(dispatch, owner=f"host/{len(counts)}/a"))
        drain(dispatch)
        counts.append(len(postbox.mails))
        clock.now += timedelta(minutes=61)
    assert counts == [20, 40, 50, 50]
    assert balanced(engine)


def test_places_in_the_second_reach_the_mails(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox, clock: Clock
) -> None:
    add(engine, *(f"reader{n}@example.org" for n in range(12)))
    plan(engine, digest, NOW)
    postbox.limits = Limits(per_second=4)
    drain(dispatch)
    starts = [mail.not_before for mail in postbox.mails]
    assert starts == sorted(starts)
    # Never faster. Slower where the machine is: a group's places begin when it is claimed.
    assert starts[11] - starts[0] > 11 / 4 - 0.001
    assert starts[3] - starts[0] == pytest.approx(3 / 4)


def test_a_digest_that_does_not_add_up_ends_loudly(
    engine: Engine, dispatch: Dispatch, digest: Digest
) -> None:
    add(engine, "one@example.org", "two@example.org")
    plan(engine, digest, NOW)
    with engine.begin() as conn:
        conn.execute(rows.delete().where(rows.c.subscriber_id == 1))
    with pytest.raises(BooksError, match="audience is 2 and 1 are accounted for"):
        drain(dispatch)


def test_an_address_spoiled_in_the_database_stops_nobody_else(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox
) -> None:
    add(engine, "one@example.org", "two@example.org", "three@example.org")
    plan(engine, digest, NOW)
    spoiled = "two@example.org>\r\nBcc: <all@example.org"
    with engine.begin() as conn:
        conn.execute(update(people).where(people.c.email.like("two%")).values(email=spoiled))
    drain(dispatch)
    assert sorted(mail.recipient for mail in postbox.mails) == [
        "one@example.org",
        "three@example.org",
    ]
    assert states(engine)[spoiled] is DeliveryState.FAILED


def test_closed_books_stand_when_deliveries_are_pruned(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox
) -> None:
    add(engine, "one@example.org", "two@example.org")
    postbox.answers["two@example.org"] = [Outcome(0, DeliveryState.FAILED, 550, "no")]
    plan(engine, digest, NOW)
    with engine.connect() as conn:
        (before,) = books.of_digests(conn)
    drain(dispatch)
    with engine.begin() as conn:
        (closed,) = books.of_digests(conn)
        conn.execute(rows.delete())
    with engine.connect() as conn:
        (pruned,) = books.of_digests(conn)
    assert (before.closed, closed.closed) == (False, True)
    assert pruned == closed
    assert pruned.counts == {DeliveryState.SENT: 1, DeliveryState.FAILED: 1}


def test_groups_are_half_a_second_of_sending() -> None:
    clock = 0.0
    stride = Stride(lambda: clock)
    sizes = []
    for pause in (0.1, 0.1, 0.1, 0.1, 0.3, 0.6, 0.6, 5, 5, 0.4, 0.1):
        clock += pause
        stride.begin()
        sizes.append(stride.size)
    assert sizes == [20, 40, 50, 50, 50, 25, 12, 10, 10, 10, 20]


def test_the_watch_is_told_what_was_written_down(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox
) -> None:
    add(engine, *(f"reader{n}@example.org" for n in range(80)))
    plan(engine, digest, NOW)
    postbox.answers["reader7@example.org"] = [Outcome(0, DeliveryState.FAILED, 550, "no")]
    seen: list[DeliveryState] = []

    def watch(of: Digest, settled: Sequence[Settlement]) -> None:
        assert of == digest
        seen.extend(settlement.state for settlement in settled)

    drain(replace(dispatch, watch=watch))
    assert sorted(seen) == sorted(states(engine).values())
    assert seen.count(DeliveryState.FAILED) == 1


def test_connections_do_not_outlive_a_drain(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox
) -> None:
    drain(dispatch)
    assert postbox.closed


def test_what_turns_stale_while_the_batch_is_sent_is_not_sent(
    engine: Engine, dispatch: Dispatch, digest: Digest, clock: Clock
) -> None:
    class Slow(Postbox):
        def send(self, mails: Iterable[Mail]) -> Iterator[Outcome]:
            clock.now += timedelta(days=3)
            yield from super().send(mails)

    add(engine, *(f"reader{n}@example.org" for n in range(60)))
    plan(engine, digest, NOW)
    slow = Slow()
    drain(replace(dispatch, transport=slow))
    assert DeliveryState.EXPIRED in states(engine).values()
    assert len(slow.mails) < 60
    assert balanced(engine)


def waiting_jobs(engine: Engine) -> list[datetime | None]:
    """When workers are to look at batches; they are forgotten by asking."""
    with engine.begin() as conn:
        taken = text("DELETE FROM procrastinate_jobs WHERE status = 'todo' RETURNING scheduled_at")
        return list(conn.scalars(taken))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_planning_calls_a_worker_to_each_batch(
    engine: Engine, digest: Digest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "BATCH_SIZE", 7)
    add(engine, *(f"reader{n}@example.org" for n in range(30)))
    plan(engine, digest, NOW)
    assert waiting_jobs(engine) == [None] * 5
    plan(engine, digest, NOW)
    assert waiting_jobs(engine) == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_workers_are_called_again_when_there_is_something_to_do(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox, clock: Clock
) -> None:
    add(engine, "grey@example.org")
    plan(engine, digest, NOW)
    waiting_jobs(engine)
    postbox.refuse_after = 0
    with pytest.raises(TransportError):
        drain(dispatch)
    assert waiting_jobs(engine) == [NOW + timedelta(minutes=1)]
    drain(dispatch)  # it rests
    assert waiting_jobs(engine) == [NOW + timedelta(minutes=1)]
    postbox.refuse_after = None
    postbox.answers["grey@example.org"] = [Outcome(0, DeliveryState.DEFERRED, 451, "later")]
    clock.now += timedelta(minutes=1)
    drain(dispatch)
    assert waiting_jobs(engine) == [clock.now + timedelta(minutes=30)]
    clock.now += timedelta(minutes=30)
    drain(dispatch)
    assert waiting_jobs(engine) == []
