"""The doctor's findings, each part well and sick; nothing beyond loopback is asked."""

import shutil
import socket
import socketserver
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest
from sqlalchemy import Engine

from tests.smtpd import Smtpd
from tests.upstream.server import Upstream
from tests.upstream.world import small_world
from trendbot.doctor import Finding, examine
from trendbot.fetch_rules import host_of
from trendbot.settings import Settings
from trendbot.store import hosts
from trendbot.store.engine import connect
from trendbot.store.schema import REVISION

SECRET = "a-secret-of-thirty-two-characters"
FREE = ("bluesky", "hackernews", "huggingface", "mastodon")
SPF, DMARC = "v=spf1 mx -all", "v=DMARC1; p=none"


class Names(socketserver.ThreadingUDPServer):
    """A name server on loopback; names it does not know do not exist."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answerer)
        self.texts: dict[str, Sequence[str]] = {
            "example.org.": [SPF],
            "_dmarc.example.org.": [DMARC],
        }
        self.rcode = dns.rcode.NOERROR
        self.resolver = dns.resolver.Resolver(configure=False)
        self.resolver.nameservers = ["127.0.0.1"]
        self.resolver.port = self.server_address[1]


class Answerer(socketserver.BaseRequestHandler):
    server: Names

    def handle(self) -> None:
        data, back = self.request
        query = dns.message.from_wire(data)
        name = query.question[0].name
        answer = dns.message.make_response(query)
        texts = self.server.texts.get(str(name).lower())
        answer.set_rcode(dns.rcode.NXDOMAIN if texts is None else self.server.rcode)
        if texts and self.server.rcode == dns.rcode.NOERROR:
            answer.answer.append(
                dns.rrset.from_text_list(name, 60, "IN", "TXT", [f'"{one}"' for one in texts])
            )
        back.sendto(answer.to_wire(), self.client_address)


@pytest.fixture
def names() -> Iterator[Names]:
    with Names() as names:
        thread = threading.Thread(target=names.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield names
        finally:
            names.shutdown()
            thread.join()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream(small_world(date(2026, 11, 20))) as upstream:
        yield upstream


@pytest.fixture
def table(tmp_path: Path, upstream: Upstream, sqlite_template: Path) -> dict[str, Any]:
    """Settings of a trendbot that is well, asking the upstream."""
    shutil.copyfile(sqlite_template, tmp_path / "trendbot.db")
    return {
        "home": tmp_path,
        "web": {"secret_key": SECRET},
        "mail": {"sender": "Papers <digest@example.org>", "transport": "maildir"},
        "sources": {
            "arxiv": {
                "base_url": upstream.arxiv,
                "api_url": upstream.arxiv_api,
                "rss_url": upstream.rss,
                "delay": 0,
            }
        },
        "signals": {
            "bluesky": {"constellation_url": upstream.constellation, "delay": 0},
            "hackernews": {"base_url": upstream.hackernews, "delay": 0},
            "huggingface": {"base_url": upstream.huggingface, "delay": 0},
            "mastodon": {"instances": [upstream.mastodon], "delay": 0},
            "x": {"enabled": True, "base_url": upstream.x, "bearer_token": "token", "delay": 0},
        },
    }


def examined(table: Mapping[str, Any], names: Names | None = None) -> dict[str, Finding]:
    resolve = names.resolver.resolve if names else _nobody_resolves
    found = list(examine(Settings(**table), resolve))
    assert all(finding.text.isprintable() for finding in found)
    assert len({finding.part for finding in found}) == len(found)
    return {finding.part: finding for finding in found}


def _nobody_resolves(*_: object, **__: object) -> dns.resolver.Answer:
    raise AssertionError("no name had to be resolved")


def smtp(server: Smtpd) -> dict[str, Any]:
    return {
        "sender": "Papers <digest@example.org>",
        "transport": "smtp",
        "smtp": {"host": server.host, "port": server.port, "tls": "none"},
    }


def test_all_is_well(table: dict[str, Any], tmp_path: Path) -> None:
    found = examined(table)
    assert {part for part, finding in found.items() if finding.well} == {
        "database",
        "settings",
        "mail maildir",
        "source arxiv",
        "signal bluesky",
        "signal hackernews",
        "signal huggingface",
        "signal mastodon",
        "signal x",
    }
    assert len(found) == 9
    assert found["database"].text == f"sqlite, revision {REVISION}"
    assert found["mail maildir"].text == f"{tmp_path / 'mail'} can be written"
    assert found["source arxiv"].text.startswith("listing of Friday 20 November 2026, ")
    assert SECRET not in str(found)


def test_a_database_that_cannot_be_reached_ends_it(table: dict[str, Any]) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        table["database"] = {"url": f"postgresql://reader:hush@127.0.0.1:{port}/papers"}
        found = examined(table)
    assert list(found) == ["database"]
    assert not found["database"].well
    assert found["database"].text.startswith("the database cannot be reached; is it running")
    assert "hush" not in found["database"].text


def test_with_a_short_secret_key(table: dict[str, Any]) -> None:
    finding = examined(table | {"web": {"secret_key": "too short"}})["settings"]
    assert not finding.well
    assert finding.text.startswith("web.secret_key is too short: 16 characters or more")


def test_a_maildir_that_cannot_be_written(table: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("a file, where the folder should be")
    found = examined(table)
    assert [part for part, finding in found.items() if not finding.well] == ["mail maildir"]
    assert str(tmp_path / "mail") in found["mail maildir"].text


def test_smtp_and_names_are_well(table: dict[str, Any], names: Names) -> None:
    with Smtpd() as server:
        found = examined(table | {"mail": smtp(server)}, names)
    assert all(finding.well for finding in found.values())
    assert found["mail smtp"].text == (f"127.0.0.1:{server.port} answers, not encrypted, no login")
    assert found["DNS SPF"].text == f"example.org: {SPF}"
    assert found["DNS DMARC"].text == f"_dmarc.example.org: {DMARC}"


def test_smtp_that_refuses(table: dict[str, Any], names: Names) -> None:
    with Smtpd(script={"CONNECT": "554 5.7.1 not you"}) as server:
        found = examined(table | {"mail": smtp(server)}, names)
    assert [part for part, finding in found.items() if not finding.well] == ["mail smtp"]
    assert "554" in found["mail smtp"].text


def test_smtp_where_nobody_listens(table: dict[str, Any], names: Names) -> None:
    with Smtpd() as server:
        settings = smtp(server)
    finding = examined(table | {"mail": settings}, names)["mail smtp"]
    assert not finding.well
    assert f"127.0.0.1:{server.port}" in finding.text


@pytest.mark.parametrize("texts", [None, [], ["google-site-verification=1"]])
def test_names_without_records(
    table: dict[str, Any], names: Names, texts: list[str] | None
) -> None:
    names.texts = {} if texts is None else {"example.org.": texts, "_dmarc.example.org.": texts}
    with Smtpd() as server:
        found = examined(table | {"mail": smtp(server)}, names)
    assert (found["DNS SPF"].well, found["DNS DMARC"].well) == (False, False)
    assert found["DNS SPF"].text == (
        "example.org has no v=spf1 record; publish one that names your mail server"
    )
    assert found["DNS DMARC"].text == (
        "_dmarc.example.org has no v=DMARC1 record; publish at least: v=DMARC1; p=none"
    )


def test_a_name_server_that_fails(table: dict[str, Any], names: Names) -> None:
    names.rcode = dns.rcode.SERVFAIL
    with Smtpd() as server:
        found = examined(table | {"mail": smtp(server)}, names)
    assert found["DNS SPF"].text.startswith("example.org: DNS did not answer: ")
    assert not found["DNS SPF"].well
    assert not found["DNS DMARC"].well


def test_a_record_cannot_write_to_the_terminal(table: dict[str, Any], names: Names) -> None:
    names.texts["example.org."] = ["v=spf1 \\027[2J\\013-all"]
    with Smtpd() as server:
        found = examined(table | {"mail": smtp(server)}, names)
    assert found["DNS SPF"].text == "example.org: v=spf1 [2J -all"


def test_a_sender_that_is_no_address(table: dict[str, Any], names: Names) -> None:
    with Smtpd() as server:
        found = examined(table | {"mail": smtp(server) | {"sender": "nobody"}}, names)
    assert not found["DNS"].well
    assert "mail.sender" in found["DNS"].text


@pytest.mark.parametrize(
    ("service", "part"),
    [
        ("arxiv", "source arxiv"),
        ("constellation", "signal bluesky"),
        ("hackernews", "signal hackernews"),
        ("huggingface", "signal huggingface"),
        ("mastodon", "signal mastodon"),
        ("x", "signal x"),
    ],
)
def test_whoever_refuses_is_named_and_the_others_are_asked(
    table: dict[str, Any], upstream: Upstream, service: str, part: str
) -> None:
    upstream.fault(service, "status", times=None, status=403)
    found = examined(table)
    assert [part for part, finding in found.items() if not finding.well] == [part]
    assert "403" in found[part].text
    assert len(found) == 9


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"sources": {"arxv": {}}}, "sources.arxv: unknown; there are arxiv, sample"),
        ({"mail": {"transport": "pigeon"}}, "mail.transport.pigeon: unknown; there are maildir"),
        ({"database": {"url": "mysql://u:hush@localhost/x"}}, "database.url: mysql is not"),
    ],
)
def test_settings_that_name_nothing_end_it(
    table: dict[str, Any], wrong: dict[str, Any], words: str
) -> None:
    found = examined(table | wrong)
    assert list(found) == ["settings"]
    assert not found["settings"].well
    assert found["settings"].text.startswith(words)


def test_wrong_settings_of_a_kind_are_one_finding(table: dict[str, Any]) -> None:
    table["signals"]["x"]["bearer_token"] = ""
    found = examined(table)
    assert [part for part, finding in found.items() if not finding.well] == ["signals"]
    assert found["signals"].text.startswith("signals.x.bearer_token or bearer_token_file must be")


def test_nothing_enabled_is_a_finding(table: dict[str, Any]) -> None:
    table["sources"] = {"arxiv": {"enabled": False}}
    table["signals"] = {name: {"enabled": False} for name in FREE}
    found = examined(table)
    assert found["sources"] == Finding(
        "sources", False, "none is enabled; enable one under [sources.…]"
    )
    assert found["signals"] == Finding(
        "signals", False, "none is enabled; enable one under [signals.…]"
    )


def closed(table: Mapping[str, Any], host: str) -> Engine:
    """The database of `table`, in which a host is closed for ages."""
    engine = connect("sqlite:///trendbot.db", table["home"])
    with engine.begin() as conn:
        for _ in range(4):
            hosts.failed(conn, host, "answered HTTP 503", True, datetime(2999, 1, 1, tzinfo=UTC))
    return engine


def test_a_host_that_was_left_alone_is_asked_at_once(
    table: dict[str, Any], upstream: Upstream
) -> None:
    host = host_of(upstream.huggingface)
    engine = closed(table, host)
    found = examined(table)
    assert found["signal huggingface"].well
    was = "was left alone after 4 failures in a row (answered HTTP 503)"
    assert found[f"host {host}"] == Finding(f"host {host}", True, f"{was}; it answers again")
    with engine.connect() as conn:
        assert hosts.ailing(conn) == []
    engine.dispose()


def test_a_host_that_fails_again_is_left_alone_again(
    table: dict[str, Any], upstream: Upstream
) -> None:
    upstream.fault("huggingface", "status", status=500, times=None)
    host = host_of(upstream.huggingface)
    closed(table, host).dispose()
    found = examined(table)
    assert not found["signal huggingface"].well
    assert "answered HTTP 500" in found["signal huggingface"].text
    finding = found[f"host {host}"]
    assert not finding.well
    assert "(answered HTTP 503); it failed again now, the daemon waits until " in finding.text


def test_a_host_that_no_check_asks_is_asked_from_now_on(table: dict[str, Any]) -> None:
    closed(table, "elsewhere.example").dispose()
    finding = examined(table)["host elsewhere.example"]
    assert finding.well
    assert finding.text.endswith("; it is asked again from now on")
