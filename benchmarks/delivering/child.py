"""What runs in a process of its own, so that its time and memory are its own.

    python -m delivering.child drain HOME [--profile]
    python -m delivering.child worker HOME
    python -m delivering.child claim HOME
    python -m delivering.child aiosmtplib PORT CONNECTIONS MAILS FILE
    python -m delivering.child delay PORT SECONDS

Says "ready" once everything is imported and open, waits for a line, works, and prints
what it measured as JSON.
"""

import asyncio
import json
import logging
import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from delivering.stage import footprint, prune
from trendbot import app, deliver
from trendbot.owner import owner_name
from trendbot.settings import load
from trendbot.store import deliveries, digests

Measured = dict[str, float]


def measured(work: Callable[[], object]) -> Measured:
    """Run it once it may start: seconds, processor seconds and the peak of memory in MB."""
    print("ready", flush=True)
    sys.stdin.readline()
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": seconds,
        "user": after.ru_utime - before.ru_utime,
        "system": after.ru_stime - before.ru_stime,
        "peak": peak_megabytes(),
    }


def peak_megabytes() -> float:
    """The most memory this program has held; Linux's ru_maxrss includes the parent's, at first."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def drain(home: str, profile: str = "") -> Measured:
    """Send what is due, through everything a command would use."""
    built = app.build(load(Path(home, "trendbot.toml")))
    dispatch = built.dispatch()

    def work() -> None:
        deliver.drain(dispatch)

    if profile:
        from delivering.sampling import sampled

        result = measured(lambda: sampled(work))
    else:
        result = measured(work)
    built.close()
    return result


def worker(home: str) -> Measured:
    """Be `trendbot worker` until SIGTERM."""
    from trendbot.worker import work

    logging.disable(logging.INFO)
    built = app.build(load(Path(home, "trendbot.toml")))
    result = measured(lambda: work(built))
    built.close()
    return result


def claim(home: str) -> Measured:
    """Plan the digest and claim every delivery, as delivering does, without sending."""
    built = app.build(load(Path(home, "trendbot.toml")))
    taken: Measured = {}
    empty = footprint(built.engine)
    taken["subscribers"] = footprint(built.engine, "subscribers")

    def work() -> None:
        start = time.perf_counter()
        with built.engine.connect() as conn:
            digest = digests.by_id(conn, 1)
        now = datetime.now(UTC)
        deliver.plan(built.engine, digest, now)
        taken["planned"] = time.perf_counter() - start
        taken["bytes"] = footprint(built.engine)
        taken["claims"] = _claim_all(built, now)
        taken["all"] = time.perf_counter() - start
        prune(built.engine)

    result = measured(work)
    taken["bytes"] -= empty
    built.close()
    return result | taken


def _claim_all(built: app.App, now: datetime) -> int:
    lease_until = now + built.settings.mail.lease
    owner = owner_name()
    with built.engine.connect() as conn:
        parts = deliveries.open_batches(conn)
    claims = 0
    for part in parts:
        while True:
            with built.engine.begin() as conn:
                group = deliveries.claim(
                    conn, part, now, now.date(), lease_until, owner, deliver.LARGEST_GROUP
                )
            if not group:
                break
            claims += len(group)
    return claims


def aiosmtplib(port: str, connections: str, mails: str, file: str) -> Measured:
    """The peer: so many connections of aiosmtplib side by side, each sends the same bytes."""
    from aiosmtplib import SMTP

    message = Path(file).read_bytes()

    async def line(share: int) -> None:
        client = SMTP(hostname="127.0.0.1", port=int(port), use_tls=False, start_tls=False)
        await client.connect()
        for _ in range(share):
            await client.sendmail("digest@kites.example.org", ["reader@example.org"], message)
        await client.quit()

    async def work() -> None:
        share = int(mails) // int(connections)
        await asyncio.gather(*(line(share) for _ in range(int(connections))))

    return measured(lambda: asyncio.run(work()))


def delay(port: str, seconds: str) -> None:
    """Relay to `port` and hold everything back for so long each way; ends with its parent."""
    from delivering.delaying import serve

    serve(int(port), float(seconds))


if __name__ == "__main__":
    role, *given = sys.argv[1:]
    if role == "delay":
        delay(*given)
    else:
        roles: dict[str, Callable[..., Measured]] = {
            "drain": drain,
            "worker": worker,
            "claim": claim,
            "aiosmtplib": aiosmtplib,
        }
        print(json.dumps(roles[role](*given)), flush=True)
