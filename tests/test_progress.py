"""How far sending is: the arithmetic and the words, on a clock of the test's own."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trendbot.model import Cadence, DeliveryState
from trendbot.progress import COUNT_EVERY, WINDOW, Progress
from trendbot.store.books import Books


class Clock:
    """A monotonic clock, as arbitrary at its beginning as any."""

    def __init__(self) -> None:
        self.now = 7_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def books(sent: int = 0, pending: int = 0, audience: int = 50_000, **others: int) -> Books:
    counts = {DeliveryState.PENDING: pending, DeliveryState.SENT: sent}
    counts |= {DeliveryState(state): count for state, count in others.items()}
    return Books(1, Cadence.DAILY, date(2026, 11, 20), audience, counts, "", None, pending == 0)


def test_the_line_an_operator_reads(clock: Clock) -> None:
    progress = Progress(books(sent=0, pending=50_000), clock)
    clock.now += 12_000 / 210
    progress.correct(books(sent=12_000, pending=38_000))
    assert progress.line == (
        "daily digest of 2026-11-20: 12,000 of 50,000 sent, 210 a second, 3 minutes left"
    )


def test_who_waits_for_an_hour_is_told_apart(clock: Clock) -> None:
    def waiting(sent: int) -> Books:
        return replace(books(sent=sent, pending=50_000 - sent), waiting=20_000)

    progress = Progress(waiting(sent=0), clock)
    clock.now += 60
    progress.correct(waiting(sent=6_000))
    assert progress.line == (
        "daily digest of 2026-11-20: 6,000 of 50,000 sent, 100 a second, 4 minutes left, "
        "20,000 wait for their reader's hour"
    )
    progress.correct(waiting(sent=30_000))
    assert (progress.untried, progress.seconds_left) == (0, None)
    assert progress.ending == (
        "daily digest of 2026-11-20: 30,000 of 50,000 sent, 20,000 wait for their reader's hour"
    )


def test_at_the_beginning_there_is_no_rate_to_tell(clock: Clock) -> None:
    progress = Progress(books(pending=50_000), clock)
    assert progress.rate == 0
    assert progress.seconds_left is None
    assert progress.line == "daily digest of 2026-11-20: 0 of 50,000 sent"


def test_before_the_second_count_what_was_sent_here_gives_the_rate(clock: Clock) -> None:
    progress = Progress(books(sent=10_000, pending=40_000), clock)
    clock.now += 4
    progress.add(tried=410, sent=400)
    assert progress.rate == 100
    assert progress.untried == 39_590
    assert progress.seconds_left == pytest.approx(395.9)


def test_what_others_send_counts_in_the_rate(clock: Clock) -> None:
    progress = Progress(books(pending=50_000), clock)
    for seconds in range(1, 6):
        clock.now += 10
        progress.add(tried=100, sent=100)  # here
        progress.correct(books(sent=300 * seconds, pending=50_000 - 300 * seconds))  # everywhere
    assert progress.rate == 30
    progress.add(tried=100, sent=100)
    assert progress.sent == 1_600
    assert progress.rate == 30


def test_only_the_last_minute_makes_the_rate(clock: Clock) -> None:
    progress = Progress(books(pending=50_000), clock)
    sent = 0
    for rate in (500, 5):
        for _ in range(7):
            clock.now += 10
            sent += 10 * rate
            progress.correct(books(sent=sent, pending=50_000 - sent))
    assert progress.rate == 5


def test_a_pause_is_not_part_of_the_rate(clock: Clock) -> None:
    progress = Progress(books(pending=50_000), clock)
    clock.now += 10
    progress.correct(books(sent=1_000, pending=49_000))
    clock.now += WINDOW + 3_600
    progress.correct(books(sent=1_010, pending=48_990))
    assert progress.rate == 0
    clock.now += 2
    progress.add(tried=40, sent=40)
    assert progress.rate == 20


def test_the_books_are_asked_now_and_then(clock: Clock) -> None:
    progress = Progress(books(pending=9), clock)
    assert not progress.is_old
    clock.now += COUNT_EVERY - 0.1
    assert not progress.is_old
    clock.now += 0.1
    assert progress.is_old
    progress.correct(books(pending=9))
    assert not progress.is_old


def test_books_that_take_long_to_count_are_asked_less_often(clock: Clock) -> None:
    progress = Progress(books(pending=9), clock)
    progress.correct(books(pending=9), took=0.3)
    clock.now += 14.9
    assert not progress.is_old
    clock.now += 0.1
    assert progress.is_old


def test_what_is_tried_again_takes_no_time_of_what_was_not(clock: Clock) -> None:
    progress = Progress(books(sent=90, pending=0, deferred=10, audience=100), clock)
    clock.now += 1
    progress.add(tried=10, sent=10)
    assert progress.untried == 0
    assert progress.seconds_left is None
    assert progress.line == "daily digest of 2026-11-20: 100 of 100 sent, 10 a second"


def test_the_ending_accounts_for_everybody(clock: Clock) -> None:
    ended = books(sent=49_990, pending=0, failed=2, deferred=8)
    assert Progress(ended, clock).ending == (
        "daily digest of 2026-11-20: 49,990 of 50,000 sent, 8 deferred, 2 failed"
    )
    assert Progress(books(sent=50_000), clock).ending == (
        "daily digest of 2026-11-20: 50,000 of 50,000 sent"
    )


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (1_234.5, "1,234 a second"),
        (10, "10 a second"),
        (9.96, "10 a second"),
        (2.5, "2.5 a second"),
        (1, "1 a second"),
        (0.5, "30 a minute"),
        (1 / 60, "1 a minute"),
    ],
)
def test_rates_in_words(clock: Clock, rate: float, said: str) -> None:
    progress = Progress(books(pending=0), clock)
    clock.now += 1_000
    progress.add(tried=0, sent=int(rate * 1_000))
    assert progress.figures.endswith(f", {said}")


def test_one_in_a_quarter_of_an_hour_is_no_rate(clock: Clock) -> None:
    progress = Progress(books(pending=10), clock)
    clock.now += 900
    progress.add(tried=1, sent=1)
    assert progress.figures == "1 of 50,000 sent"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1, "less than a minute left"),
        (59, "less than a minute left"),
        (60, "1 minute left"),
        (89, "1 minute left"),
        (91, "2 minutes left"),
        (7_199, "120 minutes left"),
        (7_200, "2 hours left"),
        (36 * 3_600, "36 hours left"),
        (49 * 3_600, "2 days left"),
        (30 * 86_400, "30 days left"),
    ],
)
def test_remaining_times_in_words(clock: Clock, seconds: int, said: str) -> None:
    progress = Progress(books(sent=0, pending=2 * seconds + 2), clock)
    clock.now += 1
    progress.add(tried=2, sent=2)
    assert progress.seconds_left == seconds
    assert progress.figures.endswith(f", {said}")


STEPS = st.tuples(st.floats(0, 1e5), st.integers(0, 10**6), st.integers(0, 10**6), st.booleans())


@given(st.lists(STEPS, max_size=20))
def test_any_course_of_events_can_be_told(steps: list[tuple[float, int, int, bool]]) -> None:
    """Also books that go back, as after a restored back-up, and clocks that stand still."""
    clock = Clock()
    progress = Progress(books(), clock)
    for wait, sent, pending, counted in steps:
        clock.now += wait
        if counted:
            progress.correct(books(sent, pending, uncertain=sent))
        else:
            progress.add(pending, min(sent, pending))
        assert progress.rate >= 0
        assert progress.untried >= 0
        assert "\n" not in progress.line + progress.ending
