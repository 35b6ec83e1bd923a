"""The flow: what becomes a digest, what is quiet, what failed, and never the same paper twice."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from tests.conftest import address_of
from tests.test_collect import Signal, Source, paper
from trendbot import contest, pipeline
from trendbot.app import App
from trendbot.collect import collect
from trendbot.errors import SignalError, SignalStopped, SourceError
from trendbot.model import By, Cadence, Paper, Post, Reading
from trendbot.pipeline import Ending
from trendbot.settings import RankedBy, Ranking, Settings, Web, WindowDays
from trendbot.store import papers, posts

FRIDAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLite: what differs between databases is tested in the store."""
    return address_of(getattr(request, "param", "sqlite"), request, tmp_path)


@pytest.fixture
def app(engine: Engine, tmp_path: Path) -> App:
    settings = Settings(home=tmp_path, web=Web(secret_key=SecretStr("a-secret-of-sixteen-chars")))
    app = App(settings, engine, lambda: NOW)
    app.sources = {"arxiv": Source()}
    app.signals = {"x": Signal()}
    return app


def post(number: int, of: Paper, favorites: int, at: datetime = NOW) -> Post:
    return Post(
        "x", str(number), (of.key,), "ada", "https://x.com", at, "", Reading(at, 0, favorites)
    )


def store(app: App, *found: tuple[Paper, int]) -> None:
    with app.engine.begin() as conn:
        papers.upsert(conn, [one for one, _ in found], NOW)
        posts.upsert(conn, [post(number, one, count) for number, (one, count) in enumerate(found)])


def ids(made: pipeline.Made) -> list[str]:
    assert made.digest is not None
    return [entry.paper.id for entry in made.digest.papers]


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_the_best_become_the_digest_and_it_stays_as_it_was(app: App) -> None:
    store(app, (paper(1), 5), (paper(2), 50), (paper(3), 0))
    made = pipeline.make_digest(app, Cadence.DAILY, FRIDAY)
    assert (made.ending, ids(made)) == (Ending.MADE, ["2611.00002", "2611.00001"])
    store(app, (paper(9), 500))
    again = pipeline.make_digest(app, Cadence.DAILY, FRIDAY)
    assert (again.ending, again.digest) == (Ending.THERE, made.digest)


def test_counts_stand_for_the_newest_reading_and_later_ones_change_nothing(app: App) -> None:
    early = NOW - timedelta(hours=3)
    with app.engine.begin() as conn:
        papers.upsert(conn, [paper(1)], NOW)
        posts.upsert(conn, [post(1, paper(1), 7, early)])
        posts.upsert(conn, [post(1, paper(1), 5, early - timedelta(hours=1))])
    pipeline.make_digest(app, Cadence.DAILY, FRIDAY)
    rise(app, 1, 70)
    made = pipeline.make_digest(app, Cadence.DAILY, FRIDAY)
    assert made.digest is not None
    assert made.digest.counted_at == early
    assert made.digest.made_at == NOW
    assert made.digest.papers[0].favorites == 7


def test_size_cuts_the_digest_and_not_the_ranking(app: App) -> None:
    app.settings = app.settings.model_copy(update={"ranking": Ranking(size=2)})
    store(app, *((paper(n), n) for n in range(1, 6)))
    assert len(ids(pipeline.make_digest(app, Cadence.DAILY, FRIDAY))) == 2
    with app.engine.connect() as conn:
        assert len(contest.ranking(app, conn, Cadence.DAILY, FRIDAY).standings) == 5


def again_on(app: App, day: date, counts: int) -> pipeline.Made:
    """The archive prints the first paper once more, on a later day."""
    with app.engine.begin() as conn:
        total = Post(
            signal="hotpapers",
            id=f"{day}/1",
            papers=(paper(1).key,),
            author="",
            url="https://arxiv.org",
            posted_at=NOW,
            reading=Reading(NOW, counts, 0),
            listed_on=day,
        )
        posts.upsert(conn, [total])
    return pipeline.make_digest(app, Cadence.DAILY, day)


@pytest.mark.parametrize(("counts", "comes_back"), [(99, False), (100, True)])
def test_daily_subscribers_see_a_paper_again_only_doubled(
    counts: int, comes_back: bool, app: App
) -> None:
    thursday, friday = FRIDAY - timedelta(days=1), FRIDAY
    with app.engine.begin() as conn:
        papers.upsert(conn, [paper(1, thursday - timedelta(days=30))], NOW)
    assert ids(again_on(app, thursday, 50)) == ["2611.00001"]
    made = again_on(app, friday, counts)
    if comes_back:
        assert ids(made) == ["2611.00001"]
    else:
        assert (made.ending, made.reason) == (
            Ending.QUIET,
            "every leading paper was in an earlier digest",
        )


def rise(app: App, number: int, counts: int, at: datetime = NOW, of: int = 0) -> None:
    """Somebody looks at the post about a paper again, whose number it mostly has."""
    with app.engine.begin() as conn:
        posts.upsert(conn, [post(number, paper(of or number), counts, at)])


@pytest.fixture
def thursday(app: App) -> date:
    """A digest of Thursday was made on Friday morning: of five papers the two best."""
    day, morning = FRIDAY - timedelta(days=1), NOW - timedelta(days=1)
    app.settings = app.settings.model_copy(update={"ranking": Ranking(size=2)})
    app.now = lambda: morning
    with app.engine.begin() as conn:
        papers.upsert(conn, [paper(n, day) for n in range(1, 6)], morning)
        papers.upsert(conn, [paper(9)], morning)
    for number, counts in ((1, 50), (2, 40), (3, 30), (4, 20), (9, 35)):
        rise(app, number, counts, morning - timedelta(hours=1))
    assert ids(pipeline.make_digest(app, Cadence.DAILY, day)) == ["2611.00001", "2611.00002"]
    app.now = lambda: NOW
    return day


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_a_paper_that_takes_off_later_gets_its_day(app: App, thursday: date) -> None:
    rise(app, 4, 40)  # doubled since yesterday
    rise(app, 3, 59)  # has more, and did not take off
    made = pipeline.make_digest(app, Cadence.DAILY, FRIDAY)
    assert ids(made) == ["2611.00004", "2611.00009"]
    assert made.digest is not None
    assert [entry.movement for entry in made.digest.papers] == ["new", "new"]
    assert [entry.paper.announced < made.digest.since for entry in made.digest.papers] == [
        True,
        False,
    ]


def test_a_paper_comes_back_when_it_has_doubled(app: App, thursday: date) -> None:
    rise(app, 1, 99)
    rise(app, 2, 80)
    made = pipeline.make_digest(app, Cadence.DAILY, FRIDAY)
    assert made.digest is not None
    assert [(entry.paper.id, entry.movement) for entry in made.digest.papers] == [
        ("2611.00002", "up 1"),
        ("2611.00009", "new"),
    ]


def test_who_was_silent_and_is_talked_about_now_took_off(app: App, thursday: date) -> None:
    rise(app, 5, 36)
    assert ids(pipeline.make_digest(app, Cadence.DAILY, FRIDAY)) == ["2611.00005", "2611.00009"]


def test_a_digest_made_late_leaves_late_risers_to_the_next(app: App, thursday: date) -> None:
    rise(app, 4, 400)
    app.now = lambda: NOW + timedelta(days=2)
    assert ids(pipeline.make_digest(app, Cadence.DAILY, FRIDAY)) == ["2611.00009"]


def test_nobody_rises_late_after_a_week(app: App, thursday: date) -> None:
    later = timedelta(days=8)
    app.now = lambda: NOW + later
    with app.engine.begin() as conn:
        papers.upsert(conn, [paper(20, FRIDAY + later)], NOW + later)
    rise(app, 4, 400, NOW + later)
    rise(app, 20, 4, NOW + later)
    assert ids(pipeline.make_digest(app, Cadence.DAILY, FRIDAY + later)) == ["2611.00020"]


def test_a_day_without_papers_has_no_digest_of_late_risers(app: App, thursday: date) -> None:
    pipeline.make_digest(app, Cadence.DAILY, FRIDAY)
    rise(app, 4, 400, NOW + timedelta(hours=1))
    app.now = lambda: NOW + timedelta(days=1)
    made = pipeline.make_digest(app, Cadence.DAILY, FRIDAY + timedelta(days=1))
    assert made.digest is None


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_weeks_that_overlap_tell_how_papers_moved(app: App) -> None:
    days = WindowDays(weekly=14)
    app.settings = app.settings.model_copy(update={"ranking": Ranking(window_days=days)})
    sunday = FRIDAY + timedelta(days=2)
    store(app, (paper(1), 5), (paper(2), 50), (paper(3), 20))
    pipeline.make_digest(app, Cadence.WEEKLY, sunday)
    app.now = lambda: NOW + timedelta(days=9)
    rise(app, 0, 60, app.now(), of=1)
    with app.engine.begin() as conn:
        papers.upsert(conn, [paper(4)], NOW)
    rise(app, 4, 10)
    made = pipeline.make_digest(app, Cadence.WEEKLY, sunday + timedelta(days=7))
    assert made.digest is not None
    assert [entry.movement for entry in made.digest.papers] == ["up 2", "down 1", "down 1", "new"]


def test_the_order_is_what_the_settings_say_for_the_cadence(app: App) -> None:
    by = RankedBy(daily=By.FIELD, weekly=By.RISING)
    app.settings = app.settings.model_copy(update={"ranking": Ranking(by=by)})
    store(app, (paper(1), 5), (paper(2), 50))
    daily = pipeline.make_digest(app, Cadence.DAILY, FRIDAY).digest
    weekly = pipeline.make_digest(app, Cadence.WEEKLY, FRIDAY + timedelta(days=2)).digest
    assert daily is not None
    assert weekly is not None
    assert (daily.by, weekly.by) == (By.FIELD, By.RISING)
    assert [entry.merit for entry in daily.papers] == [0.75, 0.25]
    with app.engine.connect() as conn:
        told = contest.ranking(app, conn, Cadence.DAILY, FRIDAY, By.TOTAL)
    assert (told.by, told.standings[0].merit) == (By.TOTAL, 50)


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_a_digest_knows_who_answered(app: App) -> None:
    store(app, (paper(1), 5))
    app.signals = {"x": Signal(), "bluesky": Signal(SignalError("503")), "mastodon": Signal()}
    collect(app.engine, {}, app.signals, FRIDAY, FRIDAY, app.now)
    spent = {"mastodon": Signal(SignalStopped("spent"))}
    collect(app.engine, {}, spent, FRIDAY, FRIDAY, app.now)
    app.signals["hackernews"] = Signal()  # was never asked
    made = pipeline.make_digest(app, Cadence.DAILY, FRIDAY).digest
    assert made is not None
    assert made.heard == {"x": True, "bluesky": False, "mastodon": True}


def test_who_was_asked_long_ago_is_not_told_of(app: App) -> None:
    store(app, (paper(1), 5))
    collect(app.engine, {}, app.signals, FRIDAY, FRIDAY, lambda: NOW - timedelta(days=2))
    made = pipeline.make_digest(app, Cadence.DAILY, FRIDAY).digest
    assert made is not None
    assert made.heard is None


def test_weekly_shows_what_daily_showed(app: App) -> None:
    store(app, (paper(1), 5))
    sunday = FRIDAY + timedelta(days=2)
    assert ids(pipeline.make_digest(app, Cadence.DAILY, FRIDAY)) == ["2611.00001"]
    assert ids(pipeline.make_digest(app, Cadence.WEEKLY, sunday)) == ["2611.00001"]


def test_a_month_is_one_digest_whichever_day_names_it(app: App) -> None:
    store(app, (paper(1), 5))
    made = pipeline.make_digest(app, Cadence.MONTHLY, date(2026, 11, 3))
    again = pipeline.make_digest(app, Cadence.MONTHLY, date(2026, 11, 30))
    assert made.digest == again.digest
    assert made.digest is not None
    assert made.digest.date == date(2026, 11, 30)


@pytest.mark.parametrize(
    ("source", "signal", "found", "ending", "says"),
    [
        (None, None, [], Ending.QUIET, "no paper was announced on 2026-11-20"),
        (SourceError("503 at arXiv"), None, [], Ending.FAILED, "source arxiv: 503 at arXiv"),
        (None, SignalError("402"), [], Ending.QUIET, "no paper was announced"),
        (None, SignalError("402"), [paper(1)], Ending.MADE, "signal x: 402"),
        (SourceError("cut off"), None, [paper(1)], Ending.MADE, "source arxiv: cut off"),
    ],
)
def test_quiet_failed_or_made_with_a_note(
    source: Exception | None,
    signal: Exception | None,
    found: list[Paper],
    ending: Ending,
    says: str,
    app: App,
) -> None:
    app.sources = {"arxiv": Source(found, source)}
    app.signals = {"x": Signal(signal)}
    made = pipeline.run(app, Cadence.DAILY, FRIDAY, mail=False)
    assert made.ending is ending
    assert says in made.reason


def test_papers_nobody_could_be_asked_about_are_no_quiet_day(app: App) -> None:
    class Silent(Signal):
        def measure(self, wanted: object, since: datetime) -> list[Post]:
            raise SignalError("no answer")

    app.sources = {"arxiv": Source([paper(1)])}
    app.signals = {"x": Silent()}
    made = pipeline.run(app, Cadence.DAILY, FRIDAY, mail=False)
    assert made.ending is Ending.FAILED
    assert "signal x: no answer" in made.reason


def test_low_scores_are_a_quiet_day_that_says_so(app: App) -> None:
    app.settings = app.settings.model_copy(update={"ranking": Ranking(min_score=10)})
    store(app, (paper(1), 9), (paper(2), 3))
    made = pipeline.make_digest(app, Cadence.DAILY, FRIDAY)
    assert made.ending is Ending.QUIET
    assert "none of 2 papers announced on 2026-11-20 reached a score of 10" in made.reason


def test_a_run_still_going_on_hides_no_failure(app: App) -> None:
    from trendbot.store import runs

    app.sources = {"arxiv": Source(error=SourceError("503"))}
    pipeline.run(app, Cadence.DAILY, FRIDAY, mail=False)
    with app.engine.begin() as conn:
        runs.start(conn, "source", "arxiv", FRIDAY, FRIDAY, NOW)
    assert pipeline.make_digest(app, Cadence.DAILY, FRIDAY).ending is Ending.FAILED


def test_a_day_nobody_was_asked_about_is_no_quiet_day(app: App) -> None:
    made = pipeline.run(app, Cadence.DAILY, date(2025, 1, 2), mail=False)
    assert made.ending is Ending.FAILED
    assert "90 days" in made.reason
    saturday = pipeline.run(app, Cadence.DAILY, date(2025, 1, 4), mail=False)
    assert saturday.ending is Ending.QUIET


def test_a_day_that_is_not_over_is_not_settled_as_quiet(app: App) -> None:
    made = pipeline.run(app, Cadence.DAILY, NOW.date(), mail=False)
    assert made.ending is Ending.FAILED
    assert "not over" in made.reason
