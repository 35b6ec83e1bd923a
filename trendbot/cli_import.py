"""The commands that bring in history."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trendbot.terminal import console, json_option, open_app, print_json

if TYPE_CHECKING:
    from trendbot.archive_check import CheckedDay


@click.group("import")
def import_group() -> None:
    """Bring in history."""


@import_group.command("hotpapers")
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH..."
)
@click.option("--report", is_flag=True, help="List the days on which totals cannot be true.")
@json_option
@click.pass_obj
def import_hotpapers(
    config: Path | None, paths: tuple[Path, ...], report: bool, as_json: bool
) -> None:
    """Read posts of the Hot Papers archive, files or folders; again does no harm.

    Says which of the printed totals cannot be true, and how many days would rank otherwise
    without them.
    """
    from trendbot import archive_check, reports
    from trendbot.collect import import_hotpapers as read_archive

    app = open_app(config)
    brought = read_archive(app.engine, paths, app.now)
    ranking = app.settings.ranking
    days = archive_check.check(brought.days, ranking.weights, ranking.min_score)
    if as_json:
        print_json(reports.archive_document(brought, days))
        return
    click.echo(
        f"Read {len(brought.days)} days with {brought.entries} entries: "
        f"{brought.new_papers} papers were new, {brought.posts} posts are kept."
    )
    for line in _findings(days, app.settings.counting.archives):
        click.echo(line)
    if report:
        reports.show_archive(console(), days)


def _findings(days: "Sequence[CheckedDay]", archives: str) -> Iterator[str]:
    """How many totals cannot be true and why, and what ranks otherwise without them."""
    from trendbot import wording

    totals = sum(one.totals for one in days)
    reasons = Counter(post.flag for one in days for post in one.flagged)
    if not reasons:
        yield f"None of {wording.many(totals, 'total')} is known to be untrue."
        return
    affected = sum(1 for one in days if one.flagged)
    yield (
        f"{reasons.total():,} of {wording.many(totals, 'total')} cannot be true, on "
        f"{affected} of {wording.many(len(days), 'day')}:"
    )
    for flag, number in reasons.most_common():
        yield f"  {number:,}: {wording.why(flag)}"
    changed = sum(1 for one in days if one.leaving)
    first = sum(1 for one in days if one.leads_anew)
    yield (
        f'With counting.archives = "checked" they do not rank, which changes '
        f"{wording.many(changed, 'day')}, and who is first on {first}; "
        f'it is "{archives}". --report lists the days.'
    )
