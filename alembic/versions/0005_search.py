"""An index over the words of the papers, filled with those of the papers that are there.

It holds nothing that is not in the papers, so a later migration that needs another one drops
this one and fills its own. The indexing itself is trendbot's, which is why `papers` is read
here by the columns it has now.
"""

import sqlalchemy as sa

from alembic import op
from trendbot.model import Paper
from trendbot.store import search_index

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

AT_ONCE = 1000

# Words as trendbot.search_words folds them hold letters and digits alone; the signs beside
# them make one word of a mark. Scores are never asked for, so sizes are not kept.
SQLITE = """
CREATE VIRTUAL TABLE paper_words USING fts5(
    title, authors, abstract, marks, columnsize = 0,
    tokenize = "porter ascii tokenchars ':./-_'"
)
"""
# The stemmer that SQLite has too, and no stop words. Texts are kept out of the rows and are
# not compressed, so that the rows of a frequent word are few pages. No index on the places:
# PostgreSQL would walk along it and look into every text.
POSTGRESQL = """
CREATE TEXT SEARCH DICTIONARY trendbot_porter (TEMPLATE = snowball, LANGUAGE = porter);
CREATE TEXT SEARCH CONFIGURATION trendbot (COPY = pg_catalog.simple);
ALTER TEXT SEARCH CONFIGURATION trendbot
    ALTER MAPPING FOR asciiword, word, numword WITH trendbot_porter;
CREATE TABLE paper_words (
    paper_id BIGINT PRIMARY KEY REFERENCES papers (id) ON DELETE CASCADE,
    place BIGINT NOT NULL,
    title tsvector NOT NULL,
    byline tsvector NOT NULL,
    words tsvector NOT NULL
) WITH (toast_tuple_target = 128);
ALTER TABLE paper_words
    ALTER title SET STORAGE EXTERNAL,
    ALTER byline SET STORAGE EXTERNAL,
    ALTER words SET STORAGE EXTERNAL;
CREATE INDEX ix_paper_words_words ON paper_words USING gin (title, byline, words);
"""


def upgrade() -> None:
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    for statement in [SQLITE] if is_sqlite else POSTGRESQL.split(";\n"):
        op.execute(statement)
    last = 0
    while found := papers_after(connection, last):
        search_index.index(connection, found)
        last = max(found)


def papers_after(connection: sa.Connection, last: int) -> dict[int, Paper]:
    """The next papers by id, as far as the index needs them."""
    rows = connection.execute(PAPERS, {"last": last, "most": AT_ONCE}).all()
    categories: dict[int, list[str]] = {row.id: [] for row in rows}
    if rows:
        between = {"first": rows[0].id, "last": rows[-1].id}
        for row in connection.execute(CATEGORIES, between):
            categories[row.paper_id].append(row.category)
    return {
        row.id: Paper(
            source=row.source,
            id=row.external_id,
            title=row.title,
            authors=tuple(row.authors),
            categories=tuple(categories[row.id]),
            announced=row.announced,
            abstract=row.abstract,
        )
        for row in rows
    }


PAPERS = sa.text(
    "SELECT id, source, external_id, title, authors, abstract, announced FROM papers"
    " WHERE id > :last ORDER BY id LIMIT :most"
).columns(authors=sa.JSON(), announced=sa.Date())
CATEGORIES = sa.text(
    "SELECT paper_id, category FROM paper_categories WHERE paper_id BETWEEN :first AND :last"
    " ORDER BY paper_id, position"
)
