"""An event loop on a thread of its own, for libraries that have no other way, asked from ordinary threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from pytest_selfopt.errors import RunnerError, SelfoptError

_T = TypeVar("_T")


class EventLoopThread:
    """Runs what it is given until it is stopped."""

    def __init__(
        self,
        name: str,
        *,
        errors: Callable[[], tuple[type[Exception], ...]],
        sentence: Callable[[BaseException], str],
    ) -> None:
        """Make the loop, whose thread has this `name`.

        `errors` are what the library raises, asked for only when something was raised, because the library may be
        missing; `sentence` says for people what one of them means.
        """
        self._errors = errors
        self._sentence = sentence
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._stopped = False

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def do(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do something there, and wait for what comes of it.

        Raises:
            SelfoptError: when it fails.
        """
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except SelfoptError:
            raise  # before the library is looked at
        except self._errors() as problem:
            raise RunnerError(self._sentence(problem)) from None

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
