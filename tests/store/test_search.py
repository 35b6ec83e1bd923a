"""Searching, on both databases, against a reading of every paper; in one place (over 400 lines)
because all of it needs the same small library of papers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, delete, event, text

from alembic import command
from trendbot.model import Paper
from trendbot.search_words import Place, Term, Words, folded, parse
from trendbot.store import papers, search, search_index
from trendbot.store.engine import alembic_config, connect, current, open_store
from trendbot.store.schema import REVISION, metadata
from trendbot.store.schema import papers as papers_table
from trendbot.store.search import Found, Query, Relevance, find

DAY = date(2026, 11, 19)
GRAPHS = Paper(
    source="arxiv",
    id="2611.00017",
    title="Counting Colourings of Graphs",
    authors=("Ada Quill", "Bo Lindström"),
    categories=("math.CO", "cs.DM"),
    announced=DAY,
    abstract="We count the colourings of studied networks in $O(n^2)$ steps.",
)
MOTHS = Paper("arxiv", "hep-th/9901001", "Moths", ("Cy Fern",), ("hep-th",), DAY, "No kites.")


@pytest.fixture
def conn(engine: Engine) -> Iterator[Connection]:
    with engine.begin() as conn:
        yield conn


def store(conn: Connection, now: datetime, *found: Paper) -> None:
    papers.upsert(conn, found, now)


def numbered(many: int, **what: object) -> list[Paper]:
    """Papers, each announced a day before the one before it."""
    return [
        replace(MOTHS, id=f"n{number}", announced=DAY - timedelta(days=number), **what)  # type: ignore[arg-type]
        for number in range(many)
    ]


def asked(conn: Connection, typed: str, **filters: object) -> Found:
    return find(conn, Query(parse(typed), **filters), 2000)  # type: ignore[arg-type]


def ids(conn: Connection, typed: str, **filters: object) -> list[str]:
    return [hit.paper.id for hit in asked(conn, typed, **filters).hits]


@pytest.mark.parametrize(
    "typed",
    [
        "counting",
        "COUNTED colouring",
        "graph",
        "quill",
        "lindstrom",
        "Lindström graphs networks",
        "study",
        "$O(n^2)$",
        "n²",
        '"counting colourings"',
        '"colouring of graph"',
        '"Ada Quill"',
        "author:ada title:graphs steps",
        'author:"bo lindstrom"',
        'title:"of graphs"',
        "math.CO",
        "CS.dm graphs",
        "2611.00017",
        "arXiv:2611.00017v4",
        "https://huggingface.co/papers/2611.00017",
        "graphs 2611.00017",
        "graphs -kites",
        "the graphs of this",
        "-kites",
        "-hep-th",
        "-author:fern",
        '-"no kites"',
    ],
)
def test_what_finds_a_paper_and_not_the_other(conn: Connection, now: datetime, typed: str) -> None:
    store(conn, now, MOTHS, GRAPHS)
    found = asked(conn, typed)
    assert [hit.paper for hit in found.hits] == [GRAPHS]
    assert [hit.paper_id for hit in found.hits] == list(papers.ids_of(conn, [GRAPHS.key]).values())
    assert (found.total, found.capped) == (1, False)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "   ",
        '"',
        "-",
        "unicorns",
        "graphs unicorns",
        "graphs -counting",
        "graphs -author:quill",
        'graphs -"ada quill"',
        '"graphs colourings"',
        # Phrases do not run out of one text into the next, nor terms into the wrong one.
        '"graphs ada"',
        '"lindstrom we"',
        "author:graphs",
        "title:quill",
        "title:networks",
        "author:count",
        "math.AG",
        "cs",
        "2611.0001",
        "2611.00018",
        "all",
        "arxiv",
        "paper",
        "in",
    ],
)
def test_what_finds_nothing(conn: Connection, now: datetime, typed: str) -> None:
    store(conn, now, replace(GRAPHS, abstract="We count colourings and networks."))
    assert asked(conn, typed) == Found([], 0, False)


def test_stop_words_alone_find_what_holds_them(conn: Connection, now: datetime) -> None:
    store(conn, now, GRAPHS, MOTHS)
    assert ids(conn, "of the") == [GRAPHS.id]


@pytest.mark.parametrize(
    "typed",
    [
        "hep-th/9901001",
        "arXiv:hep-th/9901001v2",
        "http://arxiv.org/abs/hep-th/9901001",
        "https://doi.org/10.48550/arXiv.hep-th/9901001",
    ],
)
def test_old_ids_with_their_slash(conn: Connection, now: datetime, typed: str) -> None:
    store(conn, now, MOTHS, replace(MOTHS, id="hep-th/9901002"), replace(MOTHS, id="9901001"))
    assert ids(conn, typed) == [MOTHS.id]


def test_an_old_id_is_found_with_and_without_its_class(conn: Connection, now: datetime) -> None:
    store(conn, now, replace(MOTHS, id="math/0309136"))
    assert ids(conn, "math.GT/0309136") == ids(conn, "math/0309136") == ["math/0309136"]


def test_the_title_ranks_before_the_authors_before_the_abstract(
    conn: Connection, now: datetime
) -> None:
    plain = replace(MOTHS, title="Moths", authors=("Cy Fern",), abstract="None.")
    days = [DAY + timedelta(days=number) for number in range(6)]
    store(
        conn,
        now,
        replace(plain, id="title", title="Red Kites", announced=days[0]),
        replace(plain, id="later title", title="A kite, red", announced=days[1]),
        replace(plain, id="byline", title="Kites", authors=("Jo Red",), announced=days[2]),
        replace(plain, id="authors", authors=("Kite Red",), announced=days[3]),
        replace(plain, id="mixed", title="Kites", abstract="Red.", announced=days[5]),
        replace(plain, id="abstract", abstract="Red, red kites.", announced=days[4]),
    )
    hits = asked(conn, "red kites").hits
    assert [(hit.paper.id, hit.relevance) for hit in hits] == [
        ("later title", Relevance.TITLE),
        ("title", Relevance.TITLE),
        ("authors", Relevance.AUTHORS),
        ("byline", Relevance.AUTHORS),
        ("mixed", Relevance.ABSTRACT),
        ("abstract", Relevance.ABSTRACT),
    ]


def test_the_newest_come_first_however_late_they_were_stored(
    conn: Connection, now: datetime
) -> None:
    many = numbered(5)
    store(conn, now, *many[2:])
    store(conn, now, *many[:2])
    assert ids(conn, "moths") == ["n0", "n1", "n2", "n3", "n4"]
    assert ids(conn, "", category="hep-th") == ["n0", "n1", "n2", "n3", "n4"]


def test_filters(conn: Connection, now: datetime) -> None:
    store(conn, now, GRAPHS, *numbered(5))
    since, until = DAY - timedelta(days=3), DAY - timedelta(days=1)
    assert ids(conn, "", since=since, until=until) == ["n1", "n2", "n3"]
    assert ids(conn, "", since=DAY) == ["n0", GRAPHS.id]
    assert ids(conn, "", until=since) == ["n3", "n4"]
    assert ids(conn, "", since=until, until=since) == []
    assert ids(conn, "", since=date.min, until=date.max, category="math.CO") == [GRAPHS.id]
    assert ids(conn, "moths", category="hep-th", until=since) == ["n3", "n4"]
    assert ids(conn, "moths", category="math.CO") == []
    assert ids(conn, "", category="cs") == ids(conn, "", category="math") == [GRAPHS.id]
    assert ids(conn, "", category="c") == []
    assert ids(conn, "-moths", since=date.min) == [GRAPHS.id]
    assert ids(conn, "", category="\" OR 'x' | *") == []


def test_pages_are_stable_and_complete(conn: Connection, now: datetime) -> None:
    store(
        conn,
        now,
        *numbered(20),
        *[replace(one, id="t" + one.id, title="Kites moths") for one in numbered(15)],
    )
    query = Query(parse("moths"))
    pages = [find(conn, query, 10, offset) for offset in range(0, 50, 10)]
    assert [len(page.hits) for page in pages] == [10, 10, 10, 5, 0]
    assert {page.total for page in pages} == {35}
    seen = [hit.paper.id for page in pages for hit in page.hits]
    assert seen == ids(conn, "moths")
    assert len(set(seen)) == 35
    assert seen == [
        hit.paper.id for offset in range(35) for hit in find(conn, query, 1, offset).hits
    ]


def test_no_more_than_a_thousand_are_counted(conn: Connection, now: datetime) -> None:
    many = numbered(search.MOST, abstract="Kites.")
    store(conn, now, *many)
    assert asked(conn, "kites").total == search.MOST
    assert not asked(conn, "kites").capped
    assert not asked(conn, "moths").capped
    early = replace(MOTHS, id="early", title="Kites", announced=date(1991, 8, 1))
    store(conn, now, early)
    found = asked(conn, "kites")
    assert (found.total, found.capped) == (search.MOST, True)
    assert len(found.hits) == search.MOST
    assert found.hits[0].paper == early
    assert found.hits[-1].paper == many[-2]
    assert find(conn, Query(parse("kites")), 10, search.MOST).hits == []
    # One more that stands no higher is enough.
    store(conn, now, replace(MOTHS, id="another"))
    assert asked(conn, "moths").capped


def test_an_update_changes_what_finds_a_paper(conn: Connection, now: datetime) -> None:
    store(conn, now, GRAPHS, MOTHS)
    newer = replace(GRAPHS, title="On Trees", authors=("Di Poe",), categories=("cs.DS",))
    store(conn, now, replace(newer, abstract="Roots.", announced=DAY - timedelta(days=30)))
    for typed in ("counting", "quill", "networks", "math.CO"):
        assert ids(conn, typed) == []
    for typed in ("trees", "poe", "roots", "cs.DS", GRAPHS.id):
        assert ids(conn, typed) == [GRAPHS.id]
    assert ids(conn, "", since=DAY) == [MOTHS.id]
    assert ids(conn, "", since=date.min) == [MOTHS.id, GRAPHS.id]


def test_what_an_update_leaves_empty_still_finds_a_paper(conn: Connection, now: datetime) -> None:
    store(conn, now, GRAPHS)
    store(conn, now, Paper("arxiv", GRAPHS.id, "Trees", (), (), DAY))
    for typed in ("trees", "quill", "networks", "cs.DM"):
        assert ids(conn, typed) == [GRAPHS.id]
    assert ids(conn, "graphs") == []


def test_only_what_changed_is_indexed_again(engine: Engine, now: datetime) -> None:
    written: list[str] = []

    def note(_conn: object, _cursor: object, sql: str, *_rest: object) -> None:
        written.extend(["paper_words"] if "INTO paper_words" in sql else [])

    with engine.begin() as conn:
        store(conn, now, GRAPHS, MOTHS)
    event.listen(engine, "before_cursor_execute", note)
    with engine.begin() as conn:
        store(conn, now, GRAPHS, MOTHS)
        assert written == []
        store(conn, now, replace(GRAPHS, categories=("cs.LG",)))
        assert written == ["paper_words"]


def test_what_is_rolled_back_is_not_found(engine: Engine, now: datetime) -> None:
    with engine.connect() as conn:
        store(conn, now, GRAPHS)
        assert ids(conn, "graphs") == [GRAPHS.id]
        conn.rollback()
        assert ids(conn, "graphs") == []


def test_a_paper_that_is_gone_is_left_out(conn: Connection, now: datetime) -> None:
    store(conn, now, *numbered(2))
    conn.execute(delete(papers_table).where(papers_table.c.external_id == "n0"))
    assert ids(conn, "moths") == ["n1"]


HOSTILE_TITLES = [
    'title:kites OR NEAR("a" b, 3) AND NOT * ^x {title} : "',
    "'kites' & !'x' | (a <-> b):*A \\",
    "Robert'); DROP TABLE papers; -- kites",
    "\0kites\ud800\u202e <b>&amp;</b> %s %(x)s :match $1 ?",
]


@pytest.mark.parametrize("title", HOSTILE_TITLES)
def test_papers_that_hold_syntax(conn: Connection, now: datetime, title: str) -> None:
    store(conn, now, replace(MOTHS, title=title, authors=(title,), abstract=title), GRAPHS)
    assert ids(conn, "title:kites author:kites") == [MOTHS.id]
    assert ids(conn, title.replace("title:", "").replace("-", "")) == [MOTHS.id]


def test_papers_far_too_long(conn: Connection, now: datetime) -> None:
    authors = tuple(f"Name{number} \ufdfa{chr(0x4E00 + number)}" for number in range(9000))
    store(
        conn,
        now,
        replace(GRAPHS, authors=authors, title="Kites " + "\ufdfa" * 9000, abstract="ab" * 90_000),
        replace(MOTHS, authors=("x" * 10**6,), abstract=" ".join(map(str, range(90_000)))),
    )
    assert ids(conn, "kites name17") == [GRAPHS.id]
    assert ids(conn, "moths 17") == [MOTHS.id]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.text(max_size=60), st.text("ab\"-: *^(){}<>&|!\\\0'é²௰", max_size=30)))
def test_no_query_fails(engine: Engine, now: datetime, typed: str) -> None:
    with engine.begin() as conn:
        store(conn, now, GRAPHS)
        found = asked(conn, typed, category=typed[:40] or None)
        assert found.total == len(found.hits) <= 1
        assert asked(conn, typed).total <= 1


@pytest.mark.parametrize("typed", HOSTILE_TITLES)
def test_hostile_queries_find_only_what_they_say(
    conn: Connection, now: datetime, typed: str
) -> None:
    store(conn, now, GRAPHS, MOTHS)
    assert ids(conn, typed) == []


WORDS = ["red", "kite", "moth", "tree"]
texts = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)
terms = st.builds(
    Term,
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=2).map(tuple),
    st.sampled_from([Place.ANYWHERE, Place.ANYWHERE, Place.TITLE, Place.AUTHORS]),
)


def stands(term: Term, *texts: str) -> bool:
    return any(f" {' '.join(term.words)} " in f" {text} " for text in texts)


def expected(stock: Sequence[Paper], words: Words) -> list[tuple[Relevance, str]]:
    """What a search is to find, by reading every paper."""
    found = []
    for paper in stock:
        title, authors, abstract = paper.title, " ".join(paper.authors), paper.abstract
        of = {
            Place.ANYWHERE: (title, authors, abstract),
            Place.TITLE: (title,),
            Place.AUTHORS: (authors,),
        }
        if not all(stands(term, *of[term.place]) for term in words.wanted):
            continue
        if any(stands(term, *of[term.place]) for term in words.excluded):
            continue
        free = [term for term in words.wanted if term.place is Place.ANYWHERE]
        relevance = Relevance.ABSTRACT
        if free and all(stands(term, title, authors) for term in free):
            relevance = Relevance.AUTHORS
        if free and all(stands(term, title) for term in free):
            relevance = Relevance.TITLE
        found.append((-relevance, -paper.announced.toordinal(), relevance, paper.id))
    return [(relevance, paper_id) for _, _, relevance, paper_id in sorted(found)]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(texts, texts, texts), max_size=6),
    st.lists(terms, max_size=3),
    st.lists(terms, max_size=2),
)
def test_both_databases_find_what_reading_every_paper_finds(
    engine: Engine,
    now: datetime,
    said: Sequence[tuple[str, str, str]],
    wanted: Sequence[Term],
    excluded: Sequence[Term],
) -> None:
    stock = [
        replace(one, title=title, authors=(authors,) if authors else (), abstract=abstract)
        for one, (title, authors, abstract) in zip(numbered(len(said)), said, strict=True)
    ]
    words = Words(tuple(wanted), tuple(excluded))
    with engine.connect() as conn:
        store(conn, now, *stock)
        found = find(conn, Query(words), 10)
        conn.rollback()
    assert [(hit.relevance, hit.paper.id) for hit in found.hits] == (
        expected(stock, words) if words else []
    )


def test_both_databases_stem_alike(conn: Connection, now: datetime) -> None:
    families = (
        "network networks networking networked",
        "study studies studied studying",
        "learn learns learning learned",
        "optimize optimizes optimized optimizing optimization optimizations",
        "generalization generalizations generalize generalized",
        "plan plans planned planning",
        "theory theories",
        "efficient efficiently efficiency",
        "caresses caress",
        "relational relate relating",
    )
    for number, family in enumerate(families):
        store(conn, now, replace(MOTHS, id=f"f{number}", abstract=family.split()[0]))
    for number, family in enumerate(families):
        for word in family.split():
            assert ids(conn, word) == [f"f{number}"], word
    assert ids(conn, "relativity") == ids(conn, "net") == []


def test_every_folded_word_is_found_again(conn: Connection, now: datetime) -> None:
    # Every seventh: enough of each script, and PostgreSQL is asked for each of them.
    signs = [chr(number) for number in range(0x20, 0x3000, 7) if chr(number).isalnum()]
    letters = sorted({word for sign in signs for word in folded(sign).split()})
    found = [replace(MOTHS, id=str(n), abstract=sign * 3) for n, sign in enumerate(letters)]
    store(conn, now, *found)
    missed = [sign for n, sign in enumerate(letters) if str(n) not in ids(conn, sign * 3)]
    assert missed == []


@pytest.fixture
def before_search(
    request: pytest.FixtureRequest, tmp_path: Path, database: str
) -> Iterator[Engine]:
    """A database as it was before it had an index."""
    url = f"sqlite:///{tmp_path}/old.db"
    if database == "postgresql":
        url = request.getfixturevalue("empty_postgresql")
    engine = connect(url, tmp_path)
    with engine.begin() as conn:
        command.upgrade(alembic_config(conn), "0004")
    yield engine
    engine.dispose()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_the_migration_indexes_the_papers_that_are_there(
    before_search: Engine, now: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [replace(one, id=f"m{one.id}") for one in numbered(2100)]
    with monkeypatch.context() as patch, before_search.begin() as conn:
        patch.setattr(search_index, "index", lambda *_: None)  # there is none yet
        store(conn, now, GRAPHS, *many)
    url = before_search.url.render_as_string(hide_password=False)
    upgraded = open_store(url, tmp_path)
    assert current(upgraded) == REVISION
    with upgraded.connect() as conn:
        assert ids(conn, "quill counting networks math.CO 2611.00017") == [GRAPHS.id]
        assert ids(conn, "", until=DAY - timedelta(days=2099)) == ["mn2099"]
        assert conn.scalar(text("SELECT count(*) FROM paper_words")) == 2101
    upgraded.dispose()


def test_the_index_is_no_table_of_the_metadata() -> None:
    assert "paper_words" not in metadata.tables
