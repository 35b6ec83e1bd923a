import pytest
from aiosmtplib.email import quote_address
from hypothesis import given
from hypothesis import strategies as st

from trendbot.envelope import fits_command, is_wire_form, transparent


@pytest.mark.parametrize(
    "address", ["a@example.org", "a.b+papers@x.example", "o'neill@example.org"]
)
def test_usual_addresses_fit(address: str) -> None:
    assert fits_command(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "jürgen@example.org",
        "a@example.org> SIZE=1",
        "a@example.org\r\nRCPT TO:<b@example.org",
        "a@example.org\n",
        "a b@example.org",
        "a@example.org,b@example.org",
        "Ann <a@example.org>",
        "a(comment)@example.org",
        '"a b"@example.org',
        "group:a@example.org",
        "a@example.org\x7f",
        "a@example.org\x00",
        "0[",
        "a@[127.0.0.1]",
    ],
)
def test_what_could_say_more_than_an_address_does_not_fit(address: str) -> None:
    assert not fits_command(address)


ascii_text = st.text(st.characters(max_codepoint=127), min_size=1, max_size=6)
wordy = st.text("ab.+-0", min_size=1, max_size=6)


@given(ascii_text | st.builds("{}@{}".format, wordy | ascii_text, wordy | ascii_text))
def test_an_address_that_fits_reaches_the_server_as_it_is(address: str) -> None:
    if fits_command(address):
        assert quote_address(address) == f"<{address}>"


@pytest.mark.parametrize(
    "message", [b"a\nb\r\n", b"a\rb\r\n", b"a\r\n\n", b"\n\r", b"a\r\n.\nQUIT\n", b"\xc3\xa9\r\n"]
)
def test_bare_line_ends_and_8_bit_are_no_wire_form(message: bytes) -> None:
    assert not is_wire_form(message)


@given(st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126))))
def test_a_server_gets_back_the_lines_that_were_sent(lines: list[str]) -> None:
    message = "".join(f"{line}\r\n" for line in lines).encode()
    assert is_wire_form(message)
    sent = transparent(message).removesuffix(b"\r\n").split(b"\r\n")
    assert b"." not in sent
    undone = [line[1:] if line.startswith(b".") else line for line in sent]
    assert undone == ([line.encode() for line in lines] or [b""])


def test_the_last_line_is_ended() -> None:
    assert transparent(b".") == b"..\r\n"
    assert transparent(b"a\r\n.b\r\n") == b"a\r\n..b\r\n"
