"""What is told of all digests."""

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, event

from trendbot.model import Cadence, Filed, Paper, RankedPaper, Tally
from trendbot.store import archive, digests, papers
from trendbot.store.archive import Appearance, Listed

DAY = date(2026, 11, 19)
OLD = date(2025, 12, 31)
DAILY, WEEKLY, MONTHLY = Cadence.DAILY, Cadence.WEEKLY, Cadence.MONTHLY
OWLS = Paper("arxiv", "2611.1", "Owls", ("Ada Quill",), ("cs.LG", "stat.ML"), DAY)
BATS = Paper("arxiv", "hep-th/9901001", "Bats", (), ("hep-th",), DAY)
MOTHS = Paper("arxiv", "2611.3", "Moths", (), ("cs.CL",), DAY)
NEVER = Paper("arxiv", "2611.4", "In no digest", (), ("cs.LG",), DAY)


def freeze(
    conn: Connection, now: datetime, cadence: Cadence, day: date, *shown: Paper, favorites: int = 7
) -> None:
    """A digest of these papers, the first one leading."""
    papers.upsert(conn, shown, now)
    ids = papers.ids_of(conn, [paper.key for paper in shown])
    entries = [
        (ids[paper.key], RankedPaper(rank, paper, 9.5, 2, favorites, {"x": Tally(1, 2, favorites)}))
        for rank, paper in enumerate(shown, start=1)
    ]
    since = day - timedelta(days=6 if cadence is WEEKLY else 0)
    assert digests.freeze(conn, cadence, day, since, day, now, now, entries) is not None


@pytest.fixture
def filled(engine: Engine, now: datetime) -> Engine:
    """Digests of two years, made out of order."""
    with engine.begin() as conn:
        papers.upsert(conn, [NEVER], now)
        freeze(conn, now, WEEKLY, DAY, MOTHS, OWLS, favorites=70)
        freeze(conn, now, DAILY, DAY, OWLS)
        freeze(conn, now, MONTHLY, OLD, BATS)
        freeze(conn, now, DAILY, OLD, BATS, OWLS)
        freeze(conn, now, DAILY, DAY - timedelta(days=1))
    return engine


def test_the_latest_digests_come_newest_first_and_whole(filled: Engine) -> None:
    with filled.connect() as conn:
        daily = archive.latest(conn, DAILY, limit=2)
        assert daily == [
            digests.find(conn, DAILY, DAY),
            digests.find(conn, DAILY, DAY - timedelta(days=1)),
        ]
        assert [one.cadence for one in archive.latest(conn)] == [DAILY]  # the last one made
        assert archive.latest(conn, DAILY, before=DAY - timedelta(days=1), limit=9) == [
            digests.find(conn, DAILY, OLD)
        ]
        assert archive.latest(conn, WEEKLY, before=DAY) == []


def test_many_digests_cost_two_queries(filled: Engine) -> None:
    asked = []
    with filled.connect() as conn:
        event.listen(conn, "before_cursor_execute", lambda *said: asked.append(said[2]))
        assert len(archive.latest(conn, limit=10)) == 5
    assert len([said for said in asked if said.startswith("SELECT")]) == 2


def test_neighbours_are_of_the_same_cadence(filled: Engine) -> None:
    before = DAY - timedelta(days=1)
    with filled.connect() as conn:
        assert archive.neighbours(conn, DAILY, before) == (OLD, DAY)
        assert archive.neighbours(conn, DAILY, DAY) == (before, None)
        assert archive.neighbours(conn, DAILY, DAY - timedelta(days=9)) == (OLD, before)
        assert archive.neighbours(conn, WEEKLY, DAY) == (None, None)


def test_filed_digests_are_counted_and_paged(filled: Engine, now: datetime) -> None:
    with filled.connect() as conn:
        everything = archive.filed(conn, None, limit=10)
        assert [(one.cadence, one.date, one.papers) for one in everything] == [
            (DAILY, DAY, 1),
            (WEEKLY, DAY, 2),
            (DAILY, DAY - timedelta(days=1), 0),
            (DAILY, OLD, 2),
            (MONTHLY, OLD, 1),
        ]
        assert everything[1] == Filed(WEEKLY, DAY, DAY - timedelta(days=6), DAY, now, 2)
        assert archive.filed(conn, None, limit=2, offset=1) == everything[1:3]
        assert archive.filed(conn, DAILY, limit=9, until=OLD) == everything[3:4]
        assert archive.filed(conn, DAILY, limit=9, since=DAY) == everything[:1]


def test_the_years_that_have_a_digest(filled: Engine) -> None:
    with filled.connect() as conn:
        assert archive.years(conn) == [2026, 2025]


def test_appearances_tell_where_a_paper_stood(filled: Engine, now: datetime) -> None:
    with filled.connect() as conn:
        known = archive.find_paper(conn, OWLS.id)
        assert known is not None
        assert archive.appearances(conn, known[0]) == [
            Appearance(DAILY, DAY, now, 1, 9.5, 2, 7),
            Appearance(WEEKLY, DAY, now, 2, 9.5, 2, 70),
            Appearance(DAILY, OLD, now, 2, 9.5, 2, 7),
        ]


def test_a_category_shows_each_paper_once_as_it_stood_first(filled: Engine, now: datetime) -> None:
    entry = RankedPaper(2, OWLS, 9.5, 2, 7, {"x": Tally(1, 2, 7)})
    listed = [Listed(DAILY, OLD, OLD, now, entry)]
    with filled.connect() as conn:
        assert archive.of_category(conn, "cs.LG", limit=10) == listed
        assert archive.of_category(conn, "stat.ML", limit=10) == listed
        assert archive.of_category(conn, "cs.RO", limit=10) == []


def test_an_archive_shows_all_its_categories_in_pages(filled: Engine) -> None:
    with filled.connect() as conn:
        shown = archive.of_category(conn, "cs", limit=10)
        assert [(one.cadence, one.ranked.paper.title) for one in shown] == [
            (WEEKLY, "Moths"),
            (DAILY, "Owls"),
        ]
        assert archive.of_category(conn, "cs", limit=1, offset=1) == shown[1:]
        (bats,) = archive.of_category(conn, "hep-th", limit=9)
        assert (bats.cadence, bats.ranked.paper) == (DAILY, BATS)  # also in that day's monthly
        assert archive.of_category(conn, "c_", limit=9) == []


def test_categories_count_the_papers_of_digests(filled: Engine) -> None:
    with filled.connect() as conn:
        found = archive.categories(conn)
    assert found == {"cs.LG": 1, "stat.ML": 1, "hep-th": 1, "cs.CL": 1}


@pytest.mark.parametrize(
    ("asked", "paper"),
    [
        ("2611.1", OWLS),
        ("hep-th/9901001", BATS),
        ("arxiv:2611.4", NEVER),
        ("2611.9", None),
        ("x:2611.1", None),
        ("2611.1\0", None),
        ("", None),
    ],
)
def test_a_paper_is_found_by_its_id(filled: Engine, asked: str, paper: Paper | None) -> None:
    with filled.connect() as conn:
        found = archive.find_paper(conn, asked)
    assert (found and found[1]) == paper


def test_an_empty_archive_is_empty(engine: Engine) -> None:
    with engine.connect() as conn:
        assert archive.latest(conn) == []
        assert archive.filed(conn, None, limit=5) == []
        assert archive.years(conn) == []
        assert archive.categories(conn) == {}
        assert archive.neighbours(conn, DAILY, DAY) == (None, None)


def test_how_many_digests_there_are_in_all(filled: Engine) -> None:
    with filled.connect() as conn:
        assert archive.total(conn) == 5
        assert archive.total(conn, DAILY) == 3
        assert archive.total(conn, DAILY, since=DAY) == 1
        assert archive.total(conn, None, until=OLD) == len(archive.filed(conn, None, 9, until=OLD))
        assert archive.total(conn, MONTHLY, since=DAY) == 0


def test_the_papers_digests_had_and_when_the_last_of_them_was_made(
    filled: Engine, now: datetime
) -> None:
    later = now + timedelta(hours=1)
    with filled.begin() as conn:
        freeze(conn, later, DAILY, DAY + timedelta(days=1), OWLS)
        assert archive.shown(conn, 9) == {OWLS.key: later, MOTHS.key: now, BATS.key: now}
        assert list(archive.shown(conn, 1)) == [OWLS.key]
