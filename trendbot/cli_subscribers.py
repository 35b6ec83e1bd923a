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
@click.pass_obj
def subscribers_add(
    config: Path | None, email: str, confirmed: bool, topics: str, cadence: str
) -> None:
    """Add one address; it is mailed a link to confirm, unless --confirmed."""
    from trendbot import subscribe
    from trendbot.model import Cadence

    app = open_app(config)
    added = subscribe.add(
        app.doorway(), email, Cadence(cadence), subscribe.topics_of(topics), confirmed
    )
    click.echo(f"{subscribe.find(app.engine, email).email}: {added}")


@subscribers.command("list")
@json_option
@click.pass_obj
def subscribers_list(config: Path | None, as_json: bool) -> None:
    """List everybody."""
    from trendbot.reports import subscriber_document
    from trendbot.store.subscribers import every

    with open_app(config).engine.connect() as conn:
        if as_json:
            print_json([subscriber_document(subscriber) for subscriber in every(conn)])
            return
        for subscriber in every(conn):
            topics = ",".join(subscriber.topics) or "all topics"
            click.echo(f"{subscriber.email}  {subscriber.status}  {subscriber.cadence}  {topics}")


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
        click.echo(f"{key}: {shown or '-'}")


@subscribers.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--confirmed", is_flag=True, help="Active at once, without confirmation mails.")
@click.pass_obj
def subscribers_import(config: Path | None, file: Path, confirmed: bool) -> None:
    """Add the addresses of a CSV file with at least a column `email`."""
    from trendbot import subscribe

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TrendbotError(f"{file}: cannot be read as UTF-8 text: {error}") from error
    app = open_app(config)
    try:
        wishes = subscribe.read_list(text)
    except TrendbotError as error:
        raise TrendbotError(f"{file}: {error}; nothing was imported") from error
    counts = subscribe.take_in(app.doorway(), wishes, confirmed)
    for became, how_many in sorted(counts.items()):
        click.echo(f"{how_many} {became}")


@subscribers.command("export")
@click.pass_obj
def subscribers_export(config: Path | None) -> None:
    """Print everybody as CSV."""
    from trendbot import subscribe

    for line in subscribe.export(open_app(config).engine):
        click.echo(line, nl=False)


@click.command()
@click.argument("emails", nargs=-1, required=True, metavar="EMAIL...")
@click.pass_obj
def unsubscribe(config: Path | None, emails: tuple[str, ...]) -> None:
    """Take addresses off the list."""
    from trendbot import subscribe

    app = open_app(config)
    for subscriber in subscribe.unsubscribe(app.engine, emails, app.now()):
        click.echo(f"{subscriber.email}: unsubscribed")
