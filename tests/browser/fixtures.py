"""Fixtures for tests with a browser: one Chromium for each process that needs one."""

import asyncio
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.chromium import launch

Running = tuple[Browser, asyncio.AbstractEventLoop]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Running]:
    """The browser, and the event loop by which it is talked to, out of the others' way.

    Playwright's synchronous interface leaves its loop marked as running in this thread;
    tests that do without a browser could not run a loop of their own beside it.
    """
    with sync_playwright() as playwright:
        loop = asyncio.get_running_loop()
        browser = launch(playwright)
        asyncio._set_running_loop(None)
        yield browser, loop
        asyncio._set_running_loop(loop)
        browser.close()


@pytest.fixture
def browser(chromium: Running) -> Iterator[Browser]:
    """The browser, for one test; what the test opened is closed after it."""
    browser, loop = chromium
    asyncio._set_running_loop(loop)
    yield browser
    for context in browser.contexts:
        context.close()
    asyncio._set_running_loop(None)
