"""Posts that no look finds for a day lapse; those whose papers are measured no more are closed."""

import sqlalchemy as sa

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    state = sa.Column("state", sa.String(6), nullable=False, server_default="open")
    with op.batch_alter_table("posts") as posts:
        posts.add_column(state)
    with op.batch_alter_table("posts") as posts:
        posts.alter_column("state", server_default=None)
    op.create_index("ix_posts_state_seen_at", "posts", ["state", "seen_at"])
    # What archives printed stays. Which others lapse or are closed, the next tidying finds out.
    op.execute("UPDATE posts SET state = 'closed' WHERE listed_on IS NOT NULL")
