"""kill -9 at random moments: nobody is lost, and the copies too many are counted.

15 kills on each database; TRENDBOT_SOAK_ROUNDS says otherwise (`make soak`), TRENDBOT_SOAK_SEED
draws other moments. The counts are printed: `pytest -n0 -rP tests/acceptance/test_killed.py`.
"""

import os
import signal
from functools import partial
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Engine

from tests.acceptance.killing import AT_RISK, Murder, Office, Workers, wait_until
from tests.rawsmtpd import RawSmtpd
from trendbot import deliver

ROUNDS = int(os.environ.get("TRENDBOT_SOAK_ROUNDS", "15"))
SEED = os.environ.get("TRENDBOT_SOAK_SEED", "trendbot")
READERS = 200
MOST_COMMANDS = 200  # of the server's until a process dies: about forty mails

pytestmark = pytest.mark.timeout(60 + 10 * ROUNDS)


def murder(dice: Random, server: RawSmtpd) -> Murder:
    """When to kill: mostly while mails are under way, at times before the first or after one."""
    delay = dice.choice([0.0, dice.uniform(0, 0.02)])
    if dice.random() < 0.1:
        return Murder(server, 0, dice.uniform(0.001, 0.3))
    return Murder(server, dice.randint(1, MOST_COMMANDS), delay)


def report(office: Office, kills: int) -> None:
    print(  # noqa: T201
        f"{office.engine.dialect.name}: {kills} kills, {len(office.copies())} mails, none lost, "
        f"{office.too_many()} copies too many, bound {kills * AT_RISK}"
    )


def killed_once(office: Office, dice: Random) -> bool:
    """Let one process send until it is killed; returns whether it was, or was done before."""
    before = office.unwritten()
    plot = murder(dice, office.server)
    process = office.trendbot.begin("deliver")
    plot.choose(process)
    process.join(60)
    plot.call_off()
    assert process.exitcode in (0, -signal.SIGKILL), (office.trendbot.home / "err").read_text()
    killed = process.exitcode != 0
    process.close()
    office.server.wait_until_left()
    assert len(office.unwritten() - before) <= (AT_RISK if killed else 0)
    office.wait()
    return killed


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_one_process_after_the_other_on_sqlite(engine: Engine, tmp_path: Path) -> None:
    dice = Random(SEED)
    kills = 0
    with RawSmtpd() as server:
        office = Office.open(engine, tmp_path, server, READERS)
        while kills < ROUNDS:
            if not office.open_batches():
                office.plan_digest()
            kills += killed_once(office, dice)
        while office.open_batches():
            office.trendbot("deliver")
            office.wait()
        office.check()
    report(office, kills)
    assert office.too_many() <= kills * AT_RISK


def keep_busy(office: Office) -> None:
    """Have something to send: pass the time if all waits for it, plan if all is done."""
    if not office.open_batches():
        office.plan_digest()
    elif not office.due():
        office.wait()


def happened(plot: Murder, office: Office) -> bool:
    """Whether somebody died; sees to it that the others have work."""
    keep_busy(office)
    return plot.done.is_set()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_three_workers_on_postgresql(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "BATCH_SIZE", READERS // 5)  # so that all have some
    dice = Random(SEED)
    with RawSmtpd() as server:
        office = Office.open(engine, tmp_path, server, READERS)
        with Workers(office) as workers:
            for _ in range(ROUNDS):
                plot, number = murder(dice, server), dice.randrange(len(workers.processes))
                plot.choose(workers.processes[number])
                wait_until(partial(happened, plot, office), "a murder")
                workers.replace(number)
            workers.finish()
        office.check()
    report(office, ROUNDS)
    assert office.too_many() <= ROUNDS * AT_RISK
