"""The process is killed between any two steps; run again, everybody has exactly one mail."""

import signal
from email import message_from_bytes

import pytest

from tests.acceptance.conftest import Trendbot
from tests.smtpd import Smtpd

READERS = tuple(f"reader{n}@example.org" for n in range(25))

# The places between the steps, in the order a run passes them: place and n-th call.
BEFORE_SENDING = [
    "trendbot.collect.collect_papers:1",
    "trendbot.store.papers.upsert:1",
    "trendbot.collect.collect_posts:1",
    "trendbot.collect.collect_posts:2",
    "trendbot.pipeline.make_digest:1",
    "trendbot.store.digests.freeze:1",
    "trendbot.deliver.plan:1",
    "trendbot.store.audience.plan:1",
    "trendbot.deliver.drain:1",
    "trendbot.store.deliveries.claim:1",
]
WHILE_SENDING = [
    "trendbot.deliver._Round.run:1",
    "trendbot.transports.maildir.Maildir._deliver:7",
    "trendbot.deliver._Round._trade:2",
    "trendbot.deliver._Round._trade:3",
    "trendbot.store.deliveries.record:2",
    "trendbot.store.deliveries.finish:1",
]


def on_one_database_each(places: list[str], first: int) -> pytest.MarkDecorator:
    """Each place once, on one database after the other: both see half of them."""
    kinds = ("sqlite", "postgresql")
    pairs = [(place, kinds[number % 2]) for number, place in enumerate(places, start=first)]
    return pytest.mark.parametrize(("place", "database_url"), pairs, indirect=["database_url"])


def people(trendbot: Trendbot) -> None:
    (trendbot.home / "people.csv").write_text("email\n" + "\n".join(READERS))
    trendbot("subscribers", "import", "people.csv", "--confirmed")


@pytest.mark.parametrize("transport", ["maildir"])
@on_one_database_each(BEFORE_SENDING + WHILE_SENDING, 0)
def test_a_maildir_gets_each_mail_once(place: str, trendbot: Trendbot) -> None:
    people(trendbot)
    trendbot("run", "--date", "2026-11-20", status=-9, DIE_AT=place)
    trendbot("run", "--date", "2026-11-20")
    recipients = sorted(str(message_from_bytes(mail)["To"]) for mail in trendbot.mails())
    assert recipients == sorted(READERS)
    (books,) = trendbot.document("status")["digests"]
    assert (books["sent"], books["audience"], books["balanced"]) == (25, 25, True)


@on_one_database_each([*BEFORE_SENDING, "trendbot.store.deliveries.finish:1"], 1)
def test_smtp_where_nothing_was_handed_over(place: str, trendbot: Trendbot, smtpd: Smtpd) -> None:
    people(trendbot)
    trendbot("run", "--date", "2026-11-20", status=-9, DIE_AT=place)
    trendbot("run", "--date", "2026-11-20")
    assert smtpd.copies() == dict.fromkeys(READERS, 1)


@pytest.mark.parametrize(
    "place", ["trendbot.deliver._Round._trade:2", "trendbot.store.deliveries.record:2"]
)
def test_smtp_where_some_was_handed_over(place: str, trendbot: Trendbot, smtpd: Smtpd) -> None:
    """Nobody is lost; twice gets at most what was handed over and not recorded, and says so."""
    people(trendbot)
    trendbot("run", "--date", "2026-11-20", status=-9, DIE_AT=place)
    in_doubt = smtpd.copies()
    assert 0 < len(in_doubt) <= 2 * 10 + 4
    assert "uncertain" in trendbot("run", "--date", "2026-11-20")
    copies = smtpd.copies()
    assert all(copies[reader] == 1 for reader in in_doubt)
    trendbot.moment = "2026-11-21T06:41+00:00"
    trendbot("deliver")
    copies = smtpd.copies()
    assert set(copies) == set(READERS)
    assert max(copies.values()) <= 2
    by_reader: dict[str, set[str]] = {}
    for mail in smtpd.mails:
        ids = by_reader.setdefault(mail.recipient, set())
        ids.add(str(message_from_bytes(mail.message)["Message-ID"]))
    assert all(len(ids) == 1 for ids in by_reader.values())
    (books,) = trendbot.document("status")["digests"]
    assert (books["sent"], books["balanced"]) == (25, True)


@pytest.mark.parametrize(
    ("number", "database_url"),
    [(signal.SIGINT, "sqlite"), (signal.SIGTERM, "postgresql")],
    indirect=["database_url"],
)
def test_a_signal_leaves_no_mail_in_doubt(
    number: signal.Signals, trendbot: Trendbot, smtpd: Smtpd
) -> None:
    people(trendbot)
    trendbot.set(**{'tls = "none"': 'tls = "none"\nconnections = 1\nrate = 20'})
    with trendbot.start("run", "--date", "2026-11-20") as process:
        smtpd.wait_for(f"DOT {READERS[2]}")
        process.send_signal(number)
        process.communicate(timeout=30)
    assert process.returncode == 0
    (books,) = trendbot.document("status")["digests"]
    assert books["sent"] == len(smtpd.mails) < len(READERS)
    assert books["uncertain"] == 0
    trendbot("deliver")
    assert smtpd.copies() == dict.fromkeys(READERS, 1)
