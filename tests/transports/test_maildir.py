import mailbox
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transports.outside import context, mail, mails
from trendbot.errors import TransportError
from trendbot.model import DeliveryState, Mail
from trendbot.transports.maildir import Maildir, MaildirSettings, file_name


def maildir(home: Path, path: str = "mail") -> Maildir:
    return Maildir(MaildirSettings(path=Path(path)), context(home))


def files(home: Path) -> list[Path]:
    return [path for path in (home / "mail").rglob("*") if path.is_file()]


def test_a_mail_program_reads_what_was_sent(tmp_path: Path) -> None:
    outcomes = list(maildir(tmp_path).send(mails(2)))
    assert [(o.mail_id, o.state) for o in outcomes] == [
        (1, DeliveryState.SENT),
        (2, DeliveryState.SENT),
    ]
    box = mailbox.Maildir(tmp_path / "mail", create=False)
    assert {message["Delivered-To"] for message in box} == {
        "reader1@example.org",
        "reader2@example.org",
    }
    first = next(m for m in box if m["Delivered-To"] == "reader1@example.org")
    assert first["Message-ID"] == "<digest.1@trendbot.example>"
    assert first["Return-Path"] == "<bot@trendbot.example>"
    assert first.get_payload() == "Graphs, briefly.\n"
    assert first.get_subdir() == "new"


def test_lines_end_as_on_this_machine(tmp_path: Path) -> None:
    list(maildir(tmp_path).send(mails(1)))
    assert b"\r" not in files(tmp_path)[0].read_bytes()


def test_sending_twice_leaves_one_copy(tmp_path: Path) -> None:
    transport = maildir(tmp_path)
    assert transport.repeatable
    list(transport.send(mails(2)))
    again = list(transport.send([*mails(2), *mails(2)]))
    assert [outcome.state for outcome in again] == [DeliveryState.SENT] * 4
    assert len(files(tmp_path)) == 2


@pytest.mark.parametrize("flags", ["", ":2,", ":2,FS"])
def test_a_mail_already_seen_is_not_delivered_again(tmp_path: Path, flags: str) -> None:
    list(maildir(tmp_path).send(mails(1)))
    (new,) = files(tmp_path)
    new.rename(tmp_path / "mail" / "cur" / f"{new.name}{flags}")
    (outcome,) = maildir(tmp_path).send(mails(1))
    assert outcome.state is DeliveryState.SENT
    assert len(files(tmp_path)) == 1


def test_mails_are_taken_one_at_a_time(tmp_path: Path) -> None:
    taken = []

    def lazily() -> Iterator[Mail]:
        for each in mails(3):
            taken.append(each.id)
            yield each

    outcomes = maildir(tmp_path).send(lazily())
    next(outcomes)
    assert taken == [1]


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    large = mail(2, body=b"x" * 60_000)
    sending = maildir(tmp_path).send([mail(1), large])
    assert next(sending).state is DeliveryState.SENT
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(TransportError, match=r"\[mail.maildir\] path"):
            next(sending)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in files(tmp_path)] == [file_name(mail(1).message_id)]
    assert [o.state for o in maildir(tmp_path).send([large])] == [DeliveryState.SENT]


def test_a_path_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("a file")
    with pytest.raises(TransportError, match="mail: mail cannot be written"):
        list(maildir(tmp_path).send(mails(1)))
    with pytest.raises(TransportError, match="mail: mail cannot be written"):
        maildir(tmp_path).check()


def test_an_address_cannot_add_a_header(tmp_path: Path) -> None:
    hostile = mail(1, recipient="a@example.org\nBcc: all@example.org")
    assert [o.state for o in maildir(tmp_path).send([hostile])] == [DeliveryState.FAILED]
    assert files(tmp_path) == []


def test_check_makes_the_folder_and_leaves_it_empty(tmp_path: Path) -> None:
    assert maildir(tmp_path).check() == f"{tmp_path / 'mail'} can be written"
    assert files(tmp_path) == []
    assert len(mailbox.Maildir(tmp_path / "mail", create=False)) == 0


def test_an_absolute_path_stands_for_itself(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    assert maildir(tmp_path / "home", str(elsewhere)).check() == f"{elsewhere} can be written"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_message_id_makes_a_name_a_maildir_can_hold(message_id: str) -> None:
    name = file_name(message_id)
    assert name == file_name(message_id)
    assert not name.startswith(".")
    assert not set(name) & set("/:\\")
    assert name.isascii()
