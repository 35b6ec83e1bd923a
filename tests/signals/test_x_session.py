"""The session tweepy sends with: both namings of fields, and nothing of the token in a log."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tests.signals.crowds import SEARCH, TOKEN, Build, counts, crowd, expected, measured
from tests.signals.outside import Purse, outside
from tests.upstream.server import Upstream
from trendbot.errors import SignalError
from trendbot.fetch import Breaker
from trendbot.settings import section
from trendbot.signals.x import X, XSettings


@pytest.mark.parametrize("kind", ["renamed", "only_post_fields"])
def test_both_namings_of_fields(build: Build, upstream: Upstream, kind: str) -> None:
    upstream.fault("x", kind, times=None)
    upstream.fault("x", "search_has_reposts", times=None)
    assert counts(measured(build(), upstream)) == expected(upstream)


def test_the_new_parameter_is_learned_once_and_silently(
    build: Build, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.world.x.only_post_fields = True
    crowd(upstream, 120)
    with caplog.at_level(logging.WARNING):
        assert len(measured(build(), upstream)) == 120
    names = [{"tweet.fields", "post.fields"} & set(one.query) for one in upstream.asked(SEARCH)]
    assert names == [{"tweet.fields"}, {"post.fields"}, {"post.fields"}]
    assert caplog.records == []


def test_the_token_stays_out_of_the_log(
    build: Build, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        measured(build(), upstream)
    assert TOKEN not in caplog.text


class Watched:
    """A breaker that writes down what it is told, and refuses when it is told to."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.refuses = ""
        self.breaker = Breaker(self.refusal, self.failed, self.worked)

    def refusal(self, host: str) -> str:
        self.told.append(("asked", host))
        return self.refuses

    def failed(self, host: str, why: str, reached: bool) -> None:
        self.told.append(("failed", host, why, reached))

    def worked(self, host: str) -> None:
        self.told.append(("worked", host))


@pytest.fixture
def watched(upstream: Upstream, purse: Purse) -> Iterator[tuple[X, Watched, str]]:
    table = {"enabled": True, "base_url": upstream.x, "bearer_token": TOKEN, "timeout": 0.2}
    watched = Watched()
    with outside(upstream.world, purse) as context:
        context.fetcher.breaker = watched.breaker
        x = X(section(XSettings, table, "signals.x"), context)
        yield x, watched, upstream.x.split("/")[2]


def test_the_breaker_is_asked_before_and_told_after_each_request(
    watched: tuple[X, Watched, str], upstream: Upstream
) -> None:
    x, breaker, host = watched
    measured(x, upstream)
    assert breaker.told == [("asked", host), ("worked", host)] * 2


def test_a_closed_x_is_not_asked_and_costs_nothing(
    watched: tuple[X, Watched, str], upstream: Upstream, purse: Purse
) -> None:
    x, breaker, host = watched
    breaker.refuses = "failed three times; asked again from 19:00 UTC"
    with pytest.raises(SignalError, match="X: failed three times; asked again from 19:00 UTC"):
        measured(x, upstream)
    assert breaker.told == [("asked", host)]
    assert upstream.requests == []
    assert purse == Purse()


@pytest.mark.parametrize(
    ("fault", "how", "told"),
    [
        ("status", {"status": 401}, ("worked",)),
        ("status", {"status": 503}, ("failed", "HTTP 503", True)),
        ("rate_limited", {}, ("failed", "HTTP 429", True)),
        ("credits", {}, ("worked",)),
        ("cut", {}, ("failed", "X: the answer broke off", True)),
        ("slow", {}, ("failed", ..., True)),
        ("close", {}, ("failed", ..., True)),
    ],
)
def test_the_breaker_hears_of_trouble_and_of_no_other_refusal(
    watched: tuple[X, Watched, str],
    upstream: Upstream,
    fault: str,
    how: dict[str, Any],
    told: tuple[object, ...],
) -> None:
    x, breaker, host = watched
    upstream.fault("x", fault, **how)
    with pytest.raises(SignalError):
        measured(x, upstream)
    kind, where, *rest = breaker.told[-1]
    assert (kind, where) == (told[0], host)
    assert [
        ours if ours is ... else theirs for ours, theirs in zip(told[1:], rest, strict=True)
    ] == [*told[1:]]
