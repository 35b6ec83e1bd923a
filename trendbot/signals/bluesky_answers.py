"""What Bluesky and Constellation answer, read: backlinks, posts, sessions. No I/O here.

What a service says of itself must make sense, or it is an error. A record is what its
author wrote, and anything beyond its text may be odd in it: what is no link is passed over,
so that one account's joke does not cost us everybody's posts.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from trendbot.answers import count, moment, table, tables
from trendbot.errors import SignalError
from trendbot.links import papers_of
from trendbot.model import Post, Reading
from trendbot.text import clean, cut

View = Mapping[str, Any]
NAME = "bluesky"
COLLECTION = "app.bsky.feed.post"
LINK = "app.bsky.richtext.facet#link"
MAX_TEXT = 4000
MAX_URI = 200  # what the store keeps of an id
MAX_CURSOR = 1000

# https://atproto.com/specs/did, /record-key, /handle
_DID = r"did:[a-z]{1,20}:[A-Za-z0-9._:%-]{1,100}"
_URI = re.compile(rf"at://(?P<did>{_DID})/{re.escape(COLLECTION)}/(?P<key>[A-Za-z0-9._:~-]+)")
_HANDLE = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*")
INVALID = "handle.invalid"  # what all accounts are called whose handle does not lead back to them


def is_uri(text: str) -> bool:
    """Whether `text` is the id of a post that the store can keep."""
    return len(text) <= MAX_URI and _URI.fullmatch(text) is not None


def is_handle(text: str) -> bool:
    """Whether `text` is a handle, in lower case."""
    return _HANDLE.fullmatch(text) is not None


def document(text: str, where: str) -> View:
    """Return the JSON object an answer consists of. Raises SignalError."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SignalError(f"{where} is not JSON; try again later") from error
    if not isinstance(found, dict):
        raise SignalError(f"{where} is no object any more")
    return found


class Backlinks(NamedTuple):
    """How many posts link to an address, the ids of some, and the cursor, "" after the last."""

    total: int
    uris: list[str]
    cursor: str


class Views(NamedTuple):
    """Posts as Bluesky gave them, each with its `uri`, and the cursor, "" after the last."""

    views: list[View]
    cursor: str


def read_backlinks(text: str, limit: int) -> Backlinks:
    """Read one page of backlinks, of at most `limit`. Raises SignalError.

    Keys that no post can have are left out: they are the author's choice.
    """
    where = "Constellation: getBacklinks"
    page = document(text, where)
    records = _listed(page, where, "records", limit)
    uris = ["at://" + "/".join(_parts(record, where)) for record in records]
    there = [uri for uri in uris if is_uri(uri)]
    return Backlinks(count(page, where, "total"), there, _cursor(page, where))


def read_views(text: str, limit: int, what: str) -> Views:
    """Read an answer with posts, at most `limit`. Raises SignalError."""
    where = f"Bluesky: {what}"
    page = document(text, where)
    views = _listed(page, where, "posts", limit)
    if not all(isinstance(view.get("uri"), str) for view in views):
        raise SignalError(f"{where}: a post has no uri")
    return Views(views, _cursor(page, where))


def token_of(text: str) -> str:
    """Return the access token of a new session. Raises SignalError, which never shows it."""
    token = document(text, "Bluesky: createSession").get("accessJwt")
    if not isinstance(token, str) or not re.fullmatch(r"[A-Za-z0-9._~+/=-]{1,8000}", token):
        raise SignalError("Bluesky: createSession: accessJwt is missing or no token")
    return token


def to_post(view: View, taken_at: datetime) -> Post | None:
    """Turn what Bluesky says of a post into a Post, or None if it links to no paper itself.

    Reposts are the retweets, likes the favorites; a quote is neither. Written when it says
    so, but not later than Bluesky saw it. Raises SignalError naming what is missing.
    """
    found = _URI.fullmatch(view["uri"])
    if found is None or not is_uri(view["uri"]):
        return None
    where = f"Bluesky: post {view['uri']}"
    record = _given(view, where, "record")
    papers = papers_of(_links(record, view.get("embed")))
    if not papers:
        return None
    author = _given(view, where, "author")
    text = record.get("text")
    if not isinstance(text, str):
        raise SignalError(f"{where}: record.text is missing")
    return Post(
        signal=NAME,
        id=view["uri"],
        papers=papers,
        author=_name(author, found["did"], where),
        url=f"https://bsky.app/profile/{found['did']}/post/{found['key']}",
        posted_at=_written(record, moment(view.get("indexedAt"), where, "indexedAt")),
        text="" if _is_labelled(author, "!no-unauthenticated") else cut(clean(text), MAX_TEXT),
        reading=Reading(
            taken_at=taken_at,
            retweets=count(view, where, "repostCount"),
            favorites=count(view, where, "likeCount"),
            replies=count(view, where, "replyCount"),
        ),
        automated=_is_labelled(author, "bot"),
    )


def _listed(page: View, where: str, name: str, limit: int) -> list[View]:
    if page.get(name) is None:
        raise SignalError(f"{where}: {name} is missing")
    listed = tables(page[name], where, name)
    if len(listed) > limit:
        raise SignalError(f"{where}: {len(listed)} {name} where {limit} were asked for")
    return listed


def _cursor(page: View, where: str) -> str:
    cursor = page.get("cursor") or ""
    if not isinstance(cursor, str) or len(cursor) > MAX_CURSOR:
        raise SignalError(f"{where}: cursor is no cursor")
    return cursor


def _parts(record: View, where: str) -> list[str]:
    parts = [record.get(name) for name in ("did", "collection", "rkey")]
    for name, part in zip(("did", "collection", "rkey"), parts, strict=True):
        if not isinstance(part, str):
            raise SignalError(f"{where}: {name} of a record is missing")
    return [str(part) for part in parts]


def _given(view: View, where: str, name: str) -> View:
    if view.get(name) is None:
        raise SignalError(f"{where}: {name} is missing")
    return table(view[name], where, name)


def _name(author: View, did: str, where: str) -> str:
    """The handle, or the did of an account that has none which leads back to it."""
    handle = author.get("handle")
    if not isinstance(handle, str) or not is_handle(handle.lower()):
        raise SignalError(f"{where}: author.handle is missing or no handle")
    return did if handle.lower() == INVALID else handle.lower()


def _is_labelled(author: View, value: str) -> bool:
    """Whether the account says this of itself (com.atproto.label.defs#selfLabels).

    `bot`: docs.bsky.app/docs/starter-templates/bots. `!no-unauthenticated`: it does not want
    to be shown where nobody logs in (atproto.com/specs/label).
    """
    labels = author.get("labels")
    return any(
        isinstance(label, dict)
        and label.get("val") == value
        and label.get("src") == author.get("did")
        and not label.get("neg")
        for label in (labels if isinstance(labels, list) else [])
    )


def _written(record: View, indexed_at: datetime) -> datetime:
    try:
        return min(moment(record.get("createdAt"), "Bluesky", "createdAt"), indexed_at)
    except SignalError:
        return indexed_at


def _links(record: View, view: object) -> Iterator[str]:
    """The links of a post: within its text, and of the card below it, but not of a quoted one."""
    for facet in _list(record, "facets"):
        for feature in _list(facet, "features"):
            if _inside(feature, "$type") == LINK:
                yield from _text(feature, "uri")
    for embed in (record.get("embed"), view):
        kind = str(_inside(embed, "$type")).removesuffix("#view")
        if kind == "app.bsky.embed.external":
            yield from _text(_inside(embed, "external"), "uri")
        if kind == "app.bsky.embed.recordWithMedia":
            yield from _text(_inside(_inside(embed, "media"), "external"), "uri")


def _inside(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


def _list(value: object, name: str) -> list[object]:
    inside = _inside(value, name)
    return inside if isinstance(inside, list) else []


def _text(value: object, name: str) -> list[str]:
    inside = _inside(value, name)
    return [inside] if isinstance(inside, str) else []
