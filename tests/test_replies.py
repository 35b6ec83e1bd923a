import pytest
from hypothesis import given
from hypothesis import strategies as st

from trendbot.model import DeliveryState
from trendbot.replies import Phase, Verdict, classify, enhanced, goes_on, no_reply, one_line

BEFORE_THE_DOT = [Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.BODY]
AFTER_MAIL = [Phase.RCPT, Phase.DATA, Phase.DOT]

DEFERRED = Verdict(DeliveryState.DEFERRED)
FAILED = Verdict(DeliveryState.FAILED)
SUPPRESSED = Verdict(DeliveryState.SUPPRESSED)
STOP = Verdict(None)


@pytest.mark.parametrize("phase", AFTER_MAIL)
@pytest.mark.parametrize(
    ("code", "text"),
    [
        (450, "4.7.1 greylisted"),
        (451, "try again"),
        (451, "4.7.0 slow down"),
        (452, "4.2.2 mailbox full"),
        (452, "4.5.3 too many recipients"),
        (452, "full"),
        (452, "5.3.1 a class that contradicts the code"),
    ],
)
def test_4xx_after_mail_waits_for_that_mail_alone(phase: Phase, code: int, text: str) -> None:
    assert classify(phase, code, text) == DEFERRED


@pytest.mark.parametrize("phase", AFTER_MAIL)
@pytest.mark.parametrize(
    ("code", "text"),
    [
        (454, "Throttling failure: daily quota exceeded"),
        (454, "4.7.0 temporary authentication failure"),
        (452, "4.3.1 insufficient system storage"),
        (450, "4.3.2 not accepting messages"),
        (451, "4.4.5 congested"),
    ],
)
def test_4xx_of_a_server_that_has_enough_speaks_of_us(phase: Phase, code: int, text: str) -> None:
    assert classify(phase, code, text) == Verdict(DeliveryState.DEFERRED, ours=True)


@pytest.mark.parametrize("code", [450, 451, 452, 454])
def test_4xx_at_mail_from_speaks_of_us(code: int) -> None:
    assert classify(Phase.MAIL, code, "4.2.0 later") == Verdict(DeliveryState.DEFERRED, ours=True)


@pytest.mark.parametrize("phase", Phase)
def test_421_waits_and_ends_the_connection(phase: Phase) -> None:
    verdict = classify(phase, 421, "4.3.2 shutting down")
    assert (verdict.state, verdict.hang_up) == (DeliveryState.DEFERRED, True)


def test_only_354_lets_a_message_follow() -> None:
    assert goes_on(Phase.DATA, 354)
    assert not goes_on(Phase.DATA, 250)
    assert not goes_on(Phase.MAIL, 354)
    assert goes_on(Phase.MAIL, 250)
    assert goes_on(Phase.RCPT, 251)
    assert not goes_on(Phase.RCPT, 450)


@pytest.mark.parametrize("code", [501, 550, 552, 553, 554, 555])
def test_5xx_at_mail_from_blames_no_subscriber(code: int) -> None:
    assert classify(Phase.MAIL, code, "5.1.1 says the server") == STOP


@pytest.mark.parametrize("phase", AFTER_MAIL)
@pytest.mark.parametrize("status", ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"])
def test_a_dead_address_is_suppressed(phase: Phase, status: str) -> None:
    assert classify(phase, 550, f"{status} no such user") == SUPPRESSED


@pytest.mark.parametrize("phase", AFTER_MAIL)
@pytest.mark.parametrize("code", [501, 550, 551, 552, 553, 554, 556])
def test_a_plain_5xx_fails_this_mail_only(phase: Phase, code: int) -> None:
    assert classify(phase, code, "Requested action not taken") == FAILED


@pytest.mark.parametrize("status", ["5.1.0", "5.1.4", "5.2.1", "5.2.2", "5.2.3", "5.4.4", "5.6.0"])
def test_what_may_be_well_again_is_not_suppressed(status: str) -> None:
    assert classify(Phase.RCPT, 550, f"{status} not now") == FAILED


@pytest.mark.parametrize("phase", AFTER_MAIL)
@pytest.mark.parametrize(
    ("code", "text"),
    [
        (550, "5.7.1 relaying denied"),
        (550, "5.7.515 access denied, does not meet the required authentication level"),
        (554, "5.7.26 unauthenticated"),
        (530, "5.7.0 authentication required"),
        (530, "authentication required"),
        (534, "stronger login needed"),
        (535, "5.7.8 credentials invalid"),
        (538, "encryption required"),
        (503, "AUTH first"),
        (521, "host does not accept mail"),
        (553, "5.1.8 bad sender's system address"),
        (553, "5.1.7 bad sender's mailbox"),
        (552, "5.3.4 message too big for system"),
        (552, "5.3.1 mail system full"),
        (550, "5.3.2 system not accepting messages"),
        (550, "5.4.5 daily user sending limit exceeded"),
    ],
)
def test_what_speaks_of_us_stops_the_run(phase: Phase, code: int, text: str) -> None:
    assert classify(phase, code, text).stop


def test_a_status_of_another_class_than_the_reply_is_not_believed() -> None:
    assert classify(Phase.RCPT, 550, "4.1.1 try later") == FAILED
    assert classify(Phase.RCPT, 450, "5.1.1 no such user") == DEFERRED


def test_only_the_answer_to_the_dot_can_say_sent() -> None:
    assert classify(Phase.DOT, 250, "2.0.0 queued") == Verdict(DeliveryState.SENT)
    assert classify(Phase.RCPT, 250, "ok").state is not DeliveryState.SENT


@pytest.mark.parametrize("phase", BEFORE_THE_DOT)
def test_silence_before_the_dot_waits(phase: Phase) -> None:
    assert no_reply(phase) == Verdict(DeliveryState.DEFERRED, hang_up=True)


@pytest.mark.parametrize("code", [-1, 0, 199, 354, 600, 999])
def test_nonsense_is_silence(code: int) -> None:
    assert classify(Phase.DOT, code, "?") == no_reply(Phase.DOT)
    assert classify(Phase.RCPT, code, "?") == no_reply(Phase.RCPT)


def test_silence_after_the_dot_is_uncertain() -> None:
    assert no_reply(Phase.DOT) == Verdict(DeliveryState.UNCERTAIN, hang_up=True)


@given(st.sampled_from(Phase), st.integers(-10, 1000), st.text())
def test_any_reply_has_a_verdict_and_no_reader_is_suppressed_without_proof(
    phase: Phase, code: int, text: str
) -> None:
    verdict = classify(phase, code, text)
    assert (verdict.state is DeliveryState.SENT) == (phase is Phase.DOT and code // 100 == 2)
    if verdict.state is DeliveryState.SUPPRESSED:
        assert code // 100 == 5
        assert text.startswith("5.1.")
    if verdict.state is DeliveryState.UNCERTAIN:
        assert phase is Phase.DOT


@given(st.sampled_from([2, 4, 5]), st.integers(0, 999), st.integers(0, 999), st.text())
def test_an_enhanced_status_is_read_back(kind: int, subject: int, detail: int, text: str) -> None:
    assert enhanced(f"{kind}.{subject}.{detail} {text}") == (kind, subject, detail)


@pytest.mark.parametrize(
    "text", ["", "no such user", "5.1", "5.1.1.7 is blocked", "3.1.1 odd", "see 5.1.1", "5.1.1000"]
)
def test_what_only_looks_like_a_status_is_none(text: str) -> None:
    assert enhanced(text) is None


@given(st.integers(), st.text(st.characters()))
def test_a_reply_becomes_one_printable_line(code: int, text: str) -> None:
    line = one_line(code, text)
    assert line.isprintable()
    assert len(line) <= 300
    line.encode()
