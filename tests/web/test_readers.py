"""Signing up, confirming and leaving, as browsers and mail providers do it."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.web.visitors import ADA, Page, Visitor
from trendbot import subscribe, tokens
from trendbot.errors import UnknownSubscriber
from trendbot.model import Cadence, Status, Taste
from trendbot.notice_letters import Kind
from trendbot.settings import Limits
from trendbot.web.fields import MOST_FIELDS

MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}


def nobody(visitor: Visitor) -> bool:
    return not visitor.everything()["subscribers"]


# The form


def test_form_offers_every_choice(visitor: Visitor) -> None:
    answer = visitor.get("/subscribe")
    page = Page(answer.text)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    values = {said.get("value") for said in page.all("input") if said.get("name") == "topics"}
    assert {"cs", "cs.LG", "quant-ph", "math.PR", "q-fin.TR"} <= values
    assert page.fields["cadence"] == ["daily"]
    assert {"UTC", "Asia/Kolkata", "23"} <= {said.get("value") for said in page.all("option")}
    assert "topics" not in page.fields
    assert "Europe/Berlin, as here" in answer.text
    assert len(answer.content) < 100_000
    assert '<meta name="robots" content="noindex">' in answer.text


def test_every_input_has_a_label_and_ids_are_unique(visitor: Visitor) -> None:
    page = Page(visitor.post("/subscribe", {"find_topics": "learn", "topics": "cs.LG"}).text)
    ids = [said["id"] for _, said in page.tags if "id" in said]
    assert len(ids) == len(set(ids))
    labelled = {said.get("for") for said in page.all("label")}
    for said in page.all("input") + page.all("select"):
        if said.get("type") not in ("checkbox", "radio", "hidden"):
            assert said["id"] in labelled
    assert len(page.all("h1")) == 1


def test_link_chooses_topics_and_cadence_but_no_address(visitor: Visitor) -> None:
    path = "/subscribe?topics=cs.LG&topics=math,nonsense&cadence=weekly&email=eve@example.org"
    page = Page(visitor.get(path).text)
    assert page.fields["topics"] == ["cs.LG", "math"]
    assert page.fields["cadence"] == ["weekly"]
    assert page.fields["email"] == [""]


def test_sign_up_keeps_every_wish(visitor: Visitor) -> None:
    sent = {
        "email": ADA,
        "cadence": "weekly",
        "topics": ["cs.LG", "math, quant-ph"],
        "hour": "7",
        "timezone": "Asia/Kolkata",
        "website": "",
    }
    answer = visitor.post("/subscribe", sent)
    assert answer.status_code == 200
    assert "on its way" in answer.text
    found = subscribe.find(visitor.engine, ADA)
    assert found.status is Status.PENDING
    assert found.cadence is Cadence.WEEKLY
    assert found.topics == ("cs.LG", "math", "quant-ph")
    assert (found.hour, found.timezone) == (7, "Asia/Kolkata")
    assert visitor.queued() == ["confirm"]


def test_sign_up_needs_only_an_address_also_as_multipart(visitor: Visitor) -> None:
    body = f'--b\r\nContent-Disposition: form-data; name="email"\r\n\r\n{ADA}\r\n--b--\r\n'
    assert visitor.post("/subscribe", content=body, headers=MULTIPART).status_code == 200
    assert subscribe.find(visitor.engine, ADA).cadence is Cadence.DAILY


STATES = [None, *Status]


@pytest.mark.parametrize("status", STATES)
def test_answer_is_the_same_whoever_asks(visitor: Visitor, status: Status | None) -> None:
    expected = visitor.post("/subscribe", {"email": "somebody@example.com"})
    if status is not None:
        visitor.subscriber(status)
    for _ in range(2):  # the second one has had the mail of the day
        answer = visitor.post("/subscribe", {"email": ADA})
        assert (answer.status_code, answer.content) == (200, expected.content)
        own = {name: value for name, value in answer.headers.items() if name != "date"}
        assert own == {name: value for name, value in expected.headers.items() if name != "date"}


def test_honeypot_gets_the_same_answer_and_nothing_happens(visitor: Visitor) -> None:
    expected = visitor.post("/subscribe", {"email": "somebody@example.com"})
    sent = {"email": ADA, "website": "https://spam.example"}
    assert visitor.post("/subscribe", sent).content == expected.content
    with pytest.raises(UnknownSubscriber):
        subscribe.find(visitor.engine, ADA)


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"email": ""}, "email"),
        ({"email": 'ada"><script>alert(1)</script>@example'}, "email"),
        ({"email": "ada@example.org\x00"}, "email"),
        ({"email": ADA, "cadence": "hourly"}, "cadence"),
        ({"email": ADA, "topics": "cs.LG,<b>"}, "topics"),
        ({"email": ADA, "topics": [f"math.{one}" for one in range(60)]}, "topics"),
        ({"email": ADA, "hour": "24"}, "hour"),
        ({"email": ADA, "timezone": "Mars/Base"}, "timezone"),
    ],
)
def test_mistake_is_said_beside_its_field(
    visitor: Visitor, sent: dict[str, Any], field: str
) -> None:
    answer = visitor.post("/subscribe", {"topics": "cs.CL", "hour": "9"} | sent)
    page = Page(answer.text)
    assert answer.status_code == 422
    assert "<title>Mistake: Subscribe" in answer.text
    assert {field, f"{field}-wrong"} <= page.ids
    assert {"href": f"#{field}"} in page.all("a")
    described = [
        said for _, said in page.tags if f"{field}-wrong" in str(said.get("aria-describedby"))
    ]
    assert len(described) == 1
    assert field == "cadence" or described[0]["aria-invalid"] == "true"
    assert "autofocus" in next(said for said in page.all("div") if said.get("role") == "alert")
    assert "<script>" not in answer.text
    assert "<b>&#39;" not in answer.text
    assert nobody(visitor)
    for name in {"email", "topics", "hour"} - {field}:
        kept = ({"email": "", "topics": "cs.CL", "hour": "9"} | sent)[name]
        assert page.fields[name] == [kept]


def test_all_mistakes_are_said_at_once(visitor: Visitor) -> None:
    page = Page(visitor.post("/subscribe", {"email": "ada", "hour": "25"}).text)
    assert {"email-wrong", "hour-wrong"} <= page.ids


def test_too_many_sign_ups_are_told_when_to_come_back(engine: Engine, tmp_path: Path) -> None:
    visitor = Visitor(engine, tmp_path, Limits(client=1, address=0, domain=0, total=0))
    assert visitor.post("/subscribe", {"email": ADA}).status_code == 200
    answer = visitor.post("/subscribe", {"email": "eve@example.org", "hour": "9"})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 3600
    assert Page(answer.text).fields["email"] == ["eve@example.org"]
    assert len(visitor.everything()["subscribers"]) == 1


# Searching within the form

KEPT = {
    "email": "ada@exam",
    "cadence": "monthly",
    "topics": ["cs.CL", "math"],
    "hour": "5",
    "timezone": "Asia/Tokyo",
}


def test_new_text_is_a_search_that_keeps_everything(visitor: Visitor) -> None:
    answer = visitor.post("/subscribe", {**KEPT, "find_topics": "learn", "found_topics": ""})
    page = Page(answer.text)
    assert answer.status_code == 200
    for name, value in KEPT.items():
        assert page.fields[name] == (value if isinstance(value, list) else [value])
    assert page.fields["found_topics"] == ["learn"]
    boxes = [said["value"] for said in page.all("input") if said.get("name") == "topics"]
    assert boxes[:4] == ["cs.LG", "stat.ML", "cs.CL", "math"]
    assert has_each_once(page)
    assert sum("autofocus" in said for _, said in page.tags) == 1
    assert nobody(visitor)


def test_searched_text_is_no_search_again(visitor: Visitor) -> None:
    found = {"email": ADA, "find_topics": "learn", "found_topics": "learn"}
    assert "on its way" in visitor.post("/subscribe", found).text
    assert not nobody(visitor)


@pytest.mark.parametrize("text", ["", "learn"])
def test_button_beside_the_search_never_subscribes(visitor: Visitor, text: str) -> None:
    sent = {"email": ADA, "find_topics": text, "found_topics": text, "search": "topics"}
    assert "Find a topic" in visitor.post("/subscribe", sent).text
    assert nobody(visitor)


def test_search_that_finds_nothing_says_so_safely(visitor: Visitor) -> None:
    text = visitor.post("/subscribe", {"find_topics": '"><img src=x>'}).text
    assert "No topics for" in text
    assert "<img" not in text


def has_each_once(page: Page) -> bool:
    boxes = [said["value"] for said in page.all("input") if said.get("name") == "topics"]
    return len(boxes) == len(set(boxes))


def test_found_and_chosen_topic_stays_chosen_in_one_box(visitor: Visitor) -> None:
    sent = {"topics": ["cs.LG", "econ.EM", "econ.GN", "econ.TH"], "find_topics": "econ"}
    page = Page(visitor.post("/subscribe", sent).text)
    assert sorted(page.fields["topics"]) == sorted(sent["topics"])
    assert {"type": "checkbox", "name": "topics", "value": "econ"} in page.all("input")
    assert has_each_once(page)


# Bodies that are none


@pytest.mark.parametrize("path", ["/subscribe", "/preferences/{token}"])
@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"not multipart at all", MULTIPART),
        (b"--b", {"Content-Type": "multipart/form-data"}),
        (b"--b\r\n\r\nx\r\n--b--", MULTIPART),
        (
            b'--b\r\nContent-Disposition: form-data; name="email"\r\n\r\nx\r\n--b--\r\n',
            {"Content-Type": "multipart/form-data; boundary=b; charset=undefined"},
        ),
        (
            b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nx\r\n--b--\r\n',
            MULTIPART,
        ),
        (b"a=&" * (MOST_FIELDS + 1), URLENCODED),
        (b"email=" + b"a" * 3000, URLENCODED),
    ],
)
def test_unreadable_form_gets_a_calm_page(
    visitor: Visitor, path: str, content: bytes, headers: dict[str, str]
) -> None:
    token = visitor.token_of(tokens.PREFERENCES, visitor.subscriber())
    before = visitor.everything()
    answer = visitor.post(path.format(token=token), content=content, headers=headers)
    assert answer.status_code == 400
    assert "<h1>" in answer.text
    assert visitor.everything() == before


def test_bytes_that_are_no_text_are_refused_as_an_address(visitor: Visitor) -> None:
    body = b"email=ada%ff%fe@example.org&topics=%ff"
    assert visitor.post("/subscribe", content=body, headers=URLENCODED).status_code == 422


# Confirming


def test_link_shows_a_button_and_the_button_confirms(visitor: Visitor) -> None:
    ada = visitor.subscriber(Status.PENDING, taste=Taste(Cadence.WEEKLY))
    path = f"/confirm/{visitor.token_of(Kind.CONFIRM, ada)}"
    before = visitor.everything()
    shown = visitor.get(path)
    assert "Yes, send me the weekly digest" in shown.text
    assert "a…@example.org" in shown.text
    assert ADA not in shown.text
    assert visitor.client.head(path).status_code == 200
    assert visitor.everything() == before
    assert "You are subscribed" in visitor.post(path).text
    assert visitor.again(ada).status is Status.ACTIVE
    assert visitor.queued() == ["welcome"]


def test_used_link_is_over_and_says_how_to_begin_again(visitor: Visitor) -> None:
    path = f"/confirm/{visitor.token_of(Kind.CONFIRM, visitor.subscriber(Status.PENDING))}"
    visitor.post(path)
    for answer in (visitor.get(path), visitor.post(path)):
        assert answer.status_code == 410
        assert "Sign up again" in answer.text


def test_old_link_is_over(visitor: Visitor) -> None:
    ada = visitor.subscriber(Status.PENDING)
    path = f"/confirm/{visitor.token_of(Kind.CONFIRM, ada)}"
    visitor.days_later(2.01)
    assert visitor.get(path).status_code == 410
    assert visitor.post(path).status_code == 410
    assert visitor.again(ada).status is Status.PENDING


PATHS = ["/confirm", "/unsubscribe", "/preferences", "/export", "/erase"]


@pytest.mark.parametrize("path", PATHS)
def test_mangled_and_foreign_tokens_get_a_calm_page(visitor: Visitor, path: str) -> None:
    ada = visitor.subscriber()
    own = {
        f"/{purpose}": visitor.token_of(purpose, ada)
        for purpose in map(str, Kind)
        if f"/{purpose}" in PATHS
    }
    own |= {
        f"/{purpose}": visitor.token_of(purpose, ada)
        for purpose in (tokens.UNSUBSCRIBE, tokens.PREFERENCES)
    }
    good = own.pop(path)
    before = visitor.everything()
    wrong = [*own.values(), good[:-1], good + "A", "a.b", "%F0%9F%92%A9", "<script>", "A" * 500]
    for token in wrong:
        for answer in (visitor.get(f"{path}/{token}"), visitor.post(f"{path}/{token}")):
            assert answer.status_code in (400, 404), token
            assert "<h1>" in answer.text
            assert good[:-1] not in answer.text
    assert visitor.everything() == before
