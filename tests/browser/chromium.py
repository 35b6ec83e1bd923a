"""The Chromium the tests run: $CHROMIUM, else the machine's own, else the one Playwright keeps.

python -m tests.browser.chromium     # is there one that works?
"""

import os
import shutil
import sys

from playwright.sync_api import Browser, Error, Playwright, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
MISSING = (
    "no Chromium that runs was found: install one (`apt-get install chromium`, or "
    "`.venv/bin/playwright install --with-deps chromium`), or name yours in $CHROMIUM"
)


class BrowserMissing(Exception):
    """The tests need a browser, and there is none."""


def launch(playwright: Playwright) -> Browser:
    """Start the first browser that runs. Raises BrowserMissing, which says what to do."""
    troubles = []
    for path in candidates(playwright):
        try:
            return playwright.chromium.launch(executable_path=path, args=_arguments())
        except Error as error:
            troubles.append(f"{path}: {str(error).splitlines()[0]}")
    raise BrowserMissing("; ".join([MISSING, *troubles]))


def candidates(playwright: Playwright) -> list[str]:
    """Where a browser may be; if one is named, only that."""
    if named := os.environ.get("CHROMIUM"):
        return [named]
    installed = [path for name in NAMES if (path := shutil.which(name))]
    kept = playwright.chromium.executable_path
    return [*installed, *([kept] if os.path.exists(kept) else [])]  # noqa: PTH110


def _arguments() -> list[str]:
    # The tests ask their own servers on loopback only; nothing else has a name.
    arguments = ["--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"]
    if os.geteuid() == 0:  # its sandbox refuses to work for root, as in most containers
        arguments.append("--no-sandbox")
    return arguments


def main() -> None:
    """Start a browser once; exit status 1 and one line if there is none."""
    with sync_playwright() as playwright:
        try:
            browser = launch(playwright)
        except BrowserMissing as missing:
            sys.exit(str(missing))
        browser.close()


if __name__ == "__main__":
    main()
