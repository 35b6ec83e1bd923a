"""How counts of a paper grew, from readings of its posts."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import Engine

from trendbot.model import Paper, Point, Post, Reading
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
            "ada",
            f"https://example.org/{name}",
            start,
            reading=Reading(start + hours * HOUR, retweets, favorites),
            **more,  # type: ignore[arg-type]
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
