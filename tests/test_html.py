"""The checker checks."""

import pytest

from tests.html import valid_html

PAGE = (
    '<!DOCTYPE html><html lang="en"><head><title>Owls</title></head><body><p>{}</p></body></html>'
)
ICON = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><{} width="1" height="1"/></svg>'


def test_it_finds_errors_and_warnings_and_says_where() -> None:
    good, wrong = PAGE.format("Hoo."), PAGE.format("<p><b>Hoo.</p></b>")
    with pytest.raises(AssertionError) as caught:
        valid_html({"good": good, "nested": wrong, "mute": good.replace(' lang="en"', "")})
    told = str(caught.value)
    assert "nested, line 1: " in told
    assert "mute, line 1: " in told
    assert "good" not in told


def test_it_checks_styles_and_drawings() -> None:
    with pytest.raises(AssertionError) as caught:
        valid_html(
            {
                "good.css": "a { color: #123456 }",
                "style.css": "a { colour: 3px }",
                "good.svg": ICON.format("rect"),
                "icon.svg": ICON.format("rekt"),
            }
        )
    told = str(caught.value)
    assert "style.css, line 1: " in told
    assert "icon.svg, line 1: " in told
    assert "good" not in told
