"""Which stored posts are worth another look."""

from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Engine

from trendbot.model import Paper, Post, Reading
from trendbot.store import papers, posts

DAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=1)
OWLS = Paper("arxiv", "1", "Owls", (), ("cs.LG",), DAY)
BATS = Paper("arxiv", "2", "Bats", (), ("cs.LG",), DAY)
MICE = Paper("arxiv", "3", "Mice", (), ("cs.LG",), DAY)
OLD = Paper("arxiv", "4", "Old", (), ("cs.LG",), DAY - timedelta(days=7))


def post(name: str, of: Paper, favorites: int, at: datetime = NOON, **more: object) -> Post:
    details = {"posted_at": NOON, "reading": Reading(at, 0, favorites), **more}
    return Post("x", name, (of.key,), f"by{name}", "", text=name, **details)  # type: ignore[arg-type]


def test_posts_of_leading_papers_that_are_due_come_first(engine: Engine) -> None:
    with engine.begin() as conn:
        papers.upsert(conn, [OWLS, BATS, MICE], NOON)
        posts.upsert(
            conn,
            [
                post("1", BATS, 5),
                post("2", OWLS, 10),
                post("3", OWLS, 90),
                post("4", BATS, 60),
                post("5", MICE, 80, reading=None),
                post("6", MICE, 80, listed_on=DAY),
                post("7", MICE, 70, at=LATER),  # seen just now
                post("8", MICE, 0, posted_at=NOON - timedelta(days=9)),  # old, and rises no more
            ],
        )
        assert posts.worth_a_look(conn, "x", LATER, 10) == ["3", "2", "4", "1"]
        assert posts.worth_a_look(conn, "x", LATER, 3) == ["3", "2", "4"]
        assert posts.worth_a_look(conn, "x", NOON, 10) == []
        assert posts.worth_a_look(conn, "hn", LATER, 10) == []
        # What was not found for two weeks is given up.
        assert posts.worth_a_look(conn, "x", NOON + timedelta(days=14), 10) == ["7"]


def test_contenders_can_still_change_the_first_places(engine: Engine) -> None:
    with engine.begin() as conn:
        papers.upsert(conn, [OWLS, BATS, MICE, OLD], NOON)
        posts.upsert(
            conn,
            [post("1", OWLS, 100), post("2", BATS, 50), post("3", MICE, 49), post("4", OLD, 99)],
        )

        def contending(size: int) -> list[str]:
            return posts.worth_a_look(conn, "x", LATER, 10, contenders=True, size=size)

        assert contending(1) == ["1", "2"]
        assert contending(2) == ["1", "2", "3"]
        assert contending(20) == ["1", "2", "3"]
        assert posts.worth_a_look(conn, "x", LATER, 10) == ["1", "4", "2", "3"]
