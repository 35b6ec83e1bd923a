"""trendbot with its clock set: `python -m tests.acceptance.at 2026-11-21T06:30+00:00 run …`.

The clock stands still at the given moment, so that what a test sees does not depend on the
day it runs; "@clock" instead of a moment is what the file clock says whenever it is asked.

Environment variables: DIE_AT names a function of trendbot at whose n-th call the process is
killed, as by pulling the plug: `trendbot.deliver._record:2`. With QUICK a worker looks after
its queue many times a second, and a daemon for what is due; a worker waits for STOP_WITHIN
seconds until what is in hand ends. NAME is added to the names of the files out and err. QUOTA
is how many bytes each file may have at most. RETRIES is how often, ten times a second, the
process tries again to write down what was sent; it says so on stderr.

`daemon` is no command line but the daemon, whose time passes as it is told.
"""

import logging
import os
import resource
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from trendbot import app, cli, deliver, jobs, settings, worker
from trendbot.fetch import Fetcher
from trendbot.terminal import begin_log


def die_at(place: str, call: int) -> None:
    """Make the process kill itself at the `call`-th call of the function at `place`."""
    module, _, name = place.rpartition(".")
    owner = resolve_name(module)
    real: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def dying(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)

    setattr(owner, name, dying)


def clock(moment: str) -> Callable[[], datetime]:
    """A clock that stands still, or says what a file says."""
    if moment.startswith("@"):
        file = Path(moment[1:]).absolute()
        return lambda: datetime.fromisoformat(file.read_text())
    standing = datetime.fromisoformat(moment)
    return lambda: standing


def hurry() -> None:
    """Let workers and daemons look for work, and for workers that died, all the time."""
    from trendbot import daemon  # takes long to import, and few commands need it

    daemon.LOOK_EVERY = 0.2
    worker.work.__defaults__ = (
        jobs.Times(
            poll_every=0.02,
            heartbeat_every=0.1,
            stalled_after=0.5,
            sweep_every=0.1,
            pause=0.1,
            stop_within=float(os.environ.get("STOP_WITHIN", "8")),
        ),
    )


def run(home: str, environment: dict[str, str], *arguments: str) -> None:
    """Be the process of a command, as `main` is: in `home`, its output in the files out and err."""
    move_in(home, environment)
    sys.argv = ["at", *arguments]
    main()


def move_in(home: str, environment: dict[str, str]) -> None:
    """Work in `home` from now on, with the output in files there."""
    os.chdir(home)
    os.environ |= environment
    for descriptor, name in ((1, "out"), (2, "err")):
        name += os.environ.get("NAME", "")
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)


class Clock:
    """A clock that is told the time; who sleeps moves it on."""

    now = datetime.min.replace(tzinfo=UTC)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


def daemon(home: str, environment: dict[str, str], moments: "Connection[None, datetime]") -> None:
    """Be a daemon: do what is due at each moment that comes, and answer None, until none comes."""
    from trendbot.daemon import work

    move_in(home, environment)
    begin_log()
    clock = Clock()
    waiting = partial(Fetcher, sleep=clock.sleep, clock=lambda: clock.now.timestamp())
    vars(app)["Fetcher"] = waiting
    trendbot = app.build(settings.load(), lambda: clock.now)
    try:
        while True:
            clock.now = moments.recv()
            work(trendbot)
            moments.send(None)
    except EOFError:
        trendbot.close()


def main() -> None:
    """Set the clock and run the command line with the rest of the arguments."""
    app.utc_now = clock(sys.argv.pop(1))
    if os.environ.get("QUICK"):
        hurry()
    if quota := os.environ.get("QUOTA"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(quota), resource.RLIM_INFINITY))
    if retries := os.environ.get("RETRIES"):
        vars(deliver)["WRITE_PAUSES"] = int(retries) * (0.1,)
        deliver.log.addHandler(logging.StreamHandler())
    if place := os.environ.get("DIE_AT", ""):
        where, _, call = place.partition(":")
        die_at(where, int(call or 1))
    cli.main()


if __name__ == "__main__":
    main()
