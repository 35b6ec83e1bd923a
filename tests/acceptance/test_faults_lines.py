"""The fault matrix, lines: connections that break, fall silent or talk nonsense in any phase."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.acceptance.sending import CONNECTIONS, READERS, SUPPRESSED, UNCERTAIN, Sending
from tests.rawscript import DROP, HANG, LATE, RESET, Act, Moment, Script, endless, split
from tests.rawsmtpd import RawSmtpd
from trendbot.settings import MailSection

THIRD = READERS[2]
BEFORE = ["CONNECT", "EHLO"]
COMMANDS = ["MAIL", "RCPT", "DATA", "BODY", "DOT"]
PATIENCE = 0.3  # seconds for a reply

NONSENSE = {
    "gibberish": b"\x00\xff gibberish\r\n",
    "no code": b"ok, fine\r\n",
    "code out of range": b"999 what\r\n",
    "a code of two digits": b"25 ok\r\n",
    "a line that is too long": b"250 " + 100_000 * b"x" + b"\r\n",
    "empty lines": b"\r\n\r\n\r\n",
    "another protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
}


def third(phase: str, answer: Act | bytes | str) -> Script:
    """The answer at the third time a command is met, the first time before any mail."""
    return {phase: [answer] if phase in BEFORE else [None, None, answer]}


# Ends


@pytest.mark.parametrize("phase", [*BEFORE, *COMMANDS])
@pytest.mark.parametrize("how", [DROP, RESET], ids=["drop", "reset"])
def test_a_connection_that_ends(phase: str, how: Act, sending: Sending, offers: list[str]) -> None:
    """Falling silent at the dot, or behind it, is the one doubt; a reset may undo replies."""
    with RawSmtpd(third(phase, how), offers=offers) as server:
        sending.until_done(server.port)
    sending.check(server, too_many=1 if how is RESET or phase == "DOT" else 0)


@pytest.mark.parametrize("phase", ["MAIL", "RCPT", "DATA", "DOT"])
def test_a_connection_that_ends_after_its_reply(
    phase: str, sending: Sending, offers: list[str]
) -> None:
    with RawSmtpd(third(phase, Act(None, "drop")), offers=offers) as server:
        sending.until_done(server.port)
    sending.check(server)


def test_a_dot_that_was_not_taken_is_doubted_and_tried_again(
    sending: Sending, offers: list[str]
) -> None:
    script = third("DOT", Act("", "drop", takes=False))
    with RawSmtpd(script, offers=offers) as server:
        sending.until_done(server.port)
    sending.check(server)


def test_a_dot_that_is_never_answered_is_tried_twice(sending: Sending, offers: list[str]) -> None:
    with RawSmtpd({f"DOT {THIRD}": DROP}, offers=offers) as server:
        sending.until_done(server.port)
    sending.check(server, too_many=1, others={THIRD: UNCERTAIN})


def test_doubts_are_held_where_asked(engine: Engine, tmp_path: Path, offers: list[str]) -> None:
    sending = Sending(engine, tmp_path, mail=MailSection(on_uncertain="hold"))
    with RawSmtpd({f"DOT {THIRD}": DROP}, offers=offers) as server:
        sending.until_done(server.port)
    sending.check(server, others={THIRD: UNCERTAIN})


def test_every_connection_ends_at_its_second_dot(sending: Sending, offers: list[str]) -> None:
    def drop(moment: Moment) -> Act | None:
        return DROP if moment.mails == 1 and moment.nth == 1 else None

    with RawSmtpd({"DOT": drop}, offers=offers) as server:
        sending.until_done(server.port)
    sending.check(server, too_many=len(READERS) // 2)


def test_one_connection_of_two_is_never_let_in(sending: Sending, offers: list[str]) -> None:
    def one(moment: Moment) -> Act | None:
        return Act("421 4.7.0 one at a time", "drop") if moment.connection > 1 else None

    with RawSmtpd({"CONNECT": one}, offers=offers) as server:
        sending.until_done(server.port)
    sending.check(server)
    assert sending.stops == []


# Silence


@pytest.mark.parametrize("phase", [*BEFORE, "MAIL", "RCPT", "DATA", "BODY", "DOT", "QUIT"])
def test_a_server_that_falls_silent(
    phase: str, sending: Sending, offers: list[str], impatient: None
) -> None:
    with RawSmtpd(third(phase, HANG), offers=offers) as server:
        sending.until_done(server.port, timeout=PATIENCE)
    sending.check(server, too_many=int(phase == "DOT"))


@pytest.mark.parametrize("phase", [*BEFORE, "MAIL", "RCPT", "DATA", "DOT", "QUIT"])
def test_replies_that_drip(phase: str, sending: Sending, offers: list[str]) -> None:
    with RawSmtpd({phase: Act(drip=0.0005)}, offers=offers) as server:
        sending.until_done(server.port)
    sending.check(server)
    assert sending.stops == []


# Nonsense


@pytest.mark.parametrize("phase", [*BEFORE, "MAIL", "RCPT", "DATA", "DOT"])
@pytest.mark.parametrize("reply", NONSENSE.values(), ids=list(NONSENSE))
def test_replies_that_make_no_sense(phase: str, reply: bytes, sending: Sending) -> None:
    with RawSmtpd(third(phase, Act(reply, takes=True))) as server:
        sending.until_done(server.port)
    sending.check(server, too_many=int(phase == "DOT"))


@pytest.mark.parametrize("phase", ["DATA", "DOT"])
def test_lines_whose_codes_differ(phase: str, sending: Sending) -> None:
    """RFC 5321 section 4.2.1 lets the client believe any of them."""
    with RawSmtpd(third(phase, Act("250-yes\n451 no", takes=True))) as server:
        sending.until_done(server.port)
    sending.check(server, too_many=int(phase == "DOT"))


@pytest.mark.parametrize("phase", [*BEFORE, "MAIL", "RCPT", "DATA", "DOT", "QUIT"])
@pytest.mark.parametrize("piece", [b"250-and more\r\n", b"250 and more"])
def test_replies_without_end(phase: str, piece: bytes, sending: Sending) -> None:
    with RawSmtpd(third(phase, endless(piece))) as server:
        sending.until_done(server.port)
    sending.check(server, too_many=int(phase == "DOT"))


def test_replies_in_pieces_and_in_many_lines(sending: Sending, offers: list[str]) -> None:
    lines = "\n".join(["250-line"] * 20 + ["250 last"])
    script: Script = {
        "MAIL": split("250-2.1.0 fine\n250 2.1.0 go on"),
        "RCPT": lines,
        "DATA": split("354-go\n354 on"),
        "DOT": split("250-2.0.0 queued\n250 2.0.0 as 1"),
    }
    with RawSmtpd(script, offers=offers) as server:
        sending.until_done(server.port)
    sending.check(server)
    assert sending.stops == []


@pytest.mark.parametrize("phase", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "DOT"])
@pytest.mark.parametrize(
    "extra", [b"250 2.0.0 and more\r\n", b"354 go on\r\n", b"550 5.1.1 no\r\n"]
)
def test_replies_nobody_asked_for(
    phase: str, extra: bytes, sending: Sending, impatient: None
) -> None:
    """Nobody is blamed for an unasked 550, but where it may be the answer to DATA.

    Then the real answer may come so late that nobody can tell, and one reader counts as refused.
    """
    usual = {"CONNECT": b"220 mx.test\r\n", "EHLO": b"250 PIPELINING\r\n", "DATA": b"354 go\r\n"}
    reply = usual.get(phase, b"250 2.0.0 ok\r\n") + extra
    with RawSmtpd(third(phase, Act(reply))) as server:
        sending.until_done(server.port, timeout=PATIENCE)
    blamed = dict.fromkeys(sending.blamed(), SUPPRESSED)
    assert len(blamed) <= (phase == "RCPT" and extra.startswith(b"550"))
    sending.check(server, too_many=1, others=blamed)


def test_a_reply_to_the_dot_before_the_dot_is_not_believed(sending: Sending) -> None:
    """Else a mail that is refused right after would count as sent."""
    script: Script = {
        "DATA": [None, None, b"354 go on\r\n250 2.0.0 taken\r\n"],
        "DOT": lambda moment: "451 4.3.0 no" if liar(moment) else None,
    }
    with RawSmtpd(script) as server:

        def liar(moment: Moment) -> bool:
            """Whether this is the mail of the third DATA."""
            told = [each.recipient for each in server.moments if each.phase == "DATA"]
            return len(told) >= 3 and moment.recipient == told[2] and moment.nth == 1

        sending.until_done(server.port)
    sending.check(server)


@pytest.mark.parametrize("phase", ["MAIL", "RCPT", "DATA"])
def test_replies_in_the_wrong_order(phase: str, sending: Sending, impatient: None) -> None:
    with RawSmtpd(third(phase, LATE)) as server:
        sending.until_done(server.port, timeout=PATIENCE)
    sending.check(server)


def test_the_number_of_connections_is_kept(sending: Sending) -> None:
    with RawSmtpd() as server:
        sending.until_done(server.port)
    sending.check(server)
    assert server.peak <= CONNECTIONS
