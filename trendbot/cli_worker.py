"""The command that makes a machine one of many."""

from pathlib import Path

import click

from trendbot.terminal import open_app


@click.command()
@click.pass_obj
def worker(config: Path | None) -> None:
    """Mail batches from the queue in PostgreSQL until SIGTERM; run as many as you like."""
    from trendbot.worker import work

    work(open_app(config))
