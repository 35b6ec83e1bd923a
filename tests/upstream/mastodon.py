"""Two of Mastodon's servers as they answer, and what reaches them from others.

A post of the world on the network "mastodon" or "mastodon_two" lives on that server, one on
"mastodon:host" on a server that answers nobody. Every one reaches both: under another id, and
with half of its counts. A post that names no hashtag has #arXiv below its text, as most about
papers have. A link trends that five accounts posted. Search needs the token.

API: https://docs.joinmastodon.org/methods/ (instance, search, statuses, timelines, trends).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from html import escape

from tests.upstream.reply import Headers, Query, Reply, as_json
from tests.upstream.world import World, WorldPost

DOMAINS = {"mastodon": "mastodon.example", "mastodon_two": "second.example"}
TOKEN = "a-token-of-mastodon"
TRENDING = 5
LOOKED_UP_AT_ONCE = 20
ELSEWHERE = 1 << 21  # what a server adds to the ids of statuses that are not its own
TAG = re.compile(r"#(\w+)")


class RefusedError(Exception):
    """No answer but a status and a reason."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class Server:
    """One server in its world; `knows` whoever asks has shown the token."""

    network: str
    world: World
    knows: bool

    @property
    def domain(self) -> str:
        """What stands behind the @ of its accounts."""
        return DOMAINS[self.network]

    def posts(self) -> list[WorldPost]:
        """All that reached it, the newest first; boosts too."""
        networks = {post.network for post in self.world.posts}
        ours = [name for name in networks if name.partition(":")[0] in DOMAINS]
        found = [post for name in ours for post in self.world.visible(name)]
        return sorted(found, key=lambda post: int(self.id_of(post)), reverse=True)

    def id_of(self, post: WorldPost) -> str:
        """Its id for a post."""
        return post.id if post.network == self.network else str(int(post.id) + ELSEWHERE)


def first(world: World, path: str, query: Query, headers: Headers) -> Reply:
    """Answer one GET below the first server."""
    return answer("mastodon", world, path, query, headers)


def second(world: World, path: str, query: Query, headers: Headers) -> Reply:
    """Answer one GET below the second."""
    return answer("mastodon_two", world, path, query, headers)


def answer(network: str, world: World, path: str, query: Query, headers: Headers) -> Reply:
    """Answer one GET below a server."""
    shown = headers.get("authorization", "")
    try:
        if shown not in ("", f"Bearer {TOKEN}"):
            raise RefusedError(401, "The access token is invalid")
        found = routed(Server(network, world, bool(shown)), path, query)
    except RefusedError as refused:
        return as_json({"error": str(refused)}, refused.status, limits(world))
    return as_json(found, headers=limits(world))


def routed(server: Server, path: str, query: Query) -> object:
    """What there is at a path."""
    match path.strip("/").split("/"):
        case ["api", "v2", "instance"]:
            return described(server)
        case ["api", "v1", "trends", "links"]:
            start, size = whole(query, "offset", 0), min(whole(query, "limit", 10), 20)
            return [linked(url, posts) for url, posts in trending(server)][start : start + size]
        case ["api", "v1", "timelines", "link"]:
            posts = dict(trending(server)).get(query.get("url", ""))
            return timeline(server, posts, query)
        case ["api", "v1", "timelines", "tag", tag]:
            return timeline(server, chosen(server, lambda post: tag.lower() in tags(post)), query)
        case ["api", "v2", "search"]:
            return searched(server, query)
        case ["api", "v1", "statuses"]:
            ids = query.get("id[]", "").split("\n")
            if len(ids) > LOOKED_UP_AT_ONCE:
                raise RefusedError(422, "Validation failed: Too many statuses")
            return [shaped(server, post) for post in server.posts() if server.id_of(post) in ids]
        case ["api", "v1", "statuses", id]:
            found = [post for post in server.posts() if server.id_of(post) == id]
            return shaped(server, found[0]) if found else missing()
    return missing()


def missing() -> object:
    raise RefusedError(404, "Record not found")


def described(server: Server) -> dict[str, object]:
    """What a server says of itself, shortened."""
    return {
        "domain": server.domain,
        "title": "A Server",
        "version": "4.5.2",
        "source_url": "https://github.com/mastodon/mastodon",
        "description": "Invented.",
        "api_versions": {"mastodon": 7},
    }


def searched(server: Server, query: Query) -> dict[str, object]:
    """Statuses by their words, for those who are known; nothing for others."""
    if not query.get("q"):
        raise RefusedError(400, "Missing search query")
    words = query["q"].lower()
    posts = chosen(server, lambda post: words in f"{post.text} {' '.join(post.urls)}".lower())
    found = timeline(server, posts, query) if server.knows else []
    return {"accounts": [], "statuses": found, "hashtags": []}


def chosen(server: Server, fits: Callable[[WorldPost], bool]) -> list[WorldPost]:
    """Statuses that are no boosts and fit."""
    return [post for post in server.posts() if not post.repost_of and fits(post)]


def trending(server: Server) -> list[tuple[str, list[WorldPost]]]:
    """The links that enough accounts posted, with the statuses; the most posted first."""
    about: dict[str, list[WorldPost]] = {}
    for post in chosen(server, lambda post: bool(post.urls)):
        about.setdefault(post.urls[0], []).append(post)
    found = [pair for pair in about.items() if len({post.author for post in pair[1]}) >= TRENDING]
    return sorted(found, key=lambda pair: (-len(pair[1]), pair[0]))


def timeline(
    server: Server, posts: Sequence[WorldPost] | None, query: Query
) -> list[dict[str, object]]:
    """One page of statuses, older than max_id."""
    if posts is None:
        raise RefusedError(404, "Record not found")
    size = min(whole(query, "limit", 20), 40)
    before = whole(query, "max_id", 1 << 80)
    found = [post for post in posts if int(server.id_of(post)) < before]
    return [shaped(server, post) for post in found[:size]]


def shaped(server: Server, post: WorldPost) -> dict[str, object]:
    """One status as a server knows it."""
    home = DOMAINS.get(post.network, post.network.partition(":")[2])
    is_own = post.network == server.network
    name = f"https://{home}/@{post.author}"
    share = 1 if is_own else 2
    return {
        "id": server.id_of(post),
        "created_at": f"{post.created_at:%Y-%m-%dT%H:%M:%S}.000Z",
        "in_reply_to_id": None,
        "sensitive": False,
        "spoiler_text": "",
        "visibility": "public",
        "language": post.lang,
        "uri": uri_of(post),
        "url": f"{name}/{post.id}",
        "replies_count": post.replies // share,
        "reblogs_count": post.retweets // share,
        "favourites_count": post.favorites // share,
        "quotes_count": post.quotes // share,
        "content": content(home, post),
        "reblog": shaped(server, server.world.post(post.repost_of)) if post.repost_of else None,
        "account": {
            "id": str(sum(post.author.encode())),
            "username": post.author,
            "acct": post.author if is_own else f"{post.author}@{home}",
            "display_name": post.author.title(),
            "bot": post.bot,
            "url": name,
        },
        "media_attachments": [],
        "mentions": [],
        "tags": [{"name": tag, "url": f"https://{server.domain}/tags/{tag}"} for tag in tags(post)],
        "card": card(post.urls[0]) if post.urls else None,
        "poll": None,
    }


def uri_of(post: WorldPost) -> str:
    """What a status is called everywhere."""
    home = DOMAINS.get(post.network, post.network.partition(":")[2])
    return f"https://{home}/users/{post.author}/statuses/{post.id}"


def text_of(post: WorldPost) -> str:
    return post.text if TAG.search(post.text) else f"{post.text} #arXiv"


def tags(post: WorldPost) -> list[str]:
    """The hashtags of a status in lower case."""
    return [tag.lower() for tag in TAG.findall(text_of(post))]


def content(home: str, post: WorldPost) -> str:
    """The HTML of a status: its words, and its links with their ends hidden."""
    parts = [f"<p>{TAG.sub(lambda tag: hashtag(home, tag[1]), escape(text_of(post), quote=False))}"]
    for url in post.urls:
        scheme, _, bare = url.partition("://")
        shown = f'<span class="invisible">{scheme}://</span><span class="">{escape(bare)}</span>'
        rel = 'rel="nofollow noopener noreferrer" target="_blank"'
        parts.append(f'<br /><a href="{escape(url)}" {rel}>{shown}</a>')
    return "".join([*parts, "</p>"])


def hashtag(home: str, tag: str) -> str:
    place = f"https://{home}/tags/{tag.lower()}"
    return f'<a href="{place}" class="mention hashtag" rel="tag">#<span>{tag}</span></a>'


def card(url: str) -> dict[str, object]:
    """The preview of a link."""
    words = {"title": "A Page", "description": "", "type": "link", "provider_name": "", "html": ""}
    return {"url": url, **words, "image": None, "embed_url": ""}


def linked(url: str, posts: Sequence[WorldPost]) -> dict[str, object]:
    """A link that trends, with its use on the last days."""
    accounts = str(len({post.author for post in posts}))
    day = str(int(max(post.created_at for post in posts).timestamp()) // 86400 * 86400)
    return {
        **card(url),
        "history": [{"day": day, "accounts": accounts, "uses": str(len(posts))}],
    }


def limits(world: World) -> dict[str, str]:
    """The headers of 300 requests in five minutes."""
    reset = world.now + timedelta(minutes=5)
    return {
        "X-RateLimit-Limit": "300",
        "X-RateLimit-Remaining": "299",
        "X-RateLimit-Reset": f"{reset:%Y-%m-%dT%H:%M:%S}.000000Z",
    }


def whole(query: Query, name: str, default: int) -> int:
    value = query.get(name, "")
    return int(value) if re.fullmatch(r"[0-9]{1,30}", value) else default
