"""Papers found by their words: all of them, the same ones on SQLite and on PostgreSQL.

Those that have every word in the title come first, then those that have them in title and
authors, then the rest; among equals the newest. This order needs no statistics, so both
databases agree on it, a page stays what it was while others are read, and the databases
stop at the first thousand, however many there are.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from functools import reduce

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    FromClause,
    MetaData,
    Table,
    cast,
    func,
    literal,
    not_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import REGCONFIG, TSQUERY, TSVECTOR

from trendbot.model import Paper
from trendbot.search_words import EVERY_PAPER, Place, Term, Words, in_category
from trendbot.store import papers
from trendbot.store.search_index import first_place, last_place, paper_at

MOST = 1000  # that are found; nobody reads on after them


class Relevance(IntEnum):
    """Where all the words stand that may stand anywhere."""

    TITLE = 3
    AUTHORS = 2  # or some of them in the title
    ABSTRACT = 1


@dataclass(frozen=True, slots=True)
class Query:
    """Words, a category or an archive ("cs"), and the days of announcement, both included."""

    words: Words
    category: str | None = None
    since: date | None = None
    until: date | None = None

    def __bool__(self) -> bool:
        return bool(self.words or self.category or self.since or self.until)


@dataclass(frozen=True, slots=True)
class Hit:
    """A paper that was found, by its id in the store."""

    paper_id: int
    paper: Paper
    relevance: Relevance


@dataclass(frozen=True, slots=True)
class Found:
    """A page of what was found; there are `total` in all, or at least so many if `capped`."""

    hits: list[Hit]
    total: int
    capped: bool


def find(conn: Connection, query: Query, limit: int, offset: int = 0) -> Found:
    """The papers from the `offset`th on, at most `limit`; a query without anything finds none."""
    places = _ranked(conn, query) if query else {}
    page = list(places.items())[:MOST][offset : offset + limit]
    known = papers.by_id(conn, [paper_at(place) for place, _ in page])
    hits = [
        Hit(paper_at(place), known[paper_at(place)], relevance)
        for place, relevance in page
        if paper_at(place) in known  # unless it was deleted in this moment
    ]
    return Found(hits, min(len(places), MOST), len(places) > MOST)


def _ranked(conn: Connection, query: Query) -> dict[int, Relevance]:
    """The best and newest places, more than MOST if there are."""
    terms = [*query.words.wanted, *([in_category(query.category)] if query.category else [])]
    words = Words(tuple(terms or [EVERY_PAPER]), query.words.excluded)
    days = (first_place(query.since or date.min), last_place(query.until or date.max))
    newest = _newest_on_sqlite if conn.dialect.name == "sqlite" else _newest_on_postgresql
    anywhere = any(term.place is Place.ANYWHERE for term in words.wanted)
    ranked: dict[int, Relevance] = {}
    with _by_index(conn):
        for relevance in Relevance if anywhere else [Relevance.ABSTRACT]:
            if len(ranked) <= MOST:
                for place in newest(conn, words, relevance, days):
                    ranked.setdefault(place, relevance)
    return ranked


_ON_SQLITE = text(
    "SELECT rowid FROM paper_words"
    " WHERE paper_words MATCH :match AND rowid BETWEEN :first AND :last"
    " ORDER BY rowid DESC LIMIT :most"
)
# FTS5 columns (https://sqlite.org/fts5.html#fts5_column_filters).
_FTS5_COLUMNS = {
    Place.TITLE: "{title}",
    Place.AUTHORS: "{authors}",
    Place.MARKS: "{marks}",
    Relevance.TITLE: "{title}",
    Relevance.AUTHORS: "{title authors}",
    Relevance.ABSTRACT: "{title authors abstract}",
}


def _newest_on_sqlite(
    conn: Connection, words: Words, relevance: Relevance, days: tuple[int, int]
) -> Sequence[int]:
    match = " AND ".join(_fts5(term, relevance) for term in words.wanted)
    if words.excluded:
        excluded = " OR ".join(_fts5(term, Relevance.ABSTRACT) for term in words.excluded)
        match = f"({match}) NOT ({excluded})"
    asked = {"match": match, "first": days[0], "last": days[1], "most": MOST + 1}
    return conn.scalars(_ON_SQLITE, asked).all()


def _fts5(term: Term, relevance: Relevance) -> str:
    """The term in FTS5's language; folded words hold no quotation marks."""
    columns = _FTS5_COLUMNS[relevance if term.place is Place.ANYWHERE else term.place]
    return f'{columns} : "{" ".join(term.words)}"'


_INDEX = Table(
    "paper_words",
    MetaData(),  # not among the tables that are made from metadata
    Column("place", BigInteger),
    Column("title", TSVECTOR),
    Column("byline", TSVECTOR),  # title and authors
    Column("words", TSVECTOR),  # title, authors, abstract and marks
)
_TSVECTORS = {
    Place.TITLE: "title",
    Place.AUTHORS: "byline",
    Place.MARKS: "words",
    Relevance.TITLE: "title",
    Relevance.AUTHORS: "byline",
    Relevance.ABSTRACT: "words",
}


def _newest_on_postgresql(
    conn: Connection, words: Words, relevance: Relevance, days: tuple[int, int]
) -> Sequence[int]:
    """In two steps: what the index can tell; of that, the newest first, what it cannot.

    The index knows in which papers a word stands but not where, so that looking for a
    phrase takes the tsvectors, which are stored apart from the rows.
    """
    wanted = [_Sought(term, relevance) for term in words.wanted]
    excluded = [_Sought(term, Relevance.ABSTRACT) for term in words.excluded]
    together = [one.loosely for one in wanted]
    together += [func.tsquery_not(one.loosely) for one in excluded if one.is_told_by_words]
    told = [_matches(_INDEX, "words", reduce(func.tsquery_and, together))]
    told += [one.is_in(_INDEX) for one in wanted if one.column != "words"]
    told += [_INDEX.c.place.between(*days)]
    newest = select(_INDEX.c.place).where(*told).order_by(_INDEX.c.place.desc())
    look_for = [one for one in wanted if one.needs_a_look]
    look_out = [one for one in excluded if not one.is_told_by_words]
    if look_for or look_out:
        newest = newest.add_columns(_INDEX.c.title, _INDEX.c.byline, _INDEX.c.words)
        step = newest.offset(0).subquery()  # OFFSET keeps the two steps apart
        looked = [one.stands_in(step) for one in look_for]
        looked += [not_(one.stands_in(step)) for one in look_out]
        newest = select(step.c.place).where(*looked).order_by(step.c.place.desc())
    return conn.scalars(newest.limit(MOST + 1)).all()


class _Sought:
    """A term in the language of tsqueries; folded words hold no apostrophes."""

    def __init__(self, term: Term, relevance: Relevance) -> None:
        self._term = term
        self.column = _TSVECTORS[relevance if term.place is Place.ANYWHERE else term.place]
        self.needs_a_look = len(term.words) > 1 or term.place is Place.AUTHORS
        self.is_told_by_words = self.column == "words" and not self.needs_a_look

    @property
    def loosely(self) -> ColumnElement[str]:
        """All its words, wherever they stand."""
        if self._term.place is Place.MARKS:
            return cast(f"'{self._term.words[0]}'", TSQUERY)
        return self._tsquery(" & ".join(f"'{word}'" for word in self._term.words))

    def is_in(self, source: FromClause) -> ColumnElement[bool]:
        """Whether its words are where they should be, as far as the index can tell."""
        return _matches(source, self.column, self.loosely)

    def stands_in(self, source: FromClause) -> ColumnElement[bool]:
        """Whether it is there as it was asked for."""
        weight = ":B" if self._term.place is Place.AUTHORS else ""
        phrase = " <-> ".join(f"'{word}'{weight}" for word in self._term.words)
        return _matches(source, self.column, self._tsquery(phrase))

    @staticmethod
    def _tsquery(written: str) -> ColumnElement[str]:
        return func.to_tsquery(literal("trendbot", REGCONFIG), written)


def _matches(source: FromClause, column: str, asked: ColumnElement[str]) -> ColumnElement[bool]:
    matches: ColumnElement[bool] = source.c[column].bool_op("@@")(asked)
    return matches


@contextmanager
def _by_index(conn: Connection) -> Iterator[None]:
    """Let PostgreSQL use its indexes, also for a word that stands in most papers.

    It would read every row, not knowing how long it takes to look into a tsvector.
    """
    if conn.dialect.name == "sqlite":
        yield
        return
    conn.execute(text("SET LOCAL enable_seqscan = off"))
    yield
    conn.execute(text("SET LOCAL enable_seqscan TO DEFAULT"))
