"""What Mastodon answers, read: statuses, trending links, the server itself. No I/O here.

Entities: https://docs.joinmastodon.org/entities/Status/, .../PreviewCard/, .../Instance/.
Much in a status was written by another server, so what is odd there is no error: such a
status is no post.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import nh3
from bs4 import BeautifulSoup

from trendbot.answers import count, moment, table, tables
from trendbot.errors import SignalError
from trendbot.links import papers_of
from trendbot.model import Post, Reading
from trendbot.text import clean, cut

NAME = "mastodon"
MAX_CONTENT = 50_000  # Mastodon's own limit is 500 signs, other servers allow more
MAX_TEXT = 4000
STATUS_ID = r"[0-9A-Za-z]{1,40}"
_URI = re.compile(r"https?://[!-~]{1,190}")
_URL = re.compile(r"https?://[!-~]{1,490}")
_HANDLE = re.compile(r"[A-Za-z0-9_.-]{1,100}@[a-z0-9.:-]{1,200}")
# Where a status of Mastodon lives on its own server, which calls it by this id.
_HOME = re.compile(rf"/(?:ap/)?users/[^/]+/statuses/({STATUS_ID})")

Status = Mapping[str, Any]


def document(text: str, where: str) -> Any:
    """What a server answered, a list or an object. Raises SignalError."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SignalError(f"{where} answered no JSON; try again later") from error
    if not isinstance(answer, list | dict):
        raise SignalError(f"{where} answered neither a list nor an object")
    return answer


def statuses_of(answer: object, where: str) -> list[Status]:
    """The statuses of a timeline or a search, each with an id. Raises SignalError."""
    if isinstance(answer, dict):
        answer = answer.get("statuses")
    if not isinstance(answer, list):
        raise SignalError(f"{where} answered no list of statuses")
    statuses = tables(answer, where, "a list of statuses")
    for status in statuses:
        if not isinstance(status.get("id"), str) or not re.fullmatch(STATUS_ID, status["id"]):
            raise SignalError(f"{where}: a status has no id")
    return statuses


def addresses_of(answer: object, where: str) -> list[str]:
    """The addresses of trending links. Raises SignalError."""
    if not isinstance(answer, list):
        raise SignalError(f"{where} answered no list of links")
    urls = [link.get("url") for link in tables(answer, where, "a list of links")]
    if not all(isinstance(url, str) for url in urls):
        raise SignalError(f"{where}: a trending link has no url")
    return [str(url) for url in urls]


def server_of(answer: object, where: str) -> tuple[str, str]:
    """The domain and the version a server says it has. Raises SignalError."""
    server = table(answer, where, "its description")
    domain, version = server.get("domain"), server.get("version")
    if not isinstance(domain, str) or not re.fullmatch(r"[a-z0-9.:-]{1,200}", domain.lower()):
        raise SignalError(f"{where} does not say its domain; is it a Mastodon server?")
    return domain.lower(), cut(clean(version if isinstance(version, str) else ""), 40)


def at_home(uri: str) -> tuple[str, str] | None:
    """Host and id of a status at its own server, or None where its uri does not tell."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    found = _HOME.fullmatch(parts.path)
    return (parts.netloc.lower(), found[1]) if found else None


def is_own(status: Status) -> bool:
    """Whether a status was written on the server that tells of it, which then knows all counts."""
    account = status.get("account")
    name = account.get("acct") if isinstance(account, dict) else None
    return isinstance(name, str) and "@" not in name


def posted_at(status: Status, where: str) -> datetime:
    """When a status was written. Raises SignalError."""
    return moment(status.get("created_at"), f"{where}: status {status['id']}", "created_at")


def to_post(status: Status, domain: str, taken_at: datetime) -> Post | None:
    """Turn a status that `domain` tells of into a post; None if it is none or names no paper.

    Boosts, what not everybody may read, and what has no usable uri are no posts. Raises
    SignalError naming the field that is missing or makes no sense.
    """
    where = f"{domain}: status {status['id']}"
    uri, url, content = status.get("uri"), status.get("url"), status.get("content")
    if status.get("reblog") is not None or status.get("visibility") not in ("public", "unlisted"):
        return None
    if not isinstance(uri, str) or not _URI.fullmatch(uri):
        return None
    if not isinstance(content, str):
        raise SignalError(f"{where}: content is missing")
    soup = _read(content)
    papers = papers_of(_addresses(soup, table(status.get("card"), where, "card")))
    if not papers:
        return None
    account = table(status.get("account"), where, "account")
    return Post(
        signal=NAME,
        id=uri,
        papers=papers,
        author=_handle(account, domain),
        url=url if isinstance(url, str) and _URL.fullmatch(url) else uri,
        posted_at=moment(status.get("created_at"), where, "created_at"),
        text=_text(status.get("spoiler_text"), soup),
        reading=Reading(
            taken_at=taken_at,
            retweets=count(status, where, "reblogs_count"),
            favorites=count(status, where, "favourites_count"),
            replies=count(status, where, "replies_count"),
        ),
        automated=account.get("bot") is True,
    )


def _addresses(soup: BeautifulSoup, card: Mapping[str, Any]) -> Iterator[str]:
    for anchor in soup.find_all("a", href=True):
        yield str(anchor["href"])
    if isinstance(card.get("url"), str):
        yield card["url"]


def _read(content: str) -> BeautifulSoup:
    """The links and lines of a status.

    nh3 puts them in order first: what is not well-formed can take Python's parser half a
    minute, or be too much for it.
    """
    kept = {"a", "p", "br", "li"}
    plain = nh3.clean(content[:MAX_CONTENT], tags=kept, attributes={"a": {"href"}}, link_rel=None)
    return BeautifulSoup(f"<p>{plain}", "html.parser")


def _text(warning: object, soup: BeautifulSoup) -> str:
    """What a status says, on one line; where it stands behind a warning, the warning."""
    if isinstance(warning, str) and clean(warning):
        return cut(clean(warning), MAX_TEXT)
    # Only these part words, not the spans within a link.
    for node in soup.find_all(["p", "br", "li"]):
        node.insert_before(" ")
    return cut(clean(soup.get_text()), MAX_TEXT)


def _handle(account: Mapping[str, Any], domain: str) -> str:
    """name@host, as other servers write it; a server leaves out its own host."""
    name = account.get("acct")
    if not isinstance(name, str):
        return ""
    handle = name if "@" in name else f"{name}@{domain}"
    return handle if _HANDLE.fullmatch(handle) else ""
