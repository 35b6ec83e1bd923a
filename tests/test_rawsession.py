"""The raw SMTP server notices what a client must not do."""

import socket

import pytest

from tests.rawcaller import LETTER, met

ANN = "ann@example.org"


@pytest.mark.parametrize(
    ("lines", "replies", "breach"),
    [
        (["MAIL FROM:<a@test>", "MAIL FROM:<a@test>"], ["250", "503"], "within a mail transaction"),
        (["MAIL FROM:<a@test> SIZE=101"], ["552"], ""),
        (["MAIL FROM:<a@test> BODY=8BITMIME"], ["250"], "8BITMIME was not offered"),
        (["MAIL FROM: a@test"], ["250"], "is no MAIL"),
        (["RCPT TO:<a@test>"], ["503"], ""),
        (["MAIL FROM:<a@test>", "RCPT TO:<å@test>"], ["250", "553"], "without SMTPUTF8"),
        (["MAIL FROM:<a@test>", "DATA"], ["250", "554"], ""),
        (["HELP"], ["500"], "is no command"),
        (["NOOP", "RSET"], ["250", "250"], ""),
        (["STARTTLS"], ["454"], ""),
    ],
)
def test_commands_out_of_place(lines: list[str], replies: list[str], breach: str) -> None:
    with met(offers=["SIZE 100"]) as (server, caller):
        assert [caller.ask(line)[:3] for line in lines] == replies
    assert len(server.breaches) == bool(breach)
    assert breach in "".join(server.breaches)


@pytest.mark.parametrize(
    ("offers", "said", "breach"),
    [
        ([], "MAIL FROM:<a@test>\r\nRCPT TO:<b@test>\r\n", "came before the reply"),
        (["PIPELINING"], "MAIL FROM:<a@test>\r\nRCPT TO:<b@test>\r\n", ""),
        (["PIPELINING"], "QUIT\r\nNOOP\r\n", "behind QUIT"),
        (["PIPELINING"], "NOOP\n", "bare line feed"),
        (["PIPELINING"], "NOOP " + 700 * "x", "more than 600 octets"),
    ],
)
def test_flights_that_must_not_be(offers: list[str], said: str, breach: str) -> None:
    with met(offers=offers) as (server, caller):
        caller.socket.sendall(said.encode())
        caller.hear()
        caller.socket.shutdown(socket.SHUT_WR)
        server.wait_until_left()
    assert len(server.breaches) == bool(breach)
    assert breach in "".join(server.breaches)


@pytest.mark.parametrize(
    ("message", "breach"),
    [
        ("a\nb\r\n", "bare line feed"),
        ("å\r\n", "8-bit"),
        (1000 * "x" + "\r\n", "998"),
    ],
)
def test_messages_that_must_not_be(message: str, breach: str) -> None:
    with met() as (server, caller):
        assert caller.mail(ANN, message)[:3] == "250"
    assert breach in server.breaches[0]


def test_a_message_that_is_too_big_is_not_taken() -> None:
    with met(offers=["SIZE 20"]) as (server, caller):
        assert caller.mail(ANN)[:3] == "552"
    assert server.taken == []


def test_no_message_goes_before_the_354() -> None:
    with met(delay=0.03) as (server, caller):
        caller.say("MAIL FROM:<a@test>", "RCPT TO:<b@test>", "DATA")
        caller.say(LETTER + ".")
        assert caller.codes(4) == ["250", "250", "354", "250"]
    assert "354" in server.breaches[0] or "behind DATA" in server.breaches[0]
