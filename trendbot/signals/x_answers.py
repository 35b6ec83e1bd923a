"""What X answers, read: posts, and refusals with what they mean. No I/O here."""

import html
import re
from collections.abc import Collection, Iterator, Mapping, Set
from datetime import UTC, datetime, timedelta
from typing import Any

from trendbot.answers import count, moment, table, tables
from trendbot.errors import SignalError, SignalStopped
from trendbot.links import papers_in
from trendbot.model import Post, Reading
from trendbot.text import clean, cut

NAME = "x"
MAX_TEXT = 4000
POST_ID = re.compile(r"[0-9]{1,20}")
TOMORROW = "trendbot asks again tomorrow (UTC)"
# X counts the milliseconds in its ids from here.
FIRST_ID_AT = datetime(2010, 11, 4, 1, 42, 54, 657_000, tzinfo=UTC)
# What X says of posts that are deleted, and of those of suspended or protected accounts.
GONE = ("resource-not-found", "not-authorized-for-resource")


class Refused(Exception):
    """An answer of X other than 2xx: its status, what it says, and its rate limit's reset."""

    def __init__(self, status: int, problem: Mapping[str, Any], reset: str) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.problem = problem
        self.reset = reset


def explain(refused: Refused) -> SignalError:
    """Say what a refusal means and what to do; SignalStopped where X must rest for the day."""
    status, said = refused.status, _said(refused.problem)
    if status == 402:
        return SignalStopped(
            f"X: no credits left ({said}); top up at https://console.x.com; {TOMORROW}"
        )
    if status == 429:
        # A spent cap has no reset worth waiting for, whatever the header says.
        capped = "usage-capped" in str(refused.problem.get("type"))
        if capped or not re.fullmatch(r"[0-9]{1,11}", refused.reset):
            return SignalStopped(f"X: the cap of its plan is reached ({said}); {TOMORROW}")
        reset = datetime.fromtimestamp(int(refused.reset), UTC)
        return SignalError(
            f"X: too many requests; it may be asked again at {reset:%Y-%m-%d %H:%M} UTC"
        )
    if status in (401, 403):
        return SignalError(
            f"X refuses the token (HTTP {status}: {said}); check signals.x.bearer_token"
        )
    if status == 400:
        return SignalError(f"X refuses the request ({said}); check signals.x.query")
    advice = "try again later" if status >= 500 else "check signals.x.base_url"
    return SignalError(f"X answered HTTP {status} ({said}); {advice}")


def items_of(reply: Mapping[str, Any], most: int = 100) -> list[Mapping[str, Any]]:
    """Return the posts in an answer of X, `most` at most, as X gave them but each with an id.

    An answer without posts must say so, by a count of zero or by an error for every post
    asked for; anything else raises SignalError.
    """
    if reply.get("data") is None:
        if table(reply.get("meta"), "X", "meta").get("result_count") != 0 and not _all_gone(reply):
            raise SignalError(f"X returned neither posts nor a count of zero ({_said(reply)})")
        return []
    items = tables(reply["data"], "X", "data")
    for item in items:
        if not isinstance(item.get("id"), str) or not POST_ID.fullmatch(item["id"]):
            raise SignalError("X: a post has no id, or one that is no number")
    if len(items) > most:
        raise SignalError(f"X returned {len(items)} posts where {most} were asked for")
    return items


def to_post(item: Mapping[str, Any], wanted: Set[str], taken_at: datetime) -> Post | None:
    """Turn what X says of a post into a Post, or None if it is a repost or links elsewhere.

    Its papers are all it links to, if any is among the `wanted` keys. The author is X's
    number of the account, as its name would cost more than the post. Raises SignalError
    naming the field that is missing or makes no sense.
    """
    where = f"X: post {item['id']}"
    note = table(item.get("note_tweet") or item.get("note_post"), where, "note_tweet")
    linked = tuple(dict.fromkeys([*_linked(item, where), *_linked(note, where)]))
    text = note.get("text") or item.get("text")
    if not isinstance(text, str):
        raise SignalError(f"{where}: text is missing")
    if wanted.isdisjoint(linked) or _is_repost(item, text):
        return None
    counts = table(item.get("public_metrics"), where, "public_metrics")
    author = str(item.get("author_id", ""))
    return Post(
        signal=NAME,
        id=item["id"],
        papers=linked,
        author=author if POST_ID.fullmatch(author) else "",
        url=f"https://x.com/i/web/status/{item['id']}",
        posted_at=moment(item.get("created_at"), where, "created_at"),
        text=cut(clean(html.unescape(text)), MAX_TEXT),
        reading=Reading(
            taken_at=taken_at,
            retweets=count(counts, where, "retweet_count", "repost_count"),
            favorites=count(counts, where, "like_count"),
            replies=count(counts, where, "reply_count"),
        ),
    )


def posted_at(post_id: str) -> datetime:
    """When X gave out an id: its milliseconds are above the 22 low bits."""
    return FIRST_ID_AT + timedelta(milliseconds=int(post_id) >> 22)


def gone_of(reply: Mapping[str, Any], asked: Collection[str]) -> list[str]:
    """The ids of those asked for that X says are not there, or not for us to see.

    Other errors say nothing about a post, nor does its absence. Raises SignalError.
    """
    errors = tables(reply.get("errors"), "X", "errors")
    gone = {
        str(error.get("resource_id") or error.get("value"))
        for error in errors
        if str(error.get("type")).rpartition("/")[2] in GONE
    }
    return [post_id for post_id in asked if post_id in gone]


def _linked(item: Mapping[str, Any], where: str) -> Iterator[str]:
    entities = table(item.get("entities"), where, "entities")
    for url in tables(entities.get("urls"), where, "entities.urls"):
        for address in (url.get("expanded_url"), url.get("unwound_url")):
            if isinstance(address, str) and (key := papers_in(address)):
                yield key


def _is_repost(item: Mapping[str, Any], text: str) -> bool:
    references = item.get("referenced_tweets") or item.get("referenced_posts")
    kinds = {
        str(reference.get("type"))
        for reference in tables(references, f"X: post {item['id']}", "referenced_tweets")
    }
    return not kinds.isdisjoint({"retweeted", "reposted"}) or text.startswith("RT @")


def next_token(reply: Mapping[str, Any]) -> str | None:
    """Return what asks for the next page, or None after the last. Raises SignalError."""
    token = table(reply.get("meta"), "X", "meta").get("next_token")
    if token is not None and not (isinstance(token, str) and 0 < len(token) <= 1000):
        raise SignalError("X: meta.next_token is no token")
    return token


def _all_gone(reply: Mapping[str, Any]) -> bool:
    """Whether a look-up found none of its posts: each is in `errors`, deleted or withheld."""
    errors = tables(reply.get("errors"), "X", "errors")
    return bool(errors) and all(error.get("parameter") in ("id", "ids") for error in errors)


def _said(problem: Mapping[str, Any]) -> str:
    """What X says went wrong, in one line."""
    errors = problem.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    message = first.get("message") if isinstance(first, dict) else None
    parts = (problem.get("title"), message or problem.get("detail"))
    line = clean(": ".join(part for part in parts if isinstance(part, str)))
    return cut(line, 200) or "no reason given"
