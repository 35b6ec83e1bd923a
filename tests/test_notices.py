"""Notices as they go out: once, again where that helps, and not when nobody wants them.

Over 400 lines, because every kind of notice goes through every kind of trouble here.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from email import message_from_bytes, policy
from threading import Barrier

import pytest
from sqlalchemy import Connection, Engine, event, select, update
from sqlalchemy.exc import OperationalError

from tests.digests import planned
from tests.postbox import ADA, NOW, SECRET, Clock, Postbox, door_to
from trendbot import lists, notices, subscribe, tokens
from trendbot.deliver import never
from trendbot.doorway import Doorway
from trendbot.errors import HeaderError, TransportError
from trendbot.model import Cadence, DeliveryState, Limits, Mail, Outcome, Status, Taste
from trendbot.notice_letters import Kind
from trendbot.settings import MailSection
from trendbot.store import notices as rows
from trendbot.store import pace, schema, subscribers

CLIENT = "192.0.2.7"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


@pytest.fixture
def door(engine: Engine, postbox: Postbox, clock: Clock) -> Doorway:
    return door_to(engine, postbox, clock)


def ask(door: Doorway, email: str = ADA, taste: Taste = Taste()) -> None:  # noqa: B008
    subscribe.ask(door, email, taste, CLIENT)


def drain(door: Doorway) -> int:
    return notices.drain(door, never)


def waiting(door: Doorway) -> int:
    with door.engine.connect() as conn:
        return rows.waiting(conn)


def activate(door: Doorway, email: str = ADA) -> int:
    subscribe.add(door, email, Taste(), confirmed=True)
    return subscribe.find(door.engine, email).id


def queue(door: Doorway, kind: Kind, subscriber_id: int) -> None:
    with door.engine.begin() as conn:
        rows.queue(conn, kind, subscriber_id, door.now())


def test_what_is_due_is_sent_once_and_the_transport_closed(door: Doorway, postbox: Postbox) -> None:
    ask(door)
    ask(door, "bo@example.org")
    assert drain(door) == 2
    assert sorted(postbox.recipients) == [ADA, "bo@example.org"]
    assert (waiting(door), postbox.closed) == (0, 1)
    assert drain(door) == 0


def test_each_kind_has_its_link(door: Doorway, postbox: Postbox) -> None:
    number = activate(door)
    links = {
        Kind.KNOWN: ("preferences", tokens.PREFERENCES),
        Kind.EXPORT: ("export", tokens.EXPORT),
        Kind.ERASE: ("erase", tokens.ERASE),
    }
    for kind, (path, purpose) in links.items():
        queue(door, kind, number)
        drain(door)
        token = postbox.link(path)
        if kind is Kind.KNOWN:
            assert tokens.verify((SECRET,), purpose, token) == str(number)
        else:
            hours = timedelta(hours=48)
            subject = tokens.verify_timed((SECRET,), purpose, token, hours, NOW)
            assert subject == str(number)


def test_of_a_confirmation_only_the_hash_is_kept(door: Doorway, postbox: Postbox) -> None:
    ask(door)
    drain(door)
    with door.engine.connect() as conn:
        kept = conn.scalar(select(schema.subscribers.c.confirm_hash))
    assert kept == tokens.digest_of(postbox.token)


def test_a_welcome_brings_the_latest_digest_and_both_links(
    door: Doorway, postbox: Postbox, clock: Clock
) -> None:
    digest = planned(door.engine, date(2026, 11, 19), 0)
    clock.now = digest.made_at
    number = activate(door)
    queue(door, Kind.WELCOME, number)
    assert drain(door) == 1
    message = message_from_bytes(postbox.mails[0].message, policy=policy.default)
    assert "Welcome" in message["Subject"]
    assert "On Looping" in postbox.mails[0].message.decode()
    leave = tokens.sign(SECRET, tokens.UNSUBSCRIBE, str(number))
    assert leave in message["List-Unsubscribe"]
    assert postbox.link("unsubscribe") == leave
    preferences = tokens.sign(SECRET, tokens.PREFERENCES, str(number))
    assert postbox.link("preferences") == preferences


def test_the_operators_adding_and_importing_welcome_nobody(door: Doorway, postbox: Postbox) -> None:
    activate(door)
    lists.take_in(door, lists.read("email\nbo@example.org\n"), confirmed=True)
    assert drain(door) == 0


def test_message_ids_are_each_their_own_and_nobody_can_guess_them(
    door: Doorway, postbox: Postbox, clock: Clock
) -> None:
    number = activate(door)
    for kind in (Kind.KNOWN, Kind.EXPORT, Kind.KNOWN):
        queue(door, kind, number)
        drain(door)
        clock.now += MINUTE
    queue(replace(door, secrets=("another-secret-of-ours",)), Kind.KNOWN, number)
    drain(replace(door, secrets=("another-secret-of-ours",)))
    found = [mail.message_id for mail in postbox.mails]
    assert len(set(found)) == 4
    for mail in postbox.mails:
        assert f"Message-ID: {mail.message_id}\r\n".encode() in mail.message


# Who does not want it any more


def confirmed(door: Doorway) -> None:
    with door.engine.begin() as conn:
        subscribers.set_status(conn, 1, Status.ACTIVE, NOW)


def bounced(door: Doorway) -> None:
    with door.engine.begin() as conn:
        subscribers.suppress(conn, ADA, "550 5.1.1", NOW)


def mangled(door: Doorway) -> None:
    with door.engine.begin() as conn:
        conn.execute(update(schema.subscribers).values(email="ada at example"))


@pytest.mark.parametrize("happened", [confirmed, bounced, mangled])
def test_a_confirmation_that_is_of_no_use_is_forgotten(
    door: Doorway, postbox: Postbox, happened: Callable[[Doorway], None]
) -> None:
    ask(door)
    happened(door)
    assert drain(door) == 0
    assert (waiting(door), postbox.mails) == (0, [])


@pytest.mark.parametrize("status", [Status.UNSUBSCRIBED, Status.SUPPRESSED, Status.PENDING])
@pytest.mark.parametrize("kind", [Kind.KNOWN, Kind.WELCOME])
def test_who_is_not_active_is_neither_welcomed_nor_known(
    door: Doorway, postbox: Postbox, kind: Kind, status: Status
) -> None:
    number = activate(door)
    queue(door, kind, number)
    with door.engine.begin() as conn:
        subscribers.set_status(conn, number, status, NOW)
    assert drain(door) == 0
    assert waiting(door) == 0


@pytest.mark.parametrize("status", [Status.UNSUBSCRIBED, Status.PENDING, Status.ACTIVE])
@pytest.mark.parametrize("kind", [Kind.EXPORT, Kind.ERASE])
def test_export_and_erase_are_for_all_who_can_be_mailed(
    door: Doorway, postbox: Postbox, kind: Kind, status: Status
) -> None:
    number = activate(door)
    queue(door, kind, number)
    with door.engine.begin() as conn:
        subscribers.set_status(conn, number, status, NOW)
    assert drain(door) == 1


# Trying again


def test_what_is_deferred_waits_longer_each_time_and_is_given_up_after_two_days(
    door: Doorway, postbox: Postbox, clock: Clock
) -> None:
    ask(door)
    postbox.answers[ADA] = DeliveryState.DEFERRED
    tries = []
    for _ in range(3 * 24 * 6):
        before = len(postbox.mails)
        drain(door)
        if len(postbox.mails) > before:
            tries.append((clock.now - NOW) / MINUTE)
        clock.now += 10 * MINUTE
    assert tries[:5] == [0, 30, 90, 210, 450]
    assert 44 * 60 < tries[-1] <= 48 * 60
    assert waiting(door) == 0


def test_a_confirmation_sent_late_has_its_48_hours_from_then(
    door: Doorway, postbox: Postbox, clock: Clock
) -> None:
    ask(door)
    postbox.answers[ADA] = DeliveryState.DEFERRED
    drain(door)
    first = postbox.token
    postbox.answers.clear()
    clock.now += 30 * MINUTE
    drain(door)
    assert postbox.token != first
    clock.now += timedelta(hours=48)
    assert subscribe.confirm(door, postbox.token).status is Status.ACTIVE


@pytest.mark.parametrize("state", [DeliveryState.FAILED, DeliveryState.SUPPRESSED])
def test_what_is_refused_for_good_is_not_sent_again_today(
    door: Doorway,
    postbox: Postbox,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    state: DeliveryState,
) -> None:
    ask(door)
    postbox.answers[ADA] = state
    assert drain(door) == 0
    assert f"(confirm) was {state}" in caplog.text
    assert ADA not in caplog.text
    ask(door)
    assert (drain(door), waiting(door), len(postbox.mails)) == (0, 0, 1)
    clock.now += timedelta(days=1)
    postbox.answers.clear()
    ask(door)
    assert drain(door) == 1


def test_silence_after_the_mail_counts_as_sent(door: Doorway, postbox: Postbox) -> None:
    ask(door)
    postbox.answers[ADA] = DeliveryState.UNCERTAIN
    assert drain(door) == 1
    assert waiting(door) == 0


def test_when_the_server_refuses_us_nothing_is_lost_and_the_waits_grow(
    door: Doorway, postbox: Postbox, clock: Clock
) -> None:
    ask(door)
    postbox.refuse_after = 0
    tries = []
    for minute in range(200):
        try:
            drain(door)
        except TransportError:
            tries.append(minute)
        clock.now += MINUTE
    assert tries == [0, 1, 3, 7, 15, 31, 63, 123, 183]
    postbox.refuse_after = None
    clock.now += timedelta(hours=1)
    assert drain(door) == 1
    assert subscribe.confirm(door, postbox.token).status is Status.ACTIVE


def test_one_over_whom_the_server_refuses_us_does_not_hold_up_the_others(
    door: Doorway, postbox: Postbox
) -> None:
    ask(door)
    ask(door, "bo@example.org")
    postbox.refuse_after = 0
    with pytest.raises(TransportError):
        drain(door)
    postbox.refuse_after = None
    assert drain(door) == 1
    assert waiting(door) == 1


def test_settings_that_cannot_stand_in_a_mail_lose_nothing(
    door: Doorway, postbox: Postbox, clock: Clock
) -> None:
    ask(door)
    with pytest.raises(HeaderError):
        drain(replace(door, mail=MailSection.model_construct(sender="nobody", reply_to="")))
    clock.now += notices.CLAIMED_FOR
    assert drain(door) == 1


def test_once_stopped_no_further_mail_leaves(door: Doorway, postbox: Postbox) -> None:
    for name in "abc":
        ask(door, f"{name}@example.org")
    assert notices.drain(door, lambda: len(postbox.mails) >= 2) == 2
    assert waiting(door) == 1


def test_mails_are_counted_and_keep_the_pace(door: Doorway, postbox: Postbox) -> None:
    postbox.limits = Limits(per_second=2, per_hour=10)
    for name in "abc":
        ask(door, f"{name}@example.org")
    drain(door)
    starts = [mail.not_before for mail in postbox.mails]
    assert starts[2] - starts[0] >= 1
    with door.engine.begin() as conn:
        assert pace.room(conn, postbox.limits, door.now()) == 7
        free_at = conn.scalar(select(schema.pace.c.free_at))
    assert free_at == door.now() + timedelta(seconds=1.5)


# Several at once


def test_two_daemons_send_each_notice_once(engine: Engine, door: Doorway, clock: Clock) -> None:
    boxes = [Postbox(), Postbox()]
    doors = [door_to(engine, box, clock) for box in boxes]
    names = [f"reader{number}@example.org" for number in range(10)]
    for name in names:
        ask(door, name)
    start = Barrier(2)

    def drain_now(one: Doorway) -> int:
        start.wait(timeout=30)
        return drain(one)

    with ThreadPoolExecutor(2) as pool:
        sent = sum(pool.map(drain_now, doors))
    sent += drain(door)  # whoever found only what the other held has stopped
    everybody = [name for box in boxes for name in box.recipients]
    assert len(everybody) == len(set(everybody))
    assert (sent, waiting(door)) == (10, 0)


class Watched(Postbox):
    """A postbox that lets something happen while a mail is under way."""

    meanwhile: Callable[[], object] = never

    def send(self, mails: Iterable[Mail]) -> Iterator[Outcome]:
        for outcome in super().send(mails):
            self.meanwhile()
            yield outcome


def test_while_a_mail_is_under_way_nobody_else_takes_it(engine: Engine, clock: Clock) -> None:
    box, other = Watched(), Postbox()
    door = door_to(engine, box, clock)
    box.meanwhile = lambda: drain(door_to(engine, other, clock))
    ask(door)
    assert drain(door) == 1
    assert other.mails == []


def test_who_asks_while_the_mail_is_under_way_is_not_mailed_twice(
    engine: Engine, clock: Clock
) -> None:
    box = Watched()
    door = door_to(engine, box, clock)
    box.meanwhile = lambda: ask(door, taste=Taste(Cadence.MONTHLY))
    ask(door)
    assert drain(door) == 1
    assert drain(door) == 0
    assert subscribe.confirm(door, box.token).cadence is Cadence.MONTHLY


def test_who_is_erased_while_the_mail_is_under_way_leaves_no_notice(
    engine: Engine, clock: Clock
) -> None:
    box = Watched()
    door = door_to(engine, box, clock)
    number = activate(door)
    erase = tokens.sign_timed(SECRET, tokens.ERASE, str(number), NOW)
    box.meanwhile = lambda: subscribe.erase(door, erase)
    queue(door, Kind.EXPORT, number)
    assert drain(door) == 1
    assert waiting(door) == 0


def test_a_database_that_was_away_for_a_moment_costs_no_second_mail(
    door: Doorway, postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "WRITE_PAUSES", (0.0,) * 4)
    ask(door)
    away = [OperationalError("", {}, Exception("the server is restarting"))] * 3

    @event.listens_for(door.engine, "before_cursor_execute")
    def fail(_conn: Connection, _cursor: object, statement: str, *_more: object) -> None:
        if statement.startswith("DELETE FROM notices") and away:
            raise away.pop()

    assert drain(door) == 1
    assert (waiting(door), away) == (0, [])


def test_a_process_that_died_with_a_notice_leaves_it_to_the_next(
    door: Doorway, postbox: Postbox, clock: Clock
) -> None:
    ask(door)
    with door.engine.begin() as conn:
        assert rows.claim(conn, NOW, NOW + notices.CLAIMED_FOR) is not None
    assert drain(door) == 0
    clock.now += notices.CLAIMED_FOR
    assert drain(door) == 1
