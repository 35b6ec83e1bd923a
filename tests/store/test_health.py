import sqlite3
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, insert

from trendbot.health import DAY, Asked, Record, State
from trendbot.store import health, hosts, runs
from trendbot.store.schema import papers, posts
from trendbot.store.schema import runs as runs_table

FRIDAY = date(2026, 11, 20)
MORNING = datetime(2026, 11, 21, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)
ARXIV = Asked("source", "arxiv", HOUR, HOUR, frozenset({"arxiv.org"}))
X = Asked("signal", "x", DAY, HOUR, frozenset({"api.x.com"}))


def ran(conn: Connection, asked: Asked, at: datetime, outcome: str = "ok", items: int = 5) -> None:
    day = at.date()
    run = runs.start(conn, asked.kind, asked.name, day, day, at)
    if outcome != "running":
        runs.finish(conn, run, outcome, items, "", at + timedelta(minutes=2))


def announce(conn: Connection, day: date, number: int, source: str = "arxiv") -> None:
    rows = [
        {
            "source": source,
            "external_id": f"{day:%y%m%d}.{n}",
            **dict.fromkeys(("title", "abstract", "comments"), ""),
            "authors": [],
            "links": {},
            "announced": day,
            "added_at": MORNING,
        }
        for n in range(number)
    ]
    if rows:
        conn.execute(insert(papers), rows)


def post(conn: Connection, at: datetime, number: int, signal: str = "x") -> None:
    rows = [
        {
            "signal": signal,
            "external_id": f"{at.isoformat()}/{n}",
            **dict.fromkeys(("author", "url", "text"), ""),
            "posted_at": at,
        }
        for n in range(number)
    ]
    if rows:
        conn.execute(insert(posts), rows)


def test_nothing_is_known_of_what_was_never_asked(engine: Engine) -> None:
    with engine.connect() as conn:
        assert health.record(conn, ARXIV) == Record(per_day={})
        (found,) = health.standing(conn, [X], MORNING).all
    assert (found.kind, found.name, found.state) == ("signal", "x", State.NEVER)


def test_what_is_stored_of_a_source(engine: Engine) -> None:
    with engine.begin() as conn:
        ran(conn, ARXIV, MORNING - 5 * HOUR)
        ran(conn, ARXIV, MORNING - 4 * HOUR, "quiet", 0)
        ran(conn, X, MORNING - 4 * HOUR)
        ran(conn, ARXIV, MORNING - 3 * HOUR, "failed", 3)
        ran(conn, ARXIV, MORNING - 2 * HOUR, "stopped", 7)
        ran(conn, ARXIV, MORNING - 1 * HOUR, "running")
        announce(conn, FRIDAY - 3 * DAY, 4)
        announce(conn, FRIDAY, 2)
        announce(conn, FRIDAY + DAY, 6)
        announce(conn, FRIDAY + 2 * DAY, 1)  # a day that is yet to come
        announce(conn, FRIDAY - DAY, 9, "another")

        assert health.record(conn, ARXIV) == Record(
            asked_at=MORNING - 1 * HOUR,
            outcome="stopped",
            items=7,
            last_ok=MORNING - 4 * HOUR,
            failures=2,
            failing_since=MORNING - 3 * HOUR,
            newest=FRIDAY + 2 * DAY,
            per_day={
                FRIDAY - 3 * DAY: 4,
                FRIDAY - 2 * DAY: 0,
                FRIDAY - DAY: 0,
                FRIDAY: 2,
                FRIDAY + DAY: 6,
            },
        )


def test_what_is_stored_of_a_signal(engine: Engine) -> None:
    midnight = datetime(2026, 11, 20, tzinfo=UTC)
    with engine.begin() as conn:
        ran(conn, X, MORNING)
        post(conn, midnight, 3)
        post(conn, midnight + DAY - timedelta(microseconds=1), 4)
        post(conn, midnight + DAY, 5)
        post(conn, midnight - 14 * DAY, 6)
        post(conn, midnight - 16 * DAY, 7)
        post(conn, midnight - 7 * DAY, 8, "bluesky")
        found = health.record(conn, X)
    assert found.newest == FRIDAY + DAY
    assert found.per_day == {FRIDAY: 7, FRIDAY - 7 * DAY: 0, FRIDAY - 14 * DAY: 6}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_weeks_of_papers_tell_a_stale_feed(engine: Engine) -> None:
    with engine.begin() as conn:
        for ago in range(1, 30):
            day = FRIDAY - ago * DAY
            announce(conn, day, 0 if day.weekday() > 4 else 12)
        ran(conn, ARXIV, MORNING, "quiet", 0)
        (found,) = health.standing(conn, [ARXIV], MORNING).of("source")
    assert (found.state, found.day, found.items, found.usual) == (State.STALE, FRIDAY, 0, 12)
    assert found.note == "nothing newer than Thursday 19 November; 12 are usual on a Friday"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_closed_hosts_are_told_with_whom_they_keep_from_answering(engine: Engine) -> None:
    with engine.begin() as conn:
        for _ in range(3):
            hosts.failed(conn, "api.x.com", "answered HTTP 503", True, MORNING)
        hosts.failed(conn, "arxiv.org", "fell silent", True, MORNING)
        for asked in (ARXIV, X):
            ran(conn, asked, MORNING, "failed")
        found = health.standing(conn, [ARXIV, X], MORNING)
        later = health.standing(conn, [ARXIV, X], MORNING + HOUR)
    assert [one.host for one in found.hosts] == ["api.x.com", "arxiv.org"]
    assert [(one.name, one.state, len(one.closed)) for one in found.all] == [
        ("arxiv", State.FAILING, 0),
        ("x", State.CLOSED, 1),
    ]
    assert [one.state for one in later.all] == [State.FAILING, State.FAILING]


def a_year(conn: Connection) -> None:
    """Runs of a year: a source asked hourly, a signal daily."""
    for asked, every, count in ((ARXIV, HOUR, 24 * 365), (X, DAY, 365)):
        began = MORNING - every * count
        conn.execute(
            insert(runs_table),
            [
                {
                    "kind": asked.kind,
                    "name": asked.name,
                    "since": FRIDAY,
                    "until": FRIDAY,
                    "started_at": began + every * n,
                    "outcome": "ok",
                    "items": 9,
                }
                for n in range(count)
            ],
        )


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_look_reads_the_runs_of_a_year(engine: Engine) -> None:
    with engine.begin() as conn:
        ran(conn, ARXIV, MORNING)
        ran(conn, X, MORNING)
    before = steps_of_a_look(engine)
    with engine.begin() as conn:
        a_year(conn)
        ran(conn, ARXIV, MORNING, "failed")
        ran(conn, X, MORNING)
    assert steps_of_a_look(engine) < before + 1_000  # a reading of all takes 100,000


def steps_of_a_look(engine: Engine) -> int:
    """The instructions of SQLite's machine that it takes to tell how all fares."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    with engine.connect() as conn:
        sqlite = conn.connection.driver_connection
        assert isinstance(sqlite, sqlite3.Connection)
        sqlite.set_progress_handler(step, 1)
        try:
            health.standing(conn, [ARXIV, X], MORNING)
            runs.last_of_each(conn, "source")
            runs.last_of_each(conn, "signal")
        finally:
            sqlite.set_progress_handler(None, 0)
    return steps
