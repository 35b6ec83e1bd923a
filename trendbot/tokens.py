"""Tokens for mailed links: signed, one salt per purpose, so that none opens another's door.

Signed with one secret, read with any of several, the newest first: a changed key leaves
the links in mails that are out there alive.

A token is `subject.signature` or `subject.time.signature`: letters, digits, `_`, `-` and
`.`, at most 70 of them, so that it fits one quoted-printable line (RFC 2045 section 6.7).
"""

import hashlib
import hmac
import re
from contextlib import suppress
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TypedDict

from itsdangerous import BadData, Signer, TimestampSigner
from itsdangerous.encoding import base64_decode, base64_encode
from itsdangerous.signer import SigningAlgorithm

from trendbot.errors import SettingsError, TokenError, TokenSpent

# With a time in them, and good for a while.
CONFIRM = "confirm"
EXPORT = "export"
ERASE = "erase"
# For ever: they stand in every digest.
UNSUBSCRIBE = "unsubscribe"
PREFERENCES = "preferences"

LONGEST = 70
_TOKEN = re.compile(rf"[A-Za-z0-9_.-]{{1,{LONGEST}}}")
_SUBJECT = re.compile(r"[A-Za-z0-9_-]{1,19}")
_FOREIGN = "this link is not complete or not ours; copy all of it from the mail"


def sign(secret: str, purpose: str, subject: str) -> str:
    """A token for `subject` (1 to 19 letters or digits, such as a row's id) that never ends."""
    return _signer(secret, purpose).sign(_checked(subject)).decode("ascii")


def verify(secrets: tuple[str, ...], purpose: str, token: str) -> str:
    """The subject of a token of `sign` with any of `secrets`. Raises TokenError."""
    _check_form(token)
    for secret in secrets:
        with suppress(BadData):
            return _signer(secret, purpose).unsign(token).decode("ascii")
    raise TokenError(_FOREIGN)


def sign_timed(secret: str, purpose: str, subject: str, now: datetime) -> str:
    """A token for `subject` that knows when it was made; `verify` does not take it."""
    return _Timed(secret, purpose, now).sign(_checked(subject)).decode("ascii")


def verify_timed(
    secrets: tuple[str, ...], purpose: str, token: str, max_age: timedelta, now: datetime
) -> str:
    """The subject of a token of `sign_timed` not older than `max_age`.

    One from the future counts as new: only we can make it, on a host whose clock is ahead.
    Raises TokenError, and TokenSpent for one that is too old.
    """
    _check_form(token)
    for secret in secrets:
        with suppress(BadData):
            subject, made_at = _Timed(secret, purpose, now).unsign(token, return_timestamp=True)
            break
    else:
        raise TokenError(_FOREIGN)
    if now - made_at > max_age:
        raise TokenSpent("this link is too old; ask for a new one")
    return subject.decode("ascii")


def keyed_hash(secret: str, purpose: str, value: str) -> str:
    """What stands for `value` where it must not be readable: 43 letters, digits, `_`, `-`."""
    return _signer(secret, purpose).get_signature(value.encode()).decode("ascii")


def digest_of(token: str) -> str:
    """What is kept of a token that may be used once: its SHA-256, 64 hex digits."""
    return hashlib.sha256(token.encode()).hexdigest()


class _Prepared(SigningAlgorithm):
    """HMAC as itsdangerous makes it, with the key taken in once: one is made for every mail."""

    def __init__(self, key: bytes) -> None:
        self._mac = hmac.new(key, digestmod=hashlib.sha256)

    def get_signature(self, key: bytes, value: bytes) -> bytes:  # noqa: ARG002  # it is ours
        mac = self._mac.copy()
        mac.update(value)
        return mac.digest()


@lru_cache(maxsize=8)
def _signer(secret: str, purpose: str) -> Signer:
    key = Signer(**_key(secret, purpose)).derive_key()
    return Signer(key, key_derivation="none", algorithm=_Prepared(key))


class _Timed(TimestampSigner):
    """The timed signer of itsdangerous, on our clock."""

    def __init__(self, secret: str, purpose: str, now: datetime) -> None:
        super().__init__(**_key(secret, f"{purpose}, timed"))
        self._now = now

    def get_timestamp(self) -> int:
        return int(self._now.timestamp())


class _Key(TypedDict):
    secret_key: str
    salt: str
    key_derivation: str
    digest_method: object


def _key(secret: str, purpose: str) -> _Key:
    if not secret:
        raise SettingsError("web.secret_key is empty; mailed links cannot be signed without it")
    return _Key(
        secret_key=secret,
        salt=f"trendbot {purpose}",
        key_derivation="hmac",
        digest_method=hashlib.sha256,
    )


def _checked(subject: str) -> str:
    if not _SUBJECT.fullmatch(subject):
        raise ValueError(f"{subject!r} cannot be the subject of a token")
    return subject


def _check_form(token: str) -> None:
    """Refuse what is no token, and second spellings of one: base64 leaves bits unused."""
    if not _TOKEN.fullmatch(token):
        raise TokenError(_FOREIGN)
    signature = token.rpartition(".")[2]
    try:
        spelled = base64_encode(base64_decode(signature)).decode("ascii")
    except BadData as error:
        raise TokenError(_FOREIGN) from error
    if spelled != signature:
        raise TokenError(_FOREIGN)
