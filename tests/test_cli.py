"""The command line: exit statuses, JSON, and one clear line for what goes wrong.

Over 400 lines: one short test for each thing that a command promises.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from trendbot import cli
from trendbot.model import Paper, Post, Reading
from trendbot.store import hosts, papers, posts
from trendbot.store.engine import open_store
from trendbot.store.schema import REVISION

ARCHIVE = Path(__file__).parent / "data" / "hotpapers"


class Said(NamedTuple):
    """What a command printed and its exit status."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Said]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with settings that ask nobody."""
    (tmp_path / "trendbot.toml").write_text(
        """
[sources.arxiv]
enabled = false
[signals.bluesky]
enabled = false
[signals.hackernews]
enabled = false
[signals.huggingface]
enabled = false
[signals.mastodon]
enabled = false
[web]
secret_key = "a-secret-of-sixteen-characters"
"""
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def trendbot(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """Run a command in this process as the console script would."""

    def run(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["trendbot", *arguments])
        capfd.readouterr()
        status = 0
        try:
            cli.main()
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 1
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return Said(status, out, err)

    return run


def failed(said: Said, status: int, *words: str) -> None:
    """Assert one clear line on stderr and nothing on stdout."""
    assert said.status == status, said
    assert said.out == ""
    assert said.err.count("\n") == 1, said.err
    for word in words:
        assert word in said.err


def test_rank_counts_nothing_that_was_not_seen_for_a_day(
    trendbot: Command, home: Path, monkeypatch: pytest.MonkeyPatch, now: datetime
) -> None:
    monkeypatch.setattr("trendbot.app.utc_now", lambda: now)
    long_ago = now - timedelta(days=2)
    paper = Paper("arxiv", "2611.00001", "Owls", (), ("cs.LG",), long_ago.date())
    post = Post("x", "1", (paper.key,), "ada", "", long_ago, "Owls!", Reading(long_ago, 3, 5))
    engine = open_store("sqlite:///trendbot.db", home)
    with engine.begin() as conn:
        papers.upsert(conn, [paper], long_ago)
        posts.upsert(conn, [post])
    engine.dispose()
    said = trendbot("rank", "--date", paper.announced.isoformat())
    assert "1 papers announced, 0 posted about, 0 reach the score." in said.out
    assert "not counted: 1 post." in said.out
    asked = trendbot("rank", "--date", paper.announced.isoformat(), "--json")
    assert asked.document["papers"] == []


def test_import_then_rank_then_run(trendbot: Command, home: Path) -> None:
    said = trendbot("import", "hotpapers", str(ARCHIVE))
    assert said.status == 0, said
    again = trendbot("import", "hotpapers", str(ARCHIVE))
    assert " 0 papers were new" in again.out
    days = sorted(trendbot_days())
    ranked = [trendbot("rank", "--date", day.isoformat(), "--json").document for day in days]
    busy = max(ranked, key=lambda document: len(document["papers"]))
    assert busy["papers"]
    assert list(busy) == ["date", "cadence", "window", "by", "papers"]
    assert busy["window"] == {"since": busy["date"], "until": busy["date"]}
    first = busy["papers"][0]
    assert set(first) == {
        "rank", "id", "title", "authors", "categories", "score", "merit", "movement",
        "late_riser", "retweets", "favorites", "signals", "links",
    }  # fmt: skip
    assert first["score"] == first["retweets"] + first["favorites"]
    assert first["signals"]["hotpapers"]["posts"] == 1
    trendbot("subscribers", "add", "ada@example.org", "--confirmed")
    made = trendbot("run", "--date", busy["date"])
    assert made.status == 0, made
    assert "1 sent" in made.out
    assert len(list((home / "mail" / "new").iterdir())) == 1
    assert "there already" in trendbot("run", "--date", busy["date"]).out
    assert len(list((home / "mail" / "new").iterdir())) == 1
    status = trendbot("status", "--json").document
    assert status["digests"][0]["sent"] == status["digests"][0]["audience"] == 1
    assert status["digests"][0]["balanced"] is True


def trendbot_days() -> set[date]:
    from trendbot.hotpapers import parse

    return {parse(file.name, file.read_bytes()).day for file in ARCHIVE.glob("*.md")}


def test_every_form_of_a_digest_shows_the_same_papers(trendbot: Command) -> None:
    trendbot("import", "hotpapers", str(ARCHIVE))
    for day in trendbot_days():
        trendbot("run", "--date", day.isoformat(), "--no-deliver")
        document = trendbot("digest", "show", "--date", day.isoformat(), "--format", "json")
        if document.status:
            continue
        ids = [paper["id"] for paper in document.document["papers"]]
        for form in ("text", "html", "markdown", "eml"):
            shown = trendbot("digest", "show", "--date", day.isoformat(), "--format", form)
            assert shown.status == 0
            text = shown.out.replace("=\r\n", "").replace("=\n", "")
            assert all(paper_id in text for paper_id in ids), form
        for paper in document.document["papers"]:
            for signal, tally in paper["signals"].items():
                counted = [p["reading"] for p in paper["posts"] if p["signal"] == signal]
                assert sum(reading["retweets"] for reading in counted) == tally["retweets"]
                assert sum(reading["favorites"] for reading in counted) == tally["favorites"]


def test_a_quiet_day_says_why_and_sends_nothing(trendbot: Command, home: Path) -> None:
    trendbot("subscribers", "add", "ada@example.org", "--confirmed")
    said = trendbot("run", "--date", "2021-06-17")
    assert said.status == 0
    assert "no paper was announced on 2021-06-17" in said.out
    assert not (home / "mail" / "new").exists() or not any((home / "mail" / "new").iterdir())
    (run,) = trendbot("status", "--json").document["last_digest_runs"]
    assert (run["outcome"], run["message"]) == ("quiet", "no paper was announced on 2021-06-17")


def test_subscribers_come_and_go(trendbot: Command, home: Path) -> None:
    assert "confirmation mail sent" in trendbot("subscribers", "add", "Ada@Example.ORG").out
    assert "still waits" in trendbot("subscribers", "add", "ada@example.org").out
    assert len(list((home / "mail" / "new").iterdir())) == 1
    added = trendbot(
        "subscribers", "add", "bo@bücher.example", "--confirmed", "--topics", "cs.LG,math"
    )
    assert added.out == "bo@xn--bcher-kva.example: active\n"
    listed = trendbot("subscribers", "list", "--json").document
    assert [(one["status"], one["topics"]) for one in listed] == [
        ("pending", []),
        ("active", ["cs.LG", "math"]),
    ]
    for _ in range(2):
        gone = trendbot("unsubscribe", "BO@bücher.example")
        assert (gone.status, gone.out) == (0, "bo@xn--bcher-kva.example: unsubscribed\n")
    assert trendbot("subscribers", "show", "bo@bücher.example", "--json").document["status"] == (
        "unsubscribed"
    )


def test_unsubscribing_a_stranger_fails_and_takes_nobody_off(trendbot: Command) -> None:
    trendbot("subscribers", "add", "ada@example.org", "--confirmed")
    failed(
        trendbot("unsubscribe", "ada@example.org", "stranger@example.org"),
        1,
        "no subscriber has the address stranger@example.org",
    )
    assert (
        trendbot("subscribers", "show", "ada@example.org", "--json").document["status"] == "active"
    )


def test_wishes_are_taken_down_shown_and_listed(trendbot: Command) -> None:
    wishes = ("--hour", "7", "--timezone", "Europe/Berlin", "--topics", "CS.lg", "--cadence")
    added = trendbot("subscribers", "add", "ada@example.org", "--confirmed", *wishes, "weekly")
    assert added.out == "ada@example.org: active\n"
    shown = trendbot("subscribers", "show", "ada@example.org", "--json").document
    assert (shown["hour"], shown["timezone"]) == (7, "Europe/Berlin")
    assert (shown["topics"], shown["cadence"]) == (["cs.LG"], "weekly")
    listed = trendbot("subscribers", "list").out
    assert listed == "ada@example.org  active  weekly  cs.LG  from 7:00 Europe/Berlin\n"
    trendbot("subscribers", "add", "bo@example.org", "--confirmed", "--hour", "0")
    assert "hour: 0\n" in trendbot("subscribers", "show", "bo@example.org").out
    assert "fewer: -\n" in trendbot("subscribers", "show", "bo@example.org").out


def test_who_is_erased_is_nowhere_and_no_list_brings_them_back(
    trendbot: Command, home: Path
) -> None:
    for email in ("ada@example.org", "bo@example.org"):
        trendbot("subscribers", "add", email, "--confirmed")
    (home / "people.csv").write_text(trendbot("subscribers", "export").out)
    gone = trendbot("unsubscribe", "--erase", "ada@example.org")
    assert (gone.status, gone.out) == (0, "ada@example.org: erased\n")
    failed(trendbot("unsubscribe", "--erase", "ada@example.org"), 1, "nobody was erased")
    failed(trendbot("subscribers", "show", "ada@example.org"), 1, "no subscriber")
    said = trendbot("subscribers", "import", "people.csv", "--confirmed")
    assert said.out.splitlines() == [
        "1 already known",
        "1 erased at their own wish; they may sign up again themselves",
    ]
    (bo,) = trendbot("subscribers", "list", "--json").document
    assert bo["email"] == "bo@example.org"
    assert "ada" not in trendbot("subscribers", "export").out + trendbot("subscribers", "list").out


def test_export_goes_back_in_and_respects_who_left(trendbot: Command, home: Path) -> None:
    for email in ("ada@example.org", "bo@example.org"):
        trendbot("subscribers", "add", email, "--confirmed", "--topics", "cs.LG")
    trendbot("unsubscribe", "bo@example.org")
    (home / "people.csv").write_text(trendbot("subscribers", "export").out)
    (home / "trendbot.db").rename(home / "old.db")
    for suffix in ("-wal", "-shm"):
        (home / f"trendbot.db{suffix}").unlink(missing_ok=True)
    said = trendbot("subscribers", "import", "people.csv", "--confirmed")
    assert said.out == "1 active\n1 unsubscribed\n"
    statuses = {
        one["email"]: one["status"] for one in trendbot("subscribers", "list", "--json").document
    }
    assert statuses == {"ada@example.org": "active", "bo@example.org": "unsubscribed"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"address\na@example.org\n", "one of them email"),
        (b"", "one of them email"),
        (b"email\na@example.org\nno-address\n", "line 3: "),
        (b"email,cadence\na@example.org,hourly\n", "line 2: "),
        (b'email\n"a@example.org\n', "not CSV"),
        (b"email\n\xff\xfe\n", "cannot be read as UTF-8"),
    ],
)
def test_a_malformed_list_changes_nothing(
    content: bytes, says: str, trendbot: Command, home: Path
) -> None:
    (home / "people.csv").write_bytes(content)
    failed(trendbot("subscribers", "import", "people.csv", "--confirmed"), 1, "people.csv", says)
    assert trendbot("subscribers", "list", "--json").document == []


def test_a_malformed_archive_changes_nothing(trendbot: Command, home: Path) -> None:
    folder = home / "archive"
    folder.mkdir()
    for file in ARCHIVE.glob("*.md"):
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "zz.md").write_text("not a post of the archive")
    failed(trendbot("import", "hotpapers", str(folder)), 1, "zz.md")
    failed(trendbot("import", "hotpapers", str(home / "missing")), 1, "missing", "no such file")
    for day in trendbot_days():
        assert trendbot("rank", "--date", str(day), "--json").document["papers"] == []


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["rank"], 2, ["--date"]),
        (["rank", "--date", "yesterday"], 2, ["2026-11-20"]),
        (["run", "--cadence", "hourly"], 2, ["hourly"]),
        (["frobnicate"], 2, ["frobnicate"]),
        (["--config", "nowhere.toml", "status"], 2, ["nowhere.toml", "trendbot init"]),
        (["init"], 2, ["stays as it is"]),
        (["digest", "show", "--date", "2026-11-20"], 1, ["no daily digest of 2026-11-20"]),
        (["subscribers", "show", "a@example.org"], 1, ["no subscriber"]),
        (["subscribers", "add", "a@b@c"], 1, ["a@b@c"]),
        (["subscribers", "add", "a@example.org", "--topics", "<b>"], 1, ["'<b>' is no topic"]),
        (["subscribers", "add", "a@example.org", "--hour", "24"], 1, ["hour '24'", "0 to 23"]),
        (["subscribers", "add", "a@example.org", "--timezone", "Mars"], 1, ["Europe/Berlin"]),
        (["subscribers", "import", "nowhere.csv"], 1, ["nowhere.csv"]),
    ],
)
def test_wrong_usage_is_one_line(
    arguments: list[str], status: int, words: list[str], trendbot: Command
) -> None:
    said = trendbot(*arguments)
    assert said.status == status, said
    assert said.out == ""
    last = said.err.strip().splitlines()[-1]
    assert all(word in last for word in words), said.err


@pytest.mark.parametrize(
    ("toml", "status", "words"),
    [
        ('[database]\nurl = "mysql://a:hush@b/c"\n', 2, ["mysql"]),
        ('[database]\nurl = "sqlite:///no/such/folder/t.db"\n', 1, ["folder"]),
        ('[database]\nurl = "postgresql://u:hush@127.0.0.1:1/t"\n', 1, ["reached"]),
        ("[sources.arxv]\nenabled = true\n", 2, ["sources.arxv", "arxiv"]),
        ("[signals.x]\nenabled = true\n", 2, ["bearer_token"]),
        ('[mail]\ntransport = "pigeon"\n', 2, ["pigeon", "maildir"]),
        ('[mail]\nreply_to = "nobody"\n', 1, ["mail.reply_to", "nobody"]),
        (
            '[mail]\ntransport = "smtp"\n[mail.smtp]\ntls = "none"\nhost = "mail.example.org"\n',
            2,
            ["tls"],
        ),
    ],
)
def test_wrong_settings_are_one_line(
    toml: str, status: int, words: list[str], trendbot: Command, home: Path
) -> None:
    (home / "trendbot.toml").write_text(
        toml
        + '[web]\nsecret_key = "a-secret-of-sixteen-characters"\n'
        + ("" if "sources" in toml else "[sources.arxiv]\nenabled = false\n")
        + "[signals.bluesky]\nenabled = false\n[signals.hackernews]\nenabled = false\n"
        + "[signals.huggingface]\nenabled = false\n[signals.mastodon]\nenabled = false\n"
    )
    # An archive day, so that no source is asked even where one is enabled.
    trendbot("import", "hotpapers", str(ARCHIVE))
    trendbot("subscribers", "add", "ada@example.org", "--confirmed")
    for day in trendbot_days():
        said = trendbot("run", "--date", str(day))
        if said.status:
            break
    failed(said, status, *words)
    assert "hush" not in said.err


def test_with_a_short_secret_key_no_mail_goes_out(trendbot: Command, home: Path) -> None:
    (home / "trendbot.toml").write_text("[web]\nsecret_key = 'short'\n")
    failed(trendbot("run"), 2, "web.secret_key")
    failed(trendbot("serve"), 2, "web.secret_key")


def test_a_database_that_is_none(trendbot: Command, home: Path) -> None:
    (home / "trendbot.db").write_bytes(b"certainly not a database, but long enough to be one" * 50)
    failed(trendbot("status"), 1, "not a database")
    assert (home / "trendbot.db").read_bytes().startswith(b"certainly")


def test_db_commands(trendbot: Command) -> None:
    assert "empty" in trendbot("db", "current").out
    assert REVISION in trendbot("db", "upgrade").out
    assert trendbot("db", "current").out.startswith(f"{REVISION} ")


def test_help_and_version_as_installed(home: Path) -> None:
    """The console script itself, in a process of its own."""
    script = Path(sys.executable).with_name("trendbot")
    for arguments, expected in ((["--help"], "Usage: "), (["--version"], "version")):
        done = subprocess.run(
            [str(script), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            env=os.environ,
        )
        assert expected in done.stdout


def test_help_imports_nothing_heavy() -> None:
    heavy = ("sqlalchemy", "requests", "tweepy", "fastapi", "pydantic")
    code = f"import sys, trendbot.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "is_open"),
    [
        (["collect"], True),
        (["run", "--no-deliver"], True),
        (["doctor"], True),
        (["status", "--json"], False),
        (["deliver"], False),
    ],
)
def test_who_types_a_command_that_asks_has_closed_hosts_asked(
    trendbot: Command, home: Path, arguments: list[str], is_open: bool
) -> None:
    engine = open_store("sqlite:///trendbot.db", home)
    with engine.begin() as conn:
        for _ in range(3):
            hosts.failed(conn, "a.example", "no answer", True, datetime(2999, 1, 1, tzinfo=UTC))
    trendbot(*arguments)
    with engine.connect() as conn:
        (found,) = hosts.ailing(conn)
    engine.dispose()
    assert (found.closed_until is None) is is_open
