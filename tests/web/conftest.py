"""Somebody who visits the site, once on each database."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.web.visitors import NO_LIMITS, Visitor


@pytest.fixture
def visitor(engine: Engine, tmp_path: Path) -> Iterator[Visitor]:
    visitor = Visitor(engine, tmp_path, NO_LIMITS)
    yield visitor
    assert not visitor.client.cookies
