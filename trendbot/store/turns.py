"""A queue of threads: one has its turn, the others wait in the order in which they came."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock


class Queue:
    """Turns, one after the other; of a mere `Lock` whoever is quick has one after the other."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._called: deque[Event] = deque()  # of who is here, in their order

    def __len__(self) -> int:
        """How many are here: one has its turn, the others wait."""
        return len(self._called)

    @contextmanager
    def turn(self, patience: float) -> Iterator[None]:
        """Wait for one's turn and have it; who waited so many seconds goes on without."""
        mine = Event()
        with self._guard:
            self._called.append(mine)
            self._called[0].set()
        mine.wait(patience)
        try:
            yield
        finally:
            with self._guard:
                self._called.remove(mine)
                if self._called:
                    self._called[0].set()
