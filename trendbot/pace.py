"""How fast something may start: evenly spaced, so that no pause earns a burst afterwards."""


class Pace:
    """Starts at most `rate` times a second; 0 is no limit. The clock is the caller's."""

    def __init__(self, rate: float) -> None:
        self._gap = 1 / rate if rate else 0.0
        self._next = 0.0

    def book(self, now: float) -> float:
        """Take the next free start; returns the seconds to wait for it."""
        start = max(now, self._next)
        self._next = start + self._gap
        return start - now
