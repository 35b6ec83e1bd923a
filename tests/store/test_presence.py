"""What is gone goes, what nobody finds does not count, and what is found again does."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, func, select

from trendbot.model import Gone, Paper, Point, Post, Reading, There
from trendbot.store import history, papers, posts, presence
from trendbot.store.schema import accounts, post_papers, readings, tallies
from trendbot.store.schema import posts as table

DAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
A_DAY = timedelta(days=1)
LATER = NOON + A_DAY + timedelta(seconds=1)
OWLS = Paper("arxiv", "1", "Owls", (), ("cs.LG",), DAY)
BATS = Paper("arxiv", "2", "Bats", (), ("cs.LG",), DAY)
OLD = Paper("arxiv", "3", "Old", (), ("cs.LG",), DAY - timedelta(days=8))
POST = Post(
    "x",
    "1",
    (OWLS.key,),
    "ada",
    "https://x.com/1",
    NOON,
    "Owls!",
    Reading(NOON, 3, 5),
    seen_at=NOON,
)
SEEN = replace(POST, id="2", author="bo", reading=Reading(LATER, 1, 1), seen_at=LATER)
TOTAL = replace(
    POST,
    signal="archive",
    id="total",
    listed_on=DAY,
    text="As printed",
    reading=Reading(NOON, 9, 9),
)


@pytest.fixture(autouse=True)
def _known_papers(engine: Engine) -> None:
    with engine.begin() as conn:
        papers.upsert(conn, [OWLS, BATS, OLD], NOON)


def sums(conn: Connection, paper: Paper = OWLS) -> dict[str, tuple[int, int]]:
    """By signal, the posts that count and their retweets and favorites."""
    mine = papers.ids_of(conn, [paper.key])[paper.key]
    found = conn.execute(select(tallies).where(tallies.c.paper_id == mine))
    return {row.signal: (row.posts, row.retweets + row.favorites) for row in found}


def told(conn: Connection, paper: Paper = OWLS) -> dict[str, Post]:
    """The posts about a paper, by id."""
    mine = papers.ids_of(conn, [paper.key])[paper.key]
    return {one.id: one for one in posts.of_paper(conn, mine, None)}


def test_posts_that_are_gone_leave_nothing(engine: Engine) -> None:
    other = replace(POST, id="2", author="bo", papers=(OWLS.key, BATS.key))
    with engine.begin() as conn:
        posts.upsert(conn, [POST, other, TOTAL])
        gone = [Gone("x", "2"), Gone("x", "nowhere"), Gone("archive", TOTAL.id)]
        assert posts.forget(conn, gone) == 1
        assert (sums(conn), sums(conn, BATS)) == ({"x": (1, 8)}, {})
        assert posts.forget(conn, [Gone("x", "1")]) == 1
        assert posts.forget(conn, []) == 0
        left = {table: 1, readings: 1, post_papers: 1, tallies: 0, accounts: 0}
        for rows, number in left.items():
            assert conn.scalar(select(func.count()).select_from(rows)) == number, rows.name


def test_what_nobody_saw_for_a_day_neither_counts_nor_is_kept_in_words(engine: Engine) -> None:
    never_seen = replace(POST, id="3", author="cy", reading=None, seen_at=None)
    with engine.begin() as conn:
        posts.upsert(conn, [POST, SEEN, never_seen, TOTAL])
        assert posts.lapse(conn, NOON + A_DAY) == 1  # of which nobody knows when it was there
        assert sums(conn) == {"x": (2, 10)}
        assert posts.lapse(conn, LATER) == 1
        assert posts.lapse(conn, LATER) == 0
        assert sums(conn) == {"x": (1, 2)}
        assert posts.lapsed(conn, DAY, DAY) == 1
        assert posts.lapsed(conn, DAY + A_DAY, DAY + A_DAY) == 0
        kept = {one.id: (one.text, one.author, one.url, one.lapsed) for one in told(conn).values()}
        assert kept == {
            "1": ("", "", "", True),
            "2": ("Owls!", "bo", "https://x.com/1", False),
            "3": ("", "", "", True),
            TOTAL.id: ("As printed", "ada", "https://x.com/1", False),
        }


def test_a_paper_whose_posts_all_lapsed_has_no_counts(engine: Engine) -> None:
    both = replace(POST, papers=(OWLS.key, OLD.key))  # an old one, too
    with engine.begin() as conn:
        posts.upsert(conn, [both])
        assert posts.lapse(conn, LATER) == 1
        assert (sums(conn), sums(conn, OLD)) == ({}, {})
        owls = papers.ids_of(conn, [OWLS.key])[OWLS.key]
        assert (history.standing(conn, owls), history.counts(conn, owls)) == ({}, {})
        [one] = [one for one in posts.candidates(conn, DAY, DAY) if one.key == OWLS.key]
        assert (one.measured, one.score) == (0, 0)


def test_what_a_look_finds_again_counts_again(engine: Engine) -> None:
    again = replace(POST, reading=Reading(LATER, 4, 6), seen_at=LATER)
    late_news = replace(POST, reading=Reading(NOON + timedelta(hours=1), 9, 9), seen_at=None)
    with engine.begin() as conn:
        posts.upsert(conn, [POST, replace(SEEN, text="Bo's")])
        posts.lapse(conn, LATER)
        posts.upsert(conn, [POST])  # what is known already tells nothing new
        assert sums(conn) == {"x": (1, 2)}
        posts.upsert(conn, [again])
        assert sums(conn) == {"x": (2, 12)}
        assert told(conn)["1"] == again
        posts.upsert(conn, [late_news])
        assert told(conn)["1"] == again
        owls = papers.ids_of(conn, [OWLS.key])[OWLS.key]
        assert history.counts(conn, owls)["x"][-1] == Point(LATER, 2, 5, 7)


def test_an_earlier_look_that_comes_in_late_revives_nothing(engine: Engine) -> None:
    earlier = replace(POST, reading=Reading(NOON - timedelta(hours=1), 2, 2), seen_at=None)
    with engine.begin() as conn:
        posts.upsert(conn, [POST])
        posts.lapse(conn, LATER)
        posts.upsert(conn, [earlier])
        assert sums(conn) == {}
        assert told(conn)["1"].lapsed


def test_what_is_there_counts_on_with_the_counts_it_had(engine: Engine) -> None:
    with engine.begin() as conn:
        posts.upsert(conn, [POST, SEEN])
        posts.lapse(conn, LATER)
        news = [There("x", "1", LATER), There("x", "2", NOON), There("x", "nowhere", LATER)]
        assert posts.confirm(conn, news) == 1
        assert posts.confirm(conn, []) == 0
        assert sums(conn) == {"x": (2, 10)}
        assert (told(conn)["1"].seen_at, told(conn)["2"].seen_at) == (LATER, LATER)
        assert told(conn)["1"].reading == POST.reading
        assert posts.lapse(conn, LATER + A_DAY) == 0
        assert posts.lapse(conn, LATER + A_DAY + timedelta(seconds=1)) == 2


def test_counts_are_closed_when_papers_are_measured_no_more(engine: Engine) -> None:
    last_day = datetime(2026, 11, 27, 23, tzinfo=UTC)
    after = last_day + timedelta(hours=2)
    with engine.begin() as conn:
        posts.upsert(conn, [POST, replace(POST, id="2", author="bo", text="Bo's")])
        posts.confirm(conn, [There("x", "1", last_day - A_DAY)])
        assert posts.lapse(conn, last_day) == 1
        assert posts.lapse(conn, after) == 0
        assert sums(conn) == {"x": (1, 8)}
        one = told(conn)["1"]
        assert (one.text, one.author, one.url, one.lapsed) == ("", "", "", False)
        posts.confirm(conn, [There("x", "1", after)])
        assert told(conn)["1"].seen_at == last_day - A_DAY  # and so it stays
        posts.upsert(conn, [replace(POST, reading=Reading(after, 4, 6), seen_at=after)])
        assert posts.lapse(conn, after + 2 * A_DAY) == 0
        assert sums(conn) == {"x": (1, 10)}
        posts.forget(conn, [Gone("x", "1")])
        assert sums(conn) == {}


def test_many_posts_lapse_at_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "AT_ONCE", 10)
    many = [replace(POST, id=str(n), author=str(n)) for n in range(21)]
    with engine.begin() as conn:
        posts.upsert(conn, many)
        assert posts.lapse(conn, LATER) == len(many)
        assert sums(conn) == {}
        assert posts.confirm(conn, [There("x", one.id, LATER) for one in many]) == len(many)
        assert sums(conn) == {"x": (len(many), 8 * len(many))}


def test_all_posts_of_a_signal_are_named_the_newest_first(engine: Engine) -> None:
    elsewhere = replace(POST, signal="hn", id="7")
    newer = replace(SEEN, posted_at=LATER)
    with engine.begin() as conn:
        posts.upsert(conn, [POST, newer, elsewhere, replace(TOTAL, signal="x")])
        posts.lapse(conn, LATER)
        assert posts.stored(conn, "x") == ["2", "1"]
        assert posts.stored(conn, "mastodon") == []
