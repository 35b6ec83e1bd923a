"""Claims that are hand-overs, pauses after a refusal, and limits that survive a restart."""

import sqlalchemy as sa

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    with op.batch_alter_table("digests") as digests:
        digests.add_column(sa.Column("stopped_at", TIME))
        digests.add_column(sa.Column("resume_at", TIME))
        digests.add_column(sa.Column("closed", sa.JSON()))
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.drop_index("ix_deliveries_digest_id_state")
        deliveries.drop_column("handed_over")
        deliveries.add_column(sa.Column("deaths", sa.Integer(), nullable=False, server_default="0"))
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.alter_column("deaths", server_default=None)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE deliveries SET (fillfactor = 60)")
    op.create_table(
        "pace",
        sa.Column("id", ID, nullable=False),
        sa.Column("free_at", TIME, nullable=False),
        sa.Column("minutes", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pace"),
    )
