"""Delivery at its limits, against Postfix's smtp-sink on loopback, a digest of 50 KB.

    python benchmarks/delivery.py [speed latency memory plan workers] [--runs 5] [--quick]
    python benchmarks/delivery.py --profile

speed    mails per second and processor time, beside smtp-source -d and aiosmtplib
latency  one connection to a server 20 ms away
memory   the peak while sending to 100,000 and to 1,000,000
plan     planning and claiming 1,000,000 on SQLite and on PostgreSQL
workers  two processes on PostgreSQL beside one

Every measured program runs in a process of its own against a new sink and a fresh copy of a
prepared database; the contenders of one run take turns, so that whatever else the machine
does falls on all alike; how much that was is said. A run in which the sink did not count
every mail, or the books do not balance, is said to be invalid. All of it takes about 45
minutes, most of them memory; --quick, a tenth of the sizes with --runs 1, about two.
"""

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from delivering import postfix, running
from delivering.figures import Figures, at_least, at_most, machine
from delivering.stage import (
    PostgresqlStage,
    SqliteStage,
    Stage,
    message,
    postgresql,
    write_settings,
)

ROUND_TRIP = 0.020


@dataclass
class Bench:
    """What all sections share."""

    folder: Path
    runs: int
    connections: int
    shrink: int
    sqlite: SqliteStage
    postgresql: PostgresqlStage | None
    message: Path

    def size(self, full: int) -> int:
        return full // self.shrink


def speed(bench: Bench) -> Figures:
    """The whole way of a mail, beside programs that only send."""
    mails, peer_mails = bench.size(10_000), bench.size(2_000)
    size = bench.message.stat().st_size
    figures = Figures(
        f"speed: {mails:,} mails of {size:,} bytes, {bench.connections} connections, SQLite"
    )
    for _ in range(bench.runs):
        with postfix.sink() as sink:
            source = mails / postfix.source(sink.port, bench.connections, mails, size)
            sink_alone = postfix.processor_seconds(sink.pid)
        ours, wrong = running.delivery(bench.sqlite, mails, bench.connections)
        figures.complain([wrong])
        rate, each = mails / ours["seconds"], 1000 / mails
        figures.add("trendbot, mails/s from due to recorded", rate)
        figures.add("smtp-source -d, mails/s", source)
        figures.add("trendbot / smtp-source -d", rate / source, at_least(0.8))
        figures.add("trendbot, processor ms/mail", ours["processor"] * each, at_most(0.25))
        figures.add("  of it in the kernel", ours["system"] * each)
        figures.add("smtp-sink, processor ms/mail, by trendbot", ours["sink"] * each)
        figures.add("smtp-sink, processor ms/mail, by smtp-source", sink_alone * each)
        figures.add("processors busy with anything else", ours["others"])
        for connections in (bench.connections, 1):
            peer, wrong = running.peer(bench.message, peer_mails, connections)
            name = (
                f"aiosmtplib, {connections} side by side" if connections > 1 else "one loop of it"
            )
            peer_rate = peer_mails / peer["seconds"]
            figures.add(f"{name}: mails/s", peer_rate)
            figures.add(f"  {name}: processor ms/mail", peer["processor"] * 1000 / peer_mails)
            figures.add(f"  trendbot / {name}", rate / peer_rate, at_least(4))
            figures.complain([wrong])
    return figures


def latency(bench: Bench) -> Figures:
    """One connection to a server that is far away."""
    mails, peer_mails = bench.size(400), bench.size(100)
    figures = Figures(f"latency: {1000 * ROUND_TRIP:.0f} ms round trip, one connection")
    for _ in range(bench.runs):
        ours, wrong = running.delivery(bench.sqlite, mails, 1, away=ROUND_TRIP)
        peer, wrong_peer = running.peer(bench.message, peer_mails, 1, away=ROUND_TRIP)
        figures.add("trendbot, mails/s", mails / ours["seconds"], at_least(40))
        figures.add("aiosmtplib, mails/s", peer_mails / peer["seconds"])
        figures.complain([wrong, wrong_peer])
    return figures


def memory(bench: Bench) -> Figures:
    """Whether the process that sends stays small, however many there are."""
    few, many = bench.size(100_000), bench.size(1_000_000)
    figures = Figures(f"memory: one process, {bench.connections} connections, SQLite")
    for _ in range(bench.runs):
        small, wrong = running.delivery(bench.sqlite, few, bench.connections)
        large, wrong_too = running.delivery(bench.sqlite, many, bench.connections)
        figures.add(f"peak MB, {few:,} subscribers", small["peak"])
        figures.add(f"peak MB, {many:,} subscribers", large["peak"], at_most(150))
        figures.add("one / the other", large["peak"] / small["peak"], at_most(1.1))
        figures.add(f"mails/s, {few:,} subscribers", few / small["seconds"])
        figures.add(f"mails/s, {many:,} subscribers", many / large["seconds"])
        figures.complain([wrong, wrong_too])
    return figures


def plan(bench: Bench) -> Figures:
    """What the database takes for an audience, without any mail."""
    many = bench.size(1_000_000)
    figures = Figures(f"plan: {many:,} subscribers, planned and claimed, every commit on the disk")
    stages: list[Stage] = [bench.sqlite, *([bench.postgresql] if bench.postgresql else [])]
    for _ in range(bench.runs):
        for stage in stages:
            with stage.copy(many, planned=False) as (url, home):
                write_settings(home, url)
                [took] = running.together([["claim", home]])
            figures.add(f"{stage.name}, seconds in all", took["all"], at_most(60))
            figures.add(f"  of them planning, {stage.name}", took["planned"])
            figures.add(f"  bytes on disk per subscriber, {stage.name}", took["subscribers"] / many)
            figures.add(f"  bytes on disk per delivery, {stage.name}", took["bytes"] / many)
            figures.add(
                f"  seconds to delete them again, {stage.name}", took["seconds"] - took["all"]
            )
            if took["claims"] != many:
                figures.complain([f"{stage.name}: {took['claims']} of {many} claimed"])
    return figures


def workers(bench: Bench) -> Figures:
    """Whether two processes on one PostgreSQL database send more than one."""
    cores = os.cpu_count()
    figures = Figures(
        f"workers: trendbot worker on PostgreSQL, {bench.connections} connections each, "
        f"{cores} cores for workers, database and smtp-sink together"
    )
    if bench.postgresql is None:
        return figures
    for _ in range(bench.runs):
        for away, where in ((0.0, "loopback"), (ROUND_TRIP, "20 ms away")):
            one = _with(1, bench, bench.postgresql, figures, away, where)
            two = _with(2, bench, bench.postgresql, figures, away, where)
            figures.add(f"{where}: two / one", two / one, at_least(1.6))
            free = (os.cpu_count() or 1) - figures.last(f"  busy with anything else, {where}, 2")
            room = free / figures.last(f"  processors in use, {where}, 1")
            figures.add(f"  the most the free cores allow, {where}", room)
    return figures


def _with(
    count: int, bench: Bench, stage: Stage, figures: Figures, away: float, where: str
) -> float:
    # Never so few that one worker holds most of the batches.
    mails = max(4_000, bench.size(8_000 if away else 20_000))
    took, wrong = running.delivery(stage, mails, bench.connections, count, away)
    name, each = f"{where}, {count}", 1000 / mails
    figures.add(f"{where}: mails/s with {count}", mails / took["seconds"])
    used = took["processor"] + took["sink"] + took["database"]
    figures.add(f"  processors in use, {name}", used / took["seconds"])
    figures.add(f"  workers, processor ms/mail, {name}", took["processor"] * each)
    figures.add(f"  PostgreSQL, processor ms/mail, {name}", took["database"] * each)
    figures.add(f"  busy with anything else, {name}", took["others"])
    if count == 1 and not away:
        figures.add("  peak MB of the worker", took["peak"])
        figures.add("  write-ahead log, bytes/mail", took["log"] / mails)
        figures.add("  bytes on disk per delivery, once sent", took["bytes"] / mails)
    figures.complain([wrong])
    return mails / took["seconds"]


def profile(bench: Bench) -> None:
    """Say where the processor time of the speed section goes."""
    mails = bench.size(10_000)
    took, wrong = running.delivery(bench.sqlite, mails, bench.connections, profile=True)
    print(f"{mails / took['seconds']:,.0f} mails/s while sampled {wrong}")


SECTIONS: dict[str, Callable[[Bench], Figures]] = {
    "speed": speed,
    "latency": latency,
    "memory": memory,
    "plan": plan,
    "workers": workers,
}
WITHOUT_POSTFIX = {"plan"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)}; all if none")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="a tenth of the sizes")
    parser.add_argument("--profile", action="store_true", help="of the speed run, nothing else")
    parser.add_argument("--folder", type=Path, help="where the databases are made")
    wanted = parser.parse_args()
    if unknown := set(wanted.sections) - set(SECTIONS):
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    return wanted


def run(wanted: argparse.Namespace, bench: Bench) -> None:
    has_postfix = postfix.program("smtp-sink") and postfix.program("smtp-source")
    if not has_postfix:
        print(postfix.HOW_TO_GET)
    if wanted.profile and has_postfix:
        profile(bench)
    for name in [] if wanted.profile else wanted.sections or SECTIONS:
        if has_postfix or name in WITHOUT_POSTFIX:
            SECTIONS[name](bench).show()
            sys.stdout.flush()


def main() -> None:
    wanted = arguments()
    needs_server = not wanted.profile and set(wanted.sections or SECTIONS) & {"plan", "workers"}
    with TemporaryDirectory(prefix="trendbot-bench-", dir=wanted.folder) as name:
        folder = Path(name)
        print(f"{machine(folder)}, {wanted.runs} runs")
        draft = folder / "message.eml"
        draft.write_bytes(message(folder, "sqlite:///none.db"))
        shrink = 10 if wanted.quick else 1
        sqlite = SqliteStage(folder)
        bench = Bench(folder, wanted.runs, wanted.connections, shrink, sqlite, None, draft)
        if not needs_server:
            run(wanted, bench)
            return
        with postgresql(folder) as bench.postgresql:
            print(f"PostgreSQL {bench.postgresql.ask('SHOW server_version')}")
            run(wanted, bench)


if __name__ == "__main__":
    main()
