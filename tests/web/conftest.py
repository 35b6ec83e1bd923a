"""Somebody who visits the site; on both databases where a test says so."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.conftest import address_of
from tests.web.visitors import NO_LIMITS, Visitor


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty, migrated SQLite; what differs is tested in the store."""
    return address_of(getattr(request, "param", "sqlite"), request, tmp_path)


@pytest.fixture
def visitor(engine: Engine, tmp_path: Path) -> Iterator[Visitor]:
    visitor = Visitor(engine, tmp_path, NO_LIMITS)
    yield visitor
    assert not visitor.client.cookies
