"""The web as it is: late, broken, hostile. A tiny server on loopback plays it."""

import gzip
import logging
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from tests.loopback import Answer, Clock, Site, serving
from trendbot.errors import SignalError, SourceError
from trendbot.fetch import Failure, Fetcher, Limits, Page


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fetcher(clock: Clock) -> Iterator[Fetcher]:
    fetcher = Fetcher("https://example.org", clock.sleep, clock)
    yield fetcher
    fetcher.close()


def ask(fetcher: Fetcher, url: str, accept: str = "text/html", delay: float = 0) -> Page:
    return fetcher.get(url, accept=accept, delay=delay, error=SourceError)


def failure_of(caught: pytest.ExceptionInfo[SourceError]) -> Failure:
    assert isinstance(caught.value.__cause__, Failure)
    return caught.value.__cause__


def busy(status: int = 503, retry_after: str | None = None) -> Answer:
    headers = {"Content-Type": "text/plain"}
    if retry_after is not None:
        headers["Retry-After"] = retry_after
    return Answer(status, b"later", headers)


def test_a_page_is_asked_for_politely(site: Site, fetcher: Fetcher) -> None:
    page = fetcher.get(
        f"{site.url}/list",
        params={"page": "2", "q": "a b"},
        accept="text/html,application/xhtml+xml",
        error=SourceError,
    )

    assert (page.status, page.text, page.url) == (
        200,
        "<p>papers</p>",
        f"{site.url}/list?page=2&q=a+b",
    )
    path, headers = site.asked[0]
    assert path == "/list?page=2&q=a+b"
    assert headers["accept"] == "text/html,application/xhtml+xml"
    assert re.fullmatch(r"trendbot/[0-9.]+ \(\+https://example\.org\)", headers["user-agent"])


def test_a_contact_cannot_add_headers(site: Site) -> None:
    fetcher = Fetcher("Zoë (me)\r\nX-Evil: 1")
    ask(fetcher, site.url)
    fetcher.close()

    assert "x-evil" not in site.asked[0][1]
    assert site.asked[0][1]["user-agent"].endswith(" (+Zo meX-Evil: 1)")


@pytest.mark.parametrize("status", [406, 429, 502, 503, 504])
def test_come_back_later_is_honoured_alike(
    site: Site, fetcher: Fetcher, clock: Clock, status: int
) -> None:
    site.answers(busy(status), busy(status), Answer())

    assert ask(fetcher, site.url).status == 200
    assert clock.slept == [1, 2]


def test_it_gives_up_in_the_end(site: Site, fetcher: Fetcher, clock: Clock) -> None:
    site.answers(busy(503))

    with pytest.raises(SourceError) as caught:
        ask(fetcher, f"{site.url}/list/cs.LG/new?key=secret")

    assert str(caught.value) == (
        f"{site.url}/list/cs.LG/new: answered HTTP 503 in 4 tries; try again later"
    )
    assert failure_of(caught).status == 503
    assert len(site.asked) == 4
    assert clock.slept == [1, 2, 4]


@pytest.mark.parametrize("status", [204, 304, 400, 401, 403, 404, 410, 500])
def test_other_statuses_end_at_once(
    site: Site, fetcher: Fetcher, clock: Clock, status: int
) -> None:
    site.answers(Answer(status, b""))

    with pytest.raises(SignalError, match=f"answered HTTP {status}; ") as caught:
        fetcher.get(site.url, accept="text/html", error=SignalError)

    assert isinstance(caught.value.__cause__, Failure)
    assert caught.value.__cause__.status == status
    assert len(site.asked) == 1
    assert clock.slept == []


@pytest.mark.parametrize(
    ("header", "pause"),
    [
        ("30", 30),
        ("0", 1),
        ("Fri, 20 Nov 2026 07:01:30 GMT", 90),
        ("Fri, 20 Nov 2026 06:00:00 GMT", 1),
        ("soon", 1),
        ("-5", 1),
        ("", 1),
    ],
)
def test_retry_after(site: Site, fetcher: Fetcher, clock: Clock, header: str, pause: float) -> None:
    site.answers(busy(429, header), Answer())
    ask(fetcher, site.url)
    assert clock.slept == [pause]


@pytest.mark.parametrize("header", ["3600", "Fri, 20 Nov 2026 08:00:00 GMT"])
def test_a_long_retry_after_ends_it(
    site: Site, fetcher: Fetcher, clock: Clock, header: str
) -> None:
    site.answers(busy(503, header))

    with pytest.raises(SourceError, match="answered HTTP 503; it can be asked again in 3600 s"):
        ask(fetcher, site.url)

    assert len(site.asked) == 1
    assert clock.slept == []


def test_patience_covers_all_waiting(site: Site, fetcher: Fetcher, clock: Clock) -> None:
    site.answers(busy(503, "400"))

    with pytest.raises(SourceError, match="it can be asked again in 400 s"):
        ask(fetcher, site.url)

    assert clock.slept == [400]


def test_requests_to_a_host_are_spaced(site: Site, fetcher: Fetcher, clock: Clock) -> None:
    ask(fetcher, site.url, delay=15)
    clock.time += 4
    ask(fetcher, f"{site.url}/other", delay=15)
    clock.time += 20
    ask(fetcher, site.url, delay=15)

    assert clock.slept == [11]


def test_spacing_is_kept_per_host(site: Site, fetcher: Fetcher, clock: Clock) -> None:
    ask(fetcher, site.url, delay=15)
    ask(fetcher, site.url.replace("127.0.0.1", "localhost"), delay=15)

    assert clock.slept == []


def test_back_off_starts_at_the_spacing(site: Site, fetcher: Fetcher, clock: Clock) -> None:
    site.answers(busy(), busy(), Answer())
    ask(fetcher, site.url, delay=15)
    assert clock.slept == [15, 30]


def test_threads_share_one_connection_to_a_host(site: Site, fetcher: Fetcher, clock: Clock) -> None:
    threads = [
        threading.Thread(target=ask, args=(fetcher, f"{site.url}/{n}"), kwargs={"delay": 3})
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {path for path, _ in site.asked} == {f"/{n}" for n in range(6)}
    assert site.most_at_once == 1
    assert clock.slept == [3] * 5


@pytest.mark.parametrize(
    ("theirs", "ours", "value"),
    [
        ("ETag", "if-none-match", '"v1"'),
        ("Last-Modified", "if-modified-since", "Thu, 19 Nov 2026 01:00:00 GMT"),
    ],
)
def test_a_known_page_is_asked_for_conditionally(
    site: Site, fetcher: Fetcher, theirs: str, ours: str, value: str
) -> None:
    old = Answer(headers={"Content-Type": "text/html", theirs: value})
    site.answers(old, Answer(304, b"", {}), Answer(body=b"new"))

    first = ask(fetcher, site.url)
    assert ask(fetcher, site.url) == first
    assert ask(fetcher, site.url).text == "new"
    assert [headers.get(ours) for _, headers in site.asked] == [None, value, value]


def test_a_page_without_sense_is_forgotten(site: Site, fetcher: Fetcher) -> None:
    site.answers(Answer(headers={"Content-Type": "text/html", "ETag": '"v1"'}))

    fetcher.forget(ask(fetcher, site.url))
    fetcher.forget(ask(fetcher, site.url))

    assert ["if-none-match" in headers for _, headers in site.asked] == [False, False]


def test_only_the_last_pages_are_known(site: Site, fetcher: Fetcher) -> None:
    site.answers(Answer(headers={"Content-Type": "text/html", "ETag": '"v1"'}))
    for number in range(17):
        ask(fetcher, f"{site.url}/{number}")
    site.asked.clear()

    ask(fetcher, f"{site.url}/0")
    ask(fetcher, f"{site.url}/16")

    assert ["if-none-match" in headers for _, headers in site.asked] == [False, True]


def test_a_body_cut_off_is_asked_for_again(site: Site, fetcher: Fetcher, clock: Clock) -> None:
    site.answers(Answer(body=b"<p>pap", length=13), Answer())

    assert ask(fetcher, site.url).text == "<p>papers</p>"
    assert clock.slept == [1]


def test_a_connection_closed_without_a_word_is_asked_again(site: Site, fetcher: Fetcher) -> None:
    def hang_up(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True

    site.answers(hang_up, Answer())
    assert ask(fetcher, site.url).status == 200


def test_each_wait_for_another_try_is_logged_once(
    site: Site, fetcher: Fetcher, caplog: pytest.LogCaptureFixture
) -> None:
    site.answers(busy(503), Answer(body=b"<p>pap", length=13), Answer())

    ask(fetcher, f"{site.url}/list?key=secret", delay=15)

    assert caplog.record_tuples == [
        ("trendbot.fetch", logging.WARNING, f"{site.url}/list: {why}")
        for why in (
            "answered HTTP 503; trying again in 15 s",
            "the connection broke off or spoke no proper HTTP; trying again in 30 s",
        )
    ]


def test_silence_ends(site: Site, clock: Clock) -> None:
    def say_nothing(handler: BaseHTTPRequestHandler) -> None:
        site.over.wait(30)

    site.answers(say_nothing)
    fetcher = Fetcher("me", clock.sleep, clock, Limits(read=0.05, tries=2))

    with pytest.raises(SourceError, match="did not answer in time in 2 tries"):
        ask(fetcher, site.url)
    fetcher.close()


def test_silence_within_the_body_ends(site: Site, clock: Clock) -> None:
    def stall(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        site.over.wait(30)

    site.answers(stall)
    fetcher = Fetcher("me", clock.sleep, clock, Limits(read=0.05, tries=1))

    with pytest.raises(SourceError, match="fell silent in the middle of the answer"):
        ask(fetcher, site.url)
    fetcher.close()


def test_a_drip_ends(site: Site, clock: Clock) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
        try:
            while True:
                handler.wfile.write(b"x")
        except OSError:
            handler.close_connection = True

    site.answers(drip)
    clock.step = 1
    fetcher = Fetcher("me", clock.sleep, clock, Limits(total=5, body=10**9))

    with pytest.raises(SourceError, match="was not complete after 5 s; try again later"):
        ask(fetcher, site.url)
    fetcher.close()
    assert len(site.asked) == 1


@pytest.mark.parametrize("packed", [False, True])
def test_a_flood_ends(site: Site, clock: Clock, packed: bool) -> None:
    flood = b" " * 2_000_000
    headers = {"Content-Type": "text/html"} | ({"Content-Encoding": "gzip"} if packed else {})
    site.answers(Answer(body=gzip.compress(flood) if packed else flood, headers=headers))
    fetcher = Fetcher("me", clock.sleep, clock, Limits(body=100_000))

    with pytest.raises(SourceError, match="is larger than 100000 bytes; not read further"):
        ask(fetcher, site.url)
    fetcher.close()
    assert len(site.asked) == 1


def test_a_packed_page_is_unpacked(site: Site, fetcher: Fetcher) -> None:
    headers = {"Content-Type": "text/html", "Content-Encoding": "gzip"}
    site.answers(Answer(body=gzip.compress(b"<p>papers</p>"), headers=headers))
    assert ask(fetcher, site.url).text == "<p>papers</p>"


@pytest.mark.parametrize(
    ("media_type", "accept"),
    [
        ("text/html; charset=utf-8", "text/html,application/xhtml+xml"),
        ("Application/XHTML+XML", "text/html,application/xhtml+xml"),
        ("application/json", "application/json;q=0.9, text/json"),
        ("image/png", "*/*"),
        ("", "text/html"),
    ],
)
def test_an_accepted_media_type(site: Site, fetcher: Fetcher, media_type: str, accept: str) -> None:
    site.answers(Answer(headers={"Content-Type": media_type} if media_type else {}))
    assert ask(fetcher, site.url, accept).status == 200


def test_another_media_type_is_refused(site: Site, fetcher: Fetcher, clock: Clock) -> None:
    site.answers(Answer(headers={"Content-Type": "application/pdf"}))

    with pytest.raises(SourceError, match="answered 'application/pdf' where text/html was asked"):
        ask(fetcher, site.url)
    assert clock.slept == []


def test_a_redirect_on_the_host_is_followed(site: Site, fetcher: Fetcher, clock: Clock) -> None:
    site.answers(Answer(301, b"", {"Location": "/new?a=1"}), Answer())

    page = ask(fetcher, f"{site.url}/old", delay=3)

    assert page.url == f"{site.url}/new?a=1"
    assert clock.slept == [3]


def test_redirects_end(site: Site, fetcher: Fetcher) -> None:
    site.answers(Answer(302, b"", {"Location": "/again"}))

    with pytest.raises(SourceError, match="redirects without end"):
        ask(fetcher, site.url)
    assert len(site.asked) == 5


@pytest.mark.parametrize("url", ["", "arxiv.org/list", "ftp://arxiv.org/", "http://[", "https://"])
def test_what_is_no_address(fetcher: Fetcher, url: str) -> None:
    with pytest.raises(SourceError, match="is not an http\\(s\\) address; correct it"):
        ask(fetcher, url)
