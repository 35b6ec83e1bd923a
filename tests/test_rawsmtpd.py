"""The raw SMTP server is right itself: what it says, counts and refuses, over plain sockets."""

import socket
import ssl
import threading
from base64 import b64encode
from itertools import pairwise

import pytest
import trustme

from tests.rawcaller import LETTER, calling, met
from tests.rawscript import (
    DROP,
    HANG,
    HOLD,
    LATE,
    RESET,
    Act,
    Script,
    after,
    endless,
    greylist,
    split,
)
from tests.rawsmtpd import RawSmtpd, black_hole, refused_port

ANN, BOB = "ann@example.org", "bob@example.org"


# The usual conversation and the ledger


def test_a_mail_is_taken_and_booked() -> None:
    with met() as (server, caller):
        assert caller.mail(ANN) == "250 2.0.0 taken"
        assert caller.mail(ANN) == "250 2.0.0 taken"
        assert caller.ask("QUIT") == "221 2.0.0 bye"
        assert caller.hear() == ""
        server.wait_until_left()
    (first, _) = server.taken
    assert (first.sender, first.recipient, first.message_id) == ("bot@test", ANN, "<1@test>")
    assert (first.message, first.connection, first.told) == (LETTER.encode(), 1, True)
    assert server.copies() == {ANN: 2}
    assert server.breaches == []
    assert server.log[:7] == ["CONNECT", "EHLO", "MAIL", f"RCPT {ANN}"] + [
        f"{phase} {ANN}" for phase in ("DATA", "BODY", "DOT")
    ]


def test_stuffing_is_undone_and_an_empty_message_is_one() -> None:
    with met() as (server, caller):
        caller.mail(ANN, "..begins\r\n..\r\nwith. dots\r\n")
        caller.mail(ANN, "")
    assert [copy.message for copy in server.taken] == [b".begins\r\n.\r\nwith. dots\r\n", b""]


def test_a_message_may_come_in_any_pieces() -> None:
    with met() as (server, caller):
        for line in ("MAIL FROM:<bot@test>", f"RCPT TO:<{ANN}>", "DATA"):
            caller.ask(line)
        for octet in (LETTER + ".\r\n").encode():
            caller.socket.sendall(bytes([octet]))
        assert caller.hear() == "250 2.0.0 taken"
    assert server.taken[0].message == LETTER.encode()


def test_extensions_are_offered_as_told() -> None:
    with RawSmtpd(offers=["SIZE 100"]) as server, calling(server, greeted=False) as caller:
        caller.hear()
        assert caller.ask("EHLO me") == "250-mx.test\n250 SIZE 100"
        assert caller.ask("HELO me") == "250 mx.test"


def test_envelopes_side_by_side_and_one_round_trip_a_mail() -> None:
    envelope = ("MAIL FROM:<bot@test>", f"RCPT TO:<{ANN}>", "DATA")
    # The delay keeps the replies back until all of a flight is here, in however many pieces.
    with met(delay=0.03) as (server, caller):
        caller.say(*envelope)
        assert caller.codes(3) == ["250", "250", "354"]
        for _ in range(2):
            caller.say(LETTER + ".", *envelope[:2])
            caller.say(envelope[2])
            assert caller.codes(4) == ["250", "250", "250", "354"]
        assert caller.ask(LETTER + ".") == "250 2.0.0 taken"
    start, *rest = server.flights()[1:]
    assert start == ["EHLO"]
    assert rest[0] == ["MAIL", "RCPT", "DATA"]
    assert rest[1] == rest[2] == ["BODY", "DOT", "MAIL", "RCPT", "DATA"]
    assert rest[3] == ["BODY", "DOT"]
    assert server.breaches == []


def test_connections_are_counted() -> None:
    with RawSmtpd() as server:
        with calling(server) as one, calling(server) as two:
            assert (one.mail(ANN)[:3], two.mail(BOB)[:3]) == ("250", "250")
        server.wait_until_left()
        with calling(server):
            pass
    assert (server.connections, server.peak) == (3, 2)
    assert [copy.connection for copy in server.taken] == [1, 2]


def test_somebody_watches_before_anything_is_done() -> None:
    seen: list[tuple[str, int]] = []
    with met() as (server, caller):
        server.watch = lambda moment: seen.append((str(moment), len(server.taken)))
        caller.mail(ANN)
    assert seen[-1] == (f"DOT {ANN}", 0)


# The script


def test_a_script_knows_phases_recipients_connections_and_times() -> None:
    script: Script = {
        "RCPT": "450 4.2.1 nobody",
        f"RCPT {ANN}": ["451 4.7.1 once", None],
        "DOT #2": lambda moment: "452 4.3.1 full" if moment.nth == 1 else None,
    }
    with met(script) as (server, caller), calling(server) as second:
        assert caller.mail(BOB) == "450 4.2.1 nobody"
        caller.ask("RSET")
        assert caller.mail(ANN) == "451 4.7.1 once"
        caller.ask("RSET")
        assert caller.mail(ANN)[:3] == "250"
        server.play({"DOT #2": "452 4.3.1 full"})
        assert second.mail(ANN) == "452 4.3.1 full"
        server.play({})
        assert second.mail(ANN)[:3] == "250"
    assert server.copies() == {ANN: 2}


def test_greylisting_lets_in_who_comes_back() -> None:
    with met({"RCPT": greylist()}) as (_, caller):
        for recipient, code in ((ANN, "451"), (BOB, "451"), (ANN, "250")):
            assert caller.mail(recipient)[:3] == code
            caller.ask("RSET")


def test_a_cap_on_the_mails_of_one_connection() -> None:
    with met({"MAIL": after(2, Act("421 4.7.0 enough", "drop"))}) as (_, caller):
        assert [caller.mail(ANN)[:3] for _ in range(3)] == ["250", "250", "421"]
        assert caller.hear() == ""


def test_refused_recipients_leave_data_without_anybody() -> None:
    with met({"RCPT": "550 5.1.1 unknown"}) as (server, caller):
        caller.say("MAIL FROM:<a@test>", f"RCPT TO:<{ANN}>", "DATA")
        assert caller.codes(3) == ["250", "550", "554"]
        server.play({"RCPT": "550 5.1.1 unknown", "NOBODY": "354 go on"})
        caller.say("RSET", "MAIL FROM:<a@test>", f"RCPT TO:<{ANN}>", "DATA")
        assert caller.codes(4) == ["250", "250", "550", "354"]
        assert caller.ask(".")[:3] == "554"
    assert server.taken == []
    assert server.breaches == []


@pytest.mark.parametrize(
    ("act", "copies", "told"),
    [
        (DROP, 1, False),
        (RESET, 1, False),
        (Act("", "drop", takes=False), 0, None),
        (Act(None, "drop"), 1, True),
        ("250 fine", 1, True),
        ("550 5.7.1 no", 0, None),
        (b"gibberish\r\n", 0, None),
        (Act(b"gibberish\r\n", "drop", takes=True), 1, False),
        (Act("550 5.7.1 no", takes=True), 1, False),
    ],
)
def test_what_counts_as_taken(act: str | Act, copies: int, told: bool | None) -> None:
    with met({"DOT": act}) as (server, caller):
        try:
            caller.mail(ANN)
        except ConnectionResetError:
            assert act is RESET
    assert server.copies()[ANN] == copies
    assert [copy.told for copy in server.taken] == ([told] if copies else [])


@pytest.mark.parametrize(
    "phase", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "BODY", "RSET", "QUIT"]
)
def test_a_drop_at_any_phase(phase: str) -> None:
    with RawSmtpd({phase: DROP}) as server, calling(server, greeted=False) as caller:
        heard = [caller.hear()]
        for line in (
            "EHLO me",
            "RSET",
            "MAIL FROM:<a@test>",
            f"RCPT TO:<{ANN}>",
            "DATA",
            LETTER + ".",
            "QUIT",
        ):
            if "" in heard:
                break
            heard.append(caller.ask(line))
        assert heard[-1] == ""
        server.wait_until_left()
    assert len(server.taken) == (phase == "QUIT")


def test_replies_split_dripping_doubled_late_and_in_several_lines() -> None:
    script: Script = {
        "NOOP": [split("250-in\n250 pieces"), Act("250 slowly", drip=0.001), b"250 a\r\n250 b\r\n"],
        "RSET": [LATE, "250 first"],
    }
    with met(script) as (_, caller):
        assert caller.ask("NOOP") == "250-in\n250 pieces"
        assert caller.ask("NOOP") == "250 slowly"
        assert caller.ask("NOOP") == "250 a"
        assert caller.hear() == "250 b"
        caller.say("RSET", "RSET")
        assert caller.hear() == "250 first"
        assert caller.hear() == "250 2.0.0 ok"


def test_an_endless_reply_lasts_until_the_client_has_enough() -> None:
    with met({"NOOP": endless(b"250-on\r\n")}) as (server, caller):
        caller.say("NOOP")
        assert {caller.file.readline() for _ in range(10_000)} == {b"250-on\r\n"}
        caller.close()
        server.wait_until_left()


def test_held_until_released() -> None:
    with met({f"DOT {ANN}": HOLD}) as (server, caller), calling(server) as other:
        answers: list[str] = []
        waiting = threading.Thread(target=lambda: answers.append(caller.mail(ANN)))
        waiting.start()
        server.wait_for(f"DOT {ANN}")
        assert other.mail(BOB)[:3] == "250"
        assert answers == []
        server.release()
        waiting.join(10)
    assert answers == ["250 2.0.0 taken"]


def test_hanging_says_nothing() -> None:
    with met({"DOT": HANG}) as (server, caller):
        caller.socket.settimeout(0.1)
        with pytest.raises(TimeoutError):
            caller.mail(ANN)
        assert server.copies() == {ANN: 1}


# TLS and logins


def test_starttls_and_a_login() -> None:
    ca = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(tls)
    trusting = ssl.create_default_context()
    ca.configure_trust(trusting)
    with met(tls=tls, login=("bot", "hush")) as (server, caller):
        assert "250-STARTTLS" in caller.ask("EHLO me")
        assert caller.ask("STARTTLS")[:3] == "220"
        caller.socket = trusting.wrap_socket(caller.socket, server_hostname="127.0.0.1")
        caller.file.close()
        caller.file = caller.socket.makefile("rb")
        assert caller.ask("EHLO me").endswith("250 AUTH PLAIN LOGIN")
        assert caller.mail(ANN)[:3] == "530"
        assert caller.ask("AUTH PLAIN " + packed("\0bot\0loud"))[:3] == "535"
        assert caller.ask("AUTH LOGIN")[:3] == "334"
        assert caller.ask(packed("bot"))[:3] == "334"
        assert caller.ask(packed("hush"))[:3] == "235"
        assert caller.mail(ANN)[:3] == "250"
    assert server.breaches == []


def packed(text: str) -> str:
    return b64encode(text.encode()).decode()


def test_a_client_that_distrusts_the_certificate_is_no_error() -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    with (
        RawSmtpd(tls=tls, implicit=True) as server,
        socket.create_connection((server.host, server.port), timeout=10) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        ssl.create_default_context().wrap_socket(plain, server_hostname="127.0.0.1")


# Ports that nobody answers


def test_a_refused_port_and_a_black_hole() -> None:
    with refused_port() as port, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=10)
    with black_hole() as port, pytest.raises(TimeoutError):
        socket.create_connection(("127.0.0.1", port), timeout=0.2)


def test_moments_are_in_order_and_counted() -> None:
    with met() as (server, caller):
        for _ in range(3):
            caller.mail(ANN)
    dots = [moment for moment in server.moments if moment.phase == "DOT"]
    assert [(dot.nth, dot.mails) for dot in dots] == [(1, 0), (2, 1), (3, 2)]
    assert all(one.flight <= two.flight for one, two in pairwise(server.moments))
