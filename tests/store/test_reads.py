"""What paid reads were for, what they brought, and what was planned for the day."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import Engine

from trendbot.model import Paper, Post, Reading, There
from trendbot.store import papers, posts, reads
from trendbot.store.engine import open_store
from trendbot.store.reads import Reads

DAY = date(2026, 11, 20)
NEXT = DAY + timedelta(days=1)


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    engine = open_store("sqlite:///reads.db", tmp_path)
    yield engine
    engine.dispose()


def test_reads_add_up_by_purpose_day_and_signal(engine: Engine) -> None:
    with engine.begin() as conn:
        assert reads.of_day(conn, "x", DAY) == {}
        reads.add(conn, "x", DAY, "size", 1, 0, 0, 0.005)
        reads.add(conn, "x", DAY, "search", 1, 100, 40, 0.5)
        reads.add(conn, "x", DAY, "search", 1, 30, 7, 0.15)
        reads.add(conn, "x", NEXT, "search", 1, 3, 3, 0.015)
        reads.add(conn, "other", DAY, "search", 1, 9, 9, 0.045)
        assert reads.of_day(conn, "x", DAY) == {
            "search": Reads(2, 130, 47, 0.65),
            "size": Reads(1, 0, 0, 0.005),
        }
        assert reads.of_day(conn, "x", NEXT) == {"search": Reads(1, 3, 3, 0.015)}


def test_cents_do_not_get_lost_in_many_small_sums(sqlite: Engine) -> None:
    with sqlite.begin() as conn:
        for _ in range(300):
            reads.add(conn, "x", DAY, "refresh", 1, 1, 0, 0.005)
        assert reads.of_day(conn, "x", DAY) == {"refresh": Reads(300, 300, 0, 1.5)}


def test_two_who_add_at_once_lose_nothing(engine: Engine) -> None:
    start = Barrier(4)

    def add() -> None:
        start.wait(timeout=30)
        for _ in range(10):
            with engine.begin() as conn:
                reads.add(conn, "x", DAY, "search", 1, 100, 5, 0.5)

    with ThreadPoolExecutor(4) as pool:
        for one in [pool.submit(add) for _ in range(4)]:
            one.result(timeout=60)
    with engine.connect() as conn:
        assert reads.of_day(conn, "x", DAY) == {"search": Reads(40, 4000, 200, 20.0)}


def test_a_plan_is_for_its_day_and_signal(engine: Engine) -> None:
    with engine.begin() as conn:
        assert reads.planned(conn, "x", DAY) == {}
        reads.plan(conn, "x", DAY, {"lowest": 5, "counted": [[5, 900]]})
        reads.plan(conn, "other", DAY, {"lowest": 7})
        reads.plan(conn, "x", DAY, {"lowest": 5, "counted": [[5, 900], [20, 90]]})
        assert reads.planned(conn, "x", DAY) == {"lowest": 5, "counted": [[5, 900], [20, 90]]}
        assert reads.planned(conn, "x", NEXT) == {}
        reads.plan(conn, "x", NEXT, {})
        assert reads.planned(conn, "x", DAY) == {}
        assert reads.planned(conn, "other", DAY) == {"lowest": 7}


def test_the_counts_of_stored_posts_are_those_of_the_last_look(
    sqlite: Engine, now: datetime
) -> None:
    paper = Paper("arxiv", "2611.1", "Owls", (), ("cs.LG",), DAY)

    def post(signal: str, number: str, hours: int, favorites: int) -> Post:
        url = f"https://example.org/{number}"
        reading = Reading(now + timedelta(hours=hours), 3, favorites)
        return Post(signal, number, (paper.key,), "ada", url, now, "", reading)

    with sqlite.begin() as conn:
        papers.upsert(conn, [paper], now)
        posts.upsert(conn, [post("x", "1", 0, 5), post("x", "2", 0, 9), post("other", "1", 0, 99)])
        posts.upsert(conn, [post("x", "1", 1, 6)])
        later = now + timedelta(hours=1)
        assert reads.known(conn, "x", ["1", "77"]) == {"1": (3, 6, later)}
        posts.confirm(conn, [There("x", "1", later + timedelta(hours=1))])  # which reads nothing
        assert reads.known(conn, "x", ["1", "77"]) == {"1": (3, 6, later)}
        assert reads.known(conn, "x", []) == {}
