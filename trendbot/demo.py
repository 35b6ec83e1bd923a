"""The whole job once, offline, with sample papers, in a folder of its own."""

import os
import shlex
import shutil
import sys
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from trendbot import contest, pipeline, reports, subscribe, tastes
from trendbot.app import build
from trendbot.collect import collect
from trendbot.errors import TrendbotError
from trendbot.model import Cadence, Taste
from trendbot.settings import ENV_PREFIX, load, write_example
from trendbot.sources.sample import first_day, last_day

SUBSCRIBERS = (("ada@example.org", ""), ("grace@example.net", "cs.CV,cs.LG"))
TOP = 10

# What the demo changes in the example settings: the sample instead of the network.
_OFFLINE = {
    "[sources.arxiv]\n": "[sources.sample]\nenabled = true\n\n[sources.arxiv]\nenabled = false\n",
    "[signals.bluesky]\n": "[signals.bluesky]\nenabled = false\n",
    "[signals.hackernews]\n": "[signals.hackernews]\nenabled = false\n",
    "[signals.mastodon]\n": "[signals.mastodon]\nenabled = false\n",
    "[signals.huggingface]\n": (
        "[signals.sample]\nenabled = true\n\n[signals.huggingface]\nenabled = false\n"
    ),
}


def run_demo(home: Path, console: Console) -> None:
    """Run the pipeline on the last sample day in `home`; a second run mails nothing twice.

    Raises TrendbotError when the folder cannot be used.
    """
    config = home / "trendbot.toml"
    for name in [name for name in os.environ if name.startswith(ENV_PREFIX)]:
        del os.environ[name]  # settings meant for another trendbot have no place in the demo
    if not config.exists():
        _furnish(home, config)
    app = build(load(config), _morning_after)
    click.get_current_context().call_on_close(app.close)
    door = app.doorway()
    for email, topics in SUBSCRIBERS:
        subscribe.add(door, email, Taste(topics=tastes.topics_of(topics)), confirmed=True)
    before = _mails(home)
    collect(app.engine, app.sources, app.signals, first_day(), last_day(), app.now)
    made = pipeline.run(app, Cadence.DAILY, last_day())
    with app.engine.connect() as conn:
        ranked = contest.ranking(app, conn, Cadence.DAILY, last_day())
        entries = [entry for _, entry in contest.with_papers(app, conn, ranked, ranked.standings)]
    reports.show_ranking(console, ranked, entries[:TOP], app.settings.ranking.size)
    _tell(home, config, made, before, console)


def _morning_after() -> datetime:
    """The demo's clock: the hour at which the digest of the last sample day is due."""
    return datetime.combine(last_day() + timedelta(days=1), time(6, 30), UTC)


def _furnish(home: Path, config: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
        if any(home.iterdir()):
            raise TrendbotError(f"{home} is not empty and no demo; choose another with --home")
        write_example(config)
        text = config.read_text(encoding="utf-8")
        for old, new in _OFFLINE.items():
            text = text.replace(old, new, 1)
        config.write_text(text, encoding="utf-8")
    except OSError as error:
        raise TrendbotError(f"{home}: cannot be used: {error.strerror}") from error


def _mails(home: Path) -> set[Path]:
    return set((home / "mail" / "new").glob("*"))


def _tell(
    home: Path, config: Path, made: pipeline.Made, before: set[Path], console: Console
) -> None:
    mails = sorted(_mails(home))
    new = len(mails) - len(before)
    program = "trendbot" if shutil.which("trendbot") else shlex.quote(sys.argv[0])
    base_url = load(config).site.base_url
    here = f"{program} --config {shlex.quote(str(config))}"
    lines = [
        f"\nThe digest of {last_day()} is {made.ending} and has "
        f"{len(made.digest.papers) if made.digest else 0} papers; {new} mails were sent now.",
        f"Your mail lies in {home / 'mail' / 'new'}:",
        *(f"  {mail}" for mail in mails),
        "\nTry next:",
        f"  {here} digest show --date {last_day()}",
        f"  {here} digest show --date {last_day()} --format html > digest.html",
        f"  {here} serve      # then read it at {base_url}",
        f"  {here} status",
        f"  {here} rank --date {last_day()} --cadence weekly",
        f"  {program} init          # settings of your own, then: {program} doctor",
    ]
    console.print(Text("\n".join(lines)), soft_wrap=True)
