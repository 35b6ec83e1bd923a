"""The way into the database. Over 400 lines, because the faults of two databases are in it."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from pathlib import Path
from threading import Barrier, Thread

import psycopg
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, insert, make_url, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, TimeoutError

from trendbot.errors import SettingsError, StoreError
from trendbot.store.engine import (
    alembic_config,
    begin_lightly,
    connect,
    current,
    explain,
    insert_into,
    open_store,
    upgrade,
)
from trendbot.store.schema import REVISION, budgets, suppressions


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    engine = open_store("sqlite:///trendbot.db", tmp_path)
    yield engine
    engine.dispose()


def test_relative_path_starts_from_home(sqlite: Engine, tmp_path: Path) -> None:
    assert (tmp_path / "trendbot.db").is_file()
    assert current(sqlite) == REVISION


def test_a_new_file_is_for_its_owner_alone(sqlite: Engine, tmp_path: Path) -> None:
    with sqlite.begin() as conn:
        conn.execute(text("INSERT INTO budgets VALUES ('x', '2026-11-20', 0, '')"))
        modes = {file.name: oct(file.stat().st_mode & 0o777) for file in tmp_path.iterdir()}
    names = ("trendbot.db", "trendbot.db-wal", "trendbot.db-shm")
    assert modes == dict.fromkeys(names, oct(0o600))


def test_the_rights_of_a_file_that_is_there_stay(sqlite_template: Path, tmp_path: Path) -> None:
    file = tmp_path / "trendbot.db"
    file.write_bytes(sqlite_template.read_bytes())
    file.chmod(0o660)
    open_store("sqlite:///trendbot.db", tmp_path).dispose()
    assert file.stat().st_mode & 0o777 == 0o660


def test_asking_for_the_revision_makes_no_file(tmp_path: Path) -> None:
    engine = connect("sqlite:///trendbot.db", tmp_path)
    assert current(engine) is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_takes_no_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "trendbot.db").symlink_to(tmp_path / "gone" / "trendbot.db")
    with pytest.raises(StoreError, match=r"cannot be opened; check database\.url"):
        open_store("sqlite:///trendbot.db", tmp_path)


def test_revision_is_the_head_of_the_migrations(engine: Engine) -> None:
    with engine.connect() as conn:
        heads = ScriptDirectory.from_config(alembic_config(conn)).get_heads()
    assert heads == [REVISION]
    assert current(engine) == REVISION


def test_an_empty_postgresql_database_is_migrated_and_stays_so(
    empty_postgresql: str, tmp_path: Path
) -> None:
    for _ in range(2):
        engine = open_store(empty_postgresql, tmp_path)
        assert current(engine) == REVISION
        engine.dispose()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_every_spelling_of_postgresql_goes_through_psycopg(scheme: str, tmp_path: Path) -> None:
    engine = connect(f"{scheme}://reader@localhost/papers", tmp_path)
    assert engine.url.drivername == "postgresql+psycopg"


def test_an_up_to_date_store_opens_without_alembic(database_url: str, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from trendbot.store.engine import open_store;"
        f"open_store({database_url!r}, Path({str(tmp_path)!r})).dispose();"
        "sys.exit('alembic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:hush@localhost/x",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///trendbot.db?key=hush",
        "postgresql://u:hush@localhost:port/x",
        "pg://[hush/x",
        "hush",
        "",
    ],
)
def test_other_databases_are_wrong_settings(url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^database\.url: ") as caught:
        connect(url, tmp_path)
    assert "hush" not in str(caught.value)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="gone: no such folder for the database; create it"):
        open_store("sqlite:///gone/trendbot.db", tmp_path)


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match=r"is a folder; database\.url must name a file"):
        open_store("sqlite:///folder", tmp_path)


def test_another_file_is_no_database_and_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "thesis.tex"
    file.write_text("\\documentclass{article}" * 500)
    with pytest.raises(StoreError, match=r"not a database; point database\.url at another one"):
        open_store("sqlite:///thesis.tex", tmp_path)
    assert file.read_text() == "\\documentclass{article}" * 500


def test_a_read_only_file_cannot_be_upgraded(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "empty.db").close()
    with pytest.raises(StoreError, match="the database is read-only; give this user the right"):
        open_store(f"sqlite:///file:{tmp_path}/empty.db?mode=ro&uri=true", tmp_path)


def test_a_newer_database_is_refused(database_url: str, engine: Engine, tmp_path: Path) -> None:
    with engine.begin() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    with pytest.raises(StoreError) as caught:
        open_store(database_url, tmp_path)
    assert str(caught.value) == (
        f"the database is at revision 0999, newer than this trendbot knows ({REVISION}); "
        "upgrade trendbot, or use another database"
    )
    with pytest.raises(StoreError, match="0999"):
        upgrade(engine)
    assert current(engine) == "0999"


def test_a_database_of_another_program_stays_as_it_is(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE papers (mine INTEGER)")
    other.close()
    with pytest.raises(StoreError, match="papers already exists"):
        open_store("sqlite:///other.db", tmp_path)
    other = sqlite3.connect(tmp_path / "other.db")
    assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("papers",)]
    other.close()


def test_an_unreachable_server_is_told_without_the_password(tmp_path: Path) -> None:
    url = f"postgresql://reader:hush@/papers?host={tmp_path}"
    with pytest.raises(StoreError, match="the database cannot be reached; is it running") as caught:
        open_store(url, tmp_path)
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_database_is_told(empty_postgresql: str, tmp_path: Path) -> None:
    url = make_url(empty_postgresql).set(database="nowhere")
    with pytest.raises(StoreError, match="the database does not exist; create it"):
        open_store(url.render_as_string(hide_password=False), tmp_path)


def test_a_user_without_rights_is_told(empty_postgresql: str, tmp_path: Path) -> None:
    admin = connect(empty_postgresql, tmp_path)
    url = make_url(empty_postgresql).set(username="guest_of_trendbot", password="hush")
    with admin.begin() as conn:
        conn.execute(text("CREATE ROLE guest_of_trendbot LOGIN"))
    with pytest.raises(StoreError, match="this database user lacks a right"):
        open_store(url.render_as_string(hide_password=False), tmp_path)
    with admin.begin() as conn:
        conn.execute(text("DROP ROLE guest_of_trendbot"))
    admin.dispose()


def test_a_refused_password_is_told() -> None:
    # The words of libpq; the server of the tests trusts everybody.
    cause = psycopg.OperationalError(
        'connection failed: connection to server at "127.0.0.1", port 5432 failed: '
        'FATAL:  password authentication failed for user "reader"'
    )
    line = explain(OperationalError(None, None, cause))
    assert line.startswith("the database refused the password; check database.url")


def test_many_may_open_a_new_store_at_once(empty_postgresql: str, tmp_path: Path) -> None:
    for url in (empty_postgresql, "sqlite:///new.db"):
        start = Barrier(4)

        def open_now(url: str = url, start: Barrier = start) -> str | None:
            start.wait(timeout=30)
            engine = open_store(url, tmp_path)
            revision = current(engine)
            engine.dispose()
            return revision

        with ThreadPoolExecutor(4) as pool:
            openings = [pool.submit(open_now) for _ in range(4)]
            assert {opening.result(timeout=60) for opening in openings} == {REVISION}


def test_a_new_file_another_process_is_writing_to_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = sqlite3.connect(tmp_path / "new.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        other.close()

    monkeypatch.setattr("trendbot.store.engine.sleep", sleep)
    open_store("sqlite:///new.db", tmp_path).dispose()
    assert len(waits) == 1


def test_sqlite_is_durable_and_checks_references(sqlite: Engine) -> None:
    with sqlite.connect() as conn:
        pragmas = {
            name: conn.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
        }
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "busy_timeout": 10_000,
        "foreign_keys": 1,
    }


def test_references_are_checked(engine: Engine) -> None:
    with pytest.raises(IntegrityError), engine.begin() as conn:
        conn.execute(
            text("INSERT INTO paper_categories (paper_id, position, category) VALUES (7, 0, 'cs')")
        )


def test_a_failed_transaction_leaves_nothing(engine: Engine, now: datetime) -> None:
    def fail() -> None:
        with engine.begin() as conn:
            conn.execute(insert(suppressions), {"email_key": "a", "reason": "", "created_at": now})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    with engine.connect() as conn:
        assert conn.execute(select(suppressions)).all() == []


def test_readers_and_a_writer_do_not_wait_for_each_other(engine: Engine) -> None:
    everything = select(budgets.c.signal)
    row = {"signal": "x", "day": "2026-11-20", "used": 0, "stopped": ""}
    add = text("INSERT INTO budgets VALUES (:signal, :day, :used, :stopped)")
    with engine.connect() as early:
        assert early.execute(everything).all() == []
        with engine.begin() as writer:
            writer.execute(add, row)
            with engine.connect() as late:
                assert late.execute(everything).all() == []
    with engine.connect() as after:
        assert after.execute(everything).scalars().all() == ["x"]


def test_a_writer_that_reads_first_is_not_cut_off_by_another(engine: Engine) -> None:
    """Without BEGIN IMMEDIATE one of the two fails with "database is locked" on SQLite."""
    with engine.begin() as conn:
        conn.execute(text("INSERT INTO budgets VALUES ('x', '2026-11-20', 0, '')"))
    start = Barrier(2)

    def add_one() -> None:
        for _ in range(20):
            start.wait(timeout=30)
            with engine.begin() as conn:
                conn.execute(select(budgets.c.used)).scalar_one()
                conn.execute(update(budgets).values(used=budgets.c.used + 1))

    with ThreadPoolExecutor(2) as pool:
        for writer in [pool.submit(add_one) for _ in range(2)]:
            writer.result(timeout=60)
    with engine.connect() as conn:
        assert conn.scalar(select(budgets.c.used)) == 40


def test_postgresql_is_in_utc_and_checks_its_connections(
    empty_postgresql: str, tmp_path: Path
) -> None:
    engine = connect(empty_postgresql, tmp_path)
    with engine.connect() as conn:
        assert conn.exec_driver_sql("SHOW timezone").scalar() == "UTC"
        backend = conn.exec_driver_sql("SELECT pg_backend_pid()").scalar()
    killer = connect(empty_postgresql, tmp_path)
    with killer.connect() as conn:
        conn.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": backend})
    killer.dispose()
    with engine.connect() as conn:
        assert conn.exec_driver_sql("SELECT 1").scalar() == 1
    engine.dispose()


def test_an_insert_may_be_ignored_or_change_what_is_there(engine: Engine) -> None:
    row = {"signal": "x", "day": date(2026, 11, 20), "used": 3, "stopped": ""}
    with engine.begin() as conn:
        new = insert_into(conn, budgets)
        for _ in range(2):
            conn.execute(new.on_conflict_do_nothing(), row)
        assert conn.scalar(select(budgets.c.used)) == 3
        change = new.on_conflict_do_update(
            index_elements=["signal", "day"], set_={"used": budgets.c.used + new.excluded.used}
        )
        conn.execute(change, row)
        assert conn.scalar(select(budgets.c.used)) == 6


def _failure(engine: Engine, *statements: str) -> DBAPIError:
    *first, last = statements
    with engine.connect() as conn:
        for statement in first:
            conn.exec_driver_sql(statement)
        with pytest.raises(DBAPIError) as caught:
            conn.exec_driver_sql(last)
    return caught.value


def test_a_full_disk_is_told(sqlite: Engine) -> None:
    fill = "CREATE TABLE big AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
    error = _failure(
        sqlite, "PRAGMA max_page_count=1", fill + "LIMIT 9999) SELECT randomblob(500) FROM n"
    )
    assert explain(error) == "the disk is full; free some space and try again"


def test_an_unknown_option_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match='refused: invalid connection option "colour"'):
        open_store("postgresql://reader:hush@localhost/papers?colour=red", tmp_path)


def test_a_server_that_went_away_is_told(empty_postgresql: str, tmp_path: Path) -> None:
    engine = connect(empty_postgresql, tmp_path)
    error = _failure(engine, "SELECT pg_terminate_backend(pg_backend_pid())")
    engine.dispose()
    assert explain(error).startswith("the database cannot be reached; is it running")


def test_a_lock_is_told(sqlite: Engine) -> None:
    with sqlite.begin():
        error = _failure(sqlite, "PRAGMA busy_timeout=0", "DELETE FROM papers")
    assert explain(error).startswith("the database is locked by another process")


def test_a_read_only_server_is_told(empty_postgresql: str, tmp_path: Path) -> None:
    engine = connect(empty_postgresql, tmp_path)
    error = _failure(engine, "SET TRANSACTION READ ONLY", "CREATE TABLE x ()")
    engine.dispose()
    assert explain(error) == "the database is read-only; connect to the primary server"


def test_whatever_else_is_told_without_values(engine: Engine, now: datetime) -> None:
    row = {"email_key": "eve@example.org", "reason": "", "created_at": now}
    with engine.connect() as conn:
        conn.execute(insert(suppressions), row)
        with pytest.raises(IntegrityError) as caught:
            conn.execute(insert(suppressions), row)
    assert explain(caught.value).startswith("the database refused: ")
    assert "eve@example.org" not in explain(caught.value)


def test_an_error_of_sqlalchemy_itself_is_told() -> None:
    assert explain(TimeoutError("QueuePool limit reached")) == (
        "the database cannot be used: QueuePool limit reached"
    )


def test_a_frozen_process_cannot_keep_its_locks(postgresql: Engine) -> None:
    with postgresql.connect() as conn:
        assert conn.scalar(text("SHOW idle_in_transaction_session_timeout")) == "5min"


def test_what_is_written_lightly_is_written_and_what_fails_is_not(engine: Engine) -> None:
    def count() -> object:
        with engine.connect() as conn:
            return conn.scalar(text("SELECT count(*) FROM pace"))

    insert = text("INSERT INTO pace (id, free_at, minutes) VALUES (:id, :at, '{}')")
    at = "2026-11-20 07:00:00.000000"
    with begin_lightly(engine) as conn:
        conn.execute(insert, {"id": 1, "at": at})
    assert count() == 1
    both = [{"id": 2, "at": at}, {"id": 1, "at": at}]
    with pytest.raises(IntegrityError), begin_lightly(engine) as conn:
        conn.execute(insert, both)
    assert count() == 1


def test_who_writes_after_something_light_waits_for_the_disk(engine: Engine) -> None:
    is_sqlite = engine.dialect.name == "sqlite"
    setting = text("PRAGMA synchronous" if is_sqlite else "SHOW synchronous_commit")
    with engine.begin() as conn:
        usual = conn.scalar(setting)
    with begin_lightly(engine) as conn:
        assert conn.scalar(setting) == (1 if is_sqlite else "off")
    with engine.begin() as conn:
        assert conn.scalar(setting) == usual
    assert not is_sqlite or usual == 2


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_threads_that_write_sqlite_take_turns(engine: Engine) -> None:
    """Without a queue some of them wait for seconds, as SQLite asks again by the clock."""
    began: list[int] = []

    def write(number: int) -> None:
        with engine.begin() as conn:
            began.append(number)
            conn.execute(text("SELECT 1"))

    waiting = engine._queue  # type: ignore[attr-defined]
    threads = []
    with engine.begin():
        for number in range(12):
            threads.append(Thread(target=write, args=(number,)))
            threads[-1].start()
            while len(waiting) < number + 2:
                pass
    for thread in threads:
        thread.join(timeout=60)
    assert began == list(range(12))
