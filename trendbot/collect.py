"""Collection: ask every source and signal, keep what they answer, and note how each fared.

One that fails never stops the others: its failure is written down as a run, with the
reason, and what it had yielded until then is kept. Papers and posts are stored in chunks
as they arrive, so memory does not grow with the day.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine

from trendbot import hotpapers
from trendbot.due import SATURDAY
from trendbot.errors import ArchiveError, SignalError, SignalStopped, SourceError
from trendbot.hotpapers import ArchiveDay
from trendbot.looks import MEASURED_FOR
from trendbot.model import Gone, Paper, PaperSource, Post, Signal, There
from trendbot.settings import Counting
from trendbot.store import papers, posts, runs

# A source is asked again for at most this many missed days, as far back as arXiv's listings reach.
REACH_DAYS = 90
CHUNK = 500
COUNTING = Counting()

log = logging.getLogger(__name__)
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import read, how many papers were new to the store, and how many posts it keeps."""

    days: tuple[ArchiveDay, ...]
    new_papers: int
    posts: int

    @property
    def entries(self) -> int:
        """How many papers the days list."""
        return sum(len(one.papers) for one in self.days)


def collect(
    engine: Engine,
    sources: Mapping[str, PaperSource],
    signals: Mapping[str, Signal],
    since: date,
    until: date,
    now: Callable[[], datetime],
    counting: Counting = COUNTING,
) -> None:
    """Store the papers announced from `since` to `until` and up to today, and their posts.

    Nothing older than the reach of the sources is asked for: such days are history, and
    come from an import. Failures are recorded as runs, not raised.
    """
    if (now().date() - until).days > REACH_DAYS:
        log.info("%s is too long ago to be collected; using what is stored", until)
        return
    for name, source in sources.items():
        collect_papers(engine, name, source, since, until, now)
    for name, signal in signals.items():
        collect_posts(engine, name, signal, since, now, counting)
    let_lapse(engine, now, counting)


def collect_papers(
    engine: Engine,
    name: str,
    source: PaperSource,
    since: date,
    until: date,
    now: Callable[[], datetime],
) -> None:
    """Ask one source for the days that are missing of those from `since` to `until`, and later."""
    with engine.begin() as conn:
        days = _days_to_ask(conn, name, since, until, now().date())
        if days is None:
            return
        run = runs.start(conn, "source", name, *days, now())
    stored = 0
    outcome, message = "ok", ""
    try:
        for chunk in chunks(source.fetch(*days)):
            with engine.begin() as conn:
                papers.upsert(conn, chunk, now())
            stored += len(chunk)
    except SourceError as error:
        outcome, message = "failed", str(error)
        log.error("source %s failed: %s", name, error)
    if outcome == "ok" and stored == 0:
        outcome, message = "quiet", f"nothing announced from {days[0]} to {days[1]}"
    with engine.begin() as conn:
        runs.finish(conn, run, outcome, stored, message, now())


def _days_to_ask(
    conn: Connection, name: str, since: date, until: date, today: date
) -> tuple[date, date] | None:
    """The days to ask a source for: the first not known until today, or None.

    Up to the day it told of last only weekdays without a single paper of it are worth asking
    for, none before its reach: nothing is announced on others, and nothing after a listing.
    """
    told = runs.covered_until(conn, "source", name)
    while told is not None and until > told and until.weekday() >= SATURDAY:
        until -= timedelta(days=1)
    first = max(since, today - timedelta(days=REACH_DAYS))
    there = papers.days(conn, name, first, until)
    window = (first + timedelta(days=n) for n in range((until - first).days + 1))
    empty = [day for day in window if day.weekday() < SATURDAY and day not in there]
    if told is not None and (until < told or (until == told and until not in empty)):
        return (empty[0], empty[-1]) if empty else None
    if told is not None and papers.days(conn, name, told, told):
        told += timedelta(days=1)
    known = max(told or until, today - timedelta(days=REACH_DAYS))
    return min([known, *empty[:1]]), today


def collect_posts(
    engine: Engine,
    name: str,
    signal: Signal,
    since: date,
    now: Callable[[], datetime],
    counting: Counting = COUNTING,
) -> None:
    """Ask one signal for posts about the papers announced from `since` on, and all lately.

    Posts that are gone on the network go here, too.
    """
    today = now().date()
    since = min(since, today - MEASURED_FOR)
    with engine.begin() as conn:
        measured = _most_promising_first(conn, since, today)
        run = runs.start(conn, "signal", name, since, today, now())
    stored = gone = 0
    outcome, message = "ok", ""
    try:
        for chunk in chunks(signal.measure(measured, _midnight(since))):
            with engine.begin() as conn:
                stored += posts.upsert(
                    conn, [one for one in chunk if isinstance(one, Post)], counting
                )
                posts.confirm(conn, [one for one in chunk if isinstance(one, There)], counting)
                gone += posts.forget(
                    conn, [one for one in chunk if isinstance(one, Gone)], counting
                )
    except SignalError as error:
        outcome = "stopped" if isinstance(error, SignalStopped) else "failed"
        message = str(error)
        log.error("signal %s %s: %s", name, outcome, error)
    if gone:
        log.info("signal %s: %d posts are gone", name, gone)
    with engine.begin() as conn:
        runs.finish(conn, run, outcome, stored, message, now())


def let_lapse(engine: Engine, now: Callable[[], datetime], counting: Counting = COUNTING) -> None:
    """Count posts no more that no look found for a day: they may be gone."""
    with engine.begin() as conn:
        lapsed = posts.lapse(conn, now(), counting)
    if lapsed:
        log.info("%d posts were not seen for a day and do not count until they are", lapsed)


def _most_promising_first(conn: Connection, since: date, until: date) -> list[Paper]:
    """The papers announced in the window: by what they were counted so far, then the newest."""
    scores = {one.key: one.score for one in posts.announced(conn, since, until)}
    found = papers.announced(conn, since, until)
    return sorted(
        found, key=lambda one: (-scores.get(one.key, 0), -one.announced.toordinal(), one.key)
    )


def import_hotpapers(
    engine: Engine, paths: Iterable[Path], now: Callable[[], datetime]
) -> Imported:
    """Read posts of the Hot Papers archive, files or folders of them, into the store.

    Everything is read before anything is written, and written in one transaction: a
    malformed file leaves the store as it was. Raises ArchiveError.
    """
    days = tuple(hotpapers.parse(file.name, _read(file)) for file in archive_files(paths))
    with engine.begin() as conn:
        new = kept = 0
        for archived in days:
            new += papers.upsert(conn, archived.papers, now())
            kept += posts.upsert(conn, archived.posts)
    return Imported(days, new, kept)


def archive_files(paths: Iterable[Path]) -> list[Path]:
    """The Markdown files among `paths` and directly in the folders among them, sorted.

    Raises ArchiveError for a path that is not there or holds no such file.
    """
    files: list[Path] = []
    for path in paths:
        found = sorted(path.glob("*.md")) if path.is_dir() else [path]
        if not path.exists():
            raise ArchiveError(f"{path}: no such file or folder")
        if not found:
            raise ArchiveError(f"{path}: no Markdown file here; name posts or a folder of posts")
        files += found
    return files


def chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Cut `items` into lists of at most CHUNK, keeping no more than one of them.

    What was yielded before an error in `items` is handed on before the error is.
    """
    chunk: list[Item] = []
    try:
        for item in items:
            chunk.append(item)
            if len(chunk) == CHUNK:
                yield chunk
                chunk = []
    except (SourceError, SignalError):
        if chunk:
            yield chunk
        raise
    if chunk:
        yield chunk


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as handle:
            return handle.read(hotpapers.MAX_BYTES + 1)  # one too many is refused as too large
    except OSError as error:
        raise ArchiveError(f"{file}: cannot be read: {error.strerror}") from error


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
