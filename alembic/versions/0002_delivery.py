"""Claims that are hand-overs, pauses after a refusal, and limits that survive a restart."""

import sqlalchemy as sa

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    with op.batch_alter_table("digests") as digests:
        digests.add_column(sa.Column("stopped_at", TIME))
        digests.add_column(sa.Column("resume_at", TIME))
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.drop_column("handed_over")
    op.create_table(
        "sendings",
        sa.Column("minute", TIME, nullable=False),
        sa.Column("mails", sa.Integer(), nullable=False),
        sa.Column("free_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("minute", name="pk_sendings"),
    )
