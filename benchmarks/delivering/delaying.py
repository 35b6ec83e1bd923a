"""A relay that adds a delay each way and nothing else: any number of bytes may be under way."""

import asyncio
import sys
from collections import deque
from selectors import SelectSelector

READ_SIZE = 1 << 18


class Pipe:
    """One direction of a connection: what comes in goes out `seconds` later, in order."""

    def __init__(self, out: asyncio.StreamWriter, seconds: float) -> None:
        self._out = out
        self._seconds = seconds
        self._held: deque[bytes] = deque()

    async def carry(self, come: asyncio.StreamReader) -> None:
        """Until the other side closes."""
        loop = asyncio.get_running_loop()
        while data := await come.read(READ_SIZE):
            self._held.append(data)
            loop.call_later(self._seconds, self._release)
        await asyncio.sleep(self._seconds)
        self._out.close()

    def _release(self) -> None:
        if not self._out.is_closing():
            self._out.write(self._held.popleft())


async def relay(port: int, seconds: float) -> None:
    """Listen on a free port, say which, and relay to `port` until standard input ends."""

    async def both(come: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        answers, out = await asyncio.open_connection("127.0.0.1", port, limit=READ_SIZE)
        there, here = Pipe(out, seconds), Pipe(back, seconds)
        try:
            await asyncio.gather(there.carry(come), here.carry(answers))
        except ConnectionError:
            out.close()
            back.close()

    server = await asyncio.start_server(both, "127.0.0.1", 0, limit=READ_SIZE)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


def serve(port: int, seconds: float) -> None:
    """Run `relay` with timers finer than the millisecond that epoll counts in."""
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(SelectSelector())) as runner:
        runner.run(relay(port, seconds))
