"""What readers tune, and what they ask for by a mail of its own: their data, their erasure."""

import json
from typing import Any

import pytest

from tests.web.visitors import ADA, KEY, NEWER, Page, Visitor, day
from trendbot import tokens
from trendbot.model import Cadence, Status, Subscriber, Taste
from trendbot.notice_letters import Kind

TASTE = Taste(Cadence.WEEKLY, ("cs.LG", "math"), ("cs.CV",), 7, "Asia/Kolkata")
SENT = {
    "cadence": "monthly",
    "topics": ["cs", "quant-ph"],
    "fewer": "cs.CL",
    "hour": "23",
    "timezone": "",
    "paused_until": "",
}


def path_of(visitor: Visitor, purpose: str, subscriber: Subscriber) -> str:
    return f"/{purpose}/{visitor.token_of(purpose, subscriber)}"


@pytest.fixture
def ada(visitor: Visitor) -> Subscriber:
    ada = visitor.subscriber()
    visitor.post(
        path_of(visitor, tokens.PREFERENCES, ada),
        {"cadence": "weekly", "topics": ["cs.LG", "math"], "fewer": "cs.CV", "hour": "7"}
        | {"timezone": "Asia/Kolkata"},
    )
    return visitor.again(ada)


@pytest.fixture
def path(visitor: Visitor, ada: Subscriber) -> str:
    return path_of(visitor, tokens.PREFERENCES, ada)


def taste_of(subscriber: Subscriber) -> Taste:
    return Taste(
        subscriber.cadence,
        subscriber.topics,
        subscriber.fewer,
        subscriber.hour,
        subscriber.timezone,
    )


def test_link_shows_what_is_set_and_changes_nothing(
    visitor: Visitor, ada: Subscriber, path: str
) -> None:
    assert taste_of(ada) == TASTE
    before = visitor.everything()
    answer = visitor.get(path)
    assert answer.status_code == visitor.client.head(path).status_code == 200
    page = Page(answer.text)
    assert page.fields["cadence"] == ["weekly"]
    assert page.fields["topics"] == ["cs.LG", "math"]
    assert page.fields["fewer"] == ["cs.CV"]
    assert page.fields["hour"] == ["7"]
    assert page.fields["timezone"] == ["Asia/Kolkata"]
    assert page.fields["paused_until"] == [""]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert '<meta name="robots" content="noindex">' in answer.text
    assert "Saved." not in answer.text
    assert ADA not in answer.text
    assert len(answer.content) < 100_000
    assert visitor.everything() == before


def test_ids_are_unique_and_every_input_has_a_label(visitor: Visitor, path: str) -> None:
    page = Page(visitor.post(path, {"find_topics": "learn", "find_fewer": "vision"}).text)
    ids = [said["id"] for _, said in page.tags if "id" in said]
    assert len(ids) == len(set(ids))
    labelled = {said.get("for") for said in page.all("label")}
    for said in page.all("input") + page.all("select"):
        if said.get("type") not in ("checkbox", "radio", "hidden"):
            assert said["id"] in labelled


def test_everything_can_be_changed(visitor: Visitor, ada: Subscriber, path: str) -> None:
    answer = visitor.post(path, SENT)
    assert answer.status_code == 200
    status = [said for said in Page(answer.text).all("div") if said.get("role") == "status"]
    assert len(status) == 1
    assert "Saved." in answer.text
    expected = Taste(Cadence.MONTHLY, ("cs", "quant-ph"), ("cs.CL",), 23, "")
    assert taste_of(visitor.again(ada)) == expected
    assert Page(visitor.get(path).text).fields["topics"] == ["cs", "quant-ph"]


def test_nothing_chosen_is_all_topics(visitor: Visitor, ada: Subscriber, path: str) -> None:
    visitor.post(path, {"cadence": "daily"})
    assert taste_of(visitor.again(ada)) == Taste()


def test_pause_until_a_day_and_resume(visitor: Visitor, ada: Subscriber, path: str) -> None:
    answer = visitor.post(path, {**SENT, "paused_until": "2026-12-24"})
    assert "Paused: mail comes again on 24 December 2026." in answer.text
    assert visitor.again(ada).paused_until == day("2026-12-24")
    shown = Page(visitor.get(path).text)
    assert shown.fields["paused_until"] == ["2026-12-24"]
    visitor.post(path, {**SENT, "paused_until": "2026-12-24", "resume": "yes"})
    assert visitor.again(ada).paused_until is None


def test_pause_that_is_over_is_none(visitor: Visitor, path: str) -> None:
    visitor.post(path, {**SENT, "paused_until": "2026-12-24"})
    visitor.days_later(40)
    shown = visitor.get(path)
    assert "Paused" not in shown.text
    assert Page(shown.text).fields["paused_until"] == [""]
    sent = {**SENT, "paused_until": Page(shown.text).fields["paused_until"][0]}
    assert "Saved." in visitor.post(path, sent).text


def test_days_to_pause_are_those_of_the_site(visitor: Visitor, path: str) -> None:
    visitor.days_later(16.5 / 24)  # 23:30 in UTC, the next day in Berlin
    (field,) = (
        said for said in Page(visitor.get(path).text).all("input") if said.get("type") == "date"
    )
    assert (field["min"], field["max"]) == ("2026-11-23", "2027-11-23")


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"cadence": "hourly"}, "cadence"),
        ({"topics": "cs.XX"}, "topics"),
        ({"fewer": "<b>"}, "fewer"),
        ({"hour": "-1"}, "hour"),
        ({"timezone": "../etc/passwd"}, "timezone"),
        ({"paused_until": "2026-11-21"}, "paused_until"),
        ({"paused_until": "2028-11-21"}, "paused_until"),
        ({"paused_until": "someday"}, "paused_until"),
        ({"paused_until": "2026-02-30"}, "paused_until"),
    ],
)
def test_mistake_is_said_beside_its_field_and_nothing_saved(
    visitor: Visitor, ada: Subscriber, path: str, sent: dict[str, Any], field: str
) -> None:
    answer = visitor.post(path, {**SENT, **sent})
    page = Page(answer.text)
    assert answer.status_code == 422
    assert {field, f"{field}-wrong"} <= page.ids
    assert "Saved." not in answer.text
    assert visitor.again(ada) == ada
    assert "<b>&#39;" not in answer.text
    if field == "fewer":
        assert [said for said in page.all("details") if "open" in said]


def test_all_mistakes_are_said_at_once(visitor: Visitor, path: str) -> None:
    page = Page(visitor.post(path, {**SENT, "hour": "x", "paused_until": "x"}).text)
    assert {"hour-wrong", "paused_until-wrong"} <= page.ids


def test_two_searches_at_once_focus_one(visitor: Visitor, path: str) -> None:
    page = Page(visitor.post(path, {"find_topics": "robot", "find_fewer": "vision"}).text)
    assert sum("autofocus" in said for _, said in page.tags) == 1
    assert page.fields["found_fewer"] == ["vision"]


@pytest.mark.parametrize("name", ["topics", "fewer"])
def test_search_keeps_what_was_typed_and_saves_nothing(
    visitor: Visitor, ada: Subscriber, path: str, name: str
) -> None:
    sent = {**SENT, "paused_until": "2026-12-01", f"find_{name}": "robot"}
    answer = visitor.post(path, sent)
    page = Page(answer.text)
    assert answer.status_code == 200
    assert page.fields["cadence"] == ["monthly"]
    assert page.fields["topics"] == ["cs", "quant-ph"]
    assert page.fields["fewer"] == ["cs.CL"]
    assert page.fields["paused_until"] == ["2026-12-01"]
    assert page.fields[f"found_{name}"] == ["robot"]
    boxes = [said["value"] for said in page.all("input") if said.get("name") == name]
    assert boxes[0] == "cs.RO"
    assert sum("autofocus" in said for _, said in page.tags) == 1
    assert visitor.again(ada) == ada


# How things stand


def test_pending_one_is_told_to_confirm(visitor: Visitor) -> None:
    path = path_of(visitor, tokens.PREFERENCES, visitor.subscriber(Status.PENDING))
    assert "You have not confirmed yet" in visitor.get(path).text


def test_who_left_can_sign_up_anew_with_what_was_set(visitor: Visitor, path: str) -> None:
    unsubscribe = next(
        str(said["href"])
        for said in Page(visitor.get(path).text).all("a")
        if str(said.get("href")).startswith("/unsubscribe/")
    )
    visitor.post(unsubscribe)
    page = Page(visitor.get(path).text)
    again = next(str(said["href"]) for said in page.all("a") if "?" in str(said.get("href")))
    form = Page(visitor.get(again).text)
    assert form.fields["topics"] == ["cs.LG", "math"]
    assert form.fields["cadence"] == ["weekly"]
    assert "cadence" not in page.fields


def test_who_left_is_not_brought_back_by_saving(
    visitor: Visitor, ada: Subscriber, path: str
) -> None:
    visitor.post(path_of(visitor, tokens.UNSUBSCRIBE, ada))
    assert "You are unsubscribed" in visitor.post(path, SENT).text
    assert visitor.again(ada).status is Status.UNSUBSCRIBED


def test_suppressed_one_is_told_and_offered_no_mail(visitor: Visitor) -> None:
    path = path_of(visitor, tokens.PREFERENCES, visitor.subscriber(Status.SUPPRESSED))
    answer = visitor.get(path)
    assert "write to trendbot@localhost" in answer.text
    assert not Page(answer.text).all("button")


def test_erased_one_is_gone(visitor: Visitor) -> None:
    path = path_of(visitor, tokens.PREFERENCES, visitor.subscriber(Status.ERASED))
    assert visitor.get(path).status_code == visitor.post(path, SENT).status_code == 410


def test_links_of_former_keys_open_the_preferences(visitor: Visitor, path: str) -> None:
    visitor.days_later(500)
    visitor.turn_keys(NEWER, KEY)
    assert visitor.get(path).status_code == 200
    assert "Saved." in visitor.post(path, SENT).text


def test_unsubscribe_link_is_signed_anew(visitor: Visitor, path: str) -> None:
    visitor.turn_keys(NEWER, KEY)
    links = [str(said.get("href")) for said in Page(visitor.get(path).text).all("a")]
    (leave,) = (link for link in links if link.startswith("/unsubscribe/"))
    assert tokens.verify((NEWER,), tokens.UNSUBSCRIBE, leave.rpartition("/")[2])


# Data and erasure


@pytest.mark.parametrize("kind", ["export", "erase"])
def test_asking_queues_one_mail_a_day_and_says_the_same(
    visitor: Visitor, ada: Subscriber, path: str, kind: str
) -> None:
    answers = [visitor.post(path, {"mail": kind}) for _ in range(2)]
    assert "A mail is on its way" in answers[0].text
    assert answers[0].content == answers[1].content
    assert visitor.queued() == [kind]
    assert visitor.again(ada) == ada


def test_export_is_a_file_with_all_that_is_kept(visitor: Visitor, ada: Subscriber) -> None:
    path = path_of(visitor, Kind.EXPORT, ada)
    before = visitor.everything()
    shown = visitor.get(path)
    assert "Download my data" in shown.text
    assert ADA not in shown.text
    answer = visitor.post(path)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="my-data.json"'
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    kept = json.loads(answer.text)
    assert kept["email"] == ADA
    assert kept["topics"] == ["cs.LG", "math"]
    assert kept["timezone"] == "Asia/Kolkata"
    assert visitor.everything() == before
    visitor.days_later(2.01)
    assert visitor.get(path).status_code == visitor.post(path).status_code == 410


def test_erasing_takes_a_button_and_happens_once(visitor: Visitor, ada: Subscriber) -> None:
    path = path_of(visitor, Kind.ERASE, ada)
    before = visitor.everything()
    shown = visitor.get(path)
    assert shown.status_code == visitor.client.head(path).status_code == 200
    assert "What stays" in shown.text
    assert "keyed hash" in shown.text
    assert visitor.everything() == before
    assert "Everything is erased" in visitor.post(path).text
    assert ADA not in repr(visitor.everything())
    assert visitor.again(ada).status is Status.ERASED
    for answer in (visitor.get(path), visitor.post(path)):
        assert answer.status_code == 410


def test_old_link_to_erase_is_over(visitor: Visitor, ada: Subscriber) -> None:
    path = path_of(visitor, Kind.ERASE, ada)
    visitor.days_later(2.01)
    assert visitor.post(path).status_code == 410
    assert visitor.again(ada) == ada


@pytest.mark.parametrize("purpose", ["preferences", "unsubscribe", "export", "erase", "confirm"])
def test_no_page_shows_its_token_or_leads_elsewhere(visitor: Visitor, purpose: str) -> None:
    status = Status.PENDING if purpose == "confirm" else Status.ACTIVE
    path = path_of(visitor, purpose, visitor.subscriber(status))
    text = visitor.get(path).text
    assert path.rpartition("/")[2] not in text
    for _, said in Page(text).tags:
        link = str(said.get("href") or said.get("src") or said.get("action") or "/")
        assert link.startswith(("/", "#"))
