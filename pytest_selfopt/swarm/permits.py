"""How many calls may be under way: of each swarm, and of all together. Who came first goes first."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable


class Permits:
    """Lets calls begin as there is room for them.

    Nobody waits behind a swarm that is full, and nobody is overtaken by a later caller of the same swarm: as long as
    calls end, every caller's turn comes.
    """

    def __init__(self, most: int) -> None:
        """Let at most so many be under way in all."""
        self._most = most
        self._turn = threading.Lock()
        self._in_flight: Counter[str] = Counter()
        self._waiting: dict[str, deque[tuple[int, int, Callable[[], None]]]] = {}
        self._came = 0
        self._closed = False

    @property
    def in_flight(self) -> int:
        """How many are under way."""
        return self._in_flight.total()

    def enter(self, swarm: str, most: int, begin: Callable[[], None]) -> None:
        """Have `begin` called as soon as fewer than `most` of a swarm are under way; `leave` has to follow.

        It is called on this thread or on that of somebody who leaves, and has to return at once.
        """
        with self._turn:
            self._waiting.setdefault(swarm, deque()).append((self._came, most, begin))
            self._came += 1
        self._admit()

    def leave(self, swarm: str) -> None:
        """One of a swarm has ended."""
        with self._turn:
            self._in_flight[swarm] -= 1
        self._admit()

    def close(self) -> None:
        """Let nobody in any more; who waits is forgotten."""
        with self._turn:
            self._closed = True
            self._waiting.clear()

    def _admit(self) -> None:
        while (begin := self._next()) is not None:
            begin()

    def _next(self) -> Callable[[], None] | None:
        """Admit whoever came first among those that there is room for."""
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
