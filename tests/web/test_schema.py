"""The API against its own description: schemathesis makes up requests, right ones and wrong ones.

Each answer must be documented: its status, content type, headers and body; no request that the
description allows is refused, none that it forbids is taken, and nothing ever fails.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from pydantic import SecretStr
from schemathesis.config import SchemathesisConfig
from sqlalchemy import create_engine

from tests.web.visitors import KEY, NO_LIMITS, NOW
from tests.web.world import fill_with_owls
from trendbot.app import App
from trendbot.settings import Settings, Web
from trendbot.store.engine import connect
from trendbot.web.site import create

SETTINGS = Settings(web=Web(secret_key=SecretStr(KEY), limits=NO_LIMITS))
# Operations are told to pytest before there is a database; `filled` brings it.
SITE = create(App(SETTINGS, create_engine("sqlite://"), lambda: NOW), shelf_seconds=0)
# The same requests every time, so that a run fails for what was changed and nothing else.
CONFIG = SchemathesisConfig.from_dict(
    {"seed": 1, "generation": {"deterministic": True, "max-examples": 20}}
)
API = schemathesis.openapi.from_asgi("/openapi.json", SITE, config=CONFIG)


@pytest.fixture(scope="module")
def filled(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A database with papers and digests behind the site."""
    home = tmp_path_factory.mktemp("filled")
    shutil.copyfile(sqlite_template, home / "trendbot.db")
    engine = connect(f"sqlite:///{home}/trendbot.db", home)
    fill_with_owls(engine, 20)  # also the paper that the description names
    SITE.state.trendbot = App(SETTINGS, engine, lambda: NOW)
    yield
    engine.dispose()


@API.parametrize()
def test_every_answer_is_as_described(case: schemathesis.Case[Any], filled: None) -> None:
    if not is_trapped(case.body):
        case.call_and_validate()


def is_trapped(body: object) -> bool:
    """Whether a field is filled that people do not see; then anything is answered, on purpose."""
    website = body.get("website") if isinstance(body, dict) else None
    return isinstance(website, str) and website != ""
