"""Many who ask for one page at once: one makes it, and nobody waits for a slow neighbour."""

import anyio
from anyio import wait_all_tasks_blocked
from starlette.types import Message, Receive, Scope, Send

from trendbot.web.shelf import Shelf


def scope_of(path: str) -> Scope:
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
    }


async def receive() -> Message:
    return {"type": "http.disconnect"}


class Crowd:
    """Many requests for one page at once, and an app that answers when it is told to."""

    def __init__(self, control: bytes = b"public, max-age=60") -> None:
        self.control = control
        self.asked = 0
        self.may_answer = anyio.Event()
        self.may_send = anyio.Event()
        self.fails = False
        self.answers: list[bytes] = []
        self.failures = 0

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        number = self.asked
        await self.may_answer.wait()
        if self.fails and number == 1:
            raise RuntimeError("no page")
        headers = [(b"cache-control", self.control)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"page %d" % number})

    async def ask(self, shelf: Shelf, is_slow: bool = False) -> None:
        async def send(message: Message) -> None:
            if message["type"] == "http.response.body":
                if is_slow:
                    await self.may_send.wait()
                self.answers.append(message["body"])

        try:
            await shelf(scope_of("/"), receive, send)
        except RuntimeError:
            self.failures += 1


def test_many_who_ask_at_once_make_one_page() -> None:
    async def act() -> None:
        crowd = Crowd()
        shelf = Shelf(crowd.app, 5.0)
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(crowd.ask, shelf)
            await wait_all_tasks_blocked()
            assert crowd.asked == 1
            crowd.may_answer.set()
        assert crowd.answers == [b"page 1"] * 20

    anyio.run(act)


def test_when_making_the_page_fails_the_others_try_for_themselves() -> None:
    async def act() -> None:
        crowd = Crowd()
        crowd.fails = True
        shelf = Shelf(crowd.app, 5.0)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(crowd.ask, shelf)
            await wait_all_tasks_blocked()
            crowd.may_answer.set()
        assert crowd.failures == 1
        assert len(crowd.answers) == 2

    anyio.run(act)


def test_a_slow_reader_of_what_is_his_own_holds_up_nobody() -> None:
    async def act() -> None:
        crowd = Crowd(control=b"no-store")
        shelf = Shelf(crowd.app, 5.0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(crowd.ask, shelf, True)
            await wait_all_tasks_blocked()
            tasks.start_soon(crowd.ask, shelf)
            crowd.may_answer.set()
            await wait_all_tasks_blocked()
            assert crowd.answers == [b"page 2"]
            crowd.may_send.set()
        assert sorted(crowd.answers) == [b"page 1", b"page 2"]

    anyio.run(act)
