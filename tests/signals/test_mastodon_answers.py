import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trendbot.errors import SignalError
from trendbot.model import Post, Reading
from trendbot.signals.mastodon_answers import (
    addresses_of,
    at_home,
    document,
    is_own,
    server_of,
    statuses_of,
    to_post,
)
from trendbot.text import HIDDEN

NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
HOST = "mastodon.example"
GOLDEN = (Path(__file__).parent / "data/mastodon_statuses.json").read_text(encoding="utf-8")
STATUSES = json.loads(GOLDEN)
LINK = '<a href="https://arxiv.org/abs/2611.10001">a paper</a>'
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


def changed(**fields: object) -> dict[str, Any]:
    return {**STATUSES[0], **fields}


def post_of(**fields: object) -> Post | None:
    return to_post(changed(**fields), HOST, NOW)


def test_the_golden_statuses() -> None:
    first, second, third = (
        to_post(status, HOST, NOW) for status in statuses_of(document(GOLDEN, HOST), HOST)
    )
    assert first == Post(
        signal="mastodon",
        id="https://mastodon.example/users/ines/statuses/115579001122334455",
        papers=("arxiv:2611.10001", "arxiv:2611.09001"),
        author="ines@mastodon.example",
        url="https://mastodon.example/@ines/115579001122334455",
        posted_at=datetime(2026, 11, 20, 8, 15, 30, 250_000, tzinfo=UTC),
        text="Two papers & one idea: https://arxiv.org/abs/2611.10001 the other #arXiv",
        reading=Reading(NOW, retweets=17, favorites=52, replies=4),
    )
    assert second == Post(
        signal="mastodon",
        id="https://elsewhere.example/objects/5f1c",
        papers=("arxiv:2611.10002",),
        author="feed@elsewhere.example",
        url="https://elsewhere.example/objects/5f1c",
        posted_at=datetime(2026, 11, 20, 4, tzinfo=UTC),
        text="owls",
        reading=Reading(NOW, 0, 1, 0),
        automated=True,
    )
    assert third is None  # an id and a DOI in the text are no links


@pytest.mark.parametrize(
    "fields",
    [
        {"reblog": STATUSES[1]},
        {"visibility": "private"},
        {"visibility": "direct"},
        {"visibility": None},
        {"content": "<p>no link</p>"},
        {"content": '<p class="quote-inline">RE: <a href="https://m.example/@a/1">it</a></p>'},
        {"content": f"<!-- {LINK} -->"},
        {"uri": None},
        {"uri": "javascript:alert(1)"},
        {"uri": "https://mastodon.example/" + "x" * 300},
    ],
)
def test_what_is_no_post(fields: dict[str, object]) -> None:
    assert post_of(**fields) is None


def test_what_another_server_made_up_is_not_shown() -> None:
    post = post_of(url="javascript:alert(1)", account={"acct": "<b>@evil.example", "bot": "yes"})
    assert post
    assert (post.url, post.author, post.automated) == (post.id, "", False)


def test_text_is_one_bounded_line_without_html() -> None:
    post = post_of(content=f"<p>a<b>b</b>\u202e<br>c</p><ul><li>d</li></ul>{LINK}{'e ' * 20000}")
    assert post
    assert post.text.startswith("ab c da paper")
    assert len(post.text) <= 4000
    far = post_of(content=f"{'x' * 60_000}{LINK}")
    assert far is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            (name, value)
            for name in ("reblogs_count", "favourites_count", "replies_count")
            for value in (None, -1, "42", True, 10**30)
        ),
        ("created_at", "today"),
        ("created_at", None),
        ("content", None),
        ("content", ["x"]),
        ("account", "ines"),
        ("card", [1]),
    ],
)
def test_what_makes_no_sense_is_named(name: str, value: object) -> None:
    with pytest.raises(SignalError, match=f"^{HOST}: status 115579001122334455: {name}"):
        post_of(**{name: value})


@given(st.dictionaries(st.sampled_from(sorted(STATUSES[0])), ODD))
def test_any_status_is_a_post_none_or_an_error(bent: dict[str, Any]) -> None:
    said = HOST
    try:
        status = statuses_of([STATUSES[0] | bent], HOST)[0]
        is_own(status)
        post = to_post(status, HOST, NOW)
        assert post is None or post.papers
    except SignalError as error:
        said = str(error)
    assert said.startswith(HOST)
    assert "\n" not in said


@pytest.mark.parametrize(
    "odd", ["<a " * 20_000, "<!--" * 20_000, "<b>" * 20_000, "<![\0", "<?xml?>", "<![n", "&#xD800;"]
)
def test_broken_html_is_no_trouble(odd: str) -> None:
    assert post_of(content=odd) is None
    post = post_of(content=f"{LINK}{odd}")
    assert post
    assert post.papers == ("arxiv:2611.10001",)


@given(st.text(max_size=200))
def test_any_content_is_text(content: str) -> None:
    post = post_of(content=f"{content}<p>{LINK}")
    if post:
        assert post.papers[-1] == "arxiv:2611.10001"
        assert not HIDDEN.search(post.text)


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_any_text_is_a_document_or_an_error(text: str) -> None:
    try:
        assert isinstance(document(text, HOST), list | dict)
    except SignalError as error:
        assert str(error).startswith("mastodon.example answered ")  # noqa: PT017


@pytest.mark.parametrize("text", ["", "{", "null", "7", '"x"', "true", "[" * 100_000])
def test_what_is_no_answer_is_no_silence(text: str) -> None:
    with pytest.raises(SignalError, match="answered n"):
        document(text, HOST)


@pytest.mark.parametrize(
    "answer", [{}, {"statuses": None}, {"error": "no"}, [7], [{}], [{"id": 1}]]
)
def test_statuses_need_a_list_and_ids(answer: object) -> None:
    with pytest.raises(SignalError, match=f"^{HOST}"):
        statuses_of(answer, HOST)


def test_a_search_has_its_statuses_among_others() -> None:
    assert statuses_of({"accounts": [], "statuses": STATUSES}, HOST) == STATUSES


@pytest.mark.parametrize("answer", [{}, [7], [{}], [{"url": None}]])
def test_trending_links_have_addresses(answer: object) -> None:
    with pytest.raises(SignalError, match=f"^{HOST}"):
        addresses_of(answer, HOST)
    assert addresses_of([{"url": "https://arxiv.org/"}], HOST) == ["https://arxiv.org/"]


def test_a_server_says_who_it_is() -> None:
    assert server_of({"domain": "Social.Example", "version": "4.5"}, HOST) == (
        "social.example",
        "4.5",
    )
    assert server_of({"domain": "a.example", "version": 7}, HOST) == ("a.example", "")
    for answer in ({}, {"domain": ""}, {"domain": "a b"}, {"domain": 7}, {"uri": "a.example"}):
        with pytest.raises(SignalError, match="is it a Mastodon server"):
            server_of(answer, HOST)


@pytest.mark.parametrize(
    ("uri", "home"),
    [
        ("https://a.example/users/ines/statuses/115", ("a.example", "115")),
        ("https://A.example/ap/users/71/statuses/115", ("a.example", "115")),
        ("https://a.example:8443/users/ines/statuses/01JABC", ("a.example:8443", "01JABC")),
        ("https://a.example/objects/5f1c", None),
        ("https://a.example/users/ines/statuses/115/activity", None),
        ("https://a.example/users/ines/statuses/1%2F..", None),
        ("https://[a.example/users/ines/statuses/1", None),
        ("", None),
    ],
)
def test_where_a_status_lives(uri: str, home: tuple[str, str] | None) -> None:
    assert at_home(uri) == home
