"""Tokens open what they were made for, as long as they were made for, and nothing else."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trendbot import tokens
from trendbot.errors import SettingsError, TokenError, TokenSpent

NOW = datetime(2026, 11, 20, 6, 30, tzinfo=UTC)
TWO_DAYS = timedelta(hours=48)
subjects = st.integers(0, 2**63 - 1).map(str)


@settings(deadline=None)
@given(subjects)
def test_a_token_gives_its_subject_back(subject: str) -> None:
    token = tokens.sign("secret", tokens.UNSUBSCRIBE, subject)
    timed = tokens.sign_timed("secret", tokens.CONFIRM, subject, NOW)
    assert tokens.verify(("secret",), tokens.UNSUBSCRIBE, token) == subject
    assert tokens.verify_timed(("secret",), tokens.CONFIRM, timed, TWO_DAYS, NOW) == subject
    for one in (token, timed):
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,70}", one)


def test_one_subject_has_one_unsubscribe_token_for_ever() -> None:
    made = {tokens.sign("secret", tokens.UNSUBSCRIBE, "7") for _ in range(3)}
    assert len(made) == 1


def test_links_of_earlier_versions_go_on_working() -> None:
    """What is mailed stays in inboxes for years: these were made by trendbot 0.1.0."""
    key = "a-secret-of-at-least-16"
    leave = "42.yCG1dhEBQqPMK5aStwCXmkatBzLA3GXT7ZFq_8RyvHM"
    confirm = "42.av_o6A.SCL1Tsa5feIaEOg0Ra2GxhqjpNVzOVEvT53LInqsVDw"
    assert tokens.sign(key, tokens.UNSUBSCRIBE, "42") == leave
    assert tokens.verify((key,), tokens.UNSUBSCRIBE, leave) == "42"
    assert tokens.sign_timed(key, tokens.CONFIRM, "42", NOW) == confirm
    assert tokens.verify_timed((key,), tokens.CONFIRM, confirm, TWO_DAYS, NOW) == "42"


@pytest.mark.parametrize(
    ("secret", "purpose"), [("other", tokens.UNSUBSCRIBE), ("secret", tokens.CONFIRM)]
)
def test_another_secret_or_purpose_refuses_it(secret: str, purpose: str) -> None:
    token = tokens.sign("secret", tokens.UNSUBSCRIBE, "7")
    with pytest.raises(TokenError, match="not ours"):
        tokens.verify((secret,), purpose, token)


def test_timed_and_timeless_tokens_of_one_purpose_are_not_exchanged() -> None:
    timed = tokens.sign_timed("secret", tokens.CONFIRM, "7", NOW)
    timeless = tokens.sign("secret", tokens.CONFIRM, "7")
    with pytest.raises(TokenError):
        tokens.verify(("secret",), tokens.CONFIRM, timed)
    with pytest.raises(TokenError):
        tokens.verify_timed(("secret",), tokens.CONFIRM, timeless, TWO_DAYS, NOW)


def test_a_timed_token_ends_after_its_age() -> None:
    token = tokens.sign_timed("secret", tokens.CONFIRM, "7", NOW)
    assert tokens.verify_timed(("secret",), tokens.CONFIRM, token, TWO_DAYS, NOW + TWO_DAYS) == "7"
    late = NOW + TWO_DAYS + timedelta(seconds=1)
    with pytest.raises(TokenSpent, match="too old"):
        tokens.verify_timed(("secret",), tokens.CONFIRM, token, TWO_DAYS, late)


def test_a_clock_that_was_ahead_spoils_no_token() -> None:
    token = tokens.sign_timed("secret", tokens.CONFIRM, "7", NOW + timedelta(minutes=5))
    assert tokens.verify_timed(("secret",), tokens.CONFIRM, token, TWO_DAYS, NOW) == "7"


@settings(deadline=None)
@given(st.data())
def test_a_token_changed_anywhere_is_refused(data: st.DataObject) -> None:
    token = tokens.sign("secret", tokens.UNSUBSCRIBE, "123")
    place = data.draw(st.integers(0, len(token) - 1))
    sign = data.draw(st.characters().filter(lambda sign: sign != token[place]))
    with pytest.raises(TokenError):
        tokens.verify(("secret",), tokens.UNSUBSCRIBE, token[:place] + sign + token[place + 1 :])


@settings(deadline=None)
@given(st.text() | st.text("abc123._-", max_size=80))
def test_no_text_is_taken_for_a_token(text: str) -> None:
    with pytest.raises(TokenError):
        tokens.verify(("secret",), tokens.UNSUBSCRIBE, text)
    with pytest.raises(TokenError):
        tokens.verify_timed(("secret",), tokens.CONFIRM, text, TWO_DAYS, NOW)


@pytest.mark.parametrize("more", ["=", "\n", " ", ".", "A"])
def test_a_token_has_one_spelling(more: str) -> None:
    token = tokens.sign("secret", tokens.UNSUBSCRIBE, "7")
    with pytest.raises(TokenError):
        tokens.verify(("secret",), tokens.UNSUBSCRIBE, token + more)


def test_nothing_is_signed_without_a_secret() -> None:
    with pytest.raises(SettingsError, match=r"web\.secret_key"):
        tokens.sign("", tokens.UNSUBSCRIBE, "7")


@pytest.mark.parametrize("subject", ["", "a.b", "a b", "9" * 20])
def test_a_subject_that_would_not_fit_is_refused(subject: str) -> None:
    with pytest.raises(ValueError, match="subject"):
        tokens.sign("secret", tokens.UNSUBSCRIBE, subject)


def test_the_digest_of_a_token_does_not_give_it_away() -> None:
    digest = tokens.digest_of(tokens.sign("secret", tokens.CONFIRM, "7"))
    assert re.fullmatch(r"[0-9a-f]{64}", digest)
    assert digest != tokens.digest_of(tokens.sign("secret", tokens.CONFIRM, "8"))


def test_a_changed_key_leaves_old_links_alive() -> None:
    leave = tokens.sign("old", tokens.UNSUBSCRIBE, "42")
    confirm = tokens.sign_timed("old", tokens.CONFIRM, "42", NOW)
    keys = ("new", "old")
    assert tokens.verify(keys, tokens.UNSUBSCRIBE, leave) == "42"
    assert tokens.verify_timed(keys, tokens.CONFIRM, confirm, TWO_DAYS, NOW) == "42"
    assert (
        tokens.verify(keys, tokens.UNSUBSCRIBE, tokens.sign("new", tokens.UNSUBSCRIBE, "7")) == "7"
    )
    with pytest.raises(TokenError):
        tokens.verify(("new",), tokens.UNSUBSCRIBE, leave)
    with pytest.raises(TokenError):
        tokens.verify(keys, tokens.PREFERENCES, leave)


def test_a_keyed_hash_tells_values_keys_and_purposes_apart() -> None:
    hashes = {
        tokens.keyed_hash(secret, purpose, value)
        for secret in ("one", "two")
        for purpose in ("address", "client")
        for value in ("ann@example.org", "bob@example.org")
    }
    assert len(hashes) == 8
    assert tokens.keyed_hash("one", "address", "ann@example.org") in hashes
