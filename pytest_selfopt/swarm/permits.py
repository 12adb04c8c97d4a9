"""Limits on calls in flight, per swarm and for all swarms together; first come, first served."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable


class Permits:
    """Starts calls as soon as the limits allow.

    A full swarm does not block calls of others, and no call is overtaken by a later one of the same swarm: as long as
    calls end, every call starts.
    """

    def __init__(self, most: int) -> None:
        """Allow at most `most` calls in flight in total."""
        self._most = most
        self._turn = threading.Lock()
        self._in_flight: Counter[str] = Counter()
        self._waiting: dict[str, deque[tuple[int, int, Callable[[], None]]]] = {}
        self._came = 0
        self._closed = False

    @property
    def in_flight(self) -> int:
        """The number of calls in flight."""
        return self._in_flight.total()

    def enter(self, swarm: str, most: int, begin: Callable[[], None]) -> None:
        """Call `begin` as soon as fewer than `most` calls of the swarm are in flight; `leave` must follow.

        It runs on this thread or on a thread that calls `leave`, and must return at once.
        """
        with self._turn:
            self._waiting.setdefault(swarm, deque()).append((self._came, most, begin))
            self._came += 1
        self._admit()

    def leave(self, swarm: str) -> None:
        """Record that a call of the swarm has ended."""
        with self._turn:
            self._in_flight[swarm] -= 1
        self._admit()

    def close(self) -> None:
        """Start no more calls, and drop those that wait."""
        with self._turn:
            self._closed = True
            self._waiting.clear()

    def _admit(self) -> None:
        while (begin := self._next()) is not None:
            begin()

    def _next(self) -> Callable[[], None] | None:
        """Admit the earliest waiting call that the limits allow."""
        with self._turn:
            if self._closed or self.in_flight >= self._most:
                return None
            firsts = []
            for name, queue in self._waiting.items():
                came, most, _ = queue[0]
                if self._in_flight[name] < most:
                    firsts.append((came, name))
            if not firsts:
                return None
            _, swarm = min(firsts)
            _, _, begin = self._waiting[swarm].popleft()
            if not self._waiting[swarm]:
                del self._waiting[swarm]
            self._in_flight[swarm] += 1
            return begin
