"""The tasks that run beside an engine's calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from pytest_selfopt.errors import RunnerError, SelfoptError

_AGAIN_S = 0.1


class BackgroundTasks:
    """Tasks on one event loop; one that fails, however it does, reports why."""

    def __init__(self, failed: Callable[[SelfoptError], None], describe: Callable[[BaseException], str]) -> None:
        """Report failures to `failed`; `describe` puts exceptions that are not ours into words."""
        self._failed = failed
        self._describe = describe
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a task."""
        task = asyncio.create_task(self._guarded(work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def end(self) -> None:
        """Cancel all tasks, and wait until they have ended."""
        while self._running:
            # Until Python 3.12, a task whose wait ends at this very moment does not notice.
            for task in self._running:
                task.cancel()
            await asyncio.wait(self._running, timeout=_AGAIN_S)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except SelfoptError as problem:
            self._failed(problem)
        # Of any kind: a task that ends in silence would let the session wait for ever.
        except Exception as problem:  # noqa: BLE001
            self._failed(RunnerError(self._describe(problem)))
