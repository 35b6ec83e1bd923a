"""The upstream: arXiv and the networks, each on a loopback port of its own, for tests to script.

    from tests.upstream.server import Upstream
    from tests.upstream.world import WorldPaper, WorldPost, small_world

    with Upstream(small_world(date(2026, 11, 20))) as upstream:
        ...

Addresses, as the settings base_url, api_url and rss_url take them; every service of SERVICES
has one by its name. Below each:

    upstream.arxiv        /list/<cat>/new?skip=&show=   /catchup/<cat>/<date>?abs=True&page=
    upstream.arxiv_api    ?search_query=&id_list=&start=&max_results=&sortBy=   (ends /api/query)
    upstream.rss          /<cat>, categories joined by +   (ends /rss)
    upstream.x            /2/tweets/search/recent   /2/tweets?ids=   /2/tweets/counts/recent
                          /2/compliance/jobs   /2/compliance/jobs/<id>   /oembed?url=
                          (any bearer token, unless world.x.token names one)
    upstream.x_storage    the files of compliance jobs, for PUT and GET
    upstream.huggingface  /api/daily_papers?date=&limit=&p=   /api/papers/<id>
    upstream.constellation  /xrpc/blue.microcosm.links.getBacklinks?subject=&source=&limit=&cursor=
    upstream.bsky         /xrpc/app.bsky.feed.getPosts?uris=
    upstream.pds          /xrpc/com.atproto.server.createSession   /xrpc/app.bsky.feed.searchPosts
    upstream.hackernews   /api/v1/search_by_date?query=&tags=&numericFilters=&hitsPerPage=&page=
    upstream.mastodon     /api/v2/instance   /api/v1/trends/links   /api/v1/timelines/link?url=
                          /api/v1/timelines/tag/<tag>   /api/v2/search?q=   /api/v1/statuses
    upstream.mastodon_two the same, of another server

A new service is a function `answer(world, path, query, headers)` in a file of its own and a
line in SERVICES. What a POST holds as JSON comes as its query; of a name that is asked for
several times the query holds each value on a line. What is PUT comes as `body`.

`upstream.world` is what they speak about, and every request reads it anew: change
`world.today`, `world.now`, `world.papers`, `world.posts`, a post's counts, `world.x` (an
XRules: how X behaves for good) whenever you like. Nothing reads the wall clock; the Date
header is `world.now`. Posts later than `world.now` do not exist yet; X refuses spans older
than seven days before it, arXiv days more than 90 before `world.today`. The real limits hold
(show, max_results, query length, ids, unknown parameters, tokens): see arxiv.py, x.py.

What was asked, in order: `upstream.requests`, tuples (service, path, query, headers, at)
with service a name of SERVICES, path as on the real host ("/list/…", "/api/query", "/rss/…",
"/2/tweets/…", "/api/daily_papers"), names of headers in lower case, `at` the world's clock.
What was answered: `upstream.replies`, pairs of a request and a Reply.
`upstream.asked(where)` gives those that match, `upstream.wait_for(where)` blocks until one has
come in.

Faults: `upstream.fault(where, kind, times=1, after=0, **how)`, where `where` is a service's
name or a pattern of the path (`"/list/cs.LG/*"`); `times=None` means until `clear_faults()`,
`after=n` lets n matching requests pass first. Of several that spoil the reply the oldest
strikes, one to a request; those that bend the world add up.

  These spoil the reply:

    status              status=503, body="", headers={"Retry-After": "300"}
    blocked             406 with a page, as arXiv's edge does
    malformed           the first third of the answer and garbage; body=b"..." to choose
    json                document=...: well-formed, unexpected
    content_type        content_type="application/pdf" on the right body
    slow                sent=n bytes of the body (default 0, not even the head), then nothing
                        until `upstream.release()`, then the rest
    drip                one byte every `every` seconds (0.02) until `release()`, then the rest
    cut                 the full Content-Length, sent=n bytes (default half), then closed
    close               closed without a word
    huge                megabytes=50 of blanks after the body, without a Content-Length
    credits             402 CreditsDepleted
    rate_limited        429; reset=60 seconds from world.now, reset=None for no header
    usage_capped        429 with the body of the monthly cap

  and these bend the world:

    stale               arXiv's previous day under today's Date
    empty               as if there were no papers, posts or entries; on /list and /catchup this
                        is what a lagging replica says on a busy day
    renamed, only_post_fields, search_has_reposts     XRules for these answers only

Listing pages, API and RSS carry ETag and Last-Modified and answer 304. Leaving the `with`
block releases what is held, closes every socket and raises what went wrong inside the server.
"""

import functools
import hashlib
import json
import selectors
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time
from email.utils import format_datetime, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.upstream import (
    arxiv,
    arxiv_feeds,
    bluesky,
    hackernews,
    huggingface,
    mastodon,
    x,
    x_compliance,
)
from tests.upstream.faults import KINDS, Fault, bent, matches, spoiled, strike
from tests.upstream.reply import Headers, Query, Reply
from tests.upstream.world import World

Answer = Callable[[World, str, Query, Headers], Reply]
SERVICES: dict[str, Answer] = {
    "arxiv": arxiv.answer,
    "arxiv_api": arxiv_feeds.api,
    "rss": arxiv_feeds.rss,
    "x": x.answer,
    "x_storage": x_compliance.storage,
    "huggingface": huggingface.answer,
    "constellation": bluesky.constellation,
    "bsky": bluesky.appview,
    "pds": bluesky.pds,
    "hackernews": hackernews.answer,
    "mastodon": mastodon.first,
    "mastodon_two": mastodon.second,
}
BASES = {"arxiv_api": "/api/query", "rss": "/rss"}  # what an address has behind its port
PATIENCE = 30.0  # seconds until an idle connection or a waiting test is given up


class Request(NamedTuple):
    """One request as it came in; `path` is below the service's base and unquoted."""

    service: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    at: datetime


class Upstream:
    """The server of a world; use it as a context manager. The module's text is its manual."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.requests: list[Request] = []
        self.replies: list[tuple[Request, Reply]] = []
        self.failures: list[BaseException] = []
        self.released = threading.Event()
        self._faults: list[Fault] = []
        self._arrival = threading.Condition()
        self._servers = {service: Server(self, service) for service in SERVICES}
        self._end, self._ended = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __getattr__(self, service: str) -> str:
        """The address of a service."""
        if service not in SERVICES:
            raise AttributeError(f"no service {service!r}; there are {sorted(SERVICES)}")
        port = self._servers[service].server_address[1]
        return f"http://127.0.0.1:{port}{BASES.get(service, '')}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
        self._end.close()
        self._thread.join()
        self._ended.close()
        for server in self._servers.values():
            server.close()
        if self.failures and error is None:
            raise self.failures[0]

    def _serve(self) -> None:
        """Take the connections of all services, on one thread that only wakes for them."""
        with selectors.DefaultSelector() as ready:
            ready.register(self._ended, selectors.EVENT_READ)
            for server in self._servers.values():
                ready.register(server, selectors.EVENT_READ, server)
            while True:
                for key, _ in ready.select():
                    if key.fileobj is self._ended:
                        return
                    key.data.handle_request()

    def fault(
        self, where: str, kind: str, times: int | None = 1, after: int = 0, **how: Any
    ) -> None:
        """Let the next `times` requests that match `where` go wrong."""
        if kind not in KINDS:
            raise ValueError(f"no fault {kind!r}; there are {sorted(KINDS)}")
        if kind in ("slow", "drip"):
            self.released.clear()
        with self._arrival:
            self._faults.append(Fault(where, kind, times, after, how))

    def clear_faults(self) -> None:
        """Be well again."""
        with self._arrival:
            self._faults.clear()

    def release(self) -> None:
        """Let every held reply go on."""
        self.released.set()

    def asked(self, where: str) -> list[Request]:
        """The requests so far that match `where`."""
        return [one for one in list(self.requests) if matches(where, one.service, one.path)]

    def wait_for(self, where: str, count: int = 1) -> list[Request]:
        """Block until `count` requests match `where`; AssertionError if they never come."""
        with self._arrival:
            came = self._arrival.wait_for(lambda: len(self.asked(where)) >= count, PATIENCE)
        assert came, f"{count} requests for {where} did not come"
        return self.asked(where)

    def answer(self, request: Request) -> Reply:
        """Note the request and answer it, as the next fault for it demands."""
        with self._arrival:
            self.requests.append(request)
            self._arrival.notify_all()
            faults = strike(self._faults, request.service, request.path)
        seen = functools.reduce(bent, faults, self.world)
        reply = SERVICES[request.service](seen, request.path, request.query, request.headers)
        reply = conditional(seen, request, reply)
        reply = functools.reduce(lambda left, fault: spoiled(left, seen, fault), faults, reply)
        self.replies.append((request, reply))
        return reply


def conditional(world: World, request: Request, reply: Reply) -> Reply:
    """Add ETag and Last-Modified, and answer 304 where the client has it (RFC 9110, 13)."""
    if not reply.cacheable or reply.status != 200:
        return reply
    etag = f'"{hashlib.sha256(reply.body).hexdigest()[:24]}"'
    changed = datetime.combine(world.last_announcement(), time(1), UTC)
    stamps = {"ETag": etag, "Last-Modified": format_datetime(changed, usegmt=True)}
    if "if-none-match" in request.headers:
        unchanged = etag in request.headers["if-none-match"]
    else:
        since = request.headers.get("if-modified-since")
        unchanged = since is not None and changed <= parsedate_to_datetime(since)
    if unchanged:
        return Reply(304, b"", stamps)
    return Reply(reply.status, reply.body, {**reply.headers, **stamps})


class Server(ThreadingHTTPServer):
    """Knows its threads and connections, so that closing leaves none of them behind."""

    daemon_threads = True
    request_queue_size = 64
    timeout = 0  # a connection that is gone again is not waited for

    def __init__(self, upstream: Upstream, service: str) -> None:
        self.upstream = upstream
        self.service = service
        self._open: set[socket.socket] = set()
        self._workers: list[threading.Thread] = []
        super().__init__(("127.0.0.1", 0), Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection on a thread that close() can wait for."""
        self._open.add(request)
        worker = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        self._workers.append(worker)
        worker.start()

    def shutdown_request(self, request: Any) -> None:
        """Close a connection, from its own thread."""
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep what went wrong for the test, but for clients that went away."""
        error = sys.exception()
        if error and not isinstance(error, ConnectionError | TimeoutError):
            self.upstream.failures.append(error)

    def close(self) -> None:
        """Wake every thread that waits for a client, and wait for its end."""
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                self._open.discard(connection)  # its client or its thread was faster
        for worker in self._workers:
            worker.join(PATIENCE)
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    """Reads one request after the other and sends each reply in its manner."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes: 40 ms a request otherwise
    timeout = PATIENCE
    server: Server

    def do_GET(self) -> None:
        """Ask the service and send what it says."""
        self.serve(parse_qs(urlsplit(self.path).query, keep_blank_values=True))

    def do_POST(self) -> None:
        """The same, with what the body holds as the query."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.serve({name: [str(value)] for name, value in body.items()})

    def do_PUT(self) -> None:
        """The same, with the whole body as `body` beside the query."""
        asked = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.serve({**asked, "body": [body]})

    def serve(self, asked: Mapping[str, list[str]]) -> None:
        """Note what is asked, ask the service, send what it says."""
        upstream = self.server.upstream
        request = Request(
            self.server.service,
            unquote(urlsplit(self.path).path),
            {name: "\n".join(values) for name, values in asked.items()},
            {name.lower(): value for name, value in self.headers.items()},
            upstream.world.now,
        )
        self.send(upstream.answer(request))

    def send(self, reply: Reply) -> None:
        """Send the reply as its manner says."""
        manners = {
            "whole": self.send_whole,
            "slow": self.send_slowly,
            "drip": self.drip,
            "cut": self.send_cut,
            "close": self.hang_up,
            "huge": self.send_huge,
        }
        manners[reply.manner](reply, **reply.how)

    def send_whole(self, reply: Reply) -> None:
        self.head(reply)
        self.wfile.write(reply.body)

    def send_slowly(self, reply: Reply, sent: int = 0) -> None:
        if sent:
            self.head(reply)
            self.wfile.write(reply.body[:sent])
        self.server.upstream.released.wait(PATIENCE)
        if not sent:
            self.head(reply)
        self.wfile.write(reply.body[sent:])

    def drip(self, reply: Reply, every: float = 0.02) -> None:
        self.head(reply)
        sent = 0
        while sent < len(reply.body) and not self.server.upstream.released.wait(every):
            self.wfile.write(reply.body[sent : sent + 1])
            sent += 1
        self.wfile.write(reply.body[sent:])

    def send_cut(self, reply: Reply, sent: int | None = None) -> None:
        self.head(reply)
        self.wfile.write(reply.body[: len(reply.body) // 2 if sent is None else sent])
        self.close_connection = True

    def hang_up(self, reply: Reply) -> None:
        self.close_connection = True

    def send_huge(self, reply: Reply, megabytes: int = 50) -> None:
        self.head(reply, length=False)
        self.wfile.write(reply.body)
        for _ in range(megabytes * 16):
            self.wfile.write(b" " * 65536)
        self.close_connection = True

    def head(self, reply: Reply, length: bool = True) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if length and reply.status != 304:
            self.send_header("Content-Length", str(len(reply.body)))
        if not length:
            self.send_header("Connection", "close")
        self.end_headers()

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date header shows the world's clock."""
        return format_datetime(self.server.upstream.world.now.astimezone(UTC), usegmt=True)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing; the test reads `requests`."""
