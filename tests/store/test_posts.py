from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, event, func, select

from tests.store.tallied import tallied
from trendbot.honesty import JUMP, UNLIKED
from trendbot.model import Paper, Post, Reading, Tally
from trendbot.store import papers, posts
from trendbot.store.schema import post_papers, readings
from trendbot.store.schema import posts as table

HOUR = timedelta(hours=1)
DAY = date(2026, 11, 20)
NEXT = DAY + timedelta(days=1)
OWLS = Paper("arxiv", "2611.1", "Owls", ("Ada Quill",), ("cs.LG",), DAY)
BATS = Paper("arxiv", "2611.2", "Bats", ("Bo Tern",), ("cs.CL",), DAY)
OLD = Paper("arxiv", "2001.1", "Old", ("Cy Fern",), ("cs.CL",), date(2020, 1, 6))
KEYS = [OWLS.key, BATS.key, OLD.key]


@pytest.fixture(autouse=True)
def _known_papers(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        papers.upsert(conn, [OWLS, BATS, OLD], now)


@pytest.fixture
def post(now: datetime) -> Post:
    return Post("x", "1", (OWLS.key,), "ada", "https://x.com/1", now, "Owls!", Reading(now, 3, 5))


def listed(paper: Paper, day: date, taken_at: datetime, count: int) -> Post:
    return Post(
        signal="archive",
        id=f"{day}/{paper.id}",
        papers=(paper.key,),
        author="archive",
        url="https://example.org/list",
        posted_at=taken_at,
        reading=Reading(taken_at, count, 0),
        listed_on=day,
    )


def signals_of(
    conn: Connection, since: date = DAY, until: date = DAY
) -> dict[str, dict[str, Tally]]:
    """The sums of each candidate's tallies, without what else is in them."""
    return {
        key: {signal: plain(tally) for signal, tally in signals.items()}
        for key, signals in tallied(conn, since, until).items()
    }


def plain(tally: Tally) -> Tally:
    return Tally(tally.posts, tally.retweets, tally.favorites)


def test_papers_come_with_what_was_counted(engine: Engine, post: Post, now: datetime) -> None:
    both = replace(
        post, id="2", author="bo", papers=(OWLS.key, BATS.key), reading=Reading(now, 10, 5)
    )
    elsewhere = replace(post, signal="hn", id="1")
    with engine.begin() as conn:
        assert posts.upsert(conn, [post, both, elsewhere]) == 3
        assert signals_of(conn) == {
            OWLS.key: {"x": Tally(2, 13, 10), "hn": Tally(1, 3, 5)},
            BATS.key: {"x": Tally(1, 10, 5)},
        }
        ids = papers.ids_of(conn, [OWLS.key, BATS.key])
        assert [one.paper_id for one in posts.candidates(conn, DAY, DAY)] == sorted(ids.values())


def test_papers_nobody_was_measured_to_post_about_have_no_signals(
    engine: Engine, post: Post
) -> None:
    with engine.begin() as conn:
        assert posts.upsert(conn, [replace(post, reading=None)]) == 1
        assert signals_of(conn) == {OWLS.key: {}, BATS.key: {}}


def test_a_count_of_zero_is_measured(engine: Engine, post: Post, now: datetime) -> None:
    with engine.begin() as conn:
        posts.upsert(conn, [replace(post, reading=Reading(now, 0, 0))])
        assert signals_of(conn)[OWLS.key] == {"x": Tally(1, 0, 0)}


def test_only_papers_of_the_window_are_candidates(engine: Engine) -> None:
    with engine.connect() as conn:
        assert signals_of(conn, NEXT, NEXT) == {}
        assert set(signals_of(conn, date(2020, 1, 6), DAY)) == {OWLS.key, BATS.key, OLD.key}
        assert set(signals_of(conn, date(2020, 1, 6), date(2020, 1, 6))) == {OLD.key}


def test_posts_without_a_known_paper_are_dropped(engine: Engine, post: Post) -> None:
    strange = replace(post, id="2", papers=("arxiv:2611.9", "no key"))
    unlinked = replace(post, id="3", papers=())
    with engine.begin() as conn:
        assert posts.upsert(conn, [strange, unlinked]) == 0
        assert posts.upsert(conn, []) == 0
        assert posts.upsert(conn, [replace(post, papers=("arxiv:2611.9", OWLS.key))]) == 1
        assert conn.scalar(select(func.count()).select_from(table)) == 1


def test_the_latest_reading_counts(engine: Engine, post: Post, now: datetime) -> None:
    later = replace(post, reading=Reading(now + timedelta(hours=1), 2, 9))
    with engine.begin() as conn:
        posts.upsert(conn, [later])
        posts.upsert(conn, [post])
        assert signals_of(conn)[OWLS.key] == {"x": Tally(1, 2, 9)}


def test_the_same_moment_again_is_ignored(engine: Engine, post: Post, now: datetime) -> None:
    with engine.begin() as conn:
        posts.upsert(conn, [post])
        posts.upsert(conn, [replace(post, reading=Reading(now, 99, 99)), post])
        assert signals_of(conn)[OWLS.key] == {"x": Tally(1, 3, 5)}
        assert conn.scalar(select(func.count()).select_from(readings)) == 1


def test_a_post_says_what_the_latest_look_found(engine: Engine, post: Post, now: datetime) -> None:
    later = now + timedelta(hours=1)
    newer = replace(
        post,
        author="ada2",
        url="https://x.com/ada2/1",
        text="Owls again",
        reading=Reading(later, 3, 5),
    )
    uncounted = replace(post, author="", url="", text="", reading=None)
    with engine.begin() as conn:
        posts.upsert(conn, [post, uncounted])
        owls = papers.ids_of(conn, [OWLS.key])[OWLS.key]
        assert posts.of_paper(conn, owls, None) == [replace(post, seen_at=now)]
        posts.upsert(conn, [newer])
        posts.upsert(conn, [post])
        posts.upsert(conn, [uncounted])
        assert posts.of_paper(conn, owls, None) == [replace(newer, seen_at=later)]


def test_a_link_stays(engine: Engine, post: Post) -> None:
    with engine.begin() as conn:
        posts.upsert(conn, [post])
        posts.upsert(conn, [replace(post, papers=(BATS.key,))])
        assert conn.scalar(select(func.count()).select_from(post_papers)) == 2


def test_listed_totals_count_in_windows_that_hold_their_day(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        posts.upsert(conn, [listed(OLD, DAY, now, 40)])
        assert signals_of(conn)[OLD.key] == {"archive": Tally(1, 40, 0)}
        assert OLD.key not in signals_of(conn, NEXT, NEXT)
        assert signals_of(conn, OLD.announced, OLD.announced)[OLD.key] == {}


def test_of_several_totals_only_the_last_in_the_window_counts(
    engine: Engine, now: datetime
) -> None:
    # The last by the day of the list, not by the moment it was printed.
    first = listed(OWLS, DAY, now + timedelta(days=2), 40)
    second = listed(OWLS, NEXT, now, 60)
    with engine.begin() as conn:
        posts.upsert(conn, [second, first, listed(BATS, DAY, now, 7)])
        assert signals_of(conn, DAY, DAY)[OWLS.key] == {"archive": Tally(1, 40, 0)}
        assert signals_of(conn, DAY, NEXT) == {
            OWLS.key: {"archive": Tally(1, 60, 0)},
            BATS.key: {"archive": Tally(1, 7, 0)},
        }


def test_a_total_is_added_to_posts_measured_one_by_one(
    engine: Engine, post: Post, now: datetime
) -> None:
    mixed = replace(listed(OWLS, DAY, now, 40), signal="x")
    with engine.begin() as conn:
        posts.upsert(conn, [post, replace(post, id="2", author="bo"), mixed])
        assert signals_of(conn)[OWLS.key] == {"x": Tally(3, 46, 10)}


def test_a_number_is_explained_by_the_posts_behind_it(
    engine: Engine, post: Post, now: datetime
) -> None:
    later = Reading(now + timedelta(hours=1), 9, 9, 2)
    unread = replace(post, id="2", reading=None, posted_at=now + timedelta(hours=1))
    both = replace(post, signal="hn", id="3", papers=(OWLS.key, BATS.key), automated=True)
    total = replace(listed(OWLS, DAY, now, 40), flag="no such number")
    with engine.begin() as conn:
        posts.upsert(conn, [replace(post, reading=later), post, unread, both, total])
        ids = papers.ids_of(conn, [OWLS.key, BATS.key])
        both = replace(both, shared=True, seen_at=now, label="automated")
        seen = replace(post, seen_at=later.taken_at)
        expected = [replace(total, seen_at=now), both, seen, unread]
        assert posts.of_paper(conn, ids[OWLS.key], now) == expected
        assert posts.of_paper(conn, ids[OWLS.key], None)[2].reading == later
        assert posts.of_paper(conn, ids[OWLS.key], now - timedelta(days=1))[2].reading is None
        assert posts.of_paper(conn, ids[BATS.key], now) == [both]
        assert posts.of_paper(conn, 2**40, now) == []


def test_a_flagged_reading_is_kept_and_not_believed(
    engine: Engine, post: Post, now: datetime
) -> None:
    hours = [now + timedelta(hours=number) for number in range(4)]
    with engine.begin() as conn:
        for hour, favorites in zip(hours, (10, 4000, 20, 4100), strict=True):
            posts.upsert(conn, [replace(post, reading=Reading(hour, 0, favorites))])
        posts.upsert(conn, [replace(post, id="2", author="bo", reading=Reading(now, 25, 0))])
        owls = papers.ids_of(conn, [OWLS.key])[OWLS.key]
        jumped = [posts.of_paper(conn, owls, hour)[0] for hour in hours]
        assert [one.reading and one.reading.favorites for one in jumped] == [10, 10, 20, 20]
        assert [one.flag for one in jumped] == ["", JUMP, "", JUMP]
        unliked = posts.of_paper(conn, owls, now)[1]
        assert (unliked.reading, unliked.flag) == (None, UNLIKED)
        tally = tallied(conn, DAY, DAY)[OWLS.key]["x"]
        assert (plain(tally), tally.left_out) == (Tally(1, 0, 20), 1)
        posts.upsert(conn, [replace(post, reading=Reading(hours[3] + HOUR, 0, 4200))])
        assert posts.of_paper(conn, owls, None)[0].flag == ""
        assert signals_of(conn)[OWLS.key] == {"x": Tally(1, 0, 4200)}


def test_a_digest_is_counted_at_its_newest_reading(
    engine: Engine, post: Post, now: datetime
) -> None:
    hours = [now + timedelta(hours=number) for number in range(4)]
    with engine.begin() as conn:
        posts.upsert(conn, [replace(post, reading=Reading(hour, 1, 1)) for hour in hours[:3]])
        posts.upsert(
            conn, [replace(post, id="2", papers=(BATS.key,), reading=Reading(hours[3], 1, 1))]
        )
        ids = papers.ids_of(conn, KEYS)
        owls, bats, old = (ids[key] for key in KEYS)
        late = now + timedelta(days=1)
        assert posts.newest_reading(conn, [owls, old], late) == hours[2]
        assert posts.newest_reading(conn, [owls, bats], late) == hours[3]
        assert posts.newest_reading(conn, [owls, bats], hours[1]) == hours[1]
        posts.upsert(conn, [listed(OWLS, DAY, hours[3], 1)])
        assert posts.newest_reading(conn, [owls, old], late) == hours[3]
        assert posts.newest_reading(conn, [old], late) == late
        assert posts.newest_reading(conn, [], late) == late


def test_many_posts_take_few_statements(engine: Engine, post: Post) -> None:
    many = [replace(post, id=str(number), author=str(number)) for number in range(3_000)]
    statements: list[str] = []

    def note(conn: object, cursor: object, sql: str, *_rest: object) -> None:
        statements.append(sql)

    event.listen(engine, "before_cursor_execute", note)
    with engine.begin() as conn:
        assert posts.upsert(conn, many) == 3_000
        assert signals_of(conn)[OWLS.key] == {"x": Tally(3_000, 9_000, 15_000)}
    assert len(statements) < 30
