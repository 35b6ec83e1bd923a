"""SMTP: every phase of one conversation and all that breaks it, hence one long file."""

import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.rawscript import HOLD
from tests.rawsmtpd import RawSmtpd
from tests.smtpd import DROP, HANG, Script, Smtpd
from tests.transports.lines import (  # noqa: F401 -- fixtures too
    nothing_stays_behind,
    read,
    server_tls,
    short_pauses,
    smtp,
    states,
    trusting,
    until_refused,
)
from tests.transports.outside import context, mail, mails
from trendbot.errors import SettingsError, TransportError
from trendbot.model import DeliveryState, Mail, Outcome
from trendbot.transports.smtp import Smtp
from trendbot.transports.smtp_talk import _DOT_TIMEOUT

SENT, DEFERRED, FAILED = DeliveryState.SENT, DeliveryState.DEFERRED, DeliveryState.FAILED
SUPPRESSED, UNCERTAIN = DeliveryState.SUPPRESSED, DeliveryState.UNCERTAIN

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def send_under(script: Script) -> tuple[dict[int, DeliveryState], Smtpd]:
    with Smtpd(script) as server:
        transport = smtp(server)
        found = states(transport.send(mails(3)))
        transport.close()
        server.wait_until_left()
    return found, server


# Sending


def test_every_mail_arrives_once_and_unchanged() -> None:
    sent = [mail(1, body=b"=2E\r\n=2Edots\r\nend"), *mails(9)[1:]]
    with Smtpd() as server:
        found = states(smtp(server, connections=3).send(sent))
    assert found == dict.fromkeys(range(1, 10), SENT)
    got = {received.recipient: received for received in server.mails}
    assert server.copies() == dict.fromkeys((each.recipient for each in sent), 1)
    for each in sent:
        assert got[each.recipient].message == each.message
        assert got[each.recipient].sender == each.sender


def test_the_outcome_carries_the_reply() -> None:
    with Smtpd({"DOT": "250 2.0.0 queued as 4F2"}) as server:
        (outcome,) = smtp(server).send(mails(1))
    assert outcome == Outcome(1, SENT, 250, "250 2.0.0 queued as 4F2", outcome.seconds)
    assert 0 < outcome.seconds < 20


def test_nothing_to_send_asks_nobody() -> None:
    with Smtpd() as server:
        assert list(smtp(server).send([])) == []
    assert server.log == []


def test_one_connection_serves_many_mails_and_says_goodbye() -> None:
    with Smtpd() as server:
        transport = smtp(server)
        list(transport.send(mails(5)))
        transport.close()
        server.wait_until_left()
    assert (server.log.count("CONNECT"), server.log.count("QUIT")) == (1, 1)


def test_mails_leave_over_several_connections_at_once() -> None:
    with Smtpd({"DOT reader1@example.org": HANG, "DOT reader2@example.org": HANG}) as server:
        sending = smtp(server, connections=3).send(mails(4))
        assert {next(sending).mail_id, next(sending).mail_id} == {3, 4}
        server.wait_for("DOT reader1@example.org")
        server.wait_for("DOT reader2@example.org")
        assert server.peak == 3
        sending.close()  # type: ignore[attr-defined]


def test_mails_are_taken_only_when_a_line_is_free() -> None:
    taken = []

    def lazily() -> Iterator[Mail]:
        for each in mails(100):
            taken.append(each.id)
            yield each

    with Smtpd() as server:
        sending = smtp(server, connections=2).send(lazily())
        for outcomes in range(1, 20):
            next(sending)
            assert len(taken) <= outcomes + 4  # in hand, and one for whoever is free next
        sending.close()  # type: ignore[attr-defined]


def test_a_mail_does_not_leave_before_its_time() -> None:
    met: list[float] = []
    with Smtpd() as server:
        start = time.monotonic()
        due = [replace(each, not_before=start + 0.03 * each.id) for each in mails(4)]
        for outcome in smtp(server, connections=2).send(due):
            met.append(time.monotonic() - start - 0.03 * outcome.mail_id)
    assert len(met) == 4
    assert min(met) >= 0


# Each phase, each kind of answer


@pytest.mark.parametrize("phase", ["RCPT", "DATA", "DOT"])
@pytest.mark.parametrize("reply", ["450 4.2.0 greylisted", "451 later", "452 4.2.2 full"])
def test_4xx_defers_that_mail_alone(phase: str, reply: str) -> None:
    found, server = send_under({phase: [None, reply]})
    assert found == {1: SENT, 2: DEFERRED, 3: SENT}
    assert server.log.count("CONNECT") == 1


@pytest.mark.parametrize("phase", ["RCPT", "DATA", "DOT"])
def test_421_defers_and_the_next_mail_gets_a_new_connection(phase: str) -> None:
    found, server = send_under({phase: [None, "421 4.3.2 closing"]})
    assert found == {1: SENT, 2: DEFERRED, 3: SENT}
    assert server.log.count("CONNECT") == 2


@pytest.mark.parametrize("phase", ["RCPT", "DATA", "DOT"])
@pytest.mark.parametrize(
    ("reply", "state"),
    [
        ("550 5.1.1 no such user", SUPPRESSED),
        ("550-5.1.1 no such\r\n550 5.1.1 user", SUPPRESSED),
        ("550 no such user", FAILED),
        ("552 too much mail data", FAILED),
        ("552 5.2.2 mailbox full", FAILED),
        ("554 transaction failed", FAILED),
    ],
)
def test_5xx_concerns_that_recipient_alone(phase: str, reply: str, state: DeliveryState) -> None:
    found, server = send_under({f"{phase} reader2@example.org": reply})
    assert found == {1: SENT, 2: state, 3: SENT}
    assert server.log.count("CONNECT") == 1
    assert server.copies() == {"reader1@example.org": 1, "reader3@example.org": 1}


@pytest.mark.parametrize("phase", ["RCPT", "DATA"])
def test_a_refused_envelope_is_cleared_before_the_next_mail(phase: str) -> None:
    _, server = send_under({f"{phase} reader2@example.org": "550 no"})
    refused = server.log.index(f"{phase} reader2@example.org")
    assert server.log[refused + 1 : refused + 3] == ["RSET", "MAIL"]


@pytest.mark.parametrize("answer", ["451 no", DROP])
def test_a_line_that_cannot_be_cleared_is_not_used_again(answer: str) -> None:
    found, server = send_under({"RCPT reader2@example.org": "550 no", "RSET": answer})
    assert found == {1: SENT, 2: FAILED, 3: SENT}
    assert server.log.count("CONNECT") == 2


@pytest.mark.parametrize("phase", ["MAIL", "RCPT", "DATA"])
def test_after_a_drop_before_the_dot_the_mail_goes_over_another_connection(phase: str) -> None:
    found, server = send_under({phase: [None, DROP]})
    assert found == {1: SENT, 2: SENT, 3: SENT}
    assert server.copies() == {f"reader{n}@example.org": 1 for n in (1, 2, 3)}
    assert server.log.count("CONNECT") == 2


def test_a_mail_moves_three_times_and_is_deferred() -> None:
    found, server = send_under({"RCPT reader2@example.org": DROP})
    assert found == {1: SENT, 2: DEFERRED, 3: SENT}
    assert server.log.count("RCPT reader2@example.org") == 4


def test_a_drop_inside_the_message_defers() -> None:
    large = mail(2, body=b"\r\n".join([b"x" * 70] * 1_000_000))
    with Smtpd({"BODY reader2@example.org": DROP}, size=0) as server:
        found = states(smtp(server).send([mail(1), large, mail(3)]))
    assert found == {1: SENT, 2: DEFERRED, 3: SENT}
    assert "reader2@example.org" not in server.copies()


def test_a_drop_after_the_dot_is_uncertain() -> None:
    found, server = send_under({"DOT reader2@example.org": DROP})
    assert found == {1: SENT, 2: UNCERTAIN, 3: SENT}
    assert server.copies() == {f"reader{n}@example.org": 1 for n in (1, 2, 3)}


def test_the_dot_waits_ten_minutes() -> None:
    """RFC 5321 section 4.5.3.2.6."""
    assert _DOT_TIMEOUT == 600


def test_silence_at_rcpt_defers_after_the_timeout() -> None:
    with Smtpd({"RCPT reader2@example.org": HANG}) as server:
        found = states(smtp(server, timeout=1).send(mails(3)))
    assert found == {1: SENT, 2: DEFERRED, 3: SENT}
    assert server.log.count("CONNECT") == 2


def test_the_dot_has_its_own_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trendbot.transports.smtp_talk._DOT_TIMEOUT", 1.5)
    with Smtpd({"DOT reader2@example.org": HANG}) as server:
        start = time.monotonic()
        found = states(smtp(server, timeout=1).send(mails(3)))
    assert found == {1: SENT, 2: UNCERTAIN, 3: SENT}
    assert server.log.count("CONNECT") == 2
    assert time.monotonic() - start > 1.4


@pytest.mark.parametrize(
    "nonsense", ["hello", "  ", "25", "999 what", "354 go on", "250-" + "x" * 40_000]
)
def test_nonsense_is_no_answer(nonsense: str) -> None:
    found, server = send_under(
        {"RCPT reader1@example.org": [nonsense], "DOT reader2@example.org": nonsense}
    )
    assert found == {1: SENT, 2: UNCERTAIN, 3: SENT}
    assert server.log.count("CONNECT") == 3


def test_a_hostile_reply_becomes_one_printable_line() -> None:
    reply = "550-\x1b[31m5.1.1\x07" + "é" * 500 + "\r\n550 \x00end"
    with Smtpd({"RCPT": reply}) as server:
        (outcome,) = smtp(server).send(mails(1))
    assert outcome.detail.isprintable()
    assert len(outcome.detail) <= 300


# What stops the run and blames nobody


@pytest.mark.parametrize(
    ("phase", "reply"),
    [
        ("MAIL", "550 5.1.1 sender unknown"),
        ("MAIL", "553 sender refused"),
        ("MAIL", "530 5.7.0 authentication required"),
        ("RCPT", "550 5.7.1 relaying denied"),
        ("DATA", "554 5.7.1 refused"),
        ("DOT", "550 5.7.26 unauthenticated"),
        ("DOT", "554 5.7.1 spam"),
    ],
)
def test_a_refusal_of_us_stops_the_run(phase: str, reply: str) -> None:
    with Smtpd({phase: [None, reply]}) as server:
        found, message = until_refused(smtp(server).send(mails(3)))
    assert found == {1: SENT}
    assert reply in message
    assert f"{server.host}:{server.port}" in message
    assert len(server.mails) == 1


def test_mails_under_way_are_accounted_for_before_the_run_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("trendbot.transports.smtp_talk._DOT_TIMEOUT", 1)
    with Smtpd({"DOT": HANG, "MAIL": [None, "550 5.7.1 over quota"]}) as server:
        found, message = until_refused(smtp(server, connections=2).send(mails(9)))
    assert found == {1: UNCERTAIN}
    assert "over quota" in message


def test_a_mail_over_the_servers_limit_is_our_fault() -> None:
    with Smtpd(size=500) as server, pytest.raises(TransportError, match="at most 500 bytes"):
        list(smtp(server).send([mail(1, body=b"x" * 600)]))
    assert "MAIL" not in server.log


def test_a_recipient_that_is_no_address_fails_alone() -> None:
    hostile = mail(2, recipient="a@example.org> SIZE=1\r\nRSET")
    with Smtpd() as server:
        found = states(smtp(server).send([mail(1), hostile, mail(3, "jürgen@example.org")]))
    assert found == {1: SENT, 2: FAILED, 3: FAILED}
    assert len(server.mails) == 1


# Connections that do not come about, and ends before the end


def test_nobody_listening_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = read({"host": "127.0.0.1", "port": port, "tls": "none", "local_hostname": "t.test"})
    transport = Smtp(settings, context(Path()))
    with pytest.raises(TransportError, match=f"nothing listens on 127.0.0.1:{port}"):
        list(transport.send(mails(1)))
    transport.close()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ({"CONNECT": "554 5.7.1 go away"}, "554 5.7.1 go away"),
        ({"CONNECT": "421 too many connections"}, "421 too many connections"),
        ({"CONNECT": DROP}, r"check \[mail.smtp\]"),
        ({"CONNECT": HANG}, "does not answer"),
        ({"EHLO": "502 what"}, "502 what"),
        ({"EHLO": DROP}, r"check \[mail.smtp\]"),
        ({"EHLO": HANG}, "does not answer"),
    ],
)
def test_a_server_that_will_not_talk_is_no_readers_fault(script: Script, message: str) -> None:
    with Smtpd(script) as server, pytest.raises(TransportError, match=message):
        list(smtp(server, timeout=1).send(mails(3)))
    assert server.mails == []


def test_a_server_gone_in_the_middle_stops_the_run() -> None:
    taken = []

    def lazily() -> Iterator[Mail]:
        for each in mails(9):
            taken.append(each.id)
            yield each

    script = {"RCPT": [None, "421 shutting down"], "CONNECT": [None, "554 closed"]}
    with Smtpd(script) as server:
        found, message = until_refused(smtp(server).send(lazily()))
    assert found == {1: SENT, 2: DEFERRED}
    assert taken[:3] == [1, 2, 3]
    assert len(taken) <= 4  # one ahead, and not handed over
    assert "554 closed" in message


def test_fewer_connections_than_wished_still_send_everything() -> None:
    full = "421 4.7.0 too many connections"
    with Smtpd({"CONNECT": [None, full, full]}) as server:
        found = states(smtp(server, connections=3).send(mails(20)))
    assert found == dict.fromkeys(range(1, 21), SENT)


def test_a_server_that_always_breaks_off_is_left_alone_soon() -> None:
    with Smtpd({"DATA": DROP}) as server:
        found, message = until_refused(smtp(server, connections=2).send(mails(50)))
    assert set(found.values()) == {DEFERRED}
    assert len(found) <= 12
    assert "broke off 3 mails in a row" in message


def test_closing_early_ends_everything() -> None:
    stuck = {"DOT reader2@example.org", "RCPT reader3@example.org"}
    with Smtpd(dict.fromkeys(stuck, HANG)) as server:
        transport = smtp(server, connections=3)
        sending = transport.send(mail(number) for number in count(1))
        while not stuck <= set(server.log):
            assert next(sending).state is SENT
        sending.close()  # type: ignore[attr-defined]
        transport.close()
        server.wait_until_left()


def test_closing_at_any_moment_ends() -> None:
    """A reply may come in the very moment of the end, and be taken for what was waited for."""
    with Smtpd() as server:
        for taken in range(30):
            transport = smtp(server, connections=3)
            sending = transport.send(mail(number) for number in count(1))
            for _ in range(taken % 7 + 1):
                next(sending)
            sending.close()  # type: ignore[attr-defined]
            transport.close()
        server.wait_until_left()


def test_a_failure_of_the_caller_comes_out_when_all_under_way_are_told() -> None:
    def broken() -> Iterator[Mail]:
        for number in count(1):
            if "DOT reader2@example.org" in server.log:
                server.release()
                raise LookupError("no more")
            yield mail(number)

    told: Counter[str] = Counter()
    with RawSmtpd({"DOT reader2@example.org": HOLD}) as server:
        transport = smtp(server, connections=2)
        sending = transport.send(broken())

        def tell() -> None:
            for outcome in sending:
                assert outcome.state is SENT
                told[f"reader{outcome.mail_id}@example.org"] += 1

        with pytest.raises(LookupError, match="no more"):
            tell()
        transport.close()
        server.wait_until_left()
        assert told == server.copies()
    assert told["reader2@example.org"] == 1


# TLS and login


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_mails_go_encrypted_and_logged_in(ca: trustme.CA, tmp_path: Path, mode: str) -> None:
    login = ("bot", "pässword")
    options = {**trusting(ca, tmp_path), "tls": mode, "username": "bot", "password": "pässword"}
    with Smtpd(tls=server_tls(ca), implicit=mode == "implicit", login=login) as server:
        transport = smtp(server, tmp_path, connections=2, **options)
        assert states(transport.send(mails(4))) == dict.fromkeys(range(1, 5), SENT)
        name = {"starttls": "STARTTLS", "implicit": "TLS"}[mode]
        assert transport.check() == (
            f"127.0.0.1:{server.port} answers, {name} (TLSv1.3), logged in as bot"
        )
        transport.close()
        server.wait_until_left()


def test_check_tells_of_a_plain_connection() -> None:
    with Smtpd() as server:
        assert smtp(server).check() == f"127.0.0.1:{server.port} answers, not encrypted, no login"
        server.wait_until_left()
    assert server.log == ["CONNECT", "EHLO", "QUIT"]


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
@pytest.mark.parametrize(
    ("certificate", "why"),
    [
        ({"name": "mail.example.org"}, "IP address mismatch"),
        ({"not_before": LONG_AGO, "not_after": LONG_AGO}, "certificate has expired"),
    ],
)
def test_a_wrong_certificate_is_refused(
    ca: trustme.CA, tmp_path: Path, mode: str, certificate: dict[str, Any], why: str
) -> None:
    options = {**trusting(ca, tmp_path), "tls": mode}
    tls = server_tls(ca, **certificate)
    with Smtpd(tls=tls, implicit=mode == "implicit") as server:
        with pytest.raises(TransportError, match=f"cannot be trusted: .*{why}"):
            list(smtp(server, tmp_path, **options).send(mails(1)))
        server.wait_until_left()
    assert "MAIL" not in server.log


def test_a_certificate_of_an_unknown_authority_is_refused(ca: trustme.CA) -> None:
    with Smtpd(tls=server_tls(ca)) as server, pytest.raises(TransportError, match="ca_file"):
        smtp(server, tls="starttls").check()


def test_starttls_stripped_is_refused(ca: trustme.CA, tmp_path: Path) -> None:
    options = {**trusting(ca, tmp_path), "username": "bot", "password": "secret"}
    with Smtpd() as server, pytest.raises(TransportError, match=r"STARTTLS.*check.*tls"):
        list(smtp(server, tmp_path, **options).send(mails(1)))
    assert server.log == ["CONNECT", "EHLO"]


def test_implicit_tls_with_a_server_that_speaks_plainly(ca: trustme.CA, tmp_path: Path) -> None:
    options = {**trusting(ca, tmp_path), "tls": "implicit"}
    with Smtpd() as server, pytest.raises(TransportError, match="does not speak TLS as expected"):
        smtp(server, tmp_path, **options).check()


def test_a_wrong_password_is_tried_on_one_connection_and_not_shown(
    ca: trustme.CA, tmp_path: Path
) -> None:
    options = {**trusting(ca, tmp_path), "username": "bot", "password": "geheim"}
    options["connections"] = 4
    with Smtpd(tls=server_tls(ca), login=("bot", "other")) as server:
        found, message = until_refused(smtp(server, tmp_path, **options).send(mails(9)))
    assert found == {}
    assert "535" in message
    assert "[mail.smtp] username and password" in message
    assert "geheim" not in message
    assert server.log.count("CONNECT") == 1


# Settings


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"host": "mail.example.org", "tls": "none"}, "allow_insecure"),
        ({"host": "10.0.0.7", "tls": "none"}, "allow_insecure"),
        ({"username": "bot"}, "both or neither"),
        ({"password": "secret"}, "both or neither"),
        ({"host": "a b"}, "host"),
        ({"host": "a..b"}, "host"),
        ({"host": "x" * 64}, "host"),
        ({"connections": 0}, "connections"),
        ({"connections": 51}, "connections"),
        ({"rate": -1}, "rate"),
        ({"rate": float("inf")}, "rate"),
        ({"timeout": 0}, "timeout"),
        ({"tls": "maybe"}, "tls"),
        ({"local_hostname": "a b"}, "local_hostname"),
    ],
)
def test_wrong_settings_are_named(table: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as refused:
        read(table)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "mail.localhost"])
def test_this_machine_needs_no_tls(host: str) -> None:
    assert read({"host": host, "tls": "none"}).port == 587


def test_insecure_can_be_allowed() -> None:
    table = {"host": "mail.example.org", "tls": "none", "allow_insecure": True}
    assert read(table).allow_insecure


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_file_that_is_none_is_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "nowhere.pem").write_text(content)
    with pytest.raises(SettingsError, match=r"nowhere\.pem"):
        Smtp(read({"ca_file": "nowhere.pem"}), context(tmp_path))
