from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import Connection, Engine, func, select, update

from trendbot.model import By, Cadence, Digest, Paper, RankedPaper, Tally
from trendbot.store import digests, papers
from trendbot.store.schema import digest_papers
from trendbot.store.schema import digests as digests_table

DAY = date(2026, 11, 19)
OWLS = Paper(
    source="arxiv",
    id="2611.1",
    title='Owls & "$\\alpha$"',
    authors=("Ada Quill", "Ö. Ç. Şen"),
    categories=("cs.LG", "stat.ML"),
    announced=DAY,
    abstract="We watch owls.\nTwice.",
    comments="9 pages \U0001f989",
    links={"abs": "https://example.org/abs/2611.1", "pdf": "https://example.org/pdf/2611.1"},
)
BATS = Paper("arxiv", "2611.2", "Bats", (), ("cs.CL",), DAY)


@pytest.fixture
def entries(engine: Engine, now: datetime) -> list[tuple[int, RankedPaper]]:
    """Owls first, then bats, each beside its id in the store."""
    with engine.begin() as conn:
        papers.upsert(conn, [BATS, OWLS], now)
        ids = papers.ids_of(conn, [OWLS.key, BATS.key])
    signals = {
        "x": Tally(3, 2**40, 2, 1.5, now, 2),
        "hn": Tally(1, 0, 5, flag="retweets without favorites"),
    }
    owls = RankedPaper(1, OWLS, 0.1 + 0.2, 2**40, 7, signals, 0.75, "up 3")
    return [(ids[OWLS.key], owls), (ids[BATS.key], RankedPaper(2, BATS, 0.0, 0, 0, {}))]


def freeze(
    conn: Connection,
    entries: list[tuple[int, RankedPaper]],
    now: datetime,
    day: date = DAY,
    cadence: Cadence = Cadence.DAILY,
) -> int | None:
    counted_at = now - timedelta(hours=1)
    since = day - timedelta(days=2)
    return digests.freeze(
        conn,
        cadence,
        day,
        since,
        day,
        counted_at,
        now,
        entries,
        By.RISING,
        {"x": True, "hn": False},
    )


def test_a_digest_comes_back_exactly(
    engine: Engine, entries: list[tuple[int, RankedPaper]], now: datetime
) -> None:
    with engine.begin() as conn:
        made = freeze(conn, entries[::-1], now)
        assert made is not None
    with engine.connect() as conn:
        found = digests.find(conn, Cadence.DAILY, DAY)
        assert found == Digest(
            id=made,
            cadence=Cadence.DAILY,
            date=DAY,
            since=DAY - timedelta(days=2),
            until=DAY,
            counted_at=now - timedelta(hours=1),
            made_at=now,
            papers=tuple(entry for _, entry in entries),
            by=By.RISING,
            heard={"x": True, "hn": False},
        )
        assert digests.by_id(conn, made) == found


def test_a_digest_of_an_older_version_comes_back(
    engine: Engine, entries: list[tuple[int, RankedPaper]], now: datetime
) -> None:
    with engine.begin() as conn:
        freeze(conn, entries, now)
        conn.execute(update(digests_table).values(heard=None))
        conn.execute(update(digest_papers).values(signals={"x": [3, 4, 5]}))
        found = digests.find(conn, Cadence.DAILY, DAY)
    assert found is not None
    assert found.heard is None
    assert found.papers[0].signals == {"x": Tally(3, 4, 5)}


def test_a_frozen_paper_stays_as_it_was(
    engine: Engine, entries: list[tuple[int, RankedPaper]], now: datetime
) -> None:
    with engine.begin() as conn:
        freeze(conn, entries, now)
        papers.upsert(conn, [replace(OWLS, title="Owls, version 2")], now)
        found = digests.find(conn, Cadence.DAILY, DAY)
    assert found is not None
    assert found.papers[0].paper == OWLS


def test_there_is_one_digest_for_each_cadence_and_date(
    engine: Engine, entries: list[tuple[int, RankedPaper]], now: datetime
) -> None:
    with engine.begin() as conn:
        assert freeze(conn, entries, now) is not None
        before = digests.find(conn, Cadence.DAILY, DAY)
        assert freeze(conn, entries[:1], now + timedelta(hours=1)) is None
        assert digests.find(conn, Cadence.DAILY, DAY) == before
        assert freeze(conn, entries, now, cadence=Cadence.WEEKLY) is not None
        assert freeze(conn, entries, now, day=DAY + timedelta(days=1)) is not None


def test_two_daemons_freeze_one_digest(
    engine: Engine, entries: list[tuple[int, RankedPaper]], now: datetime
) -> None:
    start = Barrier(2)

    def freeze_now() -> int | None:
        start.wait(timeout=30)
        with engine.begin() as conn:
            return freeze(conn, entries, now)

    with ThreadPoolExecutor(2) as pool:
        made = [pool.submit(freeze_now) for _ in range(2)]
        results = [one.result(timeout=60) for one in made]
    assert sorted(result is None for result in results) == [False, True]
    with engine.connect() as conn:
        assert conn.scalar(select(func.count()).select_from(digest_papers)) == 2


def test_an_empty_digest_is_a_digest(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        assert freeze(conn, [], now) is not None
        found = digests.find(conn, Cadence.DAILY, DAY)
    assert found is not None
    assert found.papers == ()


def test_what_is_not_there_is_not_found(engine: Engine) -> None:
    with engine.connect() as conn:
        assert digests.find(conn, Cadence.DAILY, DAY) is None
        assert digests.shown(conn, Cadence.DAILY, DAY) == {}
        with pytest.raises(LookupError, match="no digest has the id 7"):
            digests.by_id(conn, 7)


def test_a_shown_paper_is_known_by_its_last_score(
    engine: Engine, entries: list[tuple[int, RankedPaper]], now: datetime
) -> None:
    (owls, entry), (bats, _) = entries

    def scored(score: float) -> list[tuple[int, RankedPaper]]:
        return [(owls, replace(entry, score=score))]

    with engine.begin() as conn:
        freeze(conn, scored(9.5), now, day=DAY - timedelta(days=1))
        freeze(conn, [*scored(4.5), entries[1]], now, day=DAY - timedelta(days=2))
        freeze(conn, scored(70), now, day=DAY)
        freeze(conn, scored(80), now, day=DAY - timedelta(days=1), cadence=Cadence.WEEKLY)
        assert digests.shown(conn, Cadence.DAILY, DAY) == {owls: 9.5, bats: 0.0}
        assert digests.shown(conn, Cadence.DAILY, DAY - timedelta(days=2)) == {}
