"""Whether a source or signal is well, told from what is known of it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trendbot import health
from trendbot.health import Asked, Host, Record, State

HOUR = timedelta(hours=1)
WEEK = timedelta(days=7)
FRIDAY = date(2026, 11, 20)
SATURDAY_MORNING = datetime(2026, 11, 21, 6, tzinfo=UTC)
SUNDAY_MORNING = SATURDAY_MORNING + timedelta(days=1)
MONDAY_MORNING = SATURDAY_MORNING + timedelta(days=2)
MONDAYS_LISTING = datetime(2026, 11, 23, 2, tzinfo=UTC)
ARXIV = Asked("source", "arxiv", HOUR, HOUR, frozenset({"arxiv.org"}))


def weeks(number: int, on_weekdays: int = 210, until: date = FRIDAY) -> dict[date, int]:
    """Full weeks that end with `until`, with nothing on weekends, a little more each week."""
    days = [until - timedelta(days=n) for n in range(7 * number)]
    return {day: 0 if day.weekday() > 4 else on_weekdays - (until - day).days // 7 for day in days}


WELL = Record(
    asked_at=SATURDAY_MORNING,
    outcome="ok",
    items=500,
    last_ok=SATURDAY_MORNING,
    newest=FRIDAY,
    per_day=weeks(7),
)


def on_friday(papers: int, **changes: object) -> Record:
    newest = FRIDAY if papers else FRIDAY - timedelta(days=1)
    found = replace(WELL, per_day=weeks(7) | {FRIDAY: papers}, newest=newest)
    return replace(found, **changes)  # type: ignore[arg-type]


def closed(until: datetime) -> Host:
    return Host("arxiv.org", 3, "answered HTTP 503 in 4 tries", SATURDAY_MORNING, until)


def test_what_is_well() -> None:
    found = health.judge(ARXIV, WELL, [])
    assert (found.state, found.note) == (State.OK, "")
    assert (found.day, found.items, found.usual) == (FRIDAY, 210, 206)
    assert found.next_try == MONDAYS_LISTING
    assert (found.kind, found.name, found.closed) == ("source", "arxiv", ())


def test_what_was_never_asked() -> None:
    found = health.judge(ARXIV, Record(), [])
    assert (found.state, found.note, found.next_try) == (State.NEVER, "", None)
    assert (found.day, found.items, found.usual, found.last_ok) == (None, None, None, None)


def test_what_is_asked_for_the_first_time_just_now() -> None:
    found = health.judge(ARXIV, Record(asked_at=SATURDAY_MORNING), [])
    assert (found.state, found.next_try) == (State.NEVER, SATURDAY_MORNING + HOUR)


@pytest.mark.parametrize(
    ("items", "state", "note"),
    [
        (69, State.OK, ""),
        (68, State.LOW, "68 on Friday 20 November; 206 are usual on a Friday"),
        (1, State.LOW, "1 on Friday 20 November; 206 are usual on a Friday"),
        (0, State.STALE, "nothing newer than Thursday 19 November; 206 are usual on a Friday"),
    ],
)
def test_a_day_is_judged_by_its_weekday(items: int, state: State, note: str) -> None:
    found = health.judge(ARXIV, on_friday(items), [])
    assert (found.state, found.note) == (state, note)


@pytest.mark.parametrize("answered", [SATURDAY_MORNING, SUNDAY_MORNING, MONDAY_MORNING])
def test_a_weekend_hides_no_stale_feed(answered: datetime) -> None:
    found = health.judge(ARXIV, on_friday(0, last_ok=answered), [])
    assert (found.state, found.day) == (State.STALE, FRIDAY)


@pytest.mark.parametrize("answered", [SATURDAY_MORNING, SUNDAY_MORNING, MONDAY_MORNING])
def test_a_weekend_is_no_failure(answered: datetime) -> None:
    found = health.judge(ARXIV, on_friday(190, last_ok=answered, items=0, outcome="quiet"), [])
    assert (found.state, found.day, found.items) == (State.QUIET, FRIDAY, 190)


def test_once_there_is_something_new_a_day_without_anything_was_a_holiday() -> None:
    monday = MONDAY_MORNING.date()
    after = on_friday(0, last_ok=MONDAY_MORNING, newest=monday)
    after = replace(after, per_day={**(after.per_day or {}), monday: 199})
    found = health.judge(ARXIV, after, [])
    assert (found.state, found.day, found.items) == (State.OK, monday, 199)


def test_a_day_that_is_not_over_is_not_judged() -> None:
    """Asked on Friday at noon, of the days that are over Thursday is the last."""
    noon = SATURDAY_MORNING - timedelta(hours=18)
    found = health.judge(ARXIV, on_friday(0, last_ok=noon), [])
    assert (found.state, found.day) == (State.OK, FRIDAY - timedelta(days=1))


def test_a_listing_is_judged_as_soon_as_it_is_there() -> None:
    """It came on Friday at half past midnight, and nobody asks again before Monday."""
    early = on_friday(3, last_ok=datetime(2026, 11, 20, 0, 40, tzinfo=UTC))
    found = health.judge(ARXIV, early, [])
    assert (found.state, found.day, found.items) == (State.LOW, FRIDAY, 3)


def test_posts_of_a_day_that_is_not_over_are_not_judged() -> None:
    x = Asked("signal", "x", 24 * HOUR, HOUR, frozenset())
    early = on_friday(3, last_ok=datetime(2026, 11, 20, 0, 40, tzinfo=UTC))
    found = health.judge(x, early, [])
    assert (found.state, found.day) == (State.OK, FRIDAY - timedelta(days=1))


def test_days_on_which_nobody_answered_are_not_judged() -> None:
    lost = on_friday(0, last_ok=SATURDAY_MORNING - timedelta(days=1), outcome="failed", failures=24)
    assert health.judge(ARXIV, lost, []).state is State.FAILING


@pytest.mark.parametrize(("known", "state"), [(3, State.OK), (4, State.STALE)])
def test_three_weeks_must_be_known(known: int, state: State) -> None:
    few = replace(on_friday(0), per_day=weeks(known) | {FRIDAY: 0})
    found = health.judge(ARXIV, few, [])
    assert found.state is state
    assert (found.usual is None) == (state is State.OK)


@pytest.mark.parametrize(("usual", "state"), [(9, State.OK), (10, State.STALE)])
def test_where_few_are_usual_nothing_is_low(usual: int, state: State) -> None:
    same = dict.fromkeys([FRIDAY, *health.same_weekdays(FRIDAY)], usual)
    found = health.judge(ARXIV, replace(on_friday(0), per_day=same | {FRIDAY: 0}), [])
    assert found.state is state


def test_one_holiday_does_not_change_what_is_usual() -> None:
    days = weeks(7)
    for holiday in health.same_weekdays(FRIDAY)[:2]:
        days[holiday] = 0
    assert health.usual_on(days, FRIDAY) == 204


@pytest.mark.parametrize(
    ("failures", "note"),
    [
        (1, "failed once since Friday 20 November, 22:00 UTC"),
        (8, "failed 8 times in a row since Friday 20 November, 22:00 UTC"),
    ],
)
def test_what_fails(failures: int, note: str) -> None:
    began = SATURDAY_MORNING - timedelta(hours=8)
    sick = replace(WELL, outcome="failed", failures=failures, failing_since=began)
    found = health.judge(ARXIV, sick, [])
    assert (found.state, found.note, found.failures) == (State.FAILING, note, failures)
    assert found.failing_since == began


def test_what_fails_and_is_left_alone() -> None:
    until = SATURDAY_MORNING + timedelta(hours=3)
    sick = on_friday(0, outcome="failed", failures=5)
    found = health.judge(ARXIV, sick, [closed(until)])
    assert (found.state, found.next_try) == (State.CLOSED, until)
    assert found.closed == (closed(until),)


def test_a_listing_that_is_late_is_asked_for_again_half_a_day_later() -> None:
    asked_at = datetime(2026, 11, 20, 9, tzinfo=UTC)
    late = on_friday(0, asked_at=asked_at, last_ok=asked_at)
    found = health.judge(ARXIV, late, []).next_try
    assert found is not None
    assert found - asked_at == timedelta(hours=12)


@pytest.mark.parametrize(
    ("outcome", "failures", "wait"), [("ok", 0, 24), ("quiet", 0, 24), ("failed", 1, 1)]
)
def test_a_signal_is_asked_by_its_own_pause_and_after_a_failure_soon(
    outcome: str, failures: int, wait: int
) -> None:
    bluesky = Asked("signal", "bluesky", 24 * HOUR, HOUR, frozenset())
    found = health.judge(bluesky, replace(WELL, outcome=outcome, failures=failures), [])
    assert found.next_try == SATURDAY_MORNING + wait * HOUR


def test_what_is_answered_elsewhere_is_well_though_a_host_is_closed() -> None:
    found = health.judge(ARXIV, WELL, [closed(SATURDAY_MORNING + 3 * HOUR)])
    assert (found.state, found.next_try) == (State.OK, MONDAYS_LISTING)
    assert len(found.closed) == 1


def test_a_budget_that_is_spent_by_an_answer_of_the_day_is_no_failure() -> None:
    x = Asked("signal", "x", 6 * HOUR, HOUR, frozenset({"api.x.com"}))
    later = SATURDAY_MORNING + 6 * HOUR
    spent = replace(WELL, outcome="stopped", asked_at=later, failures=1)
    found = health.judge(x, spent, [])
    assert (found.state, found.next_try) == (State.OK, SUNDAY_MORNING.replace(hour=0))

    refused = replace(spent, asked_at=later + timedelta(days=1))
    assert health.judge(x, refused, []).state is State.FAILING


days = st.dates(date(2026, 1, 1), date(2026, 12, 31))
counts = st.dictionaries(days, st.integers(0, 10**9))


@given(
    counts, st.none() | days, st.datetimes(timezones=st.just(UTC)).filter(lambda at: at.year > 1)
)
def test_any_counts_are_judged(
    per_day: dict[date, int], newest: date | None, answered: datetime
) -> None:
    found = health.judge(ARXIV, replace(WELL, per_day=per_day, newest=newest, last_ok=answered), [])
    assert found.state in (State.OK, State.LOW, State.STALE)
    assert (found.state is State.OK) == (found.note == "")


@given(counts, days)
def test_what_is_usual_was_there_once(per_day: dict[date, int], day: date) -> None:
    usual = health.usual_on(per_day, day)
    assert usual is None or usual in per_day.values()


@pytest.mark.parametrize(
    ("settings", "hosts"),
    [
        (
            {
                "enabled": True,
                "base_url": "https://arxiv.org",
                "api_url": "https://www.Example.org:8080/api/query",
                "query": "url:arxiv.org",
                "limit": 5,
                "token": None,
            },
            {"arxiv.org", "example.org:8080"},
        ),
        (
            {"instances": ("https://a.social", "https://b.social"), "words": ["http"]},
            {"a.social", "b.social"},
        ),
        ({}, set()),
    ],
)
def test_the_hosts_of_an_adapter(settings: dict[str, object], hosts: set[str]) -> None:
    assert health.hosts_in(settings) == hosts


def test_why_a_host_is_not_asked(now: datetime) -> None:
    host = Host("a.example.org", 4, "answered HTTP 503 in 4 tries", now, None)
    assert host.refusal == ""
    assert replace(host, closed_until=now + HOUR / 2).refusal == (
        "not asked before 07:30 UTC: failed 4 times in a row (answered HTTP 503 in 4 tries)"
    )


@pytest.mark.parametrize("failures", range(3))
def test_few_failures_close_nothing(failures: int) -> None:
    assert health.closed_for(failures) is None


@given(st.integers(3, 10**6))
def test_no_pause_is_shorter_than_the_one_before_or_endless(failures: int) -> None:
    shorter, longer = health.closed_for(failures), health.closed_for(failures + 1)
    assert shorter is not None
    assert longer is not None
    assert timedelta(minutes=15) <= shorter <= longer <= timedelta(hours=6)
