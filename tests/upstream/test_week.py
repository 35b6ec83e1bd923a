"""The week is the same every time, sleeps at night, and has in it what it says."""

from collections import Counter

import pytest

from tests.upstream.client import get
from tests.upstream.honest import Count, Truth
from tests.upstream.server import Upstream
from tests.upstream.week import (
    ANNOUNCED,
    BOTS,
    FRIDAY,
    HOUR,
    JUMP,
    MONDAY,
    NETWORKS,
    SATURDAY,
    TAKE_OFF,
    TUESDAY,
    Week,
    at,
)


@pytest.fixture(scope="module")
def week() -> Week:
    return Week()


def test_follows_from_its_seed(week: Week) -> None:
    assert repr([post.at(at(FRIDAY, 0)) for post in Week().world.posts]) == repr(
        [post.at(at(FRIDAY, 0)) for post in week.world.posts]
    )
    assert [paper.id for paper in Week(8).world.papers] != [paper.id for paper in week.world.papers]


def test_announces_on_weekdays(week: Week) -> None:
    days = Counter(paper.announced for paper in week.world.papers)
    assert set(days) == set(ANNOUNCED)
    assert all(25 <= papers <= 60 for papers in days.values())
    assert len({paper.id for paper in week.world.papers}) == len(week.world.papers)


def test_sleeps_at_night_and_grows_by_day(week: Week) -> None:
    for day in ANNOUNCED:
        written = [post for post in week.world.posts if at(day, 0) <= post.created_at < at(day, 24)]
        noon, midnight, morning = (
            [
                (post.at(at(day, hour)).retweets, post.at(at(day, hour)).favorites)
                for post in written
            ]
            for hour in (12, 24, 31)
        )
        assert noon != midnight == morning


def test_has_heroes_on_each_network(week: Week) -> None:
    late = [post for post in week.world.posts_about(week.late.id) if post.created_at >= TAKE_OFF]
    assert {post.network for post in late} == {post.network for post in week.deleted}
    assert {post.network for post in late} == set(NETWORKS)
    entry = week.world.entry(week.jumper.id)
    before, within, after = (entry.at(when).upvotes for when in (JUMP[0] - HOUR, *JUMP))
    assert (before, within, after) == (12, 4800, 12)
    assert {post.author for post in week.world.posts if post.bot} < BOTS


def test_trouble_comes_and_goes(week: Week) -> None:
    with Upstream(week.world) as upstream:

        def status(hour: float) -> tuple[int, bool]:
            week.reach(at(TUESDAY, hour), upstream)
            listing = get(f"{upstream.arxiv}/list/cs.LG/new").text
            return get(f"{upstream.huggingface}/api/daily_papers").status_code, "17 Nov" in listing

        assert [status(hour) for hour in (0.5, 2, 23, 24.5, 25.5, 47.5, 48.5)] == [
            *((200, False), (200, False), (200, False), (503, False)),
            *((503, False), (503, False), (200, False)),
        ]


def test_truth_is_what_was_told_and_counts_once(week: Week) -> None:
    with Upstream(week.world) as upstream:
        truth, night = Truth(week, upstream), at(TUESDAY, 3)
        week.reach(night, upstream)
        praised = week.world.papers[1].id
        get(f"{upstream.huggingface}/api/daily_papers", date=str(MONDAY))
        assert truth.counts(praised, night) == {}  # nobody told of the paper
        week.reach(night := night + HOUR, upstream)
        for category in ("cs.LG", "cs.CL", "cs.CV", "cs.AI", "stat.ML"):
            get(f"{upstream.arxiv}/catchup/{category}/{MONDAY}")
        assert truth.counts(praised, night) == {}  # nor of posts since
        get(f"{upstream.huggingface}/api/daily_papers", date=str(MONDAY))
        get(
            f"{upstream.x}/2/tweets/search/recent",
            {"Authorization": "Bearer a"},
            query="from:feed_of_papers",
            max_results=100,
        )
        entry = week.world.entry(praised).at(night)
        assert truth.counts(praised, night)["huggingface"] == Count(1, 0, entry.upvotes)
        assert truth.counts(praised, night)["x"].posts == 1  # of five
        assert truth.daily(MONDAY, night, 1) == [truth.best(MONDAY, SATURDAY, night)[0]]
        truth.made([praised], night)
        assert praised not in truth.daily(MONDAY, night + HOUR, 50)
