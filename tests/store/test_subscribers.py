from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import Connection, Engine, insert, select

from trendbot import tastes
from trendbot.model import Cadence, Status, Subscriber, Taste
from trendbot.store import subscribers
from trendbot.store.schema import subscribers as table
from trendbot.store.subscribers import Entry

HASH = "a" * 64
OTHER = "b" * 64
TASTE = Taste(Cadence.WEEKLY, ("math", "cs.LG"), ("stat", "cs.CV"), 7, "Asia/Kolkata")
SORTED = replace(TASTE, topics=("cs.LG", "math"), fewer=("cs.CV", "stat"))


def add(
    conn: Connection, now: datetime, name: str = "Ada", status: Status = Status.PENDING
) -> Subscriber:
    added = subscribers.add(
        conn, f"{name}@example.org", f"{name.lower()}@example.org", status, Cadence.DAILY, (), now
    )
    assert added is not None
    return added


def left_at(conn: Connection, subscriber_id: int) -> datetime | None:
    return conn.scalar(select(table.c.left_at).where(table.c.id == subscriber_id))


def test_a_subscriber_comes_back_as_added(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        added = subscribers.add(
            conn,
            "Ada@Example.org",
            "ada@example.org",
            Status.PENDING,
            Cadence.WEEKLY,
            ["stat.ML", "cs.LG", "stat.ML"],
            now,
        )
        assert added is not None
        assert added == Subscriber(
            id=added.id,
            email="Ada@Example.org",
            status=Status.PENDING,
            cadence=Cadence.WEEKLY,
            topics=("cs.LG", "stat.ML"),
            created_at=now,
        )
        assert subscribers.find(conn, "ada@example.org") == added
        assert subscribers.get(conn, added.id) == added
        assert conn.scalar(select(table.c.topics)) == "cs.LG stat.ML"
        assert subscribers.find(conn, "Ada@Example.org") is None


def test_an_address_is_added_once(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        added = add(conn, now)
        again = subscribers.add(
            conn, "ADA@example.org", "ada@example.org", Status.ACTIVE, Cadence.WEEKLY, ["x"], now
        )
        assert again is None
        assert list(subscribers.every(conn)) == [added]


def test_two_who_add_the_same_address_add_it_once(engine: Engine, now: datetime) -> None:
    start = Barrier(2)

    def add_now() -> bool:
        start.wait(timeout=30)
        with engine.begin() as conn:
            return (
                subscribers.add(conn, "a@b.cd", "a@b.cd", Status.PENDING, Cadence.DAILY, (), now)
                is not None
            )

    with ThreadPoolExecutor(2) as pool:
        adding = [pool.submit(add_now) for _ in range(2)]
        assert sorted(one.result(timeout=60) for one in adding) == [False, True]


@pytest.mark.parametrize("status", Status)
def test_a_status_is_remembered_with_its_moment(
    engine: Engine, now: datetime, status: Status
) -> None:
    later = now + timedelta(days=3)
    with engine.begin() as conn:
        added = add(conn, now, "Ada", status)
        changed = add(conn, now, "Bo")
        subscribers.set_status(conn, changed.id, status, later)
        changed = subscribers.get(conn, changed.id)
        active, left = status is Status.ACTIVE, status is Status.UNSUBSCRIBED
        assert (added.status, changed.status) == (status, status)
        assert added.confirmed_at == (now if active else None)
        assert changed.confirmed_at == (later if active else None)
        assert left_at(conn, added.id) == (now if left else None)
        assert left_at(conn, changed.id) == (later if left else None)


def test_leaving_does_not_forget_the_confirmation(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        added = add(conn, now, status=Status.ACTIVE)
        subscribers.set_status(conn, added.id, Status.UNSUBSCRIBED, now + timedelta(days=1))
        assert subscribers.get(conn, added.id).confirmed_at == now


def test_only_the_one_named_is_changed(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        ada, bo = add(conn, now, "Ada"), add(conn, now, "Bo")
        subscribers.change(conn, ada.id, TASTE)
        subscribers.pause(conn, ada.id, date(2026, 12, 24))
        subscribers.set_status(conn, ada.id, Status.SUPPRESSED, now)
        subscribers.open_confirmation(conn, ada.id, HASH, now)
        changed = subscribers.get(conn, ada.id)
        assert tastes.of(changed) == SORTED
        assert changed.paused_until == date(2026, 12, 24)
        assert subscribers.get(conn, bo.id) == bo
        assert subscribers.confirmation_sent_at(conn, bo.id) is None


def test_everybody_is_listed_in_the_order_they_came(engine: Engine, now: datetime) -> None:
    status = [Status.ACTIVE, Status.PENDING]
    rows = [
        {
            "email": f"{number}@example.org",
            "email_key": f"{number}@example.org",
            "status": status[number % 2],
            "cadence": Cadence.DAILY,
            "topics": "",
            "created_at": now,
        }
        for number in range(2_500)
    ]
    with engine.begin() as conn:
        conn.execute(insert(table), rows)
        listed = [subscriber.id for subscriber in subscribers.every(conn)]
        active = [subscriber.email for subscriber in subscribers.every(conn, Status.ACTIVE)]
    assert listed == sorted(listed)
    assert len(listed) == 2_500
    assert active == [row["email"] for row in rows[::2]]


@pytest.mark.parametrize("status", [Status.PENDING, Status.UNSUBSCRIBED])
def test_a_confirmation_counts_once(engine: Engine, now: datetime, status: Status) -> None:
    later = now + timedelta(hours=1)
    with engine.begin() as conn:
        added = add(conn, now, status=status)
        subscribers.open_confirmation(conn, added.id, HASH, now)
        assert subscribers.confirmation_sent_at(conn, added.id) == now
        assert not subscribers.confirm(conn, added.id, OTHER, later)
        assert subscribers.confirm(conn, added.id, HASH, later)
        confirmed = subscribers.get(conn, added.id)
        assert (confirmed.status, confirmed.confirmed_at) == (Status.ACTIVE, later)
        assert not subscribers.confirm(conn, added.id, HASH, later)
        subscribers.set_status(conn, added.id, Status.UNSUBSCRIBED, later)
        assert not subscribers.confirm(conn, added.id, HASH, later)
        assert subscribers.get(conn, added.id).status is Status.UNSUBSCRIBED


@pytest.mark.parametrize("status", [Status.ACTIVE, Status.SUPPRESSED])
def test_nobody_else_is_confirmed(engine: Engine, now: datetime, status: Status) -> None:
    with engine.begin() as conn:
        added = add(conn, now, status=status)
        subscribers.open_confirmation(conn, added.id, HASH, now)
        assert not subscribers.confirm(conn, added.id, HASH, now)
        assert subscribers.get(conn, added.id).status is status


def test_nothing_is_confirmed_where_nothing_is_expected(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        added = add(conn, now)
        assert not subscribers.confirm(conn, added.id, "", now)
        subscribers.open_confirmation(conn, added.id, HASH, now)
        subscribers.open_confirmation(conn, added.id, OTHER, now)
        assert not subscribers.confirm(conn, added.id, HASH, now)
        subscribers.close_confirmation(conn, added.id)
        assert subscribers.confirmation_sent_at(conn, added.id) == now
        assert not subscribers.confirm(conn, added.id, OTHER, now)
        assert not subscribers.confirm(conn, added.id, "", now)
        subscribers.open_confirmation(conn, added.id, HASH, now)
        subscribers.forget_confirmation(conn, added.id)
        assert subscribers.confirmation_sent_at(conn, added.id) is None
        assert not subscribers.confirm(conn, added.id, HASH, now)
        assert subscribers.get(conn, added.id) == added


def test_what_is_expected_changes_only_who_expects_a_token(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        ada, bo = add(conn, now, "Ada"), add(conn, now, "Bo")
        subscribers.open_confirmation(conn, ada.id, HASH, now)
        for one in (ada, bo):
            subscribers.change_expected(conn, one.id, TASTE)
        assert tastes.of(subscribers.get(conn, ada.id)) == SORTED
        assert subscribers.get(conn, bo.id) == bo


@pytest.mark.parametrize("listed", Status)
@pytest.mark.parametrize("known", Status)
def test_a_list_changes_only_who_is_pending_or_left_and_is_dead(
    engine: Engine, now: datetime, known: Status, listed: Status
) -> None:
    changes = known is Status.PENDING or (known, listed) == (
        Status.UNSUBSCRIBED,
        Status.SUPPRESSED,
    )
    later = now + timedelta(days=1)
    with engine.begin() as conn:
        before, bystander = add(conn, now, status=known), add(conn, now, "Bo")
        entry = Entry(
            "ADA@example.org",
            "ada@example.org",
            listed,
            TASTE,
            later,
            later if listed is Status.ACTIVE else None,
            date(2026, 12, 24),
        )
        new = replace(entry, email="cy@example.org", email_key="cy@example.org")
        assert subscribers.take_in(conn, [], now) == set()
        taken = subscribers.take_in(conn, [entry, new], later)
        assert taken == ({"ada@example.org"} if changes else set()) | {"cy@example.org"}
        after = replace(
            before,
            status=listed,
            cadence=SORTED.cadence,
            topics=SORTED.topics,
            fewer=SORTED.fewer,
            hour=SORTED.hour,
            timezone=SORTED.timezone,
            paused_until=date(2026, 12, 24),
            confirmed_at=entry.confirmed_at,
        )
        assert subscribers.get(conn, before.id) == (after if changes else before)
        assert subscribers.get(conn, bystander.id) == bystander
        added = subscribers.find(conn, "cy@example.org")
        assert added is not None
        assert added == replace(after, id=added.id, email=new.email, created_at=later)
        left = {Status.UNSUBSCRIBED: later}.get(listed)
        assert left_at(conn, added.id) == left
        assert left_at(conn, before.id) == (
            left if known is Status.PENDING else now if known is Status.UNSUBSCRIBED else None
        )


def test_of_two_clicks_at_once_one_confirms(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        added = add(conn, now)
        subscribers.open_confirmation(conn, added.id, HASH, now)
    start = Barrier(2)

    def click() -> bool:
        start.wait(timeout=30)
        with engine.begin() as conn:
            return subscribers.confirm(conn, added.id, HASH, now)

    with ThreadPoolExecutor(2) as pool:
        clicks = [pool.submit(click) for _ in range(2)]
        assert sorted(one.result(timeout=60) for one in clicks) == [False, True]


def test_a_suppressed_address_stays_so_until_it_is_lifted(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        assert subscribers.suppression(conn, "ada@example.org") is None
        subscribers.suppress(conn, "ada@example.org", "550 5.1.1 no such user", now)
        subscribers.suppress(conn, "ada@example.org", "complained", now + timedelta(days=1))
        assert subscribers.suppression(conn, "ada@example.org") == "550 5.1.1 no such user"
        assert subscribers.suppression(conn, "bo@example.org") is None
        subscribers.lift_suppression(conn, "ada@example.org")
        subscribers.lift_suppression(conn, "bo@example.org")
        assert subscribers.suppression(conn, "ada@example.org") is None
