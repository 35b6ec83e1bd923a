"""What all commands share: options, dates, the app, and how to print."""

import json
import logging
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar

    from trendbot.app import App
    from trendbot.progress import Progress
    from trendbot.telemetry import Follower

CADENCES = ("daily", "weekly", "monthly")

cadence_option = click.option(
    "--cadence", type=click.Choice(CADENCES), default="daily", show_default=True
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Let SIGINT and SIGTERM stop the sending between mails, so that none is left in doubt.

    Yields what tells whether one came. A second signal ends the process as usual.
    """
    asked: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]

    def restore() -> None:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)

    def stop(signum: int, _frame: FrameType | None) -> None:
        asked.append(signum)
        restore()

    for number in numbers:
        signal.signal(number, stop)
    try:
        yield lambda: bool(asked)
    finally:
        restore()


@contextmanager
def shown(app: "App", clock: Callable[[], float] = time.monotonic) -> Iterator["Follower"]:
    """Show on stderr how far the sending is: a bar on a terminal, elsewhere a line a minute.

    Yields a watch for the dispatch. The bar is gone at the end, when the result is printed.
    """
    from trendbot.telemetry import Follower

    if not sys.stderr.isatty():
        say = partial(click.echo, err=True)
        yield Follower(app.engine, app.now, lambda progress: say(progress.line), clock=clock)
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(None),
        TextColumn("{task.fields[figures]}"),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True, expand=True) as bar:
        yield Follower(app.engine, app.now, partial(_show, bar), every=0, clock=clock)


def _show(bar: "Bar", progress: "Progress") -> None:
    """Put a digest's progress on its bar; it has one of its own."""
    name = f"{progress.books.cadence} {progress.books.date}"
    number = next((task.id for task in bar.tasks if task.description == name), None)
    if number is None:
        number = bar.add_task(name, figures="")
    bar.update(
        number,
        total=progress.books.audience,
        completed=progress.books.audience - progress.untried - progress.books.waiting,
        figures=progress.figures,
    )


class Day(click.ParamType[date]):
    """A date written YYYY-MM-DD."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Read the date, or say how to write it."""
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a date; write it as 2026-11-20", param, ctx)


DAY = Day()


def open_app(config: Path | None) -> "App":
    """The app of the settings in `config`. Raises SettingsError and StoreError."""
    from trendbot.app import build
    from trendbot.settings import load

    app = build(load(config))
    click.get_current_context().call_on_close(app.close)
    return app


def begin_log() -> None:
    """Log to stderr, as the commands do that run until they are stopped."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for chatty in ("apscheduler", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def print_json(document: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))


def console() -> "Console":
    """Where tables are printed."""
    from rich.console import Console

    return Console(highlight=False)
