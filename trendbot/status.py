"""How sources and signals stand, as JSON, as tables and for `/healthz`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection

from trendbot.health import Health, Host, State
from trendbot.store import runs
from trendbot.store.health import Standing
from trendbot.store.runs import Run
from trendbot.text import clean


def run_document(run: Run) -> dict[str, Any]:
    """The last look at a source or signal, or the last digest made, as JSON."""
    return {
        "name": run.name,
        "outcome": run.outcome,
        "items": run.items,
        "since": run.since.isoformat(),
        "until": run.until.isoformat(),
        "started_at": run.started_at.isoformat(),
        "finished_at": run.finished_at and run.finished_at.isoformat(),
        "message": run.message,
    }


def asked_documents(conn: Connection, kind: str, standing: Standing) -> list[dict[str, Any]]:
    """Each source, or signal, as JSON: the last look at it, and its health.

    Those that are not enabled any more have no health.
    """
    looks = {run.name: run_document(run) for run in runs.last_of_each(conn, kind)}
    found = {one.name: health_document(one) for one in standing.of(kind)}
    return [
        (looks.get(name) or _never(name)) | {"health": found.get(name)}
        for name in sorted(looks.keys() | found.keys())
    ]


def _never(name: str) -> dict[str, Any]:
    """What was never asked, in the shape of what was."""
    days: dict[str, Any] = dict.fromkeys(("since", "until", "started_at", "finished_at"))
    return {"name": name, "outcome": str(State.NEVER), "items": 0, **days, "message": ""}


def health_document(of: Health) -> dict[str, Any]:
    """How a source or signal fares as JSON."""
    return {
        "state": of.state,
        "note": of.note,
        "last_ok": of.last_ok and of.last_ok.isoformat(),
        "failures": of.failures,
        "failing_since": of.failing_since and of.failing_since.isoformat(),
        "day": of.day and of.day.isoformat(),
        "items": of.items,
        "usual": of.usual,
        "next_try": of.next_try and of.next_try.isoformat(),
        "closed_hosts": [host_document(host) for host in of.closed],
    }


def host_document(host: Host) -> dict[str, Any]:
    """A host that failed as JSON."""
    return {
        "host": host.host,
        "failures": host.failures,
        "reason": host.reason,
        "closed_until": host.closed_until and host.closed_until.isoformat(),
    }


def brief_documents(conn: Connection, kind: str, standing: Standing) -> list[dict[str, Any]]:
    """The same in short, and without messages and reasons, for anybody who asks."""
    looks = {run.name: run for run in runs.last_of_each(conn, kind)}
    found = {one.name: one for one in standing.of(kind)}
    return [
        _brief(name, looks.get(name), found.get(name))
        for name in sorted(looks.keys() | found.keys())
    ]


def _brief(name: str, run: Run | None, of: Health | None) -> dict[str, Any]:
    return {
        "name": name,
        "outcome": run.outcome if run else State.NEVER,
        "at": run and (run.finished_at or run.started_at),
        "state": of and of.state,
        "note": of and of.note,
        "last_ok": of and of.last_ok,
        "failures": of and of.failures,
        "next_try": of and of.next_try,
    }


def table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Sources, or signals, as a table: `items` are of the last full day, `usual` on its weekday."""
    found = Table(title=title)
    for name in ("name", "state", "asked", "items", "usual", "next", "message"):
        found.add_column(name, justify="right" if name in ("items", "usual") else "left")
    for row in rows:
        health = row["health"] or {"state": "not enabled"}
        found.add_row(
            row["name"],
            health["state"],
            _moment(row["started_at"]),
            *(f"{health[name]:,}" if health.get(name) is not None else "" for name in _COUNTS),
            _moment(health.get("next_try")),
            Text(clean("; ".join(filter(None, (health.get("note"), row["message"]))))),
        )
    return found


_COUNTS = ("items", "usual")


def closed_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line on each host that is left alone now."""
    closed = {
        host["host"]: host for row in rows for host in (row["health"] or {}).get("closed_hosts", ())
    }
    return [
        f"{name} is left alone until {_moment(host['closed_until'])}: it failed "
        f"{host['failures']} times in a row ({clean(host['reason'])}). "
        "`trendbot collect` and `trendbot doctor` ask it now."
        for name, host in sorted(closed.items())
    ]


def _moment(written: str | None) -> str:
    return f"{datetime.fromisoformat(written):%Y-%m-%d %H:%M} UTC" if written else ""
