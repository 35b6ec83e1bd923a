"""Bluesky as it answers: Constellation's backlinks, the public AppView, and an account's PDS.

A post of the world on the network "bluesky" has an id from `at_uri` and a handle as its
author. Its first link is the card below it; every further one, and one that stands in the
text, is a link within the text (a facet). One that quotes has no card: its links are facets.

Lexicons: app.bsky.feed.getPosts, app.bsky.feed.searchPosts,
com.atproto.server.createSession, blue.microcosm.links.getBacklinks.
"""

import base64
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from urllib.parse import urlsplit

from tests.upstream.reply import HTML, Headers, Query, Reply, as_json, text
from tests.upstream.world import World, WorldPost

COLLECTION = "app.bsky.feed.post"
FACET = "app.bsky.richtext.facet#link"
CARDS = f"{COLLECTION}:embed.external.uri"
FACETS = f"{COLLECTION}:facets[].features[{FACET}].uri"
TOKEN_LIFE = timedelta(hours=2)
WINDOW = timedelta(minutes=5)
SEARCH = {"q", "sort", "since", "until", "domain", "limit", "cursor"}


class RefusedError(Exception):
    """A parameter is wrong; becomes the 400 that says so."""


def at_uri(handle: str, moment: datetime, number: int = 0) -> str:
    """The id a post of this account and moment has: its key is a TID."""
    alphabet = "234567abcdefghijklmnopqrstuvwxyz"
    ticks = (int(moment.timestamp() * 1_000_000) << 10) + number
    key = "".join(alphabet[ticks >> 5 * place & 31] for place in range(12, -1, -1))
    return f"at://{did(handle)}/{COLLECTION}/{key}"


def did(handle: str) -> str:
    """The identifier behind a handle."""
    digest = base64.b32encode(sha256(handle.encode()).digest()).decode()
    return f"did:plc:{digest.lower()[:24]}"


def constellation(world: World, path: str, query: Query, headers: Headers) -> Reply:
    """Who links to exactly this address, from this place of a record; newest first."""
    if path != "/xrpc/blue.microcosm.links.getBacklinks":
        return text("Not Found", HTML, 404)
    try:
        size, start = whole(query, "limit", 16, range(101)), whole(query, "cursor", 0, range(9999))
    except RefusedError:
        return Reply(400, b"")
    if not query.get("subject") or ":" not in query.get("source", ""):
        return Reply(400, b"")
    places: dict[str, Callable[[WorldPost], Sequence[str]]] = {CARDS: cards, FACETS: facets}
    place = places.get(query["source"])
    found = [post for post in written(world) if place and query["subject"] in place(post)]
    shown = [post.id.removeprefix("at://").split("/") for post in found[start : start + size]]
    records = [dict(zip(("did", "collection", "rkey"), one, strict=True)) for one in shown]
    more = str(start + size) if len(found) > start + size else None
    return as_json({"total": len(found), "records": records, "cursor": more})


def appview(world: World, path: str, query: Query, headers: Headers) -> Reply:
    """What the public AppView answers to everybody: posts by their ids, but no search."""
    if path == "/xrpc/app.bsky.feed.searchPosts":
        return text("<html><body><h1>403 Forbidden</h1></body></html>", HTML, 403)
    return asked(world, path, query, {"/xrpc/app.bsky.feed.getPosts": get_posts})


def pds(world: World, path: str, query: Query, headers: Headers) -> Reply:
    """What the server of an account answers: a session for its password, and a search."""
    if path == "/xrpc/com.atproto.server.createSession":
        return asked(world, path, query, {path: create_session})
    token = headers.get("authorization", "").removeprefix("Bearer ")
    if not token:
        return failure(401, "AuthMissing", "Authentication Required")
    issued = re.fullmatch(r"eyJ\.(\d+)", token)
    if not issued:
        return failure(400, "InvalidToken", "Token could not be verified")
    if world.now >= datetime.fromtimestamp(int(issued[1]), world.now.tzinfo) + TOKEN_LIFE:
        return failure(400, "ExpiredToken", "Token has expired")
    return asked(world, path, query, {"/xrpc/app.bsky.feed.searchPosts": search_posts})


def asked(
    world: World, path: str, query: Query, routes: dict[str, Callable[[World, Query], Reply]]
) -> Reply:
    """The answer of one of `routes`, within the limits on requests."""
    reset = {"ratelimit-reset": str(int((world.now + WINDOW).timestamp()))}
    if path not in routes:
        return failure(501, "MethodNotImplemented", "Method Not Implemented")
    if world.bluesky.limited:
        reply = failure(429, "RateLimitExceeded", "Rate Limit Exceeded")
        return Reply(429, reply.body, {**reply.headers, **reset, "ratelimit-remaining": "0"})
    try:
        return routes[path](world, query)
    except RefusedError as refused:
        return failure(400, "InvalidRequest", str(refused))


def get_posts(world: World, query: Query) -> Reply:
    """The posts with the ids asked for, at most 25; those that are not there are left out."""
    uris = query.get("uris", "").splitlines()
    if not 1 <= len(uris) <= 25:
        raise RefusedError("Error: uris must not have more than 25 elements")
    if not all(re.fullmatch(rf"at://did:[a-z]+:[\w.:%-]+/{COLLECTION}/[\w.:~-]+", u) for u in uris):
        raise RefusedError("Error: uris/0 must be a valid at-uri")
    there = {post.id: post for post in written(world)}
    return as_json({"posts": [viewed(there[uri], there) for uri in uris if uri in there]})


def search_posts(world: World, query: Query) -> Reply:
    """The posts with these words and a link to this domain, page by page."""
    if unknown := set(query) - SEARCH:
        raise RefusedError(f"Error: no parameter {unknown}")
    size, start = whole(query, "limit", 25, range(1, 101)), whole(query, "cursor", 0, range(9999))
    if not query.get("q"):
        raise RefusedError("Error: Params must have the property q")
    since = query.get("since", "0001-01-01T00:00:00Z")
    found = [
        post
        for post in written(world)
        if query["q"] in " ".join((post.text, *post.urls))
        and query.get("domain", "") in ("", *(urlsplit(url).hostname for url in post.urls))
        and post.created_at >= datetime.fromisoformat(since)
    ]
    if query.get("sort", "top") == "top":
        found.sort(key=lambda post: post.favorites, reverse=True)
    there = {post.id: post for post in written(world)}
    shown = [viewed(post, there) for post in found[start : start + size]]
    more = {"cursor": str(start + size)} if len(found) > start + size else {}
    return as_json({"posts": shown, "hitsTotal": len(found), **more})


def create_session(world: World, query: Query) -> Reply:
    """A token of two hours for a handle and its app password."""
    known = (world.bluesky.handle, world.bluesky.app_password)
    if (query.get("identifier"), query.get("password")) != known:
        return failure(401, "AuthenticationRequired", "Invalid identifier or password")
    handle = query["identifier"]
    token = f"eyJ.{int(world.now.timestamp())}"
    session = {"did": did(handle), "handle": handle, "active": True}
    return as_json({**session, "accessJwt": token, "refreshJwt": f"{token}.refresh"})


def written(world: World) -> list[WorldPost]:
    """The posts that exist now, the newest first; reposts are none."""
    found = [post for post in world.visible("bluesky") if not post.repost_of]
    return sorted(found, key=lambda post: (post.created_at, post.id), reverse=True)


def cards(post: WorldPost) -> Sequence[str]:
    return () if post.quote_of else post.urls[:1]


def facets(post: WorldPost) -> list[str]:
    further = post.urls[len(cards(post)) :]
    return [url for url in post.urls if url in further or url in post.text]


def viewed(post: WorldPost, there: dict[str, WorldPost]) -> dict[str, object]:
    """A post as app.bsky.feed.defs#postView shows it."""
    created = f"{post.created_at:%Y-%m-%dT%H:%M:%S}.000Z"
    record: dict[str, object] = {"$type": COLLECTION, "createdAt": created, "text": post.text}
    record["langs"] = [post.lang]
    if links := facets(post):
        record["facets"] = [facet(post.text, url) for url in links]
    view: dict[str, object] = {"uri": post.id, "cid": "bafyreiinvented", "author": author(post)}
    for url in cards(post):
        card = {"uri": url, "title": "A card", "description": ""}
        record["embed"] = {"$type": "app.bsky.embed.external", "external": card}
        view["embed"] = {"$type": "app.bsky.embed.external#view", "external": card}
    if post.quote_of:
        quoted = {"uri": post.quote_of, "cid": "bafyreiinvented"}
        record["embed"] = {"$type": "app.bsky.embed.record", "record": quoted}
        original = there.get(post.quote_of)
        inner = {**quoted, **(viewed(original, {}) if original else {})}
        view["embed"] = {"$type": "app.bsky.embed.record#view", "record": inner}
    counts = {"replyCount": post.replies, "repostCount": post.retweets}
    counts |= {"likeCount": post.favorites, "quoteCount": post.quotes, "bookmarkCount": 0}
    return {**view, "record": record, **counts, "indexedAt": created, "labels": []}


def author(post: WorldPost) -> dict[str, object]:
    own = did(post.author)
    label = {"src": own, "uri": f"at://{own}/app.bsky.actor.profile/self", "val": "bot"}
    labels = [{**label, "cts": "2026-03-05T00:00:00.000Z"}] if post.bot else []
    return {"did": own, "handle": post.author, "displayName": "Somebody", "labels": labels}


def facet(words: str, url: str) -> dict[str, object]:
    """A link within the text: over its own address, or over all of it."""
    start = max(words.find(url), 0)
    end = start + len(url) if url in words else len(words)
    index = {"byteStart": len(words[:start].encode()), "byteEnd": len(words[:end].encode())}
    return {"index": index, "features": [{"$type": FACET, "uri": url}]}


def whole(query: Query, name: str, default: int, allowed: range) -> int:
    """A parameter that is a whole number within its bounds."""
    given = query.get(name, str(default))
    if not given.isdigit() or int(given) not in allowed:
        raise RefusedError(f"Error: {name} must be from {allowed.start} to {allowed.stop - 1}")
    return int(given)


def failure(status: int, name: str, message: str) -> Reply:
    return as_json({"error": name, "message": message}, status)
