"""Where the processor time goes, by asking every millisecond of it; costs next to nothing.

Unlike cProfile, which makes short Python functions look dear beside C code.
"""

import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType

INTERVAL = 0.001
SHOWN = 15


def sampled(work: Callable[[], object]) -> None:
    """Run it, and write the functions and the lines of trendbot that took most to stderr."""
    own: Counter[str] = Counter()
    ours: Counter[str] = Counter()

    def look(_number: int, frame: FrameType | None) -> None:
        if frame is not None:
            own[_name(frame)] += 1
        seen = set()
        while frame is not None:
            if "/trendbot/" in frame.f_code.co_filename:
                seen.add(f"{_name(frame)} line {frame.f_lineno}")
            frame = frame.f_back
        ours.update(seen)

    signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)
    try:
        work()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    total = max(1, own.total())
    _show("itself, C code it calls included", own, total)
    _show("lines of trendbot, with all they call", ours, total)


def _show(title: str, counts: Counter[str], total: int) -> None:
    print(f"  % of processor time: {title}", file=sys.stderr)
    for name, count in counts.most_common(SHOWN):
        print(f"  {100 * count / total:5.1f}  {name}", file=sys.stderr)


def _name(frame: FrameType) -> str:
    place = "/".join(Path(frame.f_code.co_filename).parts[-3:])
    return f"{place}:{frame.f_code.co_qualname}"
