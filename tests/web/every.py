"""Every page of the site, as somebody meets it who goes everywhere: also where things go wrong."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from httpx2 import Response

from tests.web.visitors import Visitor
from tests.web.world import FRIDAY
from trendbot.model import Status
from trendbot.notice_letters import Kind
from trendbot.settings import Limits
from trendbot.tokens import PREFERENCES, UNSUBSCRIBE
from trendbot.web.guard import MOST_BODY

ASKS_AN_HOUR = 2
LIMITS = Limits(client=ASKS_AN_HOUR)  # for who wants to see the page that says "too often"


@dataclass(frozen=True)
class Ask:
    """One request and the status it is answered with."""

    name: str
    path: str
    status: int = 200
    form: dict[str, Any] | None = None
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def method(self) -> str:
        return "GET" if self.form is None else "POST"


def to_read() -> list[Ask]:
    """What everybody may open, and what is answered where there is nothing to see."""
    return [
        Ask("front", "/"),
        Ask("daily digest", f"/digests/daily/{FRIDAY - timedelta(days=1)}"),
        Ask("weekly digest", f"/digests/weekly/{FRIDAY}"),
        Ask("monthly digest", "/digests/monthly/2026-10-31"),
        Ask("archive", "/archive"),
        Ask("archive of a year", "/archive/2025"),
        Ask("paper", "/papers/2611.00001"),
        Ask("paper with counts in doubt", "/papers/2611.00099"),
        Ask("paper by its whole name", "/papers/arxiv:2611.00002", 308),
        Ask("categories", "/categories"),
        Ask("category", "/categories/cs.LG"),
        Ask("archive of categories", "/categories/math"),
        Ask("category without papers", "/categories/hep-th"),
        Ask("search form", "/search"),
        Ask("search", "/search?q=owl+hooting&category=cs.LG&since=2026-11-01"),
        Ask("search, second page", "/search?q=moreno&page=2"),
        Ask("search in vain", "/search?q=%22no+such%22+-owl"),
        Ask("search for nonsense", "/search?q=owl&since=yesterday&category=x.Y", 422),
        Ask("API documentation", "/docs"),
        Ask("nowhere", "/nowhere", 404),
        Ask("day without a digest", "/digests/daily/2020-02-29", 404),
        Ask("day that is none", "/digests/daily/2026-02-30", 404),
        Ask("unknown paper", "/papers/0000.00000", 404),
        Ask("unknown category", "/categories/owl.S", 404),
        Ask("year without digests", "/archive/1999", 404),
        Ask("nonsense", "/%00", 400),
        Ask("address too long", f"/search?q={9_000 * 'a'}", 414),
        Ask("headers too long", "/", 431, more={"headers": {"x-owl": 20_000 * "a"}}),
        Ask("wrong method", "/archive", 405, {}),
        *_for_programs(),
    ]


def _for_programs() -> list[Ask]:
    """What is no page, but has an address too."""
    return [
        *(Ask(form, f"/feeds/daily.{form}") for form in ("atom", "rss", "json")),
        *(
            Ask(f"{form} of cs.LG", f"/feeds/weekly/cs.LG.{form}")
            for form in ("atom", "rss", "json")
        ),
        Ask("sitemap", "/sitemap.xml"),
        Ask("robots", "/robots.txt"),
        Ask("health", "/healthz", 200),
        Ask("metrics", "/metrics"),
        Ask("style", "/static/style.css"),
        Ask("icon", "/static/favicon.svg"),
        Ask("OpenAPI", "/openapi.json"),
        Ask("digests, JSON", "/api/digests"),
        Ask("digest, JSON", f"/api/digests/daily/{FRIDAY}"),
        Ask("paper, JSON", "/api/papers/arxiv:2611.00001"),
        Ask("search, JSON", "/api/search?q=owl"),
        Ask("daily papers, JSON", f"/api/daily_papers?date={FRIDAY}"),
        Ask("sign-up by API", "/api/subscribe", 422, {}),
    ]


def for_readers(visitor: Visitor) -> Iterator[Ask]:
    """What takes a token or sends a form, in an order in which each does what it says."""
    yield from _signing_up(visitor)
    yield from _preferring(visitor)
    yield from _leaving(visitor)
    yield from _owning(visitor)


def _signing_up(visitor: Visitor) -> Iterator[Ask]:
    asked = {"email": "owl@example.org", "topics": "cs.LG", "hour": "7", "timezone": "Europe/Paris"}
    yield Ask("sign-up", "/subscribe?topics=cs.LG,math&cadence=weekly")
    yield Ask("sign-up, topics searched", "/subscribe", form={**asked, "find_topics": "learning"})
    yield Ask("sign-up, nothing right", "/subscribe", 422, {"email": "owl@", "hour": "25"})
    yield Ask("sign-up, too much", "/subscribe", 413, {"email": MOST_BODY * "o"})
    elsewhere = {"headers": {"sec-fetch-site": "cross-site"}}
    yield Ask("sign-up from elsewhere", "/subscribe", 403, asked, elsewhere)
    for number in range(ASKS_AN_HOUR):
        yield Ask(
            f"asked {number}", "/subscribe", form={**asked, "email": f"owl{number}@example.org"}
        )
    yield Ask("asked too often", "/subscribe", 429, {**asked, "email": "owl9@example.org"})
    newcomer = visitor.subscriber(Status.PENDING, "newcomer@example.org")
    token = visitor.token_of(Kind.CONFIRM, newcomer)
    yield Ask("confirm", f"/confirm/{token}")
    yield Ask("confirmed", f"/confirm/{token}", form={})
    yield Ask("confirmed before", f"/confirm/{token}", 410)
    yield Ask("mangled link", f"/confirm/{token[:-3]}", 400)


def _preferring(visitor: Visitor) -> Iterator[Ask]:
    reader = visitor.subscriber(Status.ACTIVE, "reader@example.org")
    path = f"/preferences/{visitor.token_of(PREFERENCES, reader)}"
    taste = {"cadence": "weekly", "topics": ["cs.LG", "math"], "fewer": "cs.CL", "hour": "6"}
    yield Ask("preferences", path)
    yield Ask("preferences, searched", path, form={**taste, "find_fewer": "vision"})
    yield Ask("preferences, wrong", path, 422, {**taste, "paused_until": "someday"})
    yield Ask("preferences, saved", path, form={**taste, "paused_until": "2026-12-24"})
    yield Ask("preferences, kept", path)
    yield Ask("export asked for", path, form={"mail": "export"})
    yield Ask("erasure asked for", path, form={"mail": "erase"})
    gone = visitor.subscriber(Status.UNSUBSCRIBED, "gone@example.org")
    yield Ask("preferences of one who left", f"/preferences/{visitor.token_of(PREFERENCES, gone)}")


def _leaving(visitor: Visitor) -> Iterator[Ask]:
    leaver = visitor.subscriber(Status.ACTIVE, "leaver@example.org")
    path = f"/unsubscribe/{visitor.token_of(UNSUBSCRIBE, leaver)}"
    yield Ask("unsubscribe", path)
    yield Ask("monthly instead", path, form={"instead": "monthly"})
    yield Ask("left", path, form={})
    yield Ask("left before", path)
    yield Ask("mangled unsubscribe", f"{path}x", 400)


def _owning(visitor: Visitor) -> Iterator[Ask]:
    owner = visitor.subscriber(Status.ACTIVE, "owner@example.org")
    export = f"/export/{visitor.token_of(Kind.EXPORT, owner)}"
    yield Ask("export", export)
    yield Ask("the data", export, form={})
    erase = f"/erase/{visitor.token_of(Kind.ERASE, owner)}"
    preferences = f"/preferences/{visitor.token_of(PREFERENCES, owner)}"
    yield Ask("erase", erase)
    yield Ask("erased", erase, form={})
    yield Ask("preferences of nobody", preferences, 410)
    yield Ask("erased before", erase, 410)


def asks(visitor: Visitor) -> Iterator[Ask]:
    """All of it."""
    yield from to_read()
    yield from for_readers(visitor)


def answer(visitor: Visitor, ask: Ask) -> Response:
    """Ask, and hold the answer against the status it should have."""
    if ask.form is None:
        found = visitor.client.get(ask.path, follow_redirects=False, **ask.more)
    else:
        found = visitor.post(ask.path, ask.form, **ask.more)
    assert found.status_code == ask.status, f"{ask.name}: {found.status_code}\n{found.text[:2000]}"
    return found


def every_page(visitor: Visitor) -> dict[str, Response]:
    """The pages, by name; `visitor` has limits of LIMITS."""
    answers = {ask.name: answer(visitor, ask) for ask in asks(visitor)}
    return {name: found for name, found in answers.items() if is_page(found)}


def every_empty_page(visitor: Visitor) -> dict[str, Response]:
    """The pages of a site on its first day."""
    paths = ("/", "/archive", "/categories", "/categories/cs.LG", "/search?q=owl")
    return {f"{path} of an empty site": answer(visitor, Ask(path, path)) for path in paths}


def is_page(found: Response) -> bool:
    """Whether it is meant to be looked at."""
    return str(found.headers.get("content-type", "")).startswith("text/html")
