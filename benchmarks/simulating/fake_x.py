"""X as far as trendbot's adapter asks it, on a loopback port."""

import json
import re
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from simulating.posts import HOUR, Made, Seen, paper_id


class FakeX:
    """X as far as the adapter asks it, made of made-up posts."""

    def __init__(self, made: Iterable[Made]) -> None:
        self._made = sorted(made, key=lambda post: -post.id)
        self._by_id = {post.id: post for post in self._made}
        self._found: dict[tuple[str | None, ...], list[Seen]] = {}
        self.now = 0.0
        self.sight: list[Seen] = []

    def move_to(self, now: float) -> None:
        """Let time pass: the posts of the last three days, newest first, as they are now."""
        self.now = now
        recent = (post for post in self._made if now - 72 * HOUR < post.at < now)
        self.sight = [(post, *post.counts(now)) for post in recent]
        self._found.clear()

    def answer(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        """What X would answer to a request."""
        if path == "/2/tweets":
            made = [self._by_id[int(post_id)] for post_id in query["ids"].split(",")]
            return {"data": [shown(post, *post.counts(self.now)) for post in made]}
        found = self._matching(query)
        if path == "/2/tweets/counts/recent":
            return {"meta": {"total_tweet_count": len(found)}}
        start, size = int(query.get("next_token", 0)), int(query["max_results"])
        page = found[start : start + size]
        meta: dict[str, Any] = {"result_count": len(page)}
        if len(found) > start + size:
            meta["next_token"] = str(start + size)
        return {"data": [shown(*one) for one in page], "meta": meta} if page else {"meta": meta}

    def _matching(self, query: Mapping[str, str]) -> list[Seen]:
        names = ("query", "start_time", "since_id", "until_id")
        key = tuple(query.get(name) for name in names)
        if key not in self._found:
            likes = int((re.findall(r"min_likes:(\d+)", query["query"]) or ["0"])[0])
            numbers = {int(one) for one in re.findall(r'url:"2611\.(\d+)"', query["query"])}
            start = datetime.fromisoformat(query["start_time"]).timestamp()
            first, last = int(query.get("since_id", 0)), int(query.get("until_id", 1 << 63))
            self._found[key] = [
                one
                for one in self.sight
                if one[2] >= likes
                and one[0].at >= start
                and first < one[0].id < last
                and (not numbers or one[0].paper in numbers)
            ]
        return self._found[key]


class Handler(BaseHTTPRequestHandler):
    """Answers for the X of its server."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        body = json.dumps(self.server.fake.answer(parts.path, query)).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        self.wfile.write(head.encode() + b"\r\n\r\n" + body)  # at once, or TCP waits

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A loopback server for one X after the other."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.fake = FakeX([])
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


def shown(post: Made, retweets: int, favorites: int) -> dict[str, Any]:
    """A post as X gives it."""
    return {
        "id": str(post.id),
        "text": "a paper https://t.co/invented",
        "author_id": str(post.id % 9973),
        "created_at": datetime.fromtimestamp(post.at, UTC).isoformat(),
        "entities": {"urls": [{"expanded_url": f"https://arxiv.org/abs/{paper_id(post.paper)}"}]},
        "public_metrics": {"retweet_count": retweets, "like_count": favorites, "reply_count": 0},
    }
