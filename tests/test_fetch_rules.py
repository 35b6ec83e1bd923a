"""What the fetcher decides without asking anybody: when to come back, where to go, what it read."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trendbot.fetch_rules import Failure, Page, redirected, retry_after


@given(st.text(), st.none() | st.text())
def test_any_retry_after_is_a_number_of_seconds(value: str, date: str | None) -> None:
    assert retry_after(value, date) >= 0


@given(st.integers(0, 10**9 - 1))
def test_seconds_are_taken_as_they_are(seconds: int) -> None:
    assert retry_after(str(seconds), None) == seconds


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("http://arxiv.org/list", "https://arxiv.org/list"),
        ("https://arxiv.org/list", "https://www.arxiv.org/list"),
        ("https://www.arxiv.org/list", "https://arxiv.org/list"),
        ("http://127.0.0.1:8000/list", "http://127.0.0.1:8000/other"),
    ],
)
def test_redirects_within_a_site(old: str, new: str) -> None:
    assert redirected(old, new) == new


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("https://arxiv.org/list", "http://arxiv.org/list"),
        ("https://arxiv.org/list", "https://export.arxiv.org/list"),
        ("https://arxiv.org/list", "https://arxiv.org.example.org/"),
        ("https://arxiv.org/list", "https://example.org@arxiv.org/"),
        ("https://arxiv.org/list", "//169.254.169.254/latest/meta-data"),
        ("http://127.0.0.1:8000/list", "http://127.0.0.1:5432/"),
        ("https://arxiv.org/list", "file:///etc/passwd"),
        ("https://arxiv.org/list", "https://[bad"),
        ("https://arxiv.org/list", ""),
    ],
)
def test_redirects_elsewhere_are_refused(old: str, new: str) -> None:
    with pytest.raises(Failure, match=r"redirects to .*; check the address in the settings"):
        redirected(old, new)


@given(st.text(min_size=1))
def test_no_redirect_leaves_the_site(location: str) -> None:
    try:
        target = redirected("https://arxiv.org/list", location)
    except Failure:
        return
    assert re.match(r"https://(www\.)?arxiv\.org(/|$|\?)", target)


@pytest.mark.parametrize(
    ("media_type", "content", "text"),
    [
        ("text/html", "é".encode(), "é"),
        ("text/html; charset=ISO-8859-1", "é".encode("latin-1"), "é"),
        ("text/html; charset=nonsense", "é".encode(), "é"),
        ("text/html; charset=unicode_escape", b"\\ud800", "\\ud800"),
        ("text/html; charset=utf-8", b"\xef\xbb\xbfa\xff", "a\ufffd"),
    ],
)
def test_text(media_type: str, content: bytes, text: str) -> None:
    assert Page("https://x/", 200, {"Content-Type": media_type}, content).text == text


@given(st.binary(), st.text())
def test_any_body_is_text_that_can_be_stored(content: bytes, media_type: str) -> None:
    Page("https://x/", 200, {"Content-Type": media_type}, content).text.encode("utf-8")
