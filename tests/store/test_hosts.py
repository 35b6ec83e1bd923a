from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import Connection, Engine

from trendbot.health import Host
from trendbot.store import hosts

HOST = "api.example.org"
WHY = "answered HTTP 503 in 4 tries"
MINUTE = timedelta(minutes=1)


def fail(conn: Connection, now: datetime, times: int, reached: bool = True) -> Host:
    for _ in range(times):
        hosts.failed(conn, HOST, WHY, reached, now)
    found = hosts.find(conn, HOST)
    assert found is not None
    return found


def test_three_failures_in_a_row_close_a_host(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        assert hosts.find(conn, HOST) is None
        assert fail(conn, now, 2) == Host(HOST, 2, WHY, now, None)
        assert fail(conn, now, 1) == Host(HOST, 3, WHY, now, now + 15 * MINUTE)
        hosts.failed(conn, "other.example.org", WHY, True, now)
        assert [one.host for one in hosts.ailing(conn)] == [HOST, "other.example.org"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_one_that_works_again_is_forgotten(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        hosts.failed(conn, "other.example.org", WHY, True, now)
        fail(conn, now, 2)
        hosts.worked(conn, HOST)
        assert [one.host for one in hosts.ailing(conn)] == ["other.example.org"]
        assert fail(conn, now, 1).failures == 1


def test_a_closed_host_is_tried_by_one_once_its_time_is_over(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        fail(conn, now, 3)
        assert not hosts.let_through(conn, HOST, now + 14 * MINUTE)
        assert hosts.let_through(conn, HOST, now + 15 * MINUTE)
        assert not hosts.let_through(conn, HOST, now + 16 * MINUTE)
        assert hosts.let_through(conn, HOST, now + 30 * MINUTE)  # who tried must have died
        assert not hosts.let_through(conn, "other.example.org", now + 30 * MINUTE)


def test_of_many_at_once_one_is_let_through(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        fail(conn, now, 3)
    barrier = Barrier(4)

    def ask(_: int) -> bool:
        barrier.wait()
        with engine.begin() as conn:
            return hosts.let_through(conn, HOST, now + 15 * MINUTE)

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(ask, range(4))) == [False, False, False, True]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_it_is_closed_for_longer_each_time(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        fail(conn, now, 2)
        pauses = []
        for _ in range(7):
            closed = fail(conn, now, 1)
            assert closed.closed_until is not None
            pauses.append((closed.closed_until - now) // MINUTE)
    assert pauses == [15, 30, 60, 120, 240, 360, 360]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_where_nobody_was_reached_it_is_closed_for_minutes_only(
    engine: Engine, now: datetime
) -> None:
    """Our own network was down for days: what is well is asked soon after it is back."""
    with engine.begin() as conn:
        assert fail(conn, now, 50, reached=False).closed_until == now + 15 * MINUTE
        # What the first gateway says that is reached again is no hundredth failure either.
        assert fail(conn, now, 1).closed_until == now + 30 * MINUTE


def test_whoever_types_a_command_has_all_hosts_tried_at_once(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        fail(conn, now, 9)
        hosts.failed(conn, "other.example.org", WHY, True, now)
        hosts.reopen(conn)
        found = {one.host: (one.failures, one.closed_until) for one in hosts.ailing(conn)}
        assert found == {HOST: (2, None), "other.example.org": (1, None)}
        assert fail(conn, now, 1).closed_until == now + 15 * MINUTE


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_long_reason_is_cut(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        hosts.failed(conn, HOST, "x" * 10_000, True, now)
        found = hosts.find(conn, HOST)
        assert found is not None
        assert len(found.reason) == 300


def test_hosts_that_nobody_asks_any_more_are_forgotten(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        hosts.failed(conn, "old.example.org", WHY, True, now - timedelta(days=8))
        fail(conn, now - timedelta(days=6), 3)
        hosts.prune(conn, now - timedelta(days=7))
        assert [one.host for one in hosts.ailing(conn)] == [HOST]
