"""Notices: one of a kind for each, claimed by one, given back by time."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import Engine, update

from tests.digests import MADE, planned
from trendbot.model import Cadence, Status
from trendbot.notice_letters import Kind
from trendbot.store import notices, subscribers
from trendbot.store.notices import Notice
from trendbot.store.schema import digests

LATER = timedelta(minutes=10)


@pytest.fixture
def ada(engine: Engine, now: datetime) -> int:
    return subscriber(engine, now, "ada@example.org")


def subscriber(engine: Engine, now: datetime, email: str, status: Status = Status.ACTIVE) -> int:
    with engine.begin() as conn:
        added = subscribers.add(conn, email, email, status, Cadence.DAILY, (), now)
        assert added is not None
        return added.id


def queue(engine: Engine, kind: Kind, subscriber_id: int, now: datetime) -> bool:
    with engine.begin() as conn:
        return notices.queue(conn, kind, subscriber_id, now)


def claim(engine: Engine, now: datetime) -> Notice | None:
    with engine.begin() as conn:
        return notices.claim(conn, now, now + LATER)


def waiting(engine: Engine) -> int:
    with engine.connect() as conn:
        return notices.waiting(conn)


def test_one_of_a_kind_waits_for_each(engine: Engine, now: datetime, ada: int) -> None:
    bo = subscriber(engine, now, "bo@example.org")
    asked = [(Kind.CONFIRM, ada), (Kind.CONFIRM, ada), (Kind.KNOWN, ada), (Kind.CONFIRM, bo)]
    assert [queue(engine, *one, now) for one in asked] == [True, False, True, True]
    assert waiting(engine) == 3


@pytest.mark.parametrize("is_erased", [True, False])
def test_nothing_waits_for_nobody(engine: Engine, now: datetime, is_erased: bool) -> None:
    nobody = subscriber(engine, now, "", Status.ERASED) if is_erased else 999
    assert not queue(engine, Kind.CONFIRM, nobody, now)
    assert waiting(engine) == 0


def test_a_claim_ends_by_itself_and_counts_the_tries(
    engine: Engine, now: datetime, ada: int
) -> None:
    queue(engine, Kind.CONFIRM, ada, now)
    first = claim(engine, now)
    assert first is not None
    assert (first.kind, first.subscriber_id) == (Kind.CONFIRM, ada)
    assert (first.created_at, first.attempts) == (now, 1)
    assert claim(engine, now + LATER - timedelta(seconds=1)) is None
    second = claim(engine, now + LATER)
    assert second is not None
    assert (second.id, second.created_at, second.attempts) == (first.id, now, 2)


def test_who_waits_longest_is_first_and_what_is_put_off_waits(
    engine: Engine, now: datetime, ada: int
) -> None:
    minute = timedelta(minutes=1)
    queue(engine, Kind.KNOWN, ada, now + minute)
    queue(engine, Kind.CONFIRM, ada, now)
    assert claim(engine, now - minute) is None
    first = claim(engine, now + minute)
    assert first is not None
    assert first.kind is Kind.CONFIRM
    with engine.begin() as conn:
        notices.put_off(conn, first, now + 3 * minute)
    second = claim(engine, now + 2 * minute)
    assert second is not None
    assert second.kind is Kind.KNOWN
    with engine.begin() as conn:
        notices.done(conn, second)
    assert waiting(engine) == 1
    assert claim(engine, now + 2 * minute) is None
    assert claim(engine, now + 3 * minute) is not None


def test_what_waits_is_forgotten_by_kind_or_all(engine: Engine, now: datetime, ada: int) -> None:
    bo = subscriber(engine, now, "bo@example.org")
    for kind in Kind:
        queue(engine, kind, ada, now)
        queue(engine, kind, bo, now)
    with engine.begin() as conn:
        notices.forget(conn, ada, Kind.CONFIRM, Kind.KNOWN)
    assert waiting(engine) == 2 * len(Kind) - 2
    with engine.begin() as conn:
        notices.forget(conn, ada)
    assert waiting(engine) == len(Kind)


def test_many_who_claim_at_once_get_different_ones(engine: Engine, now: datetime, ada: int) -> None:
    kinds = [Kind.CONFIRM, Kind.KNOWN, Kind.EXPORT]
    for kind in kinds:
        queue(engine, kind, ada, now)
    start = Barrier(5)

    def claim_now(_number: int) -> Notice | None:
        start.wait(timeout=30)
        return claim(engine, now)

    with ThreadPoolExecutor(5) as pool:
        claimed = [one for one in pool.map(claim_now, range(5)) if one is not None]
    # Who looks while another holds the row it would have taken may find none, and looks again.
    while (one := claim(engine, now)) is not None:
        claimed.append(one)
    assert sorted(one.kind for one in claimed) == sorted(kinds)
    assert {one.attempts for one in claimed} == {1}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_another_holds_is_passed_over(engine: Engine, now: datetime, ada: int) -> None:
    queue(engine, Kind.CONFIRM, ada, now)
    queue(engine, Kind.KNOWN, ada, now + timedelta(seconds=1))
    later = now + timedelta(minutes=1)
    with engine.begin() as holder:
        assert notices.claim(holder, later, later + LATER) is not None
        other = claim(engine, later)
        assert other is not None
        assert other.kind is Kind.KNOWN


def test_a_welcome_brings_the_newest_digest_that_does_not_come_by_itself(
    engine: Engine,
) -> None:
    with engine.connect() as conn:
        assert notices.latest_digest(conn, Cadence.DAILY, MADE) is None
    old, new = planned(engine, date(2026, 11, 18), 0), planned(engine, date(2026, 11, 19), 0)
    hour = timedelta(hours=1)
    with engine.begin() as conn:
        assert notices.latest_digest(conn, Cadence.WEEKLY, MADE) is None
        assert notices.latest_digest(conn, Cadence.DAILY, MADE) == new
        conn.execute(update(digests).where(digests.c.id == new.id).values(planned_at=None))
        assert notices.latest_digest(conn, Cadence.DAILY, MADE + hour) == old
        assert notices.latest_digest(conn, Cadence.DAILY, MADE + 25 * hour) == new
