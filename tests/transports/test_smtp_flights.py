"""SMTP with PIPELINING, against a raw server that keeps a ledger: flights, and what breaks them."""

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.rawscript import DROP, HANG, HOLD, RESET, Act, Script, after, endless, split
from tests.rawsmtpd import OFFERS, RawSmtpd
from tests.transports.lines import (  # noqa: F401 -- fixtures too
    nothing_stays_behind,
    server_tls,
    short_pauses,
    smtp,
    states,
    trusting,
    until_refused,
)
from tests.transports.outside import mail, mails
from trendbot.model import DeliveryState

SENT, DEFERRED, FAILED = DeliveryState.SENT, DeliveryState.DEFERRED, DeliveryState.FAILED
UNCERTAIN, SUPPRESSED = DeliveryState.UNCERTAIN, DeliveryState.SUPPRESSED
TWO = "reader2@example.org"
LINE = "trendbot.transports.smtp_line"


def send_under(script: Script, **settings: Any) -> tuple[dict[int, DeliveryState], RawSmtpd]:
    with RawSmtpd(script) as server:
        transport = smtp(server, **settings)
        found = states(transport.send(mails(3)))
        transport.close()
        server.wait_until_left()
    assert server.breaches == []
    return found, server


def ledger(*numbers: int) -> dict[str, int]:
    return {f"reader{number}@example.org": 1 for number in numbers}


# Flights


def test_a_warm_connection_needs_one_round_trip_a_mail() -> None:
    found, server = send_under({})
    assert found == {1: SENT, 2: SENT, 3: SENT}
    assert server.flights()[2:] == [
        ["MAIL", "RCPT", "DATA"],
        ["BODY", "DOT", "MAIL", "RCPT", "DATA"],
        ["BODY", "DOT", "MAIL", "RCPT", "DATA"],
        ["BODY", "DOT"],
        ["QUIT"],
    ]
    assert [copy.message for copy in server.taken] == [each.message for each in mails(3)]


def test_lines_stay_open_from_one_send_to_the_next() -> None:
    with RawSmtpd() as server:
        transport = smtp(server)
        assert states(transport.send(mails(2))) == {1: SENT, 2: SENT}
        assert states(transport.send([mail(3)])) == {3: SENT}
        assert server.connections == 1
        thread = threading.Thread(target=lambda: list(transport.send([mail(4)])))
        thread.start()
        thread.join()
        assert (server.connections, server.copies()) == (1, ledger(1, 2, 3, 4))


def test_a_connection_that_closed_meanwhile_is_not_used_again() -> None:
    with RawSmtpd({"DOT": [Act("250 ok\n421 4.4.2 idle", "drop")]}) as server:
        transport = smtp(server)
        assert states(transport.send(mails(1))) == {1: SENT}
        server.wait_until_left()
        assert states(transport.send([mail(2)])) == {2: SENT}
        assert (server.connections, server.copies()) == (2, ledger(1, 2))


def test_an_idle_connection_takes_leave() -> None:
    with RawSmtpd() as server:
        transport = smtp(server, idle_timeout=0.001)
        assert states(transport.send(mails(1))) == {1: SENT}
        time.sleep(0.01)  # longer than the connection may be idle
        assert states(transport.send([mail(2)])) == {2: SENT}
        assert server.connections == 2
        assert "QUIT" in server.log


def test_a_connection_carries_so_many_mails_and_no_more() -> None:
    with RawSmtpd() as server:
        transport = smtp(server, messages_per_connection=2)
        assert set(states(transport.send(mails(5))).values()) == {SENT}
        transport.close()
    assert server.connections == 3
    assert server.log.count("QUIT") == 3
    assert [copy.connection for copy in server.taken] == [1, 1, 2, 2, 3]


def test_a_mail_before_its_time_waits_with_its_envelope_out() -> None:
    with RawSmtpd() as server:
        due = time.monotonic() + 0.2
        late = replace(mail(2), not_before=due)
        transport = smtp(server)
        sending = transport.send([mail(1), late])
        assert next(sending).mail_id == 1
        assert time.monotonic() < due
        assert [outcome.state for outcome in sending] == [SENT]
        assert time.monotonic() >= due


def test_far_ahead_of_its_time_nothing_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trendbot.transports.smtp_crew._AHEAD", 0.0)
    met: list[float] = []
    with RawSmtpd(watch=lambda moment: met.append(time.monotonic())) as server:
        due = time.monotonic() + 0.1
        late = replace(mail(2), not_before=due)
        assert states(smtp(server).send([mail(1), late])) == {1: SENT, 2: SENT}
        second = [i for i, entry in enumerate(server.log) if entry == "MAIL"][1]
        assert met[second] >= due


@pytest.mark.parametrize("size", [50_000, 5_000_000])
@pytest.mark.parametrize("mode", ["none", "starttls", "implicit"])
def test_big_mails_arrive_whole(ca: trustme.CA, tmp_path: Path, mode: str, size: int) -> None:
    sent = [mail(n, body=b"\r\n".join([b"%d" % n * 70] * (size // 72))) for n in (1, 2, 3)]
    options = {**trusting(ca, tmp_path), "tls": mode}
    tls = server_tls(ca) if mode != "none" else None
    with RawSmtpd(tls=tls, implicit=mode == "implicit") as server:
        transport = smtp(server, tmp_path, **options)
        assert set(states(transport.send(sent)).values()) == {SENT}
        transport.close()
    assert [copy.message for copy in server.taken] == [each.message for each in sent]
    assert server.breaches == []


# Replies and who they speak of


@pytest.mark.parametrize("phase", ["RCPT", "DATA"])
def test_a_refused_envelope_is_cleared_in_the_next_flight(phase: str) -> None:
    found, server = send_under({f"{phase} {TWO}": "550 5.1.1 no such user"})
    assert found == {1: SENT, 2: SUPPRESSED, 3: SENT}
    assert ["RSET", "MAIL", "RCPT", "DATA"] in server.flights()
    assert (server.connections, server.copies()) == (1, ledger(1, 3))


def test_a_server_that_waits_for_a_mail_to_nobody_gets_the_lone_dot() -> None:
    found, server = send_under({f"RCPT {TWO}": "450 later", "NOBODY": "354 go on"})
    assert found == {1: SENT, 2: DEFERRED, 3: SENT}
    assert (server.connections, server.copies()) == (1, ledger(1, 3))


@pytest.mark.parametrize("reply", ["450 4.7.1 greylisted", "451 later", "452 4.2.2 full"])
@pytest.mark.parametrize("phase", ["RCPT", "DATA", "DOT"])
def test_4xx_defers_that_mail_alone(phase: str, reply: str) -> None:
    found, server = send_under({f"{phase} {TWO}": reply})
    assert found == {1: SENT, 2: DEFERRED, 3: SENT}
    assert (server.connections, server.copies()) == (1, ledger(1, 3))


@pytest.mark.parametrize("reply", ["450 4.3.2 busy", "421 4.3.2 busy"])
def test_a_refusal_at_mail_moves_the_mail_to_another_line(reply: str) -> None:
    found, server = send_under({"MAIL": [reply]}, connections=2)
    assert found == {1: SENT, 2: SENT, 3: SENT}
    assert server.copies() == ledger(1, 2, 3)


def test_when_all_lines_are_refused_at_mail_the_run_stops() -> None:
    with RawSmtpd({"MAIL": "452 4.3.1 disk full"}) as server:
        found, message = until_refused(smtp(server, connections=3).send(mails(9)))
    assert found == {}
    assert "452 4.3.1 disk full" in message
    assert server.log.count("MAIL") == 3


@pytest.mark.parametrize("phase", ["RCPT", "DOT"])
def test_a_throttle_on_every_line_stops_the_run(phase: str) -> None:
    with RawSmtpd({phase: "454 Throttling failure: daily quota"}) as server:
        found, message = until_refused(smtp(server, connections=2).send(mails(9)))
    assert set(found.values()) == {DEFERRED}
    assert len(found) <= 4
    assert "Throttling" in message


def test_the_servers_cap_is_nobodys_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{LINE}._PAUSE", 60.0)
    monkeypatch.setattr(f"{LINE}._REST", 60.0)
    found, server = send_under({"MAIL": after(1, "421 4.7.0 enough for one connection")})
    assert found == {1: SENT, 2: SENT, 3: SENT}
    assert (server.connections, server.copies()) == (3, ledger(1, 2, 3))


@pytest.mark.parametrize("phase", ["MAIL", "RCPT", "DATA", "DOT"])
def test_a_refusal_of_us_stops_the_run(phase: str) -> None:
    with RawSmtpd({phase: [None, "550 5.7.1 not you"]}) as server:
        found, message = until_refused(smtp(server).send(mails(9)))
    assert found == {1: SENT}
    assert "550 5.7.1 not you" in message
    assert server.copies() == ledger(1)


def test_mails_under_way_elsewhere_have_their_outcome_before_the_run_stops() -> None:
    server = RawSmtpd({"DOT reader1@example.org": HOLD, f"RCPT {TWO}": "550 5.7.1 not you"})
    server.watch = lambda moment: server.release() if str(moment) == f"RCPT {TWO}" else None
    with server:
        found, message = until_refused(smtp(server, connections=2).send(mails(2)))
    assert found == {1: SENT}
    assert "not you" in message


# Breaks


@pytest.mark.parametrize("how", [DROP, RESET])
@pytest.mark.parametrize("phase", ["MAIL", "RCPT", "DATA"])
def test_an_envelope_in_flight_goes_to_another_connection(phase: str, how: Act) -> None:
    found, server = send_under({phase: [None, how]})
    assert found == {1: SENT, 2: SENT, 3: SENT}
    assert (server.connections, server.copies()) == (2, ledger(1, 2, 3))


@pytest.mark.parametrize("how", [DROP, RESET])
def test_a_break_after_the_dot_is_uncertain_and_spares_the_next(how: Act) -> None:
    found, server = send_under({"DOT reader1@example.org": how})
    assert found == {1: UNCERTAIN, 2: SENT, 3: SENT}
    assert server.copies() == ledger(1, 2, 3)


def test_a_break_after_the_answer_to_the_dot_leaves_it_sent() -> None:
    found, server = send_under({"DOT reader1@example.org": Act("250 taken", "drop")})
    assert found == {1: SENT, 2: SENT, 3: SENT}
    assert server.copies() == ledger(1, 2, 3)


def test_a_break_inside_the_message_defers() -> None:
    big = mail(2, body=b"\r\n".join([b"x" * 70] * 300_000))
    with RawSmtpd({f"BODY {TWO}": RESET}, offers=["PIPELINING"]) as server:
        found = states(smtp(server).send([mail(1), big, mail(3)]))
    assert found == {1: SENT, 2: DEFERRED, 3: SENT}
    assert server.copies() == ledger(1, 3)


def test_a_mail_moves_three_times_and_is_deferred() -> None:
    found, server = send_under({f"RCPT {TWO}": DROP})
    assert found == {1: SENT, 2: DEFERRED, 3: SENT}
    assert server.log.count(f"RCPT {TWO}") == 4


@pytest.mark.parametrize(
    "nonsense",
    [
        b"hello\r\n",
        b"25\r\n",
        b"999 what\r\n",
        b"250-one\r\n251 other\r\n",
        b"354 go on\r\n",
        b"250 " + b"x" * 9000 + b"\r\n",
        endless(),
        endless(b"x" * 100),
    ],
)
def test_nonsense_closes_the_line(nonsense: bytes | Act) -> None:
    found, server = send_under({"RCPT reader1@example.org": [nonsense], f"DOT {TWO}": nonsense})
    assert found == {1: SENT, 2: UNCERTAIN, 3: SENT}
    assert server.connections == 3


def test_a_refusal_with_nonsense_behind_it_blames_nobody() -> None:
    found, server = send_under({f"RCPT {TWO}": [b"550 5.1.1 no such user\r\nhello?\r\n"]})
    assert found == {1: SENT, 2: SENT, 3: SENT}
    assert server.connections == 2


def test_a_refusal_holds_though_the_server_leaves_after_it() -> None:
    found, server = send_under({f"RCPT {TWO}": Act("550 5.1.1 no such user", "drop")})
    assert found == {1: SENT, 2: SUPPRESSED, 3: SENT}
    assert server.copies() == ledger(1, 3)


def test_what_nobody_asked_for_closes_the_line() -> None:
    with RawSmtpd({"DOT reader1@example.org": b"250 taken\r\n250 and more\r\n"}) as server:
        transport = smtp(server)
        assert states(transport.send([mail(1)])) == {1: SENT}
        server.wait_until_left()
        assert states(transport.send([mail(2)])) == {2: SENT}
    assert server.connections == 2


def test_replies_may_come_octet_by_octet() -> None:
    slow = {phase: split(reply) for phase, reply in (("RCPT", "250 ok"), ("DOT", "250-a\n250 b"))}
    found, server = send_under(slow)
    assert found == {1: SENT, 2: SENT, 3: SENT}
    assert server.connections == 1


def test_silence_at_rcpt_defers_after_the_timeout() -> None:
    found, server = send_under({f"RCPT {TWO}": HANG}, timeout=0.3)
    assert found == {1: SENT, 2: DEFERRED, 3: SENT}
    assert server.connections == 2


def test_silence_after_the_dot_is_uncertain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trendbot.transports.smtp_talk._DOT_TIMEOUT", 0.3)
    found, _ = send_under({"DOT reader1@example.org": HANG})
    assert found == {1: UNCERTAIN, 2: SENT, 3: SENT}


def test_a_trickle_does_not_extend_the_time() -> None:
    found, _ = send_under({f"RCPT {TWO}": Act("250 " + "x" * 900, drip=0.05)}, timeout=0.3)
    assert found == {1: SENT, 2: DEFERRED, 3: SENT}


def test_what_arrived_while_the_caller_was_busy_is_not_late() -> None:
    with RawSmtpd() as server:
        sending = smtp(server, timeout=0.3).send(mails(3))
        found = []
        for outcome in sending:
            found.append(outcome.state)
            time.sleep(0.7)  # far longer than the server has for an answer
    assert found == [SENT] * 3


# What a server can take


@pytest.mark.parametrize("offered", [True, False])
def test_8_bit_and_addresses_beyond_ascii(offered: bool) -> None:
    offers = OFFERS if offered else ["PIPELINING"]
    sent = [mail(1), mail(2, "jürgen@example.org", "Grüße".encode()), mail(3)]
    with RawSmtpd(offers=offers) as server:
        outcomes = {outcome.mail_id: outcome for outcome in smtp(server).send(sent)}
    assert outcomes[2].state is (SENT if offered else FAILED)
    assert ("SMTPUTF8" in outcomes[2].detail) is not offered
    assert len(server.taken) == (3 if offered else 2)
    assert server.breaches == []


def test_a_mail_over_the_servers_limit_is_our_fault() -> None:
    with RawSmtpd(offers=["PIPELINING", "SIZE 900"]) as server:
        big = mail(2, body=b"x" * 900)
        found, message = until_refused(smtp(server).send([mail(1), big, mail(3)]))
    assert found == {1: SENT}
    assert "at most 900 bytes" in message


def test_logged_in_over_tls(ca: trustme.CA, tmp_path: Path) -> None:
    login = ("bot", "geheim")
    options = {**trusting(ca, tmp_path), "username": "bot", "password": "geheim"}
    with RawSmtpd(tls=server_tls(ca), login=login) as server:
        transport = smtp(server, tmp_path, connections=3, **options)
        assert set(states(transport.send(mails(20))).values()) == {SENT}
        transport.close()
        server.wait_until_left()
    assert server.breaches == []


def test_closing_hangs_no_longer_than_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trendbot.transports.smtp._GOODBYE_TIMEOUT", 0.1)
    with RawSmtpd({"QUIT": HANG}) as server:
        transport = smtp(server)
        list(transport.send(mails(1)))
        transport.close()
        server.wait_until_left()


def test_closing_while_mails_are_under_way() -> None:
    with RawSmtpd({f"DOT {TWO}": HOLD}) as server:
        transport = smtp(server)
        sending = transport.send(mails(3))
        assert next(sending).state is SENT
        transport.close()
        server.wait_until_left()
        sending.close()  # type: ignore[attr-defined]
        assert states(transport.send([mail(4)])) == {4: SENT}
