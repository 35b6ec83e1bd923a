"""What is taken as a mail address, and what it becomes."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trendbot.addresses import LONGEST, is_normal, masked, normalise
from trendbot.errors import AddressError


@pytest.mark.parametrize(
    ("typed", "email", "key"),
    [
        ("Ann.Lee@Example.COM", "Ann.Lee@example.com", "ann.lee@example.com"),
        ("  ann@example.org ", "ann@example.org", "ann@example.org"),
        ("ann+digest@example.org", "ann+digest@example.org", "ann+digest@example.org"),
        ("ann@bücher.example.org", "ann@xn--bcher-kva.example.org", None),
        ("ann@BÜCHER.example.org", "ann@xn--bcher-kva.example.org", None),
        ("ann@xn--bcher-kva.example.org", "ann@xn--bcher-kva.example.org", None),
        ("trendbot@localhost", "trendbot@localhost", None),
        ("ann@mail.test", "ann@mail.test", None),
        ("ann@printer.local", "ann@printer.local", None),
        ("ann@example.museum", "ann@example.museum", None),
        ("jürgen@example.org", "jürgen@example.org", None),
        ("ju\u0308rgen@example.org", "jürgen@example.org", None),
        ("JÜRGEN@Bücher.example", "JÜRGEN@xn--bcher-kva.example", "jürgen@xn--bcher-kva.example"),
        ("用户@例子.广告", "用户@xn--fsqu00a.xn--4rr70v", None),
        ("Σίσυφος@example.org", "Σίσυφος@example.org", "σίσυφοσ@example.org"),
        ("राम.1@example.org", "राम.1@example.org", None),
        ("jürgen@localhost", "jürgen@localhost", None),
        ("ä" * 32 + "@example.org", "ä" * 32 + "@example.org", None),
    ],
)
def test_good_addresses(typed: str, email: str, key: str | None) -> None:
    address = normalise(typed)
    assert address.email == email
    assert address.key == (key or email)


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("", "@-sign"),
        ("ann", "@-sign"),
        ("ann@example", "period"),
        ("@example.org", "before the @-sign"),
        ("Ann <ann@example.org>", "display name"),
        ('"ann lee"@example.org', "Quoting"),
        ("ann@[192.0.2.1]", "IP address"),
        ("ann@example.org\n", "invalid characters"),
        ("ann@example.org\r\nBcc: eve@example.org", "invalid characters"),
        ("ann\x00@example.org", "invalid characters"),
        ("ann\u202e@example.org", "unsafe"),
        ("änn\u2028@example.org", "unsafe"),
        ("änn\u2066@example.org", "unsafe"),
        ("änn\u200d@example.org", "unsafe"),
        ("änn\x85@example.org", "unsafe"),
        ("änn\xa0@example.org", "unsafe"),
        ("\u0308ann@example.org", "unsafe"),
        ("ä nn@example.org", "invalid"),
        ("ä,nn@example.org", "invalid"),
        ("ä，nn@example.org", "read as others"),
        ("ä＠example.com@example.org", "read as others"),
        ("ä…nn@example.org", "read as others"),
        ("\xa8ann@example.org", "read as others"),
        ("ä" * 33 + "@example.org", "64 bytes"),
        ("ann@example..org", "periods in a row"),
        ("ann@-example.org", "hyphen"),
        ("ann@eve@example.org", "invalid characters"),
        ("ann@example.org, eve@example.org", "invalid"),
        ("ann@host.invalid", "special-use"),
        ("a" * 65 + "@example.org", "too long"),
        ("a@" + "b." * 130 + "org", str(LONGEST)),
    ],
)
def test_bad_addresses_say_what_is_wrong(typed: str, why: str) -> None:
    with pytest.raises(AddressError, match=why) as caught:
        normalise(typed)
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("JÜRGEN@example.org", "ju\u0308rgen@example.org"),
        ("ΣΊΣΥΦΟΣ@example.org", "σίσυφος@example.org"),
        ("Straße@example.org", "STRASSE@example.org"),
        ("\u1f80@example.org", "\u1f88@example.org"),  # casefold alone leaves these apart
        ("\u03b1\u0345\u0301@example.org", "\u03b1\u0301\u0345@example.org"),
        ("ann@bücher.example", "ANN@XN--BCHER-KVA.example"),
    ],
)
def test_spellings_of_one_address_share_its_key(one: str, other: str) -> None:
    assert normalise(one).key == normalise(other).key


anything = st.text(max_size=300)
addressed = st.builds(
    "{}@{}".format,
    st.text(st.characters(), min_size=1, max_size=40),
    st.from_regex(r"[^@]{1,20}\.[a-z]{2,5}", fullmatch=True) | st.just("example.org"),
)


@settings(deadline=None)
@given(anything | addressed)
def test_any_text_is_an_address_for_headers_and_commands_or_an_error(text: str) -> None:
    try:
        address = normalise(text)
    except AddressError:
        return
    assert is_normal(address.email)
    assert address.email.isprintable()
    local, _, domain = address.email.rpartition("@")
    assert domain.isascii()
    for read in (local, unicodedata.normalize("NFKC", local)):
        assert not set(read) & set(' <>"(),:;@[]\\')
    assert not local.startswith(".")
    assert len(address.email.encode()) <= LONGEST
    assert unicodedata.is_normalized("NFC", address.email)
    assert unicodedata.is_normalized("NFC", address.key)
    assert normalise(address.email) == address
    assert normalise(unicodedata.normalize("NFD", text)) == address
    assert address.email.isascii() <= (normalise(address.email.upper()).key == address.key)


@settings(deadline=None)
@given(anything | addressed)
def test_normal_is_what_stays_as_it_is(text: str) -> None:
    if is_normal(text):
        try:
            assert normalise(text).email.lower() == text.lower()
        except AddressError as error:
            # What the form alone does not tell: names nobody may use, and broken A-labels.
            assert "@-sign" in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("email", "shown"),
    [("ada@example.org", "a…@example.org"), ("é@example.org", "é…@example.org"), ("", "…")],
)
def test_masked_shows_its_owner_which_address_it_is(email: str, shown: str) -> None:
    assert masked(email) == shown
