"""A tiny web server on loopback that plays a script, and a clock that obeys."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DATE = "Fri, 20 Nov 2026 07:00:00 GMT"


@dataclass
class Answer:
    """One scripted answer; `length` overrides the Content-Length, None leaves it out."""

    status: int = 200
    body: bytes = b"<p>papers</p>"
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "text/html"})
    length: int | None = -1


Script = Answer | Callable[[BaseHTTPRequestHandler], None]


class Site(ThreadingHTTPServer):
    """Plays `script` answer by answer, then repeats the last.

    `asked` holds path and headers of each request, `posted` the body of each POST and PUT.
    """

    daemon_threads = False

    def __init__(self) -> None:
        self.script: list[Script] = [Answer()]
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.posted: list[bytes] = []
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.at_once = 0
        self.most_at_once = 0
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"

    def answers(self, *script: Script) -> None:
        self.script = list(script)


class Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        site = self.server
        with site.lock:
            site.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
            answer = site.script.pop(0) if len(site.script) > 1 else site.script[0]
            site.at_once += 1
            site.most_at_once = max(site.most_at_once, site.at_once)
        self.under_way = True
        try:
            self.play(answer)
        finally:
            self.is_over()

    def do_POST(self) -> None:
        self.server.posted.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.do_GET()

    def do_PUT(self) -> None:
        self.do_POST()

    def is_over(self) -> None:
        """Count the request as answered: before the last byte, on which the next may begin."""
        with self.server.lock:
            self.server.at_once -= self.under_way
            self.under_way = False

    def play(self, answer: Script) -> None:
        if not isinstance(answer, Answer):
            answer(self)
            return
        self.send_response_only(answer.status)
        for name, value in ({"Date": DATE} | answer.headers).items():
            self.send_header(name, value)
        if answer.length is not None:
            length = len(answer.body) if answer.length < 0 else answer.length
            self.send_header("Content-Length", str(length))
        self.end_headers()
        with suppress(ConnectionError):  # who asked may have had enough
            self.wfile.write(answer.body[:-1])
            self.is_over()
            self.wfile.write(answer.body[-1:])

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[Site]:
    """A site that answers in a thread of its own."""
    with Site() as site:
        thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield site
        finally:
            site.over.set()
            site.shutdown()
            thread.join()


class Clock:
    """Time that passes only by sleeping, or by `step` whenever somebody looks."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.step = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    def __call__(self) -> float:
        self.time += self.step
        return self.time
