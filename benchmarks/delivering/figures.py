"""Figures: measured once in each run, told as median and range beside what was asked for."""

import os
import platform
import statistics
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

Asked = tuple[Callable[[float, float], bool], str, float]


def at_least(limit: float) -> Asked:
    return float.__ge__, ">=", limit


def at_most(limit: float) -> Asked:
    return float.__le__, "<=", limit


class Figures:
    """The figures of one section, in the order in which they first came."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._values: defaultdict[str, list[float]] = defaultdict(list)
        self._asked: dict[str, Asked] = {}
        self._complaints: list[str] = []

    def add(self, name: str, value: float, asked: Asked | None = None) -> None:
        """What one run gave."""
        self._values[name].append(value)
        if asked:
            self._asked[name] = asked

    def complain(self, complaints: Iterable[str]) -> None:
        """Say what makes a run invalid; nothing if nothing does."""
        self._complaints += [one for one in complaints if one]

    def last(self, name: str) -> float:
        return self._values[name][-1]

    def median(self, name: str) -> float:
        return statistics.median(self._values[name])

    def show(self) -> None:
        """Print the section."""
        print(f"\n{self._title}")
        print(f"  {'':<58}{'median':>9}   {'min':>8}{'max':>9}")
        for name, values in self._values.items():
            spread = f"{_short(min(values)):>8}{_short(max(values)):>9}"
            print(f"  {name:<58}{_short(self.median(name)):>9}   {spread}{self._verdict(name)}")
        for complaint in self._complaints:
            print(f"  INVALID RUN: {complaint}")

    def _verdict(self, name: str) -> str:
        if name not in self._asked:
            return ""
        holds, sign, limit = self._asked[name]
        reached = "reached" if holds(float(self.median(name)), limit) else "NOT REACHED"
        return f"   asked {sign} {limit:g}: {reached}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def machine(folder: Path) -> str:
    """One line on where this was measured."""
    return (
        f"{_processor()}, {os.cpu_count()} cores, {_memory()}, {platform.platform()}, "
        f"{_filesystem(folder)} under the databases, Python {platform.python_version()}, "
        f"load {os.getloadavg()[0]:.1f}"
    )


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return "memory unknown"
    return f"{size / 2**30:.0f} GiB"


def _filesystem(folder: Path) -> str:
    asked = subprocess.run(["df", "-PT", str(folder)], capture_output=True, text=True, check=False)
    lines = asked.stdout.splitlines()
    return lines[1].split()[1] if len(lines) > 1 else "an unknown file system"
