"""`python -m tests.upstream --today 2026-11-20`: an upstream as a process of its own.

Prints one JSON line with the address of each service, and serves the small world until stdin
closes. `--now` sets the clock (default 18:00 UTC of that day).
"""

import argparse
import json
import sys
from datetime import date, datetime

from tests.upstream.server import SERVICES, Upstream
from tests.upstream.world import small_world


def main() -> None:
    """Serve until whoever started us closes our stdin."""
    parser = argparse.ArgumentParser(prog="python -m tests.upstream", description=__doc__)
    parser.add_argument("--today", type=date.fromisoformat, required=True)
    parser.add_argument("--now", type=datetime.fromisoformat, help="with a time zone")
    chosen = parser.parse_args()
    world = small_world(chosen.today)
    world.now = chosen.now or world.now
    with Upstream(world) as upstream:
        sys.stdout.write(json.dumps({name: getattr(upstream, name) for name in SERVICES}) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
