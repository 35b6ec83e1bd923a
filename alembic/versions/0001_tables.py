"""The tables trendbot begins with."""

import sqlalchemy as sa

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Written out, not imported: a migration stays what it was when the schema moves on.
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    # Long because it is a list: one statement for each table.
    op.create_table(
        "budgets",
        sa.Column("signal", sa.String(length=40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("stopped", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("signal", "day", name="pk_budgets"),
    )
    op.create_table(
        "digests",
        sa.Column("id", ID, nullable=False),
        sa.Column("cadence", sa.String(length=10), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.Column("counted_at", TIME, nullable=False),
        sa.Column("made_at", TIME, nullable=False),
        sa.Column("planned_at", TIME),
        sa.Column("audience", sa.Integer(), nullable=False),
        sa.Column("stopped", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_digests"),
        sa.UniqueConstraint("cadence", "date", name="uq_digests_cadence_date"),
    )
    op.create_table(
        "papers",
        sa.Column("id", ID, nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("external_id", sa.String(length=100), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("authors", sa.JSON(), nullable=False),
        sa.Column("abstract", sa.Text(), nullable=False),
        sa.Column("comments", sa.Text(), nullable=False),
        sa.Column("links", sa.JSON(), nullable=False),
        sa.Column("announced", sa.Date(), nullable=False),
        sa.Column("added_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_papers"),
        sa.UniqueConstraint("source", "external_id", name="uq_papers_source_external_id"),
    )
    op.create_index("ix_papers_announced", "papers", ["announced"])

    op.create_table(
        "posts",
        sa.Column("id", ID, nullable=False),
        sa.Column("signal", sa.String(length=40), nullable=False),
        sa.Column("external_id", sa.String(length=200), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("posted_at", TIME, nullable=False),
        sa.Column("listed_on", sa.Date()),
        sa.PrimaryKeyConstraint("id", name="pk_posts"),
        sa.UniqueConstraint("signal", "external_id", name="uq_posts_signal_external_id"),
    )
    op.create_index("ix_posts_listed_on", "posts", ["listed_on"])

    op.create_table(
        "runs",
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("finished_at", TIME),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
    )
    op.create_index("ix_runs_kind_name_id", "runs", ["kind", "name", "id"])

    op.create_table(
        "subscribers",
        sa.Column("id", ID, nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("email_key", sa.String(length=320), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("cadence", sa.String(length=10), nullable=False),
        sa.Column("topics", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("confirmed_at", TIME),
        sa.Column("left_at", TIME),
        sa.Column("confirm_hash", sa.String(length=64), nullable=False),
        sa.Column("confirm_sent_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_subscribers"),
        sa.UniqueConstraint("email_key", name="uq_subscribers_email_key"),
    )
    op.create_index("ix_subscribers_status_cadence", "subscribers", ["status", "cadence"])

    op.create_table(
        "suppressions",
        sa.Column("email_key", sa.String(length=320), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("email_key", name="pk_suppressions"),
    )
    op.create_table(
        "batches",
        sa.Column("id", ID, nullable=False),
        sa.Column("digest_id", ID, nullable=False),
        sa.Column("first_id", ID, nullable=False),
        sa.Column("last_id", ID, nullable=False),
        sa.Column("done_at", TIME),
        sa.ForeignKeyConstraint(
            ["digest_id"], ["digests.id"], name="fk_batches_digest_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_batches"),
    )
    op.create_index("ix_batches_digest_id", "batches", ["digest_id"])

    op.create_table(
        "deliveries",
        sa.Column("digest_id", ID, nullable=False),
        sa.Column("subscriber_id", ID, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("doubts", sa.Integer(), nullable=False),
        sa.Column("next_at", TIME),
        sa.Column("lease_until", TIME),
        sa.Column("handed_over", sa.Boolean(), nullable=False),
        sa.Column("owner", sa.String(length=100), nullable=False),
        sa.Column("code", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["digest_id"], ["digests.id"], name="fk_deliveries_digest_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscribers.id"], name="fk_deliveries_subscriber_id"
        ),
        sa.PrimaryKeyConstraint("digest_id", "subscriber_id", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_digest_id_state", "deliveries", ["digest_id", "state"])
    op.create_index("ix_deliveries_subscriber_id", "deliveries", ["subscriber_id"])

    op.create_table(
        "digest_papers",
        sa.Column("digest_id", ID, nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("paper_id", ID, nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("retweets", sa.BigInteger(), nullable=False),
        sa.Column("favorites", sa.BigInteger(), nullable=False),
        sa.Column("signals", sa.JSON(), nullable=False),
        sa.Column("paper", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["digest_id"], ["digests.id"], name="fk_digest_papers_digest_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["paper_id"], ["papers.id"], name="fk_digest_papers_paper_id"),
        sa.PrimaryKeyConstraint("digest_id", "rank", name="pk_digest_papers"),
    )
    op.create_index("ix_digest_papers_paper_id", "digest_papers", ["paper_id"])

    op.create_table(
        "paper_categories",
        sa.Column("paper_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("category", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["paper_id"], ["papers.id"], name="fk_paper_categories_paper_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("paper_id", "position", name="pk_paper_categories"),
    )
    op.create_index("ix_paper_categories_category", "paper_categories", ["category"])

    op.create_table(
        "post_papers",
        sa.Column("paper_id", ID, nullable=False),
        sa.Column("post_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["paper_id"], ["papers.id"], name="fk_post_papers_paper_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["post_id"], ["posts.id"], name="fk_post_papers_post_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("paper_id", "post_id", name="pk_post_papers"),
    )
    op.create_index("ix_post_papers_post_id", "post_papers", ["post_id"])

    op.create_table(
        "readings",
        sa.Column("post_id", ID, nullable=False),
        sa.Column("taken_at", TIME, nullable=False),
        sa.Column("retweets", sa.BigInteger(), nullable=False),
        sa.Column("favorites", sa.BigInteger(), nullable=False),
        sa.Column("replies", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["post_id"], ["posts.id"], name="fk_readings_post_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("post_id", "taken_at", name="pk_readings"),
    )


def downgrade() -> None:
    for table in (
        "readings",
        "post_papers",
        "paper_categories",
        "digest_papers",
        "deliveries",
        "batches",
        "suppressions",
        "subscribers",
        "runs",
        "posts",
        "papers",
        "digests",
        "budgets",
    ):
        op.drop_table(table)
