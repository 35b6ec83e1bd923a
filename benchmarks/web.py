"""How fast the web answers: pages, conditional requests and sign-ups, by wrk on this machine.

    python benchmarks/web.py [--runs 5] [--seconds 5]

Runs `trendbot serve` as one process over an SQLite store in a temporary folder: thirty daily
digests of 20 papers with abstracts as long as arXiv takes them. wrk asks it over 32
connections from one thread. In each run every figure is taken once, one after the other,
beside what the machine itself gives: the same bytes from a bare ASGI function under the same
server, and transactions of one row in plain sqlite3 with the same care for the disk. The mails
that sign-ups lead to are sent meanwhile into a Maildir by the same process, as in life; the
limits on sign-ups are lifted. Needs wrk (https://github.com/wg/wrk).
"""

import argparse
import os
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import requests
import uvicorn
from starlette.types import Receive, Scope, Send

from trendbot import pipeline
from trendbot.app import build
from trendbot.model import Cadence, Paper, Post, Reading
from trendbot.settings import load
from trendbot.store import papers, posts

LAST = date(2026, 11, 19)
DAYS = 30
CONNECTIONS = 32
SETTINGS = """
[sources.arxiv]
enabled = false
[signals.huggingface]
enabled = false
[web]
port = 0
secret_key = "a-key-for-the-benchmark-alone"
[web.limits]
client = 0
address = 0
domain = 0
total = 0
"""
SIGN_UP = """
local number = 0
request = function()
  number = number + 1
  return wrk.format("POST", "/subscribe",
    {["Content-Type"] = "application/x-www-form-urlencoded"},
    string.format("email=%s%d@example.org&cadence=daily&hour=7&timezone=UTC", "RUN", number))
end
"""
PAGES = (
    *("/", f"/digests/daily/{LAST}", "/subscribe", "/archive", "/categories", "/categories/cs.LG"),
    *("/papers/2611.19000", "/search?q=kites", "/docs"),
)


@dataclass(frozen=True)
class Answered:
    """What wrk saw: answers a second, the 99th percentile in milliseconds, and failures."""

    rate: float
    p99: float
    wrong: int


def fill(home: Path) -> None:
    """Thirty days of papers with posts, each day with its digest."""
    app = build(load(home / "trendbot.toml"), lambda: datetime(2026, 11, 20, 7, tzinfo=UTC))
    for ago in range(DAYS):
        day = LAST - timedelta(days=ago)
        at_noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        with app.engine.begin() as conn:
            papers.upsert(conn, [_paper(day, number) for number in range(20)], at_noon)
            posts.upsert(conn, [_post(day, number, at_noon) for number in range(20)])
        pipeline.make_digest(app, Cadence.DAILY, day)
    app.close()


def _paper(day: date, number: int) -> Paper:
    paper_id = f"2611.{day.day:02}{number:03}"
    return Paper(
        source="arxiv",
        id=paper_id,
        title=f"An Invented Paper on Kites and Strings in $O(n^{number})$, Part {number}",
        authors=tuple(f"Author Number {other}" for other in range(6)),
        categories=("cs.LG", "stat.ML"),
        announced=day,
        abstract=("A sentence about kites of some length. " * 50)[:1920],
        links={kind: f"https://arxiv.org/{kind}/{paper_id}" for kind in ("abs", "pdf")},
    )


def _post(day: date, number: int, at_noon: datetime) -> Post:
    return Post(
        signal="x",
        id=f"{day}/{number}",
        papers=(f"arxiv:2611.{day.day:02}{number:03}",),
        author="somebody",
        url=f"https://x.com/somebody/status/{number}",
        posted_at=at_noon,
        text="Kites! https://arxiv.org",
        reading=Reading(at_noon, retweets=100 + number, favorites=400),
    )


@contextmanager
def serving(home: Path) -> Iterator[str]:
    """`trendbot serve` in a process of its own; yields where it answers."""
    command = [str(Path(sys.executable).with_name("trendbot")), "serve"]
    with (home / "log").open("w") as log, subprocess.Popen(command, cwd=home, stderr=log) as server:
        try:
            yield _where((home / "log"), server)
        finally:
            server.terminate()


def _where(log: Path, server: "subprocess.Popen[bytes]") -> str:
    while server.poll() is None:
        if found := re.search(r"listening on (http://\S+)", log.read_text()):
            return found[1]
        time.sleep(0.05)
    raise SystemExit(log.read_text())


@contextmanager
def bare(body: bytes, headers: list[tuple[bytes, bytes]]) -> Iterator[str]:
    """The same bytes from the least there can be under uvicorn, in a thread of this process."""

    async def application(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    config = uvicorn.Config(
        application, port=0, log_level="warning", access_log=False, lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


def ask(url: str, seconds: float, *more: str) -> Answered:
    """Let wrk ask for `url`."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "--latency", *more, url]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", said)
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    if rate is None or p99 is None:
        raise SystemExit(said)
    unit = {"us": 0.001, "ms": 1.0, "s": 1000.0}[p99[2]]
    lost = re.search(r"Socket errors: (.*)", said)
    if lost:
        print(f"    {url}: {lost[0]}")
    return Answered(float(rate[1]), float(p99[1]) * unit, int(wrong[1]) if wrong else 0)


def commits(folder: Path, seconds: float) -> float:
    """Transactions of one row a second in plain sqlite3, as safe on the disk as ours."""
    with closing(sqlite3.connect(folder / "plain.db", isolation_level=None)) as conn:
        conn.execute("PRAGMA journal_mode=WAL")
        conn.execute("PRAGMA synchronous=FULL")
        conn.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, email TEXT)")
        done, until = 0, time.perf_counter() + seconds
        while time.perf_counter() < until:
            conn.execute("BEGIN IMMEDIATE")
            conn.execute("INSERT INTO t (email) VALUES (?)", (f"reader{done}@example.org",))
            conn.execute("COMMIT")
            done += 1
    return done / seconds


def subscribed(home: Path) -> int:
    """How many sign-ups are in the database."""
    with closing(sqlite3.connect(home / "trendbot.db")) as conn:
        (count,) = conn.execute("SELECT count(*) FROM subscribers").fetchone()
    return int(count)


def measure(home: Path, url: str, seconds: float, run: int) -> dict[str, Answered]:
    """Every figure once."""
    gzip = ("-H", "Accept-Encoding: gzip")
    front = requests.get(url, headers={"Accept-Encoding": "gzip"}, stream=True, timeout=10)
    body = front.raw.read()
    headers = [(name.lower().encode(), value.encode()) for name, value in front.headers.items()]
    script = home / "sign_up.lua"
    script.write_text(SIGN_UP.replace("RUN", f"run{run}x"))
    before = subscribed(home)
    with bare(body, headers) as least:
        figures = {"the same bytes, bare": ask(least, seconds)}
    figures |= {
        "front page": ask(f"{url}/", seconds, *gzip),
        "front page, not compressed": ask(f"{url}/", seconds),
        "digest page": ask(f"{url}/digests/daily/{LAST}", seconds, *gzip),
        "304": ask(f"{url}/", seconds, *gzip, "-H", f"If-None-Match: {front.headers['ETag']}"),
        "subscribe": ask(url, seconds, "-s", str(script)),
    }
    assert subscribed(home) - before >= figures["subscribe"].rate * seconds * 0.95
    figures["one-row commits, plain"] = Answered(commits(home, min(seconds, 2)), 0, 0)
    return figures


def report(runs: list[dict[str, Answered]]) -> None:
    """Print the median, least and most of each figure."""
    print(f"{'':28}{'a second':>10}{'least':>9}{'most':>9}{'p99 ms':>9}{'wrong':>7}")
    for name in runs[0]:
        rates = [run[name].rate for run in runs]
        p99 = statistics.median(run[name].p99 for run in runs)
        wrong = sum(run[name].wrong for run in runs)
        numbers = f"{statistics.median(rates):10,.0f}{min(rates):9,.0f}{max(rates):9,.0f}"
        print(f"{name:28}{numbers}{p99:9.1f}{wrong:7}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("benchmarks/web.py needs wrk; on Debian: apt-get install wrk")
    with TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "trendbot.toml").write_text(SETTINGS)
        fill(home)
        with serving(home) as url:
            sizes = {page: len(requests.get(url + page, timeout=30).content) for page in PAGES}
            runs = [measure(home, url, options.seconds, run) for run in range(options.runs)]
    print(f"{os.cpu_count()} processors, {options.runs} runs of {options.seconds:g} s each")
    report(runs)
    largest = max(sizes, key=lambda page: sizes[page])
    print(f"largest page: {largest}, {sizes[largest]:,} bytes before compression")


if __name__ == "__main__":
    main()
