"""What signals add to papers: who has a vote, what is left out, and what was counted when."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine

from tests.store.tallied import tallied
from trendbot.honesty import SQUARE
from trendbot.model import Paper, Post, Reading, Tally
from trendbot.settings import Counting
from trendbot.store import papers, posts

DAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
OWLS = Paper("arxiv", "1", "Owls", (), ("cs.LG", "cs.CL"), DAY)
BATS = Paper("arxiv", "2", "Bats", (), (), DAY)


@pytest.fixture(autouse=True)
def _known_papers(engine: Engine) -> None:
    with engine.begin() as conn:
        papers.upsert(conn, [OWLS, BATS], NOON)


def post(name: str, author: str, text: str, favorites: int, **more: object) -> Post:
    details = {"papers": (OWLS.key,), "reading": Reading(NOON, 1, favorites), **more}
    url = f"https://example.org/{name}"
    return Post("x", name, author=author, url=url, posted_at=NOON, text=text, **details)  # type: ignore[arg-type]


def tally_of(conn: Connection, paper: int = 0) -> tuple[int, int, int]:
    """Posts, favorites and how many are left out, on X."""
    tally = tallied(conn, DAY, DAY)[(OWLS, BATS)[paper].key]["x"]
    return tally.posts, tally.favorites, tally.left_out


def test_candidates_know_their_field(engine: Engine) -> None:
    with engine.begin() as conn:
        posts.upsert(conn, [post("1", "ada", "Read this", 10)])
        owls, bats = posts.candidates(conn, DAY, DAY)
        signals = tallied(conn, DAY, DAY)
    assert (owls.key, owls.field, bats.field) == (OWLS.key, "cs.LG", "")
    assert signals[OWLS.key] == {"x": Tally(1, 1, 10, 11.0, NOON)}


def test_who_says_the_same_twice_has_one_vote(engine: Engine) -> None:
    with engine.begin() as conn:
        posts.upsert(
            conn,
            [
                post("1", "ada", "Read this", 10),
                post("2", "@Ada", "READ this! https://example.org/x", 30),
                post("3", "ada", "Read that, too", 5),
                post("4", "bo", "Read this", 4),
            ],
        )
        assert tally_of(conn) == (3, 39, 1)
        # Another paper is another matter; who is not named is nobody; nothing said is not the same.
        posts.upsert(
            conn,
            [
                post("6", "ada", "Read this", 1, papers=(BATS.key,)),
                post("7", "", "Read this", 2, papers=(BATS.key,)),
                post("8", "", "Read this", 4, papers=(BATS.key,)),
                post("9", "bo", "", 8, papers=(BATS.key,)),
                post("10", "bo", "https://example.org", 16, papers=(BATS.key,)),
            ],
        )
        assert tally_of(conn, 1) == (5, 31, 0)


@pytest.mark.parametrize(
    ("bots", "expected"), [("once", (2, 21, 2)), ("leave out", (1, 1, 3)), ("count", (4, 36, 0))]
)
def test_of_a_bot_what_the_settings_say_counts(
    engine: Engine, bots: str, expected: tuple[int, int, int]
) -> None:
    found = [
        post("1", "ada", "Day one", 5, automated=True),
        post("2", "ada", "Day two", 20, automated=True),
        post("3", "ada", "Day three", 10, automated=True),
        post("4", "bo", "Well", 1),
    ]
    with engine.begin() as conn:
        posts.upsert(conn, found, Counting.model_validate({"bots": bots}))
        assert tally_of(conn) == expected


def test_bots_that_the_settings_name_are_bots(engine: Engine) -> None:
    counting = Counting(known_bots=("x:Ada", "hn:bo"))
    found = [
        post("1", "ada", "Day one", 5),
        post("2", "ada", "Day two", 20),
        post("3", "bo", "One", 1),
        post("4", "bo", "Two", 1),
    ]
    with engine.begin() as conn:
        posts.upsert(conn, found, counting)
        assert tally_of(conn) == (3, 22, 1)
        owls = papers.ids_of(conn, [OWLS.key])[OWLS.key]
        labels = [one.label for one in posts.of_paper(conn, owls, None, counting)]
        assert labels == ["known", "known", "", ""]


def test_who_repeats_titles_loses_votes_cast_before(engine: Engine) -> None:
    many = [Paper("arxiv", f"9{n}", f"Paper {n}", (), (), DAY) for n in range(8)]
    votes = [post("1", "ada", "Owls", 10), post("2", "ada", "Owls, a thread", 20)]
    repeats = [
        post(f"9{n}", "ada", f"Paper {n}", 1, papers=(one.key,)) for n, one in enumerate(many)
    ]
    with engine.begin() as conn:
        papers.upsert(conn, many, NOON)
        posts.upsert(conn, [*votes, *repeats[:7]])
        assert tally_of(conn) == (2, 30, 0)
        posts.upsert(conn, repeats[7:])  # the tenth post, and nine of them are titles
        assert tally_of(conn) == (1, 20, 1)
        owls = papers.ids_of(conn, [OWLS.key])[OWLS.key]
        assert {one.label for one in posts.of_paper(conn, owls, None)} == {"titles"}
        said_more = [post(name, "ada", f"More {name}", 0) for name in ("3", "4", "5")]
        posts.upsert(conn, said_more)
        assert tally_of(conn) == (5, 30, 0)


def test_sums_that_cannot_be_true_come_with_a_flag(engine: Engine) -> None:
    copies = [post(str(n), f"reader{n}", "", 0, reading=Reading(NOON, 6, 0)) for n in range(6)]
    with engine.begin() as conn:
        posts.upsert(conn, copies)
        tally = tallied(conn, DAY, DAY)[OWLS.key]["x"]
        assert (tally.posts, tally.retweets, tally.flag) == (6, 36, SQUARE)


def test_flagged_totals_of_archives_are_flagged_where_they_are_checked(engine: Engine) -> None:
    total = post("t", "archive", "", 4, listed_on=DAY, flag=SQUARE)
    with engine.begin() as conn:
        posts.upsert(conn, [total, post("1", "ada", "Read this", 10)])
        as_printed = tallied(conn, DAY, DAY)[OWLS.key]["x"]
        assert as_printed == Tally(2, 2, 14, 11.0, NOON)
        checked = tallied(conn, DAY, DAY, checked=True)[OWLS.key]["x"]
        assert checked == Tally(1, 1, 10, 11.0, NOON, left_out=1)
        posts.upsert(
            conn, [post("u", "archive", "", 4, listed_on=DAY, flag=SQUARE, papers=(BATS.key,))]
        )
        checked = tallied(conn, DAY, DAY, checked=True)[BATS.key]["x"]
        assert (checked.favorites, checked.flag) == (4, SQUARE)


def test_what_was_counted_then_is_known_now(engine: Engine) -> None:
    later = {"reading": Reading(NOON + 2 * HOUR, 1, 100)}
    found = [
        post("1", "ada", "Read this", 10),
        post("1", "ada", "Read this", 0, **later),
        post("2", "ada", "Read this", 20),
        post("3", "bo", "Well", 0, reading=Reading(NOON, 30, 0)),
        post("4", "bo", "So", 5, reading=None),
        post("5", "bo", "Late", 0, **later, papers=(BATS.key,)),
        post("6", "archive", "", 4, listed_on=DAY),
    ]
    with engine.begin() as conn:
        posts.upsert(conn, found)
        owls, bats = (papers.ids_of(conn, [one.key])[one.key] for one in (OWLS, BATS))
        ids = [owls, bats, 999]
        then = posts.scores_as_of(conn, ids, NOON + HOUR)
        assert then == {owls: {"x": Tally(1, 1, 20, 0.0, NOON, left_out=1)}}
        assert posts.scores_as_of(conn, ids, NOON - HOUR) == {}
        now = posts.scores_as_of(conn, ids, NOON + 2 * HOUR)
        assert now[owls]["x"] == Tally(1, 1, 100, 0.0, NOON + 2 * HOUR, left_out=1)
        assert now[bats]["x"].favorites == 100
        assert posts.scores_as_of(conn, [], NOON) == {}
