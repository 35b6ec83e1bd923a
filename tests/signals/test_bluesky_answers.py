import copy
import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.upstream.bluesky import did
from trendbot.errors import SignalError
from trendbot.model import Post, Reading
from trendbot.signals.bluesky_answers import (
    Backlinks,
    Views,
    is_handle,
    is_uri,
    read_backlinks,
    read_views,
    to_post,
    token_of,
)

NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
DATA = Path(__file__).parent / "data"
POSTS = (DATA / "bluesky_posts.json").read_text(encoding="utf-8")
BACKLINKS = (DATA / "bluesky_backlinks.json").read_text(encoding="utf-8")
PAPER = "https://arxiv.org/abs/2611.10001"
INES, OTTO = did("ines.example.org"), did("otto.example.org")

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)


def golden(number: int) -> dict[str, Any]:
    view: dict[str, Any] = json.loads(POSTS)["posts"][number]
    return view


def post_of(view: dict[str, Any]) -> Post:
    post = to_post(view, NOW)
    assert post is not None
    return post


def changed(path: tuple[str | int, ...], value: object, number: int = 0) -> dict[str, Any]:
    view = golden(number)
    place: Any = view
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return view


def test_the_golden_post() -> None:
    assert to_post(golden(0), NOW) == Post(
        signal="bluesky",
        id=f"at://{INES}/app.bsky.feed.post/3m5golden222a",
        papers=("arxiv:2611.10001",),
        author="ines.example.org",
        url=f"https://bsky.app/profile/{INES}/post/3m5golden222a",
        posted_at=datetime(2026, 11, 20, 3, 11, 9, 120_000, tzinfo=UTC),
        text="Sparse gradients are enough 🎉 arxiv.org/abs/2611.10001 #ml",
        reading=Reading(NOW, retweets=18, favorites=77, replies=2),
        automated=False,
    )


def test_a_card_without_a_word_of_it_is_a_link_and_a_bot_is_told() -> None:
    post = post_of(golden(1))
    assert (post.papers, post.automated) == (("arxiv:2611.10002",), True)


def test_all_papers_of_a_post_are_named() -> None:
    post = post_of(golden(2))
    assert post.papers == ("arxiv:2611.10002", "arxiv:2611.10004")


def test_no_post_is_from_the_future() -> None:
    assert post_of(golden(2)).posted_at == datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
    unreadable = changed(("record", "createdAt"), "0000-00-00T00:00:00Z")
    assert post_of(unreadable).posted_at == datetime(2026, 11, 20, 3, 11, 9, 521_000, tzinfo=UTC)


def test_text_is_shown_as_its_author_allows() -> None:
    assert post_of(golden(2)).text == ""
    view = golden(2)
    view["author"]["labels"] = []
    assert post_of(view).text == "Two to read: this and that"


def test_a_bare_quote_is_no_post_about_the_paper() -> None:
    assert to_post(golden(3), NOW) is None


def test_a_quote_with_a_card_of_its_own_is() -> None:
    assert post_of(golden(4)).papers == ("arxiv:2611.10003",)


def test_accounts_without_a_handle_are_told_apart() -> None:
    assert post_of(golden(4)).author == did("handle.invalid")


@pytest.mark.parametrize(
    "label",
    [
        {"val": "bot", "src": did("somebody.else")},
        {"val": "bot", "src": INES, "neg": True},
        {"val": "spam", "src": INES},
        "bot",
        {"val": ["bot"], "src": INES},
    ],
)
def test_only_its_own_label_makes_a_bot(label: object) -> None:
    assert not post_of(changed(("author", "labels"), [label])).automated
    assert post_of(changed(("author", "labels"), [label, {"val": "bot", "src": INES}])).automated


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("likeCount",), None, "likeCount is missing"),
        (("likeCount",), -1, "likeCount is missing"),
        (("repostCount",), "18", "repostCount is missing"),
        (("repostCount",), True, "repostCount is missing"),
        (("replyCount",), 10**30, "replyCount is missing"),
        (("indexedAt",), "today", "indexedAt is missing"),
        (("indexedAt",), None, "indexedAt is missing"),
        (("record",), [], "record is no object"),
        (("record", "text"), 7, "record.text is missing"),
        (("author",), "ines", "author is no object"),
        (("author", "handle"), None, "author.handle is missing"),
        (("author", "handle"), "ines", "author.handle is missing or no handle"),
        (("author", "handle"), "a.org\n<b>", "author.handle is missing or no handle"),
        (("author", "handle"), "a." * 127 + "org", "author.handle is missing or no handle"),
    ],
)
def test_what_makes_no_sense_is_named(path: tuple[str, ...], value: object, says: str) -> None:
    with pytest.raises(SignalError, match=f"^Bluesky: post at://{INES}/.*: {says}") as caught:
        to_post(changed(path, value), NOW)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["record", "author", "likeCount", "repostCount", "replyCount"])
def test_what_is_missing_is_named(name: str) -> None:
    view = golden(0)
    del view[name]
    with pytest.raises(SignalError, match=f": {name} is missing"):
        to_post(view, NOW)


@pytest.mark.parametrize(
    "odd",
    [
        {"facets": "none"},
        {"facets": [7, None, {"features": 7}, {"features": [None, {"$type": 3}]}]},
        {"facets": [{"features": [{"$type": "org.example#link", "uri": PAPER}]}]},
        {"facets": [{"features": [{"$type": "app.bsky.richtext.facet#link", "uri": ["x"]}]}]},
        {"embed": 7},
        {"embed": {"$type": "app.bsky.embed.external", "external": ["x"]}},
        {"embed": {"$type": ["app.bsky.embed.external"], "external": {"uri": "x"}}},
        {"embed": {"$type": "org.example.embed", "external": {"uri": PAPER}}},
        {"embed": {"$type": "app.bsky.embed.recordWithMedia", "media": "x"}},
        {"createdAt": 7},
    ],
)
def test_an_odd_record_costs_no_other_post(odd: dict[str, object]) -> None:
    view = golden(0)
    view["record"] = {"text": "odd", **odd}
    del view["embed"]
    assert to_post(view, NOW) is None


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "at://ines.example.org/app.bsky.feed.post/3m5golden222a",
        f"at://{INES}/app.bsky.feed.like/3m5golden222a",
        f"at://{INES}/app.bsky.feed.post/3m5/golden",
        f"at://{INES}/app.bsky.feed.post/" + "x" * 200,
        f"at://{INES}/app.bsky.feed.post/a\n",
        f'at://{INES}/app.bsky.feed.post/"><script>',
        "https://bsky.app/profile/ines/post/3m5golden222a",
    ],
)
def test_other_ids_are_none_of_ours(uri: str) -> None:
    assert not is_uri(uri)
    assert to_post(changed(("uri",), uri), NOW) is None


def test_handles() -> None:
    assert all(map(is_handle, ("a.org", "ines.bsky.social", "x-1.example.co", "xn--4ca.xn--p1ai")))
    assert not any(
        map(is_handle, ("", "ines", ".org", "a..org", "-a.org", "a.1", "A.org", "a.org\n"))
    )


def test_the_golden_backlinks() -> None:
    uris = [
        f"at://{INES}/app.bsky.feed.post/3m5golden222a",
        f"at://{OTTO}/app.bsky.feed.post/3m5golden222c",
    ]
    assert read_backlinks(BACKLINKS, 100) == Backlinks(3, uris, "0a1b2c")


def test_keys_no_post_can_have_are_left_out() -> None:
    document = json.loads(BACKLINKS)
    document["records"][0]["rkey"] = "a b"
    document["records"].append({**document["records"][1], "collection": "app.bsky.feed.like"})
    assert len(read_backlinks(json.dumps(document), 100).uris) == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"records": None, "total": 0}, "records is missing"),
        ({"records": {}}, "records is no list"),
        ({"records": ["x"]}, "records is no object"),
        ({"records": [{"did": INES, "collection": "a"}]}, "rkey of a record is missing"),
        ({"records": [{"did": INES, "rkey": "a", "collection": 1}]}, "collection of a record"),
        ({"records": [{}] * 101}, "101 records where 100 were asked for"),
        ({"cursor": 7}, "cursor is no cursor"),
        ({"cursor": "x" * 1001}, "cursor is no cursor"),
        ({"total": "3"}, "total is missing or no count"),
    ],
)
def test_backlinks_of_another_shape_are_refused(change: dict[str, object], says: str) -> None:
    text = json.dumps({**json.loads(BACKLINKS), **change})
    with pytest.raises(SignalError, match=f"^Constellation: getBacklinks: .*{says}"):
        read_backlinks(text, 100)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<html>", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is no object any more"),
        ("{}", "posts is missing"),
        ('{"posts": {}}', "posts is no list"),
        ('{"posts": ["x"]}', "posts is no object"),
        ('{"posts": [{}]}', "a post has no uri"),
        ('{"posts": [{"uri": 7}]}', "a post has no uri"),
        (json.dumps({"posts": [{"uri": "x"}] * 26}), "26 posts where 25 were asked for"),
        ('{"posts": [], "cursor": [1]}', "cursor is no cursor"),
    ],
)
def test_posts_of_another_shape_are_refused(text: str, says: str) -> None:
    with pytest.raises(SignalError, match=f"^Bluesky: getPosts:? {says}"):
        read_views(text, 25, "getPosts")


def test_an_empty_cursor_is_the_end() -> None:
    assert read_views('{"posts": [], "cursor": null}', 25, "searchPosts") == Views([], "")
    assert read_views('{"posts": [], "cursor": ""}', 25, "searchPosts") == Views([], "")


@pytest.mark.parametrize("token", [None, 7, "", "a b", "a\r\nX-Evil: 1", "é", "x" * 8001])
def test_what_is_no_token_is_refused_and_not_shown(token: object) -> None:
    with pytest.raises(SignalError, match=r"accessJwt is missing or no token$"):
        token_of(json.dumps({"accessJwt": token}))


@given(st.text() | json_values.map(json.dumps))
def test_any_text_is_an_answer_or_an_error(text: str) -> None:
    for read in (
        lambda: read_backlinks(text, 100),
        lambda: read_views(text, 25, "getPosts"),
        lambda: token_of(text),
    ):
        with suppress(SignalError):
            read()


@given(st.data())
def test_any_value_anywhere_in_a_post_is_a_post_or_an_error(data: st.DataObject) -> None:
    view = golden(data.draw(st.integers(0, 4)))
    place: Any = view
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        inner = place[key]
        if not (isinstance(inner, dict | list) and inner) or data.draw(st.booleans()):
            break
        place = inner
    if key != "uri" or place is not view:  # that the id is a text was seen to before
        place[key] = data.draw(json_values)
    before = copy.deepcopy(view)
    with suppress(SignalError):
        post = to_post(view, NOW)
        assert post is None or (post.papers and post.posted_at.tzinfo and len(post.text) <= 4000)
    assert str(view) == str(before)
