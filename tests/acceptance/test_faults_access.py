"""The fault matrix, access: a server that is not there, not who it says, or cannot what we need."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from sqlalchemy import Engine

from tests.acceptance.sending import EXPIRED, FAILED, READERS, Sending
from tests.rawscript import Act, Answer
from tests.rawsmtpd import OFFERS, RawSmtpd, black_hole, refused_port

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
LOGIN = {"username": "bot", "password": "hush"}


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def sending(sending: Sending, tmp_path: Path, ca: trustme.CA) -> Sending:
    """As everywhere, with an authority to trust."""
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return sending


def tls(ca: trustme.CA, name: str = "127.0.0.1", **options: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(name, **options).configure_cert(context)
    return context


def stopped_then_sent(
    sending: Sending, refusing: RawSmtpd | int, why: str, **settings: Any
) -> None:
    """The run stops and says why, without a mail; a server that is well then gets all of them."""
    sending.once(refusing if isinstance(refusing, int) else refusing.port, **settings)
    (stop,) = sending.stops
    assert why in stop
    if isinstance(refusing, RawSmtpd):
        assert "MAIL" not in refusing.log
    assert sending.blamed() == []
    with RawSmtpd() as server:
        sending.until_done(server.port)
    sending.check(server)
    assert len(sending.stops) == 1


# Nobody there


@contextmanager
def nobody_greets() -> Iterator[int]:
    with RawSmtpd({"CONNECT": Act("", "hang")}) as server:
        yield server.port


@pytest.mark.parametrize(
    ("port", "why"),
    [
        (refused_port, "nothing listens"),
        (black_hole, "does not answer"),
        (nobody_greets, "does not answer"),
    ],
)
def test_nobody_there(port: Any, why: str, sending: Sending, impatient: None) -> None:
    with port() as number:
        stopped_then_sent(sending, number, why, timeout=0.3)


def test_nobody_there_until_it_is_too_late(sending: Sending) -> None:
    with refused_port() as port, RawSmtpd() as server:
        sending.until_done(port)
    sending.check(server, others=dict.fromkeys(READERS, EXPIRED))
    assert all("nothing listens" in why for why in sending.stops)


@pytest.mark.parametrize("banner", ["421 4.3.2 too busy", "554 5.7.1 go away", "521 no mail here"])
def test_turned_away_at_the_door(banner: str, sending: Sending) -> None:
    with RawSmtpd({"CONNECT": banner}) as server:
        stopped_then_sent(sending, server, banner)


# TLS


@pytest.mark.parametrize("answer", ["454 4.7.0 not now", "501 no", "250 what?"])
def test_starttls_refused_is_not_done_without(
    answer: str, sending: Sending, ca: trustme.CA
) -> None:
    with RawSmtpd({"STARTTLS": answer}, tls=tls(ca)) as server:
        stopped_then_sent(sending, server, "", tls="starttls", ca_file="ca.pem", **LOGIN)
    assert "AUTH" not in server.log


def test_starttls_missing_or_stripped_is_not_done_without(sending: Sending) -> None:
    with RawSmtpd(login=("bot", "hush")) as server:
        stopped_then_sent(sending, server, "TLS", tls="starttls", ca_file="ca.pem", **LOGIN)
    assert "AUTH" not in server.log


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "implicit"])
@pytest.mark.parametrize("fault", ["expired", "wrong name", "unknown authority"])
def test_a_certificate_that_cannot_be_trusted(
    fault: str, implicit: bool, sending: Sending, ca: trustme.CA
) -> None:
    shown = {
        "expired": lambda: tls(ca, not_after=LONG_AGO),
        "wrong name": lambda: tls(ca, "mail.example.net"),
        "unknown authority": lambda: tls(trustme.CA()),
    }[fault]()
    kind = "implicit" if implicit else "starttls"
    with RawSmtpd(tls=shown, implicit=implicit) as server:
        stopped_then_sent(sending, server, "certificate", tls=kind, ca_file="ca.pem", **LOGIN)
    assert "AUTH" not in server.log


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "implicit"])
def test_what_is_said_in_the_clear_is_no_tls(
    implicit: bool, sending: Sending, ca: trustme.CA, impatient: None
) -> None:
    """A server that speaks on in the clear where a handshake belongs."""
    script: dict[str, Answer] = {"STARTTLS": b"220 go\r\n250 injected\r\n"}
    with RawSmtpd(script, offers=[*OFFERS, "STARTTLS"]) as server:
        kind = "implicit" if implicit else "starttls"
        stopped_then_sent(sending, server, "", tls=kind, ca_file="ca.pem", timeout=0.3)


def test_everything_encrypted_and_logged_in(sending: Sending, ca: trustme.CA) -> None:
    with RawSmtpd(tls=tls(ca), login=("bot", "hush")) as server:
        sending.until_done(server.port, tls="starttls", ca_file="ca.pem", **LOGIN)
    sending.check(server)
    assert server.log.count("STARTTLS") == server.connections


# Login


@pytest.mark.parametrize(
    "reply", ["535 5.7.8 wrong", "535 wrong", "454 4.7.0 later", "534 5.7.9 weak"]
)
def test_a_login_that_is_refused_stops_the_run(
    reply: str, sending: Sending, ca: trustme.CA
) -> None:
    with RawSmtpd({"AUTH": reply}, tls=tls(ca), login=("bot", "hush")) as server:
        stopped_then_sent(sending, server, reply, tls="starttls", ca_file="ca.pem", **LOGIN)


def test_a_server_that_hangs_up_on_the_login(sending: Sending, ca: trustme.CA) -> None:
    with RawSmtpd({"AUTH": Act("421 busy", "drop")}, tls=tls(ca), login=("bot", "hush")) as server:
        stopped_then_sent(sending, server, "username", tls="starttls", ca_file="ca.pem", **LOGIN)


def test_a_server_that_wants_a_login_we_have_not(sending: Sending) -> None:
    with RawSmtpd(login=("bot", "hush")) as refusing:
        sending.once(refusing.port)
    assert "530" in "".join(sending.stops)
    with RawSmtpd() as server:
        sending.until_done(server.port)
    sending.check(server)


# What the server can


@pytest.mark.parametrize("offers", [["SIZE 200"], ["PIPELINING", "SIZE 200"]])
def test_a_size_that_is_too_small_stops_the_run(offers: list[str], sending: Sending) -> None:
    with RawSmtpd(offers=offers) as server:
        stopped_then_sent(sending, server, "200 bytes")


@pytest.mark.parametrize("pipelining", [True, False])
def test_an_address_that_needs_smtputf8(pipelining: bool, engine: Engine, tmp_path: Path) -> None:
    readers = [*READERS[:3], "höst@example.org", *READERS[3:]]
    without, able = Sending(engine, tmp_path, readers), OFFERS if pipelining else OFFERS[1:]
    with RawSmtpd(offers=[offer for offer in able if offer != "SMTPUTF8"]) as server:
        without.until_done(server.port)
    without.check(server, others={"höst@example.org": FAILED})


@pytest.mark.parametrize("pipelining", [True, False])
def test_an_address_with_smtputf8(pipelining: bool, engine: Engine, tmp_path: Path) -> None:
    sending = Sending(engine, tmp_path, [*READERS[:3], "höst@example.org", *READERS[3:]])
    with RawSmtpd(offers=OFFERS if pipelining else OFFERS[1:]) as server:
        sending.until_done(server.port)
    sending.check(server)


@pytest.mark.parametrize("offers", [[], ["PIPELINING"], ["SIZE"], ["SIZE 0", "AUTH"], ["X" * 400]])
def test_other_extensions_may_miss(offers: list[str], sending: Sending) -> None:
    with RawSmtpd(offers=offers) as server:
        sending.until_done(server.port)
    sending.check(server)
