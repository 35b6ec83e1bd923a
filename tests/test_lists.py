"""Lists that come and go."""

import csv
import re
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, event, select

from tests.postbox import ADA, NOW, Clock, Postbox, door_to
from trendbot import lists, subscribe
from trendbot.doorway import Doorway
from trendbot.errors import AddressError, TokenError, TransportError
from trendbot.model import Cadence, DeliveryState, Status, Subscriber, Taste
from trendbot.store import subscribers
from trendbot.store.schema import subscribers as people
from trendbot.store.schema import suppressions
from trendbot.subscribe import Added


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
    names = "".join(lists.export(door.engine))
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
        Taste(
            draw(st.sampled_from(Cadence)),
            tuple(topics),
            tuple(draw(st.lists(st.sampled_from(["cs.CV", "physics"])))),
            draw(st.none() | st.integers(0, 23)),
            draw(st.sampled_from(["", "Asia/Kolkata"])),
        ),
        draw(_moments),
        confirmed_at,
        draw(st.none() | st.dates()),
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(entries=st.lists(_entries(), max_size=8, unique_by=lambda entry: entry.email_key))
def test_what_is_exported_comes_back(door: Doorway, entries: list[subscribers.Entry]) -> None:
    with door.engine.begin() as conn:
        conn.execute(delete(people))
        subscribers.take_in(conn, entries, NOW)
    before = everybody(door.engine)
    assert len(before) == len(entries)
    names = "".join(lists.export(door.engine))
    with door.engine.begin() as conn:
        conn.execute(delete(people))
    take_in(door, names)
    assert [replace(one, id=0) for one in everybody(door.engine)] == [
        replace(one, id=0) for one in before
    ]
    assert "".join(lists.export(door.engine)) == names


def test_a_list_needs_only_addresses() -> None:
    (wish,) = lists.read(f"\ufeffname,email\r\nAda,{ADA}\r\n")
    assert (wish.address.email, wish.status, wish.taste) == (ADA, Status.ACTIVE, Taste())
    assert (wish.created_at, wish.confirmed_at, wish.paused_until) == (None, None, None)


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("status", "gone", "status.*pending, active, unsubscribed, suppressed"),
        ("cadence", "hourly", "cadence.*daily, weekly, monthly"),
        ("topics", "cs.LG cs.XX", "topics: 'cs.XX' is no topic"),
        ("fewer", "<b>", "fewer: '<b>' is no topic"),
        ("hour", "24", "hour '24'.*0 to 23"),
        ("timezone", "Mars", "timezone 'Mars'.*Europe/Berlin"),
        ("paused_until", "soon", "paused_until 'soon'.*2026-11-20"),
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
        lists.read(f"email,{column}\n{ADA},\nbo@example.org,{value}\n")


def test_all_wrong_lines_of_a_list_are_named() -> None:
    lines = [f"no-address-{number}" if number % 2 else ADA for number in range(2, 30)]
    with pytest.raises(AddressError) as caught:
        lists.read("email\n" + "\n".join(lines))
    named = [int(number) for number in re.findall(r"(?:line |, )(\d+)", str(caught.value))]
    assert named == list(range(3, 30, 2))


@given(st.text() | st.text(st.sampled_from('email,status\n\r" @.orgactive\0')))
def test_any_text_is_a_list_or_an_address_error(text: str) -> None:
    try:
        wishes = lists.read(text)
    except AddressError:
        return
    assert len(wishes) <= len(text)


@given(st.lists(st.text(max_size=20), min_size=10, max_size=10))
def test_any_values_are_a_wish_or_an_address_error(values: list[str]) -> None:
    line = lists._csv_line(lists.COLUMNS) + lists._csv_line([ADA, *values[1:]])
    with suppress(AddressError):
        assert len(lists.read(line)) == 1


def test_a_value_longer_than_csv_allows_is_an_address_error() -> None:
    with pytest.raises(AddressError, match="not CSV"):
        lists.read("email\n" + "a" * (csv.field_size_limit() + 1))


@pytest.mark.parametrize("mailed_before", [False, True])
def test_a_long_list_takes_few_statements(door: Doorway, mailed_before: bool) -> None:
    names = "email,status\n" + "".join(f"r{number}@example.org,\n" for number in range(1_500))
    statements: list[str] = []
    if mailed_before:
        take_in(door, names.replace(",\n", ",unsubscribed\n"))

    @event.listens_for(door.engine, "before_cursor_execute")
    def count(_conn: object, _cursor: object, statement: str, *_more: object) -> None:
        statements.append(statement)

    expected: Added | Status = Added.KNOWN if mailed_before else Status.ACTIVE
    assert take_in(door, names) == {expected: 1_500}
    assert len(statements) < 20
