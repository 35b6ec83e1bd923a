from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from threading import Barrier

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, event, func, select

from trendbot.model import Paper
from trendbot.store import papers
from trendbot.store.schema import paper_categories
from trendbot.store.schema import papers as table

DAY = date(2026, 11, 20)
GRAPHS = Paper(
    source="arxiv",
    id="2611.00017",
    title="Counting $k$-colourings of sleepy graphs",
    authors=("Ada Quill", "Bo Tern", "Ö. Ç. Şen"),
    categories=("math.CO", "cs.DM"),
    announced=DAY,
    abstract="We count.",
    comments="12 pages",
    links={"abs": "https://example.org/abs/2611.00017", "pdf": "https://example.org/pdf/2611"},
)
MOTHS = Paper("arxiv", "2611.00018", "Moths", ("Cy Fern",), ("cs.LG",), DAY - timedelta(days=3))


def stored(conn: Connection, since: date = date.min, until: date = date.max) -> list[Paper]:
    return papers.announced(conn, since, until)


def test_papers_come_back_as_they_were(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        assert papers.upsert(conn, [GRAPHS, MOTHS], now) == 2
        ids = papers.ids_of(conn, [GRAPHS.key, MOTHS.key])
        assert papers.by_id(conn, ids.values()) == {
            ids[GRAPHS.key]: GRAPHS,
            ids[MOTHS.key]: MOTHS,
        }


def test_no_papers_are_no_trouble(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        assert papers.upsert(conn, [], now) == 0
        assert papers.by_id(conn, []) == {}
        assert papers.ids_of(conn, []) == {}


def test_the_same_id_of_two_sources_is_two_papers(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        assert papers.upsert(conn, [GRAPHS, replace(GRAPHS, source="sample")], now) == 2
        assert len(papers.ids_of(conn, ["arxiv:2611.00017", "sample:2611.00017"])) == 2


def test_only_new_papers_are_counted(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        papers.upsert(conn, [GRAPHS], now)
        assert papers.upsert(conn, [GRAPHS, MOTHS, MOTHS], now) == 1
        assert papers.upsert(conn, [GRAPHS, MOTHS], now) == 0
        assert len(papers.announced(conn, date.min, date.max)) == 2


def test_a_known_paper_is_refreshed(engine: Engine, now: datetime) -> None:
    newer = Paper(
        source="arxiv",
        id=GRAPHS.id,
        title="Counting colourings",
        authors=("Ada Quill",),
        categories=("cs.DM", "math.PR", "math.CO"),
        announced=DAY,
        abstract="We count again.",
        comments="13 pages",
        links={"abs": "https://example.org/abs/new"},
    )
    with engine.begin() as conn:
        papers.upsert(conn, [GRAPHS], now)
        papers.upsert(conn, [newer], now + timedelta(days=1))
        assert stored(conn) == [newer]


def test_what_is_known_is_never_blanked(engine: Engine, now: datetime) -> None:
    bare = Paper("arxiv", GRAPHS.id, "", (), (), DAY)
    with engine.begin() as conn:
        papers.upsert(conn, [GRAPHS], now)
        papers.upsert(conn, [bare], now)
        assert stored(conn) == [GRAPHS]


@pytest.mark.parametrize("days", [-2, 2])
def test_the_earlier_announcement_stays(engine: Engine, now: datetime, days: int) -> None:
    other = replace(GRAPHS, announced=DAY + timedelta(days=days))
    with engine.begin() as conn:
        papers.upsert(conn, [GRAPHS], now)
        papers.upsert(conn, [other], now)
        assert stored(conn) == [replace(GRAPHS, announced=min(DAY, other.announced))]


def test_the_moment_a_paper_was_added_stays(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        papers.upsert(conn, [GRAPHS], now)
        papers.upsert(conn, [GRAPHS], now + timedelta(days=1))
        assert conn.scalar(select(table.c.added_at)) == now


def test_windows_hold_both_their_ends(engine: Engine, now: datetime) -> None:
    days = [replace(GRAPHS, id=str(n), announced=DAY + timedelta(days=n)) for n in range(5)]
    inside = (DAY + timedelta(days=1), DAY + timedelta(days=3))
    with engine.begin() as conn:
        papers.upsert(conn, days[::-1], now)
        assert stored(conn, *inside) == days[1:4]
        assert len(papers.announced(conn, *inside)) == 3
        assert papers.announced(conn, DAY + timedelta(days=9), date.max) == []


def test_unknown_and_odd_keys_are_left_out(engine: Engine, now: datetime) -> None:
    odd = replace(GRAPHS, source="zoo", id="a:b'c")
    with engine.begin() as conn:
        papers.upsert(conn, [GRAPHS, odd], now)
        keys = [GRAPHS.key, odd.key, "arxiv:none", "none:2611.00017", "", ":", "2611.00017"]
        assert set(papers.ids_of(conn, keys)) == {GRAPHS.key, odd.key}
        assert papers.by_id(conn, [0, -1, 2**40]) == {}


def test_more_papers_than_a_statement_has_variables(engine: Engine, now: datetime) -> None:
    many = [replace(GRAPHS, id=f"{number:05}") for number in range(2_500)]
    statements: list[str] = []

    def note(conn: object, cursor: object, sql: str, *_rest: object) -> None:
        statements.append(sql)

    event.listen(engine, "before_cursor_execute", note)
    with engine.begin() as conn:
        assert papers.upsert(conn, many, now) == 2_500
        ids = papers.ids_of(conn, [paper.key for paper in many])
        assert list(papers.by_id(conn, ids.values()).values()) == many
    assert len(ids) == 2_500
    assert len(statements) < 40


def test_two_who_store_the_same_papers_do_not_disturb_each_other(
    engine: Engine, now: datetime
) -> None:
    many = [replace(GRAPHS, id=str(number)) for number in range(50)]
    start = Barrier(2)

    def store(found: Sequence[Paper]) -> int:
        start.wait(timeout=30)
        with engine.begin() as conn:
            return papers.upsert(conn, found, now)

    with ThreadPoolExecutor(2) as pool:
        for one in [pool.submit(store, many), pool.submit(store, many[::-1])]:
            one.result(timeout=60)
    with engine.connect() as conn:
        assert len(stored(conn)) == 50
        assert {paper.categories for paper in stored(conn)} == {GRAPHS.categories}


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.builds(
            Paper,
            source=st.just("arxiv"),
            id=st.sampled_from("abc"),
            title=st.sampled_from(["", "One", "Two"]),
            authors=st.sampled_from([(), ("Ada",), ("Bo", "Cy")]),
            categories=st.sampled_from([(), ("cs.LG",), ("cs.CL", "cs.LG")]),
            announced=st.dates(DAY, DAY + timedelta(days=3)),
            abstract=st.sampled_from(["", "We do."]),
            links=st.sampled_from([{}, {"abs": "https://example.org/1"}]),
        ),
        max_size=6,
    )
)
def test_together_or_one_by_one_is_the_same(
    engine: Engine, now: datetime, found: Sequence[Paper]
) -> None:
    with engine.connect() as conn:
        papers.upsert(conn, found, now)
        together = {paper.key: paper for paper in stored(conn)}
        categories = conn.scalar(select(func.count()).select_from(paper_categories))
        conn.rollback()
        for paper in found:
            papers.upsert(conn, [paper], now)
        assert {paper.key: paper for paper in stored(conn)} == together
        assert conn.scalar(select(func.count()).select_from(paper_categories)) == categories
        conn.rollback()


def test_the_days_of_a_source_are_its_own(engine: Engine, now: datetime) -> None:
    next_day = DAY + timedelta(days=1)
    mine = replace(GRAPHS, announced=DAY)
    other = replace(GRAPHS, source="elsewhere", announced=next_day)
    with engine.begin() as conn:
        papers.upsert(conn, [mine, replace(mine, id="2611.00009"), other], now)
        assert papers.days(conn, GRAPHS.source, DAY, next_day) == {DAY}
        assert papers.days(conn, GRAPHS.source, next_day, next_day) == set()
