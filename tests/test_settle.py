from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from trendbot.model import DeliveryState, Outcome, Segment
from trendbot.settle import adopt, backoff, give_back, rest, settle
from trendbot.store.deliveries import Claim, Orphan

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
CLAIM = Claim(1, "reader@example.org", Segment(), attempts=2, doubts=0, deaths=3)
ORPHAN = Orphan(1, "host/1/a", NOW, attempts=2, doubts=0, deaths=0)


@pytest.mark.parametrize(
    "state", [DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.SUPPRESSED]
)
def test_what_the_server_decided_is_final(state: DeliveryState) -> None:
    settled = settle(Outcome(1, state, 250, "ok", 0.5), CLAIM, NOW, "retry")
    assert (settled.state, settled.next_at, settled.attempts) == (state, None, 3)
    assert (settled.doubts, settled.deaths) == (0, 3)
    assert (settled.code, settled.detail, settled.seconds) == (250, "ok", 0.5)


def test_a_deferred_one_waits_for_its_back_off() -> None:
    settled = settle(Outcome(1, DeliveryState.DEFERRED, 451), CLAIM, NOW, "hold")
    assert (settled.attempts, settled.next_at) == (3, NOW + backoff(3))


@pytest.mark.parametrize(
    ("doubts", "on_uncertain", "wait"),
    [(0, "retry", timedelta(minutes=10)), (1, "retry", None), (0, "hold", None)],
)
def test_silence_is_followed_by_one_more_try(
    doubts: int, on_uncertain: str, wait: timedelta | None
) -> None:
    claim = replace(CLAIM, doubts=doubts)
    settled = settle(Outcome(1, DeliveryState.UNCERTAIN), claim, NOW, on_uncertain)
    assert settled.doubts == doubts + 1
    assert settled.next_at == (wait and NOW + wait)


def test_what_cannot_double_goes_again_at_once() -> None:
    for on_uncertain in ("retry", "hold"):
        adopted = adopt(ORPHAN, NOW, on_uncertain, repeatable=True)
        assert (adopted.state, adopted.next_at) == (DeliveryState.DEFERRED, NOW)
        assert (adopted.attempts, adopted.deaths) == (3, 0)


def test_no_death_of_ours_uses_up_the_try_after_a_doubt() -> None:
    for deaths in range(30):
        orphan = replace(ORPHAN, deaths=deaths, doubts=1)
        adopted = adopt(orphan, NOW, "retry", repeatable=False)
        assert adopted.state is DeliveryState.UNCERTAIN
        assert adopted.next_at is not None
        assert (adopted.doubts, adopted.deaths) == (1, deaths + 1)


def test_the_waits_after_deaths_grow_and_end() -> None:
    waits = [
        adopt(replace(ORPHAN, deaths=deaths), NOW, "retry", repeatable=False).next_at
        for deaths in (0, 1, 2, 3, 4, 5, 99)
    ]
    minutes = [10, 20, 40, 80, 160, 240, 240]
    assert waits == [NOW + timedelta(minutes=number) for number in minutes]


def test_hold_never_sends_again_what_may_have_left() -> None:
    assert adopt(ORPHAN, NOW, "hold", repeatable=False).next_at is None


def test_what_is_given_back_counts_as_not_tried() -> None:
    back = give_back(CLAIM, NOW, "535 wrong password")
    assert (back.state, back.next_at, back.detail) == (
        DeliveryState.DEFERRED,
        NOW,
        "535 wrong password",
    )
    assert (back.attempts, back.doubts, back.deaths) == (2, 0, 3)


def test_backoff_grows_and_ends() -> None:
    assert [backoff(n) for n in (1, 2, 3, 4, 5, 99)] == [
        timedelta(minutes=30),
        timedelta(hours=1),
        timedelta(hours=2),
        *[timedelta(hours=4)] * 3,
    ]


def test_rests_grow_from_a_minute_to_an_hour() -> None:
    last: timedelta | None = None
    rests = []
    for _ in range(8):
        last = rest(last)
        rests.append(last)
    assert rests == [timedelta(minutes=number) for number in (1, 2, 4, 8, 16, 32, 60, 60)]
