"""What X says of all stored posts at once: which are there, and which are gone."""

import logging
from collections.abc import Iterable

import pytest

from tests.signals.crowds import LOOK_UP, SEARCH, Build, a_post, counts, crowd, gone, looked
from tests.signals.outside import Purse, papers_of
from tests.upstream.server import Upstream
from tests.upstream.x_compliance import FILES, STORAGE
from trendbot.errors import SignalError
from trendbot.model import Gone, Post, There
from trendbot.signals.x import X
from trendbot.signals.x_compliance import MOST_POLLS, read

JOBS = "/2/compliance/jobs"


def there(found: Iterable[Post | Gone | There]) -> list[str]:
    return [one.id for one in found if isinstance(one, There)]


@pytest.fixture
def old(upstream: Upstream) -> list[str]:
    """The ids of twelve posts that no search returns, the sixth deleted, the last hidden."""
    posts = [a_post(upstream, number, 100, 90) for number in range(12)]
    upstream.world.posts = list(posts)
    posts[5].deleted = True
    upstream.world.x.hidden = {posts[-1].author}
    return [post.id for post in posts]


def test_all_stored_posts_are_asked_about_at_once_and_for_nothing(
    build: Build, upstream: Upstream, purse: Purse, old: list[str]
) -> None:
    upstream.world.x.polls = 3
    found = looked(build(stored=[*old, "archive-total"]), upstream)
    assert sorted(gone(found)) == [old[5], old[-1]]
    assert sorted(there(found)) == sorted({*old} - {old[5], old[-1]})
    assert {one.seen_at for one in found if isinstance(one, There)} == {upstream.world.now}
    [upload] = upstream.asked(f"{FILES}/*/submission")
    assert upload.query["body"].splitlines() == old
    assert upload.query["X-Goog-Signature"] == "ab/cd"
    assert "authorization" not in upload.headers
    assert len(upstream.asked(f"{JOBS}/*")) == 4
    assert upstream.asked(LOOK_UP) == []
    assert purse.notes["compliance"] == (1, 0, 2, 0)
    assert purse.spent == purse.noted


def test_what_the_search_found_is_read_beside_it(build: Build, upstream: Upstream) -> None:
    [first, second] = crowd(upstream, 2)
    found = looked(build(stored=[first, second]), upstream)
    assert set(counts([one for one in found if isinstance(one, Post)])) == {first, second}
    assert (sorted(there(found)), gone(found)) == ([first, second], [])


@pytest.mark.parametrize("stored", [[], ["archive-total"]])
def test_without_posts_there_is_no_job(build: Build, upstream: Upstream, stored: list[str]) -> None:
    looked(build(stored=stored), upstream)
    assert upstream.asked(f"{JOBS}*") == []


def until_it_failed(x: X, upstream: Upstream, why: str) -> list[Post | Gone | There]:
    found: list[Post | Gone | There] = []
    with pytest.raises(SignalError, match=why):
        found.extend(x.measure(papers_of(upstream.world), upstream.world.now))
    return found


def test_a_day_that_is_spent_is_no_reason_not_to_ask(
    build: Build, upstream: Upstream, purse: Purse, old: list[str]
) -> None:
    purse.spent = 200
    found = until_it_failed(build(stored=old), upstream, "is spent")
    assert (len(gone(found)), len(there(found))) == (2, 10)


def test_a_search_that_fails_is_no_reason_not_to_ask(
    build: Build, upstream: Upstream, old: list[str]
) -> None:
    upstream.fault(SEARCH, "status")
    found = until_it_failed(build(stored=old), upstream, "503")
    assert (len(gone(found)), len(there(found))) == (2, 10)


@pytest.mark.parametrize(
    ("where", "fault", "why"),
    [
        (JOBS, {"kind": "status"}, "HTTP 503"),
        (JOBS, {"kind": "json", "document": {"data": {"id": 7}}}, "has no id"),
        (JOBS, {"kind": "json", "document": {"data": [1]}}, "data is no object"),
        (JOBS, {"kind": "malformed"}, "no JSON about compliance"),
        (JOBS, {"kind": "json", "document": {"data": {"id": "7"}}}, "not at https://storage"),
        (f"{FILES}/*/submission", {"kind": "status", "status": 403}, "HTTP 403"),
        (f"{JOBS}/*", {"kind": "json", "document": {"data": {"id": "7"}}}, "or another one"),
        (f"{JOBS}/*", {"kind": "status", "status": 404}, "HTTP 404"),
        (
            f"{FILES}/*/results",
            {"kind": "malformed", "body": b'{"id": "7"}'},
            "without id or action",
        ),
        (f"{FILES}/*/results", {"kind": "malformed", "body": b"<html>"}, "no JSON"),
        (f"{FILES}/*/results", {"kind": "status", "status": 403}, "HTTP 403"),
    ],
)
def test_where_x_does_not_tell_nothing_is_gone_and_the_look_is_well(
    build: Build,
    upstream: Upstream,
    caplog: pytest.LogCaptureFixture,
    old: list[str],
    where: str,
    fault: dict[str, object],
    why: str,
) -> None:
    upstream.fault(where, times=None, **fault)  # type: ignore[arg-type]
    with caplog.at_level(logging.WARNING):
        found = looked(build(stored=old), upstream)
    assert (gone(found), there(found)) == ([], [])
    assert why in caplog.text
    assert "no look finds for a day do not count" in caplog.text
    assert "Signature" not in caplog.text
    assert len(upstream.asked(SEARCH)) == 1


@pytest.mark.parametrize(("status", "why"), [("failed", "'failed'"), ("expired", "'expired'")])
def test_a_job_that_fails_tells_nothing(
    build: Build,
    upstream: Upstream,
    caplog: pytest.LogCaptureFixture,
    old: list[str],
    status: str,
    why: str,
) -> None:
    job = {"id": "1420000000000000000", "status": status}
    upstream.fault(f"{JOBS}/*", "json", document={"data": job})
    assert gone(looked(build(stored=old), upstream)) == []
    assert why in caplog.text


def test_a_job_is_not_waited_for_without_end(
    build: Build, upstream: Upstream, caplog: pytest.LogCaptureFixture, old: list[str]
) -> None:
    upstream.world.x.polls = 1000
    assert there(looked(build(stored=old), upstream)) == []
    assert len(upstream.asked(f"{JOBS}/*")) == MOST_POLLS
    assert "took over 180 seconds" in caplog.text


def test_nobody_else_is_asked_for_files(
    build: Build, upstream: Upstream, caplog: pytest.LogCaptureFixture, old: list[str]
) -> None:
    for host in ("http://169.254.169.254", f"{STORAGE}.evil.test", upstream.mastodon):
        job = {"id": "7", "status": "created", "upload_url": f"{host}/x", "download_url": STORAGE}
        upstream.fault(JOBS, "json", document={"data": job})
        assert there(looked(build(stored=old), upstream)) == []
    assert upstream.asked("x_storage") == upstream.asked("mastodon") == []
    assert caplog.text.count("are not at https://storage.googleapis.com") == 3


def test_that_all_are_gone_is_not_believed(
    build: Build, upstream: Upstream, caplog: pytest.LogCaptureFixture, old: list[str]
) -> None:
    for post in upstream.world.posts:
        post.deleted = True
    assert gone(looked(build(stored=old), upstream)) == []
    assert "none of 12 known posts is there" in caplog.text
    assert len(gone(looked(build(stored=old[:9]), upstream))) == 9


def test_only_what_was_asked_about_is_gone(
    build: Build, upstream: Upstream, old: list[str]
) -> None:
    upstream.fault(f"{FILES}/*/results", "malformed", body=b'{"id": "7", "action": "delete"}\n')
    found = looked(build(stored=old), upstream)
    assert (gone(found), len(there(found))) == ([], 12)


def test_a_post_that_is_edited_or_has_lost_its_place_is_there_still() -> None:
    lines = [
        '{"id": "1", "action": "delete", "reason": "deleted"}',
        '{"id": "2", "action": "delete", "reason": "scrub_geo"}',
        "",
        '{"id": "3", "action": "delete", "reason": "protected"}',
        '{"id": "4", "action": "tweet_edit"}',
    ]
    assert read("\r\n".join(lines)) == {"1", "3"}
    assert read("") == set()


def test_check_says_whether_x_tells(build: Build, upstream: Upstream) -> None:
    assert build().check().endswith("a day; tells which posts are deleted")
    upstream.world.x.has_compliance = False
    refusal = f"does not tell which posts are deleted ({upstream.x}{JOBS}: answered HTTP 403"
    assert refusal in build().check()
