"""The lines of one `send`: who carries which mail, and when it is enough.

    mails ──> waiting ──> a line that is free, or talking and wants one ahead ──> outcomes
                 ▲             │ not handed over: hand_back
                 └─────────────┘ every line shut, or the server refuses us: refuse

The loop turns only inside `work`, in the thread of the caller, until something is to be told
or a mail is wanted. The first line opens alone, so that a wrong password is tried once; a
line that is refused rests while the others go on, and the run ends when all of them are.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from time import monotonic

from trendbot.errors import TransportError
from trendbot.model import DeliveryState, Mail, Outcome
from trendbot.transports.smtp_dial import Unreachable
from trendbot.transports.smtp_line import Line

# How long before its time the envelope of a mail may leave; the message waits.
_AHEAD = 1.0
_LOOK_EVERY = 0.5
_TICK = 0.001
# So often a mail moves to another connection before it is deferred.
_MOVES = 3


class Crew:
    """All that is under way in one `send`."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, lines: Sequence[Line], idle_timeout: float
    ) -> None:
        self._loop = loop
        self._lines = sorted(lines, key=lambda line: not line.is_open)
        self._idle_timeout = idle_timeout
        self._tasks: list[asyncio.Task[None]] = []
        self._waiting: deque[Mail] = deque()
        self._parked: list[tuple[asyncio.Future[Mail | None], float]] = []
        self._asking: list[asyncio.Future[None]] = []
        self._outcomes: list[Outcome] = []
        self._under_way = 0  # taken from the caller, and nothing told of it
        self._moves: Counter[int] = Counter()
        self._shut: set[Line] = set()
        self._refusal: Exception | None = None
        self._failure: BaseException | None = None
        self._exhausted = self._stirred = self._reached = False
        self._alarm: asyncio.TimerHandle | None = None
        self._watch: asyncio.TimerHandle | None = None

    def work(self, mails: Iterator[Mail]) -> Iterator[Outcome]:
        """Carry all mails and yield outcomes.

        Raises TransportError, or what `mails` raised, once all under way are told.
        """
        try:
            self._begin()
            while True:
                self._fetch(mails)
                if not self._under_way:
                    break
                self._turn()
                told, self._outcomes = self._outcomes, []
                yield from told
                if self._failure is not None:
                    raise self._failure
        finally:
            self.end()
        if self._refusal is not None:
            raise self._refusal

    def end(self) -> None:
        """Cancel what is under way; such connections are closed, idle ones stay open."""
        tasks, self._tasks = self._tasks, []
        for timer in (self._alarm, self._watch):
            if timer is not None:
                timer.cancel()
        self._waiting.clear()
        self._exhausted = True
        if tasks:
            self._loop.run_until_complete(_over(tasks, self._lines))

    def _begin(self) -> None:
        """Start with what is open, after a look at what came meanwhile, else with one line."""
        self._loop.run_until_complete(_catch_up())
        self._reached = any(line.is_open for line in self._lines)
        if not self._reached:
            for line in self._lines:
                line.refresh()
        self._start(self._lines if self._reached else self._lines[:1])
        self._look()

    def _start(self, lines: Sequence[Line]) -> None:
        for line in lines:
            task = self._loop.create_task(line.run(self))
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = error
            self._stir()

    def _fetch(self, mails: Iterator[Mail]) -> None:
        """Take from the caller what can begin soon."""
        wanted = max(1, len(self._parked)) + sum(line.talking for line in self._lines)
        while not self._exhausted and self._refusal is None and len(self._waiting) < wanted:
            try:
                mail = next(mails, None)
            except Exception as error:  # noqa: BLE001  # raised again when all under way are told
                self.refuse(error)
                break
            if mail is None:
                self._exhausted = True
            else:
                self._under_way += 1
                self._waiting.append(mail)
        for future in self._asking:
            if not future.done():
                future.set_result(None)
        self._asking.clear()
        self._hand_out()

    def _turn(self) -> None:
        """Let the lines work until there is something to tell or to fetch."""
        self._stirred = False
        self._loop.run_forever()

    def _stir(self) -> None:
        if not self._stirred:
            self._stirred = True
            self._loop.stop()

    def _hand_out(self) -> None:
        """Give mails that are due to lines that wait; the last to come is the warmest."""
        while self._parked and self._waiting and self._is_due(self._waiting[0]):
            future, _ = self._parked.pop()
            if not future.done():
                future.set_result(self._waiting.popleft())

    def _is_due(self, mail: Mail) -> bool:
        moment = mail.not_before - _AHEAD
        if moment <= monotonic():
            return True
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._loop.call_later(max(moment - monotonic(), _TICK), self._rang)
        return False

    def _rang(self) -> None:
        self._alarm = None
        self._hand_out()

    def _look(self) -> None:
        """End what takes too long; one timer for all lines."""
        now = monotonic()
        for line in self._lines:
            if line.wire is not None:
                line.wire.look(now)
        for future, since in self._parked:
            if now - since > self._idle_timeout and not future.done():
                future.set_result(None)
        self._parked = [entry for entry in self._parked if not entry[0].done()]
        self._watch = self._loop.call_later(_LOOK_EVERY, self._look)

    # What lines say

    async def next_mail(self) -> Mail | None:
        """Wait for a mail; None after the idle time, when the connection is to be closed."""
        if self._waiting and self._is_due(self._waiting[0]):
            return self._take()
        future: asyncio.Future[Mail | None] = self._loop.create_future()
        self._parked.append((future, monotonic()))
        self._stir()
        return await future

    async def mail_ahead(self) -> Mail | None:
        """A mail that can follow at once, if there is one; the caller is asked first."""
        if not self._waiting and not self._exhausted and self._refusal is None:
            future: asyncio.Future[None] = self._loop.create_future()
            self._asking.append(future)
            self._stir()
            await future
        return self._take() if self._waiting and self._is_due(self._waiting[0]) else None

    def _take(self) -> Mail:
        if not self._exhausted:
            self._stir()
        return self._waiting.popleft()

    def settle(self, outcome: Outcome) -> None:
        """What became of a mail."""
        self._outcomes.append(outcome)
        self._under_way -= 1
        self._stir()

    def drop(self) -> None:
        """A mail that was not handed over and will not be, for the run ends."""
        self._under_way -= 1
        self._stir()

    def hand_back(self, mail: Mail, why: str) -> bool:
        """A mail that was not handed over: another connection's turn, unless it had enough."""
        self._moves[mail.id] += 1
        if self._refusal is not None:
            self.drop()
        elif self._moves[mail.id] > _MOVES:
            self.settle(Outcome(mail.id, DeliveryState.DEFERRED, detail=why))
            return False
        else:
            self._waiting.appendleft(mail)
            self._hand_out()
        return True

    def unreachable(self, line: Line, mail: Mail, error: Unreachable) -> None:
        """A connection did not come about; the server may allow fewer than ours."""
        if error.final or not self._reached:
            self.refuse(error)
        else:
            self.shut(line, str(error))
        self._moves[mail.id] -= 1
        self.hand_back(mail, str(error))

    def shut(self, line: Line, why: str) -> None:
        """A line rests because the server would not have it; too bad if it has none."""
        self._shut.add(line)
        if len(self._shut) == len(self._lines):
            self.refuse(TransportError(why))

    def refuse(self, error: Exception) -> None:
        """The run ends; what is under way is still brought to its outcome."""
        self._refusal = self._refusal or error
        self._under_way -= len(self._waiting)
        self._waiting.clear()
        self._stir()

    def opened(self) -> None:
        """The server talks to us: the other lines may come too."""
        if not self._reached:
            self._reached = True
            self._start(self._lines[1:])

    def well(self) -> None:
        """A mail was taken: nobody counts as shut out."""
        if self._shut:
            self._shut.clear()


async def _catch_up() -> None:
    """Let the loop see what arrived on connections while it stood still."""
    for _ in range(3):
        await asyncio.sleep(0)


async def _over(tasks: Sequence[asyncio.Task[None]], lines: Sequence[Line]) -> None:
    """Cancel the tasks and wait until the sockets they gave up are closed.

    Until Python 3.12 `asyncio.wait_for`, which aiosmtplib uses, may swallow a cancellation.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_TICK)
    await closed(lines)


async def closed(lines: Sequence[Line]) -> None:
    """Wait until the connections that are of no more use are closed."""
    for line in lines:
        if line.wire is not None and line.wire.trouble:
            line.wire.fail("closed")
            await line.wire.gone.wait()
            line.wire = None
    await _catch_up()
