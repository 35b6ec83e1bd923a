"""The fault matrix, replies: every code at every command, believed as far as it goes."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.acceptance.sending import EXPIRED, FAILED, READERS, SUPPRESSED, Sending
from tests.rawscript import Act, Choice, after, greylist
from tests.rawsmtpd import RawSmtpd
from trendbot.model import DeliveryState
from trendbot.settings import MailSection

THIRD = READERS[2]
COMMANDS = ["MAIL", "RCPT", "DATA", "DOT"]

# With an enhanced status code (RFC 3463) and without.
LATER = [
    ("421 4.3.2 closing", "421 closing"),
    ("450 4.2.1 busy", "450 busy"),
    ("451 4.3.0 local error", "451-local\n451 error"),
    ("452 4.2.2 full", "452 full"),
    ("454 4.7.0 not now", "454"),
]
ABOUT_US = [
    "535 5.7.8 wrong password",
    "535 wrong password",
    "550 5.7.1 blocked for policy",
    "550 5.1.8 bad sender",
    "552 5.3.4 too big",
    "554 5.7.1 blocked for policy",
]
ABOUT_THE_READER = {
    "550 5.1.1 no such user": SUPPRESSED,
    "550-5.1.1 no such\n550 5.1.1 user": SUPPRESSED,
    "554 5.1.2 no such domain": SUPPRESSED,
    "550 no such user": FAILED,
    "550 5.2.1 disabled": FAILED,
    "552 5.2.2 mailbox full": FAILED,
    "552 mailbox full": FAILED,
    "554 5.6.0 not liked": FAILED,
    "554 not liked": FAILED,
    # A status of another class contradicts the code and is not believed.
    "550 4.1.1 no such user": FAILED,
}


@pytest.mark.parametrize("phase", COMMANDS)
@pytest.mark.parametrize(("enhanced", "bare"), LATER)
def test_4xx_delays_that_mail_and_blames_nobody(
    phase: str, enhanced: str, bare: str, sending: Sending, offers: list[str]
) -> None:
    with RawSmtpd({phase: [None, None, enhanced, None, bare]}, offers=offers) as server:
        sending.until_done(server.port)
    sending.check(server)
    assert sending.stops == []


@pytest.mark.parametrize("phase", COMMANDS)
@pytest.mark.parametrize("reply", ABOUT_US)
def test_5xx_about_us_stops_the_run_and_blames_nobody(
    phase: str, reply: str, sending: Sending
) -> None:
    with RawSmtpd({phase: [None, None, reply]}) as server:
        sending.until_done(server.port)
    sending.check(server)
    (why,) = sending.stops
    assert reply in why


@pytest.mark.parametrize("phase", COMMANDS[1:])
@pytest.mark.parametrize(("reply", "state"), ABOUT_THE_READER.items())
def test_5xx_about_a_reader_concerns_nobody_else(
    phase: str, reply: str, state: DeliveryState, sending: Sending
) -> None:
    with RawSmtpd({f"{phase} {THIRD}": reply}) as server:
        sending.until_done(server.port)
    sending.check(server, others={THIRD: state})
    assert sending.stops == []


@pytest.mark.parametrize("reply", ["550 no", "554 5.0.0 no", "501 5.1.7 no"])
def test_5xx_at_mail_is_about_us(reply: str, sending: Sending) -> None:
    with RawSmtpd({"MAIL": [None, None, reply]}) as server:
        sending.until_done(server.port)
    sending.check(server)
    assert [reply in why for why in sending.stops] == [True]


@pytest.mark.parametrize("phase", COMMANDS[1:])
def test_a_policy_against_one_reader_holds_up_nobody_else(
    phase: str, engine: Engine, tmp_path: Path, hurried: None
) -> None:
    sending = Sending(engine, tmp_path, mail=MailSection(max_age=timedelta(hours=6)))
    with RawSmtpd({f"{phase} {THIRD}": "554 5.7.1 spam"}) as server:
        sending.until_done(server.port)
    sending.check(server, others={THIRD: EXPIRED})
    assert all("554 5.7.1 spam" in why for why in sending.stops)


@pytest.mark.parametrize("phase", COMMANDS[1:])
@pytest.mark.parametrize("reply", ["450 4.7.1 greylisted", "451 4.7.1 greylisted"])
def test_greylisting_delays_everybody_and_loses_nobody(
    phase: str, reply: str, sending: Sending, offers: list[str]
) -> None:
    with RawSmtpd({phase: greylist(reply)}, offers=offers) as server:
        sending.until_done(server.port)
    sending.check(server)
    assert sending.stops == []


@pytest.mark.parametrize(
    "script",
    [
        {"MAIL": after(3, Act("421 4.7.0 too many mails", "drop"))},
        {"MAIL": after(3, "452 4.7.0 too many mails")},
        {"RCPT": after(3, "452 4.5.3 too many mails")},
        {"MAIL": after(3, Act("", "drop"))},
        {"DOT": after(2, Act(b"250 ok\r\n421 4.7.0 that was all\r\n", "drop"))},
        {"DOT": after(2, Act("250 ok", "drop"))},
        {"DATA": after(3, "421 4.7.0 too many mails")},
    ],
    ids=["421", "452", "452 at RCPT", "drop", "unasked 421", "drop after the reply", "DATA"],
)
def test_a_cap_on_the_mails_of_a_connection(
    script: dict[str, Choice], sending: Sending, offers: list[str]
) -> None:
    with RawSmtpd(script, offers=offers) as server:
        sending.until_done(server.port)
    sending.check(server)
    assert server.connections >= 3


def test_a_server_that_never_takes_anything_lets_the_digest_expire(sending: Sending) -> None:
    with RawSmtpd({"RCPT": "451 4.3.0 never"}) as server:
        sending.until_done(server.port)
    sending.check(server, others=dict.fromkeys(READERS, EXPIRED))


def test_a_server_that_refuses_recipients_but_not_data(sending: Sending) -> None:
    """RFC 2920 section 3.1: a server may say 354 to DATA though it refused every recipient."""
    script = {f"RCPT {THIRD}": "550 5.1.1 no such user", "NOBODY": "354 go on"}
    with RawSmtpd(script) as server:
        sending.until_done(server.port)
    sending.check(server, others={THIRD: SUPPRESSED})
    assert sending.stops == []
