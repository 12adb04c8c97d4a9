"""An event loop in its own thread, for using asyncio libraries from ordinary threads."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from pytest_selfopt import clock
from pytest_selfopt.errors import RunnerError, SelfoptError
from pytest_selfopt.threads import no_thread_reported

_T = TypeVar("_T")
_TICK_S = 1.0
"""Seconds between looks at the thread that somebody waits for."""


class EventLoopThread:
    """Runs coroutines until stopped."""

    def __init__(
        self,
        name: str,
        *,
        errors: Callable[[], tuple[type[Exception], ...]],
        sentence: Callable[[BaseException], str],
    ) -> None:
        """Create the loop, whose thread has this `name`.

        `errors` returns the library's exceptions, and is called only after one was raised, because the library may be
        missing; `sentence` describes an exception for people.
        """
        self._errors = errors
        self._sentence = sentence
        self._loop = asyncio.new_event_loop()
        clock.drive(self._loop)
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._stopped = False

    def start(self) -> None:
        """Start the thread.

        Raises:
            RunnerError: if this process can start none.
        """
        with no_thread_reported():
            self._thread.start()

    def do(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine in the loop and wait for its result.

        Raises:
            SelfoptError: if it fails, or the thread has ended.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return self._wait_for(future)
        except SelfoptError:
            raise  # Checked before the library's exceptions are.
        except self._errors() as problem:
            raise RunnerError(self._sentence(problem)) from None

    def _wait_for(self, future: Future[_T]) -> _T:
        """Wait for a result as long as the thread lives."""
        while True:
            with contextlib.suppress(TimeoutError):
                return future.result(_TICK_S)
            if future.done():
                # The coroutine itself has raised this exception.
                return future.result()
            if not self._thread.is_alive():
                raise RunnerError(f"the thread {self._thread.name} has ended before its work was done")

    def stop(self, end: Coroutine[Any, Any, None], seconds: float) -> None:
        """Run a last coroutine for at most `seconds`, and end the thread; a second call is harmless."""
        if self._stopped or not self._thread.is_alive():
            end.close()
        else:
            with contextlib.suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(end, self._loop).result(seconds)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(seconds)
        self._stopped = True
        if not self._loop.is_running():
            self._loop.close()
