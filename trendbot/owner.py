"""Which process holds a lease, and whether it is still there to ask."""

import os
import secrets
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path

# Tells this process from an earlier one that had the same number.
_BIRTH_MARK = secrets.token_hex(4)


def owner_name() -> str:
    """Names the present process so that others of the same machine can see whether it lives."""
    return f"{_machine()}/{os.getpid()}/{_BIRTH_MARK}"


def process_lives(owner: str) -> bool:
    """Whether the process named by `owner_name` may still run; true for other machines."""
    machine, pid, birth_mark = owner.rsplit("/", 2)
    if machine != _machine():
        return True
    if int(pid) == os.getpid():
        return birth_mark == _BIRTH_MARK
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@cache
def _machine() -> str:
    """Where process numbers mean the same: host name, boot and, in containers, namespace."""
    marks = [socket.gethostname()[:40]]
    with suppress(OSError):  # only Linux has these; elsewhere the host name must do
        marks.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:8])
        marks.append(Path("/proc/self/ns/pid").readlink().name.strip("pid:[]"))
    return " ".join(marks)
