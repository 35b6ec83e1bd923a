"""What all commands share: options, dates, the app, and how to print."""

import json
import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from trendbot.app import App

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
