import pytest
from aiosmtplib.email import quote_address
from hypothesis import given
from hypothesis import strategies as st

from trendbot.envelope import fits_command, is_wire_form


@pytest.mark.parametrize(
    "address",
    [
        "a@example.org",
        "a.b+papers@x.example",
        "o'neill@example.org",
        "jürgen@example.org",
        "用户@example.org",
    ],
)
def test_usual_addresses_fit(address: str) -> None:
    assert fits_command(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "jürgen@bücher.example",
        "a\u00a0b@example.org",
        "a\u2028b@example.org",
        "a\x85b@example.org",
        "a\u202eb@example.org",
        "a\udc80b@example.org",
        "a" * 243 + "@example.org",
        "é" * 122 + "@example.org",
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
    if fits_command(address) and address.isascii():
        assert quote_address(address) == f"<{address}>"


@given(st.builds("{}@example.org".format, st.text(min_size=1, max_size=12)))
def test_what_fits_is_one_word_of_one_command(address: str) -> None:
    if fits_command(address):
        line = f"RCPT TO:<{address}>"
        assert line.splitlines() == [line]
        assert len(line.split()) == 2
        assert (line.count("<"), line.count(">")) == (1, 1)
        line.encode()


@pytest.mark.parametrize(
    "message",
    [
        *(b"", b"a", b"a\n", b"a\r", b"a\nb\r\n", b"a\rb\r\n", b"a\r\n\n", b"\n\r", b"a\r\n\r"),
        *(b".\r\n", b".a\r\n", b"a\r\n.\r\n", b"a\r\n.\nQUIT\r\n", b"a\x00\r\n", b"a\r\r\n"),
        b"a" * 999 + b"\r\n",
    ],
)
def test_what_a_server_could_read_otherwise_is_no_wire_form(message: bytes) -> None:
    assert not is_wire_form(message)


@given(st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126)), min_size=1))
def test_lines_without_a_dot_in_front_are_wire_form(lines: list[str]) -> None:
    message = "".join(f"{line}\r\n" for line in lines).encode()
    assert is_wire_form(message) == (not any(line.startswith(".") for line in lines))


def test_a_line_may_have_998_octets() -> None:
    assert is_wire_form(b"a" * 998 + b"\r\n\r\n" + "é.".encode() + b"\r\n")
