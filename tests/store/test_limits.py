"""Buckets: how many fit, how fast they fill, and that all processes see the same."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, func, select

from trendbot.store import limits
from trendbot.store.schema import limits as table

HOUR = timedelta(hours=1)


def take(engine: Engine, now: datetime, **rates: int) -> dict[str, timedelta]:
    with engine.begin() as conn:
        return limits.take(conn, rates, now)


def rows(engine: Engine) -> int:
    with engine.connect() as conn:
        return conn.scalars(select(func.count()).select_from(table)).one()


def test_a_bucket_holds_an_hours_worth_and_fills_evenly(engine: Engine, now: datetime) -> None:
    for _ in range(4):
        assert take(engine, now, ada=4) == {}
    assert take(engine, now, ada=4) == {"ada": HOUR / 4}
    later = now + HOUR / 8
    assert take(engine, later, ada=4) == {"ada": HOUR / 8}
    assert take(engine, now + HOUR / 4, ada=4) == {}
    assert take(engine, now + HOUR / 4, ada=4) == {"ada": HOUR / 4}
    for _ in range(4):
        assert take(engine, now + 3 * HOUR, ada=4) == {}
    assert take(engine, now + 3 * HOUR, ada=4) != {}


def test_each_key_has_a_bucket_of_its_own(engine: Engine, now: datetime) -> None:
    assert take(engine, now, ada=1, bo=2) == {}
    assert take(engine, now, ada=1, bo=2) == {"ada": HOUR}
    assert take(engine, now, bo=2) == {"bo": HOUR / 2}  # taken though ada had none


def test_who_rolls_back_took_nothing(engine: Engine, now: datetime) -> None:
    with engine.connect() as conn:
        assert limits.take(conn, {"ada": 1}, now) == {}
        conn.rollback()
    assert take(engine, now, ada=1) == {}


def test_zero_is_no_limit_and_leaves_no_row(engine: Engine, now: datetime) -> None:
    for _ in range(3):
        assert take(engine, now, ada=0) == {}
    assert rows(engine) == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.integers(1, 7), st.lists(st.integers(0, 40), min_size=1, max_size=40))
def test_never_more_than_a_burst_and_what_filled_up_since(
    engine: Engine, now: datetime, rate: int, minutes: list[int]
) -> None:
    with engine.begin() as conn:
        conn.execute(delete(table))
        at, taken = now, 0
        for pause in minutes:
            at += timedelta(minutes=pause)
            taken += not limits.take(conn, {"key": rate}, at)
        assert 1 <= taken <= rate + (at - now) / HOUR * rate


def test_of_many_at_once_no_more_get_through(engine: Engine, now: datetime) -> None:
    start = Barrier(6)

    def take_now(number: int) -> int:
        start.wait(timeout=30)
        # In other orders, to meet in a circle if they could.
        keys = ["total", "domain", f"client {number % 2}"]
        if number % 2:
            keys.reverse()
        return sum(
            not take(engine, now, **dict.fromkeys(keys, 9) | {f"own {number}": 9}) for _ in range(3)
        )

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(take_now, range(6))) <= 9
    assert take(engine, now, total=9) == {"total": HOUR / 9}


def test_once_is_once_until_the_pause_is_over(engine: Engine, now: datetime) -> None:
    day = timedelta(days=1)

    def once(at: datetime, key: str = "export 1") -> bool:
        with engine.begin() as conn:
            return limits.once(conn, key, day, at)

    assert once(now)
    assert not once(now)
    assert once(now, "export 2")
    assert not once(now + day - timedelta(seconds=1))
    assert once(now + day)
    assert not once(now + day + timedelta(hours=23))


def test_of_many_who_are_once_at_once_one_is(engine: Engine, now: datetime) -> None:
    start = Barrier(4)

    def once(_number: int) -> bool:
        start.wait(timeout=30)
        with engine.begin() as conn:
            return limits.once(conn, "export 1", HOUR, now)

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(once, range(4))) == 1


def test_only_full_buckets_are_forgotten(engine: Engine, now: datetime) -> None:
    take(engine, now, ada=1, bo=2)
    with engine.begin() as conn:
        limits.prune(conn, now + HOUR / 2)
    assert rows(engine) == 1
    assert take(engine, now + HOUR / 2, ada=1) == {"ada": HOUR / 2}
    with engine.begin() as conn:
        limits.prune(conn, now + HOUR)
    assert rows(engine) == 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_who_forgets_waits_for_nobody(engine: Engine, now: datetime) -> None:
    take(engine, now, ada=1, bo=1)
    with engine.begin() as holder, engine.begin() as conn:
        limits.take(holder, {"ada": 1}, now)
        limits.prune(conn, now + 2 * HOUR)
    assert rows(engine) == 1
