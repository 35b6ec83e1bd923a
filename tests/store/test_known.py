"""However looks come in, what is known of posts, accounts and papers is the same."""

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, Table, select

from trendbot.model import Gone, Paper, Post, Reading
from trendbot.settings import Counting
from trendbot.store import papers, posts
from trendbot.store.known import Known, put_together
from trendbot.store.schema import accounts, post_papers, readings, tallies
from trendbot.store.schema import posts as table

DAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TITLES = ("Owls", "Bats at Night")
PAPERS = [
    Paper("arxiv", str(number), title, (), ("cs.LG",), DAY) for number, title in enumerate(TITLES)
]
IDS = {one.key: number for number, one in enumerate(PAPERS)}
KNOWN_BOTS = Counting(known_bots=("x:ada",))

counts = st.sampled_from([(0, 0), (1, 9), (2, 8), (30, 0), (5, 40), (900, 4000), (1000, 3900)])
words = st.sampled_from(["", "Owls!", "Read this", "read this https://example.org/a", "No"])


@st.composite
def looks(draw: st.DrawFn, most: int = 6) -> Post:
    """What a look might find: few posts, few accounts, few moments."""
    name = draw(st.integers(1, most))
    listed_on = DAY if name == most else None
    seen = draw(st.booleans())
    return Post(
        signal="x",
        id=str(name),
        papers=tuple(draw(st.sets(st.sampled_from([*IDS, "arxiv:none"]), min_size=1))),
        author=draw(st.sampled_from(["", "ada", "@Ada", "bo"])),
        url=draw(st.sampled_from(["", "https://example.org/1"])),
        posted_at=NOON - timedelta(hours=draw(st.integers(0, 2))),
        text=draw(words),
        reading=Reading(NOON + timedelta(hours=9 * draw(st.integers(0, 3))), *draw(counts))
        if seen
        else None,
        listed_on=listed_on,
        automated=draw(st.booleans()) and name == 1,
        flag="so it is" if listed_on else "",
    )


def shuffled(found: Sequence[Post], dice: random.Random) -> list[Post]:
    """All of them in another order, some of them twice."""
    again = [*found, *dice.sample(list(found), len(found) // 2)]
    dice.shuffle(again)
    return again


def parted(found: Sequence[Post], dice: random.Random) -> list[list[Post]]:
    parts: list[list[Post]] = [[]]
    for post in found:
        parts[-1].append(post)
        if dice.random() < 0.5:
            parts.append([])
    return parts


@given(st.lists(looks(most=2), min_size=1), st.randoms(use_true_random=False))
def test_a_post_is_the_same_in_whichever_order_looks_come(
    found: list[Post], dice: random.Random
) -> None:
    def known(parts: Sequence[Sequence[Post]], name: str) -> Known | None:
        one = None
        for part in parts:
            if mine := [post for post in part if post.id == name]:
                one = put_together(one, mine, IDS, dict(enumerate(TITLES)))
        return one

    again = parted(shuffled(found, dice), dice)
    for name in {post.id for post in found}:
        at_once = known([found], name)
        assert known(again, name) == at_once
        assert at_once is not None


def everything(conn: Connection) -> dict[str, list[tuple[object, ...]]]:
    """All rows, with posts by their names in place of their ids."""
    names = {row.id: row.external_id for row in conn.execute(select(table))}

    def rows(of: Table, *without: str) -> list[tuple[object, ...]]:
        columns = [column for column in of.c if column.name not in without]
        found = (
            tuple(
                names[value] if column.name == "post_id" else value
                for column, value in zip(columns, row, strict=True)
            )
            for row in conn.execute(select(*columns))
        )
        return sorted(found, key=repr)

    return {
        "posts": rows(table, "id"),
        **{of.name: rows(of) for of in (post_papers, readings, accounts, tallies)},
    }


@settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    st.lists(looks(), min_size=1, max_size=14),
    st.randoms(use_true_random=False),
    st.sampled_from([Counting(), KNOWN_BOTS, Counting(bots="leave out"), Counting(bots="count")]),
)
def test_order_repetition_and_parts_change_nothing(
    engine: Engine, found: list[Post], dice: random.Random, counting: Counting
) -> None:
    with engine.connect() as conn:
        papers.upsert(conn, PAPERS, NOON)
        before = conn.begin_nested()
        posts.upsert(conn, found, counting)
        at_once = everything(conn)
        before.rollback()
        for part in parted(shuffled(found, dice), dice):
            posts.upsert(conn, part, counting)
        assert everything(conn) == at_once
        conn.rollback()


@settings(
    max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.lists(looks(), min_size=1, max_size=14))
def test_who_is_forgotten_was_never_there(engine: Engine, found: list[Post]) -> None:
    with engine.connect() as conn:
        papers.upsert(conn, PAPERS, NOON)
        before = conn.begin_nested()
        posts.upsert(conn, [post for post in found if post.id not in ("1", "2")])
        without = everything(conn)
        before.rollback()
        posts.upsert(conn, found)
        posts.forget(conn, [Gone("x", "1"), Gone("x", "2")])
        assert everything(conn) == without
        conn.rollback()
