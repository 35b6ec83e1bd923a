"""The words of the papers, as `trendbot.search_words` folds them, for the database to find.

The table `paper_words` is FTS5's own kind on SQLite (https://sqlite.org/fts5.html) and holds
tsvectors under a GIN index on PostgreSQL; migration 0005 makes it. It holds nothing that is
not in the papers. Its rows stand in the order in which the papers were announced: `place`,
the rowid on SQLite, is the day and the paper's id in one number.
"""

from collections.abc import Mapping
from datetime import date

from sqlalchemy import Connection, text

from trendbot.model import Paper
from trendbot.search_words import folded, marks
from trendbot.wording import outside

# For each of title, authors and abstract: far more than any paper has, and few enough that
# all fit into a tsvector, which holds a megabyte.
LONGEST_TEXT = 50_000  # characters

_ID_BITS = 40  # 3,652,059 days fit above it

_FORGET_ON_SQLITE = text("DELETE FROM paper_words WHERE paper_words MATCH 'marks : ' || :self")
_ADD_ON_SQLITE = text(
    "INSERT INTO paper_words (rowid, title, authors, abstract, marks)"
    " VALUES (:place, :title, :authors, :abstract, :marks)"
)
# The bar is no word: it keeps phrases from running out of one text into the next.
_SET_ON_POSTGRESQL = text("""
INSERT INTO paper_words (paper_id, place, title, byline, words)
SELECT :paper_id, :place, title, title || bar || authors, title || bar || authors || bar
    || to_tsvector('trendbot', :abstract) || array_to_tsvector(string_to_array(:marks, ' '))
FROM (
    SELECT to_tsvector('trendbot', :title) AS title,
        setweight(to_tsvector('trendbot', :authors), 'B') AS authors,
        CAST('''|''\\:1' AS tsvector) AS bar
) AS texts
ON CONFLICT (paper_id) DO UPDATE SET place = excluded.place, title = excluded.title,
    byline = excluded.byline, words = excluded.words
""")

# GIN takes many new entries at once faster than one by one, but keeps them in a list that
# every search would have to read through.
_SORT_IN_ON_POSTGRESQL = text("SELECT gin_clean_pending_list('ix_paper_words_words')")


def index(conn: Connection, found: Mapping[int, Paper]) -> None:
    """Make these papers, by their ids, found by what they say now and nothing they once said."""
    rows = [_row(paper_id, found[paper_id]) for paper_id in sorted(found)]
    if not rows:
        return
    if conn.dialect.name == "sqlite":
        conn.execute(_FORGET_ON_SQLITE, [{"self": row["self"]} for row in rows])
        conn.execute(_ADD_ON_SQLITE, rows)
    else:
        conn.execute(_SET_ON_POSTGRESQL, rows)
        conn.execute(_SORT_IN_ON_POSTGRESQL)


def first_place(day: date) -> int:
    """The first place of the papers announced that day."""
    return day.toordinal() << _ID_BITS


def last_place(day: date) -> int:
    """The last place of the papers announced that day."""
    return ((day.toordinal() + 1) << _ID_BITS) - 1


def paper_at(place: int) -> int:
    """The id of the paper that stands there."""
    return place & ((1 << _ID_BITS) - 1)


def _row(paper_id: int, paper: Paper) -> dict[str, object]:
    own = f"paper:{paper_id}."
    return {
        "paper_id": paper_id,
        "place": first_place(paper.announced) + paper_id,
        "self": f'"{own}"',
        "title": _words(outside(paper.title)),
        "authors": _words(" ".join(map(outside, paper.authors))),
        "abstract": _words(outside(paper.abstract)),
        "marks": " ".join([*marks(paper), own]),
    }


def _words(written: str) -> str:
    return folded(written[:LONGEST_TEXT])[:LONGEST_TEXT]
