"""Delivery as readers wish it: at their hour, not while they pause, fewer of something."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from sqlalchemy import Engine, event, insert, select, update

from tests.digests import ranked
from tests.mails import body, parse
from tests.test_deliver import Clock, Postbox, balanced, states, waiting_jobs
from trendbot import deliver, due, tokens
from trendbot.deliver import Dispatch, drain, plan
from trendbot.model import Cadence, DeliveryState, Digest, Mail, Outcome, Status
from trendbot.settings import MailSection, Site
from trendbot.store import books, deliveries, digests, papers, subscribers
from trendbot.store.schema import deliveries as rows
from trendbot.store.schema import subscribers as people

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
DAY = date(2026, 11, 19)
SECRET = "a-secret-of-sixteen-characters"
UTC_ZONE = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")
NINE = NOW.replace(hour=9)


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


@pytest.fixture
def dispatch(engine: Engine, postbox: Postbox, clock: Clock) -> Dispatch:
    return Dispatch(engine, postbox, Site(), MailSection(), SECRET, clock)


@pytest.fixture
def digest(engine: Engine) -> Digest:
    """Nine papers: one of learning, then eight of vision."""
    entries = [ranked(1, "On learning")] + [
        ranked(place, f"On vision {place}", categories=("cs.CV", "cs.LG")) for place in range(2, 10)
    ]
    with engine.begin() as conn:
        papers.upsert(conn, [one.paper for one in entries], NOW)
        ids = papers.ids_of(conn, [one.paper.key for one in entries])
        kept = [(ids[one.paper.key], one) for one in entries]
        digest_id = digests.freeze(conn, Cadence.DAILY, DAY, DAY, DAY, NOW, NOW, kept)
        assert digest_id is not None
        return digests.by_id(conn, digest_id)


def subscribe(engine: Engine, name: str, **wishes: Any) -> str:
    """A reader with wishes; returns the address."""
    email = f"{name}@example.org"
    with engine.begin() as conn:
        subscribers.add(conn, email, email, Status.ACTIVE, Cadence.DAILY, (), NOW)
        if wishes:
            conn.execute(update(people).where(people.c.email == email).values(wishes))
    return email


def mailed(postbox: Postbox) -> set[str]:
    return {mail.recipient.partition("@")[0] for mail in postbox.mails}


def of_digest(engine: Engine, now: datetime) -> books.Books:
    with engine.connect() as conn:
        (of,) = books.of_digests(conn, now=now)
    return of


def test_a_mail_waits_for_its_readers_hour(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox, clock: Clock
) -> None:
    subscribe(engine, "whenever", timezone="Asia/Tokyo")
    subscribe(engine, "now", hour=7)
    subscribe(engine, "nine", hour=9)
    subscribe(engine, "nine-on-mars", hour=9, timezone="Mars/Olympus")
    subscribe(engine, "berlin", hour=9, timezone="Europe/Berlin")
    subscribe(engine, "tokyo", hour=15, timezone="Asia/Tokyo")  # it is 16:00 there
    subscribe(engine, "nonsense", hour=99)
    assert plan(engine, digest, NOW) == 7
    drain(dispatch)
    assert mailed(postbox) == {"whenever", "now", "nonsense"}
    assert states(engine)["nine@example.org"] is DeliveryState.PENDING
    assert balanced(engine)
    assert of_digest(engine, clock.now).waiting == 4
    steps = [
        (NINE.replace(hour=8), {"berlin"}),
        (NINE - timedelta(seconds=1), set()),
        (NINE, {"nine", "nine-on-mars"}),
        (NOW.replace(day=21, hour=6), {"tokyo"}),
    ]
    for moment, readers in steps:
        clock.now = moment
        postbox.mails.clear()
        drain(dispatch)
        assert mailed(postbox) == readers
    with engine.connect() as conn:
        assert deliveries.open_batches(conn) == []
    assert of_digest(engine, clock.now).counts == {DeliveryState.SENT: 7}
    assert of_digest(engine, clock.now).waiting == 0


def test_an_hour_is_that_of_the_schedule_where_no_zone_is_named(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox
) -> None:
    subscribe(engine, "eight", hour=8)
    subscribe(engine, "seven", hour=7)
    plan(engine, digest, NOW, BERLIN)  # where it is eight
    drain(dispatch)
    assert mailed(postbox) == {"eight"}


@pytest.mark.parametrize(("hours", "at_once"), [(2, False), (1, True)])
def test_an_hour_too_late_for_the_digest_is_not_waited_for(
    engine: Engine,
    dispatch: Dispatch,
    digest: Digest,
    postbox: Postbox,
    clock: Clock,
    hours: int,
    at_once: bool,
) -> None:
    subscribe(engine, "nine", hour=9)
    max_age = timedelta(hours=hours)
    plan(engine, digest, NOW, max_age=max_age)
    dispatch = replace(dispatch, mail=MailSection(max_age=max_age))
    drain(dispatch)
    assert bool(postbox.mails) is at_once
    clock.now = NINE
    drain(dispatch)
    assert set(states(engine).values()) == {DeliveryState.SENT}
    assert len(postbox.mails) == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_hour_of_every_time_zone_is_planned(engine: Engine, digest: Digest) -> None:
    pairs = [(hour, name) for name in sorted(available_timezones()) for hour in range(24)]
    assert len(pairs) > 10_000  # more than SQLite takes values for, with three of them each
    readers = [
        {
            **dict.fromkeys(("email", "email_key"), f"reader{number}@example.org"),
            "status": "active",
            "cadence": "daily",
            "topics": "",
            "created_at": NOW,
            "hour": hour,
            "timezone": name,
        }
        for number, (hour, name) in enumerate(pairs)
    ]
    with engine.begin() as conn:
        conn.execute(insert(people), readers)
    assert plan(engine, digest, NOW) == len(pairs)
    with engine.connect() as conn:
        found = conn.execute(
            select(people.c.hour, people.c.timezone, rows.c.next_at).join(
                people, people.c.id == rows.c.subscriber_id
            )
        ).all()
    for hour, name, next_at in found:
        moment = due.at_hour(NOW, hour, ZoneInfo(name))
        assert next_at == (None if moment == NOW else moment)


def test_batches_in_which_all_wait_are_left_alone(
    engine: Engine, dispatch: Dispatch, digest: Digest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "BATCH_SIZE", 2)
    for number in range(6):
        subscribe(engine, f"reader{number}", hour=9 if number < 4 else None)
    plan(engine, digest, NOW)
    drain(dispatch)
    said: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: said.append(args[2]))
    drain(dispatch)
    assert {statement.split()[0] for statement in said} <= {"BEGIN", "SELECT"}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_worker_is_called_again_at_the_next_hour(
    engine: Engine, dispatch: Dispatch, digest: Digest, clock: Clock
) -> None:
    for name, hour in (("now", None), ("nine", 9), ("ten", 10)):
        subscribe(engine, name, hour=hour)
    plan(engine, digest, NOW)
    waiting_jobs(engine)
    drain(replace(dispatch, stop=iter([False, True]).__next__))  # before anything was sent
    assert waiting_jobs(engine) == [NOW]
    drain(dispatch)
    assert waiting_jobs(engine) == [NINE]
    clock.now = NINE
    drain(dispatch)
    assert waiting_jobs(engine) == [NINE.replace(hour=10)]


def test_who_pauses_is_not_in_the_audience_until_the_day(engine: Engine, digest: Digest) -> None:
    subscribe(engine, "back-today", paused_until=date(2026, 11, 20))
    subscribe(engine, "back-tomorrow", paused_until=date(2026, 11, 21))
    assert plan(engine, digest, NOW) == 1
    assert set(states(engine)) == {"back-today@example.org"}


def test_a_day_begins_where_the_schedule_is(engine: Engine, digest: Digest) -> None:
    subscribe(engine, "back-tomorrow", paused_until=date(2026, 11, 21))
    late = NOW.replace(hour=23, minute=30)
    assert plan(engine, digest, late, BERLIN) == 1


def test_who_begins_to_pause_before_the_claim_gets_nothing(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox, clock: Clock
) -> None:
    for name in ("pauses", "back-today", "stays"):
        subscribe(engine, name)
    plan(engine, digest, NOW)
    with engine.begin() as conn:
        for name, until in (("pauses", date(2026, 11, 22)), ("back-today", date(2026, 11, 21))):
            of_reader = people.c.email == f"{name}@example.org"
            conn.execute(update(people).where(of_reader).values(paused_until=until))
    clock.now = NOW.replace(hour=23, minute=30)
    drain(replace(dispatch, zone=BERLIN))  # where it is the 21st
    assert mailed(postbox) == {"stays", "back-today"}
    with engine.connect() as conn:
        told = conn.execute(select(rows.c.state, rows.c.detail).where(rows.c.detail != "")).one()
    assert told == (DeliveryState.SUPPRESSED, "not sent: paused until 2026-11-22")
    assert balanced(engine)


ERASED = {"status": Status.ERASED, "email": "", "email_key": "erased:abc"}


def test_who_was_erased_is_never_mailed(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox
) -> None:
    subscribe(engine, "stays")
    subscribe(engine, "goes")
    plan(engine, digest, NOW)
    with engine.begin() as conn:
        conn.execute(update(people).where(people.c.email == "goes@example.org").values(ERASED))
    drain(dispatch)
    assert mailed(postbox) == {"stays"}
    assert states(engine)[""] is DeliveryState.SUPPRESSED
    assert balanced(engine)


def test_who_is_erased_while_the_mail_is_under_way_stays_erased(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox
) -> None:
    class Slow(Postbox):
        def send(self, mails: Iterable[Mail]) -> Iterator[Outcome]:
            for mail in mails:
                with engine.begin() as conn:
                    conn.execute(update(people).values(ERASED))
                yield Outcome(mail.id, DeliveryState.SUPPRESSED, 550, "5.1.1 no such user")

    subscribe(engine, "goes")
    plan(engine, digest, NOW)
    drain(replace(dispatch, transport=Slow()))
    with engine.connect() as conn:
        assert conn.scalar(select(people.c.status)) == Status.ERASED
        assert subscribers.suppression(conn, "") is None
    assert states(engine) == {"": DeliveryState.SUPPRESSED}


def titles(mail: Mail) -> Sequence[str]:
    plain = body(parse(mail.message), "plain")
    return [line.partition(". ")[2] for line in plain.splitlines() if ". On " in line]


def test_each_reader_gets_what_they_asked_for_and_links_of_their_own(
    engine: Engine, dispatch: Dispatch, digest: Digest, postbox: Postbox
) -> None:
    less = ["On learning", "On vision 2", "On vision 3", "On vision 4"]
    everything = ["On learning", *(f"On vision {place}" for place in range(2, 10))]
    wanted = {
        subscribe(engine, "all"): everything,
        subscribe(engine, "less", fewer="cs.CV"): less,
        subscribe(engine, "less-learning", fewer="cs.LG"): everything,
        subscribe(engine, "vision", topics="cs.CV", fewer="cs.CV"): less[1:],
        subscribe(engine, "vision-only", topics="cs.CV"): everything[1:],
    }
    plan(engine, digest, NOW)
    drain(dispatch)
    assert {mail.recipient: titles(mail) for mail in postbox.mails} == wanted
    for mail in postbox.mails:
        plain = body(parse(mail.message), "plain")
        for purpose in (tokens.UNSUBSCRIBE, tokens.PREFERENCES):
            token = plain.partition(f"/{purpose}/")[2].split()[0]
            assert tokens.verify((SECRET,), purpose, token) == str(mail.id)
