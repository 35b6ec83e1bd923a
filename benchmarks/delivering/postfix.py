"""Postfix's test programs: smtp-sink throws mails away, smtp-source makes them."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

HOW_TO_GET = """\
smtp-sink and smtp-source are not here, so what is measured against them is left out.
They come with Postfix, which need not be set up: on Debian and Ubuntu
apt-get install --no-install-recommends postfix, and choose "No configuration".
"""
_COUNT = re.compile(rb"mesg=(\d+)")


def program(name: str) -> str | None:
    """Where it is, also in the folders that only root has in PATH."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@dataclass
class Sink:
    """A running smtp-sink."""

    port: int
    pid: int
    counters: IO[bytes]

    def messages(self, expected: int) -> int:
        """How many mails it took; waits a moment for the count to come to `expected`."""
        for _ in range(40):
            size = self.counters.seek(0, os.SEEK_END)
            self.counters.seek(max(0, size - 200))
            counts = _COUNT.findall(self.counters.read())
            if counts and int(counts[-1]) >= expected:
                break
            time.sleep(0.05)
        return int(counts[-1]) if counts else 0


@contextmanager
def sink() -> Iterator[Sink]:
    """An smtp-sink of our own on a port that was free a moment ago."""
    with TemporaryFile() as counters:
        port = _free_port()
        privileges = ["-u", "nobody"] if os.geteuid() == 0 else []
        command = [program("smtp-sink") or "smtp-sink", *privileges, "-c"]
        with subprocess.Popen([*command, f"127.0.0.1:{port}", "1000"], stdout=counters) as process:
            try:
                _wait_for(port, process)
                yield Sink(port, process.pid, counters)
            finally:
                process.terminate()


def source(port: int, connections: int, mails: int, size: int) -> float:
    """Seconds smtp-source -d takes for `mails` mails of `size` bytes."""
    name = program("smtp-source") or "smtp-source"
    arguments = ["-d", "-s", str(connections), "-l", str(size), "-m", str(mails)]
    start = time.perf_counter()
    subprocess.run([name, *arguments, f"127.0.0.1:{port}"], check=True, timeout=600)
    return time.perf_counter() - start


def processor_seconds(pid: int | None) -> float:
    """What a process and its children, living and dead, have used; 0 where Linux is not asked."""
    if pid is None or not Path("/proc/self/stat").exists():
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    used = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    children = Path(f"/proc/{pid}/task/{pid}/children")
    for child in children.read_text().split() if children.exists() else []:
        try:
            used += processor_seconds(int(child))
        except FileNotFoundError:
            continue  # it ended meanwhile and is in its parent's sum
    return used


def busy_seconds() -> float:
    """Processor seconds of all programs of the machine since it started; 0 where unknown."""
    file = Path("/proc/stat")
    if not file.exists():
        return 0.0
    user, nice, system, _idle, _waiting, *others = map(int, file.read_text().split()[1:9])
    return (user + nice + system + sum(others)) / os.sysconf("SC_CLK_TCK")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if process.poll() is not None:
            raise RuntimeError("smtp-sink ended at once; see above")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"smtp-sink does not listen on port {port}")
