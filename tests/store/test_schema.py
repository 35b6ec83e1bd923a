from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine, insert, inspect, select
from sqlalchemy.exc import StatementError

from trendbot.store import schema
from trendbot.store.engine import connect
from trendbot.store.schema import metadata


@pytest.fixture
def fresh(request: pytest.FixtureRequest, engine: Engine, tmp_path: Path) -> Iterator[Engine]:
    """A database like `engine`, its tables made from the metadata without any migration."""
    if engine.dialect.name == "sqlite":
        other = create_engine(f"sqlite:///{tmp_path}/fresh.db")
    else:
        other = connect(request.getfixturevalue("empty_postgresql"), tmp_path)
    metadata.create_all(other)
    yield other
    other.dispose()


def test_the_migrated_schema_is_the_one_in_the_code(engine: Engine) -> None:
    with engine.connect() as conn:
        opts = {"compare_type": True, "include_name": _is_ours}
        context = MigrationContext.configure(conn, opts=opts)
        assert compare_metadata(context, metadata) == []


def test_the_migrated_schema_equals_a_fresh_one(engine: Engine, fresh: Engine) -> None:
    with engine.connect() as migrated, fresh.connect() as created:
        assert _reflected(migrated) == _reflected(created)


def _is_ours(name: str | None, kind: str, _above: object) -> bool:
    """Everything but procrastinate's tables, which come from its package, and the search index."""
    not_ours = ("procrastinate_", "paper_words")
    return not (kind == "table" and name is not None and name.startswith(not_ours))


def _reflected(conn: Connection) -> dict[str, Any]:
    """All the database itself knows about its tables, without the order it tells it in."""
    look = inspect(conn)
    tables = [
        name
        for name in look.get_table_names()
        if name != "alembic_version" and _is_ours(name, "table", None)
    ]
    return {
        name: {
            "columns": {
                column["name"]: (
                    repr(column["type"]),
                    column["nullable"],
                    column["default"],
                    column.get("autoincrement"),
                )
                for column in look.get_columns(name)
            },
            "primary key": look.get_pk_constraint(name),
            "foreign keys": _by_name(look.get_foreign_keys(name)),
            "uniques": _by_name(look.get_unique_constraints(name)),
            "indexes": _by_name(look.get_indexes(name)),
            "checks": _by_name(look.get_check_constraints(name)),
        }
        for name in tables
    }


def _by_name(found: list[Any]) -> dict[str, Any]:
    return {one["name"]: one for one in found}


def test_times_come_back_aware_and_in_utc(engine: Engine) -> None:
    east = datetime(2026, 11, 20, 9, 30, 0, 123456, timezone(timedelta(hours=2)))
    with engine.begin() as conn:
        conn.execute(
            insert(schema.suppressions), {"email_key": "a", "reason": "", "created_at": east}
        )
        back = conn.execute(select(schema.suppressions.c.created_at)).scalar_one()
    assert back == east
    assert back.utcoffset() == UTC.utcoffset(None)


def test_times_compare_on_the_server(engine: Engine, now: datetime) -> None:
    east = now.astimezone(timezone(timedelta(hours=5, minutes=30)))
    created = schema.suppressions.c.created_at
    with engine.begin() as conn:
        conn.execute(
            insert(schema.suppressions), {"email_key": "a", "reason": "", "created_at": now}
        )
        assert conn.execute(select(created).where(created <= east)).all() != []
        assert conn.execute(select(created).where(created < east)).all() == []


def test_a_time_without_zone_is_refused(engine: Engine, now: datetime) -> None:
    row = {"email_key": "a", "reason": "", "created_at": now.replace(tzinfo=None)}
    with engine.connect() as conn, pytest.raises(StatementError, match="naive"):
        conn.execute(insert(schema.suppressions), row)


def test_text_no_database_could_hold_is_cleaned(engine: Engine, now: datetime) -> None:
    row = {
        "signal": "x",
        "external_id": "1",
        "author": "eve",
        "url": "",
        "text": "nul \0 half \ud83d whole \U0001f600",
        "posted_at": now,
    }
    with engine.begin() as conn:
        conn.execute(insert(schema.posts), row)
        assert conn.scalar(select(schema.posts.c.text)) == "nul  half ? whole \U0001f600"
