"""What ranks otherwise on an archive's days without the totals that cannot be true."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from hypothesis import given
from hypothesis import strategies as st

from trendbot.archive_check import check
from trendbot.honesty import impossible_total
from trendbot.hotpapers import ArchiveDay
from trendbot.model import Paper, Post, Reading

DAY = date(2021, 3, 6)


def an_archived_day(*counts: tuple[int, int], day: date = DAY) -> ArchiveDay:
    """A day whose papers 0, 1 … have these retweets and favorites, and a quoted post each."""
    at = datetime.combine(day, time(), UTC)
    papers, posts = [], []
    for number, (retweets, favorites) in enumerate(counts):
        paper = Paper("arxiv", f"2103.{number:05}", f"Owl {number}", (), ("cs.LG",), day)
        flag = impossible_total(retweets, favorites)
        total = Post("hotpapers", f"{day}/{number}", (paper.key,), "", "", at)
        reading = Reading(at, retweets, favorites)
        papers.append(paper)
        posts.append(replace(total, reading=reading, listed_on=day, flag=flag))
        posts.append(Post("x", f"{day}{number}", (paper.key,), "ada", "", at))
    return ArchiveDay(day, tuple(papers), tuple(posts))


def test_flagged_papers_leave_and_the_others_move_up() -> None:
    (found,) = check([an_archived_day((20000, 3), (50, 400), (930, 120), (40, 70))], {}, 1)
    assert (found.day, found.totals, len(found.flagged)) == (DAY, 4, 2)
    places = [(one.paper.title, one.printed, one.checked) for one in found.places]
    assert places == [("Owl 0", 1, None), ("Owl 2", 2, None), ("Owl 1", 3, 1), ("Owl 3", 4, 2)]
    assert [one.paper.title for one in found.leaving] == ["Owl 0", "Owl 2"]
    assert found.leads_anew


def test_who_is_first_may_stay() -> None:
    (found,) = check([an_archived_day((100, 900), (36, 12))], {}, 1)
    assert len(found.leaving) == 1
    assert not found.leads_anew


def test_only_what_reaches_the_score_ranks() -> None:
    (found,) = check([an_archived_day((100, 900), (36, 12))], {}, 50)
    assert (len(found.flagged), found.leaving) == (1, ())
    (weighed,) = check([an_archived_day((100, 900), (36, 12))], {"hotpapers": 0.01}, 5)
    assert len(weighed.places) == 1


def test_each_day_counts_once_in_their_order() -> None:
    later = an_archived_day((1, 5), day=DAY + timedelta(days=1))
    earlier = an_archived_day((36, 12))
    found = check([later, earlier, later, an_archived_day(day=DAY + timedelta(days=2))], {}, 1)
    assert [(one.day - DAY).days for one in found] == [0, 1, 2]
    assert [one.totals for one in found] == [1, 1, 0]
    assert not found[2].leads_anew


@given(st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 40_000)), max_size=30))
def test_who_stays_keeps_the_order(counts: list[tuple[int, int]]) -> None:
    (found,) = check([an_archived_day(*counts)], {}, 1)
    staying = [one.checked for one in found.places if one.checked is not None]
    assert staying == list(range(1, len(staying) + 1))
    assert {one.paper.key for one in found.leaving} == {
        post.papers[0] for post in found.flagged if post.reading and post.reading.retweets
    }
    assert len(found.first) == min(10, len(found.places))
