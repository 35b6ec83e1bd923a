"""The daemon as a process: it works, answers, and stops in time without losing a delivery."""

import re
import signal
import subprocess
from pathlib import Path

import pytest
import requests
from sqlalchemy import Engine, update

from tests.acceptance.conftest import Trendbot
from tests.smtpd import HANG, Smtpd
from trendbot.store.schema import subscribers

READERS = ("ada@example.org", "grace@example.net")
STOP_SECONDS = 10


def port_of(process: "subprocess.Popen[str]") -> int:
    """Read the daemon's log until it says where it listens."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"listening on http://127\.0\.0\.1:(\d+)", line):
            return int(found[1])
    raise AssertionError("the daemon ended")


def stop(process: "subprocess.Popen[str]") -> str:
    process.send_signal(signal.SIGTERM)
    try:
        _, err = process.communicate(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired as late:
        raise AssertionError(f"it did not stop: {(late.stderr or b'')!r}") from late
    assert process.returncode == 0, err
    assert "Traceback" not in err
    return err


def test_it_makes_the_digest_mails_it_and_stops_cleanly(trendbot: Trendbot, smtpd: Smtpd) -> None:
    for reader in READERS:
        trendbot("subscribers", "add", reader, "--confirmed")
    with trendbot.start("serve") as process:
        port = port_of(process)
        for reader in READERS:
            smtpd.wait_for(f"DOT {reader}")
        assert requests.get(f"http://127.0.0.1:{port}/healthz", timeout=20).status_code == 200
        log = stop(process)
    assert log.rstrip().endswith("stopped")
    daily = [b for b in trendbot.document("status")["digests"] if b["cadence"] == "daily"]
    assert [(b["date"], b["sent"], b["balanced"]) for b in daily] == [("2026-11-20", 2, True)]
    assert smtpd.copies() == dict.fromkeys(READERS, 1)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_it_mails_each_reader_at_their_hour(
    trendbot: Trendbot, smtpd: Smtpd, engine: Engine
) -> None:
    for reader in READERS:
        trendbot("subscribers", "add", reader, "--confirmed")
    ada, grace = READERS
    with engine.begin() as conn:
        at_four = update(subscribers).where(subscribers.c.email == ada)
        conn.execute(at_four.values(hour=16))
    trendbot.environment["TRENDBOT_SCHEDULE__TIMEZONE"] = "Asia/Tokyo"  # where it is 15:30
    clock = trendbot.home / "clock"
    clock.write_text(trendbot.moment)
    trendbot.moment = "@clock"
    with trendbot.start("serve", QUICK="1") as process:
        port_of(process)
        smtpd.wait_for(f"DOT {grace}")
        said = trendbot("deliver")
        assert "daily 2026-11-20: audience 2: 1 sent, 1 pending" in said
        assert "Of those pending, 1 wait for their reader's hour." in said
        assert "goes on from 07:00 UTC" in said
        assert smtpd.copies() == {grace: 1}
        clock.with_suffix(".new").write_text("2026-11-21T07:00+00:00")
        clock.with_suffix(".new").replace(clock)
        smtpd.wait_for(f"DOT {ada}")
        stop(process)
    assert smtpd.copies() == {ada: 1, grace: 1}
    assert "still open" not in trendbot("deliver")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_mail_server_that_hangs_does_not_hold_up_the_stop(trendbot: Trendbot) -> None:
    with Smtpd({f"DOT {READERS[0]}": [HANG]}) as smtpd:
        toml = Path(trendbot.home / "trendbot.toml")
        toml.write_text(re.sub(r"(?m)^port = [1-9]\d*$", f"port = {smtpd.port}", toml.read_text()))
        for reader in READERS:
            trendbot("subscribers", "add", reader, "--confirmed")
        with trendbot.start("serve") as process:
            port_of(process)
            smtpd.wait_for(f"DOT {READERS[0]}")
            stop(process)
        trendbot.moment = "2026-11-21T06:32+00:00"
        trendbot("deliver")
        (books,) = [b for b in trendbot.document("status")["digests"] if b["cadence"] == "daily"]
        assert books["balanced"]
        assert books["sent"] + books["uncertain"] == 2
        trendbot.moment = "2026-11-21T06:45+00:00"
        trendbot("deliver")
        (books,) = [b for b in trendbot.document("status")["digests"] if b["cadence"] == "daily"]
        assert books["sent"] == 2
        assert set(smtpd.copies()) == set(READERS)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("transport", ["maildir"])
def test_a_port_in_use_is_refused_in_one_line(trendbot: Trendbot) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        err = trendbot("serve", status=2, TRENDBOT_WEB__PORT=str(port))
    assert f"port {port}" in err.splitlines()[-1]
