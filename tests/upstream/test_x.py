"""The upstream's X answers in the documented shapes and keeps the documented limits."""

import json
from datetime import timedelta
from typing import Any

import pytest
import requests
from requests import Response

from tests.upstream.client import get
from tests.upstream.server import Upstream
from tests.upstream.world import WorldPost, snowflake

BEARER = {"Authorization": "Bearer anything"}
ALL_FIELDS = "created_at,author_id,lang,entities,public_metrics,referenced_tweets"


def search(upstream: Upstream, **query: Any) -> Response:
    asked = {"query": "url:arxiv.org", "max_results": 100, **query}
    return get(f"{upstream.x}/2/tweets/search/recent", BEARER, **asked)


def found(upstream: Upstream, **query: Any) -> list[str]:
    return [post["id"] for post in search(upstream, **query).json().get("data", [])]


class TestSearch:
    def test_answers_in_the_documented_shape(self, upstream: Upstream) -> None:
        reply = search(upstream, **{"tweet.fields": ALL_FIELDS, "expansions": "author_id"})
        document = reply.json()
        lead = next(post for post in document["data"] if post["text"].startswith("Sparse"))
        assert set(document) == {"data", "includes", "meta"}
        assert lead["public_metrics"] == {
            "retweet_count": 120,
            "reply_count": 14,
            "like_count": 812,
            "quote_count": 23,
            "bookmark_count": 406,
            "impression_count": 73097,
        }
        (url,) = lead["entities"]["urls"]
        assert url["expanded_url"] == "https://arxiv.org/abs/2611.10001"
        assert lead["text"][url["start"] : url["end"]] == url["url"]
        assert lead["edit_history_tweet_ids"] == [lead["id"]]
        assert lead["created_at"] == "2026-11-20T03:20:00.000Z"
        assert reply.headers["x-rate-limit-remaining"] == "449"

    def test_gives_id_and_text_unless_asked_for_more(self, upstream: Upstream) -> None:
        posts = search(upstream).json()["data"]
        assert {key for post in posts for key in post} == {"id", "text", "edit_history_tweet_ids"}

    def test_pages_newest_first_without_reposts(self, upstream: Upstream) -> None:
        ids, token = [], None
        while token != "":
            more: dict[str, str] = {"next_token": token} if token else {}
            page = search(upstream, max_results=10, **more).json()
            ids += [post["id"] for post in page["data"]]
            token = page["meta"].get("next_token", "")
        originals = [post.id for post in upstream.world.posts if not post.repost_of]
        assert ids == sorted(originals, key=int, reverse=True)
        assert len(ids) == 18

    def test_says_nothing_found(self, upstream: Upstream) -> None:
        assert search(upstream, query="url:example.net").json() == {"meta": {"result_count": 0}}

    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ('url:"2611.10002"', 3),
            ('url:"2611.1000"', 0),
            ("url:arxiv.org min_likes:100 -is:quote", 4),
            ("url:arxiv.org (min_reposts:100 OR lang:und)", 3),
            ("from:otto has:links", 2),
            ("gradients", 1),
        ],
    )
    def test_understands_operators(self, upstream: Upstream, query: str, count: int) -> None:
        assert len(found(upstream, query=query)) == count

    def test_begins_after_since_id_or_at_start_time(self, upstream: Upstream) -> None:
        posts = upstream.world.posts
        assert found(upstream, since_id=posts[18].id) == [posts[19].id]
        at = posts[19].created_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        assert found(upstream, start_time=at) == [posts[19].id]

    def test_hides_what_is_not_posted_yet_and_what_is_gone(self, upstream: Upstream) -> None:
        later = upstream.world.now + timedelta(hours=1)
        link = ("https://arxiv.org/abs/2611.10001",)
        upstream.world.posts.append(WorldPost(snowflake(later), "later", link, later))
        upstream.world.posts[19].deleted = True
        assert len(found(upstream)) == 17
        upstream.world.now = later + timedelta(minutes=1)
        assert found(upstream)[0] == snowflake(later)

    @pytest.mark.parametrize(
        ("wrong", "named"),
        [
            ({"max_results": 9}, "max_results"),
            ({"max_results": 101}, "max_results"),
            ({"query": "url:" + "a" * 509}, "query"),
            ({"query": "url:arxiv.org min_faves:10"}, "query"),
            ({"query": "url:arxiv.org min_retweets:10"}, "query"),
            ({"query": "-is:retweet lang:en"}, "query"),
            ({"query": "(url:arxiv.org"}, "query"),
            ({"start_time": "2026-11-13T18:00:00Z"}, "start_time"),
            ({"start_time": "2026-11-20"}, "start_time"),
            ({"end_time": "2026-11-20T18:00:00Z"}, "end_time"),
            ({"since_id": "1991234567890123456"}, "since_id"),
            ({"next_token": "nonsense"}, "next_token"),
            ({"post.fields": "id"}, "post.fields"),
            ({"tweet.fields": "retweet_count"}, "tweet.fields"),
        ],
    )
    def test_refuses_what_x_refuses(
        self, upstream: Upstream, wrong: dict[str, Any], named: str
    ) -> None:
        reply = search(upstream, **wrong)
        assert reply.status_code == 400
        assert set(reply.json()) == {"errors", "title", "detail", "type"}
        assert list(reply.json()["errors"][0]["parameters"]) == [named]

    def test_wants_a_token(self, upstream: Upstream) -> None:
        url = f"{upstream.x}/2/tweets/search/recent?query=url:arxiv.org"
        upstream.world.x.token = "right"
        codes = [
            get(url, {"Authorization": value}).status_code
            for value in ("", "Basic x", "Bearer wrong", "Bearer right")
        ]
        assert codes == [401, 401, 401, 200]


class TestPosts:
    def test_looks_up_and_names_the_missing(self, upstream: Upstream) -> None:
        posts = upstream.world.posts
        posts[1].deleted = True
        ids = f"{posts[0].id},{posts[1].id},77"
        fields: dict[str, Any] = {"tweet.fields": "public_metrics"}
        document = get(f"{upstream.x}/2/tweets", BEARER, ids=ids, **fields).json()
        assert [post["id"] for post in document["data"]] == [posts[0].id]
        assert [error["resource_id"] for error in document["errors"]] == [posts[1].id, "77"]
        posts[0].favorites = 4000
        again = get(f"{upstream.x}/2/tweets", BEARER, ids=posts[0].id, **fields).json()
        assert again["data"][0]["public_metrics"]["like_count"] == 4000

    def test_hides_accounts_and_says_so(self, upstream: Upstream) -> None:
        shown, hidden = upstream.world.posts[0], upstream.world.posts[6]
        upstream.world.x.hidden = {hidden.author}
        document = get(f"{upstream.x}/2/tweets", BEARER, ids=f"{shown.id},{hidden.id}").json()
        assert [post["id"] for post in document["data"]] == [shown.id]
        (error,) = document["errors"]
        assert (error["resource_id"], error["title"]) == (hidden.id, "Authorization Error")
        assert error["type"].endswith("/not-authorized-for-resource")
        assert hidden.id not in found(upstream)

    def test_takes_a_hundred_ids(self, upstream: Upstream) -> None:
        url = f"{upstream.x}/2/tweets"
        some = [str(number) for number in range(1, 102)]
        assert get(url, BEARER, ids=",".join(some[:100])).status_code == 200
        assert get(url, BEARER, ids=",".join(some)).status_code == 400
        assert get(url, BEARER, ids="abc").status_code == 400

    def test_gives_reposts_only_by_rule_and_with_their_originals_retweets(
        self, upstream: Upstream
    ) -> None:
        upstream.world.x.search_has_reposts = True
        posts = search(upstream, query="from:ben", **{"tweet.fields": ALL_FIELDS})
        (repost,) = posts.json()["data"]
        assert repost["referenced_tweets"][0]["type"] == "retweeted"
        assert repost["public_metrics"]["retweet_count"] == 120
        assert repost["public_metrics"]["like_count"] == 0
        assert repost["text"].startswith("RT @ada: Sparse gradients")

    def test_renames_fields_on_demand(self, upstream: Upstream) -> None:
        upstream.fault("x", "renamed")
        fields = {"tweet.fields": ALL_FIELDS}
        post = search(upstream, query="this", **fields).json()["data"][0]
        assert post["public_metrics"]["repost_count"] == 7
        assert "retweet_count" not in post["public_metrics"]
        assert post["edit_history_post_ids"] == [post["id"]]
        assert post["referenced_posts"][0]["type"] == "quoted"
        assert "retweet_count" in search(upstream, **fields).text

    def test_takes_only_post_fields_on_demand(self, upstream: Upstream) -> None:
        upstream.world.x.only_post_fields = True
        refused = search(upstream, **{"tweet.fields": "public_metrics"})
        taken = search(upstream, **{"post.fields": "public_metrics"})
        assert refused.status_code == 400
        assert "tweet.fields" in refused.json()["errors"][0]["message"]
        assert "repost_count" in taken.json()["data"][0]["public_metrics"]

    def test_counts_by_day(self, upstream: Upstream) -> None:
        url = f"{upstream.x}/2/tweets/counts/recent"
        document = get(url, BEARER, query="url:arxiv.org", granularity="day").json()
        assert document["meta"] == {"total_tweet_count": 18}
        assert document["data"][-1] == {
            "start": "2026-11-20T00:00:00.000Z",
            "end": "2026-11-21T00:00:00.000Z",
            "tweet_count": 12,
        }

    def test_counts_what_a_search_would_return(self, upstream: Upstream) -> None:
        url = f"{upstream.x}/2/tweets/counts/recent"
        query = "url:arxiv.org min_likes:50"
        document = get(url, BEARER, query=query, granularity="day").json()
        assert document["meta"]["total_tweet_count"] == len(found(upstream, query=query)) == 6

    def test_embeds_without_a_token(self, upstream: Upstream) -> None:
        post = upstream.world.posts[10]
        address = f"https://x.com/i/web/status/{post.id}"
        document = get(f"{upstream.x}/oembed?url={address}&omit_script=1").json()
        assert "a proof &amp; &lt;b&gt;more" in document["html"]
        assert "<script" not in document["html"]
        assert document["height"] is None
        post.deleted = True
        assert get(f"{upstream.x}/oembed?url={address}").status_code == 404


class TestCompliance:
    def test_a_job_finds_what_is_gone_or_hidden(self, upstream: Upstream) -> None:
        world = upstream.world
        deleted, hidden, there = world.posts[:3]
        deleted.author, deleted.deleted, there.author = "sorry", True, "glad"
        world.x.hidden = {hidden.author}
        jobs = f"{upstream.x}/2/compliance/jobs"
        made = requests.post(jobs, json={"type": "tweets"}, headers=BEARER, timeout=10).json()
        job = made["data"]
        assert job["status"] == "created"
        assert get(jobs, BEARER, type="tweets").json()["data"][0]["id"] == job["id"]
        upload, download = (
            job[name].replace("https://storage.googleapis.com", upstream.x_storage)
            for name in ("upload_url", "download_url")
        )
        ids = f"{deleted.id}\n{hidden.id}\n{there.id}\n"
        for kind, status in (("text/html", 403), ("text/plain", 200)):
            put = requests.put(upload, ids, headers={"Content-Type": kind}, timeout=10)
            assert put.status_code == status
        states = [get(f"{jobs}/{job['id']}", BEARER).json()["data"]["status"] for _ in range(3)]
        assert states == ["in_progress", "complete", "complete"]
        lines = [json.loads(line) for line in get(download).text.splitlines()]
        assert [(one["id"], one["reason"]) for one in lines] == [
            (deleted.id, "deleted"),
            (hidden.id, "suspended"),
        ]

    def test_what_is_not_there_or_not_allowed_is_refused(self, upstream: Upstream) -> None:
        jobs = f"{upstream.x}/2/compliance/jobs"
        assert get(jobs, type="tweets").status_code == 401
        assert get(jobs, BEARER).status_code == 400
        assert get(f"{jobs}/7", BEARER).status_code == 404
        assert get(f"{upstream.x_storage}/twttr-tweet-compliance/7/results").status_code == 404
        upstream.world.x.has_compliance = False
        assert get(jobs, BEARER, type="tweets").status_code == 403
