"""What readers do by themselves: ask, confirm, prefer, leave, get all that is kept, be erased.

Over 400 lines, because each step is held against each kind of reader with the same tables.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from threading import Barrier, Event
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, event, select, update

from tests.conftest import address_of
from tests.digests import planned
from tests.postbox import ADA, NOW, SECRET, Clock, Postbox, door_to, wait_until_blocked
from trendbot import deliver, lists, notices, subscribe, tastes, tokens
from trendbot.deliver import never
from trendbot.doorway import Doorway
from trendbot.errors import (
    AddressError,
    LimitError,
    TasteError,
    TokenError,
    TokenSpent,
    UnknownSubscriber,
)
from trendbot.model import Cadence, DeliveryState, Status, Subscriber, Taste
from trendbot.settings import Limits
from trendbot.store import books, schema, subscribers
from trendbot.subscribe import Added

TASTE = Taste(Cadence.WEEKLY, ("cs.LG", "math"), ("cs.CV",), 7, "Europe/Berlin")
OTHER = Taste(Cadence.MONTHLY, ("stat",), (), None, "")
FREE = Limits(client=0, address=0, domain=0, total=0)
CLIENT = "192.0.2.7"
DAY = timedelta(days=1)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLite, and both where a test says so: what differs is tested in the store."""
    return address_of(getattr(request, "param", "sqlite"), request, tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


@pytest.fixture
def door(engine: Engine, postbox: Postbox, clock: Clock) -> Doorway:
    return replace(door_to(engine, postbox, clock), limits=FREE)


def ask(door: Doorway, email: str = ADA, taste: Taste = TASTE, client: str = CLIENT) -> None:
    subscribe.ask(door, email, taste, client)


def mailed(door: Doorway, postbox: Postbox) -> list[str]:
    """Send what waits; the subjects of what left."""
    before = len(postbox.mails)
    notices.drain(door, never)
    return postbox.subjects[before:]


def signed_up(door: Doorway, postbox: Postbox, email: str = ADA, taste: Taste = TASTE) -> None:
    ask(door, email, taste)
    mailed(door, postbox)
    subscribe.confirm(door, postbox.token)
    mailed(door, postbox)


def found(door: Doorway, email: str = ADA) -> Subscriber:
    return subscribe.find(door.engine, email)


def token_of(door: Doorway, purpose: str, email: str = ADA) -> str:
    return tokens.sign(SECRET, purpose, str(found(door, email).id))


def timed(door: Doorway, purpose: str, email: str = ADA) -> str:
    return tokens.sign_timed(SECRET, purpose, str(found(door, email).id), door.now())


def rows(engine: Engine) -> int:
    with engine.connect() as conn:
        return len(list(conn.execute(select(schema.subscribers.c.id))))


def suppressed(engine: Engine) -> list[str]:
    with engine.connect() as conn:
        return list(conn.scalars(select(schema.suppressions.c.email_key)))


# Asking


def test_whoever_asks_and_confirms_gets_what_they_asked_for(
    door: Doorway, postbox: Postbox
) -> None:
    ask(door)
    assert postbox.mails == []  # none in the request
    assert (found(door).status, tastes.of(found(door))) == (Status.PENDING, TASTE)
    assert mailed(door, postbox) == ["Confirm your subscription to trendbot"]
    assert subscribe.expected(door, postbox.token) == found(door)
    assert found(door).status is Status.PENDING
    confirmed = subscribe.confirm(door, postbox.token)
    assert (confirmed, confirmed.status) == (found(door), Status.ACTIVE)
    assert tastes.of(confirmed) == TASTE
    assert mailed(door, postbox) == ["Welcome to trendbot"]
    assert mailed(door, postbox) == []


def test_an_address_gets_one_confirmation_a_day(
    door: Doorway, postbox: Postbox, clock: Clock
) -> None:
    said = []
    for hours in (0, 0, 1, 22, 1, 1):
        clock.now += timedelta(hours=hours)
        ask(door)
        said.append(len(mailed(door, postbox)))
    assert said == [1, 0, 0, 0, 1, 0]


def test_asked_often_before_the_mail_leaves_it_is_one_mail_with_the_last_wish(
    door: Doorway, postbox: Postbox
) -> None:
    for taste in (OTHER, Taste(), TASTE):
        ask(door, taste=taste)
    assert len(mailed(door, postbox)) == 1
    ask(door, "ADA@example.org", OTHER)
    assert mailed(door, postbox) == []
    assert tastes.of(subscribe.confirm(door, postbox.token)) == OTHER


def test_a_confirmation_by_the_operator_counts_for_the_day_too(
    door: Doorway, postbox: Postbox
) -> None:
    assert subscribe.add(door, ADA, OTHER, confirmed=False) is Added.MAILED
    ask(door)
    assert mailed(door, postbox) == []
    assert tastes.of(subscribe.confirm(door, postbox.token)) == TASTE


def test_a_strangers_asking_changes_nothing_for_who_is_subscribed(
    door: Doorway, postbox: Postbox, clock: Clock
) -> None:
    signed_up(door, postbox)
    before = found(door)
    ask(door, taste=OTHER)
    assert mailed(door, postbox) == ["You are subscribed to trendbot already"]
    assert subscribe.preferences(door, postbox.link("preferences")) == before
    for hours in (1, 22):
        clock.now += timedelta(hours=hours)
        ask(door, taste=OTHER)
        assert mailed(door, postbox) == []
    clock.now += timedelta(hours=1)
    ask(door, taste=OTHER)
    assert len(mailed(door, postbox)) == 1
    assert found(door) == before


def test_who_left_comes_back_by_their_own_confirmation_with_the_new_wish(
    door: Doorway, postbox: Postbox, clock: Clock
) -> None:
    signed_up(door, postbox)
    subscribe.leave(door, token_of(door, tokens.UNSUBSCRIBE))
    clock.now += 2 * DAY
    ask(door, taste=OTHER)
    assert found(door).status is Status.UNSUBSCRIBED
    assert len(mailed(door, postbox)) == 1
    came_back = subscribe.confirm(door, postbox.token)
    assert (came_back.status, tastes.of(came_back)) == (Status.ACTIVE, OTHER)


def test_nobody_changes_what_one_who_left_wanted_without_a_confirmation(
    door: Doorway, postbox: Postbox
) -> None:
    ask(door)
    mailed(door, postbox)
    subscribe.leave(door, token_of(door, tokens.UNSUBSCRIBE))
    ask(door, taste=OTHER)
    assert mailed(door, postbox) == []
    assert tastes.of(found(door)) == TASTE


@pytest.mark.parametrize("is_known", [True, False])
def test_a_suppressed_address_gets_nothing_and_is_not_taken_down(
    door: Doorway, postbox: Postbox, is_known: bool
) -> None:
    if is_known:
        signed_up(door, postbox)
        with door.engine.begin() as conn:
            subscribers.set_status(conn, found(door).id, Status.SUPPRESSED, NOW)
    with door.engine.begin() as conn:
        subscribers.suppress(conn, ADA, "550 5.1.1", NOW)
    ask(door, taste=OTHER)
    assert mailed(door, postbox) == []
    assert rows(door.engine) == is_known
    if is_known:
        assert (found(door).status, tastes.of(found(door))) == (Status.SUPPRESSED, TASTE)


def test_a_status_of_suppressed_is_enough(door: Doorway, postbox: Postbox) -> None:
    signed_up(door, postbox)
    with door.engine.begin() as conn:
        subscribers.set_status(conn, found(door).id, Status.SUPPRESSED, NOW)
    ask(door)
    assert mailed(door, postbox) == []


@pytest.mark.parametrize("state", ["new", "pending", "active", "left", "suppressed", "mailed"])
def test_all_are_answered_by_the_same_statements(
    door: Doorway, postbox: Postbox, clock: Clock, state: str
) -> None:
    door = replace(door, limits=Limits())
    ask(door, "else@example.org")
    if state != "new":
        signed_up(door, postbox)
        clock.now += 2 * DAY
        with door.engine.begin() as conn:
            status = {"left": Status.UNSUBSCRIBED}.get(state) or (
                Status(state) if state != "mailed" else Status.PENDING
            )
            conn.execute(update(schema.subscribers).values(status=status))
        if state == "mailed":
            ask(door)
            mailed(door, postbox)
    verbs = []
    of_one_database_alone = ("BEGIN", "SET LOCAL", "SELECT pg_advisory")

    @event.listens_for(door.engine, "before_cursor_execute")
    def count(_conn: object, _cursor: object, statement: str, *_more: object) -> None:
        if not statement.startswith(of_one_database_alone):
            verbs.append(" ".join(statement.split()[:3]))

    ask(door)
    once = ["INSERT INTO limits"] if state == "active" else []
    assert verbs == [
        *("INSERT INTO limits", "UPDATE limits SET", "INSERT INTO subscribers"),
        *once,
        "INSERT INTO notices",
    ]


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_two_who_ask_for_a_new_address_at_once_mail_it_once(
    door: Doorway, postbox: Postbox
) -> None:
    start = Barrier(4)

    def ask_now(number: int) -> None:
        start.wait(timeout=30)
        ask(door, client=f"192.0.2.{number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask_now, range(4)))
        assert sum(pool.map(lambda _: notices.drain(door, never), range(4))) == 1
    assert postbox.recipients == [ADA]
    assert rows(door.engine) == 1


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_two_who_ask_for_a_known_address_at_once_mail_it_once(
    door: Doorway, postbox: Postbox, clock: Clock
) -> None:
    signed_up(door, postbox)
    clock.now += 2 * DAY
    with ThreadPoolExecutor(2) as pool:
        with door.engine.begin() as conn:
            subscribers.find(conn, ADA, for_update=True)
            asking = [pool.submit(ask, door) for _ in range(2)]
            wait_until_blocked(door.engine, 2)
        for one in asking:
            one.result(timeout=60)
    assert mailed(door, postbox) == ["You are subscribed to trendbot already"]


def test_the_post_hears_of_what_is_queued_and_of_nothing_else(
    door: Doorway, postbox: Postbox
) -> None:
    heard = Event()
    door = replace(door, queued=heard.set)
    ask(door)
    assert heard.is_set()
    mailed(door, postbox)
    heard.clear()
    ask(door)
    assert not heard.is_set()
    subscribe.confirm(door, postbox.token)
    assert heard.is_set()


@pytest.mark.parametrize("email", ["", "ada", "Ada <ada@example.org>", "a@b@c", "a\r\n@b.org"])
def test_what_is_no_address_is_an_error(door: Doorway, email: str) -> None:
    with pytest.raises(AddressError):
        ask(door, email)
    assert rows(door.engine) == 0


# Limits


def asks_until_refused(door: Doorway, emails: list[str], clients: list[str]) -> int:
    for number, (email, client) in enumerate(zip(emails, clients, strict=True)):
        try:
            ask(door, email, client=client)
        except LimitError as error:
            return number if 0 < error.retry_after <= 3600 else -1
    return len(emails)


MANY = [f"reader{number}@example.org" for number in range(12)]
DOMAINS = [f"reader@host{number}.example.org" for number in range(12)]
HOSTS = [f"192.0.2.{number}" for number in range(12)]


@pytest.mark.parametrize(
    ("limits", "emails", "clients", "taken"),
    [
        ({"client": 3}, DOMAINS, [CLIENT] * 12, 3),
        ({"client": 3}, DOMAINS, HOSTS, 12),
        ({"client": 3}, DOMAINS, [f"2001:db8::{number}" for number in range(12)], 3),
        ({"client": 3}, DOMAINS, [f"2001:db8:0:{number}::1" for number in range(12)], 12),
        ({"client": 3}, DOMAINS, [f"::ffff:{host}" for host in HOSTS], 12),
        ({"client": 3}, DOMAINS, ["", "testclient"] * 6, 6),
        ({"domain": 3}, MANY, HOSTS, 3),
        ({"domain": 3}, [email.upper() for email in MANY], HOSTS, 3),
        ({"domain": 3}, DOMAINS, HOSTS, 12),
        ({"total": 3}, DOMAINS, HOSTS, 3),
        ({}, MANY, [CLIENT] * 12, 12),
    ],
)
def test_there_are_limits_for_clients_domains_and_all(
    door: Doorway, limits: dict[str, int], emails: list[str], clients: list[str], taken: int
) -> None:
    door = replace(door, limits=FREE.model_copy(update=limits))
    assert asks_until_refused(door, emails, clients) == taken
    assert rows(door.engine) == taken


def test_what_was_refused_can_be_asked_when_it_is_said(door: Doorway, clock: Clock) -> None:
    door = replace(door, limits=FREE.model_copy(update={"total": 2, "client": 1}))
    ask(door)
    with pytest.raises(LimitError) as caught:
        ask(door, "bo@example.org")
    assert caught.value.retry_after == 3600
    ask(door, "bo@example.org", client="192.0.2.8")  # the refused one was not counted
    clock.now += timedelta(seconds=caught.value.retry_after)
    ask(door, "cy@example.org")


def test_who_asks_too_often_for_one_address_is_not_told(
    door: Doorway, postbox: Postbox, clock: Clock
) -> None:
    door = replace(door, limits=FREE.model_copy(update={"address": 2, "client": 5}))
    for _ in range(4):
        ask(door, "x" + ADA)
    subscribers_before = found(door, "x" + ADA)
    ask(door, "x" + ADA, OTHER)
    assert found(door, "x" + ADA) == subscribers_before
    with pytest.raises(LimitError):  # the client's was counted all the time
        ask(door, "x" + ADA)


def test_no_limit_names_an_address(door: Doorway) -> None:
    ask(replace(door, limits=Limits()), client="192.0.2.77")
    with door.engine.connect() as conn:
        keys = list(conn.scalars(select(schema.limits.c.key)))
    assert len(keys) == 4
    assert all(len(key) <= 80 for key in keys)
    assert not [key for key in keys if "ada" in key or "example" in key or "192" in key]


# Links


def test_expected_says_what_confirm_would(door: Doorway, postbox: Postbox, clock: Clock) -> None:
    ask(door)
    mailed(door, postbox)
    older = postbox.token
    clock.now += timedelta(hours=25)
    ask(door)
    mailed(door, postbox)
    for step in (subscribe.expected, subscribe.confirm):
        with pytest.raises(TokenSpent):
            step(door, older)
    newest = postbox.token
    subscribe.confirm(door, newest)
    for step in (subscribe.expected, subscribe.confirm):
        with pytest.raises(TokenSpent):
            step(door, newest)


def test_a_confirmation_is_good_for_48_hours_after_it_was_mailed(
    door: Doorway, postbox: Postbox, clock: Clock
) -> None:
    ask(door)
    clock.now += timedelta(hours=20)
    mailed(door, postbox)
    clock.now += timedelta(hours=48)
    assert subscribe.expected(door, postbox.token).email == ADA
    clock.now += timedelta(seconds=1)
    for step in (subscribe.expected, subscribe.confirm):
        with pytest.raises(TokenSpent, match="too old"):
            step(door, postbox.token)


STEPS: dict[str, tuple[str, Callable[[Doorway, str], object]]] = {
    "expected": (tokens.CONFIRM, subscribe.expected),
    "confirm": (tokens.CONFIRM, subscribe.confirm),
    "known": (tokens.UNSUBSCRIBE, subscribe.known),
    "leave": (tokens.UNSUBSCRIBE, subscribe.leave),
    "instead": (
        tokens.UNSUBSCRIBE,
        lambda door, token: subscribe.instead(door, token, Cadence.MONTHLY),
    ),
    "preferences": (tokens.PREFERENCES, subscribe.preferences),
    "prefer": (
        tokens.PREFERENCES,
        lambda door, token: subscribe.prefer(door, token, OTHER, None),
    ),
    "ask_export": (tokens.PREFERENCES, subscribe.ask_export),
    "ask_erase": (tokens.PREFERENCES, subscribe.ask_erase),
    "export_of": (tokens.EXPORT, subscribe.export_of),
    "erasing": (tokens.ERASE, subscribe.erasing),
    "erase": (tokens.ERASE, subscribe.erase),
}
PURPOSES = (tokens.CONFIRM, tokens.UNSUBSCRIBE, tokens.PREFERENCES, tokens.EXPORT, tokens.ERASE)
TIMED = (tokens.CONFIRM, tokens.EXPORT, tokens.ERASE)


@pytest.mark.parametrize("name", STEPS)
def test_no_other_token_opens_it(door: Doorway, postbox: Postbox, name: str) -> None:
    signed_up(door, postbox)
    own, step = STEPS[name]
    before = found(door)
    subject = str(before.id)
    wrong = [
        *(tokens.sign(SECRET, purpose, subject) for purpose in PURPOSES if purpose != own),
        *(
            tokens.sign_timed(SECRET, purpose, subject, NOW)
            for purpose in PURPOSES
            if purpose != own
        ),
        (tokens.sign if own in TIMED else sign_now)(SECRET, own, subject),
        (sign_now if own in TIMED else tokens.sign)("a-foreign-secret-of-16", own, subject),
        *("", subject, f"{subject}.x", "é", "a" * 5000, "0.0.0"),
    ]
    for token in wrong:
        with pytest.raises(TokenError) as caught:
            step(door, token)
        assert not isinstance(caught.value, TokenSpent)
    assert found(door) == before
    assert mailed(door, postbox) == []


def sign_now(secret: str, purpose: str, subject: str) -> str:
    return tokens.sign_timed(secret, purpose, subject, NOW)


@pytest.mark.parametrize("name", STEPS)
def test_a_token_of_nobody_is_an_error(door: Doorway, name: str) -> None:
    purpose, step = STEPS[name]
    sign = sign_now if purpose in TIMED else tokens.sign
    with pytest.raises(TokenError):
        step(door, sign(SECRET, purpose, "999"))


@pytest.mark.parametrize("name", [name for name in STEPS if STEPS[name][0] != tokens.CONFIRM])
def test_a_token_of_a_former_key_still_opens(door: Doorway, postbox: Postbox, name: str) -> None:
    signed_up(door, postbox)
    purpose, step = STEPS[name]
    sign = sign_now if purpose in TIMED else tokens.sign
    turned = replace(door, secrets=("a-newer-secret-of-ours", SECRET))
    step(turned, sign(SECRET, purpose, str(found(door).id)))


@pytest.mark.parametrize("name", ["export_of", "erasing", "erase"])
def test_the_links_of_export_and_erase_are_good_for_48_hours(
    door: Doorway, postbox: Postbox, clock: Clock, name: str
) -> None:
    signed_up(door, postbox)
    purpose, step = STEPS[name]
    token = timed(door, purpose)
    clock.now += timedelta(hours=48, seconds=1)
    with pytest.raises(TokenSpent):
        step(door, token)
    clock.now -= timedelta(seconds=1)
    step(door, token)


# Leaving and preferring


def test_leaving_is_for_ever_and_as_often_as_one_likes(
    door: Doorway, postbox: Postbox, clock: Clock
) -> None:
    signed_up(door, postbox)
    token = token_of(door, tokens.UNSUBSCRIBE)
    assert subscribe.known(door, token).status is Status.ACTIVE
    for _ in range(3):
        assert subscribe.leave(door, token).status is Status.UNSUBSCRIBED
        clock.now += timedelta(days=500)
    with door.engine.connect() as conn:
        assert conn.scalar(select(schema.subscribers.c.left_at)) == NOW
    assert subscribe.known(door, token).status is Status.UNSUBSCRIBED


def test_leaving_ends_what_waits(door: Doorway, postbox: Postbox, clock: Clock) -> None:
    ask(door)
    mailed(door, postbox)
    subscribe.confirm(door, postbox.token)
    ask(door)
    subscribe.leave(door, token_of(door, tokens.UNSUBSCRIBE))
    assert mailed(door, postbox) == []
    clock.now += DAY
    ask(door)
    subscribe.leave(door, token_of(door, tokens.UNSUBSCRIBE))
    assert mailed(door, postbox) == []


def test_an_open_confirmation_does_not_bring_back_who_left(door: Doorway, postbox: Postbox) -> None:
    ask(door)
    mailed(door, postbox)
    subscribe.leave(door, token_of(door, tokens.UNSUBSCRIBE))
    with pytest.raises(TokenSpent):
        subscribe.confirm(door, postbox.token)
    assert found(door).status is Status.UNSUBSCRIBED


def test_a_cadence_instead_changes_nothing_else(door: Doorway, postbox: Postbox) -> None:
    signed_up(door, postbox)
    changed = subscribe.instead(door, token_of(door, tokens.UNSUBSCRIBE), Cadence.MONTHLY)
    assert tastes.of(changed) == replace(TASTE, cadence=Cadence.MONTHLY)
    assert changed == found(door)
    assert changed.status is Status.ACTIVE


def test_who_left_stays_so_whatever_they_prefer(door: Doorway, postbox: Postbox) -> None:
    signed_up(door, postbox)
    token = token_of(door, tokens.UNSUBSCRIBE)
    subscribe.leave(door, token)
    assert subscribe.instead(door, token, Cadence.MONTHLY).status is Status.UNSUBSCRIBED
    assert found(door).cadence is Cadence.WEEKLY
    preferred = subscribe.prefer(door, token_of(door, tokens.PREFERENCES), OTHER, None)
    assert (preferred.status, tastes.of(preferred)) == (Status.UNSUBSCRIBED, OTHER)


def test_preferences_are_kept_and_a_pause_ends(
    door: Doorway, postbox: Postbox, clock: Clock
) -> None:
    signed_up(door, postbox)
    token = token_of(door, tokens.PREFERENCES)
    until = date(2026, 12, 24)
    preferred = subscribe.prefer(door, token, OTHER, until)
    assert preferred == subscribe.preferences(door, token) == found(door)
    assert (tastes.of(preferred), preferred.paused_until) == (OTHER, until)
    clock.now += timedelta(days=3000)
    assert subscribe.prefer(door, token, OTHER, None).paused_until is None


@pytest.mark.parametrize(
    ("zone", "until", "is_taken"),
    [
        ("UTC", date(2026, 11, 20), False),
        ("UTC", date(2026, 11, 21), True),
        ("Pacific/Kiritimati", date(2026, 11, 20), False),
        ("Pacific/Pago_Pago", date(2026, 11, 20), True),  # there it is still the 19th
        ("UTC", date(2027, 11, 20), True),
        ("UTC", date(2027, 11, 22), False),
        ("UTC", date.max, False),
    ],
)
def test_a_pause_begins_today_and_ends_within_a_year(
    door: Doorway, postbox: Postbox, zone: str, until: date, is_taken: bool
) -> None:
    signed_up(door, postbox)
    door = replace(door, zone=ZoneInfo(zone))
    token = token_of(door, tokens.PREFERENCES)
    if is_taken:
        assert subscribe.prefer(door, token, OTHER, until).paused_until == until
        return
    with pytest.raises(TasteError) as caught:
        subscribe.prefer(door, token, OTHER, until)
    assert caught.value.field == "paused_until"
    assert tastes.of(found(door)) == TASTE


# Exporting and erasing


def test_export_and_erase_go_by_a_mail_of_their_own_once_a_day(
    door: Doorway, postbox: Postbox, clock: Clock
) -> None:
    signed_up(door, postbox)
    token = token_of(door, tokens.PREFERENCES)
    for hours, subjects in (
        (0, ["What trendbot keeps of you", "Do you want trendbot to erase you?"]),
        (23, []),
        (1, ["What trendbot keeps of you", "Do you want trendbot to erase you?"]),
    ):
        clock.now += timedelta(hours=hours)
        for _ in range(2):
            subscribe.ask_export(door, token)
            subscribe.ask_erase(door, token)
        assert mailed(door, postbox) == subjects
    assert subscribe.erasing(door, postbox.link("erase")).email == ADA


def test_all_that_is_kept_is_exported(door: Doorway, postbox: Postbox) -> None:
    planned(door.engine, date(2026, 11, 19), 1)
    reader = "reader0@example.org"
    subscribe.prefer(door, token_of(door, tokens.PREFERENCES, reader), TASTE, date(2026, 12, 1))
    subscribe.ask_erase(door, token_of(door, tokens.PREFERENCES, reader))
    kept = subscribe.export_of(door, timed(door, tokens.EXPORT, reader))
    sent = kept.pop("deliveries")
    assert sent == [
        {
            "cadence": "daily",
            "date": "2026-11-19",
            "state": "pending",
            "at": sent[0]["at"],  # type: ignore[index]
            "detail": "",
        }
    ]
    made_at = "2026-11-21T06:30:00+00:00"
    assert kept == {
        "email": reader,
        "status": "active",
        "cadence": "weekly",
        "topics": ["cs.LG", "math"],
        "fewer": ["cs.CV"],
        "hour": 7,
        "timezone": "Europe/Berlin",
        "paused_until": "2026-12-01",
        "created_at": made_at,
        "confirmed_at": made_at,
        "left_at": None,
        "confirm_sent_at": None,
        "suppressed": None,
        "notices": [{"kind": "erase", "queued_at": NOW.isoformat()}],
    }


def test_the_export_names_every_column_of_a_subscriber(door: Doorway, postbox: Postbox) -> None:
    signed_up(door, postbox)
    kept = subscribe.export_of(door, timed(door, tokens.EXPORT))
    own = {"id", "email_key", "confirm_hash"}  # say nothing about anybody
    assert {column.name for column in schema.subscribers.c} - own <= set(kept)


def everything(engine: Engine) -> str:
    """All that is in the database, as text."""
    with engine.connect() as conn:
        return "\n".join(
            row
            for table in schema.metadata.sorted_tables
            for row in sorted(str(tuple(row)) for row in conn.execute(select(table)))
        )


def erase(door: Doorway, email: str = ADA) -> str:
    token = timed(door, tokens.ERASE, email)
    subscribe.erase(door, token)
    return token


def test_of_who_was_erased_nothing_is_left(door: Doorway, postbox: Postbox) -> None:
    door = replace(door, limits=Limits())
    planned(door.engine, date(2026, 11, 19), 2)
    reader = "reader0@example.org"
    with door.engine.begin() as conn:
        said = f"550 5.1.1 <{reader}> no such user"
        own = schema.deliveries.c.subscriber_id == 1
        conn.execute(update(schema.deliveries).where(own).values(detail=said, state="failed"))
        conn.execute(update(schema.deliveries).where(~own).values(detail="another's"))
        subscribers.suppress(conn, reader, said, NOW)
    ask(door, reader)
    preferences, leave = (
        token_of(door, purpose, reader) for purpose in (tokens.PREFERENCES, tokens.UNSUBSCRIBE)
    )
    subscribe.prefer(door, preferences, TASTE, date(2026, 12, 1))
    subscribe.ask_export(door, preferences)
    token = erase(door, reader)
    left = everything(door.engine)
    assert "reader0" not in left
    assert "Europe/Berlin" not in left
    assert "reader1@example.org" in left
    assert "another's" in left
    assert mailed(door, postbox) == []
    with pytest.raises(UnknownSubscriber):
        found(door, reader)
    with door.engine.connect() as conn:
        assert [one.email for one in subscribers.every(conn)] == ["reader1@example.org"]
    assert reader not in "".join(lists.export(door.engine))
    for step in (subscribe.erasing, subscribe.erase):
        with pytest.raises(TokenSpent, match="erased"):
            step(door, token)
    for name in ("preferences", "prefer", "ask_export", "ask_erase"):
        with pytest.raises(TokenSpent, match="erased"):
            STEPS[name][1](door, preferences)
    for name in ("known", "leave", "instead"):
        gone = STEPS[name][1](door, leave)
        assert isinstance(gone, Subscriber)
        assert (gone.status, gone.email) == (Status.ERASED, "")
    assert everything(door.engine) == left


def test_open_deliveries_of_who_was_erased_are_not_sent_and_the_books_balance(
    door: Doorway, postbox: Postbox
) -> None:
    digest = planned(door.engine, date(2026, 11, 19), 2)
    clock_now = digest.made_at
    erase(door, "reader0@example.org")
    deliver.drain(
        deliver.Dispatch(door.engine, postbox, door.site, door.mail, SECRET, lambda: clock_now)
    )
    assert postbox.recipients == ["reader1@example.org"]
    with door.engine.connect() as conn:
        (of,) = books.of_digests(conn)
    assert of.balanced
    assert of.counts == {DeliveryState.SENT: 1, DeliveryState.SUPPRESSED: 1}


def test_a_list_does_not_bring_back_who_was_erased_but_they_may_come_themselves(
    door: Doorway, postbox: Postbox, clock: Clock
) -> None:
    signed_up(door, postbox)
    erase(door)
    turned = replace(door, secrets=("a-newer-secret-of-ours", SECRET))
    for confirmed in (True, False):
        counts = lists.take_in(turned, lists.read(f"email\n{ADA}\nbo@example.org\n"), confirmed)
        assert counts[Added.ERASED] == 1
    with pytest.raises(UnknownSubscriber):
        found(door)
    ask(turned)
    assert lists.take_in(turned, lists.read(f"email\n{ADA}\n"), True) == {Added.ERASED: 1}
    assert found(door).status is Status.PENDING
    mailed(turned, postbox)
    assert subscribe.confirm(turned, postbox.token).status is Status.ACTIVE
    assert lists.take_in(turned, lists.read(f"email\n{ADA}\n"), True) == {Added.KNOWN: 1}


def test_who_came_back_is_erased_once_more(door: Doorway, postbox: Postbox, clock: Clock) -> None:
    for times in range(3):
        clock.now += 2 * DAY
        if times == 1:
            ask(door)  # pending
        else:
            signed_up(door, postbox)
        erase(door)
    counts = lists.take_in(door, lists.read(f"email\n{ADA}\n"), True)
    assert counts == {Added.ERASED: 1}
    assert rows(door.engine) == 3
    assert "example" not in everything(door.engine)


def test_who_was_suppressed_and_is_erased_stays_suppressed(
    door: Doorway, postbox: Postbox, clock: Clock
) -> None:
    signed_up(door, postbox)
    with door.engine.begin() as conn:
        subscribers.suppress(conn, ADA, f"550 5.1.1 {ADA}", NOW)
    erase(door)
    assert suppressed(door.engine) == list(door.erased_keys(ADA))
    clock.now += 2 * DAY
    ask(door)
    assert mailed(door, postbox) == []
    assert rows(door.engine) == 1
    with pytest.raises(AddressError, match="--confirmed"):
        subscribe.add(door, ADA, TASTE, confirmed=False)
    assert subscribe.add(door, ADA, TASTE, confirmed=True) is Added.ACTIVE
    assert suppressed(door.engine) == []
    assert lists.take_in(door, lists.read(f"email\n{ADA}\n"), True) == {Added.KNOWN: 1}


def test_the_operator_erases_all_or_none(door: Doorway, postbox: Postbox) -> None:
    signed_up(door, postbox)
    with pytest.raises(UnknownSubscriber, match=r"bo@example\.org; nobody was erased"):
        subscribe.erase_all(door, [ADA, "bo@example.org"])
    assert found(door).status is Status.ACTIVE
    assert [one.email for one in subscribe.erase_all(door, ["ADA@example.org"])] == [ADA]
    assert "example" not in everything(door.engine)


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_of_two_who_erase_at_once_both_are_content(door: Doorway, postbox: Postbox) -> None:
    signed_up(door, postbox)
    token = timed(door, tokens.ERASE)
    start = Barrier(3)

    def erase_now(_number: int) -> bool:
        start.wait(timeout=30)
        try:
            subscribe.erase(door, token)
        except TokenSpent:
            return False
        return True

    with ThreadPoolExecutor(3) as pool:
        assert any(pool.map(erase_now, range(3)))
    assert rows(door.engine) == 1
    assert suppressed(door.engine) == []
    assert lists.take_in(door, lists.read(f"email\n{ADA}\n"), True) == {Added.ERASED: 1}


def test_nothing_changes_after_being_erased(door: Doorway, postbox: Postbox) -> None:
    signed_up(door, postbox)
    number = found(door).id
    erase(door)
    with door.engine.begin() as conn:
        subscribers.set_status(conn, number, Status.SUPPRESSED, NOW)
        assert subscribers.get(conn, number).status is Status.ERASED


def test_nothing_the_web_causes_is_logged_with_an_address_or_token(
    door: Doorway, postbox: Postbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "trendbot")
    signed_up(door, postbox)
    postbox.answers[ADA] = DeliveryState.FAILED
    subscribe.ask_export(door, token_of(door, tokens.PREFERENCES))
    assert mailed(door, postbox) != []
    erase(door)
    assert "export" in caplog.text
    assert ADA not in caplog.text
    assert postbox.link("export") not in caplog.text
