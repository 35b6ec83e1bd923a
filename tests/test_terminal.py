"""What a person sees of the sending, on a terminal and elsewhere."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import Engine

from tests.digests import DAY, MADE, planned
from trendbot.app import App
from trendbot.model import DeliveryState, Digest
from trendbot.settings import Settings
from trendbot.store.deliveries import Settlement
from trendbot.terminal import shown


class Clock:
    def __init__(self) -> None:
        self.now = 300.0

    def __call__(self) -> float:
        return self.now


class Sending(NamedTuple):
    """A digest for 120 subscribers, and the clock by which it is sent."""

    app: App
    digest: Digest
    clock: Clock


@pytest.fixture
def sending(engine: Engine, tmp_path: Path) -> Sending:
    app = App(Settings(home=tmp_path), engine, lambda: MADE)
    return Sending(app, planned(engine, DAY, 120), Clock())


def sent(count: int) -> Sequence[Settlement]:
    return [Settlement(n, DeliveryState.SENT, None, 1, 0, 0, 250, "", 0.1) for n in range(count)]


def send(sending: Sending, seconds: int, rate: int) -> None:
    app, digest, clock = sending
    with shown(app, clock) as watch:
        watch(digest, [])
        for _ in range(seconds):
            clock.now += 1
            watch(digest, sent(rate))


def test_elsewhere_there_is_one_plain_line_a_minute(
    sending: Sending, capfd: pytest.CaptureFixture[str]
) -> None:
    send(sending, seconds=121, rate=1)
    said = capfd.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("daily digest of 2026-11-20: ") for line in lines)


def test_a_short_run_says_nothing_elsewhere(
    sending: Sending, capfd: pytest.CaptureFixture[str]
) -> None:
    send(sending, seconds=9, rate=10)
    assert capfd.readouterr() == ("", "")


def test_on_a_terminal_there_is_a_bar_that_goes_away(
    sending: Sending, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    seen = on_a_terminal(sending, monkeypatch)
    assert "daily 2026-11-20" in seen
    assert "90 of 120 sent, 10 a second, less than a minute left" in seen
    assert seen.endswith("\x1b[2K")  # its line is wiped
    assert seen.count("\x1b[?25h") == seen.count("\x1b[?25l") == 1  # the cursor is there again
    assert capfd.readouterr() == ("", "")


def on_a_terminal(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a terminal gets to show; its pipe holds more than is written."""
    ours, theirs = os.openpty()
    with open(theirs, "w") as terminal, monkeypatch.context() as patch:  # noqa: PTH123
        patch.setattr(sys, "stderr", terminal)
        send(sending, seconds=9, rate=10)
        terminal.flush()
        seen = os.read(ours, 65_536)
        while not seen.rstrip().endswith(b"\x1b[2K"):
            seen += os.read(ours, 65_536)
    os.close(ours)
    return seen.decode()
