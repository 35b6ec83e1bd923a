"""Databases of earlier versions, with what is in them."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Date, Engine, column, insert, table

from alembic import command
from tests.store.tallied import tallied
from trendbot.honesty import SQUARE
from trendbot.model import Paper, Post, Reading, Tally
from trendbot.ranking import rank
from trendbot.store import papers, posts
from trendbot.store.engine import alembic_config, connect, upgrade
from trendbot.store.schema import UTCDateTime, post_papers

DAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=6)

# The tables as they were in revision 0005.
POSTS = table(
    "posts",
    *map(column, ("id", "signal", "external_id", "author", "url", "text")),
    column("posted_at", UTCDateTime),
    column("listed_on", Date),
)
READINGS = table(
    "readings",
    column("post_id"),
    column("taken_at", UTCDateTime),
    *map(column, ("retweets", "favorites", "replies")),
)


@pytest.fixture(params=["sqlite", "postgresql"])
def older(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A database as it was before readings were doubted, with four posts about three papers."""
    is_sqlite = request.param == "sqlite"
    url = "sqlite:///old.db" if is_sqlite else request.getfixturevalue("empty_postgresql")
    engine = connect(url, tmp_path)
    with engine.begin() as conn:
        command.upgrade(alembic_config(conn), "0005")
        found = [Paper("arxiv", str(name), "Owls", (), ("cs.LG",), DAY) for name in (1, 2, 3)]
        papers.upsert(conn, found, NOON)
        said = {"author": "ada", "url": "https://x.com/ada", "text": "Owls", "posted_at": NOON}
        kept = [("x", None), ("x", None), ("x", None), ("archive", DAY)]
        rows = [
            {"id": number, "signal": signal, "external_id": str(number), "listed_on": day, **said}
            for number, (signal, day) in enumerate(kept, start=1)
        ]
        conn.execute(insert(POSTS), rows)
        links = [(1, 1), (2, 1), (1, 2), (3, 3), (3, 4)]
        rows = [{"paper_id": paper_id, "post_id": post_id} for paper_id, post_id in links]
        conn.execute(insert(post_papers), rows)
        counted = [(1, NOON, 9, 9), (1, LATER, 1, 3), (2, NOON, 30, 0), (4, NOON, 36, 5)]
        rows = [
            {"post_id": of, "taken_at": at, "retweets": one, "favorites": other, "replies": 2}
            for of, at, one, other in counted
        ]
        conn.execute(insert(READINGS), rows)
    yield engine
    engine.dispose()


def test_an_upgraded_database_ranks_as_before(older: Engine) -> None:
    upgrade(older)
    with older.connect() as conn:
        found = posts.candidates(conn, DAY, DAY)
        assert list(tallied(conn, DAY, DAY).values()) == [
            {"x": Tally(2, 31, 3, 0.0, LATER)},
            {"x": Tally(1, 1, 3, 0.0, LATER)},
            {"archive": Tally(1, 36, 5, 0.0, NOON)},
        ]
        assert [one.paper_id for one in rank(found, 1)] == [3, 1, 2]
        checked = list(tallied(conn, DAY, DAY, checked=True).values())[2]
        assert checked["archive"].flag == SQUARE


def test_what_was_read_last_is_believed_of_a_post_and_looked_at_soon(older: Engine) -> None:
    upgrade(older)
    with older.connect() as conn:
        first, second = posts.of_paper(conn, 1, None)
        assert (first.reading, first.seen_at, first.shared) == (
            Reading(LATER, 1, 3, 2),
            LATER,
            True,
        )
        assert (second.reading, second.flag, second.shared) == (Reading(NOON, 30, 0, 2), "", False)
        unread, total = sorted(posts.of_paper(conn, 3, None), key=lambda post: post.id)
        assert (unread.reading, unread.seen_at) == (None, None)
        assert (total.reading, total.flag) == (Reading(NOON, 36, 5, 2), SQUARE)
        assert posts.worth_a_look(conn, "x", LATER, 10) == ["2", "1"]


def test_a_look_after_the_upgrade_makes_up_for_what_was_not_known(older: Engine) -> None:
    upgrade(older)
    after = LATER + timedelta(hours=1)

    def again(name: str, *counts: int) -> Post:
        url, reading = "https://x.com/ada", Reading(after, *counts)
        return Post("x", name, ("arxiv:1",), "ada", url, NOON, "Owls", reading)

    with older.begin() as conn:
        posts.upsert(conn, [again("1", 2, 4), again("2", 31, 0)])
        # The one that was believed never was by today's rules, and both say the same.
        tally = next(iter(tallied(conn, DAY, DAY).values()))["x"]
        assert (tally.posts, tally.retweets, tally.favorites, tally.left_out) == (1, 2, 4, 1)
