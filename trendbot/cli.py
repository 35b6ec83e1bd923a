"""The command line: thin commands over the pipeline and the steps.

Exit status 0 done, 1 failed with one clear line on stderr, 2 wrong usage or settings.
What a command needs is imported when it runs, so that `--help` answers at once.
"""

import json
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trendbot.errors import SettingsError, TrendbotError

if TYPE_CHECKING:
    from rich.console import Console

    from trendbot.app import App
    from trendbot.model import Digest
    from trendbot.pipeline import Made

CADENCES = ("daily", "weekly", "monthly")

cadence_option = click.option(
    "--cadence", type=click.Choice(CADENCES), default="daily", show_default=True
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


class Day(click.ParamType):
    """A date written YYYY-MM-DD."""

    name = "date"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> date:
        """Read the date, or say how to write it."""
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a date; write it as 2026-11-20", param, ctx)


DAY = Day()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Settings file; else $TRENDBOT_CONFIG, else ./trendbot.toml.",
)
@click.version_option(package_name="trendbot")
@click.pass_context
def cli(ctx: click.Context, config: Path | None) -> None:
    """Trending papers in your inbox."""
    ctx.obj = config


@cli.command()
@click.option(
    "--home", type=click.Path(path_type=Path), default=Path("trendbot-demo"), show_default=True
)
def demo(home: Path) -> None:
    """Do the whole job once, offline, with sample papers, in a folder of its own."""
    from trendbot.demo import run_demo

    run_demo(home, _console())


@cli.command()
@click.pass_obj
def init(config: Path | None) -> None:
    """Write a commented trendbot.toml; never overwrites one."""
    from trendbot.settings import DEFAULT_FILE, write_example

    file = config or Path(DEFAULT_FILE)
    write_example(file)
    click.echo(f"Wrote {file}. Look through it, then try `trendbot doctor`.")


@cli.group()
def db() -> None:
    """The database's schema."""


@db.command("upgrade")
@click.pass_obj
def db_upgrade(config: Path | None) -> None:
    """Bring the database to the schema this trendbot uses."""
    from trendbot.store.engine import current

    click.echo(f"The database is at revision {current(_app(config).engine)}.")


@db.command("current")
@click.pass_obj
def db_current(config: Path | None) -> None:
    """Say which schema the database has, changing nothing."""
    from trendbot.settings import load
    from trendbot.store.engine import connect, current
    from trendbot.store.schema import REVISION

    settings = load(config)
    engine = connect(settings.database.url.get_secret_value(), settings.home)
    click.echo(f"{current(engine) or 'empty'} (this trendbot uses {REVISION})")


@cli.command()
@click.option("--date", "day", type=DAY, help="Day of announcement; yesterday if not given.")
@cadence_option
@click.option("--no-deliver", is_flag=True, help="Make the digest, mail nothing.")
@click.pass_obj
def run(config: Path | None, day: date | None, cadence: str, no_deliver: bool) -> None:
    """Collect, rank, freeze the digest of a day and mail it."""
    from trendbot import pipeline
    from trendbot.model import Cadence

    app = _app(config)
    if not no_deliver:
        app.secret  # noqa: B018  # before the work, not after it: mail needs the key
    made = pipeline.run(app, Cadence(cadence), day or _yesterday(app), mail=not no_deliver)
    _tell(app, made)


@cli.command()
@click.option("--date", "day", type=DAY, help="Day of announcement; yesterday if not given.")
@click.pass_obj
def collect(config: Path | None, day: date | None) -> None:
    """Fetch papers and posts, rank and mail nothing."""
    from trendbot.collect import collect as collect_day
    from trendbot.store import runs

    app = _app(config)
    began = app.now()
    collect_day(app.engine, app.sources, app.signals, day or _yesterday(app), app.now)
    failed = []
    with app.engine.connect() as conn:
        for kind in ("source", "signal"):
            for last in runs.last_of_each(conn, kind):
                if last.started_at < began:
                    continue
                click.echo(f"{kind} {last.name}: {last.outcome}, {last.items} items {last.message}")
                failed += [last.name] if last.outcome in ("failed", "stopped") else []
    if failed:
        raise TrendbotError(f"not everything answered: {', '.join(failed)}")


@cli.command()
@click.option("--date", "day", type=DAY, required=True, help="Day of announcement.")
@cadence_option
@json_option
@click.pass_obj
def rank(config: Path | None, day: date, cadence: str, as_json: bool) -> None:
    """Rank what is stored, as of now; stores nothing."""
    from trendbot import pipeline, reports
    from trendbot.model import Cadence

    app = _app(config)
    with app.engine.connect() as conn:
        ranked = pipeline.ranking(app, conn, Cadence(cadence), day)
        entries = [entry for _, entry in pipeline.with_papers(conn, ranked.standings)]
    if as_json:
        _print_json(reports.ranking_document(ranked, entries))
    else:
        reports.show_ranking(_console(), ranked, entries, app.settings.ranking.size)


@cli.group()
def digest() -> None:
    """Stored digests."""


@digest.command("show")
@click.option("--date", "day", type=DAY, required=True, help="Date of the digest.")
@cadence_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "html", "markdown", "json", "eml"]),
    default="text",
    show_default=True,
)
@click.pass_obj
def digest_show(config: Path | None, day: date, cadence: str, form: str) -> None:
    """Show a stored digest in one of its forms."""
    from trendbot import compose, reports

    app = _app(config)
    found = _digest(app, cadence, day)
    if form == "json":
        with app.engine.connect() as conn:
            _print_json(reports.digest_document(conn, found))
    else:
        settings = app.settings
        click.echo(compose.show(found, form, settings.site, settings.mail), nl=False)


@cli.command()
@click.pass_obj
def deliver(config: Path | None) -> None:
    """Finish what is open, now."""
    from trendbot.deliver import drain

    app = _app(config)
    drain(app.dispatch())
    _tell_open(app)


@cli.command()
@click.pass_obj
def serve(config: Path | None) -> None:
    """Run the scheduler and the web until SIGTERM."""
    from trendbot.daemon import serve as serve_until_stopped

    app = _app(config)
    app.secret  # noqa: B018  # refuse to start without it rather than fail at digest time
    serve_until_stopped(app)


@cli.group("subscribers")
def subscribers_group() -> None:
    """The people on the list."""


@subscribers_group.command("add")
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

    app = _app(config)
    added = subscribe.add(
        app.doorway(), email, Cadence(cadence), subscribe.topics_of(topics), confirmed
    )
    click.echo(f"{subscribe.find(app.engine, email).email}: {added}")


@subscribers_group.command("list")
@json_option
@click.pass_obj
def subscribers_list(config: Path | None, as_json: bool) -> None:
    """List everybody."""
    from trendbot.reports import subscriber_document
    from trendbot.store import subscribers

    with _app(config).engine.connect() as conn:
        if as_json:
            _print_json([subscriber_document(reader) for reader in subscribers.every(conn)])
            return
        for reader in subscribers.every(conn):
            topics = ",".join(reader.topics) or "all topics"
            click.echo(f"{reader.email}  {reader.status}  {reader.cadence}  {topics}")


@subscribers_group.command("show")
@click.argument("email")
@json_option
@click.pass_obj
def subscribers_show(config: Path | None, email: str, as_json: bool) -> None:
    """Show one subscriber."""
    from trendbot import subscribe
    from trendbot.reports import subscriber_document

    document = subscriber_document(subscribe.find(_app(config).engine, email))
    if as_json:
        _print_json(document)
        return
    for key, value in document.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        click.echo(f"{key}: {shown or '-'}")


@subscribers_group.command("import")
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
    app = _app(config)
    try:
        wishes = subscribe.read_list(text)
    except TrendbotError as error:
        raise TrendbotError(f"{file}: {error}; nothing was imported") from error
    counts = subscribe.take_in(app.doorway(), wishes, confirmed)
    for became, how_many in sorted(counts.items()):
        click.echo(f"{how_many} {became}")


@subscribers_group.command("export")
@click.pass_obj
def subscribers_export(config: Path | None) -> None:
    """Print everybody as CSV."""
    from trendbot import subscribe

    for line in subscribe.export(_app(config).engine):
        click.echo(line, nl=False)


@cli.command()
@click.argument("emails", nargs=-1, required=True, metavar="EMAIL...")
@click.pass_obj
def unsubscribe(config: Path | None, emails: tuple[str, ...]) -> None:
    """Take addresses off the list."""
    from trendbot import subscribe

    app = _app(config)
    for reader in subscribe.unsubscribe(app.engine, emails, app.now()):
        click.echo(f"{reader.email}: unsubscribed")


@cli.group("import")
def import_group() -> None:
    """Bring in history."""


@import_group.command("hotpapers")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@click.pass_obj
def import_hotpapers(config: Path | None, paths: tuple[Path, ...]) -> None:
    """Read posts of the Hot Papers archive, files or folders."""
    from trendbot.collect import import_hotpapers as read_archive

    app = _app(config)
    brought = read_archive(app.engine, paths, app.now)
    click.echo(
        f"Read {brought.days} days with {brought.entries} entries: "
        f"{brought.new_papers} papers were new, {brought.posts} posts are kept."
    )


@cli.command()
@json_option
@click.pass_obj
def status(config: Path | None, as_json: bool) -> None:
    """Say how sources, signals and deliveries stand."""
    from trendbot.reports import show_status, status_document

    with _app(config).engine.connect() as conn:
        document = status_document(conn)
    if as_json:
        _print_json(document)
    else:
        show_status(_console(), document)


@cli.command()
@click.pass_obj
def doctor(config: Path | None) -> None:
    """Check settings, database, mail, sources and signals, and say what to do."""
    from trendbot.doctor import examine
    from trendbot.settings import load

    sick = 0
    for finding in examine(load(config)):
        click.echo(f"{'ok  ' if finding.well else 'FAIL'} {finding.part}: {finding.text}")
        sick += not finding.well
    if sick:
        raise TrendbotError(f"{sick} of the checks failed")


def _app(config: Path | None) -> "App":
    from trendbot.app import build
    from trendbot.settings import load

    return build(load(config))


def _digest(app: "App", cadence: str, day: date) -> "Digest":
    from trendbot.model import Cadence
    from trendbot.ranking import closing_day
    from trendbot.store import digests

    with app.engine.connect() as conn:
        found = digests.find(conn, Cadence(cadence), closing_day(Cadence(cadence), day))
    if found is None:
        raise TrendbotError(
            f"no {cadence} digest of {day} is stored; `trendbot run --date {day} "
            f"--cadence {cadence} --no-deliver` makes one"
        )
    return found


def _yesterday(app: "App") -> date:
    """The newest day whose papers the world had a day to talk about."""
    return app.now().astimezone(app.settings.schedule.zone).date() - timedelta(days=1)


def _tell(app: "App", made: "Made") -> None:
    if made.digest is None:
        if made.outcome == "failed":
            raise TrendbotError(f"no digest was made: {made.reason}")
        click.echo(f"No digest, nothing mailed: {made.reason}.")
        return
    found = made.digest
    click.echo(f"{found.cadence} digest of {found.date}: {made.outcome}, {len(found.papers)} papers.")
    _tell_open(app, found)


def _tell_open(app: "App", found: "Digest | None" = None) -> None:
    from trendbot.reports import STATES, books_document
    from trendbot.store import deliveries

    with app.engine.connect() as conn:
        due = deliveries.next_due(conn)
        all_books = deliveries.books(conn, found.id if found else None)
    for books in map(books_document, all_books):
        counts = ", ".join(f"{books[state]} {state}" for state in STATES if books[state])
        click.echo(
            f"{books['cadence']} {books['date']}: audience {books['audience']}"
            f"{': ' + counts if counts else ''}"
        )
        if not books["balanced"]:
            raise TrendbotError("the books do not balance; please report this with `status --json`")
    if due is not None:
        click.echo(f"Some is still open; `trendbot deliver` or the daemon goes on from {due:%H:%M} UTC.")


def _print_json(document: Any) -> None:
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))


def _console() -> "Console":
    from rich.console import Console

    return Console(highlight=False)


def main() -> None:
    """Run the command line; turn what is expected to go wrong into one line and a status."""
    try:
        cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
    except TrendbotError as error:
        _fail(str(error), 2 if isinstance(error, SettingsError) else 1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        _fail(str(error), 1)
    except Exception as error:  # noqa: BLE001  # only the database's errors stop here
        _fail(_database_trouble(error), 1)


def _database_trouble(error: Exception) -> str:
    from sqlalchemy.exc import SQLAlchemyError

    from trendbot.store.engine import explain

    if not isinstance(error, SQLAlchemyError):
        raise error
    return explain(error)


def _fail(line: str, status: int) -> None:
    click.echo(f"trendbot: {' '.join(line.split())}", err=True)
    sys.exit(status)
