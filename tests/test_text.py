"""Nothing invisible passes, and cuts fall where a reader would make them."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trendbot.text import clean, cut, opening

texts = st.text(st.characters(), max_size=200)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Two  spaces\r\n and lines", "Two spaces and lines"),
        ("a\u2028b\x85c\x0bd", "a b c d"),
        ("user\u202egnp.exe", "usergnp.exe"),
        ("\u2066isolated\u2069 \u200fmarks\u200e", "isolated marks"),
        ("in\u00advis\u200bible\ufeff", "invisible"),
        ("bell\x07, escape\x1b[31m, mark\x1a", "bell, escape[31m, mark"),
        ("a \u200b b", "a b"),
        ("tag\U000e0041\U000e007f", "tag"),
        ("👩\u200d🔬 می\u200cخواهم", "👩\u200d🔬 می\u200cخواهم"),
        ("שלום, 世界", "שלום, 世界"),
        ("lone \ud800 surrogate", "lone surrogate"),
    ],
)
def test_clean(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@settings(deadline=None)
@given(texts)
def test_cleaned_text_is_visible_and_stays_so(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    assert not [sign for sign in cleaned if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp")]
    assert not [sign for sign in cleaned if unicodedata.bidirectional(sign) in _BIDI_CONTROLS]
    cleaned.encode()


_BIDI_CONTROLS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@pytest.mark.parametrize(
    ("text", "limit", "short"),
    [
        ("short", 10, "short"),
        ("exactly ten", 11, "exactly ten"),
        ("attention is all you need", 16, "attention is…"),
        ("attention, is all", 11, "attention…"),
        ("unbreakable" * 10, 8, "unbreak…"),
        ("cafe\u0301 noir", 5, "caf…"),
    ],
)
def test_cut(text: str, limit: int, short: str) -> None:
    assert cut(text, limit) == short


@settings(deadline=None)
@given(texts.map(clean), st.integers(2, 60))
def test_a_cut_text_begins_the_whole_one_and_fits(text: str, limit: int) -> None:
    short = cut(text, limit)
    assert len(short) <= limit
    assert short == text or (short.endswith("…") and text.startswith(short[:-1]))


def test_an_opening_ends_with_a_sentence() -> None:
    text = "We study digests. They help, e.g. with papers, by 3.5 points. The rest is detail."
    assert opening(text, 70) == "We study digests. They help, e.g. with papers, by 3.5 points."


def test_an_opening_without_an_end_is_cut_between_words() -> None:
    assert opening("word " * 40 + "end.", 24) == "word word word word…"


def test_a_first_sentence_too_short_to_tell_anything_is_not_all() -> None:
    text = "Yes. " + "Then comes a long sentence that goes on and on without any end " * 3
    assert opening(text, 60).startswith("Yes. Then comes")


@settings(deadline=None)
@given(texts.map(clean), st.integers(2, 60))
def test_an_opening_fits(text: str, limit: int) -> None:
    assert len(opening(text, limit)) <= limit
