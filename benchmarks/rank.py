"""How long a ranking takes, by each of what it can be by, on SQLite and on PostgreSQL.

    python benchmarks/rank.py [--runs 5] [--papers 100000] [--posts 1000000] [--readings 10]

Fills each database with SQL alone: all papers announced on one day, posts of two signals
spread over them, each with its readings and what is believed of them. The tallies are made by
trendbot's own code. Then every figure is taken once in each run, one after the other, so that
whatever else the machine does falls on all of them alike: what a ranking reads through
the plain driver, the candidates, and the candidates ranked by total, growth and field. The
last figures are of whole commands on a small database, 3,000 papers and 30,000 posts.
Milliseconds; whole processes include their start.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from delivering.figures import Figures, at_most, machine
from search import postgresql
from sqlalchemy import Engine, text

from trendbot.model import By
from trendbot.ranking import rank
from trendbot.store import posts, tallies
from trendbot.store.engine import open_store

DAY = date(2026, 11, 20)
MOST = 1000  # milliseconds
TRENDBOT = Path(sys.executable).with_name("trendbot")
CATEGORIES = 150

# What a ranking cannot do without reading, by the plainest means there are.
PLAIN = (
    "SELECT p.id, p.source, p.external_id, c.category FROM papers p"
    " LEFT JOIN paper_categories c ON c.paper_id = p.id AND c.position = 0"
    f" WHERE p.announced = '{DAY}' ORDER BY p.id",
    "SELECT t.paper_id, t.signal, t.posts, t.retweets, t.favorites, t.growth, t.measured_at,"
    " t.left_out, t.flag FROM tallies t JOIN papers p ON p.id = t.paper_id"
    f" WHERE p.announced = '{DAY}'",
)
NUMBERS = (
    "WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT)"
    " UNION ALL SELECT i + 1 FROM n WHERE i < {many}) "
)
PAPERS = """
INSERT INTO papers (id, source, external_id, title, authors, abstract, comments, links,
    announced, added_at)
{numbers} SELECT i, 'arxiv', '2611.' || i, 'An Invented Paper on Kites, Part ' || i,
    '["Ada Quill", "Bo Tern"]', '{abstract}', '', '{{}}', '{day}', '{day} 12:00:00.000000' FROM n
"""
IN_FIELDS = """
INSERT INTO paper_categories (paper_id, position, category)
{numbers} SELECT i, 0, 'cs.' || (i * i % {categories}) FROM n
"""
# A few posts are counted often, most hardly ever.
POSTS = """
INSERT INTO posts (id, signal, external_id, author, url, text, posted_at, account, shared,
    automated, titled, fingerprint, measured_at, retweets, favorites, replies, growth, flag,
    seen_at, state)
{numbers} SELECT i, CASE i / 7 % 2 WHEN 0 THEN 'x' ELSE 'bluesky' END, 'post' || i,
    'reader' || i % 5000, 'https://example.org/' || i, 'Look at this kite!',
    '{day} 01:00:00.000000', 'account' || i % 5000, FALSE, FALSE, FALSE, 'said' || i % 777,
    '{day} 12:00:00.000000', 3000000 / (i * 7919 % 1000003 + 1),
    9000000 / (i * 7919 % 1000003 + 1), 0, i % 1000 / 8.0, '', '{day} 12:00:00.000000',
    'open' FROM n
"""
LINKS = """
INSERT INTO post_papers (paper_id, post_id)
{numbers} SELECT i * 104729 % {papers} + 1, i FROM n
"""
READINGS = """
INSERT INTO readings (post_id, taken_at, retweets, favorites, replies, flag)
SELECT id, '{day} {hour:02}:00:00.000000', retweets, favorites, 0, '' FROM posts
"""


def fill(engine: Engine, many_papers: int, many_posts: int, many_readings: int) -> None:
    """A database as collecting leaves it."""
    abstract = "A sentence about kites of some length. " * 30
    of_papers, of_posts = NUMBERS.format(many=many_papers), NUMBERS.format(many=many_posts)
    said = {"day": DAY, "abstract": abstract, "categories": CATEGORIES, "papers": many_papers}
    statements = [
        PAPERS.format(numbers=of_papers, **said),
        IN_FIELDS.format(numbers=of_papers, **said),
        POSTS.format(numbers=of_posts, **said),
        LINKS.format(numbers=of_posts, **said),
        *(READINGS.format(hour=hour, **said) for hour in range(13 - many_readings, 13)),
    ]
    with engine.begin() as conn:
        for statement in statements:
            conn.execute(text(statement.replace(":00", r"\:00")))
    for first in range(1, many_papers + 1, 5000):
        ids = range(first, min(first + 5000, many_papers + 1))
        with engine.begin() as conn:
            tallies.refresh(conn, ids, tallies.AS_USUAL)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text("ANALYZE"))


def plain(engine: Engine, many_papers: int) -> None:
    """The rows a ranking needs, through the driver that SQLAlchemy uses, as it gives them."""
    with engine.connect() as conn:
        driver = conn.connection.driver_connection
        assert driver is not None
        papers, tallied = (driver.cursor().execute(one).fetchall() for one in PLAIN)
    assert len(papers) == many_papers
    assert len(tallied) > many_papers


def candidates(engine: Engine, many_papers: int) -> None:
    with engine.connect() as conn:
        assert len(posts.candidates(conn, DAY, DAY)) == many_papers


def ranked(engine: Engine, many_papers: int, by: By) -> None:
    with engine.connect() as conn:
        standings = rank(posts.candidates(conn, DAY, DAY, {"x": 2}), 1, by)
    assert 0.9 * many_papers < len(standings) <= many_papers


def measure(name: str, engine: Engine, wanted: argparse.Namespace) -> None:
    """Fill and rank, so many times."""
    start = time.perf_counter()
    fill(engine, wanted.papers, wanted.posts, wanted.readings)
    filled = time.perf_counter() - start
    many = f"{wanted.papers:,} papers, {wanted.posts:,} posts, {wanted.readings} readings of each"
    figures = Figures(f"{name}: {many}; milliseconds")
    for _ in range(wanted.runs):
        figures.add("its rows through the driver", timed(lambda: plain(engine, wanted.papers)))
        figures.add("candidates", timed(lambda: candidates(engine, wanted.papers)))
        for by in By:
            took = timed(lambda by=by: ranked(engine, wanted.papers, by))  # type: ignore[misc]
            figures.add(f"candidates, ranked by {by}", took, at_most(MOST))
    figures.add("filling, seconds", filled)
    figures.show()


def commands(home: Path, runs: int) -> None:
    """Whole processes on a small database."""
    (home / "trendbot.toml").write_text('[database]\nurl = "sqlite:///small.db"\n')
    engine = open_store("sqlite:///small.db", home)
    fill(engine, 3_000, 30_000, 2)
    engine.dispose()

    def command() -> None:
        arguments = ["--config", str(home / "trendbot.toml"), "rank", "--date", str(DAY), "--json"]
        assert json.loads(run(str(TRENDBOT), *arguments))["papers"]

    actions: Mapping[str, Callable[[], object]] = {
        "trendbot rank --date D --json": command,
        "trendbot --help": lambda: run(str(TRENDBOT), "--help"),
        "python -c pass": lambda: run(sys.executable, "-c", "pass"),
    }
    figures = Figures("Commands on SQLite, 3,000 papers and 30,000 posts; milliseconds")
    for _ in range(runs):
        for name, action in actions.items():
            figures.add(name, timed(action))
    figures.show()


def run(*command: str) -> bytes:
    return subprocess.run(command, check=True, capture_output=True, timeout=300).stdout


def timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--papers", type=int, default=100_000)
    parser.add_argument("--posts", type=int, default=1_000_000)
    parser.add_argument("--readings", type=int, default=10)
    wanted = parser.parse_args()
    with TemporaryDirectory(prefix="trendbot-bench-") as folder, postgresql() as server:
        print(f"{machine(Path(folder))}, {wanted.runs} runs")
        for name, url in (("SQLite", "sqlite:///bench.db"), ("PostgreSQL", server)):
            engine = open_store(url, Path(folder))
            measure(name, engine, wanted)
            engine.dispose()
        commands(Path(folder), wanted.runs)


if __name__ == "__main__":
    main()
