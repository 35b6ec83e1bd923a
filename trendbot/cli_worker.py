"""The command that makes a machine one of many."""

from pathlib import Path

import click

from trendbot.terminal import open_app


@click.command()
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    help="Answer Prometheus at /metrics on this port of web.host; 0 takes any free one.",
)
@click.pass_obj
def worker(config: Path | None, metrics_port: int | None) -> None:
    """Mail batches from the queue in PostgreSQL until SIGTERM; run as many as you like."""
    from trendbot.worker import work

    work(open_app(config), metrics_port)
