"""An event loop on a thread of its own, for libraries that have no other way, asked from ordinary threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


class OwnLoop:
    """Runs what it is given until it is stopped."""

    def __init__(self, name: str) -> None:
        """Make the loop; its thread has this name."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._stopped = False

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def do(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do something there, and wait for what comes of it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def stop(self, end: Coroutine[Any, Any, None], seconds: float) -> None:
        """Do one last thing, in so many seconds, and end the thread; doing it twice is harmless."""
        if self._stopped or not self._thread.is_alive():
            end.close()
        else:
            asyncio.run_coroutine_threadsafe(end, self._loop).result(seconds)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(seconds)
        self._stopped = True
        if not self._loop.is_running():
            self._loop.close()
