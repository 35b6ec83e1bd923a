"""What the tests of SMTP share: transports that are closed in the end, and what they said.

The fixtures hold in every module that imports them.
"""

import gc
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.rawsmtpd import RawSmtpd
from tests.smtpd import Smtpd
from tests.transports.outside import context
from trendbot.errors import TransportError
from trendbot.model import DeliveryState, Outcome
from trendbot.settings import section
from trendbot.transports.smtp import Smtp
from trendbot.transports.smtp_settings import SmtpSettings

MADE: list[Smtp] = []


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundredth of the pauses and rests."""
    for name, seconds in {"_PAUSE": 0.001, "_LONGEST_PAUSE": 0.02, "_REST": 0.01}.items():
        monkeypatch.setattr(f"trendbot.transports.smtp_line.{name}", seconds)
    monkeypatch.setattr("trendbot.transports.smtp_line._LONGEST_REST", 0.3)


@pytest.fixture(autouse=True)
def nothing_stays_behind() -> Iterator[None]:
    """No thread outlives a test; a socket left open is a ResourceWarning, so an error."""
    before = threading.active_count()
    gc.freeze()  # what was there before need not be looked through, which takes half a second
    yield
    while MADE:
        MADE.pop().close()
    gc.collect()
    gc.unfreeze()
    assert threading.active_count() == before


def server_tls(ca: trustme.CA, name: str = "127.0.0.1", **options: Any) -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(name, **options).configure_cert(tls)
    return tls


def read(table: dict[str, Any]) -> SmtpSettings:
    return section(SmtpSettings, table, "mail.smtp")


def smtp(server: Smtpd | RawSmtpd, home: Path = Path(), **settings: Any) -> Smtp:
    table = {"host": server.host, "port": server.port, "tls": "none", "connections": 1}
    transport = Smtp(read({**table, "local_hostname": "trendbot.test", **settings}), context(home))
    MADE.append(transport)
    return transport


def trusting(ca: trustme.CA, home: Path) -> dict[str, Any]:
    ca.cert_pem.write_to_path(str(home / "ca.pem"))
    return {"tls": "starttls", "ca_file": "ca.pem"}


def states(outcomes: Iterator[Outcome]) -> dict[int, DeliveryState]:
    return {outcome.mail_id: outcome.state for outcome in outcomes}


def until_refused(outcomes: Iterator[Outcome]) -> tuple[dict[int, DeliveryState], str]:
    """What was said of mails until the server refused us, and the error's text."""
    found = {}
    try:
        for outcome in outcomes:
            found[outcome.mail_id] = outcome.state
    except TransportError as refusal:
        return found, str(refusal)
    raise AssertionError(f"the server took everything: {found}")
