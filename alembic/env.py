"""Runs the migrations on the connection that trendbot.store.engine hands over.

The caller opened the transaction and holds the lock; nothing is committed here.
"""

from alembic import context
from trendbot.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    render_as_batch=True,  # SQLite cannot alter a column: it copies the table
)
context.run_migrations()
