"""Leaving, as mail providers and people do it: with any body, for ever."""

import pytest

from tests.web.visitors import ADA, KEY, NEWER, Page, Visitor
from trendbot import tokens
from trendbot.model import Cadence, Status
from trendbot.web.fields import MOST_FIELDS

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}

BODIES = {
    "urlencoded": {"data": ONE_CLICK},
    "multipart": {
        "content": b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\n'
        b"One-Click\r\n--b--\r\n",
        "headers": MULTIPART,
    },
    "empty": {},
    "json": {"json": {"List-Unsubscribe": "One-Click"}},
    "broken": {"content": b"no multipart", "headers": MULTIPART},
    "odd": {"content": b"\xff\x00;=&&%", "headers": URLENCODED},
    "too many": {"content": b"a=&" * (MOST_FIELDS + 1), "headers": URLENCODED},
    "nonsense instead": {"data": {"instead": "hourly"}},
    "one click wins": {"data": {**ONE_CLICK, "instead": "weekly"}},
    "of another site": {
        "data": ONE_CLICK,
        "headers": {"Origin": "https://mail.example", "Sec-Fetch-Site": "cross-site"},
    },
}


@pytest.mark.parametrize("body", BODIES)
def test_one_click_leaves_whatever_the_body(visitor: Visitor, body: str) -> None:
    ada = visitor.subscriber()
    path = f"/unsubscribe/{visitor.token_of(tokens.UNSUBSCRIBE, ada)}"
    answer = visitor.post(path, **BODIES[body])  # type: ignore[arg-type]
    assert answer.status_code == 200
    assert "You are unsubscribed" in answer.text
    assert "set-cookie" not in answer.headers
    left = visitor.again(ada)
    assert (left.status, left.cadence) == (Status.UNSUBSCRIBED, Cadence.DAILY)


@pytest.mark.parametrize("status", Status)
def test_leaving_is_idempotent_and_the_same_for_all(visitor: Visitor, status: Status) -> None:
    first = visitor.subscriber(Status.ACTIVE, "eve@example.org")
    expected = visitor.post(f"/unsubscribe/{visitor.token_of(tokens.UNSUBSCRIBE, first)}")
    path = f"/unsubscribe/{visitor.token_of(tokens.UNSUBSCRIBE, visitor.subscriber(status))}"
    for _ in range(2):
        answer = visitor.post(path)
        assert (answer.status_code, answer.content) == (200, expected.content)


def test_looking_at_the_link_changes_nothing(visitor: Visitor) -> None:
    ada = visitor.subscriber()
    path = f"/unsubscribe/{visitor.token_of(tokens.UNSUBSCRIBE, ada)}"
    before = visitor.everything()
    shown = visitor.get(path)
    assert shown.status_code == visitor.client.head(path).status_code == 200
    assert visitor.everything() == before
    offered = {said.get("value") for said in Page(shown.text).all("button")}
    assert offered == {None, "weekly", "monthly"}
    assert ADA not in shown.text


def test_less_mail_instead(visitor: Visitor) -> None:
    ada = visitor.subscriber()
    path = f"/unsubscribe/{visitor.token_of(tokens.UNSUBSCRIBE, ada)}"
    answer = visitor.post(path, {"instead": "weekly"})
    assert "the weekly digest comes" in answer.text
    changed = visitor.again(ada)
    assert (changed.status, changed.cadence) == (Status.ACTIVE, Cadence.WEEKLY)
    assert visitor.post(path).status_code == 200
    assert visitor.again(ada).status is Status.UNSUBSCRIBED


def test_less_mail_brings_nobody_back(visitor: Visitor) -> None:
    ada = visitor.subscriber(Status.UNSUBSCRIBED)
    path = f"/unsubscribe/{visitor.token_of(tokens.UNSUBSCRIBE, ada)}"
    assert "You are unsubscribed" in visitor.post(path, {"instead": "weekly"}).text
    assert visitor.again(ada).status is Status.UNSUBSCRIBED


@pytest.mark.parametrize("status", [Status.UNSUBSCRIBED, Status.ERASED])
def test_link_of_who_is_gone_says_so(visitor: Visitor, status: Status) -> None:
    token = visitor.token_of(tokens.UNSUBSCRIBE, visitor.subscriber(status))
    answer = visitor.get(f"/unsubscribe/{token}")
    assert answer.status_code == 200
    assert "You are unsubscribed" in answer.text


def test_links_of_former_keys_still_unsubscribe_years_later(visitor: Visitor) -> None:
    ada = visitor.subscriber()
    path = f"/unsubscribe/{visitor.token_of(tokens.UNSUBSCRIBE, ada)}"
    visitor.days_later(2000)
    visitor.turn_keys(NEWER, KEY)
    assert visitor.get(path).status_code == 200
    assert visitor.post(path, ONE_CLICK).status_code == 200
    assert visitor.again(ada).status is Status.UNSUBSCRIBED


def test_links_of_a_key_that_is_no_longer_believed_do_not(visitor: Visitor) -> None:
    ada = visitor.subscriber()
    path = f"/unsubscribe/{visitor.token_of(tokens.UNSUBSCRIBE, ada)}"
    visitor.turn_keys(NEWER)
    assert visitor.post(path, ONE_CLICK).status_code == 400
    assert visitor.again(ada).status is Status.ACTIVE
