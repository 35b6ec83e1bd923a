"""The browser is there, and does what the tests of the pages rely on."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.fixtures import Running
from tests.browser.window import Window

PAGE = """<!DOCTYPE html><html lang="en"><head><title>Owls</title></head>
<body><main><h1>Owls</h1>{}</main></body></html>"""
SITE = "http://127.0.0.1:9"


def window(browser: Browser, body: str, *, javascript: bool = False) -> Window:
    """Somebody who looks at a page that no server sent."""
    window = Window(browser, SITE, javascript=javascript)
    answer = {"content_type": "text/html", "body": PAGE.format(body)}
    window.page.route(f"{SITE}/**", lambda route: route.fulfill(**answer))
    window.go("/")
    return window


def test_a_browser_that_is_missing_is_told_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.browser.chromium"],
        env=os.environ | {"CHROMIUM": str(tmp_path / "chromium")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "install" in line


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("<p style='color: #aaa'>Faint.</p>", "color-contrast"),
        ("<input name=owl>", "label"),
        ("<p style='width: 2000px'>Wide.</p>", "wide"),
        ("<img src='https://tracker.example.org/x.png' alt=''>", "tracker"),
        ("<p>" + 100_000 * "owl" + "</p>", "bytes"),
    ],
)
def test_what_is_wrong_with_a_page_is_noticed(browser: Browser, body: str, complaint: str) -> None:
    looking = window(browser, body)
    with pytest.raises(AssertionError, match=complaint):
        looking.look("page")


def test_a_good_page_is_good_without_script_and_with(browser: Browser) -> None:
    script = "<p>Hoo.</p><script>document.title = 'ran'; alert(1)</script>"
    without = window(browser, script)
    without.look("page")
    assert without.page.title() == "Owls"
    with_script = window(browser, script, javascript=True)
    assert with_script.page.title() == "ran"
    assert with_script.strange == ["dialog: 1"]


async def _one() -> int:
    return 1


def test_others_may_run_loops_beside_the_browser(chromium: Running) -> None:
    assert asyncio.run(_one()) == 1
