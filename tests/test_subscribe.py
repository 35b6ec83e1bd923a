"""Signing up by the operator, confirming, leaving."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import Engine, select

from tests.postbox import ADA, NOW, SECRET, Clock, Postbox, door_to, wait_until_blocked
from tests.transports.outside import context
from trendbot import lists, subscribe, tokens
from trendbot.doorway import Doorway
from trendbot.errors import AddressError, HeaderError, TokenError, TransportError, UnknownSubscriber
from trendbot.model import Cadence, DeliveryState, Limits, Status, Subscriber, Taste
from trendbot.settings import MailSection
from trendbot.store import pace, subscribers
from trendbot.store.schema import subscribers as people
from trendbot.store.schema import suppressions
from trendbot.subscribe import Added
from trendbot.transports.maildir import Maildir, MaildirSettings


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


@pytest.fixture
def door(engine: Engine, postbox: Postbox, clock: Clock) -> Doorway:
    return door_to(engine, postbox, clock)


def add(
    door: Doorway,
    text: str = ADA,
    cadence: Cadence = Cadence.DAILY,
    topics: tuple[str, ...] = (),
    confirmed: bool = False,
) -> Added:
    return subscribe.add(door, text, Taste(cadence, topics), confirmed)


def take_in(door: Doorway, text: str, confirmed: bool = True) -> dict[Added | Status, int]:
    return lists.take_in(door, lists.read(text), confirmed)


def confirm(door: Doorway, token: str) -> Subscriber:
    return subscribe.confirm(door, token)


def found(door: Doorway, text: str = ADA) -> Subscriber:
    return subscribe.find(door.engine, text)


def wish_of(subscriber: Subscriber) -> tuple[Cadence, tuple[str, ...]]:
    return subscriber.cadence, subscriber.topics


def everybody(engine: Engine) -> list[Subscriber]:
    with engine.connect() as conn:
        return list(subscribers.every(conn))


def suppressed(engine: Engine) -> dict[str, str]:
    with engine.connect() as conn:
        rows = conn.execute(select(suppressions.c.email_key, suppressions.c.reason))
        return {row.email_key: row.reason for row in rows}


# Signing up


def test_whoever_confirms_is_active(door: Doorway, postbox: Postbox, clock: Clock) -> None:
    assert add(door) is Added.MAILED
    assert postbox.recipients == [ADA]
    assert found(door).status is Status.PENDING
    clock.now += timedelta(hours=1)
    assert confirm(door, postbox.token) == found(door)
    assert (found(door).status, found(door).confirmed_at) == (Status.ACTIVE, clock.now)
    assert add(door) is Added.KNOWN
    assert len(postbox.mails) == 1


def test_an_address_is_mailed_one_confirmation_a_day(
    door: Doorway, postbox: Postbox, clock: Clock
) -> None:
    said = []
    for hours in (0, 1, 22, 1, 1):
        clock.now += timedelta(hours=hours)
        said.append(add(door))
    assert said == [Added.MAILED, Added.WAITING, Added.WAITING, Added.MAILED, Added.WAITING]
    assert len(postbox.mails) == 2


def test_two_who_add_a_new_address_at_once_mail_it_once(door: Doorway, postbox: Postbox) -> None:
    start = Barrier(2)

    def add_now(_number: int) -> Added:
        start.wait(timeout=30)
        return add(door)

    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(add_now, range(2))) == {Added.MAILED, Added.WAITING}
    assert postbox.recipients == [ADA]


def test_two_who_add_a_pending_address_at_once_mail_it_once(
    door: Doorway, postbox: Postbox, clock: Clock
) -> None:
    add(door)
    clock.now += timedelta(days=2)
    with ThreadPoolExecutor(2) as pool:
        with door.engine.begin() as conn:
            subscribers.find(conn, ADA, for_update=True)
            adding = [pool.submit(add, door) for _ in range(2)]
            wait_until_blocked(door.engine, 2)
        assert {one.result(timeout=60) for one in adding} == {Added.MAILED, Added.WAITING}
    assert postbox.recipients == [ADA, ADA]


def test_two_spellings_of_an_address_are_one_subscriber(door: Doorway, postbox: Postbox) -> None:
    spellings = ("Ada@Bücher.example", "ada@xn--bcher-kva.example", "ADA@BÜCHER.EXAMPLE")
    assert [add(door, text) for text in spellings] == [Added.MAILED, Added.WAITING, Added.WAITING]
    assert postbox.recipients == ["Ada@xn--bcher-kva.example"]
    list_of_all = "email\n" + "\n".join(spellings)
    assert take_in(door, list_of_all) == {Status.ACTIVE: 1}
    assert [one.email for one in everybody(door.engine)] == ["Ada@xn--bcher-kva.example"]


def test_an_address_beyond_ascii_signs_up_and_leaves_as_any_other(
    door: Doorway, postbox: Postbox, clock: Clock
) -> None:
    assert add(door, "Ju\u0308rgen@Bücher.example") is Added.MAILED
    assert postbox.recipients == ["Jürgen@xn--bcher-kva.example"]
    assert postbox.mails[0].message.startswith("To: Jürgen@xn--bcher-kva.example\r\n".encode())
    assert add(door, "JÜRGEN@xn--bcher-kva.example") is Added.WAITING
    assert confirm(door, postbox.token).status is Status.ACTIVE
    assert take_in(door, "email\njürgen@bücher.example\n") == {Added.KNOWN: 1}
    (left,) = subscribe.unsubscribe(door.engine, ["jürgen@BÜCHER.example"], clock())
    assert left.email == "Jürgen@xn--bcher-kva.example"


def test_a_mailbox_folder_takes_mail_for_an_address_beyond_ascii(
    door: Doorway, tmp_path: Path
) -> None:
    transport = Maildir(MaildirSettings(path=Path("box")), context(tmp_path))
    assert add(replace(door, transport=lambda: transport), "jürgen@example.org") is Added.MAILED
    (kept,) = (tmp_path / "box" / "new").iterdir()
    assert kept.read_text(encoding="utf-8").splitlines()[1:3] == [
        "Delivered-To: jürgen@example.org",
        "To: jürgen@example.org",
    ]


def test_the_newest_wish_of_a_pending_one_holds(
    door: Doorway, postbox: Postbox, clock: Clock
) -> None:
    add(door)
    add(door, cadence=Cadence.WEEKLY, topics=("cs.LG",))
    assert wish_of(confirm(door, postbox.token)) == (Cadence.WEEKLY, ("cs.LG",))
    add(door, "bo@example.org", Cadence.DAILY, ("math",))
    clock.now += timedelta(days=2)
    add(door, "bo@example.org", Cadence.MONTHLY)
    assert wish_of(confirm(door, postbox.token)) == (Cadence.MONTHLY, ())


def test_the_new_wish_of_one_who_left_holds_once_confirmed(
    door: Doorway, postbox: Postbox, clock: Clock
) -> None:
    add(door, topics=("math",), confirmed=True)
    subscribe.unsubscribe(door.engine, [ADA], clock())
    assert add(door, cadence=Cadence.WEEKLY) is Added.MAILED
    assert add(door, cadence=Cadence.WEEKLY, topics=("cs.LG",)) is Added.WAITING
    assert found(door).status is Status.UNSUBSCRIBED
    assert wish_of(confirm(door, postbox.token)) == (Cadence.WEEKLY, ("cs.LG",))
    assert found(door).status is Status.ACTIVE


def test_nobody_changes_what_one_who_left_wanted_without_a_confirmation(
    door: Doorway, clock: Clock
) -> None:
    add(door, topics=("math",))
    subscribe.unsubscribe(door.engine, [ADA], clock())
    assert add(door, cadence=Cadence.WEEKLY) is Added.WAITING
    assert wish_of(found(door)) == (Cadence.DAILY, ("math",))


@pytest.mark.parametrize("leave", [False, True])
def test_the_operators_word_counts_at_once(
    door: Doorway, postbox: Postbox, clock: Clock, leave: bool
) -> None:
    add(door)
    if leave:
        subscribe.unsubscribe(door.engine, [ADA], clock())
    assert add(door, cadence=Cadence.WEEKLY, topics=("cs.LG",), confirmed=True) is Added.ACTIVE
    assert found(door).status is Status.ACTIVE
    assert wish_of(found(door)) == (Cadence.WEEKLY, ("cs.LG",))
    assert len(postbox.mails) == 1


def test_a_suppressed_address_comes_back_only_by_the_operators_word(
    door: Doorway, postbox: Postbox, clock: Clock
) -> None:
    add(door, confirmed=True)
    with door.engine.begin() as conn:
        subscribers.set_status(conn, found(door).id, Status.SUPPRESSED, clock())
    with pytest.raises(AddressError, match="suppressed"):
        add(door, cadence=Cadence.WEEKLY)
    with door.engine.begin() as conn:
        subscribers.suppress(conn, ADA, "5.1.1 no such user", clock())
    with pytest.raises(AddressError, match=r"5\.1\.1 no such user.*--confirmed"):
        add(door, cadence=Cadence.WEEKLY)
    assert postbox.mails == []
    assert found(door).cadence is Cadence.DAILY
    assert add(door, confirmed=True) is Added.ACTIVE
    assert suppressed(door.engine) == {}


@pytest.mark.parametrize(
    "state", [DeliveryState.FAILED, DeliveryState.SUPPRESSED, DeliveryState.DEFERRED]
)
def test_a_refused_address_is_told_and_may_try_again(
    door: Doorway, postbox: Postbox, state: DeliveryState
) -> None:
    postbox.answers[ADA] = state
    with pytest.raises(AddressError, match=f"{ADA}.*the server said {state}.*add it again"):
        add(door)
    del postbox.answers[ADA]
    assert add(door) is Added.MAILED


def test_no_answer_after_the_mail_counts_as_mailed(door: Doorway, postbox: Postbox) -> None:
    postbox.answers[ADA] = DeliveryState.UNCERTAIN
    assert add(door) is Added.MAILED
    assert add(door) is Added.WAITING


def test_after_a_transport_error_the_next_try_mails_at_once(
    door: Doorway, postbox: Postbox
) -> None:
    postbox.refuse_after = 0
    with pytest.raises(TransportError, match="535"):
        add(door)
    postbox.refuse_after = None
    assert add(door) is Added.MAILED
    assert confirm(door, postbox.token).status is Status.ACTIVE


def test_a_mail_that_cannot_be_written_is_not_booked(door: Doorway, postbox: Postbox) -> None:
    with pytest.raises(HeaderError):
        add(replace(door, mail=MailSection.model_construct(sender="nobody", reply_to="")))
    assert add(door) is Added.MAILED


@pytest.mark.parametrize("text", ["", "ada", "Ada <ada@example.org>", "a@b@c", "ada@example.org\n"])
def test_what_is_no_address_is_not_added(door: Doorway, text: str) -> None:
    with pytest.raises(AddressError):
        add(door, text)
    assert everybody(door.engine) == []


# Confirming


def test_a_token_counts_once(door: Doorway, postbox: Postbox, clock: Clock) -> None:
    add(door)
    confirm(door, postbox.token)
    with pytest.raises(TokenError):
        confirm(door, postbox.token)
    subscribe.unsubscribe(door.engine, [ADA], clock())
    with pytest.raises(TokenError):
        confirm(door, postbox.token)
    assert found(door).status is Status.UNSUBSCRIBED


def test_a_token_is_good_for_48_hours(door: Doorway, postbox: Postbox, clock: Clock) -> None:
    add(door)
    clock.now += timedelta(hours=48, seconds=1)
    with pytest.raises(TokenError, match="too old"):
        confirm(door, postbox.token)
    assert found(door).status is Status.PENDING
    clock.now -= timedelta(seconds=1)
    assert confirm(door, postbox.token).status is Status.ACTIVE


def test_only_the_newest_token_counts(door: Doorway, postbox: Postbox, clock: Clock) -> None:
    add(door)
    older = postbox.token
    clock.now += timedelta(hours=25)
    add(door)
    with pytest.raises(TokenError):
        confirm(door, older)
    assert confirm(door, postbox.token).status is Status.ACTIVE


@pytest.mark.parametrize(
    "forge",
    [
        lambda subject, now: tokens.sign_timed(SECRET, tokens.UNSUBSCRIBE, subject, now),
        lambda subject, now: tokens.sign_timed("another-secret-of-ours", "confirm", subject, now),
        lambda subject, now: tokens.sign(SECRET, tokens.CONFIRM, subject),
        lambda subject, now: tokens.sign_timed(SECRET, tokens.CONFIRM, "999", now),
        lambda subject, now: subject,
        lambda subject, now: "",
    ],
    ids=["other purpose", "foreign secret", "without time", "nobody's", "unsigned", "empty"],
)
def test_no_other_token_confirms(
    door: Doorway, clock: Clock, forge: Callable[[str, datetime], str]
) -> None:
    add(door)
    with pytest.raises(TokenError):
        confirm(door, forge(str(found(door).id), clock()))
    assert found(door).status is Status.PENDING


# Leaving


@pytest.mark.parametrize("left_before", [False, True])
def test_an_open_confirmation_does_not_bring_back_who_was_taken_off(
    door: Doorway, postbox: Postbox, clock: Clock, left_before: bool
) -> None:
    if left_before:
        take_in(door, f"email,status\n{ADA},unsubscribed\n")
    assert add(door) is Added.MAILED
    subscribe.unsubscribe(door.engine, [ADA], clock())
    with pytest.raises(TokenError):
        confirm(door, postbox.token)
    assert found(door).status is Status.UNSUBSCRIBED
    clock.now += timedelta(hours=25)
    assert add(door) is Added.MAILED
    assert confirm(door, postbox.token).status is Status.ACTIVE


def test_leaving_twice_changes_nothing(door: Doorway, clock: Clock) -> None:
    add(door, confirmed=True)
    for _ in range(2):
        (left,) = subscribe.unsubscribe(door.engine, ["ADA@example.org"], clock())
        assert left.email == ADA
        clock.now += timedelta(days=1)
    with door.engine.connect() as conn:
        assert conn.scalar(select(people.c.left_at)) == NOW


def test_if_one_address_is_unknown_nobody_leaves(door: Doorway, clock: Clock) -> None:
    add(door, confirmed=True)
    with pytest.raises(UnknownSubscriber, match=r"x@example\.org, y@example\.org"):
        subscribe.unsubscribe(door.engine, ["x@example.org", ADA, "y@example.org"], clock())
    assert found(door).status is Status.ACTIVE


def test_confirmations_count_and_keep_the_pace(
    engine: Engine, door: Doorway, postbox: Postbox
) -> None:
    postbox.limits = Limits(per_second=2, per_hour=10)
    for n in range(3):
        add(door, f"reader{n}@example.org")
    starts = [mail.not_before for mail in postbox.mails]
    assert starts[2] - starts[0] == pytest.approx(1, abs=0.4)
    with engine.begin() as conn:
        assert pace.room(conn, postbox.limits, door.now()) == 7
