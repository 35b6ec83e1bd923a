"""The upstream records what it is asked, fails on demand, ends cleanly and runs as a process."""

import json
import subprocess
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.upstream.client import get
from tests.upstream.server import SERVICES, Upstream
from tests.upstream.world import small_world

TODAY = date(2026, 11, 20)
NEW = "/list/cs.LG/new"
BEARER = {"Authorization": "Bearer anything"}


def statuses(upstream: Upstream, count: int) -> list[int]:
    return [get(upstream.arxiv + NEW).status_code for _ in range(count)]


def test_records_what_it_is_asked(upstream: Upstream) -> None:
    get(upstream.arxiv + NEW, {"User-Agent": "me"}, show=50)
    get(f"{upstream.huggingface}/api/papers/hep-th%2F9901002")
    first, second = upstream.requests
    assert (first.service, first.path, first.query) == ("arxiv", NEW, {"show": "50"})
    assert first.headers["user-agent"] == "me"
    assert upstream.asked("huggingface") == upstream.asked("/api/papers/*") == [second]
    assert upstream.asked("x") == []


def test_each_service_has_a_port_of_its_own(upstream: Upstream) -> None:
    addresses = [getattr(upstream, service) for service in SERVICES]
    assert len({urlsplit(address).port for address in addresses}) == len(SERVICES)
    with pytest.raises(AttributeError, match="no service 'arvix'"):
        assert upstream.arvix


def test_notes_values_of_one_name_and_what_is_posted(upstream: Upstream) -> None:
    get(f"{upstream.x}/many", ids=["1", "2"])
    with requests.Session() as session:
        session.trust_env = False
        session.post(f"{upstream.x}/in", json={"name": "me"}, timeout=10)
    assert [one.query for one in upstream.requests] == [{"ids": "1\n2"}, {"name": "me"}]
    assert {one.at for one in upstream.requests} == {upstream.world.now}
    assert [reply.status for _, reply in upstream.replies] == [401, 401]


class TestWorld:
    def test_announces_at_eight_in_new_york(self) -> None:
        world = small_world(TODAY)
        for moment, last in (
            ("2026-11-20T00:59+00:00", "2026-11-19"),
            ("2026-11-20T01:00+00:00", "2026-11-20"),
            ("2026-11-22T12:00+00:00", "2026-11-20"),
            ("2026-11-23T01:00+00:00", "2026-11-23"),
        ):
            world.tick(datetime.fromisoformat(moment))
            assert world.last_announcement() == date.fromisoformat(last)

    def test_posts_grow_and_go(self) -> None:
        world = small_world(TODAY)
        (post,) = world.posts = [world.posts[6]]
        post.growth = lambda age: min(1, age / timedelta(hours=10))
        post.deleted_at = post.created_at + timedelta(hours=20)
        for hours, favorites in ((-1, []), (0, [0]), (5, [406]), (19, [812]), (20, [])):
            world.now = post.created_at + timedelta(hours=hours)
            assert [one.favorites for one in world.visible("x")] == favorites
            assert world.visible("bluesky") == []
        (entry,) = world.entries = [world.entries[0]]
        entry.growth = post.growth
        assert entry.at(datetime(2026, 11, 20, 5, tzinfo=UTC)).upvotes == 21


class TestFaults:
    def test_strike_as_often_and_as_late_as_told(self, upstream: Upstream) -> None:
        upstream.fault("/list/*", "status", times=2, after=1, headers={"Retry-After": "300"})
        assert statuses(upstream, 4) == [200, 503, 503, 200]
        upstream.fault("arxiv", "blocked", times=None)
        assert statuses(upstream, 2) == [406, 406]
        assert get(f"{upstream.rss}/cs.LG").status_code == 200
        upstream.clear_faults()
        assert statuses(upstream, 1) == [200]

    def test_add_up_where_they_bend_the_world(self, upstream: Upstream) -> None:
        for kind in ("renamed", "search_has_reposts", "credits", "usage_capped"):
            upstream.fault("x", kind, times=2 if kind in ("renamed", "search_has_reposts") else 1)
        query: dict[str, Any] = {"query": "from:ben", "tweet.fields": "public_metrics"}
        url = f"{upstream.x}/2/tweets/search/recent"
        codes = [get(url, BEARER, **query).status_code for _ in range(2)]
        assert codes == [402, 429]
        upstream.fault("x", "renamed")
        upstream.fault("x", "search_has_reposts")
        (repost,) = get(url, BEARER, **query).json()["data"]
        assert repost["public_metrics"]["repost_count"] == 120

    def test_have_known_names(self, upstream: Upstream) -> None:
        with pytest.raises(ValueError, match="no fault 'slwo'"):
            upstream.fault("x", "slwo")

    def test_status_carries_headers_and_body(self, upstream: Upstream) -> None:
        how: dict[str, Any] = {"status": 503, "body": "lagging", "headers": {"Retry-After": "0"}}
        upstream.fault("arxiv", "status", **how)
        reply = get(upstream.arxiv + NEW)
        assert (reply.status_code, reply.text) == (503, "lagging")
        assert reply.headers["Retry-After"] == "0"

    def test_x_runs_out_of_money_and_patience(self, upstream: Upstream) -> None:
        for kind, how in (
            ("credits", {}),
            ("rate_limited", {"reset": 90}),
            ("rate_limited", {"reset": None}),
            ("usage_capped", {}),
        ):
            upstream.fault("x", kind, **how)
        url = f"{upstream.x}/2/tweets?ids=1"
        replies = [get(url, BEARER) for _ in range(4)]
        assert [reply.status_code for reply in replies] == [402, 429, 429, 429]
        assert [reply.json()["title"] for reply in replies] == [
            *("CreditsDepleted", "Too Many Requests", "Too Many Requests", "UsageCapExceeded")
        ]
        reset = str(int(upstream.world.now.timestamp()) + 90)
        resets = [reply.headers.get("x-rate-limit-reset") for reply in replies]
        assert resets == [None, reset, None, None]

    @pytest.mark.parametrize("kind", ["cut", "close"])
    def test_break_the_connection(self, upstream: Upstream, kind: str) -> None:
        upstream.fault("arxiv", kind)
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            get(upstream.arxiv + NEW)
        assert statuses(upstream, 1) == [200]

    def test_spoil_the_body(self, upstream: Upstream) -> None:
        url = f"{upstream.huggingface}/api/daily_papers"
        for kind, how in (
            ("malformed", {}),
            ("malformed", {"body": b"{"}),
            ("json", {"document": {"papers": 3}}),
            ("content_type", {"content_type": "text/html"}),
        ):
            upstream.fault("huggingface", kind, **how)
        replies = [get(url) for _ in range(4)]
        assert all(reply.status_code == 200 for reply in replies)
        for reply in replies[:2]:
            with pytest.raises(ValueError):
                json.loads(reply.content)
        assert replies[2].json() == {"papers": 3}
        assert replies[3].headers["Content-Type"] == "text/html"

    def test_huge_sends_what_was_ordered(self, upstream: Upstream) -> None:
        upstream.fault("arxiv", "huge", megabytes=2)
        reply = get(upstream.arxiv + NEW)
        assert "Content-Length" not in reply.headers
        assert len(reply.content) > 2 * 2**20

    def test_huge_is_silent_when_the_client_leaves(self, upstream: Upstream) -> None:
        upstream.fault("arxiv", "huge", megabytes=500)
        with requests.Session() as session:
            session.trust_env = False
            session.get(upstream.arxiv + NEW, stream=True, timeout=10).close()
        assert statuses(upstream, 1) == [200]

    def test_stale_shows_yesterday_under_todays_date(self, upstream: Upstream) -> None:
        upstream.fault("arxiv", "stale")
        reply = get(upstream.arxiv + NEW)
        assert "Thursday, 19 November 2026" in reply.text
        assert reply.headers["Date"] == "Fri, 20 Nov 2026 18:00:00 GMT"

    def test_empty_is_a_page_without_lines_on_a_busy_day(self, upstream: Upstream) -> None:
        upstream.fault("arxiv", "empty")
        upstream.fault("huggingface", "empty")
        assert "No updates today." in get(upstream.arxiv + NEW).text
        assert get(f"{upstream.huggingface}/api/daily_papers").json() == []

    @pytest.mark.parametrize(
        ("kind", "how"), [("slow", {}), ("slow", {"sent": 9}), ("drip", {"every": 0.001})]
    )
    def test_held_replies_go_on_when_released(
        self, upstream: Upstream, kind: str, how: dict[str, Any]
    ) -> None:
        upstream.fault("arxiv", kind, **how)
        replies: list[requests.Response] = []
        client = threading.Thread(target=lambda: replies.append(get(upstream.arxiv + NEW)))
        client.start()
        upstream.wait_for("arxiv")
        assert client.is_alive()
        upstream.release()
        client.join(10)
        assert "2611.10001" in replies[0].text

    @pytest.mark.parametrize("how", [{}, {"sent": 9}])
    def test_slow_outlasts_a_timeout(self, upstream: Upstream, how: dict[str, int]) -> None:
        upstream.fault("arxiv", "slow", **how)
        with pytest.raises((requests.Timeout, requests.ConnectionError)):
            get(upstream.arxiv + NEW, timeout=0.05)


class TestEnd:
    def test_closes_idle_and_held_connections(self) -> None:
        before = threading.active_count()
        with requests.Session() as session:
            session.trust_env = False
            with Upstream(small_world(TODAY)) as upstream:
                assert session.get(upstream.arxiv + NEW, timeout=10).status_code == 200
                upstream.fault("arxiv", "slow")
                with pytest.raises(requests.Timeout):
                    get(upstream.arxiv + NEW, timeout=0.05)
            assert threading.active_count() == before
            with pytest.raises(requests.ConnectionError):
                session.get(upstream.arxiv + NEW, timeout=10)

    def test_raises_what_went_wrong_inside(self) -> None:
        def ask_with_a_broken_world() -> None:
            with Upstream(small_world(TODAY)) as upstream:
                upstream.world.papers[0].categories = ()
                with pytest.raises(requests.ConnectionError):
                    get(upstream.arxiv + NEW)

        with pytest.raises(IndexError):
            ask_with_a_broken_world()

    def test_serves_as_a_process_until_stdin_closes(self) -> None:
        command = [sys.executable, "-m", "tests.upstream", "--today", TODAY.isoformat()]
        root, pipe = Path(__file__).parents[2], subprocess.PIPE
        with subprocess.Popen(
            command, text=True, cwd=root, stdin=pipe, stdout=pipe, stderr=pipe
        ) as process:
            assert process.stdout is not None
            bases = json.loads(process.stdout.readline())
            assert "2611.10001" in get(bases["arxiv"] + NEW).text
            _, noise = process.communicate(timeout=30)
        assert (process.returncode, noise) == (0, "")
