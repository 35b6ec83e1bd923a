"""The command line: thin commands over the pipeline and the steps.

Exit status 0 done, 1 failed with one clear line on stderr, 2 wrong usage or settings.
What a command needs is imported when it runs, so that `--help` answers at once.
"""

import io
import logging
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trendbot.cli_import import import_group
from trendbot.cli_subscribers import subscribers, unsubscribe
from trendbot.cli_worker import worker
from trendbot.errors import SettingsError, TrendbotError
from trendbot.terminal import (
    DAY,
    cadence_option,
    console,
    json_option,
    open_app,
    print_json,
    shown,
    stoppable,
)

if TYPE_CHECKING:
    from trendbot.app import App
    from trendbot.model import Digest
    from trendbot.pipeline import Made


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

    run_demo(home, console())


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

    click.echo(f"The database is at revision {current(open_app(config).engine)}.")


@db.command("current")
@click.pass_obj
def db_current(config: Path | None) -> None:
    """Say which schema the database has, changing nothing."""
    from trendbot.settings import load
    from trendbot.store.engine import connect, current
    from trendbot.store.schema import REVISION

    settings = load(config)
    engine = connect(settings.database.url.get_secret_value(), settings.home)
    click.get_current_context().call_on_close(engine.dispose)
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

    app = open_app(config)
    app.insist()
    if not no_deliver:
        app.dispatch()  # what is wrong with mail shows before the work, not after it
    made = pipeline.run(app, Cadence(cadence), _closed_day(app, cadence, day), mail=False)
    if made.digest is not None and not no_deliver:
        with stoppable() as stop, shown(app) as watch:
            pipeline.mail_digest(app, made.digest, stop, watch)
    _tell(app, made)


@cli.command()
@click.option("--date", "day", type=DAY, help="Day of announcement; yesterday if not given.")
@click.pass_obj
def collect(config: Path | None, day: date | None) -> None:
    """Fetch papers and posts, rank and mail nothing."""
    from trendbot.collect import collect as collect_day
    from trendbot.store import runs

    app = open_app(config)
    app.insist()
    began = app.now()
    wanted = _day(app, day)
    counting = app.settings.counting
    collect_day(app.engine, app.sources, app.signals, wanted, wanted, app.now, counting)
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
@click.option(
    "--by",
    type=click.Choice(["total", "rising", "field"]),
    help="Order: retweets + favorites, how fast they grow, or the place within the field.",
)
@json_option
@click.pass_obj
def rank(config: Path | None, day: date, cadence: str, by: str | None, as_json: bool) -> None:
    """Rank what is stored, as of now; stores no ranking."""
    from trendbot import contest, reports
    from trendbot.collect import let_lapse
    from trendbot.model import By, Cadence
    from trendbot.store import posts

    app = open_app(config)
    let_lapse(app.engine, app.now, app.settings.counting)
    with app.engine.connect() as conn:
        ranked = contest.ranking(app, conn, Cadence(cadence), day, By(by) if by else None)
        entries = [entry for _, entry in contest.with_papers(app, conn, ranked, ranked.standings)]
        lapsed = posts.lapsed(conn, ranked.since, ranked.until)
    if as_json:
        print_json(reports.ranking_document(ranked, entries))
    else:
        reports.show_ranking(console(), ranked, entries, app.settings.ranking.size, lapsed)


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
    from trendbot import forms, reports

    app = open_app(config)
    found = _digest(app, cadence, day)
    site = app.settings.site
    if form == "json":
        with app.engine.connect() as conn:
            print_json(reports.digest_document(conn, found, app.now(), app.settings.counting))
        return
    shown = {
        "text": lambda: forms.text(found, site),
        "html": lambda: forms.html(found, site),
        "markdown": lambda: forms.markdown(found),
        "eml": lambda: forms.eml(found, site, app.settings.mail),
    }
    click.echo(shown[form](), nl=False)


@cli.command()
@click.pass_obj
def deliver(config: Path | None) -> None:
    """Finish what is open, now."""
    from trendbot.deliver import drain

    app = open_app(config)
    with stoppable() as stop, shown(app) as watch:
        drain(app.dispatch(stop, watch), insist=True)
    _tell_open(app)


@cli.command()
@click.pass_obj
def serve(config: Path | None) -> None:
    """Run the scheduler and the web until SIGTERM."""
    from trendbot.daemon import serve as serve_until_stopped

    app = open_app(config)
    app.secret  # noqa: B018  # refuse to start without it rather than fail at digest time
    serve_until_stopped(app)


for command in (import_group, subscribers, unsubscribe, worker):
    cli.add_command(command)


@cli.command()
@json_option
@click.pass_obj
def status(config: Path | None, as_json: bool) -> None:
    """Say how sources, signals and deliveries stand."""
    from trendbot.reports import show_status, status_document
    from trendbot.spending import with_budgets
    from trendbot.store.health import standing

    app = open_app(config)
    with app.engine.connect() as conn:
        document = status_document(conn, standing(conn, app.asked, app.now()))
        rows, today = document["signals"], app.now().date()
        document["signals"] = with_budgets(conn, rows, app.budgets, today)
    if as_json:
        print_json(document)
    else:
        show_status(console(), document)


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


def _day(app: "App", day: date | None) -> date:
    """The day asked for, or yesterday: the newest whose papers the world had a day to talk about.

    Raises SettingsError for a day that has not begun anywhere.
    """
    if day is not None and day > app.now().date() + timedelta(days=1):
        raise SettingsError(f"{day} is yet to come; nothing was announced on it")
    return day or app.now().astimezone(app.settings.schedule.zone).date() - timedelta(days=1)


def _closed_day(app: "App", cadence: str, day: date | None) -> date:
    """The day to make a digest of; for a month, one of a month that is over."""
    from trendbot.model import Cadence
    from trendbot.ranking import closing_day

    found = _day(app, day)
    if cadence != Cadence.MONTHLY:
        return found
    if day is None:
        return (found + timedelta(days=1)).replace(day=1) - timedelta(days=1)
    if closing_day(Cadence.MONTHLY, day) > app.now().date():
        raise SettingsError(f"{day:%B %Y} is not over yet; its digest would be frozen half full")
    return day


def _tell(app: "App", made: "Made") -> None:
    if made.digest is None:
        if made.ending == "failed":
            raise TrendbotError(f"no digest was made: {made.reason}")
        click.echo(f"No digest, nothing mailed: {made.reason}.")
        return
    found = made.digest
    click.echo(
        f"{found.cadence} digest of {found.date}: {made.ending}, {len(found.papers)} papers."
    )
    if made.reason:
        click.echo(f"Not everybody answered: {made.reason}", err=True)
    _tell_open(app, found)


def _tell_open(app: "App", found: "Digest | None" = None) -> None:
    from trendbot.progress import AWAITED
    from trendbot.reports import STATES, books_document
    from trendbot.store import books

    with app.engine.connect() as conn:
        due = books.next_due(conn)
        digests = books.of_digests(conn, found.id if found else None, now=app.now())
    for of, row in zip(digests, map(books_document, digests), strict=True):
        counts = ", ".join(f"{row[state]} {state}" for state in STATES if row[state])
        click.echo(
            f"{row['cadence']} {row['date']}: audience {row['audience']}"
            f"{': ' + counts if counts else ''}"
        )
        if of.waiting:
            click.echo(f"Of those pending, {of.waiting} {AWAITED}.")
        if not row["balanced"]:
            raise TrendbotError("the books do not balance; please report `status --json`")
    if due is not None:
        click.echo(f"Some is open; `trendbot deliver` or the daemon goes on from {due:%H:%M} UTC.")


def main() -> None:
    """Run the command line; turn what is expected to go wrong into one line and a status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # titles go through any terminal
    _begin_log()
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


def _begin_log() -> None:
    """Failures are told at the end, in one line; to a person, also what we wait for."""
    log = logging.getLogger("trendbot")
    log.addHandler(logging.NullHandler())
    if sys.stderr.isatty():
        logging.getLogger("trendbot.fetch").addHandler(logging.StreamHandler())


def _database_trouble(error: Exception) -> str:
    from sqlalchemy.exc import SQLAlchemyError

    from trendbot.store.engine import explain

    if not isinstance(error, SQLAlchemyError):
        raise error
    return explain(error)


def _fail(line: str, status: int) -> None:
    click.echo(f"trendbot: {' '.join(line.split())}", err=True)
    sys.exit(status)
