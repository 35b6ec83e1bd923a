"""How sources and signals stand, for programs and for people."""

import io
import json
from datetime import UTC, date, datetime, timedelta

import pytest
from rich.console import Console
from sqlalchemy import Engine

from trendbot import status
from trendbot.health import Health, Host, State
from trendbot.store import runs
from trendbot.store.health import Standing

NOW = datetime(2026, 11, 21, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
FRIDAY = date(2026, 11, 20)
CLOSED = Host("arxiv.org", 4, "answered \x1b[2J503", NOW - HOUR, NOW + HOUR)
ARXIV = Health(
    kind="source",
    name="arxiv",
    state=State.CLOSED,
    note="failed 4 times in a row since Friday 20 November, 22:00 UTC",
    last_ok=NOW - 12 * HOUR,
    failures=4,
    failing_since=NOW - 9 * HOUR,
    day=FRIDAY,
    items=1234,
    usual=1200,
    next_try=NOW + HOUR,
    closed=(CLOSED,),
)
NEVER = Health("signal", "x", State.NEVER, "", None, 0, None, None, None, None, None, ())
STANDING = Standing((ARXIV, NEVER), (CLOSED,))


@pytest.fixture
def looked(engine: Engine) -> Engine:
    """A look at arXiv that failed, and one at a signal that is not enabled any more."""
    with engine.begin() as conn:
        for kind, name in (("source", "arxiv"), ("signal", "mastodon")):
            run = runs.start(conn, kind, name, FRIDAY, FRIDAY, NOW - HOUR)
            runs.finish(conn, run, "failed", 0, "no answer", NOW)
    return engine


pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def documents(engine: Engine, kind: str) -> list[dict[str, object]]:
    with engine.connect() as conn:
        found: list[dict[str, object]] = json.loads(
            json.dumps(status.asked_documents(conn, kind, STANDING))
        )
    return found


def test_a_source_as_json(looked: Engine) -> None:
    assert documents(looked, "source") == [
        {
            "name": "arxiv",
            "outcome": "failed",
            "items": 0,
            "since": "2026-11-20",
            "until": "2026-11-20",
            "started_at": "2026-11-21T06:00:00+00:00",
            "finished_at": "2026-11-21T07:00:00+00:00",
            "message": "no answer",
            "health": {
                "state": "closed",
                "note": "failed 4 times in a row since Friday 20 November, 22:00 UTC",
                "last_ok": "2026-11-20T19:00:00+00:00",
                "failures": 4,
                "failing_since": "2026-11-20T22:00:00+00:00",
                "day": "2026-11-20",
                "items": 1234,
                "usual": 1200,
                "next_try": "2026-11-21T08:00:00+00:00",
                "closed_hosts": [
                    {
                        "host": "arxiv.org",
                        "failures": 4,
                        "reason": "answered \x1b[2J503",
                        "closed_until": "2026-11-21T08:00:00+00:00",
                    }
                ],
            },
        }
    ]


def test_what_was_never_asked_and_what_is_not_asked_any_more(looked: Engine) -> None:
    gone, never = documents(looked, "signal")
    assert (gone["name"], gone["outcome"], gone["health"]) == ("mastodon", "failed", None)
    health = never.pop("health")
    assert isinstance(health, dict)
    assert (health["state"], health["closed_hosts"]) == ("never asked", [])
    assert never == {
        "name": "x",
        "outcome": "never asked",
        "items": 0,
        "since": None,
        "until": None,
        "started_at": None,
        "finished_at": None,
        "message": "",
    }


def test_what_people_see(looked: Engine) -> None:
    screen = Console(file=io.StringIO(), width=200, color_system=None, no_color=True)
    with looked.connect() as conn:
        sources = status.asked_documents(conn, "source", STANDING)
        signals = status.asked_documents(conn, "signal", STANDING)
    screen.print(status.table("sources", sources))
    screen.print(status.table("signals", signals))
    assert isinstance(screen.file, io.StringIO)
    lines = [" ".join(line.split()) for line in screen.file.getvalue().splitlines()]
    assert (
        "│ arxiv │ closed │ 2026-11-21 06:00 UTC │ 1,234 │ 1,200 │ 2026-11-21 08:00 UTC │ "
        "failed 4 times in a row since Friday 20 November, 22:00 UTC; no answer │"
    ) in lines
    assert "│ x │ never asked │ │ │ │ │ │" in lines
    assert "│ mastodon │ not enabled │ 2026-11-21 06:00 UTC │ │ │ │ no answer │" in lines


def test_hosts_that_are_left_alone_have_a_line_each_that_drives_no_terminal(
    looked: Engine,
) -> None:
    rows = [*documents(looked, "source"), *documents(looked, "source")]
    assert status.closed_lines(rows) == [
        "arxiv.org is left alone until 2026-11-21 08:00 UTC: it failed 4 times in a row "
        "(answered [2J503). `trendbot collect` and `trendbot doctor` ask it now."
    ]
    assert status.closed_lines(documents(looked, "signal")) == []


def test_in_short_there_is_no_message(looked: Engine) -> None:
    with looked.connect() as conn:
        (brief,) = status.brief_documents(conn, "source", STANDING)
    assert brief == {
        "name": "arxiv",
        "outcome": "failed",
        "at": NOW,
        "state": State.CLOSED,
        "note": "failed 4 times in a row since Friday 20 November, 22:00 UTC",
        "last_ok": NOW - 12 * HOUR,
        "failures": 4,
        "next_try": NOW + HOUR,
    }
