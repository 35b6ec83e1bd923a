"""What readers set for themselves, mails that are no digest, and limits on asking."""

import sqlalchemy as sa

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    with op.batch_alter_table("subscribers") as subscribers:
        subscribers.add_column(sa.Column("hour", sa.Integer()))
        subscribers.add_column(
            sa.Column("timezone", sa.String(64), nullable=False, server_default="")
        )
        subscribers.add_column(sa.Column("paused_until", sa.Date()))
        subscribers.add_column(sa.Column("fewer", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("subscribers") as subscribers:
        subscribers.alter_column("timezone", server_default=None)
        subscribers.alter_column("fewer", server_default=None)
    op.create_table(
        "notices",
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("subscriber_id", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("next_at", TIME, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscribers.id"], name="fk_notices_subscriber_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
        sa.UniqueConstraint("kind", "subscriber_id", name="uq_notices_kind_subscriber_id"),
    )
    op.create_index("ix_notices_next_at", "notices", ["next_at"])
    op.create_table(
        "limits",
        sa.Column("key", sa.String(80), nullable=False),
        sa.Column("full_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_limits"),
    )
