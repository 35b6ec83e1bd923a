"""What is taken as a mail address, and what it becomes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trendbot.addresses import LONGEST, normalise
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
        ("änn@example.org", "Internationalized characters before"),
        ("ann@example.org\n", "invalid characters"),
        ("ann@example.org\r\nBcc: eve@example.org", "invalid characters"),
        ("ann\x00@example.org", "invalid characters"),
        ("ann\u202e@example.org", "before the @-sign"),
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


@settings(deadline=None)
@given(st.text(max_size=300) | st.from_regex(r"[^@]{1,20}@[^@]{1,20}\.[a-z]{2,5}", fullmatch=True))
def test_any_text_is_an_ascii_address_or_an_error(text: str) -> None:
    try:
        address = normalise(text)
    except AddressError:
        return
    assert address.email.isascii()
    assert address.email.isprintable()
    assert not set(address.email) & set(' <>"(),:;[]\\')
    assert address.email.count("@") == 1
    assert len(address.email) <= LONGEST
    assert normalise(address.email) == address
    assert normalise(address.email.upper()).key == address.key
