"""X API v2 as it answers: recent search, look-up, recent counts, compliance jobs and oEmbed.

Fields beyond id and text come only when asked for; the limits are those of the
documentation, refused with 400 and the documented shape of an error.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from html import escape

from tests.upstream import x_compliance
from tests.upstream.reply import Headers, Query, Reply, as_json
from tests.upstream.world import EPOCH_MS, World, WorldPost
from tests.upstream.x_query import InvalidQueryError, compiled

HORIZON = timedelta(days=7)
PROBLEMS = "https://api.twitter.com/2/problems/"
RENAMED = {
    "retweet_count": "repost_count",
    "edit_history_tweet_ids": "edit_history_post_ids",
    "referenced_tweets": "referenced_posts",
}
SHARED = {"tweet.fields", "expansions", "user.fields", "media.fields", "poll.fields"}
SHARED |= {"place.fields"}
SPAN = {"query", "start_time", "end_time", "since_id", "until_id"}
SEARCH = SHARED | SPAN | {"max_results", "next_token", "pagination_token", "sort_order"}
COUNTS = SPAN | {"granularity", "next_token", "pagination_token", "search_count.fields"}
FIELDS = {
    *("attachments", "author_id", "context_annotations", "conversation_id", "created_at"),
    *("edit_history_tweet_ids", "edit_history_post_ids", "entities", "geo", "id"),
    *("in_reply_to_user_id", "lang", "note_tweet", "possibly_sensitive", "public_metrics"),
    *("referenced_tweets", "referenced_posts", "reply_settings", "source", "text"),
}
MINIMUM = {"id", "text", "edit_history_tweet_ids"}


class RefusedError(Exception):
    """One parameter is wrong; becomes the 400 that names it."""

    def __init__(self, parameter: str, value: str, message: str) -> None:
        super().__init__(message)
        self.parameter, self.value = parameter, value


def answer(world: World, path: str, query: Query, headers: Headers) -> Reply:
    """Answer one request below X's base; /oembed needs no token."""
    if path == "/oembed":
        return oembed(world, query)
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or not token or (world.x.token and token != world.x.token):
        return problem(401, "Unauthorized", "Unauthorized", "about:blank")
    if path.startswith("/2/compliance/jobs"):
        if world.x.has_compliance:
            return x_compliance.jobs(world, path, query, headers)
        return problem(403, "Forbidden", "client-not-enrolled", "about:blank")
    routes = {
        "/2/tweets/search/recent": search,
        "/2/tweets/counts/recent": counts,
        "/2/tweets": look_up,
    }
    if path not in routes:
        return problem(404, "Not Found", "Not Found", "about:blank")
    try:
        return as_json(routes[path](world, query), headers=limits(world))
    except RefusedError as refused:
        return invalid(refused)


def search(world: World, query: Query) -> dict[str, object]:
    """GET /2/tweets/search/recent: newest first, ten to a page unless told otherwise."""
    check_names(world, query, SEARCH)
    size = number(query, "max_results", 10, range(10, 101))
    found = matching(world, query)
    if query.get("sort_order") == "relevancy":
        found.sort(key=lambda post: post.favorites + post.retweets, reverse=True)
    start = offset(query)
    posts = found[start : start + size]
    if not posts:
        return {"meta": {"result_count": 0}}
    ids = sorted(int(post.id) for post in posts)
    meta = {"newest_id": str(ids[-1]), "oldest_id": str(ids[0]), "result_count": len(posts)}
    if len(found) > start + size:
        meta["next_token"] = f"b26v89c19zqg8o3f{start + size}"
    return {**rendered(world, query, posts), "meta": meta}


def look_up(world: World, query: Query) -> dict[str, object]:
    """GET /2/tweets?ids=: up to 100, in the order asked; missing, hidden ones become errors[]."""
    check_names(world, query, SHARED | {"ids"})
    ids = query.get("ids", "").split(",")
    if not 1 <= len(ids) <= 100 or not all(re.fullmatch(r"\d{1,19}", one) for one in ids):
        message = f"The number of values in the `ids` query parameter list [{len(ids)}] is not "
        raise RefusedError("ids", query.get("ids", ""), message + "between 1 and 100, or bad")
    there = {post.id: post for post in shown(world)}
    posts = [there[one] for one in ids if one in there]
    document = rendered(world, query, posts) if posts else {}
    hidden = {post.id for post in world.visible("x")} - set(there)
    if missing := [
        not_authorized(one) if one in hidden else gone(one) for one in ids if one not in there
    ]:
        document["errors"] = missing
    return document


def shown(world: World) -> list[WorldPost]:
    """The posts anybody may see."""
    return [post for post in world.visible("x") if post.author not in world.x.hidden]


def counts(world: World, query: Query) -> dict[str, object]:
    """GET /2/tweets/counts/recent: one bucket per day or hour that has a post."""
    check_names(world, query, COUNTS)
    unit = query.get("granularity", "hour")
    if unit not in ("minute", "hour", "day"):
        raise RefusedError("granularity", unit, "granularity must be one of minute, hour, day")
    width = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
    zero = {"day": {"hour": 0, "minute": 0}, "hour": {"minute": 0}, "minute": {}}[unit]
    tally: dict[datetime, int] = {}
    for post in matching(world, query):
        start = post.created_at.replace(second=0, microsecond=0, **zero)  # type: ignore[arg-type]
        tally[start] = tally.get(start, 0) + 1
    buckets = [
        {"start": stamp(start), "end": stamp(start + width[unit]), "tweet_count": tally[start]}
        for start in sorted(tally)
    ]
    return {"data": buckets, "meta": {"total_tweet_count": sum(tally.values())}}


def matching(world: World, query: Query) -> list[WorldPost]:
    """The posts of the last seven days that fit the query and its span, newest first."""
    wanted = query.get("query", "")
    if not 1 <= len(wanted) <= 512:
        raise RefusedError("query", wanted, "`query` must have a length between 1 and 512")
    try:
        fits = compiled(wanted)
    except InvalidQueryError as wrong:
        raise RefusedError("query", wanted, str(wrong)) from wrong
    start, end = span(world, query)
    last, first = int(query.get("since_id", 0)), int(query.get("until_id", 2**63))
    found = [
        post
        for post in shown(world)
        if start <= post.created_at < end
        and last < int(post.id) < first
        and (world.x.search_has_reposts or not post.repost_of)
        and fits(post)
    ]
    return sorted(found, key=lambda post: int(post.id), reverse=True)


def span(world: World, query: Query) -> tuple[datetime, datetime]:
    """Start and end of the search; with since_id, start_time has no effect.

    Exactly seven days ago is refused: by the time a real request arrives it is too old.
    """
    oldest = world.now - HORIZON
    since, given = query.get("since_id"), query.get("start_time")
    if since and (not since.isdigit() or posted_at(since) <= oldest):
        text = f"'since_id' must be a tweet id created after [{stamp(oldest)}]."
        raise RefusedError("since_id", since, text)
    start = instant("start_time", given) if given and not since else oldest
    if given and not since and start <= oldest:
        text = f"'start_time' must be on or after {stamp(oldest)}."
        raise RefusedError("start_time", given, text)
    end = instant("end_time", query["end_time"]) if "end_time" in query else world.now
    if "end_time" in query and end > world.now - timedelta(seconds=10):
        text = "'end_time' must be a minimum of 10 seconds prior to the request time."
        raise RefusedError("end_time", query["end_time"], text)
    return start, end


def rendered(world: World, query: Query, posts: Sequence[WorldPost]) -> dict[str, object]:
    """`data`, and `includes.users` where the expansion asks for it."""
    asked = query.get("post.fields", query.get("tweet.fields", ""))
    fields = MINIMUM | {field for field in asked.split(",") if field}
    if unknown := fields - FIELDS:
        raise RefusedError("tweet.fields", asked, f"[{unknown.pop()}] is not a valid field")
    data = [shaped(world, post, fields) for post in posts]
    document: dict[str, object] = {"data": data}
    if "author_id" in query.get("expansions", ""):
        names = dict.fromkeys(post.author for post in posts)
        document["includes"] = {"users": [user(name) for name in names]}
    return document


def shaped(world: World, post: WorldPost, fields: set[str]) -> dict[str, object]:
    """One post with the fields asked for, under today's names or the new ones."""
    aliases = {new: old for old, new in RENAMED.items()}
    fields = {aliases.get(field, field) for field in fields}
    whole = {key: value for key, value in full(world, post).items() if key in fields and value}
    if not (world.x.renamed or world.x.only_post_fields):
        return whole
    if isinstance(metrics := whole.get("public_metrics"), dict):
        whole["public_metrics"] = {RENAMED.get(key, key): metrics[key] for key in metrics}
    return {RENAMED.get(key, key): value for key, value in whole.items()}


def full(world: World, post: WorldPost) -> dict[str, object]:
    text, entities = with_links(world, post)
    pairs = (("retweeted", post.repost_of), ("quoted", post.quote_of))
    return {
        "id": post.id,
        "text": text,
        "edit_history_tweet_ids": [post.id],
        "author_id": user_id(post.author),
        "created_at": stamp(post.created_at),
        "lang": post.lang,
        "conversation_id": post.id,
        "entities": {"urls": entities} if entities else None,
        "public_metrics": metrics_of(world, post),
        "referenced_tweets": [{"type": kind, "id": other} for kind, other in pairs if other],
    }


def metrics_of(world: World, post: WorldPost) -> dict[str, int]:
    """The counts; a repost shows its original's retweets and nothing else of it."""
    return {
        "retweet_count": original(world, post).retweets,
        "reply_count": 0 if post.repost_of else post.replies,
        "like_count": 0 if post.repost_of else post.favorites,
        "quote_count": 0 if post.repost_of else post.quotes,
        "bookmark_count": post.favorites // 2,
        "impression_count": 0 if post.repost_of else 90 * post.favorites + 17,
    }


def original(world: World, post: WorldPost) -> WorldPost:
    """What a repost reposts; any other post itself."""
    return world.post(post.repost_of).at(world.now) if post.repost_of else post


def with_links(world: World, post: WorldPost) -> tuple[str, list[dict[str, object]]]:
    """The text with a t.co address per link, `& < >` escaped as X does, and the entities."""
    text = escape(post.text, quote=False)
    if post.repost_of:
        text = f"RT @{world.post(post.repost_of).author}: {text}"
    urls = list(post.urls)
    if post.quote_of:
        urls.append(f"https://twitter.com/i/web/status/{post.quote_of}")
    entities: list[dict[str, object]] = []
    for place, url in enumerate(urls):
        short = f"https://t.co/{sha256(f'{post.id}/{place}'.encode()).hexdigest()[:10]}"
        start = len(text) + 1
        text = f"{text} {short}"
        entities.append(entity(short, url, start))
    return text, entities


def entity(short: str, url: str, start: int) -> dict[str, object]:
    bare = url.split("://", 1)[-1]
    shown = bare if len(bare) <= 26 else bare[:25] + "…"
    place = {"start": start, "end": start + len(short), "url": short}
    return {**place, "expanded_url": url, "display_url": shown, "status": 200, "unwound_url": url}


def user(name: str) -> dict[str, object]:
    return {"id": user_id(name), "name": name.title(), "username": name}


def user_id(name: str) -> str:
    return str(int.from_bytes(name.encode()[:6], "big"))


def gone(post_id: str) -> dict[str, str]:
    return {
        "value": post_id,
        "detail": f"Could not find tweet with ids: [{post_id}].",
        "title": "Not Found Error",
        "resource_type": "tweet",
        "parameter": "ids",
        "resource_id": post_id,
        "type": PROBLEMS + "resource-not-found",
    }


def not_authorized(post_id: str) -> dict[str, str]:
    return {
        **gone(post_id),
        "detail": f"Sorry, you are not authorized to see the Tweet with ids: [{post_id}].",
        "title": "Authorization Error",
        "type": PROBLEMS + "not-authorized-for-resource",
    }


def oembed(world: World, query: Query) -> Reply:
    """publish.x.com/oembed for one post; 404 where it is gone."""
    matched = re.search(r"/status/(\d+)", query.get("url", ""))
    posts = {post.id: post for post in shown(world)}
    if not matched or matched[1] not in posts:
        return as_json({"error": "Sorry, that page does not exist"}, 404 if matched else 400)
    post = posts[matched[1]]
    href = f"https://twitter.com/{post.author}/status/{post.id}"
    text = with_links(world, post)[0]
    html = (
        f'<blockquote class="twitter-tweet"><p lang="{post.lang}" dir="ltr">{text}</p>&mdash; '
        f'{post.author.title()} (@{post.author}) <a href="{href}?ref_src=twsrc%5Etfw">'
        f"{post.created_at:%B} {post.created_at.day}, {post.created_at.year}</a></blockquote>\n"
    )
    if query.get("omit_script") not in ("1", "true", "t"):
        html += '<script async src="https://platform.x.com/widgets.js" charset="utf-8"></script>\n'
    return as_json(
        {
            "url": href,
            "author_name": post.author.title(),
            "author_url": f"https://twitter.com/{post.author}",
            "html": html,
            "width": 550,
            "height": None,
            "type": "rich",
            "cache_age": "3153600000",
            "provider_name": "Twitter",
            "provider_url": "https://twitter.com",
            "version": "1.0",
        }
    )


def check_names(world: World, query: Query, known: set[str]) -> None:
    """Refuse parameters X does not know; which of tweet.fields, post.fields is a rule."""
    if world.x.only_post_fields:
        known = known - {"tweet.fields"} | {"post.fields"}
    for name in query:
        if name not in known:
            listed = ",".join(sorted(known))
            text = f"The query parameter [{name}] is not one of [{listed}]"
            raise RefusedError(name, query[name], text)


def number(query: Query, name: str, default: int, allowed: range) -> int:
    value = query.get(name, str(default))
    if not value.isdigit() or int(value) not in allowed:
        text = f"The `{name}` query parameter value [{value}] is not between "
        raise RefusedError(name, value, f"{text}{allowed[0]} and {allowed[-1]}")
    return int(value)


def offset(query: Query) -> int:
    token = query.get("next_token", query.get("pagination_token", ""))
    if token and not (matched := re.fullmatch(r"b26v89c19zqg8o3f(\d+)", token)):
        raise RefusedError("next_token", token, "Invalid 'next_token'")
    return int(matched[1]) if token and matched else 0


def instant(name: str, value: str) -> datetime:
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z", value):
        raise RefusedError(name, value, f"'{name}' must be in the form YYYY-MM-DDTHH:mm:ssZ")
    return datetime.fromisoformat(value)


def stamp(moment: datetime) -> str:
    """The form of X's times: milliseconds and a Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def posted_at(post_id: str) -> datetime:
    """When an id was given out."""
    return datetime.fromtimestamp(((int(post_id) >> 22) + EPOCH_MS) / 1000, UTC)


def limits(world: World, remaining: int = 449, reset: timedelta | None = None) -> dict[str, str]:
    """The three headers of the rate limit."""
    until = world.now + (timedelta(minutes=15) if reset is None else reset)
    return {
        "x-rate-limit-limit": "450",
        "x-rate-limit-remaining": str(remaining),
        "x-rate-limit-reset": str(int(until.timestamp())),
    }


def invalid(refused: RefusedError) -> Reply:
    wrong = {"parameters": {refused.parameter: [refused.value]}, "message": str(refused)}
    return as_json(
        {
            "errors": [wrong],
            "title": "Invalid Request",
            "detail": "One or more parameters to your request was invalid.",
            "type": PROBLEMS + "invalid-request",
        },
        400,
    )


def problem(status: int, title: str, detail: str, kind: str) -> Reply:
    return as_json({"title": title, "detail": detail, "type": kind, "status": status}, status)
