"""The upstream's Hugging Face answers in the shape of the daily papers."""

from tests.upstream.client import get
from tests.upstream.server import Upstream


def test_lists_a_day(upstream: Upstream) -> None:
    url = f"{upstream.huggingface}/api/daily_papers"
    reply = get(url, date="2026-11-20")
    first = reply.json()[0]
    assert [one["paper"]["id"][-5:] for one in reply.json()] == ["10001", "10002", "99998"]
    assert (first["paper"]["upvotes"], first["numComments"]) == (42, 5)
    assert first["paper"]["githubStars"] == 130
    assert first["paper"]["submittedOnDailyAt"] == "2026-11-20T00:00:00.000Z"
    assert set(first) == {
        *("paper", "publishedAt", "title", "summary", "thumbnail", "numComments"),
        *("submittedBy", "isAuthorParticipating"),
    }
    assert "r=499" in reply.headers["RateLimit"]


def test_filters_and_pages(upstream: Upstream) -> None:
    url = f"{upstream.huggingface}/api/daily_papers"
    upstream.world.entry("2611.10002").upvotes = 99
    assert get(url, date="2026-11-18").json() == []
    assert len(get(url, week="2026-W47").json()) == 5
    second = get(url, date="2026-11-20", limit=1, p=1, sort="trending").json()
    assert [one["paper"]["id"] for one in second] == ["2611.10001"]
    for wrong in ({"date": "yesterday"}, {"date": "2026-02-30"}, {"limit": 101}):
        assert get(url, **wrong).status_code == 400


def test_shows_one_paper(upstream: Upstream) -> None:
    url = f"{upstream.huggingface}/api/papers"
    assert get(f"{url}/2611.10001").json()["upvotes"] == 42
    assert get(f"{url}/2611.10003").status_code == 404
