from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import Connection, Engine

from trendbot.store import runs
from trendbot.store.runs import Run

DAY = date(2026, 11, 20)
NEXT = DAY + timedelta(days=1)


def test_a_run_is_written_down_from_start_to_end(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        run = runs.start(conn, "source", "arxiv", DAY, NEXT, now)
        assert runs.last_of_each(conn, "source") == [
            Run(run, "source", "arxiv", DAY, NEXT, now, None, "running", 0, "")
        ]
        assert runs.last_finished(conn, "source", "arxiv") is None
        later = now + timedelta(minutes=1)
        runs.finish(conn, run, "failed", 17, "it answered 503", later)
        assert runs.last_finished(conn, "source", "arxiv") == Run(
            run, "source", "arxiv", DAY, NEXT, now, later, "failed", 17, "it answered 503"
        )


def test_only_the_run_named_is_finished(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        first = runs.start(conn, "source", "arxiv", DAY, DAY, now)
        runs.start(conn, "signal", "x", DAY, DAY, now)
        runs.finish(conn, first, "ok", 1, "", now)
        (other,) = runs.last_of_each(conn, "signal")
        assert other.outcome == "running"


def finished(
    conn: Connection, kind: str, name: str, until: date, outcome: str, now: datetime
) -> int:
    run = runs.start(conn, kind, name, DAY, until, now)
    runs.finish(conn, run, outcome, 0, "", now)
    return run


def test_the_last_finished_run_is_the_newest_of_its_kind_and_name(
    engine: Engine, now: datetime
) -> None:
    with engine.begin() as conn:
        assert runs.last_finished(conn, "source", "arxiv") is None
        finished(conn, "source", "arxiv", NEXT, "ok", now)
        newest = finished(conn, "source", "arxiv", DAY, "failed", now - timedelta(hours=1))
        finished(conn, "source", "sample", DAY, "ok", now)
        finished(conn, "signal", "arxiv", DAY, "ok", now)
        runs.start(conn, "source", "arxiv", NEXT, NEXT, now)
        found = runs.last_finished(conn, "source", "arxiv")
        assert found is not None
        assert found.id == newest


def test_the_last_of_each_name_are_listed(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        assert runs.last_of_each(conn, "signal") == []
        newest = {}
        for name in ("x", "huggingface", "x", "hn", "x"):
            newest[name] = finished(conn, "signal", name, DAY, "ok", now)
        finished(conn, "source", "arxiv", DAY, "ok", now)
        found = runs.last_of_each(conn, "signal")
        assert [(run.name, run.id) for run in found] == sorted(newest.items())


def test_only_days_told_about_are_covered(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        assert runs.covered_until(conn, "source", "arxiv") is None
        finished(conn, "source", "arxiv", DAY + timedelta(days=9), "failed", now)
        finished(conn, "source", "arxiv", DAY + timedelta(days=9), "stopped", now)
        runs.start(conn, "source", "arxiv", DAY, DAY + timedelta(days=9), now)
        finished(conn, "source", "sample", DAY + timedelta(days=9), "ok", now)
        finished(conn, "digest", "arxiv", DAY + timedelta(days=9), "ok", now)
        assert runs.covered_until(conn, "source", "arxiv") is None
        finished(conn, "source", "arxiv", DAY, "ok", now)
        assert runs.covered_until(conn, "source", "arxiv") == DAY
        finished(conn, "source", "arxiv", NEXT, "quiet", now)
        finished(conn, "source", "arxiv", DAY, "ok", now)
        assert runs.covered_until(conn, "source", "arxiv") == NEXT


def test_reads_are_booked_up_to_the_limit(engine: Engine) -> None:
    with engine.begin() as conn:
        assert runs.budget(conn, "x", DAY) == (0, "")
        assert runs.reserve(conn, "x", DAY, 60, 100) == 60
        assert runs.reserve(conn, "x", DAY, 60, 100) == 40
        assert runs.reserve(conn, "x", DAY, 60, 100) == 0
        assert runs.budget(conn, "x", DAY) == (100, "")


def test_each_signal_and_day_has_its_own_budget(engine: Engine) -> None:
    with engine.begin() as conn:
        runs.reserve(conn, "x", DAY, 100, 100)
        assert runs.reserve(conn, "x", NEXT, 100, 100) == 100
        assert runs.reserve(conn, "bluesky", DAY, 100, 100) == 100
        runs.release(conn, "x", DAY, 30)
        runs.stop(conn, "x", NEXT, "out of credit")
        assert runs.budget(conn, "x", DAY) == (70, "")
        assert runs.budget(conn, "x", NEXT) == (100, "out of credit")
        assert runs.budget(conn, "bluesky", DAY) == (100, "")


@pytest.mark.parametrize(("wanted", "limit"), [(0, 100), (-5, 100), (10, 0), (10, -1)])
def test_nothing_is_booked_where_nothing_is_wanted_or_allowed(
    engine: Engine, wanted: int, limit: int
) -> None:
    with engine.begin() as conn:
        assert runs.reserve(conn, "x", DAY, wanted, limit) == 0
        assert runs.budget(conn, "x", DAY) == (0, "")


def test_a_limit_lowered_during_the_day_takes_nothing_back(engine: Engine) -> None:
    with engine.begin() as conn:
        runs.reserve(conn, "x", DAY, 80, 100)
        assert runs.reserve(conn, "x", DAY, 10, 50) == 0
        assert runs.budget(conn, "x", DAY) == (80, "")


def test_unused_reads_can_be_booked_again(engine: Engine) -> None:
    with engine.begin() as conn:
        runs.reserve(conn, "x", DAY, 100, 100)
        runs.release(conn, "x", DAY, 25)
        assert runs.reserve(conn, "x", DAY, 60, 100) == 25
        runs.release(conn, "x", DAY, 1_000)
        assert runs.budget(conn, "x", DAY) == (0, "")
        runs.release(conn, "bluesky", DAY, 5)
        assert runs.budget(conn, "bluesky", DAY) == (0, "")


@pytest.mark.parametrize("booked", [0, 30])
def test_a_stopped_day_is_over(engine: Engine, booked: int) -> None:
    with engine.begin() as conn:
        if booked:
            runs.reserve(conn, "x", DAY, booked, 100)
        runs.stop(conn, "x", DAY, "402: out of credit")
        assert runs.reserve(conn, "x", DAY, 10, 100) == 0
        assert runs.budget(conn, "x", DAY) == (booked, "402: out of credit")


def test_two_who_book_at_once_never_pass_the_limit(engine: Engine) -> None:
    start = Barrier(4)

    def book() -> int:
        start.wait(timeout=30)
        booked = 0
        for _ in range(10):
            with engine.begin() as conn:
                booked += runs.reserve(conn, "x", DAY, 7, 100)
        return booked

    with ThreadPoolExecutor(4) as pool:
        bookings = [pool.submit(book) for _ in range(4)]
        assert sum(one.result(timeout=60) for one in bookings) == 100
    with engine.connect() as conn:
        assert runs.budget(conn, "x", DAY) == (100, "")


def test_settled_days_are_those_made_or_quiet(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        for days, outcome in enumerate(("ok", "quiet", "failed", "stopped")):
            finished(conn, "digest", "daily", DAY + timedelta(days=days), outcome, now)
        finished(conn, "digest", "weekly", DAY + timedelta(days=9), "ok", now)
        runs.start(conn, "digest", "daily", DAY, DAY + timedelta(days=7), now)
        assert runs.settled(conn, "daily", DAY) == {DAY, NEXT}
        assert runs.settled(conn, "daily", NEXT) == {NEXT}


def test_the_last_answer_is_known(engine: Engine, now: datetime) -> None:
    day = now.date()
    with engine.begin() as conn:
        assert runs.answered_at(conn, "signal", "x") is None
        for hours, outcome in ((9, "ok"), (6, "quiet"), (3, "failed")):
            began = now - timedelta(hours=hours)
            run = runs.start(conn, "signal", "x", day, day, began)
            runs.finish(conn, run, outcome, 0, "", began)
        runs.start(conn, "signal", "x", day, day, now)
        assert runs.answered_at(conn, "signal", "x") == now - timedelta(hours=6)
        assert runs.answered_at(conn, "signal", "bluesky") is None
        assert runs.answered(conn, "signal", "x", now - timedelta(hours=7))
        assert not runs.answered(conn, "signal", "x", now - timedelta(hours=6))
