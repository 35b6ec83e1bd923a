"""The way into the database: connect, upgrade, and say in one line what is wrong with it.

`engine.begin()` is for writing, `engine.connect()` for reading. On SQLite the first takes
the write lock at once, because a transaction that reads first and writes later fails when
another process wrote in between; the second never waits for anybody.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from threading import Lock
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    Table,
    create_engine,
    event,
    func,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError

from trendbot.errors import SettingsError, StoreError
from trendbot.folders import folder
from trendbot.store.schema import REVISION
from trendbot.store.turns import Queue

if TYPE_CHECKING:
    from alembic.config import Config

BUSY_SECONDS = 10
CONNECT_SECONDS = 10
# libpq's parameters (https://www.postgresql.org/docs/current/libpq-connect.html).
POSTGRESQL_CONNECTS: dict[str, int | str] = {
    "connect_timeout": CONNECT_SECONDS,
    # A process that was frozen in a transaction gives its locks back, and begins again later.
    "options": "-c timezone=UTC -c idle_in_transaction_session_timeout=5min",
    # A server that vanished is noticed within a minute, not after two hours.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
# A connection for each of the 40 threads that answer requests, and a few. Opened when needed.
# With fewer, who waits for one is passed by who comes later, some of 32 for seconds.
POOL = {"pool_size": 45, "max_overflow": 0}
# Any number will do, as long as every trendbot on one PostgreSQL database takes the same.
_UPGRADE_LOCK = 7_236_173
_creating = Lock()

# What to do, by the beginning of SQLite's error name (https://sqlite.org/rescode.html).
_SQLITE_ADVICE = {
    "SQLITE_FULL": "the disk is full; free some space and try again",
    "SQLITE_BUSY": "the database is locked by another process; stop that one or try again",
    "SQLITE_LOCKED": "the database is locked by another process; stop that one or try again",
    "SQLITE_READONLY": "the database is read-only; give this user the right to write to it "
    "and to its folder",
    "SQLITE_CANTOPEN": "the database file cannot be opened; check database.url, and that this "
    "user may write to the folder",
    "SQLITE_PERM": "the database file cannot be opened; check its owner and permissions",
    "SQLITE_NOTADB": "the file is not a database; point database.url at another one",
    "SQLITE_CORRUPT": "the database file is damaged; restore it from a backup",
    "SQLITE_IOERR": "the disk failed while the database was used; check the disk and its space",
}

# The same by SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html).
_POSTGRESQL_ADVICE = {
    "28P01": "the database refused the password; check database.url",
    "28000": "the database refused this user; check database.url and pg_hba.conf",
    "3D000": "the database does not exist; create it, or check database.url",
    "25006": "the database is read-only; connect to the primary server",
    "42501": "this database user lacks a right; grant it, or connect as the owner",
    "53100": "the disk of the database server is full; free some space and try again",
    "53300": "the database server has no free connection; raise max_connections or use fewer",
    "55P03": "the database is locked by another process; stop that one or try again",
}


class _SQLiteEngine(Engine):
    """An engine whose `begin()` takes SQLite's write lock at once.

    Its threads queue before they ask for it: SQLite lets those who wait sleep up to a tenth
    of a second at a time, whoever comes then is first, and of 32 some wait for seconds.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._queue = Queue()

    @contextmanager
    def begin(self, lightly: bool = False, anew: bool = False) -> Iterator[Connection]:
        with (
            self._queue.turn(BUSY_SECONDS),
            self.connect() as conn,
            _unsynced(conn) if lightly else nullcontext(),
            _unchecked(conn) if anew else nullcontext(),
            conn.execution_options(trendbot_writes=True).begin(),
        ):
            yield conn


@contextmanager
def begin_lightly(engine: Engine) -> Iterator[Connection]:
    """`engine.begin()` for what may be forgotten when the power fails: no wait for the disk."""
    if isinstance(engine, _SQLiteEngine):
        with engine.begin(lightly=True) as conn:
            yield conn
        return
    with engine.begin() as conn:
        conn.execute(text("SET LOCAL synchronous_commit = off"))
        yield conn


@contextmanager
def _unsynced(conn: Connection) -> Iterator[None]:
    """Until the end SQLite syncs its log only when it is folded in; it stays whole all the same."""
    dbapi = conn.connection.driver_connection
    assert isinstance(dbapi, sqlite3.Connection)  # noqa: S101  # for mypy
    dbapi.execute("PRAGMA synchronous=NORMAL")
    try:
        yield
    finally:
        dbapi.execute("PRAGMA synchronous=FULL")


@contextmanager
def _unchecked(conn: Connection) -> Iterator[None]:
    """Until the end references are not checked, so that tables can be made anew.

    A migration that changes a column copies the table and drops the old one, and what refers
    to its rows would go with them (https://sqlite.org/lang_altertable.html section 7).
    """
    dbapi = conn.connection.driver_connection
    assert isinstance(dbapi, sqlite3.Connection)  # noqa: S101  # for mypy
    dbapi.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        dbapi.execute("PRAGMA foreign_keys=ON")


def connect(url: str, home: Path) -> Engine:
    """An engine for `url`; nothing is opened yet.

    Relative SQLite paths start from `home`. Raises SettingsError for a URL of anything but
    SQLite or PostgreSQL, and StoreError where the folder of the file is missing.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise SettingsError(  # the URL is a secret: neither it nor the cause is shown
            "database.url: not a database address; write it as sqlite:///trendbot.db "
            "or postgresql://user:password@host/name"
        ) from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _connect_sqlite(parsed, home)
    if backend in ("postgresql", "postgres"):
        return _connect_postgresql(parsed)
    raise SettingsError(f"database.url: {backend} is not supported; use sqlite or postgresql")


def open_store(url: str, home: Path) -> Engine:
    """Connect and bring the schema up to date; processes that open at once do no harm.

    Raises SettingsError as `connect` does, and StoreError where the database cannot be
    used: unreachable, not a database, read-only, or newer than this trendbot.
    """
    with ExitStack() as undo:
        engine = connect(url, home)
        undo.callback(engine.dispose)
        try:
            if current(engine) != REVISION:
                upgrade(engine)
        except SQLAlchemyError as error:
            raise StoreError(explain(error)) from error
        undo.pop_all()
    return engine


def current(engine: Engine) -> str | None:
    """The revision of the database's schema, or None where there is none yet; changes nothing."""
    if _is_missing_file(engine.url):
        return None
    with engine.connect() as conn:
        return _revision(conn)


def upgrade(engine: Engine) -> None:
    """Run the migrations that are missing, under a lock, in one transaction.

    Raises StoreError where the database is newer than this trendbot.
    """
    # Alembic takes a moment to import, and hardly ever has something to do.
    from alembic import command, script

    anew = {"anew": True} if isinstance(engine, _SQLiteEngine) else {}
    with engine.begin(**anew) as conn:
        if conn.dialect.name == "postgresql":
            conn.execute(select(func.pg_advisory_xact_lock(_UPGRADE_LOCK)))
        config = alembic_config(conn)
        migrations = script.ScriptDirectory.from_config(config).walk_revisions()
        found = _revision(conn)
        if found is not None and found not in {one.revision for one in migrations}:
            raise StoreError(
                f"the database is at revision {found}, newer than this trendbot knows "
                f"({REVISION}); upgrade trendbot, or use another database"
            )
        command.upgrade(config, "head")


def alembic_config(conn: Connection) -> "Config":
    """Alembic's configuration for `conn`, in place of an alembic.ini."""
    from alembic.config import Config

    config = Config()
    # ConfigParser reads % as the start of a reference.
    config.set_main_option("script_location", str(folder("alembic")).replace("%", "%%"))
    config.attributes["connection"] = conn
    return config


def insert_into(conn: Connection, table: Table) -> "sqlite.Insert | postgresql.Insert":
    """An INSERT that can say ON CONFLICT, in the words of the connection's database."""
    return insert_for(conn.dialect.name, table)


def insert_for(dialect: str, table: Table) -> "sqlite.Insert | postgresql.Insert":
    """The same by the name of the database, for statements that are built once."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def explain(error: SQLAlchemyError) -> str:
    """One line on what is wrong and what to do, without SQL, values or passwords."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    if isinstance(cause, sqlite3.Error):
        name = getattr(cause, "sqlite_errorname", "")
        for beginning, advice in _SQLITE_ADVICE.items():
            if name.startswith(beginning):
                return advice
        return f"the database refused: {_one_line(cause)}"
    if cause is not None:
        return _explain_postgresql(cause, isinstance(error, OperationalError))
    return f"the database cannot be used: {_one_line(error)}"


def _explain_postgresql(cause: BaseException, operational: bool) -> str:
    state = getattr(cause, "sqlstate", None)
    # The primary message alone: the detail below it shows the row.
    line = getattr(getattr(cause, "diag", None), "message_primary", None) or _one_line(cause)
    if state in _POSTGRESQL_ADVICE:
        return _POSTGRESQL_ADVICE[state]
    if not operational or (state and state[:2] not in ("08", "57")):
        return f"the database refused: {line}"
    # libpq gives no SQLSTATE for a connection that failed, only the server's words.
    if "password" in line:
        return f"{_POSTGRESQL_ADVICE['28P01']} ({line})"
    if 'database "' in line and "does not exist" in line:
        return f"{_POSTGRESQL_ADVICE['3D000']} ({line})"
    return f"the database cannot be reached; is it running, is database.url right? ({line})"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def _revision(conn: Connection) -> str | None:
    if not inspect(conn).has_table("alembic_version"):
        return None
    found: str | None = conn.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def _connect_postgresql(url: URL) -> Engine:
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        hide_parameters=True,  # addresses of subscribers have no place in a log
        pool_pre_ping=True,
        **POOL,
        connect_args=POSTGRESQL_CONNECTS,
    )


def _connect_sqlite(url: URL, home: Path) -> Engine:
    if not url.database or url.database == ":memory:":
        raise SettingsError(
            "database.url: an in-memory database would forget everybody; name a file, "
            "such as sqlite:///trendbot.db"
        )
    if "uri" not in url.query:
        if url.query:
            raise SettingsError("database.url: leave out what follows the ?; SQLite needs nothing")
        url = url.set(database=str(_database_file(home / url.database)))
    plain = create_engine(
        url.set(drivername="sqlite"),
        hide_parameters=True,
        connect_args={"timeout": BUSY_SECONDS},
        **POOL,
    )
    engine = _SQLiteEngine(plain.pool, plain.dialect, plain.url, hide_parameters=True)
    if "uri" not in url.query:
        event.listen(engine, "do_connect", _create_for_owner)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _database_file(path: Path) -> Path:
    if not path.parent.is_dir():
        raise StoreError(f"{path.parent}: no such folder for the database; create it")
    if path.is_dir():
        raise StoreError(f"{path}: is a folder; database.url must name a file")
    return path


def _is_missing_file(url: URL) -> bool:
    is_file = url.get_backend_name() == "sqlite" and "uri" not in url.query
    return is_file and not Path(url.database or "").exists()


def _create_for_owner(_dialect: object, _record: object, args: list[Any], _options: object) -> None:
    """Make a missing file for its owner alone: it holds addresses. -wal and -shm follow it.

    SQLite would make it for everybody to read; what it cannot open, it tells better than we.
    """
    # Closing a file lets go of all this process's locks on it (https://sqlite.org/howtocorrupt.html
    # section 2.2), so no other thread may get as far as locking it in between.
    with _creating, suppress(OSError):
        os.close(os.open(args[0], os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _prepare_sqlite(dbapi: sqlite3.Connection, _record: object) -> None:
    # The documented way to real transactions: sqlite3 begins none, _begin_sqlite does.
    dbapi.isolation_level = None
    _switch_to_wal(dbapi)
    dbapi.execute("PRAGMA synchronous=FULL")
    dbapi.execute("PRAGMA foreign_keys=ON")


def _switch_to_wal(dbapi: sqlite3.Connection) -> None:
    # Of two processes that open a new file at once, SQLite turns one away without waiting,
    # whatever the busy timeout: each would hold a lock the other needs.
    until = monotonic() + BUSY_SECONDS
    while True:
        try:
            dbapi.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or monotonic() > until:
                raise
            sleep(0.05)
        else:
            return


def _begin_sqlite(conn: Connection) -> None:
    writes = conn.get_execution_options().get("trendbot_writes", False)
    conn.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
