"""An X that asks the tests' upstream, with a purse to look into."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date

import pytest

from tests.signals.outside import Purse, outside
from tests.upstream.server import Upstream
from tests.upstream.world import small_world
from trendbot.settings import section
from trendbot.signals.x import X, XSettings


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream(small_world(date(2026, 11, 20))) as upstream:
        yield upstream


@pytest.fixture
def purse() -> Purse:
    return Purse()


@pytest.fixture
def build(upstream: Upstream, purse: Purse) -> Iterator[Callable[..., X]]:
    """Builds an X of the upstream; `known` are the ids of posts of contenders, `stored` of all."""
    with outside(upstream.world, purse) as context:

        def build(known: Sequence[str] = (), stored: Sequence[str] = (), **table: object) -> X:
            base = {
                "enabled": True,
                "base_url": upstream.x,
                "storage_url": upstream.x_storage,
                "bearer_token": "AAAA%3Dsecret",
            }
            settings = section(XSettings, {**base, **table}, "signals.x")
            knowing = replace(
                context,
                contenders=lambda limit: list(known[:limit]),
                stored=lambda: list(stored),
            )
            return X(settings, knowing)

        yield build
