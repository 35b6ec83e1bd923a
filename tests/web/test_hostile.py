"""What others write is hostile: papers, posts, links, headers, forms. Nothing of it ever acts."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import feedparser
import pytest
from httpx2 import Response
from playwright.sync_api import Browser, Route
from sqlalchemy import Engine

from tests.browser.window import Window
from tests.feed_rules import check_atom, check_json_feed, check_rss, check_sitemap
from tests.html import valid_html
from tests.web.every import is_page
from tests.web.hostile import HEADERS, TEXTS, everything_shown, fill_with_hostility
from tests.web.visitors import NO_LIMITS, Page, Visitor
from trendbot.model import Status, Subscriber
from trendbot.notice_letters import Kind
from trendbot.tokens import PREFERENCES, UNSUBSCRIBE

SITE = "http://127.0.0.1:9"  # where nobody listens
NEVER = ("script", "style", "iframe", "img", "object", "embed", "base", "math", "x:script")
HOME = "https://trends.example.org"
REFUSED = (400, 404, 410, 414, 422, 431)
TIMED = (Kind.CONFIRM, Kind.EXPORT, Kind.ERASE)
RULES: Mapping[str, Callable[[bytes], object]] = {
    "atom": check_atom,
    "rss": check_rss,
    "json": lambda feed: check_json_feed(json.loads(feed)),
}
DOORS = (*TIMED, UNSUBSCRIBE, PREFERENCES)


@pytest.fixture
def visitor(engine: Engine, tmp_path: Path) -> Iterator[Visitor]:
    visitor = Visitor(engine, tmp_path, NO_LIMITS)
    fill_with_hostility(visitor)
    with visitor.client:
        yield visitor


@pytest.fixture
def shown(visitor: Visitor) -> dict[str, Response]:
    return everything_shown(visitor)


def test_papers_and_posts_break_nothing(shown: dict[str, Response]) -> None:
    assert len(shown) > 5 * len(TEXTS)
    for path, answer in shown.items():
        assert answer.status_code == 200, f"{path[:200]}: {answer.status_code}"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src")
        check(path, answer)
    valid_html({path: answer.text for path, answer in shown.items() if is_page(answer)})


def check(path: str, answer: Response) -> None:
    """Hold what a path answers against the rules of its kind."""
    if is_page(answer):
        check_page(answer.text)
    elif path.startswith("/feeds/"):
        check_feed(path, answer)
    elif path == "/sitemap.xml":
        check_sitemap(answer.content)
    else:
        json.loads(answer.content)


def check_page(html: str) -> None:
    """Only what our own pages are made of, and links to http(s) alone."""
    for tag, said in Page(html).tags:
        assert tag not in NEVER, tag
        assert not [name for name in said if name.startswith("on") or name == "style"], said
        for name in ("href", "action"):
            assert re.match(r"/(?!/)|#|https?://", said.get(name) or "/"), said


def check_feed(path: str, answer: Response) -> None:
    RULES[path.rpartition(".")[2]](answer.content)
    if path.endswith(".json"):
        for item in answer.json()["items"]:
            check_page(item["content_html"])
        return
    read: Any = feedparser.parse(answer.content)
    assert not read.bozo, read.get("bozo_exception")
    for entry in read.entries:
        assert entry.link.startswith(HOME)
        check_page(entry.content[0].value)


def test_nothing_runs_in_a_browser_with_script(
    shown: dict[str, Response], visitor: Visitor, browser: Browser
) -> None:
    pages = {path: answer for path, answer in shown.items() if is_page(answer)}
    window = Window(browser, SITE, javascript=True)

    def serve(route: Route) -> None:
        path = route.request.url.removeprefix(SITE)
        answer = pages.get(path) or visitor.get(path)
        headers = {name: answer.headers[name] for name in kept if name in answer.headers}
        route.fulfill(status=answer.status_code, headers=headers, body=answer.content)

    window.page.route(f"{SITE}/**", serve)
    kept = ["content-type", "content-security-policy"]
    for path in pages:
        window.go(path)
        assert window.strange == [], path
    kept.pop()  # a second wall; the first one holds alone
    for path in pages:
        window.go(path)
        assert window.strange == [], path
    for item in shown["/feeds/daily.json"].json()["items"]:
        window.page.set_content(item["content_html"])  # in a reader that trusts what it is fed
    assert window.strange == []


# Links


def mangled(visitor: Visitor, door: str, token: str, other: Subscriber) -> dict[str, str]:
    """Tokens that open nothing, by what is wrong with them."""
    foreign = {
        f"of {purpose}": visitor.token_of(purpose, other) for purpose in DOORS if purpose != door
    }
    subject, _, rest = token.partition(".")
    return foreign | {
        "shorter": token[:-1],
        "longer": f"{token}A",
        "other spelling": token[:-1] + chr(ord(token[-1]) + 1),
        "upper case": token.upper(),
        "another's": f"{int(subject) + 1}.{rest}",
        "signature alone": rest,
        "nothing signed": f".{rest}",
        "line end": f"{token}%0A",
        "space": f"%20{token}",
        "NUL": f"{token}%00",
        "padding": f"{token}%3D",
        "beyond ASCII": f"{token}%C3%A9",
        "not UTF-8": f"{token}%FF",
        "markup": quote(TEXTS[0], safe=""),
        "dots": "..%2F..%2Fetc%2Fpasswd",
        "long": 7_000 * "a",
        "one": "x",
    }


@pytest.mark.parametrize("door", DOORS)
def test_tokens_that_are_not_ours_open_nothing(visitor: Visitor, door: str) -> None:
    mine = visitor.subscriber(owner(door))
    other = visitor.subscriber(Status.PENDING, "other@example.org")
    token = visitor.token_of(door, mine)
    wrong = mangled(visitor, door, token, other)
    before = visitor.everything()
    for why, one in wrong.items():
        for answer in (visitor.get(f"/{door}/{one}"), visitor.post(f"/{door}/{one}")):
            assert answer.status_code in REFUSED, f"{why}: {answer.status_code}"
            check_page(answer.text)
            assert "Traceback" not in answer.text
    assert visitor.everything() == before
    assert visitor.get(f"/{door}/{token}").status_code == 200


@pytest.mark.parametrize("door", TIMED)
def test_tokens_end(visitor: Visitor, door: str) -> None:
    token = visitor.token_of(door, visitor.subscriber(owner(door)))
    visitor.days_later(2.1)
    before = visitor.everything()
    for answer in (visitor.get(f"/{door}/{token}"), visitor.post(f"/{door}/{token}")):
        assert answer.status_code == 410
        check_page(answer.text)
    assert visitor.everything() == before


def owner(door: str) -> Status:
    return Status.PENDING if door == Kind.CONFIRM else Status.ACTIVE


# Headers


def test_headers_change_nothing(visitor: Visitor) -> None:
    for path in ("/", "/search?q=owl", "/feeds/daily.atom", "/api/digests", "/no"):
        plain = visitor.get(path)
        for header in HEADERS:
            answer = visitor.client.get(path, headers=[header], follow_redirects=False)
            assert answer.status_code in (plain.status_code, 304, *REFUSED), header
            if answer.status_code == plain.status_code:
                assert answer.content == plain.content, header
            assert "evil" not in str(answer.headers), header


def test_headers_of_forms_are_refused_or_ignored(visitor: Visitor) -> None:
    form = {"email": "ada@example.org"}
    for name, value in HEADERS:
        answer = visitor.client.post("/subscribe", data=form, headers=[(name, value)])
        assert answer.status_code in (200, 403, 415, *REFUSED), (name, value)
        check_page(answer.text)


# Forms and queries


def forms() -> Iterator[dict[str, Any]]:
    """What a form may say instead of what it should: each field anything, twice, or much."""
    fields = ("email", "cadence", "topics", "hour", "timezone", "fewer", "paused_until")
    more = ("find_topics", "find_fewer", "search", "mail", "instead", "resume", "website")
    for text in TEXTS:
        yield dict.fromkeys(fields, text[:2_000])
        yield {"email": "ada@example.org"} | dict.fromkeys(more, text[:100])
    for value in ("-1", "24", "7.5", "٧", "1e3", "0x7", "NaN", "null", "true", "[]", "9" * 500):
        yield {"email": "ada@example.org", "hour": value, "paused_until": value, "cadence": value}
    yield {"email": ["ada@example.org", "eve@example.org"], "cadence": ["daily", "never"]}
    yield {"email": "ada@example.org", "topics": ["cs.LG"] * 450}
    yield {"email": "ada@example.org", "topics": ",".join(f"cs.{n}" for n in range(300))}
    yield {"x" * 3_000: "y", "": "", "email[]": "a", "email.x": "b", "__proto__": "c"}
    yield {f"field{number}": "" for number in range(1_000)}


def test_forms_say_what_they_like(visitor: Visitor) -> None:
    reader = visitor.subscriber()
    pages: dict[str, str] = {}
    paths = ("/subscribe", f"/preferences/{visitor.token_of(PREFERENCES, reader)}")
    for number, form in enumerate(forms()):
        for path in paths:
            answer = visitor.post(path, {n: _sound(value) for n, value in form.items()})
            assert answer.status_code in (200, 400, 413, 422), (path, form)
            check_page(answer.text)
            pages[f"{path[:12]} {number}"] = answer.text
    valid_html(pages)


def _sound(value: Any) -> Any:
    return value.encode("utf-8", "replace") if isinstance(value, str) else value


BODIES: Mapping[str, tuple[str, bytes]] = {
    "no type": ("", b"email=ada@example.org"),
    "JSON as form": ("application/x-www-form-urlencoded", b'{"email": "ada@example.org"}'),
    "form as JSON": ("application/json", b"email=ada@example.org"),
    "broken JSON": ("application/json", b'{"email": "\xff'),
    "half a character": ("application/json", b'{"email": "\\ud800@example.org"}'),
    "NUL": ("application/json", b'{"email": "ada\\u0000@example.org", "timezone": "\\u0000"}'),
    "deep": ("application/json", b"[" * 20_000),
    "huge number": ("application/json", b'{"email": "a@example.org", "hour": 1e999}'),
    "many digits": ("application/json", b'{"hour": ' + b"9" * 6_000 + b"}"),
    "wrong types": ("application/json", b'{"email": {}, "topics": 7, "hour": [], "cadence": null}'),
    "twice": ("application/json", b'{"email": "a@example.org", "email": 7}'),
    "empty": ("application/json", b""),
    "NUL in a form": ("application/x-www-form-urlencoded", b"email=ada%00@example.org&topics=%00"),
    "not UTF-8": ("application/x-www-form-urlencoded", b"email=%FF%FE&cadence=\xff"),
    "ampersands": ("application/x-www-form-urlencoded", b"&" * 60_000),
    "no boundary": ("multipart/form-data", b"--x\r\n\r\n--x--"),
    "other boundary": ("multipart/form-data; boundary=y", b"--x\r\n\r\n--x--"),
    "no end": ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="'),
    "a file": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="email"; filename="a"\r\n\r\na\r\n--x--\r\n',
    ),
    "too much": ("application/x-www-form-urlencoded", b"email=" + b"a" * 70_000),
    "unknown": ("text/<script>", b"<script>"),
}


def test_bodies_are_refused_calmly(visitor: Visitor) -> None:
    preferences = f"/preferences/{visitor.token_of(PREFERENCES, visitor.subscriber())}"
    before = visitor.everything()
    for why, (kind, body) in BODIES.items():
        headers = {"Content-Type": kind} if kind else {}
        for path in ("/subscribe", "/api/subscribe", preferences):
            answer = visitor.client.post(path, content=body, headers=headers)
            assert answer.status_code in (200, 400, 413, 415, 422), (why, path)
            if is_page(answer):
                check_page(answer.text)
            else:
                json.loads(answer.content)
    assert visitor.everything()["notices"] == before["notices"]


def test_queries_say_what_they_like(visitor: Visitor) -> None:
    paths = (
        "/search?q={}", "/search?category={}", "/search?since={}", "/search?page={}",
        "/categories/cs.LG?page={}", "/subscribe?topics={}&cadence={}", "/static/style.css?v={}",
        "/api/search?q={}", "/api/digests?since={}", "/api/digests?cadence={}",
        "/api/daily_papers?date={}", "/{}", "/papers/{}", "/digests/daily/{}",
        "/digests/{}/2026-11-20", "/archive/{}", "/categories/{}", "/feeds/{}.atom",
        "/feeds/daily/{}.json",
        "/static/{}", "/api/papers/{}", "/api/digests/daily/{}",
    )  # fmt: skip
    for text in (*(text[:300] for text in TEXTS), "%", "\udcff", "9" * 300, "-1", "0"):
        written = quote(text, safe="", errors="replace")
        for path in paths:
            answer = visitor.get(path.replace("{}", written))
            assert answer.status_code in (200, 308, 405, *REFUSED), (path, text)
            if is_page(answer):
                check_page(answer.text)
