"""A way to xdist's main loop, the only thread of a distributed session that may write to the terminal."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

TICK_S = 0.2
"""The seconds between ticks, as between those of a session without workers that waits for a reply."""

_EVENT = "selfopt_wakes"


class Ticker:
    """Lets xdist's loop run a task now and then, even while no worker reports anything."""

    def __init__(self, dsession: Callable[[], Any], task: Callable[[], None]) -> None:
        """Run `task` on the main thread, where the loop of xdist's session `dsession` runs."""
        self._dsession = dsession
        self._task = task
        self._ended = threading.Event()
        self._done = threading.Event()
        """Set unless a tick is still in xdist's queue."""
        self._done.set()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to tick."""
        self._thread = threading.Thread(target=self._tick, name="selfopt-ticker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Tick no more; doing it twice is harmless."""
        self._ended.set()

    def _tick(self) -> None:
        while not self._ended.wait(TICK_S):
            if self._done.is_set():
                self._done.clear()
                run_on_main_thread(self._dsession(), self._run)

    def _run(self) -> None:
        self._done.set()
        if not self._ended.is_set():
            self._task()


def run_on_main_thread(dsession: Any, task: Callable[[], None]) -> None:
    """Let xdist's loop run a task; an xdist without such a queue never does.

    The loop takes an event from `DSession.queue` and calls the method `worker_EVENT` with its arguments (xdist 3.8).
    """
    queue = getattr(dsession, "queue", None)
    if queue is not None:
        setattr(dsession, f"worker_{_EVENT}", _run)
        queue.put((_EVENT, {"task": task}))


def _run(task: Callable[[], None]) -> None:
    task()
