"""Hosts that are never reached: given up in seconds, for there is nobody to be polite to."""

import errno
import socket
from collections.abc import Iterator

import pytest
import urllib3

from tests.loopback import Clock, serving
from trendbot.errors import SourceError
from trendbot.fetch import Failure, Fetcher, Page


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fetcher(clock: Clock) -> Iterator[Fetcher]:
    fetcher = Fetcher("https://example.org", clock.sleep, clock)
    yield fetcher
    fetcher.close()


def ask(fetcher: Fetcher, url: str, delay: float = 0) -> Page:
    return fetcher.get(url, accept="text/html", delay=delay, error=SourceError)


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{free.getsockname()[1]}"


def test_nobody_listens(fetcher: Fetcher, nobody: str) -> None:
    with pytest.raises(SourceError) as caught:
        ask(fetcher, f"http://user:password@{nobody}/api?token=secret")

    assert str(caught.value) == (
        f"http://{nobody}/api: the connection failed (Connection refused) in 3 tries; "
        "try again later"
    )
    assert isinstance(caught.value.__cause__, Failure)
    assert caught.value.__cause__.status == 0


def test_a_host_never_reached_is_not_waited_for_politely(
    fetcher: Fetcher, clock: Clock, nobody: str
) -> None:
    for _ in range(2):
        with pytest.raises(SourceError, match="Connection refused"):
            ask(fetcher, f"http://{nobody}/list", delay=15)

    assert clock.slept == [1, 2] * 2


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "not known"),
        (TimeoutError("timed out"), "did not answer in time"),
    ],
)
def test_whoever_cannot_be_found_or_is_silent_was_never_reached(
    fetcher: Fetcher,
    clock: Clock,
    nobody: str,
    monkeypatch: pytest.MonkeyPatch,
    error: OSError,
    why: str,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    name = "getaddrinfo" if isinstance(error, socket.gaierror) else "create_connection"
    target = socket if name == "getaddrinfo" else urllib3.util.connection
    monkeypatch.setattr(target, name, fail)
    with pytest.raises(SourceError, match=f"{why}.* in 3 tries"):
        ask(fetcher, f"http://{nobody}/list", delay=15)

    assert clock.slept == [1, 2]


def test_a_proxy_never_reached_is_not_waited_for_politely(
    fetcher: Fetcher, clock: Clock, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", f"http://{nobody}")
    with pytest.raises(SourceError, match="Connection refused"):
        ask(fetcher, "https://papers.test/list", delay=15)

    assert clock.slept == [1, 2]


def test_a_host_lost_again_is_still_spaced(
    fetcher: Fetcher, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as site:
        ask(fetcher, site.url, delay=15)
        fetcher.close()
        with monkeypatch.context() as offline:
            offline.setattr(urllib3.util.connection, "create_connection", _refuse)
            with pytest.raises(SourceError, match="Connection refused"):
                ask(fetcher, site.url, delay=15)
        ask(fetcher, site.url, delay=15)

    assert clock.slept == [15, 1, 2]


def _refuse(*_: object, **__: object) -> None:
    raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")


def test_the_last_try_is_not_logged_as_a_wait(
    fetcher: Fetcher, nobody: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SourceError):
        ask(fetcher, f"http://{nobody}/list")

    assert [record.getMessage().rpartition("; ")[2] for record in caplog.records] == [
        "trying again in 1 s",
        "trying again in 2 s",
    ]
