"""Take values out of the JSON of services, which may hold anything.

`where` in these functions begins the line of the error: the service and what was read.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from trendbot.errors import SignalError

MAX_COUNT = 10**10  # more than there are people


def table(value: object, where: str, name: str) -> Mapping[str, Any]:
    """Return an object; a missing one is empty. Raises SignalError for anything else."""
    if value is not None and not isinstance(value, dict):
        raise SignalError(f"{where}: {name} is no object")
    return value or {}


def tables(value: object, where: str, name: str) -> list[Mapping[str, Any]]:
    """Return a list of objects; a missing one is empty. Raises SignalError for anything else."""
    if value is not None and not isinstance(value, list):
        raise SignalError(f"{where}: {name} is no list")
    return [table(item, where, name) for item in value or []]


def count(counts: Mapping[str, Any], where: str, *names: str) -> int:
    """Return the count under the first of `names` that is there.

    Raises SignalError naming it if it is missing or no plausible count: a missing count is
    not zero.
    """
    name = next((name for name in names if name in counts), names[0])
    value = counts.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
        raise SignalError(f"{where}: {name} is missing or no count")
    return value


def moment(value: object, where: str, name: str) -> datetime:
    """Return the time in UTC that an ISO 8601 text with a time zone stands for.

    Raises SignalError naming it otherwise.
    """
    try:
        found = datetime.fromisoformat(value if isinstance(value, str) else "")
        if found.tzinfo:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise SignalError(f"{where}: {name} is missing or no time")
