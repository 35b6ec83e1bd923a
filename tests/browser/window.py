"""A window of a browser: looks at pages as people do, and notes what should not happen."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Request, Response

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
WIDTHS = (360, 1280)
MOST_BYTES = 100_000

# Where to keep pictures of the pages, if anywhere; read before the tests hide it.
SCREENSHOTS = os.environ.get("TRENDBOT_SCREENSHOTS")

_AXE = Axe()
_THERE = Axe("undefined")  # runs what was brought in before
_SECONDS = 1000.0


class Window:
    """A window on the site at `site`, "http://127.0.0.1:8080", without script unless told.

    `strange` holds what must never happen: requests to other hosts, dialogs, complaints of the
    browser, errors of scripts. `documents` holds the pages looked at, by name, as they were sent.
    """

    def __init__(
        self, browser: Browser, site: str, width: int = 360, *, javascript: bool = False
    ) -> None:
        self.site = site
        self.strange: list[str] = []
        self.documents: dict[str, str] = {}
        self._width, self._javascript = width, javascript
        context = browser.new_context(
            viewport={"width": width, "height": 800}, reduced_motion="reduce"
        )
        self.page = context.new_page()
        self.page.set_default_timeout(20 * _SECONDS)
        self.page.on("request", self._requested)
        self.page.on("response", self._answered)
        self.page.on("console", self._complained)
        self.page.on("dialog", self._asked)
        self.page.on("pageerror", lambda error: self.strange.append(f"script error: {error}"))
        self._session = context.new_cdp_session(self.page)
        self._let_scripts_run(javascript)

    def go(self, path: str) -> None:
        """Open a page of the site."""
        self.page.goto(f"{self.site}{path}")

    def look(self, name: str, schemes: Sequence[Scheme] = SCHEMES) -> None:
        """Fail for anything wrong with the page at hand: strange events, its size, how it looks."""
        self.documents[name] = self._document.text()
        size = len(self.documents[name].encode())
        assert size <= MOST_BYTES, f"{name} has {size} bytes"
        assert self.strange == [], f"{name}: {self.strange}"
        self._let_scripts_run(True)  # axe is one
        self.page.evaluate(_AXE.axe_script)
        for scheme in schemes:
            self.page.emulate_media(color_scheme=scheme)
            self._picture(f"{name} {self._width} {scheme}")
            found = _THERE.run(self.page)
            assert found.violations_count == 0, f"{name}, {scheme}:\n{found.generate_report()}"
        wide, room = self.page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert wide <= room, f"{name} is {wide} wide where {room} are seen"
        self._let_scripts_run(self._javascript)

    def _let_scripts_run(self, value: bool) -> None:
        # Not by the context's java_script_enabled: that would stop axe for good.
        self._session.send("Emulation.setScriptExecutionDisabled", {"value": not value})

    def _requested(self, request: Request) -> None:
        if not request.url.startswith((f"{self.site}/", "data:")):
            self.strange.append(f"request to {request.url}")

    def _answered(self, response: Response) -> None:
        if response.request.is_navigation_request():
            self._document = response
        elif response.status >= 400:
            self.strange.append(f"{response.status} for {response.url}")

    def _complained(self, message: ConsoleMessage) -> None:
        # Of pages that tell of an error it says so; those are looked at on purpose.
        is_of_status = message.text.startswith("Failed to load resource: the server responded")
        if message.type in ("error", "warning") and not is_of_status:
            self.strange.append(f"console: {message.text}")

    def _asked(self, dialog: Dialog) -> None:
        self.strange.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _picture(self, name: str) -> None:
        if SCREENSHOTS:
            path = Path(SCREENSHOTS, f"{name.replace(' ', '-')}.png")
            self.page.screenshot(path=path, full_page=True)
