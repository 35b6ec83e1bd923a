"""Children that are started, released together, and asked what they measured."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from delivering import postfix
from delivering.child import Measured
from delivering.stage import Stage, complaint, done, size_on_disk, write_settings
from trendbot.store.engine import connect

BENCHMARKS = Path(__file__).resolve().parent.parent


def _start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "delivering.child", *map(str, arguments)],
        cwd=BENCHMARKS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def together(commands: Sequence[Sequence[object]]) -> list[Measured]:
    """Run children side by side, from the moment all of them are ready."""
    return [_result(process) for process in _released(commands)]


def _released(commands: Sequence[Sequence[object]]) -> list[subprocess.Popen[str]]:
    processes = [_start(*command) for command in commands]
    for process in processes:
        if process.stdout is None or process.stdout.readline() != "ready\n":
            raise RuntimeError("a measured process failed before it was ready; see above")
    for process in processes:
        if process.stdin:
            process.stdin.write("\n")
            process.stdin.flush()
    return processes


def _result(process: subprocess.Popen[str]) -> Measured:
    output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"a measured process ended with {process.returncode}; see above")
    measured: Measured = json.loads(output.splitlines()[-1])
    return measured


def _until_done(url: str, home: Path, workers: int) -> list[Measured]:
    """Let workers run from the moment all of them are ready until no batch is open."""
    engine = connect(url, home)
    processes = _released([["worker", home]] * workers)
    start = time.perf_counter()
    while not done(engine) and all(process.poll() is None for process in processes):
        time.sleep(0.02)
    seconds = time.perf_counter() - start
    for process in processes:
        process.terminate()
    engine.dispose()
    return [_result(process) | {"seconds": seconds} for process in processes]


@contextmanager
def far_away(port: int, seconds: float) -> Iterator[int]:
    """A port that leads to `port`, `seconds` away in each direction."""
    with _start("delay", port, seconds) as process:
        if process.stdout is None or process.stdin is None:
            raise RuntimeError("the relay has no pipes")
        yield int(process.stdout.readline())
        process.stdin.close()


def delivery(
    stage: Stage,
    mails: int,
    connections: int,
    workers: int = 0,
    away: float = 0.0,
    profile: bool = False,
) -> tuple[Measured, str]:
    """Send `mails` mails that are due; returns what it took and what was wrong, if anything.

    Without `workers` one process drains, as `trendbot deliver` does. `processor` sums all that
    send, `sink` and `database` are the servers' seconds, `log` the bytes of write-ahead log,
    `bytes` those of the deliveries, `others` the processors busy with anything else.
    """
    with stage.copy(mails, planned=True) as (url, home), postfix.sink() as sink:
        with far_away(sink.port, away / 2) if away else _near(sink.port) as port:
            write_settings(home, url, port, connections)
            before, written = postfix.processor_seconds(stage.server_pid), stage.written()
            busy, start = postfix.busy_seconds(), time.perf_counter()
            if workers:
                results = _until_done(url, home, workers)
            else:
                results = together([["drain", home, *(["profile"] if profile else [])]])
            elapsed, busy = time.perf_counter() - start, postfix.busy_seconds() - busy
            database = postfix.processor_seconds(stage.server_pid) - before
        counted = sink.messages(mails)
        miscounted = "" if counted == mails else f"the sink counted {counted} of {mails} mails"
        wrong = complaint(url, home, mails) or miscounted
        took = {
            "seconds": max(one["seconds"] for one in results),
            "processor": sum(one["user"] + one["system"] for one in results),
            "system": sum(one["system"] for one in results),
            "peak": max(one["peak"] for one in results),
            "sink": postfix.processor_seconds(sink.pid),
            "database": database,
            "log": stage.written() - written,
            "bytes": size_on_disk(url, home),
        }
        ours = took["processor"] + took["sink"] + took["database"]
        return took | {"others": max(0.0, busy - ours) / elapsed}, wrong


def peer(message: Path, mails: int, connections: int, away: float = 0.0) -> tuple[Measured, str]:
    """The same through loops of aiosmtplib that do nothing else; see `delivery`."""
    with postfix.sink() as sink:
        with far_away(sink.port, away / 2) if away else _near(sink.port) as port:
            [result] = together([["aiosmtplib", port, connections, mails, message]])
        counted = sink.messages(mails)
        wrong = "" if counted == mails else f"the sink counted {counted} of aiosmtplib's {mails}"
        return result | {"processor": result["user"] + result["system"]}, wrong


@contextmanager
def _near(port: int) -> Iterator[int]:
    yield port
