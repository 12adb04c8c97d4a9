"""Something that lives on an event loop of its own, in a thread, until its block ends."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

_BEGINS_S = 60.0


class LoopThread(ABC):
    """Begins with the block, and ends with it."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)

    @abstractmethod
    async def begin(self) -> None:
        """Begin; the block is entered after that."""

    @abstractmethod
    async def end(self) -> None:
        """Close everything."""

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(_BEGINS_S), f"{self._thread.name} did not begin"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _live(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self.begin())
        self._loop.call_soon(self._ready.set)
        self._loop.run_forever()
        self._loop.run_until_complete(self.end())
        self._loop.close()
