import copy
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trendbot.errors import SignalError
from trendbot.model import Post, Reading
from trendbot.signals.x_answers import Refused, explain, items_of, next_token, to_post
from trendbot.text import clean

GOLDEN = json.loads((Path(__file__).parent / "data/x_search.json").read_text(encoding="utf-8"))
FIRST = GOLDEN["data"][0]
WANTED = {f"arxiv:2611.1000{number}" for number in range(1, 6)}
NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
PROBLEMS = st.dictionaries(
    st.sampled_from(["title", "detail", "type", "errors", "status"]),
    JSON | st.just([{"message": "a\nb" * 500}]),
)


def posts(items: Sequence[Mapping[str, Any]]) -> list[Post]:
    return [post for item in items if (post := to_post(item, WANTED, NOW))]


def renamed(value: Any) -> Any:
    """The same answer under the names of X's specification 2.167."""
    names = {"retweet_count": "repost_count", "referenced_tweets": "referenced_posts"}
    names |= {"note_tweet": "note_post", "edit_history_tweet_ids": "edit_history_post_ids"}
    if isinstance(value, dict):
        return {names.get(key, key): renamed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [renamed(inner) for inner in value]
    return "reposted" if value == "retweeted" else value


def a_post(number: int, author: str, papers: tuple[str, ...], text: str, hour: str) -> Post:
    post_id = f"199130000000000000{number}"
    return Post(
        signal="x",
        id=post_id,
        papers=papers,
        author=author,
        url=f"https://x.com/i/web/status/{post_id}",
        posted_at=datetime.fromisoformat(f"2026-11-20T{hour}+00:00"),
        text=text,
        reading=READINGS[number],
    )


READINGS = {
    1: Reading(NOW, retweets=120, favorites=812, replies=14),
    2: Reading(NOW, retweets=20, favorites=60, replies=3),
    7: Reading(NOW, retweets=31, favorites=140, replies=2),
    8: Reading(NOW, retweets=1, favorites=21, replies=0),
}
LONG = "A long thread begins here, and its link is far down the page: https://t.co/invnote"
EXPECTED = [
    a_post(
        1,
        "7001",
        ("arxiv:2611.10001",),
        "Small agents need few gradients & little else https://t.co/inv000010",
        "02:14:31",
    ),
    a_post(
        2,
        "7002",
        ("arxiv:2611.10002", "arxiv:2611.10004"),
        "two papers, one evening",
        "03:00:00",
    ),
    a_post(7, "7001", ("arxiv:2611.10004",), LONG, "05:00:00"),
    a_post(8, "7001", ("arxiv:2611.10002",), "a reply", "06:00:00"),
]


@pytest.mark.parametrize("name", [lambda value: value, renamed], ids=["today", "renamed"])
def test_the_golden_answer(name: Callable[[Any], Any]) -> None:
    reply = name(GOLDEN)
    assert posts(items_of(reply)) == EXPECTED
    assert next_token(reply) == "b26v89c19zqg8o3finvented"


@given(st.permutations(GOLDEN["data"] * 2))
def test_order_and_repetition_change_no_post(items: list[dict[str, Any]]) -> None:
    assert {post.id: post for post in posts(items)} == {post.id: post for post in EXPECTED}


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("public_metrics", "retweet_count"), -1, "retweet_count"),
        (("public_metrics", "retweet_count"), None, "retweet_count"),
        (("public_metrics", "like_count"), "812", "like_count"),
        (("public_metrics", "like_count"), 8.12, "like_count"),
        (("public_metrics", "like_count"), True, "like_count"),
        (("public_metrics", "reply_count"), 10**11, "reply_count"),
        (("public_metrics",), [], "public_metrics"),
        (("public_metrics",), None, "retweet_count"),
        (("created_at",), None, "created_at"),
        (("created_at",), "yesterday", "created_at"),
        (("created_at",), "2026-11-20T02:14:31", "created_at"),
        (("created_at",), "0001-01-01T00:00:00+14:00", "created_at"),
        (("created_at",), 1763600000, "created_at"),
        (("text",), None, "text"),
        (("entities",), "x", "entities"),
        (("entities", "urls"), {}, r"entities\.urls"),
        (("entities", "urls"), ["https://arxiv.org/abs/2611.10001"], r"entities\.urls"),
        (("referenced_tweets",), {"type": "retweeted"}, "referenced_tweets"),
        (("note_tweet",), "long", "note_tweet"),
    ],
)
def test_what_makes_no_sense_is_named(path: tuple[str, ...], value: object, says: str) -> None:
    item = copy.deepcopy(FIRST)
    place = item
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    with pytest.raises(SignalError, match=f"^X: post {item['id']}: {says} is"):
        to_post(item, WANTED, NOW)


@pytest.mark.parametrize("name", ["retweet_count", "like_count", "reply_count"])
def test_a_missing_count_is_not_zero(name: str) -> None:
    item = copy.deepcopy(FIRST)
    del item["public_metrics"][name]
    with pytest.raises(SignalError, match=f"{name} is missing"):
        to_post(item, WANTED, NOW)


def test_text_is_storable_and_bounded() -> None:
    item = {**FIRST, "text": "a\ud800b\x00c\nd " + "long " * 5000}
    post = to_post(item, WANTED, NOW)
    assert post is not None
    assert post.text.startswith("abc d long")
    assert len(post.text) <= 4000
    post.text.encode()


@pytest.mark.parametrize("author", [None, "", "../x", 5, ["7001"], "@ada"])
def test_an_author_is_an_id_or_unknown(author: object) -> None:
    post = to_post({**FIRST, "author_id": author}, WANTED, NOW)
    assert post is not None
    assert post.author in ("", "5")


@given(st.sampled_from(sorted(FIRST)) | st.just("referenced_tweets"), JSON)
def test_any_value_anywhere_gives_a_post_or_a_clear_error(name: str, value: object) -> None:
    reply = {"data": [{**FIRST, name: value}]}
    try:
        found, complaint = posts(items_of(reply)), "X"
    except SignalError as error:
        found, complaint = [], str(error)
    assert len(found) <= 1
    assert complaint.startswith("X")
    assert complaint.isprintable()


@given(st.dictionaries(st.sampled_from(["data", "meta", "errors", "title"]), JSON))
def test_any_answer_is_posts_nothing_or_a_clear_error(reply: dict[str, Any]) -> None:
    try:
        items = items_of(reply)
    except SignalError:
        return
    assert items or "data" in reply or "errors" in reply or reply["meta"]["result_count"] == 0


def test_no_posts_must_be_said() -> None:
    assert items_of({"meta": {"result_count": 0}}) == []
    gone = {"parameter": "ids", "title": "Not Found Error", "resource_id": "1"}
    assert items_of({"errors": [gone]}) == []
    silent: dict[str, Any]
    for silent in ({}, {"meta": {}}, {"meta": {"result_count": 3}}, {"errors": []}):
        with pytest.raises(SignalError, match="neither posts nor a count"):
            items_of(silent)
    with pytest.raises(SignalError, match=r"neither posts .*\(Over Capacity\)"):
        items_of({"title": "Over Capacity", "errors": [gone, {"title": "Over Capacity"}]})


@pytest.mark.parametrize("token", [5, "", "x" * 2000, ["a"]])
def test_a_next_token_is_a_token(token: object) -> None:
    with pytest.raises(SignalError, match="next_token"):
        next_token({"meta": {"next_token": token}})


@given(st.integers(300, 599), PROBLEMS, st.text())
def test_every_refusal_has_one_bounded_line(
    status: int, problem: dict[str, Any], reset: str
) -> None:
    line = str(explain(Refused(status, problem, reset)))
    assert line.startswith("X")
    assert line == clean(line)
    assert len(line) < 400
