"""A running upstream for the tests of this folder."""

from collections.abc import Iterator
from datetime import date

import pytest

from tests.upstream.server import Upstream
from tests.upstream.world import small_world


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream(small_world(date(2026, 11, 20))) as running:
        yield running
