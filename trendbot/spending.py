"""What paid signals took of their day, as JSON and in a line, for `status`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

from sqlalchemy import Connection

from trendbot.store import reads, runs


def with_budgets(
    conn: Connection, rows: Iterable[Mapping[str, Any]], limits: Mapping[str, int], day: date
) -> list[dict[str, Any]]:
    """The documents of signals, those that are in `limits` with their `budget` of the UTC day."""
    return [
        {**row, "budget": budget_document(conn, row["name"], limits[row["name"]], day)}
        if row["name"] in limits
        else dict(row)
        for row in rows
    ]


def budget_document(conn: Connection, signal: str, limit: int, day: date) -> dict[str, Any]:
    """The day of one signal as JSON.

    `posts` of `limit` are booked, requests that counted posts among them, as they cost as
    much. The dollars are what is known to be spent: a request that is under way is in
    `posts` alone. What `useful` means is said where the signal is measured.
    """
    used, _ = runs.budget(conn, signal, day)
    purposes = reads.of_day(conn, signal, day)
    return {
        "day": day.isoformat(),
        "posts": used,
        "limit": limit,
        "dollars": round(sum(one.dollars for one in purposes.values()), 6),
        "purposes": {name: asdict(one) for name, one in purposes.items()},
    }


def lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line on each budget among the documents of signals."""
    return [_line(row["name"], row["budget"]) for row in rows if "budget" in row]


def _line(signal: str, of: Mapping[str, Any]) -> str:
    purposes = ", ".join(
        f"{name} {one['requests']:,} requests"
        if not one["posts"]
        else f"{name} {one['posts']:,} posts, {one['useful']:,} useful"
        for name, one in of["purposes"].items()
    )
    spent = f"{of['posts']:,} of {of['limit']:,} posts, ${of['dollars']:,.3f}"
    return f"{signal} on {of['day']} (UTC): {spent}" + (f" ({purposes})" if purposes else "")
