"""A reader's whole way, in a real browser without script, by the mails as they arrived."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage

import pytest
import requests
from playwright.sync_api import Browser, Page

from tests.acceptance.conftest import Trendbot
from tests.acceptance.test_serve import port_of, stop
from tests.browser.window import Window
from tests.html import valid_html
from tests.mails import body, parse
from tests.smtpd import Smtpd

ADA, GRACE = "ada@example.org", "grace@example.net"
HOME = "https://papers.example.org"  # as the mails say
ONE_CLICK = {"List-Unsubscribe": "One-Click"}  # RFC 8058 section 3.1
BOTH = pytest.mark.parametrize(
    ("database_url", "width"), [("sqlite", 360), ("postgresql", 1280)], indirect=["database_url"]
)


class Clock:
    """What time the daemon believes it is."""

    def __init__(self, trendbot: Trendbot) -> None:
        self._file = trendbot.home / "clock"
        trendbot.moment = "@clock"

    def set(self, moment: str) -> None:
        """Set it, so that nobody reads half of it."""
        new = self._file.with_suffix(".new")
        new.write_text(moment)
        new.replace(self._file)


@pytest.fixture
def clock(trendbot: Trendbot) -> Clock:
    """On Friday morning, when Thursday's digest was just made."""
    clock = Clock(trendbot)
    clock.set("2026-11-20T06:30+00:00")
    trendbot("run", "--date", "2026-11-19", "--no-deliver")
    return clock


@contextmanager
def serving(trendbot: Trendbot) -> Iterator[str]:
    """The daemon at work; yields the address at which it really is."""
    with trendbot.start("serve", QUICK="1") as process:
        yield f"http://127.0.0.1:{port_of(process)}"
        stop(process)


def mail_to(smtpd: Smtpd, recipient: str, number: int) -> EmailMessage:
    """The `number`-th mail somebody got, from 1; waits for it."""
    smtpd.wait_for(f"DOT {recipient}", number)
    return parse([mail.message for mail in smtpd.mails if mail.recipient == recipient][number - 1])


def link(mail: EmailMessage, door: str) -> str:
    """The path of the link of a mail that leads to `door`, the same in both its parts."""
    found: set[str] = {
        path
        for kind in ("plain", "html")
        for path in re.findall(rf"{re.escape(HOME)}(/{door}/[\w.-]+)", body(mail, kind))
    }
    (path,) = sorted(found)
    return path


@BOTH
def test_a_reader_comes_reads_chooses_and_leaves(
    trendbot: Trendbot, clock: Clock, smtpd: Smtpd, browser: Browser, width: int
) -> None:
    clock.set("2026-11-21T06:00+00:00")
    with serving(trendbot) as site:
        window = Window(browser, site, width)
        subscribe(window)
        welcome = confirm(window, mail_to(smtpd, ADA, 1), smtpd)
        assert "19 Nov 2026" in str(welcome["Subject"])
        clock.set("2026-11-21T07:00+00:00")  # Friday's digest is made, and it is Ada's hour
        digest = mail_to(smtpd, ADA, 3)
        assert "Sparse Gradients" in body(digest, "plain")
        prefer(window, link(digest, "preferences"))
        leave(window, link(digest, "unsubscribe"))
    valid_html(window.documents)
    (ada,) = trendbot.document("subscribers", "list")
    assert (ada["status"], ada["cadence"]) == ("unsubscribed", "weekly")
    assert smtpd.copies() == {ADA: 3}


def subscribe(window: Window) -> None:
    page = window.page
    window.go("/")
    window.look("1 front")
    page.get_by_role("link", name="Topics, hour and more").click()
    window.look("2 sign-up")
    page.get_by_label("Mail address").fill(ADA)
    page.get_by_label("Find a topic").fill("machine learning")
    page.get_by_role("button", name="Find").click()
    window.look("3 topics found")
    assert page.get_by_label("Mail address").input_value() == ADA
    page.get_by_label("cs.LG").check()
    page.get_by_label("Hour").select_option("16")
    page.get_by_label("Time zone").select_option("Asia/Tokyo")  # where it is 07:00 UTC then
    press(page, "Subscribe")
    window.look("4 asked")


def confirm(window: Window, mail: EmailMessage, smtpd: Smtpd) -> EmailMessage:
    window.go(link(mail, "confirm"))
    window.look("5 confirm")
    window.page.get_by_role("button", name=re.compile("Yes")).click()
    window.look("6 confirmed")
    return mail_to(smtpd, ADA, 2)


def prefer(window: Window, path: str) -> None:
    page = window.page
    window.go(path)
    window.look("7 preferences")
    assert page.get_by_label("cs.LG").first.is_checked()
    assert page.get_by_label("Hour").input_value() == "16"
    page.get_by_label("Weekly").check()
    page.get_by_label("Hour").select_option("")
    press(page, "Save")
    window.look("8 saved")
    assert page.get_by_role("status").inner_text() == "Saved."
    window.go(path)
    assert page.get_by_label("Weekly").is_checked()
    assert page.get_by_label("Hour").input_value() == ""
    assert page.get_by_label("Time zone").input_value() == "Asia/Tokyo"
    assert page.get_by_label("cs.LG").first.is_checked()


def leave(window: Window, path: str) -> None:
    window.go(path)
    window.look("9 unsubscribe")
    press(window.page, "Unsubscribe")
    window.look("10 left")
    window.go(path)
    window.look("11 left before")


def press(page: Page, name: str) -> None:
    """Press the button people see; the first of a form is there for the Enter key alone."""
    page.locator("main").get_by_role("button", name=name, exact=True).click()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_one_click_leaves_at_once_and_for_ever(
    trendbot: Trendbot, clock: Clock, smtpd: Smtpd
) -> None:
    for reader in (ADA, GRACE):
        trendbot("subscribers", "add", reader, "--confirmed")
    clock.set("2026-11-21T06:30+00:00")
    with serving(trendbot) as site:
        urlencoded = requests.post(one_click(mail_to(smtpd, ADA, 1), site), ONE_CLICK, timeout=20)
        # A browser's kind of form, as RFC 8058 prefers.
        form = {name: (None, value) for name, value in ONE_CLICK.items()}
        address = one_click(mail_to(smtpd, GRACE, 1), site)
        multipart = [requests.post(address, files=form, timeout=20) for _ in range(2)]
    for answer in (urlencoded, *multipart):
        assert (answer.status_code, answer.history, answer.cookies.get_dict()) == (200, [], {})
    listed = trendbot.document("subscribers", "list")
    assert [one["status"] for one in listed] == ["unsubscribed", "unsubscribed"]


def one_click(mail: EmailMessage, site: str) -> str:
    """Where the header of a mail says that a POST leaves; on the server that is there."""
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    found = re.search(rf"<{re.escape(HOME)}(/unsubscribe/[^>]+)>", str(mail["List-Unsubscribe"]))
    assert found is not None
    return f"{site}{found[1]}"
