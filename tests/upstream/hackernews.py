"""Hacker News as Algolia's search of it answers.

A post of the world on the network "hackernews" is a story: its first link is the story's
address, its text the title. What is deleted or dead is not in the index.

API: https://hn.algolia.com/api.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.upstream.reply import Headers, Query, Reply, as_json
from tests.upstream.world import World, WorldPost

NETWORK = "hackernews"
LARGEST_PAGE = 1000
REACH = 1000  # hits of one query that can be had, on all pages together
COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}
Fits = Callable[[dict[str, object]], bool]


class RefusedError(Exception):
    """A parameter is wrong; becomes the 400 that says so."""


def answer(world: World, path: str, query: Query, headers: Headers) -> Reply:
    """Answer one GET below Algolia's base."""
    if path != "/api/v1/search_by_date":
        return as_json({"status": 404, "error": "Not Found"}, 404)
    try:
        return as_json(search(world, query))
    except RefusedError as refused:
        return as_json({"message": str(refused), "status": 400}, 400)


def search(world: World, query: Query) -> dict[str, object]:
    """The stories that fit, newest first: one page, and none beyond the reach."""
    size = min(whole(query, "hitsPerPage", 20), LARGEST_PAGE)
    number = whole(query, "page", 0)
    tests = [tagged(query.get("tags", "")), measured(query.get("numericFilters", ""))]
    tests.append(said(query.get("query", ""), query.get("restrictSearchableAttributes", "")))
    stories = [shaped(post) for post in world.visible(NETWORK)]
    found = [story for story in stories if all(fits(story) for fits in tests)]
    found.sort(key=lambda story: (story["created_at_i"], story["objectID"]), reverse=True)
    reachable = found[:REACH]
    beyond = bool(number) and number * size >= len(reachable)
    return {
        "hits": reachable[number * size : (number + 1) * size],
        "nbHits": 0 if beyond else len(found),
        "page": number,
        "nbPages": 0 if beyond or not size else math.ceil(len(reachable) / size),
        "hitsPerPage": size,
        "exhaustiveNbHits": True,
        "query": query.get("query", ""),
        "processingTimeMS": 3,
    }


def shaped(post: WorldPost) -> dict[str, object]:
    """One hit."""
    url = post.urls[0] if post.urls else None
    return {
        "created_at": f"{post.created_at:%Y-%m-%dT%H:%M:%S}Z",
        "title": post.text,
        "url": url,
        "author": post.author,
        "points": post.favorites,
        "story_text": None,
        "comment_text": None,
        "num_comments": post.replies,
        "story_id": int(post.id),
        "created_at_i": int(post.created_at.timestamp()),
        "_tags": ["story", f"author_{post.author}", f"story_{post.id}"],
        "objectID": post.id,
        "_highlightResult": {
            "url": {"value": f"<em>{url}</em>", "matchLevel": "full", "matchedWords": []}
        },
    }


def tagged(tags: str) -> Fits:
    """Commas are AND, within parentheses they are OR."""
    groups = [group.strip("()").split(",") for group in re.findall(r"\([^()]*\)|[^,()]+", tags)]

    def fits(story: dict[str, object]) -> bool:
        return all(any(tag in words(story["_tags"]) for tag in group) for group in groups)

    return fits


def words(tags: object) -> list[str]:
    return [str(tag) for tag in tags] if isinstance(tags, list) else []


def measured(filters: str) -> Fits:
    """Comparisons with a number, all of which must hold."""
    parsed = [re.fullmatch(r"(\w+)(>=|<=|>|<|=)(\d+)", one) for one in filters.split(",") if one]
    if not all(parsed):
        raise RefusedError(f"invalid numeric filter: {filters}")
    compared = [(one[1], COMPARED[one[2]], int(one[3])) for one in parsed if one]

    def fits(story: dict[str, object]) -> bool:
        return all(holds(story[name], number) for name, holds, number in compared)

    return fits


def said(asked: str, attribute: str) -> Fits:
    """Every word of the query begins a word of the text: arxiv.org finds org-arxiv.test, too."""
    wanted = re.findall(r"\w+", asked.lower())
    where = [attribute] if attribute else ["title", "url", "author"]

    def fits(story: dict[str, object]) -> bool:
        there = re.findall(r"\w+", " ".join(str(story[name]) for name in where).lower())
        return all(any(word.startswith(one) for word in there) for one in wanted)

    return fits


def whole(query: Query, name: str, default: int) -> int:
    value = query.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,6}", value):
        raise RefusedError(f"invalid value for {name}")
    return int(value)
