"""Counts that can be trusted: what is believed of posts, tallies, accounts, paid reads, hosts."""

import sqlalchemy as sa

from alembic import op
from trendbot.honesty import impossible_total

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    add(
        "posts",
        sa.Column("account", sa.String(16), nullable=False, server_default=""),
        sa.Column("shared", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("automated", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("titled", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("fingerprint", sa.String(16), nullable=False, server_default=""),
        sa.Column("measured_at", TIME),
        sa.Column("retweets", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("favorites", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("replies", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("growth", sa.Float(), nullable=False, server_default="0"),
        sa.Column("flag", sa.String(40), nullable=False, server_default=""),
        sa.Column("seen_at", TIME),
        sa.Column("look_at", TIME),
    )
    op.create_index("ix_posts_account", "posts", ["account"])
    op.create_index("ix_posts_signal_look_at", "posts", ["signal", "look_at"])
    op.create_index("ix_posts_signal_posted_at", "posts", ["signal", "posted_at"])
    op.create_index("ix_papers_source_announced", "papers", ["source", "announced"])
    add("readings", sa.Column("flag", sa.String(40), nullable=False, server_default=""))
    add(
        "digests",
        sa.Column("by", sa.String(10), nullable=False, server_default="total"),
        sa.Column("heard", sa.JSON()),
    )
    add(
        "digest_papers",
        sa.Column("movement", sa.String(20), nullable=False, server_default=""),
        sa.Column("merit", sa.Float(), nullable=False, server_default="0"),
    )
    op.execute("UPDATE digest_papers SET merit = score")
    create_tables()
    for statement in BELIEVED, SHARED, DUE, SUMS:
        op.execute(statement)
    flag_totals(op.get_bind())


# All readings that are there are believed, and each post has its own vote, until a look finds
# it again: an upgrade changes no ranking.
BELIEVED = """
UPDATE posts SET measured_at = newest.taken_at, seen_at = newest.taken_at,
    retweets = newest.retweets, favorites = newest.favorites, replies = newest.replies
FROM (
    SELECT readings.*, row_number() OVER (PARTITION BY post_id ORDER BY taken_at DESC) AS place
    FROM readings
) AS newest
WHERE newest.post_id = posts.id AND newest.place = 1
"""
SHARED = """
UPDATE posts SET shared = TRUE
WHERE id IN (SELECT post_id FROM post_papers GROUP BY post_id HAVING count(*) > 1)
"""
# What was seen too long ago is given up when looks are planned.
DUE = "UPDATE posts SET look_at = seen_at WHERE listed_on IS NULL"
SUMS = """
INSERT INTO tallies (paper_id, signal, posts, retweets, favorites, growth, measured_at, left_out,
    flag)
SELECT post_papers.paper_id, posts.signal, count(*), sum(posts.retweets), sum(posts.favorites), 0,
    max(posts.measured_at), 0, ''
FROM post_papers JOIN posts ON posts.id = post_papers.post_id
WHERE posts.listed_on IS NULL AND posts.measured_at IS NOT NULL
GROUP BY post_papers.paper_id, posts.signal
"""


def flag_totals(connection: sa.Connection) -> None:
    """Say which totals of archives cannot be true, as an import does now."""
    printed = connection.execute(
        sa.text("SELECT id, retweets, favorites FROM posts WHERE listed_on IS NOT NULL")
    )
    flagged = [
        {"id": row.id, "flag": flag}
        for row in printed
        if (flag := impossible_total(row.retweets, row.favorites))
    ]
    if flagged:
        connection.execute(sa.text("UPDATE posts SET flag = :flag WHERE id = :id"), flagged)


def add(table: str, *columns: sa.Column[object]) -> None:
    """Add columns, filling rows that are there by defaults that do not stay."""
    with op.batch_alter_table(table) as altered:
        for column in columns:
            altered.add_column(column)
    with op.batch_alter_table(table) as altered:
        for column in columns:
            if not column.nullable:
                altered.alter_column(column.name, server_default=None)


def create_tables() -> None:
    op.create_table(
        "tallies",
        sa.Column("paper_id", ID, nullable=False),
        sa.Column("signal", sa.String(40), nullable=False),
        sa.Column("posts", sa.Integer(), nullable=False),
        sa.Column("retweets", sa.BigInteger(), nullable=False),
        sa.Column("favorites", sa.BigInteger(), nullable=False),
        sa.Column("growth", sa.Float(), nullable=False),
        sa.Column("measured_at", TIME, nullable=False),
        sa.Column("left_out", sa.Integer(), nullable=False),
        sa.Column("flag", sa.String(40), nullable=False),
        sa.ForeignKeyConstraint(
            ["paper_id"], ["papers.id"], name="fk_tallies_paper_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("paper_id", "signal", name="pk_tallies"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "accounts",
        sa.Column("account", sa.String(16), nullable=False),
        sa.Column("posts", sa.Integer(), nullable=False),
        sa.Column("titled", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(12), nullable=False),
        sa.PrimaryKeyConstraint("account", name="pk_accounts"),
    )
    op.create_table(
        "reads",
        sa.Column("signal", sa.String(40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("purpose", sa.String(20), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("posts", sa.Integer(), nullable=False),
        sa.Column("useful", sa.Integer(), nullable=False),
        sa.Column("dollars", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("signal", "day", "purpose", name="pk_reads"),
    )
    op.create_table(
        "plans",
        sa.Column("signal", sa.String(40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("signal", name="pk_plans"),
    )
    op.create_table(
        "hosts",
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("failed_at", TIME, nullable=False),
        sa.Column("closed_until", TIME),
        sa.PrimaryKeyConstraint("host", name="pk_hosts"),
    )
