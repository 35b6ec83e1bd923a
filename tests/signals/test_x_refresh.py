"""What became of the posts X was known to have: looked up by id, or gone."""

from datetime import timedelta

import pytest

from tests.signals.crowds import (
    LOOK_UP,
    Build,
    a_post,
    counts,
    crowd,
    gone,
    looked,
    measured,
)
from tests.signals.outside import Purse
from tests.upstream.server import Upstream
from trendbot.context import Known
from trendbot.errors import SignalError
from trendbot.model import Post


def test_known_posts_are_looked_up_again_by_id(build: Build, upstream: Upstream) -> None:
    old = [post.id for post in upstream.world.posts[:2]]
    fresh = [post.id for post in upstream.world.posts if post.text == "two to read"]
    posts = measured(build(known=[*old, *fresh, "archive-total"]), upstream)
    [lookup] = upstream.asked(LOOK_UP)
    assert lookup.query["ids"].split(",") == old
    assert counts(posts)[old[0]] == (9, 40, 2)
    assert fresh[0] in counts(posts)


def test_posts_that_are_not_there_or_hidden_are_gone(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    there, deleted, hidden = (a_post(upstream, number, 60, 90) for number in range(3))
    upstream.world.posts = [there, deleted, hidden]
    deleted.deleted = True
    upstream.world.x.hidden = {hidden.author}
    found = looked(build(known=[there.id, deleted.id, hidden.id]), upstream)
    assert gone(found) == [deleted.id, hidden.id]
    assert {one.signal for one in found} == {"x"}
    assert [one.id for one in found if isinstance(one, Post)] == [there.id]
    assert purse.notes["refresh"][:3] == (1, 1, 3)
    there.deleted = True
    assert gone(looked(build(known=[there.id]), upstream)) == [there.id]
    assert purse.notes["refresh"][:3] == (2, 1, 4)


def test_a_failure_to_ask_is_never_gone(build: Build, upstream: Upstream) -> None:
    known = [a_post(upstream, number, 60, 90).id for number in range(3)]
    unavailable = {
        "parameter": "ids",
        "resource_id": known[0],
        "type": "https://api.twitter.com/2/problems/resource-unavailable",
    }
    nobody = {**unavailable, "resource_id": "77", "type": "about/resource-not-found"}
    upstream.fault(LOOK_UP, "json", document={"errors": [unavailable, nobody]})
    assert gone(looked(build(known=known), upstream)) == []
    upstream.fault(LOOK_UP, "json", document={"errors": [unavailable], "data": []})
    assert gone(looked(build(known=known), upstream)) == []
    upstream.fault(LOOK_UP, "status")
    with pytest.raises(SignalError, match="503"):
        looked(build(known=known), upstream)


def test_a_look_up_is_useful_where_counts_changed(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    same, risen = a_post(upstream, 1, 60, 90), a_post(upstream, 2, 60, 95)
    upstream.world.posts = [same, risen]
    yesterday = upstream.world.now - timedelta(days=1)
    purse.known = {post.id: Known(3, 90, yesterday) for post in (same, risen)}
    assert len(measured(build(known=[same.id, risen.id]), upstream)) == 2
    assert purse.notes == {
        "size": (1, 0, 0, 0.005),
        "search": (1, 0, 0, 0),
        "refresh": (1, 2, 1, 0.01),
    }


def test_a_known_post_is_not_read_twice_on_one_utc_day(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    now = upstream.world.now
    morning, evening = a_post(upstream, 1, 60, 90), a_post(upstream, 2, 60, 90)
    upstream.world.posts = [morning, evening]
    purse.known = {
        morning.id: Known(3, 90, now.replace(hour=0, minute=0)),
        evening.id: Known(3, 90, now.replace(hour=0) - timedelta(minutes=1)),
    }
    posts = measured(build(known=[morning.id, evening.id]), upstream)
    assert [post.id for post in posts] == [evening.id]


def test_a_part_of_the_budget_is_kept_for_known_posts(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    old = [a_post(upstream, 1000 + number, 60, 90) for number in range(30)]
    crowd(upstream, 290, likes=lambda number: 1 + number)  # which alone would fit
    upstream.world.posts += old
    posts = measured(build(known=[post.id for post in old], daily_post_budget=300), upstream)
    assert {post.id for post in posts} >= {post.id for post in old}
    assert len(posts) > 200
    assert purse.spent == purse.noted <= 300


def test_look_ups_stay_within_what_x_takes_and_the_budget_allows(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    known = crowd(upstream, 250, likes=lambda _: 0)
    posts = measured(build(known=known, refresh=1000, daily_post_budget=221), upstream)
    assert [len(one.query["ids"].split(",")) for one in upstream.asked(LOOK_UP)] == [100, 100, 20]
    assert len(posts) == 220
    assert purse.spent == 221
    assert {post.id for post in posts} == set(known[:220])


def test_refresh_bounds_the_look_ups(build: Build, upstream: Upstream) -> None:
    known = [post.id for post in upstream.world.posts[:5]]
    measured(build(known=known, refresh=2), upstream)
    [lookup] = upstream.asked(LOOK_UP)
    assert lookup.query["ids"].split(",") == known[:2]


def test_a_search_that_fits_no_budget_leaves_what_is_kept(
    build: Build, upstream: Upstream, purse: Purse
) -> None:
    old = [a_post(upstream, 1000 + number, 60, 90) for number in range(30)]
    crowd(upstream, 400, likes=lambda _: 6000)
    upstream.world.posts += old
    posts = measured(build(known=[post.id for post in old], daily_post_budget=240), upstream)
    assert {post.id for post in posts} >= {post.id for post in old}
    assert purse.spent == purse.noted == 235  # five are too few for a page
