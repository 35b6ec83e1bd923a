"""The tables of procrastinate, which hands batches to workers; on PostgreSQL only.

They are made by the SQL in the installed package, so pyproject.toml pins procrastinate to the
series this was written for (3.10). How to go to the next one:

1. Copy the old package's `sql/schema.sql` beside this file and read it here, so that this
   migration stays what it was.
2. Add a migration that runs the files in the new package's `sql/migrations` that are newer
   than the old package, in the order of their names.
3. Move the pin, and check what trendbot/jobs.py says in SQL against the new schema.
"""

from importlib.resources import files

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    schema = (files("procrastinate.sql") / "schema.sql").read_text(encoding="utf-8")
    # Many statements with percent signs in them: sent as they are, without parameters.
    connection.exec_driver_sql(schema, execution_options={"no_parameters": True})
