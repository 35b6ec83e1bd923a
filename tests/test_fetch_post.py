"""Requests that say who asks, or that ask for something to be done."""

import json
import logging
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from tests.loopback import Answer, Clock, Site, serving
from trendbot.errors import SignalError
from trendbot.fetch import Failure, Fetcher, Limits, Page

JSON = {"Content-Type": "application/json"}
SECRET = {"Authorization": "Bearer very-secret"}


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        site.answers(Answer(body=b"{}", headers=JSON))
        yield site


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fetcher(clock: Clock) -> Iterator[Fetcher]:
    fetcher = Fetcher("https://example.org", clock.sleep, clock)
    yield fetcher
    fetcher.close()


def get(fetcher: Fetcher, url: str, headers: dict[str, str] | None = None) -> Page:
    return fetcher.get(url, accept="application/json", error=SignalError, headers=headers)


def post(fetcher: Fetcher, url: str, delay: float = 0) -> Page:
    return fetcher.post(
        url,
        json={"identifier": "me", "password": "pass-phrase"},
        accept="application/json",
        delay=delay,
        error=SignalError,
        headers=SECRET,
    )


def test_headers_go_with_the_request(site: Site, fetcher: Fetcher) -> None:
    assert get(fetcher, site.url, SECRET).text == "{}"
    assert site.asked[0][1]["authorization"] == "Bearer very-secret"
    assert site.asked[0][1]["user-agent"].startswith("trendbot/")


def test_a_parameter_may_come_more_than_once(site: Site, fetcher: Fetcher) -> None:
    uris = ["at://a/1", "at://b/2"]
    params = {"uris": uris, "sort": "top"}
    fetcher.get(site.url, params=params, accept="application/json", error=SignalError)
    assert site.asked[0][0] == "/?uris=at%3A%2F%2Fa%2F1&uris=at%3A%2F%2Fb%2F2&sort=top"


def test_what_is_answered_to_one_is_not_remembered_for_others(site: Site, fetcher: Fetcher) -> None:
    site.answers(Answer(body=b"{}", headers=JSON | {"ETag": '"v1"'}))

    get(fetcher, site.url, SECRET)
    get(fetcher, site.url)
    get(fetcher, site.url, SECRET)

    assert ["if-none-match" in headers for _, headers in site.asked] == [False, False, False]


@pytest.mark.parametrize("value", ["", "a\r\nX-Evil: 1", " a", "tökén", "→"])
def test_a_header_that_cannot_be_sent(site: Site, fetcher: Fetcher, value: str) -> None:
    with pytest.raises(SignalError, match="the header Authorization must be of ASCII signs"):
        get(fetcher, site.url, {"Authorization": value})
    assert site.asked == []


def test_json_is_posted(site: Site, fetcher: Fetcher) -> None:
    page = post(fetcher, f"{site.url}/session")

    assert (page.status, page.text, page.url) == (200, "{}", f"{site.url}/session")
    assert [json.loads(body) for body in site.posted] == [
        {"identifier": "me", "password": "pass-phrase"}
    ]
    _, headers = site.asked[0]
    assert headers["content-type"] == "application/json"
    assert headers["accept"] == "application/json"
    assert headers["authorization"] == "Bearer very-secret"


def test_posts_are_spaced_as_all_requests_are(site: Site, fetcher: Fetcher, clock: Clock) -> None:
    get(fetcher, site.url)
    post(fetcher, site.url, delay=3)
    assert clock.slept == [3]


@pytest.mark.parametrize("status", [429, 503])
def test_what_was_surely_not_done_is_posted_again(
    site: Site, fetcher: Fetcher, clock: Clock, status: int
) -> None:
    done = Answer(body=b"{}", headers=JSON)
    site.answers(Answer(status, b"", {"Retry-After": "30"}), done)

    assert post(fetcher, site.url).status == 200
    assert clock.slept == [30]
    assert len(site.posted) == 2


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


def cut_off(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n")
    handler.wfile.write(b"Content-Length: 10\r\n\r\n{")
    handler.close_connection = True


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(502, b""), "answered HTTP 502; try again later"),
        (Answer(504, b""), "answered HTTP 504; try again later"),
        (Answer(406, b""), "answered HTTP 406; try again later"),
        (hang_up, "broke off or spoke no proper HTTP; try again later"),
        (cut_off, "broke off or spoke no proper HTTP; try again later"),
    ],
)
def test_what_may_have_been_done_is_posted_once(
    site: Site, fetcher: Fetcher, clock: Clock, answer: Answer, why: str
) -> None:
    site.answers(answer)
    with pytest.raises(SignalError, match=why) as caught:
        post(fetcher, site.url)

    assert isinstance(caught.value.__cause__, Failure)
    assert caught.value.__cause__.is_sick
    assert len(site.posted) == 1
    assert clock.slept == []


def test_nobody_to_post_to_is_tried_again(fetcher: Fetcher, clock: Clock) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(SignalError, match=r"Connection refused.* in 3 tries"):
            post(fetcher, f"http://127.0.0.1:{free.getsockname()[1]}")
    assert clock.slept == [1, 2]


def test_no_redirect_of_what_was_posted_is_followed(site: Site, fetcher: Fetcher) -> None:
    site.answers(Answer(307, b"", {"Location": "/elsewhere"}))
    with pytest.raises(SignalError, match="redirects what was sent to it; check the address"):
        post(fetcher, site.url)
    assert len(site.posted) == 1


def test_another_media_type_or_too_much_is_refused(site: Site, clock: Clock) -> None:
    fetcher = Fetcher("me", clock.sleep, clock, Limits(body=100))
    site.answers(Answer(), Answer(body=b"x" * 200, headers=JSON))

    with pytest.raises(SignalError, match="'text/html' where application/json was asked for"):
        post(fetcher, site.url)
    with pytest.raises(SignalError, match="is larger than 100 bytes"):
        post(fetcher, site.url)
    fetcher.close()


def test_no_secret_is_told(site: Site, fetcher: Fetcher, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    site.answers(Answer(503, b""))
    with pytest.raises(SignalError) as caught:
        post(fetcher, f"{site.url}/session")

    told = caplog.text + str(caught.value) + repr(caught.value.__cause__)
    assert "answered HTTP 503" in told
    assert "very-secret" not in told
    assert "pass-phrase" not in told


def put(fetcher: Fetcher, url: str) -> Page:
    return fetcher.put(
        url, body=b"1\n2\n", content_type="text/plain", accept="*/*", error=SignalError
    )


def test_what_is_put_may_be_put_again(site: Site, fetcher: Fetcher, clock: Clock) -> None:
    site.answers(cut_off, Answer(502, b""), Answer(body=b"", headers={}))
    assert put(fetcher, f"{site.url}/file?signature=secret").content == b""
    assert site.posted == [b"1\n2\n"] * 3
    assert [(path, headers["content-type"]) for path, headers in site.asked] == [
        ("/file?signature=secret", "text/plain")
    ] * 3
    assert clock.slept == [1, 2]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(403, b""), "HTTP 403; it refuses us"),
        (Answer(307, b"", {"Location": "/elsewhere"}), "redirects what was sent to it"),
    ],
)
def test_what_cannot_be_put_is_an_error(
    site: Site, fetcher: Fetcher, answer: Answer, why: str
) -> None:
    site.answers(answer)
    with pytest.raises(SignalError, match=why) as caught:
        put(fetcher, f"{site.url}/file?signature=secret")
    assert "secret" not in str(caught.value)
    assert len(site.posted) == 1
