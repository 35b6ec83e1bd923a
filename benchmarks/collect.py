"""Memory and processor time of collecting: small days and large ones, through the real steps.

    python benchmarks/collect.py

Each size runs in a process of its own, several times; the peak is the operating system's.
A flat peak shows that neither papers nor posts are ever held all at once. The baseline of the
same run is a process that has imported everything and opened the store. Of the last size
each post is looked at four times, six hours apart. The bare driver writes the rows of the
large day's posts, links and readings, and finds nothing out about them; so the figures of two
machines can be compared. Asked for: a day of 1,500 papers and 50,000 posts within 20 seconds
of processor time and 150 MB.
"""

import platform
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from trendbot.collect import CHUNK, collect
from trendbot.model import Paper, Post, Reading
from trendbot.store.engine import open_store

RUNS = 3
# Papers, posts, looks at each.
SIZES = {
    "baseline": (0, 0, 0),
    "small day": (300, 3_000, 1),
    "large day": (1_500, 50_000, 1),
    "bare driver": (1_500, 50_000, 0),
    "four looks": (300, 3_000, 4),
}
DAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOW = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)
ABSTRACT = "We look at it from every side and find it round. " * 25


class Source:
    """Announces as many papers as asked for, one at a time."""

    def __init__(self, size: int) -> None:
        self.size = size

    def fetch(self, since: date, until: date) -> Iterator[Paper]:
        for number in range(self.size):
            key = f"2611.{number:05}"
            yield Paper("arxiv", key, f"Paper {number}", ("Ada",), ("cs.LG",), DAY, ABSTRACT)

    def check(self) -> str:
        return ""


class Signal:
    """Finds as many posts as asked for, one at a time."""

    every = timedelta(hours=6)

    def __init__(self, size: int, at: datetime) -> None:
        self.size = size
        self.at = at

    def measure(self, papers: Sequence[Paper], since: datetime) -> Iterator[Post]:
        for number in range(self.size):
            paper = papers[number % len(papers)]
            reading = Reading(self.at, number % 100, number % 900)
            said = f"{paper.title}: post {number} " * 10
            author, url = f"reader{number % 5000}", f"https://x.com/i/web/status/{number}"
            yield Post("x", str(number), (paper.key,), author, url, NOON, said, reading)

    def check(self) -> str:
        return ""


def write_bare(folder: str, papers: int, posts: int) -> None:
    """Write the rows of a day as the driver can, in transactions of 500 posts."""
    conn = sqlite3.connect(Path(folder, "bench.db"), isolation_level=None)
    found = [Paper("arxiv", str(n), f"Paper {n}", (), (), DAY) for n in range(papers)]
    conn.execute("PRAGMA foreign_keys = off")
    some = list(Signal(posts, NOW).measure(found, NOON)) if posts else []
    for start in range(0, posts, CHUNK):
        part = list(enumerate(some[start : start + CHUNK], start=start))
        conn.execute("BEGIN")
        conn.executemany(
            "INSERT INTO posts (id, signal, external_id, author, url, text, posted_at, account, "
            "shared, automated, titled, fingerprint, measured_at, retweets, favorites, replies, "
            "growth, flag, seen_at, look_at, state) "
            "VALUES (?, 'x', ?, ?, ?, ?, ?, ?, 0, 0, 0, '', ?, 0, 0, 0, 0, '', ?, ?, 'open')",
            [
                (n, one.id, one.author, one.url, one.text, str(NOW), one.author, *3 * (str(NOW),))
                for n, one in part
            ],
        )
        conn.executemany(
            "INSERT INTO post_papers VALUES (?, ?)", [(n % papers, n) for n, _ in part]
        )
        conn.executemany(
            "INSERT INTO readings VALUES (?, ?, ?, ?, 0, '')",
            [
                (n, str(NOW), one.reading.retweets, one.reading.favorites)
                for n, one in part
                if one.reading
            ],
        )
        conn.execute("COMMIT")
    conn.close()


def once(papers: int, posts: int, looks: int) -> None:
    """Collect one day in this process; print seconds of processor time and the peak in MB."""
    with tempfile.TemporaryDirectory() as folder:
        engine = open_store("sqlite:///bench.db", Path(folder))
        start = time.process_time()
        if not looks:
            write_bare(folder, papers, posts)
        for look in range(looks):
            at = NOW + look * Signal.every
            source, signal = {"arxiv": Source(papers)}, {"x": Signal(posts, at)}
            collect(engine, source, signal, DAY, DAY, lambda at=at: at)  # type: ignore[misc]
        used = time.process_time() - start
        engine.dispose()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(used, peak)


def main() -> None:
    """Measure every size and print the medians."""
    print(f"{platform.platform()}, Python {platform.python_version()}, {RUNS} runs")
    print(f"{'':12}{'papers':>8}{'posts':>8}{'looks':>8}{'processor s':>14}{'peak MB':>10}")
    for name, size in SIZES.items():
        command = [sys.executable, __file__, *map(str, size)]
        results = [
            [float(value) for value in subprocess.check_output(command, text=True).split()]
            for _ in range(RUNS)
        ]
        used, peak = (statistics.median(column) for column in zip(*results, strict=True))
        print(f"{name:12}" + "".join(f"{one:8}" for one in size) + f"{used:14.2f}{peak:10.1f}")


if __name__ == "__main__":
    if sys.argv[1:]:
        once(*map(int, sys.argv[1:]))
    else:
        main()
