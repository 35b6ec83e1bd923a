"""trendbot with its clock set: `python -m tests.acceptance.at 2026-11-21T06:30+00:00 run …`.

The clock stands still at the given moment, so that what a test sees does not depend on the
day it runs. The environment variable DIE_AT names a function of trendbot at whose
n-th call the process is killed, as by pulling the plug: `trendbot.deliver._record:2`.
"""

import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from pkgutil import resolve_name
from typing import Any

from trendbot import app, cli


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


def run(home: str, environment: dict[str, str], *arguments: str) -> None:
    """Be the process of a command, as `main` is: in `home`, its output in the files out and err."""
    os.chdir(home)
    os.environ |= environment
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    sys.argv = ["at", *arguments]
    main()


def main() -> None:
    """Set the clock and run the command line with the rest of the arguments."""
    moment = datetime.fromisoformat(sys.argv.pop(1))
    app.utc_now = lambda: moment
    if place := os.environ.get("DIE_AT", ""):
        where, _, call = place.partition(":")
        die_at(where, int(call or 1))
    cli.main()


if __name__ == "__main__":
    main()
