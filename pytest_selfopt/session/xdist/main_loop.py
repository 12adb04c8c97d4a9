"""A way to xdist's main loop, the only thread of a distributed session that may write to the terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_EVENT = "selfopt_wakes"


def run_on_main_thread(dsession: Any, task: Callable[[], None]) -> None:
    """Let xdist's loop run a task, even while no worker reports anything; an xdist without such a queue never does.

    The loop takes an event from `DSession.queue` and calls the method `worker_EVENT` with its arguments (xdist 3.8).
    """
    queue = getattr(dsession, "queue", None)
    if queue is not None:
        setattr(dsession, f"worker_{_EVENT}", _run)
        queue.put((_EVENT, {"task": task}))


def _run(task: Callable[[], None]) -> None:
    task()
