"""How long a ranking takes: in the process, as a command, and beside physical baselines.

    python benchmarks/rank.py [--runs 7] [--papers 3000] [--posts 30000]

Fills an SQLite store in a temporary folder through the functions that trendbot itself
uses: all papers announced on one day, one to three readings for each post. Then every
figure is taken once in each run, one after the other, so that whatever else the machine
does falls on all of them alike. Milliseconds; whole processes include their start.
"""

import argparse
import json
import os
import platform
import random
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Engine

from trendbot.model import Paper, Post, Reading
from trendbot.ranking import rank
from trendbot.store import papers, posts
from trendbot.store.engine import open_store

DAY = date(2021, 6, 16)
NOON = datetime(2021, 6, 16, 12, tzinfo=UTC)
CATEGORIES = ("cs.LG", "cs.CL", "cs.CV", "stat.ML", "quant-ph")
TRENDBOT = Path(sys.executable).with_name("trendbot")
# What a ranking cannot do without reading, by the plainest means there are.
PLAIN = (
    "SELECT p.source, p.external_id, o.signal, r.retweets, r.favorites, r.taken_at"
    " FROM papers p JOIN post_papers l ON l.paper_id = p.id JOIN posts o ON o.id = l.post_id"
    " JOIN readings r ON r.post_id = o.id WHERE p.announced = ?"
)


def paper(number: int, dice: random.Random) -> Paper:
    """An invented paper with authors and an abstract of usual length."""
    paper_id = f"2106.{number:05}"
    return Paper(
        source="arxiv",
        id=paper_id,
        title=f"An Invented Paper on Kites and Strings, Part {number}",
        authors=tuple(f"Author Number {dice.randrange(9999)}" for _ in range(4)),
        categories=tuple(dice.sample(CATEGORIES, 2)),
        announced=DAY,
        abstract="A sentence about kites of some length. " * 30,
        links={kind: f"https://arxiv.org/{kind}/{paper_id}" for kind in ("abs", "pdf")},
    )


def readings_of(number: int, keys: list[str], dice: random.Random) -> list[Post]:
    """A post as it was read one to three times, hours apart, its counts growing."""
    signal = dice.choice(("x", "huggingface"))
    key = dice.choice(keys)
    favorites = int(dice.paretovariate(0.8))
    return [
        Post(
            signal=signal,
            id=str(10**18 + number),
            papers=(key,),
            author=f"reader{number % 5000}",
            url=f"https://x.com/i/web/status/{10**18 + number}",
            posted_at=NOON,
            text="Look at this kite! " * 5,
            reading=Reading(NOON + timedelta(hours=hour), favorites * hour // 3, favorites * hour),
        )
        for hour in range(1, 1 + dice.randint(1, 3))
    ]


def fill(engine: Engine, many_papers: int, many_posts: int) -> None:
    dice = random.Random(16)
    made = [paper(number, dice) for number in range(many_papers)]
    keys = [one.key for one in made]
    found = [post for number in range(many_posts) for post in readings_of(number, keys, dice)]
    with engine.begin() as conn:
        for start in range(0, len(made), 500):
            papers.upsert(conn, made[start : start + 500], NOON)
        for start in range(0, len(found), 500):
            posts.upsert(conn, found[start : start + 500])


def measures(engine: Engine, home: Path, many_papers: int) -> Mapping[str, Callable[[], object]]:
    """What is measured, by name; each checks that it did its work."""

    def in_process() -> None:
        with engine.connect() as conn:
            standings = rank(posts.candidates(conn, DAY, DAY), {}, 1)
        assert 0.9 * many_papers < len(standings) <= many_papers

    def plain_rows() -> None:
        conn = sqlite3.connect(home / "bench.db")
        assert len(conn.execute(PLAIN, (DAY.isoformat(),)).fetchall()) > many_papers
        conn.close()

    def command() -> None:
        arguments = ["--config", str(home / "trendbot.toml"), "rank", "--date", str(DAY), "--json"]
        assert json.loads(run(str(TRENDBOT), *arguments))["papers"]

    return {
        "candidates() + rank(), in the process": in_process,
        "the same rows through plain sqlite3": plain_rows,
        "trendbot rank --date D --json": command,
        "trendbot --help": lambda: run(str(TRENDBOT), "--help"),
        "python -c pass": lambda: run(sys.executable, "-c", "pass"),
    }


def run(*command: str) -> bytes:
    return subprocess.run(command, check=True, capture_output=True, timeout=300).stdout


def milliseconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1000


def report(many: str, taken: Mapping[str, list[float]]) -> str:
    machine = f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    lines = [
        f"{machine}, Python {platform.python_version()}",
        many,
        f"{'milliseconds':<40}{'min':>9}{'median':>9}{'max':>9}",
    ]
    for name, times in taken.items():
        figures = (min(times), statistics.median(times), max(times))
        lines.append(f"{name:<40}" + "".join(f"{figure:9.1f}" for figure in figures))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--papers", type=int, default=3000)
    parser.add_argument("--posts", type=int, default=30000)
    wanted = parser.parse_args()
    with TemporaryDirectory(prefix="trendbot-bench-") as folder:
        home = Path(folder)
        (home / "trendbot.toml").write_text('[database]\nurl = "sqlite:///bench.db"\n')
        engine = open_store("sqlite:///bench.db", home)
        fill(engine, wanted.papers, wanted.posts)
        actions = measures(engine, home, wanted.papers)
        taken: dict[str, list[float]] = {name: [] for name in actions}
        for _ in range(wanted.runs):
            for name, action in actions.items():
                taken[name].append(milliseconds(action))
        engine.dispose()
    many = f"{wanted.papers} papers, {wanted.posts} posts, {wanted.runs} runs"
    print(report(many, taken))


if __name__ == "__main__":
    main()
