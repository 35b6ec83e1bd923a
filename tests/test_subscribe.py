"""Signing up, confirming, leaving, and lists that come and go.

One file, though long: every way in and out of one list.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes, policy
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, event, select, text

from tests.transports.outside import context
from trendbot import subscribe, tokens
from trendbot.errors import AddressError, HeaderError, TokenError, TransportError, UnknownSubscriber
from trendbot.model import Cadence, DeliveryState, Limits, Mail, Outcome, Status, Subscriber
from trendbot.settings import MailSection, Site
from trendbot.store import pace, subscribers
from trendbot.store.schema import subscribers as people
from trendbot.store.schema import suppressions
from trendbot.subscribe import Added, Doorway
from trendbot.transports.maildir import Maildir, MaildirSettings

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
SECRET = "a-secret-of-sixteen-characters"
ADA = "ada@example.org"
_BLOCKED = text(
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@dataclass
class Postbox:
    """A transport that keeps what it gets; some addresses it refuses, or all of us."""

    repeatable: bool = False
    limits: Limits = field(default_factory=Limits)
    mails: list[Mail] = field(default_factory=list)
    answers: dict[str, DeliveryState] = field(default_factory=dict)
    refuse_after: int | None = None

    def send(self, mails: Iterable[Mail]) -> Iterator[Outcome]:
        for mail in mails:
            if self.refuse_after is not None and len(self.mails) >= self.refuse_after:
                raise TransportError("535 wrong password")
            self.mails.append(mail)
            state = self.answers.get(mail.recipient, DeliveryState.SENT)
            yield Outcome(mail.id, state, 0, f"the server said {state}")

    def close(self) -> None:
        pass

    def check(self) -> str:
        return "here"

    @property
    def recipients(self) -> list[str]:
        return [mail.recipient for mail in self.mails]

    @property
    def token(self) -> str:
        """The token in the last mail."""
        message = message_from_bytes(self.mails[-1].message, policy=policy.default)
        body = message.get_body(("plain",))
        assert body is not None
        found = re.search(r"/confirm/(\S+)", body.get_content())
        assert found is not None
        return found[1]


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


@pytest.fixture
def door(engine: Engine, postbox: Postbox, clock: Clock) -> Doorway:
    return Doorway(engine, lambda: postbox, Site(), MailSection(), (SECRET,), clock)


def add(
    door: Doorway,
    text: str = ADA,
    cadence: Cadence = Cadence.DAILY,
    topics: tuple[str, ...] = (),
    confirmed: bool = False,
) -> Added:
    return subscribe.add(door, text, cadence, topics, confirmed)


def take_in(door: Doorway, text: str, confirmed: bool = True) -> dict[Added | Status, int]:
    return subscribe.take_in(door, subscribe.read_list(text), confirmed)


def confirm(door: Doorway, token: str) -> Subscriber:
    return subscribe.confirm(door.engine, door.secrets, token, door.now())


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


def wait_until_blocked(engine: Engine, how_many: int) -> None:
    """Let others come up to the lock we hold; on SQLite they stop before they read."""
    blocked = 0
    while engine.dialect.name == "postgresql" and blocked < how_many:
        with engine.connect() as conn:
            blocked = conn.scalars(_BLOCKED).one()


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


# Lists


@pytest.mark.parametrize(
    "state", [DeliveryState.FAILED, DeliveryState.SUPPRESSED, DeliveryState.DEFERRED]
)
def test_one_refused_address_does_not_stop_the_list(
    door: Doorway, postbox: Postbox, state: DeliveryState, caplog: pytest.LogCaptureFixture
) -> None:
    postbox.answers["bo@example.org"] = state
    names = f"email\n{ADA}\nbo@example.org\ncy@example.org\ndi@example.org\n"
    assert take_in(door, names, confirmed=False) == {Added.MAILED: 3, Added.REFUSED: 1}
    assert postbox.recipients == [ADA, "bo@example.org", "cy@example.org", "di@example.org"]
    assert [
        record.getMessage() for record in caplog.records if "bo@example.org" in record.getMessage()
    ]
    postbox.answers.clear()
    assert take_in(door, names, confirmed=False) == {Added.WAITING: 3, Added.MAILED: 1}
    assert postbox.recipients[4:] == ["bo@example.org"]


def test_a_list_that_the_server_cut_off_is_finished_by_the_next_run(
    door: Doorway, postbox: Postbox
) -> None:
    names = "email\n" + "".join(f"r{number}@example.org\n" for number in range(5))
    postbox.refuse_after = 2
    with pytest.raises(TransportError, match=r"535 wrong password.*same import again"):
        take_in(door, names, confirmed=False)
    assert {one.status for one in everybody(door.engine)} == {Status.PENDING}
    postbox.refuse_after = None
    assert take_in(door, names, confirmed=False) == {Added.WAITING: 2, Added.MAILED: 3}
    assert postbox.recipients == [f"r{number}@example.org" for number in range(5)]


def test_whoever_is_imported_as_suppressed_is_not_mailed(door: Doorway, postbox: Postbox) -> None:
    assert take_in(door, f"email,status\n{ADA},suppressed\n") == {Status.SUPPRESSED: 1}
    assert suppressed(door.engine) == {ADA: "imported as suppressed"}
    with pytest.raises(AddressError, match="imported as suppressed"):
        add(door)
    assert postbox.mails == []


@pytest.mark.parametrize(
    ("line", "became"),
    [
        ("active,weekly,cs.LG", Status.ACTIVE),
        ("unsubscribed,weekly,cs.LG", Status.UNSUBSCRIBED),
        ("suppressed,weekly,cs.LG", Status.SUPPRESSED),
    ],
)
def test_a_pending_one_becomes_what_the_list_says(
    door: Doorway, postbox: Postbox, line: str, became: Status
) -> None:
    add(door)
    assert take_in(door, f"email,status,cadence,topics\n{ADA},{line}\n") == {became: 1}
    assert found(door).status is became
    assert wish_of(found(door)) == (Cadence.WEEKLY, ("cs.LG",))
    with pytest.raises(TokenError):
        confirm(door, postbox.token)
    assert found(door).status is became


def test_a_pending_one_of_the_list_keeps_the_mailed_token_and_the_new_wish(
    door: Doorway, postbox: Postbox
) -> None:
    add(door)
    names = f"email,cadence,topics\n{ADA},monthly,math\n"
    assert take_in(door, names, confirmed=False) == {Added.WAITING: 1}
    assert wish_of(confirm(door, postbox.token)) == (Cadence.MONTHLY, ("math",))


def test_known_ones_stay_as_they_are(door: Doorway, postbox: Postbox, clock: Clock) -> None:
    for name in ("active", "left", "left-and-dead"):
        add(door, f"{name}@example.org", confirmed=True)
    subscribe.unsubscribe(door.engine, ["left@example.org", "left-and-dead@example.org"], clock())
    take_in(door, "email,status\ndead@example.org,suppressed\n")
    before = everybody(door.engine)
    clock.now += timedelta(days=1)
    assert take_in(
        door,
        "email,status,cadence\nactive@example.org,unsubscribed,weekly\n"
        "left@example.org,active,weekly\ndead@example.org,active,weekly\n",
    ) == {Added.KNOWN: 3}
    assert everybody(door.engine) == before
    # A dead address must not be mailed when it signs up again, also if it had left before.
    dead = "email,status\nleft-and-dead@example.org,suppressed\n"
    assert take_in(door, dead) == {Status.SUPPRESSED: 1}
    assert "left-and-dead@example.org" in suppressed(door.engine)
    assert postbox.mails == []


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("left", [Status.UNSUBSCRIBED, Status.SUPPRESSED])
def test_an_address_that_left_on_one_line_of_a_list_is_not_mailed_for_another(
    door: Doorway, postbox: Postbox, left: Status, order: int
) -> None:
    lines = [f"{ADA},active\n", f"{ADA},unsubscribed\n", f"{ADA},{left}\n"][::order]
    assert take_in(door, "email,status\n" + "".join(lines), confirmed=False) == {left: 1}
    assert postbox.mails == []


def test_the_record_of_consent_moves_with_the_list(door: Doorway, clock: Clock) -> None:
    clock.now -= timedelta(days=300)
    add(door, confirmed=True)
    before = found(door)
    names = "".join(subscribe.export(door.engine))
    with door.engine.begin() as conn:
        conn.execute(delete(people))
    clock.now = NOW
    add(door)
    pending = found(door)
    take_in(door, names)
    assert found(door) == replace(before, id=pending.id, created_at=pending.created_at)
    with door.engine.begin() as conn:
        conn.execute(delete(people))
    take_in(door, names)
    assert replace(found(door), id=before.id) == before


def test_a_consent_of_elsewhere_counts_only_by_the_operators_word(door: Doorway) -> None:
    names = f"email,status,confirmed_at\n{ADA},active,2026-01-02T03:04:05+02:00\n"
    take_in(door, names, confirmed=False)
    assert (found(door).status, found(door).confirmed_at) == (Status.PENDING, None)
    take_in(door, names)
    assert found(door).status is Status.ACTIVE
    assert found(door).confirmed_at == datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)


_moments = st.datetimes(
    datetime(1970, 1, 2),  # noqa: DTZ001  # the zone comes from the strategy
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7)), timezone(timedelta(hours=14))]),
)


@st.composite
def _entries(draw: st.DrawFn) -> subscribers.Entry:
    email = draw(st.from_regex(r"[A-Za-z0-9éЖ用+_=-]{1,8}", fullmatch=True)) + "@example.org"
    status = draw(st.sampled_from([one for one in Status if one is not Status.ERASED]))
    left = status in (Status.UNSUBSCRIBED, Status.SUPPRESSED)
    confirmed_at = (
        draw(_moments) if status is Status.ACTIVE or (left and draw(st.booleans())) else None
    )
    topics = draw(st.lists(st.sampled_from(["cs.LG", "math", "hep-th", "cond-mat.str-el"])))
    return subscribers.Entry(
        email,
        email.casefold(),
        status,
        draw(st.sampled_from(Cadence)),
        tuple(topics),
        draw(_moments),
        confirmed_at,
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(entries=st.lists(_entries(), max_size=8, unique_by=lambda entry: entry.email_key))
def test_what_is_exported_comes_back(door: Doorway, entries: list[subscribers.Entry]) -> None:
    with door.engine.begin() as conn:
        conn.execute(delete(people))
        subscribers.take_in(conn, entries, NOW)
    before = everybody(door.engine)
    assert len(before) == len(entries)
    names = "".join(subscribe.export(door.engine))
    with door.engine.begin() as conn:
        conn.execute(delete(people))
    take_in(door, names)
    assert [replace(one, id=0) for one in everybody(door.engine)] == [
        replace(one, id=0) for one in before
    ]
    assert "".join(subscribe.export(door.engine)) == names


def test_a_list_needs_only_addresses() -> None:
    (wish,) = subscribe.read_list(f"\ufeffname,email\r\nAda,{ADA}\r\n")
    assert (wish.address.email, wish.status, wish.cadence, wish.topics) == (
        ADA,
        Status.ACTIVE,
        Cadence.DAILY,
        (),
    )
    assert (wish.created_at, wish.confirmed_at) == (None, None)


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("status", "gone", "status.*pending, active, unsubscribed, suppressed"),
        ("cadence", "hourly", "cadence.*daily, weekly, monthly"),
        ("topics", "<b>", "not topics"),
        ("created_at", "2026-11-20T07:00:00", "created_at.*zone"),
        ("confirmed_at", "20 November", "confirmed_at.*2026-11-20T07:00:00"),
        ("confirmed_at", "0001-01-01T00:00:00+14:00", "confirmed_at"),
        ("confirmed_at", "2026-11-20", "confirmed_at.*zone"),
    ],
)
def test_a_wrong_value_is_named_with_its_line_and_column(
    column: str, value: str, says: str
) -> None:
    with pytest.raises(AddressError, match=f"line 3: .*{says}"):
        subscribe.read_list(f"email,{column}\n{ADA},\nbo@example.org,{value}\n")


def test_all_wrong_lines_of_a_list_are_named() -> None:
    lines = [f"no-address-{number}" if number % 2 else ADA for number in range(2, 30)]
    with pytest.raises(AddressError) as caught:
        subscribe.read_list("email\n" + "\n".join(lines))
    named = [int(number) for number in re.findall(r"(?:line |, )(\d+)", str(caught.value))]
    assert named == list(range(3, 30, 2))


@given(st.text() | st.text(st.sampled_from('email,status\n\r" @.orgactive\0')))
def test_any_text_is_a_list_or_an_address_error(text: str) -> None:
    try:
        wishes = subscribe.read_list(text)
    except AddressError:
        return
    assert len(wishes) <= len(text)


@given(st.lists(st.text(max_size=20), min_size=6, max_size=6))
def test_any_values_are_a_wish_or_an_address_error(values: list[str]) -> None:
    line = subscribe._csv_line(subscribe.COLUMNS) + subscribe._csv_line([ADA, *values[1:]])
    with suppress(AddressError):
        assert len(subscribe.read_list(line)) == 1


def test_a_value_longer_than_csv_allows_is_an_address_error() -> None:
    with pytest.raises(AddressError, match="not CSV"):
        subscribe.read_list("email\n" + "a" * (csv.field_size_limit() + 1))


@pytest.mark.parametrize("mailed_before", [False, True])
def test_a_long_list_takes_few_statements(door: Doorway, mailed_before: bool) -> None:
    names = "email,status\n" + "".join(f"r{number}@example.org,\n" for number in range(3_000))
    statements: list[str] = []
    if mailed_before:
        take_in(door, names.replace(",\n", ",unsubscribed\n"))

    @event.listens_for(door.engine, "before_cursor_execute")
    def count(_conn: object, _cursor: object, statement: str, *_more: object) -> None:
        statements.append(statement)

    expected: Added | Status = Added.KNOWN if mailed_before else Status.ACTIVE
    assert take_in(door, names) == {expected: 3_000}
    assert len(statements) < 20


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
