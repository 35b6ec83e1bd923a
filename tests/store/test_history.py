"""How counts of a paper grew, from readings of its posts."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from trendbot.model import Paper, Point, Post, Reading, Tally
from trendbot.settings import Counting
from trendbot.store import history, papers, posts

DAY = date(2026, 11, 19)
OWLS = Paper("arxiv", "2611.00001", "Owls", (), ("cs.LG",), DAY)
BATS = Paper("arxiv", "2611.00002", "Bats", (), ("cs.LG",), DAY)
HOUR = timedelta(hours=1)


@pytest.fixture
def start(now: datetime) -> datetime:
    return now - timedelta(days=1)


def post(
    start: datetime, name: str, *counts: tuple[int, int, int], signal: str = "x", **more: object
) -> list[Post]:
    """A post with its readings: hours after the start, retweets, favorites."""
    return [
        Post(
            signal,
            name,
            (OWLS.key,),
            url=f"https://example.org/{name}",
            posted_at=start,
            reading=Reading(start + hours * HOUR, retweets, favorites),
            **{"author": "ada", **more},  # type: ignore[arg-type]
        )
        for hours, retweets, favorites in counts
    ]


def counted(engine: Engine, now: datetime, found: Sequence[Post]) -> dict[str, list[Point]]:
    with engine.begin() as conn:
        papers.upsert(conn, [OWLS, BATS], now)
        posts.upsert(conn, found)
        ids = papers.ids_of(conn, [OWLS.key, BATS.key])
        assert history.counts(conn, ids[BATS.key]) == {}
        return history.counts(conn, ids[OWLS.key])


def test_at_each_moment_the_latest_readings_so_far_are_added_up(
    engine: Engine, now: datetime, start: datetime
) -> None:
    found = [
        *post(start, "one", (1, 10, 100), (3, 30, 300)),
        *post(start, "two", (2, 1, 5), (3, 2, 4)),  # favorites can be taken back
    ]
    assert counted(engine, now, found) == {
        "x": [
            Point(start + HOUR, 1, 10, 100),
            Point(start + 2 * HOUR, 2, 11, 105),
            Point(start + 3 * HOUR, 2, 32, 304),
        ]
    }


def test_signals_are_apart(engine: Engine, now: datetime, start: datetime) -> None:
    found = [*post(start, "one", (2, 1, 2)), *post(start, "page", (1, 0, 9), signal="huggingface")]
    assert counted(engine, now, found) == {
        "huggingface": [Point(start + HOUR, 1, 0, 9)],
        "x": [Point(start + 2 * HOUR, 1, 1, 2)],
    }


def test_of_totals_that_archives_printed_the_last_one_counts(
    engine: Engine, now: datetime, start: datetime
) -> None:
    found = [
        *post(start, "a post", (0, 1, 1), signal="hotpapers"),
        *post(start, "last", (1, 40, 400), signal="hotpapers", listed_on=DAY),
        *post(start, "first", (2, 10, 100), signal="hotpapers", listed_on=DAY - timedelta(days=1)),
    ]
    assert counted(engine, now, found) == {
        "hotpapers": [
            Point(start, 1, 1, 1),
            Point(start + HOUR, 2, 41, 401),
            Point(start + 2 * HOUR, 2, 41, 401),
        ]
    }


def test_a_later_total_takes_the_place_of_the_one_before(
    engine: Engine, now: datetime, start: datetime
) -> None:
    found = [
        *post(start, "last", (2, 40, 400), signal="hotpapers", listed_on=DAY),
        *post(start, "first", (1, 10, 100), signal="hotpapers", listed_on=DAY - timedelta(days=1)),
    ]
    assert counted(engine, now, found)["hotpapers"] == [
        Point(start + HOUR, 1, 10, 100),
        Point(start + 2 * HOUR, 1, 40, 400),
    ]


def test_posts_that_were_not_counted_have_no_part_in_it(
    engine: Engine, now: datetime, start: datetime
) -> None:
    unread = Post("x", "two", (OWLS.key,), "bo", "https://example.org/two", start)
    found = [unread, *post(start, "one", (1, 1, 2))]
    assert counted(engine, now, found) == {"x": [Point(start + HOUR, 1, 1, 2)]}


def test_readings_nobody_believes_are_no_part_of_the_course(
    engine: Engine, now: datetime, start: datetime
) -> None:
    found = [*post(start, "one", (0, 1, 9), (12, 5000, 90_000)), *post(start, "two", (1, 50, 0))]
    assert counted(engine, now, found) == {"x": [Point(start, 1, 1, 9)]}


def test_a_paper_stands_by_its_tallies_and_the_last_total_of_archives(
    engine: Engine, now: datetime, start: datetime
) -> None:
    found = [
        *post(start, "one", (0, 10, 90)),
        *post(start, "two", (0, 5000, 0)),
        *post(start, "first", (9, 1, 2), signal="hotpapers", listed_on=DAY - timedelta(days=1)),
        *post(start, "last", (2, 930, 20), signal="hotpapers", listed_on=DAY, flag="untrue"),
    ]
    with engine.begin() as conn:
        papers.upsert(conn, [OWLS, BATS], now)
        posts.upsert(conn, found)
        ids = papers.ids_of(conn, [OWLS.key, BATS.key])
        standing = history.standing(conn, ids[OWLS.key])
        assert history.standing(conn, ids[BATS.key]) == {}
    x, total = standing["x"], standing["hotpapers"]
    assert (x.posts, x.retweets, x.favorites, x.left_out, x.flag) == (1, 10, 90, 1, "")
    assert x.measured_at == start
    assert total == Tally(1, 930, 20, measured_at=start + 2 * HOUR, flag="untrue")


@pytest.mark.parametrize(
    ("counting", "last"),
    [
        (Counting(), (2, 57, 80)),
        (Counting(bots="leave out"), (1, 7, 70)),
        (Counting(bots="count"), (3, 58, 95)),
        (Counting(known_bots=("x:bo",)), (2, 57, 80)),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_who_says_things_twice_has_one_vote_at_each_moment(
    engine: Engine, now: datetime, start: datetime, counting: Counting, last: tuple[int, int, int]
) -> None:
    bot: dict[str, Any] = {"author": "owlbot", "automated": True}
    found = [
        *post(start, "first", (0, 0, 20), (3, 1, 15), text="An owl", **bot),
        *post(start, "second", (1, 50, 5), (2, 50, 10), text="A moth", **bot),
        *post(start, "again", (0, 3, 30), (4, 7, 70), author="bo", text="Owls! https://a.example"),
        *post(start, "same", (1, 4, 40), (4, 6, 60), author="bo", text="Owls! https://b.example"),
    ]
    with engine.begin() as conn:
        papers.upsert(conn, [OWLS], now)
        posts.upsert(conn, found, counting)
        (owls,) = papers.ids_of(conn, [OWLS.key]).values()
        points = history.counts(conn, owls, counting)["x"]
        tally = history.standing(conn, owls)["x"]
    assert (points[-1].posts, points[-1].retweets, points[-1].favorites) == last
    assert (tally.posts, tally.retweets, tally.favorites) == last
    if counting == Counting():
        assert points[:2] == [Point(start, 2, 3, 50), Point(start + HOUR, 2, 54, 45)]
