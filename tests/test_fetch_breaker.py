"""Hosts that fail are left alone for a while, by every process and after a restart."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.loopback import Answer, Clock, Site, serving
from trendbot.app import App
from trendbot.errors import SourceError
from trendbot.fetch import Breaker, Fetcher, Limits, Page
from trendbot.fetch_rules import host_of
from trendbot.settings import Settings
from trendbot.store import hosts

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


class Book:
    """Writes down what a Fetcher tells; `closed` is what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.closed = ""

    @property
    def breaker(self) -> Breaker:
        return Breaker(
            lambda _host: self.closed,
            lambda *failure: self.told.append(failure),
            lambda host: self.told.append((host,)),
        )


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def fetcher(book: Book) -> Iterator[Fetcher]:
    clock = Clock()
    limits = Limits(body=100, total=5)
    fetcher = Fetcher("me", clock.sleep, clock, limits, book.breaker)
    yield fetcher
    fetcher.close()


def ask(fetcher: Fetcher, url: str) -> Page:
    return fetcher.get(url, accept="text/html", error=SourceError)


def test_what_works_is_told(site: Site, fetcher: Fetcher, book: Book) -> None:
    ask(fetcher, f"{site.url}/list")
    assert book.told == [(host_of(site.url),)]


@pytest.mark.parametrize("status", [406, 429, 500, 502, 503, 504])
def test_a_host_in_trouble_is_told_after_all_tries(
    site: Site, fetcher: Fetcher, book: Book, status: int
) -> None:
    site.answers(Answer(status, b""))
    with pytest.raises(SourceError):
        ask(fetcher, site.url)
    tries = "" if status == 500 else " in 4 tries"
    assert book.told == [(host_of(site.url), f"answered HTTP {status}{tries}", True)]


@pytest.mark.parametrize(
    "answer",
    [
        *(Answer(status, b"") for status in (204, 400, 401, 403, 404, 410)),
        Answer(headers=JSON),
        Answer(body=b"x" * 200),
        Answer(302, b"", {"Location": "https://elsewhere.example.org/"}),
    ],
)
def test_whoever_refuses_us_or_answers_nonsense_is_well(
    site: Site, fetcher: Fetcher, book: Book, answer: Answer
) -> None:
    site.answers(answer)
    with pytest.raises(SourceError):
        ask(fetcher, site.url)
    assert book.told == [(host_of(site.url),)]


def test_nobody_there_is_told_as_not_reached(fetcher: Fetcher, book: Book) -> None:
    with serving() as gone:
        pass
    gone.server_close()
    with pytest.raises(SourceError):
        ask(fetcher, gone.url)
    ((host, why, reached),) = book.told
    assert (host, reached) == (host_of(gone.url), False)
    assert "Connection refused" in str(why)


def test_a_closed_host_is_not_asked(site: Site, fetcher: Fetcher, book: Book) -> None:
    book.closed = "not asked before 08:00 UTC"
    with pytest.raises(SourceError, match=r"/list: not asked before 08:00 UTC$"):
        ask(fetcher, f"{site.url}/list?key=secret")
    with pytest.raises(SourceError, match="not asked before"):
        fetcher.post(site.url, json={}, accept="text/html", error=SourceError)
    assert site.asked == []
    assert book.told == []


def test_a_wrong_address_is_no_fault_of_a_host(fetcher: Fetcher, book: Book) -> None:
    with pytest.raises(SourceError, match="is not an http"):
        ask(fetcher, "ftp://example.org/")
    assert book.told == []


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://www.Example.org/a?b", "example.org"),
        ("http://user:secret@127.0.0.1:8080/", "127.0.0.1:8080"),
        ("http://[::1]:80", "[::1]:80"),
        (f"https://{'a' * 300}.org/", "a" * 255),
    ],
)
def test_the_name_of_a_host(url: str, host: str) -> None:
    assert host_of(url) == host


class Life:
    """A trendbot whose clock one sets; `restart` is the next process on the same database."""

    def __init__(self, engine: Engine, home: Path, now: datetime) -> None:
        self.engine = engine
        self.home = home
        self.now = now
        self.restart()

    def restart(self) -> None:
        self.app = App(Settings(home=self.home), self.engine, lambda: self.now)
        clock = Clock()
        self.fetcher = Fetcher("me", clock.sleep, clock, breaker=self.app.fetcher.breaker)

    def fails(self, url: str, why: str) -> None:
        with pytest.raises(SourceError, match=why):
            ask(self.fetcher, url)

    def close(self) -> None:
        self.fetcher.close()
        self.app.fetcher.close()


@pytest.fixture
def life(engine: Engine, tmp_path: Path, now: datetime) -> Iterator[Life]:
    life = Life(engine, tmp_path, now)
    yield life
    life.close()


def after(life: Life, minutes: int) -> None:
    life.now += timedelta(minutes=minutes)


def test_three_failures_close_a_host_and_one_success_opens_it(site: Site, life: Life) -> None:
    site.answers(Answer(503, b""))
    for _ in range(3):
        life.fails(site.url, "answered HTTP 503 in 4 tries")
    asked = len(site.asked)

    life.close()
    life.restart()
    why = r"not asked before 07:15 UTC: failed 3 times in a row \(answered HTTP 503 in 4 tries\)"
    life.fails(site.url, why)
    assert len(site.asked) == asked

    after(life, minutes=15)
    life.fails(site.url, "answered HTTP 503 in 4 tries")
    life.fails(site.url, "not asked before 07:45 UTC: failed 4 times")
    after(life, minutes=30)
    site.answers(Answer())
    assert ask(life.fetcher, site.url).status == 200
    assert ask(life.fetcher, site.url).status == 200
    with life.engine.connect() as conn:
        assert hosts.ailing(conn) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_while_one_tries_others_wait(site: Site, life: Life) -> None:
    for _ in range(3):
        life.app.fetcher.breaker.failed(host_of(site.url), "fell silent", True)
    after(life, minutes=15)
    refusal: Callable[[str], str] = life.app.fetcher.breaker.refusal

    assert refusal(host_of(site.url)) == ""
    assert refusal(host_of(site.url)).startswith("not asked before 07:30 UTC: failed 3 times")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_whoever_types_a_command_is_not_locked_out(site: Site, life: Life) -> None:
    site.answers(Answer(503, b""))
    for _ in range(3):
        life.fails(site.url, "answered HTTP 503")
    life.app.insist()
    life.fails(site.url, "answered HTTP 503")
    life.fails(site.url, "not asked before 07:15 UTC: failed 3 times in a row")

    life.app.insist()
    site.answers(Answer())
    assert ask(life.fetcher, site.url).status == 200


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_hosts_are_closed_each_for_itself(site: Site, life: Life) -> None:
    site.answers(Answer(503, b""))
    for _ in range(3):
        life.fails(site.url, "answered HTTP 503")
    with serving() as other:
        assert ask(life.fetcher, other.url).status == 200
