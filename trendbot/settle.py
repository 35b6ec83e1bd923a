"""What an outcome, a death or a refusal means for a delivery: final, or due again and when.

Pure: `deliver` asks, this decides.
"""

from datetime import datetime, timedelta

from trendbot.model import DeliveryState, Outcome
from trendbot.store.deliveries import Claim, Orphan, Settlement

AFTER_DOUBT = timedelta(minutes=10)
_LONGEST_WAIT = timedelta(hours=4)
_FIRST_REST = timedelta(minutes=1)
_LONGEST_REST = timedelta(hours=1)


def settle(outcome: Outcome, claim: Claim, now: datetime, on_uncertain: str) -> Settlement:
    """Decide what an outcome means for its delivery.

    Where the server fell silent after the final dot, a second try may be a second copy: there
    is one, after a pause, unless `on_uncertain` is "hold".
    """
    attempts, doubts, next_at = claim.attempts + 1, claim.doubts, None
    if outcome.state is DeliveryState.DEFERRED:
        next_at = now + backoff(attempts)
    if outcome.state is DeliveryState.UNCERTAIN:
        next_at = now + AFTER_DOUBT if on_uncertain == "retry" and doubts == 0 else None
        doubts += 1
    return Settlement(
        claim.subscriber_id,
        outcome.state,
        next_at,
        attempts,
        doubts,
        claim.deaths,
        outcome.code,
        outcome.detail,
        outcome.seconds,
    )


def adopt(orphan: Orphan, now: datetime, on_uncertain: str, repeatable: bool) -> Settlement:
    """Decide about a delivery whose process died: again at once if that cannot double it.

    Most of what a process held when it died had not left, so no death uses up the one try
    after a doubt. The waits grow, because a process that dies of this very mail would else
    send it for ever.
    """
    state, next_at = DeliveryState.DEFERRED, now
    if not repeatable:
        state = DeliveryState.UNCERTAIN
        next_at += _doubled(AFTER_DOUBT, orphan.deaths, _LONGEST_WAIT)
    return Settlement(
        orphan.subscriber_id,
        state,
        next_at if repeatable or on_uncertain == "retry" else None,
        orphan.attempts + 1,
        orphan.doubts,
        orphan.deaths + (not repeatable),
        code=0,
        detail=f"the process sending it ended ({orphan.owner})",
    )


def give_back(claim: Claim, next_at: datetime, detail: str = "") -> Settlement:
    """A claim that was not handed over waits as before."""
    return Settlement(
        claim.subscriber_id,
        DeliveryState.DEFERRED,
        next_at,
        claim.attempts,
        claim.doubts,
        claim.deaths,
        code=0,
        detail=detail,
    )


def backoff(attempts: int) -> timedelta:
    """The wait after the `attempts`-th try: half an hour doubling to four hours.

    RFC 5321 section 4.5.4.1 asks for at least 30 minutes between tries.
    """
    return _doubled(timedelta(minutes=30), attempts - 1, _LONGEST_WAIT)


def rest(last: timedelta | None) -> timedelta:
    """How long a digest rests after the server refused us, when it last rested for `last`.

    A minute doubling to an hour: a server counts wrong passwords, and an operator who mends
    the settings waits for no clock (`trendbot deliver` tries at once).
    """
    return _FIRST_REST if last is None else min(last * 2, _LONGEST_REST)


def _doubled(first: timedelta, times: int, longest: timedelta) -> timedelta:
    doubled: timedelta = first * 2 ** min(times, 10)
    return min(doubled, longest)
