"""What paid signals took of their day: never too much, whoever asks, and all of it is told."""

import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import Engine

from tests.signals.crowds import SEARCH, crowd
from tests.signals.outside import papers_of
from tests.upstream.server import Upstream
from tests.upstream.world import small_world
from trendbot import cli, spending
from trendbot.app import App, build
from trendbot.errors import SignalStopped
from trendbot.settings import Settings
from trendbot.store import reads, runs
from trendbot.store.engine import open_store

DAY = date(2026, 11, 20)
LIMIT = 300
NOTHING = {"day": "2026-11-20", "posts": 0, "limit": LIMIT, "dollars": 0, "purposes": {}}
# Looks at X when it is told to, at a moment and for papers that are given; prints what it found.
CHILD = """
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from trendbot.app import build
from trendbot.errors import SignalStopped
from trendbot.model import Paper
from trendbot.settings import load

now = datetime.fromisoformat(sys.argv[2])
app = build(load(Path(sys.argv[1])), lambda: now)
papers = [Paper("arxiv", one, "T", (), ("cs.LG",), now.date()) for one in sys.argv[3:]]
x = app.signals["x"]
print("ready", flush=True)
input()
found = 0
try:
    for post in x.measure(papers, now - timedelta(days=7)):
        found += 1
except SignalStopped:
    pass
print(found)
"""


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream(small_world(DAY)) as upstream:
        yield upstream


@pytest.fixture
def home(tmp_path: Path, upstream: Upstream) -> Path:
    (tmp_path / "trendbot.toml").write_text(
        f"""
[database]
url = "sqlite:///spent.db"
[signals.x]
enabled = true
bearer_token = "token"
base_url = "{upstream.x}"
storage_url = "{upstream.x_storage}"
delay = 0
daily_post_budget = {LIMIT}
"""
    )
    return tmp_path


@pytest.fixture
def open_app(home: Path, upstream: Upstream) -> Iterator[Callable[[], App]]:
    """Opens the database as a new process would."""
    opened: list[App] = []

    def open_app() -> App:
        x = {"enabled": True, "bearer_token": "token", "base_url": upstream.x, "delay": 0}
        x["storage_url"] = upstream.x_storage
        settings = Settings(
            home=home,
            database={"url": "sqlite:///spent.db"},
            signals={"x": x | {"daily_post_budget": LIMIT}},
        )
        opened.append(build(settings, lambda: upstream.world.now))
        return opened[-1]

    yield open_app
    for app in opened:
        app.close()


def look(app: App, upstream: Upstream) -> int:
    since = upstream.world.now - timedelta(days=7)
    return len(list(app.signals["x"].measure(papers_of(upstream.world), since)))


def spent(app: App) -> tuple[int, int]:
    """What is booked of the day, and what was written down."""
    with app.engine.connect() as conn:
        noted = reads.of_day(conn, "x", DAY)
        booked, _ = runs.budget(conn, "x", DAY)
    counting = noted["size"].requests if "size" in noted else 0
    return booked, counting + sum(one.posts for one in noted.values())


def test_two_processes_at_once_do_not_pass_the_budget(
    home: Path, upstream: Upstream, open_app: Callable[[], App]
) -> None:
    crowd(upstream, 280)
    ids = [one.id for one in upstream.world.papers]
    app = open_app()
    told = [str(home / "trendbot.toml"), upstream.world.now.isoformat(), *ids]
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, *told],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    upstream.fault(SEARCH, "slow", times=2)
    for child in children:
        assert child.stdin
        assert child.stdout
        assert child.stdout.readline() == "ready\n"
        child.stdin.write("\n")
        child.stdin.flush()
    upstream.wait_for(SEARCH, 2)  # both have planned to read all of it
    upstream.release()
    found = [child.communicate(timeout=60)[0] for child in children]
    booked, noted = spent(app)
    assert booked == noted <= LIMIT
    assert LIMIT - 20 < sum(map(int, found)) < LIMIT


def test_a_restart_goes_on_with_the_days_plan_and_budget(
    upstream: Upstream, open_app: Callable[[], App]
) -> None:
    crowd(upstream, 250)
    assert look(open_app(), upstream) == 250
    assert look(open_app(), upstream) == 0
    assert len(upstream.asked("/2/tweets/counts/recent")) == 1
    assert spent(open_app()) == (251, 251)
    upstream.world.now += timedelta(days=1)
    assert look(open_app(), upstream) == 250
    assert spent(open_app()) == (251, 251)


def test_what_is_booked_before_midnight_is_not_given_back_to_the_next_day(
    upstream: Upstream, open_app: Callable[[], App]
) -> None:
    upstream.world.now = datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC)
    app = open_app()
    budget = app._context("x").budget  # what an adapter is given
    assert budget.reserve(100, LIMIT) == 100
    upstream.world.now += timedelta(seconds=2)
    budget.note("search", 1, 30, 5, 0.15)
    budget.release(70)
    with app.engine.connect() as conn:
        assert runs.budget(conn, "x", DAY) == (30, "")
        assert runs.budget(conn, "x", DAY + timedelta(days=1)) == (0, "")
        assert list(reads.of_day(conn, "x", DAY)) == ["search"]
    assert budget.today().used == 0


def test_a_day_that_was_stopped_stays_stopped_for_all(
    upstream: Upstream, open_app: Callable[[], App]
) -> None:
    upstream.fault("x", "credits")
    for _ in range(2):
        with pytest.raises(SignalStopped, match="no credits left"):
            look(open_app(), upstream)
    assert len(upstream.requests) == 1


def document(engine: Engine, *names: str) -> list[dict[str, object]]:
    with engine.connect() as conn:
        rows = spending.with_budgets(conn, [{"name": name} for name in names], {"x": LIMIT}, DAY)
    found: list[dict[str, object]] = json.loads(json.dumps(rows))
    return found


def test_the_day_as_json_and_in_a_line(tmp_path: Path) -> None:
    engine = open_store("sqlite:///spent.db", tmp_path)
    assert document(engine, "huggingface", "x") == [
        {"name": "huggingface"},
        {"name": "x", "budget": NOTHING},
    ]
    assert spending.lines(document(engine, "huggingface", "x")) == [
        "x on 2026-11-20 (UTC): 0 of 300 posts, $0.000"
    ]
    with engine.begin() as conn:
        runs.reserve(conn, "x", DAY, 143, LIMIT)
        reads.add(conn, "x", DAY, "size", 5, 0, 0, 0.025)
        reads.add(conn, "x", DAY, "search", 2, 130, 97, 0.65)
        reads.add(conn, "x", DAY, "refresh", 1, 8, 9, 0.04)
        reads.add(conn, "x", DAY - timedelta(days=1), "search", 2, 999, 97, 4.995)
    (row,) = document(engine, "x")
    assert row["budget"] == {
        "day": "2026-11-20",
        "posts": 143,
        "limit": 300,
        "dollars": 0.715,
        "purposes": {
            "refresh": {"requests": 1, "posts": 8, "useful": 9, "dollars": 0.04},
            "search": {"requests": 2, "posts": 130, "useful": 97, "dollars": 0.65},
            "size": {"requests": 5, "posts": 0, "useful": 0, "dollars": 0.025},
        },
    }
    assert spending.lines([row]) == [
        "x on 2026-11-20 (UTC): 143 of 300 posts, $0.715 (refresh 8 posts, 9 useful, "
        "search 130 posts, 97 useful, size 5 requests)"
    ]
    engine.dispose()


def test_status_tells_of_the_budget_of_what_is_enabled(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ["--config", str(home / "trendbot.toml")]
    cli.cli.main([*config, "status", "--json"], standalone_mode=False)
    signals = {row["name"]: row for row in json.loads(capsys.readouterr().out)["signals"]}
    assert {name for name, row in signals.items() if "budget" in row} == {"x"}
    budget = signals["x"]["budget"]
    assert budget == NOTHING | {"day": budget["day"]}
    cli.cli.main([*config, "status"], standalone_mode=False)
    assert "(UTC): 0 of 300 posts, $0.000" in capsys.readouterr().out
    screen = io.StringIO()
    Console(file=screen).print(spending.lines([{"name": "x", "budget": budget}])[0])
    assert "0 of 300 posts" in screen.getvalue()
