"""Collecting: who is asked for which days, and what is kept when somebody fails."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from trendbot.collect import (
    CHUNK,
    COUNTING,
    REACH_DAYS,
    archive_files,
    chunks,
    collect,
    collect_papers,
    import_hotpapers,
)
from trendbot.errors import ArchiveError, SignalError, SignalStopped, SourceError
from trendbot.model import Gone, Paper, Post, Reading, There
from trendbot.settings import Counting
from trendbot.store import papers, posts, runs
from trendbot.store.schema import papers as paper_rows
from trendbot.store.schema import posts as post_rows

FRIDAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
ARCHIVE = Path(__file__).parent / "data" / "hotpapers"


def now() -> datetime:
    return NOW


def paper(number: int, day: date = FRIDAY) -> Paper:
    return Paper("arxiv", f"2611.{number:05}", f"On {number}", ("Ada",), ("cs.LG",), day)


@dataclass
class Source:
    """Yields what it has, then raises what it must."""

    found: list[Paper] = field(default_factory=list)
    error: Exception | None = None
    asked: list[tuple[date, date]] = field(default_factory=list)

    def fetch(self, since: date, until: date) -> Iterable[Paper]:
        self.asked.append((since, until))
        yield from (one for one in self.found if since <= one.announced <= until)
        if self.error:
            raise self.error

    def check(self) -> str:
        return "here"


@dataclass
class Signal:
    """One post with a reading for each paper asked about, then what it must raise."""

    error: Exception | None = None
    every: timedelta = timedelta(hours=6)
    asked: list[tuple[set[str], datetime]] = field(default_factory=list)

    def measure(self, wanted: Iterable[Paper], since: datetime) -> Iterable[Post]:
        keys = [one.key for one in wanted]
        self.asked.append((set(keys), since))
        for key in keys:
            yield Post("x", key, (key,), "a", "https://x.com", NOW, "", Reading(NOW, 1, 2))
        if self.error:
            raise self.error

    def check(self) -> str:
        return "here"


def outcome(engine: Engine, kind: str, name: str) -> tuple[str, int, str]:
    with engine.connect() as conn:
        run = runs.last_finished(conn, kind, name)
    assert run is not None
    return run.outcome, run.items, run.message


def test_papers_and_their_posts_are_stored(engine: Engine) -> None:
    source, signal = Source([paper(1), paper(2)]), Signal()
    collect(engine, {"arxiv": source}, {"x": signal}, FRIDAY, FRIDAY, now)
    assert outcome(engine, "source", "arxiv") == ("ok", 2, "")
    assert outcome(engine, "signal", "x") == ("ok", 2, "")
    assert signal.asked[0][0] == {"arxiv:2611.00001", "arxiv:2611.00002"}
    with engine.connect() as conn:
        assert len(posts.candidates(conn, FRIDAY, FRIDAY)) == 2


def test_a_failure_keeps_what_came_before_it_and_stops_nobody_else(engine: Engine) -> None:
    broken = Source([paper(1)], SourceError("page 2 is cut off"))
    whole = Source([paper(2)])
    spent, well = Signal(SignalStopped("no credit")), Signal()
    collect(
        engine,
        {"broken": broken, "whole": whole},
        {"spent": spent, "well": well},
        FRIDAY,
        FRIDAY,
        now,
    )
    assert outcome(engine, "source", "broken") == ("failed", 1, "page 2 is cut off")
    assert outcome(engine, "source", "whole")[0] == "ok"
    assert outcome(engine, "signal", "spent") == ("stopped", 2, "no credit")
    assert outcome(engine, "signal", "well") == ("ok", 2, "")
    with engine.connect() as conn:
        assert len(papers.announced(conn, FRIDAY, FRIDAY)) == 2


def test_nothing_announced_is_quiet_and_a_failure_is_not(engine: Engine) -> None:
    collect_papers(engine, "empty", Source(), FRIDAY, FRIDAY, now)
    collect_papers(engine, "down", Source(error=SourceError("503")), FRIDAY, FRIDAY, now)
    assert outcome(engine, "source", "empty")[0] == "quiet"
    assert outcome(engine, "source", "down") == ("failed", 0, "503")


def test_a_bug_is_not_swallowed(engine: Engine) -> None:
    with pytest.raises(ZeroDivisionError):
        collect(engine, {"arxiv": Source(error=ZeroDivisionError())}, {}, FRIDAY, FRIDAY, now)


def test_after_downtime_all_missed_days_are_asked_for(engine: Engine) -> None:
    monday, tuesday = (datetime(2026, 11, day, 7, 0, tzinfo=UTC) for day in (16, 17))
    source = Source([paper(1, monday.date())])
    collect_papers(engine, "arxiv", source, monday.date(), monday.date(), lambda: monday)
    collect_papers(engine, "arxiv", source, FRIDAY, FRIDAY, now)
    assert source.asked[1] == (tuesday.date(), NOW.date())  # all of Monday is known


def test_a_day_told_before_its_listing_is_asked_for_again(engine: Engine) -> None:
    monday = datetime(2026, 11, 16, 0, 30, tzinfo=UTC)
    source = Source([])
    collect_papers(engine, "arxiv", source, monday.date(), monday.date(), lambda: monday)
    collect_papers(engine, "arxiv", source, FRIDAY, FRIDAY, now)
    assert source.asked[1] == (monday.date(), NOW.date())


def test_a_failed_run_does_not_count_as_told(engine: Engine) -> None:
    source = Source(error=SourceError("503"))
    thursday = NOW - timedelta(days=2)
    collect_papers(engine, "arxiv", source, thursday.date(), thursday.date(), lambda: thursday)
    source.error = None
    collect_papers(engine, "arxiv", source, thursday.date(), FRIDAY, now)
    assert source.asked[1] == (thursday.date(), NOW.date())


def test_looking_back_asks_only_for_weekdays_without_papers(engine: Engine) -> None:
    monday = date(2026, 11, 9)
    week = [paper(n, monday + timedelta(days=n)) for n in range(5) if n != 2]
    source = Source([paper(9), *week])
    collect_papers(engine, "arxiv", source, FRIDAY, FRIDAY, now)
    with engine.begin() as conn:
        papers.upsert(conn, week, NOW)
    collect_papers(engine, "arxiv", source, monday, monday + timedelta(days=6), now)
    wednesday = monday + timedelta(days=2)
    assert source.asked[1:] == [(wednesday, wednesday)]
    with engine.begin() as conn:
        papers.upsert(conn, [paper(8, wednesday)], NOW)
    collect_papers(engine, "arxiv", source, monday, monday + timedelta(days=6), now)
    assert len(source.asked) == 2


@pytest.mark.parametrize("told", [False, True])
def test_nobody_is_asked_for_what_is_out_of_reach(told: bool, engine: Engine) -> None:
    source, signal = Source(), Signal()
    if told:
        collect_papers(engine, "arxiv", source, FRIDAY, FRIDAY, now)
    source.asked.clear()
    long_ago = FRIDAY - timedelta(days=REACH_DAYS + 30)
    collect(engine, {"arxiv": source}, {"x": signal}, long_ago, long_ago, now)
    assert (source.asked, signal.asked) == ([], [])
    collect(engine, {"arxiv": source}, {"x": signal}, long_ago, FRIDAY, now)
    assert source.asked[0][0] >= NOW.date() - timedelta(days=REACH_DAYS)


def test_chunks_bound_memory_and_keep_what_came_before_an_error() -> None:
    taken = 0

    def items() -> Iterable[int]:
        nonlocal taken
        for number in range(CHUNK * 2 + 3):
            taken += 1
            yield number
        raise SignalError("cut off")

    cut = chunks(items())
    assert [len(next(cut)), taken] == [CHUNK, CHUNK]
    assert [len(next(cut)), taken] == [CHUNK, CHUNK * 2]
    assert len(next(cut)) == 3
    with pytest.raises(SignalError):
        next(cut)


def test_an_import_twice_is_an_import_once(engine: Engine) -> None:
    first = import_hotpapers(engine, [ARCHIVE], now)
    second = import_hotpapers(engine, [ARCHIVE, *ARCHIVE.glob("*.md")], now)
    assert first.new_papers > 0
    assert second.new_papers == 0
    with engine.connect() as conn:
        assert conn.scalar(select(func.count()).select_from(paper_rows)) == first.new_papers
        assert conn.scalar(select(func.count()).select_from(post_rows)) == first.posts


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path, engine: Engine) -> None:
    with (tmp_path / "2021-01-01.md").open("wb") as file:
        file.truncate(10**10)
    with pytest.raises(ArchiveError, match="2021-01-01"):
        import_hotpapers(engine, [tmp_path], now)


def test_paths_without_posts_are_errors(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ArchiveError, match=r"no Markdown file|no such file"):
            archive_files([path])


@dataclass
class Network:
    """Yields what it is told to."""

    items: list[Post | Gone | There]
    every: timedelta = timedelta(hours=6)

    def measure(self, wanted: Iterable[Paper], since: datetime) -> Iterable[Post | Gone | There]:
        yield from self.items

    def check(self) -> str:
        return "here"


def said(number: int, at: datetime, text: str = "Look", automated: bool = False) -> Post:
    about, url = (paper(1).key,), f"https://x.com/{number}"
    reading = Reading(at, 0, number)
    return Post("x", str(number), about, "ada", url, at, text, reading, automated=automated)


def looked(engine: Engine, *items: Post | Gone | There, counting: Counting = COUNTING) -> None:
    with engine.begin() as conn:
        papers.upsert(conn, [paper(1)], NOW)
    collect(engine, {}, {"x": Network(list(items))}, FRIDAY, FRIDAY, now, counting)


def test_what_nobody_saw_for_a_day_says_nothing_and_does_not_count(engine: Engine) -> None:
    yesterday = NOW - timedelta(days=1)
    long_ago = yesterday - timedelta(minutes=1)
    found = [said(9, long_ago), said(4, long_ago, "I, too"), said(2, yesterday), said(3, NOW)]
    looked(engine, *found, There("x", "4", NOW))
    with engine.connect() as conn:
        told = conn.execute(
            select(post_rows.c.external_id, post_rows.c.text, post_rows.c.author).order_by(
                post_rows.c.external_id
            )
        )
        assert [tuple(row) for row in told] == [
            ("2", "Look", "ada"),
            ("3", "Look", "ada"),
            ("4", "I, too", "ada"),
            ("9", "", ""),
        ]
        (counted,) = posts.candidates(conn, FRIDAY, FRIDAY)
    assert counted.favorites == 3 + 4  # two say the same, and the better of them counts


@pytest.mark.parametrize(("bots", "favorites"), [("once", 2), ("leave out", 0), ("count", 3)])
def test_posts_that_are_gone_go_and_the_rest_counts_as_the_settings_say(
    bots: str, favorites: int, engine: Engine
) -> None:
    counting = Counting.model_validate({"bots": bots})
    found = [said(n, NOW, f"Look {n}", automated=True) for n in (1, 2, 9)]
    looked(engine, *found, Gone("x", "9"), counting=counting)
    with engine.connect() as conn:
        (counted,) = posts.candidates(conn, FRIDAY, FRIDAY)
        assert counted.favorites == favorites
        assert conn.scalar(select(func.count()).select_from(post_rows)) == 2
