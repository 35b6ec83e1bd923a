"""The shelf: what it keeps, for whom, and what it says to who has it already."""

import gzip
import zlib
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from trendbot.web.shelf import LARGEST, LONGEST_KEY, Shelf, matches, takes_gzip

PUBLIC = (b"cache-control", b"public, max-age=60")
HTML = (b"content-type", b"text/html; charset=utf-8")
TEXT = b"<p>On the shelf there are papers.</p>" * 40
PLAIN = {"Accept-Encoding": "identity"}


@dataclass
class Pages:
    """An app that answers every path the same, and remembers who asked."""

    body: bytes = TEXT
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = (PUBLIC, HTML)
    asked: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(f"{scope['method']} {scope['path']}?{scope['query_string'].decode()}")
        scope["route"] = f"the route of {scope['path']}"
        length = (b"content-length", str(len(self.body)).encode())
        headers = [*self.headers, length]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        middle = len(self.body) // 2
        await send(
            {"type": "http.response.body", "body": self.body[:middle], "more_body": True},
        )
        await send({"type": "http.response.body", "body": self.body[middle:]})


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def pages() -> Pages:
    return Pages()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(pages: Pages, clock: Clock) -> TestClient:
    return TestClient(Shelf(pages, 5.0, clock), headers=PLAIN)


def test_a_public_page_is_made_once_in_five_seconds(
    client: TestClient, pages: Pages, clock: Clock
) -> None:
    first = client.get("/")
    clock.now += 4.9
    second = client.get("/")
    assert first.content == second.content == TEXT
    assert first.headers == second.headers
    assert len(pages.asked) == 1
    clock.now += 0.1
    pages.body = b"new"
    assert client.get("/").content == b"new"
    assert len(pages.asked) == 2


@pytest.mark.parametrize(
    ("control", "kept"),
    [
        (b"public, max-age=60", 5.0),
        (b"public, max-age=2", 2.0),
        (b"public, max-age=31536000, immutable", 5.0),
        (b"public, max-age=0", 0.0),
        (b"public", 0.0),
        (b"public, max-age=99999999999999999999", 5.0),
    ],
)
def test_a_page_is_kept_no_longer_than_it_says(
    client: TestClient, pages: Pages, clock: Clock, control: bytes, kept: float
) -> None:
    pages.headers = ((b"cache-control", control), HTML)
    client.get("/")
    clock.now += max(0.0, kept - 0.01)
    client.get("/")
    assert len(pages.asked) == (1 if kept else 2)
    clock.now += 0.01
    client.get("/")
    assert len(pages.asked) == (2 if kept else 3)


def test_another_path_or_query_is_another_page(client: TestClient, pages: Pages) -> None:
    for address in ("/a", "/b", "/a?x=1", "/a?x=2", "/a", "/a?x=1"):
        client.get(address)
    assert pages.asked == ["GET /a?", "GET /b?", "GET /a?x=1", "GET /a?x=2"]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, (HTML,)),
        (200, ((b"cache-control", b"no-store"), HTML)),
        (200, ((b"cache-control", b"private, max-age=60"), HTML)),
        (200, ((b"cache-control", b"public, no-store, max-age=60"), HTML)),
        (200, (PUBLIC, HTML, (b"set-cookie", b"a=b"))),
        (200, (PUBLIC, HTML, (b"vary", b"Cookie"))),
        (200, (PUBLIC, HTML, (b"content-encoding", b"br"))),
        (404, (PUBLIC, HTML)),
        (301, (PUBLIC, HTML)),
        (500, (PUBLIC, HTML)),
    ],
)
def test_nothing_else_is_kept_compressed_or_tagged(
    client: TestClient, pages: Pages, status: int, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    pages.status, pages.headers = status, headers
    for _ in range(2):
        with client.stream("GET", "/", headers={"Accept-Encoding": "gzip"}) as answer:
            assert b"".join(answer.iter_raw()) == TEXT
            assert answer.status_code == status
            assert "ETag" not in answer.headers
            assert answer.headers["Content-Length"] == str(len(TEXT))
    assert len(pages.asked) == 2


def test_what_says_nothing_is_not_stored_by_others_either(client: TestClient, pages: Pages) -> None:
    pages.headers = (HTML,)
    assert client.get("/").headers["Cache-Control"] == "no-store"
    assert client.post("/").headers["Cache-Control"] == "no-store"
    pages.headers = (HTML, (b"cache-control", b"private"))
    assert client.get("/").headers["Cache-Control"] == "private"


def test_a_post_is_never_answered_from_the_shelf(client: TestClient, pages: Pages) -> None:
    client.get("/")
    client.post("/")
    client.post("/")
    assert pages.asked == ["GET /?", "POST /?", "POST /?"]


def test_head_is_get_without_its_body(client: TestClient, pages: Pages) -> None:
    head = client.head("/")
    get = client.get("/")
    assert pages.asked == ["GET /?"]
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers == get.headers
    assert head.headers["Content-Length"] == str(len(TEXT))
    pages.headers = (HTML,)
    head = client.head("/private")
    assert pages.asked[1:] == ["GET /private?"]
    assert (head.content, head.headers["Content-Length"]) == (b"", str(len(TEXT)))


def test_the_route_that_made_a_page_is_told_also_of_a_kept_one(pages: Pages) -> None:
    seen: list[object] = []

    async def outer(scope: Scope, receive: Receive, send: Send) -> None:
        await shelf(scope, receive, send)
        seen.append(scope.get("route"))

    shelf = Shelf(pages, 5.0)
    client = TestClient(outer)
    client.head("/a")
    client.get("/a")
    assert seen == ["the route of /a"] * 2


def test_gzip_is_given_to_who_takes_it_with_a_tag_of_its_own(
    client: TestClient, pages: Pages
) -> None:
    plain = client.get("/")
    with client.stream("GET", "/", headers={"Accept-Encoding": "br, gzip;q=0.5"}) as packed:
        raw = b"".join(packed.iter_raw())
    assert len(raw) < len(TEXT)
    assert gzip.decompress(raw) == TEXT
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Content-Length"] == str(len(raw))
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    assert "Content-Encoding" not in plain.headers
    # RFC 9110 section 8.8.3.3: two codings of one page are two representations.
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert len(pages.asked) == 1


@pytest.mark.parametrize(
    ("kind", "body", "is_packed"),
    [
        (b"text/html; charset=utf-8", TEXT, True),
        (b"text/css", TEXT, True),
        (b"Text/Plain", TEXT, True),
        (b"application/json", TEXT, True),
        (b"application/feed+json", TEXT, True),
        (b"application/atom+xml; charset=utf-8", TEXT, True),
        (b"application/rss+xml", TEXT, True),
        (b"image/svg+xml", TEXT, True),
        (b"image/png", TEXT, False),
        (b"application/gzip", TEXT, False),
        (b"text/html", TEXT[:499], False),
        (b"", TEXT, False),
    ],
)
def test_only_text_of_some_length_is_compressed(
    client: TestClient, pages: Pages, kind: bytes, body: bytes, is_packed: bool
) -> None:
    pages.headers, pages.body = (PUBLIC, (b"content-type", kind)), body
    answer = client.get("/", headers={"Accept-Encoding": "gzip"})
    assert ("Content-Encoding" in answer.headers) is is_packed
    assert answer.content == body


@pytest.mark.parametrize("coding", ["identity", "gzip"])
@pytest.mark.parametrize(
    ("known", "status"),
    [
        ("{}", 304),
        ("W/{}", 304),
        ('"other", {}', 304),
        ('"a,b" ,W/"other",{}', 304),
        ("*", 304),
        ('"other"', 200),
        ('"other", W/"another"', 200),
        ("nonsense", 200),
        ("", 200),
        ('"{}"', 200),
    ],
)
def test_who_has_a_page_is_told_so(
    client: TestClient, pages: Pages, coding: str, known: str, status: int
) -> None:
    expires = (b"expires", b"Sat, 21 Nov 2026 10:00:00 GMT")
    pages.headers = (*pages.headers, expires, (b"access-control-allow-origin", b"*"))
    whole = client.get("/", headers={"Accept-Encoding": coding})
    tag = whole.headers["ETag"]
    for ask in (client.get, client.head):
        headers = {"If-None-Match": known.replace("{}", tag), "Accept-Encoding": coding}
        answer = ask("/", headers=headers)
        assert answer.status_code == status
        if status == 304:
            assert answer.content == b""
            for name in ("Access-Control-Allow-Origin", "Cache-Control", "ETag", "Expires", "Vary"):
                assert answer.headers[name] == whole.headers[name]
            assert "Content-Length" not in answer.headers
            assert "Content-Type" not in answer.headers
    assert len(pages.asked) == 1


def test_tags_in_several_header_lines_count_together(client: TestClient) -> None:
    tag = client.get("/").headers["ETag"]
    lines = [("If-None-Match", '"a"'), ("If-None-Match", tag), ("Accept-Encoding", "identity")]
    assert client.get("/", headers=lines).status_code == 304


def test_the_tag_of_the_other_coding_is_not_enough(client: TestClient) -> None:
    tag = client.get("/").headers["ETag"]
    headers = {"If-None-Match": tag, "Accept-Encoding": "gzip"}
    assert client.get("/", headers=headers).status_code == 200


def test_the_same_text_has_the_same_tag_in_every_process(pages: Pages) -> None:
    pages.headers = (*pages.headers, (b"etag", b'"of the app"'))
    tags = {TestClient(Shelf(pages, 5.0)).get("/").headers["ETag"] for _ in range(2)}
    assert len(tags) == 1
    assert "of the app" not in tags.pop()
    assert len(pages.asked) == 2


def test_a_shelf_that_keeps_nothing_tags_and_compresses_all_the_same(pages: Pages) -> None:
    client = TestClient(Shelf(pages, 0.0))
    answer = client.get("/", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    headers = {"Accept-Encoding": "gzip", "If-None-Match": answer.headers["ETag"]}
    assert client.get("/", headers=headers).status_code == 304
    assert len(pages.asked) == 2


def test_a_page_with_a_long_address_is_given_and_not_kept(client: TestClient, pages: Pages) -> None:
    for address in ("/?q=".ljust(LONGEST_KEY, "a"), "/?q=".ljust(LONGEST_KEY + 1, "a")):
        for _ in range(2):
            assert client.get(address).content == TEXT
    assert len(pages.asked) == 3


def test_a_page_that_is_too_large_passes(client: TestClient, pages: Pages) -> None:
    for size, asked in ((LARGEST, 1), (LARGEST + 1, 2)):
        pages.asked.clear()
        pages.body = b"x" * size
        answers = [client.get(f"/{size}") for _ in range(2)]
        assert all(answer.content == pages.body for answer in answers)
        assert len(pages.asked) == asked
    assert "ETag" not in answers[0].headers


def test_what_was_not_asked_for_the_longest_makes_room(pages: Pages) -> None:
    pages.body, pages.headers = b"x" * 20_000, (PUBLIC,)
    client = TestClient(Shelf(pages, 5.0, room=100_000))
    for path in ("/1", "/2", "/3", "/4", "/1", "/5", "/1", "/2"):
        client.get(path)
    assert [line.strip("GET ?") for line in pages.asked] == ["/1", "/2", "/3", "/4", "/5", "/2"]


def test_old_pages_do_not_fill_the_room_twice(pages: Pages, clock: Clock) -> None:
    pages.body, pages.headers = b"x" * 20_000, (PUBLIC,)
    client = TestClient(Shelf(pages, 5.0, clock, room=100_000))
    for _ in range(10):
        client.get("/1")
        clock.now += 6
    for path in ("/2", "/3", "/4"):
        client.get(path)
    pages.asked.clear()
    for path in ("/2", "/3", "/4"):
        client.get(path)
    assert pages.asked == []


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        (b"", False),
        (b"gzip", True),
        (b"GZip", True),
        (b"x-gzip", True),
        (b"gzip, deflate, br, zstd", True),
        (b"br;q=1.0, gzip;q=0.8, *;q=0.1", True),
        (b"gzip;q=0", False),
        (b"gzip ; q=0.000", False),
        (b"*", True),
        (b"*;q=0", False),
        (b"gzip;q=0, *", False),
        (b"identity", False),
        (b"identity;q=0, *", True),
        (b"identity;q=1, gzip;q=0.5", False),
        (b"identity;q=0.5, gzip", True),
        (b"gzip;q=nan", False),
        (b"gzip;q=often", False),
        (b"deflate, br", False),
        (b"gzippy", False),
        (b",,;q=1,", False),
    ],
)
def test_what_accept_encoding_means(accepted: bytes, takes: bool) -> None:
    assert takes_gzip(accepted) is takes


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_no_header_is_too_strange(accepted: bytes, known: bytes) -> None:
    takes_gzip(accepted)
    assert matches(known, b'"tag"') is (b'"tag"' in known or known.strip() == b"*")


@given(st.binary(max_size=2_000), st.sampled_from(["gzip", "identity"]))
def test_a_page_comes_as_it_was_made(body: bytes, coding: str) -> None:
    client = TestClient(Shelf(Pages(body), 5.0))
    for _ in range(2):
        with client.stream("GET", "/", headers={"Accept-Encoding": coding}) as answer:
            raw = b"".join(answer.iter_raw())
            assert answer.headers["Content-Length"] == str(len(raw))
        packed = answer.headers.get("Content-Encoding") == "gzip"
        assert (zlib.decompress(raw, 31) if packed else raw) == body
