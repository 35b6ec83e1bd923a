"""The daily job as its operator runs it: three networks in, SMTP out, parsed as it arrived."""

import json
import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import Engine, update

from tests.acceptance.conftest import Trendbot
from tests.smtpd import Smtpd
from tests.upstream.server import Upstream
from tests.upstream.world import World
from trendbot.store.schema import subscribers

READERS = ("ada@example.org", "grace@example.net", "kurt@example.com")


def true_counts(world: World) -> dict[str, tuple[int, int]]:
    """What the world knows: retweets and favorites of each of Friday's papers, originals only."""
    month = f"{world.today:%y%m}"
    counts: dict[str, tuple[int, int]] = {}
    for paper in (f"{month}.1000{n}" for n in range(1, 6)):
        posts = [post for post in world.posts_about(paper) if not post.repost_of]
        upvotes = sum(entry.upvotes for entry in world.entries if entry.paper_id == paper)
        favorites = sum(post.favorites for post in posts) + upvotes
        counts[paper] = (sum(post.retweets for post in posts), favorites)
    return {paper: both for paper, both in counts.items() if sum(both)}


def arrived(mail: bytes) -> EmailMessage:
    return message_from_bytes(mail, policy=policy.default)


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())


def test_the_job_keeps_the_readers_hours(trendbot: Trendbot, smtpd: Smtpd, engine: Engine) -> None:
    trendbot.environment["TRENDBOT_SCHEDULE__TIMEZONE"] = "Asia/Tokyo"  # where it is 15:30
    for reader in READERS:
        trendbot("subscribers", "add", reader, "--confirmed")
    with engine.begin() as conn:
        of_ada, of_grace = (
            update(subscribers).where(subscribers.c.email == name) for name in READERS[:2]
        )
        conn.execute(of_ada.values(hour=16))
        conn.execute(of_grace.values(hour=7, timezone="Europe/Berlin"))  # where it is 07:30
    out = trendbot("run", "--date", "2026-11-20")
    assert "2 sent, 1 pending" in out
    assert "1 wait for their reader's hour" in out
    trendbot.moment = "2026-11-21T06:59+00:00"
    trendbot("deliver")
    assert set(smtpd.copies()) == set(READERS[1:])
    trendbot.moment = "2026-11-21T07:00+00:00"
    assert "3 sent" in trendbot("deliver")
    assert smtpd.copies() == dict.fromkeys(READERS, 1)


def test_the_job_from_listing_to_mailbox(
    trendbot: Trendbot, upstream: Upstream, smtpd: Smtpd
) -> None:
    for reader in READERS:
        trendbot("subscribers", "add", reader, "--confirmed")
    out = trendbot("run", "--date", "2026-11-20")
    assert "3 sent" in out

    truth = true_counts(upstream.world)
    ranked = trendbot.document("rank", "--date", "2026-11-20")["papers"]
    assert {p["id"]: (p["retweets"], p["favorites"]) for p in ranked} == truth
    assert [p["id"] for p in ranked] == sorted(truth, key=lambda key: -sum(truth[key]))

    assert sorted(mail.recipient for mail in smtpd.mails) == sorted(READERS)
    assert len({arrived(mail.message)["Message-ID"] for mail in smtpd.mails}) == 3
    for mail in smtpd.mails:
        message = arrived(mail.message)
        assert message["To"] == mail.recipient
        assert mail.sender == "digest@papers.example.org"
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert message["Auto-Submitted"] == "auto-generated"
        assert message["Bcc"] is None
        assert message["X-Injected"] is None
        text, page = part(message, "plain"), BeautifulSoup(part(message, "html"), "html.parser")
        assert not page.select("script, img[onerror]")
        for paper in truth:
            assert f"https://arxiv.org/abs/{paper}" in text
            assert page.select(f'a[href="https://arxiv.org/abs/{paper}"]')
        first = max(truth, key=lambda key: sum(truth[key]))
        retweets, favorites = truth[first]
        assert f"{retweets:,} retweets" in text
        assert f"{favorites:,} favorites" in text
        assert "O(log n)" in text
        assert "1 Long Road, Springfield" in text


def test_twice_is_once(trendbot: Trendbot, smtpd: Smtpd, upstream: Upstream) -> None:
    trendbot("subscribers", "add", READERS[0], "--confirmed")
    trendbot("run", "--date", "2026-11-20")
    upstream.world.posts[0].favorites += 1000
    trendbot("run", "--date", "2026-11-20")
    trendbot("deliver")
    assert smtpd.copies() == {READERS[0]: 1}
    books = trendbot.document("status")["digests"]
    assert [(b["audience"], b["sent"], b["balanced"]) for b in books] == [(1, 1, True)]


def test_every_number_leads_to_posts(trendbot: Trendbot, upstream: Upstream) -> None:
    trendbot("run", "--date", "2026-11-20", "--no-deliver")
    document = json.loads(trendbot("digest", "show", "--date", "2026-11-20", "--format", "json"))
    first = document["papers"][0]
    original = {post.id: post for post in upstream.world.posts_about(first["id"])}
    on_x = [post for post in first["posts"] if post["signal"] == "x"]
    assert on_x
    for post in on_x:
        assert post["reading"]["retweets"] == original[post["id"]].retweets
        assert post["reading"]["favorites"] == original[post["id"]].favorites
        assert not original[post["id"]].repost_of
    assert sum(post["reading"]["favorites"] for post in first["posts"]) == first["favorites"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("where", "kind", "how"),
    [
        ("huggingface", "status", {"status": 500}),
        ("huggingface", "malformed", {}),
        ("x", "credits", {}),
        ("x", "rate_limited", {"reset": None}),
        ("x", "status", {"status": 401, "body": "{}"}),
    ],
)
def test_one_signal_down_does_not_stop_the_digest(
    where: str,
    kind: str,
    how: dict[str, Any],
    trendbot: Trendbot,
    upstream: Upstream,
    smtpd: Smtpd,
) -> None:
    upstream.fault(where, kind, times=None, **how)
    trendbot("subscribers", "add", READERS[0], "--confirmed")
    trendbot("run", "--date", "2026-11-20")
    assert smtpd.copies() == {READERS[0]: 1}
    signals = {one["name"]: one for one in trendbot.document("status")["signals"]}
    other = "x" if where == "huggingface" else "huggingface"
    assert signals[other]["outcome"] == "ok"
    assert signals[where]["outcome"] in ("failed", "stopped")
    assert len(signals[where]["message"]) > 20


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_signal_answering_is_no_quiet_day(
    trendbot: Trendbot, upstream: Upstream, smtpd: Smtpd
) -> None:
    upstream.fault("huggingface", "malformed", times=None)
    upstream.fault("x", "credits", times=None)
    trendbot("subscribers", "add", READERS[0], "--confirmed")
    err = trendbot("run", "--date", "2026-11-20", status=1)
    assert "signal x" in err
    assert "signal huggingface" in err
    assert smtpd.mails == []
    upstream.clear_faults()
    trendbot.moment = "2026-11-22T06:30+00:00"
    trendbot("run", "--date", "2026-11-20")
    assert smtpd.copies() == {READERS[0]: 1}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_source_that_fails_is_no_quiet_day(
    trendbot: Trendbot, upstream: Upstream, smtpd: Smtpd
) -> None:
    for service in ("arxiv", "arxiv_api", "rss"):
        upstream.fault(service, "malformed", times=None)
    err = trendbot("run", "--date", "2026-11-20", status=1)
    assert "source arxiv" in err
    (source,) = trendbot.document("status")["sources"]
    assert source["outcome"] == "failed"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_holiday_is_a_quiet_day(trendbot: Trendbot, upstream: Upstream, smtpd: Smtpd) -> None:
    upstream.world.papers = []
    trendbot("subscribers", "add", READERS[0], "--confirmed")
    out = trendbot("run", "--date", "2026-11-20")
    assert "no paper was announced on 2026-11-20" in out
    assert smtpd.mails == []
    (source,) = trendbot.document("status")["sources"]
    assert source["outcome"] == "quiet"


def test_the_budget_survives_restarts(trendbot: Trendbot, upstream: Upstream) -> None:
    trendbot.set(**{"min_likes = 0": "min_likes = 0\ndaily_post_budget = 12"})
    for _ in range(3):
        trendbot("collect", "--date", "2026-11-20", status=0 if not upstream.asked("x") else 1)
    read = [int(one.query["max_results"]) for one in upstream.asked("/2/tweets/search/recent")]
    assert sum(read) <= 12
    signals = {one["name"]: one for one in trendbot.document("status")["signals"]}
    assert signals["x"]["outcome"] == "stopped"
    assert re.search("budget", signals["x"]["message"])
