"""The commands about the people on the list."""

from pathlib import Path

import click

from trendbot.errors import TrendbotError
from trendbot.terminal import cadence_option, json_option, open_app, print_json


@click.group()
def subscribers() -> None:
    """The people on the list."""


@subscribers.command("add")
@click.argument("email")
@click.option("--confirmed", is_flag=True, help="Active at once, without a confirmation mail.")
@click.option("--topics", default="", help="Categories or archives: cs.LG,math. All if not given.")
@cadence_option
@click.option("--hour", default="", help="From which hour of the day mail may come, 0 to 23.")
@click.option("--timezone", default="", help="Of the hour, such as Europe/Berlin.")
@click.pass_obj
def subscribers_add(
    config: Path | None,
    email: str,
    confirmed: bool,
    topics: str,
    cadence: str,
    hour: str,
    timezone: str,
) -> None:
    """Add one address; it is mailed a link to confirm, unless --confirmed."""
    from trendbot import subscribe, tastes

    taste = tastes.read(cadence, topics, hour, timezone)
    app = open_app(config)
    added = subscribe.add(app.doorway(), email, taste, confirmed)
    click.echo(f"{subscribe.find(app.engine, email).email}: {added}")


@subscribers.command("list")
@json_option
@click.pass_obj
def subscribers_list(config: Path | None, as_json: bool) -> None:
    """List everybody."""
    from trendbot.reports import subscriber_document, subscriber_line
    from trendbot.store.subscribers import every

    with open_app(config).engine.connect() as conn:
        if as_json:
            print_json([subscriber_document(subscriber) for subscriber in every(conn)])
            return
        for subscriber in every(conn):
            click.echo(subscriber_line(subscriber))


@subscribers.command("show")
@click.argument("email")
@json_option
@click.pass_obj
def subscribers_show(config: Path | None, email: str, as_json: bool) -> None:
    """Show one subscriber."""
    from trendbot import subscribe
    from trendbot.reports import subscriber_document

    document = subscriber_document(subscribe.find(open_app(config).engine, email))
    if as_json:
        print_json(document)
        return
    for key, value in document.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        click.echo(f"{key}: {'-' if shown in ('', None) else shown}")


@subscribers.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--confirmed", is_flag=True, help="Active at once, without confirmation mails.")
@click.pass_obj
def subscribers_import(config: Path | None, file: Path, confirmed: bool) -> None:
    """Add the addresses of a CSV file with at least a column `email`."""
    from trendbot import lists

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TrendbotError(f"{file}: cannot be read as UTF-8 text: {error}") from error
    app = open_app(config)
    try:
        wishes = lists.read(text)
    except TrendbotError as error:
        raise TrendbotError(f"{file}: {error}; nothing was imported") from error
    counts = lists.take_in(app.doorway(), wishes, confirmed)
    for became, how_many in sorted(counts.items()):
        click.echo(f"{how_many} {became}")


@subscribers.command("export")
@click.pass_obj
def subscribers_export(config: Path | None) -> None:
    """Print everybody as CSV."""
    from trendbot import lists

    for line in lists.export(open_app(config).engine):
        click.echo(line, nl=False)


@click.command()
@click.argument("emails", nargs=-1, required=True, metavar="EMAIL...")
@click.option("--erase", is_flag=True, help="Keep nothing of them; this cannot be undone.")
@click.pass_obj
def unsubscribe(config: Path | None, emails: tuple[str, ...], erase: bool) -> None:
    """Take addresses off the list."""
    from trendbot import subscribe

    app = open_app(config)
    if erase:
        gone = subscribe.erase_all(app.doorway(), emails)
    else:
        gone = subscribe.unsubscribe(app.engine, emails, app.now())
    for subscriber in gone:
        click.echo(f"{subscriber.email}: {'erased' if erase else 'unsubscribed'}")
