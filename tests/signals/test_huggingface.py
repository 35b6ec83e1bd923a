import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.loopback import Answer, serving
from tests.signals.outside import Purse, outside, paper, papers_of
from tests.upstream.server import Upstream
from tests.upstream.world import WorldEntry, small_world
from trendbot.errors import SettingsError, SignalError
from trendbot.model import Gone, Post, Reading
from trendbot.settings import section
from trendbot.signals.huggingface import HuggingFace, HuggingFaceSettings, parse, to_post

TODAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
GOLDEN = (Path(__file__).parent / "data/hf_daily_papers.json").read_text(encoding="utf-8")
Build = Callable[..., HuggingFace]


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream(small_world(TODAY)) as upstream:
        yield upstream


@pytest.fixture
def build(upstream: Upstream) -> Iterator[Build]:
    with outside(upstream.world, Purse()) as context:

        def build(**table: object) -> HuggingFace:
            table = {"base_url": upstream.huggingface, "delay": 0, **table}
            return HuggingFace(section(HuggingFaceSettings, table, "signals.huggingface"), context)

        yield build


def measured(signal: HuggingFace, upstream: Upstream, days: int = 7) -> list[Post | Gone]:
    since = upstream.world.now - timedelta(days=days)
    return list(signal.measure(papers_of(upstream.world), since))


def due(signal: HuggingFace, *ids: str) -> None:
    """These posts are known, and due for another look."""
    known = replace(signal._context, worth_a_look=lambda limit: list(ids[:limit]))
    vars(signal)["_context"] = known


def crowd(upstream: Upstream, size: int) -> None:
    """Fill today's page with `size` papers, which are the papers of the world from now on."""
    entries = [WorldEntry(f"2611.{20000 + n}", TODAY, n, n % 3) for n in range(size)]
    upstream.world.entries = entries


def test_the_golden_page() -> None:
    first, second, third = (to_post(entry, NOW) for entry in parse(GOLDEN))
    assert first == Post(
        signal="huggingface",
        id="2611.10001",
        papers=("arxiv:2611.10001",),
        author="ines",
        url="https://huggingface.co/papers/2611.10001",
        posted_at=datetime(2026, 11, 20, tzinfo=UTC),
        text="",
        reading=Reading(NOW, retweets=0, favorites=42, replies=5),
    )
    assert second.posted_at == datetime(2026, 11, 19, 15, 30, tzinfo=UTC)
    assert second.author == ""
    assert second.reading == Reading(NOW, 0, 0, 0)
    assert third.author == ""
    assert third.papers == ("arxiv:2611.99998",)


def test_each_day_is_asked_once_and_each_paper_counted(build: Build, upstream: Upstream) -> None:
    posts = measured(build(), upstream, days=7)
    assert {
        post.papers: (post.reading.favorites, post.reading.replies)
        for post in posts
        if isinstance(post, Post) and post.reading
    } == {
        ("arxiv:2611.10001",): (42, 5),
        ("arxiv:2611.10002",): (17, 1),
        ("arxiv:2611.09001",): (11, 2),
        ("arxiv:2611.08001",): (6, 0),
    }
    days = [request.query["date"] for request in upstream.requests]
    assert days == [f"2026-11-{day}" for day in range(13, 21)]
    assert {request.query["limit"] for request in upstream.requests} == {"100"}
    assert {request.path for request in upstream.requests} == {"/api/daily_papers"}


def test_without_papers_nothing_is_asked(build: Build, upstream: Upstream) -> None:
    assert list(build().measure([], NOW)) == []
    assert upstream.requests == []


def test_a_paper_listed_on_two_days_is_one_post(build: Build, upstream: Upstream) -> None:
    upstream.world.entries.append(WorldEntry("2611.10001", TODAY - timedelta(days=1), 42, 5))
    ids = [post.id for post in measured(build(), upstream)]
    assert sorted(set(ids)) == sorted(ids)
    assert "2611.10001" in ids


@pytest.mark.parametrize(
    ("size", "limit", "pages"), [(0, 10, 1), (9, 10, 1), (25, 10, 3), (20, 10, 3), (120, 100, 2)]
)
def test_full_pages_are_followed(
    build: Build, upstream: Upstream, size: int, limit: int, pages: int
) -> None:
    crowd(upstream, size)
    papers = [paper(entry.paper_id) for entry in upstream.world.entries] or [paper("2611.1")]
    posts = list(build(limit=limit).measure(papers, NOW))
    assert [post.id for post in posts] == [entry.paper_id for entry in upstream.world.entries]
    asked = [request.query.get("p") for request in upstream.requests]
    assert asked == [None, *(str(number) for number in range(1, pages))]


def test_a_server_that_cuts_pages_shorter_is_followed_too(build: Build, upstream: Upstream) -> None:
    crowd(upstream, 110)
    cut = [json.loads(GOLDEN)[2]] * 50  # half of what was asked for
    upstream.fault("huggingface", "json", document=cut)
    posts = list(build().measure([paper("2611.20105")], NOW))
    assert [post.id for post in posts] == ["2611.20105"]
    assert [request.query.get("p") for request in upstream.requests] == [None, "1"]


def test_the_same_page_over_and_over_has_an_end(build: Build, upstream: Upstream) -> None:
    crowd(upstream, 60)
    page = [json.loads(GOLDEN)[0]] * 60
    upstream.fault("huggingface", "json", times=None, document=page)
    assert [post.id for post in build().measure([paper("2611.10001")], NOW)] == ["2611.10001"]
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("senseless", [b"{}", b'[{"paper": {}}]'])
def test_a_senseless_page_is_asked_for_unconditionally(senseless: bytes) -> None:
    headers = {"Content-Type": "application/json", "ETag": '"v1"'}
    with serving() as site, outside(small_world(TODAY), Purse()) as context:
        site.answers(Answer(body=senseless, headers=headers), Answer(body=b"[]", headers=headers))
        signal = HuggingFace(HuggingFaceSettings(base_url=site.url, delay=0), context)
        with pytest.raises(SignalError):
            signal.check()
        assert signal.check() == "0 papers on the page of 2026-11-20"
        assert ["if-none-match" in asked for _, asked in site.asked] == [False, False]


def test_pages_without_end_are_an_error(build: Build, upstream: Upstream) -> None:
    crowd(upstream, 25)
    with pytest.raises(SignalError, match="2026-11-20 has more than 20 pages"):
        list(build(limit=1).measure([paper("2611.1")], NOW))
    assert len(upstream.requests) == 20


@pytest.mark.parametrize(("days", "asked"), [(-3, 0), (0, 1), (1, 2), (4000, 100)])
def test_days_are_bounded(build: Build, upstream: Upstream, days: int, asked: int) -> None:
    measured(build(), upstream, days)
    assert len(upstream.requests) == asked
    last = [request.query["date"] for request in upstream.requests[-1:]]
    assert last == ["2026-11-20"][:asked]


@pytest.mark.parametrize(
    ("fault", "how", "says"),
    [
        ("status", {"status": 500}, "HTTP 500"),
        ("status", {"status": 401}, "HTTP 401"),
        ("malformed", {}, "not JSON"),
        ("malformed", {"body": b"[" * 100_000}, "not JSON"),
        ("content_type", {"content_type": "text/html"}, "text/html"),
        ("json", {"document": {"error": "Invalid date"}}, "not a list"),
        ("json", {"document": None}, "not a list"),
        ("json", {"document": ["2611.10001"]}, "no paper"),
        ("json", {"document": [{"title": "x"}]}, "no paper"),
        ("json", {"document": [{"paper": {"title": "x"}}]}, r"no paper\.id"),
        ("json", {"document": [{"paper": {"id": 2611.10001}}]}, r"no paper\.id"),
    ],
)
def test_a_failure_never_looks_like_no_papers(
    build: Build, upstream: Upstream, fault: str, how: dict[str, Any], says: str
) -> None:
    upstream.fault("huggingface", fault, times=None, **how)
    with pytest.raises(SignalError, match=says) as caught:
        measured(build(), upstream)
    assert "\n" not in str(caught.value)


def test_posts_before_a_failure_are_kept(build: Build, upstream: Upstream) -> None:
    upstream.fault("huggingface", "status", status=500, after=7, times=None)
    posts = build().measure(papers_of(upstream.world), NOW - timedelta(days=7))
    assert [post.id for post in islice(posts, 2)] == ["2611.08001", "2611.09001"]
    with pytest.raises(SignalError, match="HTTP 500"):
        next(iter(posts))


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("paper", "upvotes"), None, "upvotes"),
        (("paper", "upvotes"), -1, "upvotes"),
        (("paper", "upvotes"), "42", "upvotes"),
        (("paper", "upvotes"), True, "upvotes"),
        (("paper", "upvotes"), 10**30, "upvotes"),
        (("numComments",), -5, "numComments"),
        (("numComments",), None, "numComments"),
        (("paper", "submittedOnDailyAt"), "today", "submittedOnDailyAt"),
        (("paper", "submittedOnDailyAt"), ["2026"], "submittedOnDailyAt"),
        (("paper", "submittedOnDailyAt"), "2026-11-20T00:00:00", "submittedOnDailyAt"),
    ],
)
def test_what_makes_no_sense_is_named(path: tuple[str, ...], value: object, says: str) -> None:
    entry = copy.deepcopy(json.loads(GOLDEN)[0])
    place = entry
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    with pytest.raises(SignalError, match=f"^Hugging Face: paper 2611.10001: .*{says} is"):
        to_post(entry, NOW)


def test_comments_may_be_missing_but_votes_and_time_may_not() -> None:
    entry = json.loads(GOLDEN)[0]
    del entry["numComments"]
    assert to_post(entry, NOW).reading == Reading(NOW, 0, 42, 0)
    for name in ("submittedOnDailyAt", "publishedAt"):
        del entry["paper"][name]
    with pytest.raises(SignalError, match="submittedOnDailyAt is missing"):
        to_post(entry, NOW)


@given(st.permutations(json.loads(GOLDEN) * 2))
def test_order_and_repetition_change_no_post(entries: list[dict[str, Any]]) -> None:
    once = {post.id: post for post in (to_post(entry, NOW) for entry in parse(GOLDEN))}
    assert {post.id: post for post in (to_post(entry, NOW) for entry in entries)} == once


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_any_text_is_a_list_of_entries_or_an_error(text: str) -> None:
    try:
        entries = parse(text)
    except SignalError:
        return
    assert all("paper" in entry for entry in entries)


def test_check_names_the_page_of_today(build: Build, upstream: Upstream) -> None:
    assert build().check() == "3 papers on the page of 2026-11-20"
    upstream.fault("huggingface", "status", status=500, times=None)
    with pytest.raises(SignalError):
        build().check()


def test_on_unless_switched_off() -> None:
    assert section(HuggingFaceSettings, {}, "signals.huggingface").enabled is True


@pytest.mark.parametrize("table", [{"limit": 0}, {"limit": 101}, {"delay": -1}, {"base_url": "x"}])
def test_settings_have_bounds(table: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=next(iter(table))):
        section(HuggingFaceSettings, table, "signals.huggingface")


def test_known_posts_are_looked_up_unless_a_page_had_them(build: Build, upstream: Upstream) -> None:
    old = WorldEntry("2611.19999", TODAY - timedelta(days=30), 77, 3)
    upstream.world.entries = [*upstream.world.entries, old]
    signal = build()
    listed = [post.id for post in measured(signal, upstream)]
    due(signal, listed[0], "2611.19999", "2611.18888")
    upstream.requests.clear()
    *_, again, gone = measured(signal, upstream)
    assert isinstance(again, Post)
    assert (again.id, again.reading) == ("2611.19999", Reading(NOW, 0, 77))
    assert gone == Gone("huggingface", "2611.18888")
    asked = [one.path for one in upstream.asked("/api/papers/*")]
    assert asked == ["/api/papers/2611.19999", "/api/papers/2611.18888"]


def test_no_more_than_twenty_are_looked_up(build: Build, upstream: Upstream) -> None:
    signal = build()
    due(signal, *(f"2611.{number}" for number in range(30000, 30100)))
    measured(signal, upstream)
    assert len(upstream.asked("/api/papers/*")) == 20


@pytest.mark.parametrize(
    ("kind", "how", "says"),
    [
        ("status", {"status": 500}, "500"),
        ("json", {"document": []}, "2611.18888"),
        ("json", {"document": {"id": "2611.11111"}}, "another paper came"),
        ("json", {"document": {"id": "2611.18888"}}, "submittedOnDailyAt"),
        ("malformed", {"body": b'1}, {"id": 2'}, "not JSON"),
    ],
)
def test_a_look_that_fails_is_not_a_post_that_is_gone(
    kind: str, how: dict[str, Any], says: str, build: Build, upstream: Upstream
) -> None:
    signal = build()
    upstream.world.entries = [WorldEntry("2611.18888", TODAY - timedelta(days=30), 1, 0)]
    due(signal, "2611.18888")
    upstream.fault("/api/papers/*", kind, times=None, **how)
    with pytest.raises(SignalError, match=says):
        measured(signal, upstream)
