"""Mail gateways open every link of every mail, some of them many times: that changes nothing."""

import re
from collections import Counter
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, inspect, text

from tests.mails import body, parse
from tests.web.visitors import NO_LIMITS, Visitor
from tests.web.world import FRIDAY, fill_with_owls
from trendbot import deliver, notices, subscribe
from trendbot.model import Cadence, Status, Taste
from trendbot.notice_letters import Kind
from trendbot.store import digests
from trendbot.tokens import PREFERENCES

HOME = "https://trends.example.org"
READER, NEWCOMER, CONFIRMED = "reader@example.org", "newcomer@example.org", "welcome@example.org"
TIMES = 3
# By the first part of their paths, where links lead that do something by their button.
DOORS = {"confirm", "unsubscribe", "preferences", "export", "erase"}


@pytest.fixture
def visitor(engine: Engine, tmp_path: Path) -> Visitor:
    visitor = Visitor(engine, tmp_path, NO_LIMITS)
    fill_with_owls(engine, 5)
    return visitor


def send_every_mail(visitor: Visitor) -> list[EmailMessage]:
    """One mail of each kind, and a digest; nobody has opened them yet."""
    door = visitor.app.doorway()
    reader = visitor.subscriber(Status.ACTIVE, READER)
    newcomer = visitor.subscriber(Status.PENDING, CONFIRMED)
    subscribe.confirm(door, visitor.token_of(Kind.CONFIRM, newcomer))
    for email in (NEWCOMER, READER):
        subscribe.ask(door, email, Taste(), "192.0.2.1")
    token = visitor.token_of(PREFERENCES, reader)
    subscribe.ask_export(door, token)
    subscribe.ask_erase(door, token)
    assert notices.drain(door, deliver.never) == len(Kind)
    with visitor.engine.connect() as conn:
        digest = digests.find(conn, Cadence.DAILY, FRIDAY)
    assert digest is not None
    assert deliver.plan(visitor.engine, digest, visitor.clock()) == 2
    deliver.drain(visitor.app.dispatch(), digest.id)
    mails = (visitor.home / "mail" / "new").iterdir()
    return [parse(mail.read_bytes()) for mail in sorted(mails)]


def links(mail: EmailMessage) -> set[str]:
    """The paths of all links to the site: of both parts, and of the headers."""
    headers = [str(mail[name]) for name in ("List-Unsubscribe", "List-Archive", "List-Help")]
    everything = " ".join([body(mail, "plain"), body(mail, "html"), *headers])
    return set(re.findall(rf"{re.escape(HOME)}([^\s\"<>]*)", everything))


def rows(engine: Engine) -> dict[str, Counter[str]]:
    """All there is in the database, also in tables that are not ours to name."""
    found = {}
    with engine.connect() as conn:
        for table in inspect(conn).get_table_names():
            some: Any = conn.execute(text(f'SELECT * FROM "{table}"'))
            found[table] = Counter(map(repr, some))
    return found


def test_opening_every_link_changes_nothing(visitor: Visitor) -> None:
    mails = send_every_mail(visitor)
    opened = sorted(set.union(*map(links, mails)))
    assert {path.strip("/").partition("/")[0] for path in opened} >= DOORS
    before = rows(visitor.engine)
    for _ in range(TIMES):
        for path in opened:
            got = visitor.client.get(path or "/")
            asked = visitor.client.head(path or "/")
            assert (got.status_code, asked.status_code) == (200, 200), path
    assert rows(visitor.engine) == before
    (confirm,) = [path for path in opened if path.startswith("/confirm/")]
    assert visitor.post(confirm).status_code == 200
    assert rows(visitor.engine) != before
