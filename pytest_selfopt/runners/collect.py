"""A batch of calls that are under way: its results are handed over as they come in."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Callable, Sequence

from pytest_selfopt.runners.runner import Finished

STOPPING_S = 2.0
"""How long calls that were cancelled are waited for; one that hangs longer is left behind."""

GATHER_S = 0.003
"""How long results are gathered before they are handed over."""

_POLL_S = 0.05


def hand_over(
    done: queue.SimpleQueue[Finished | None],
    expected: int,
    on_results: Callable[[Sequence[Finished]], None],
    *,
    stopping: Callable[[], bool],
    idle: Callable[[], bool],
    counts: Callable[[Finished], bool] = lambda _: True,
) -> None:
    """Pass results on until so many that count have come as are `expected`.

    Once the runner is `stopping`, of which a None in the queue tells, only until it is `idle` or has had its time.
    """
    came = 0
    deadline = float("inf")
    while came < expected:
        batch: list[Finished | None] = []
        # Together they are stored in one transaction and wake the reader once.
        time.sleep(GATHER_S)
        with contextlib.suppress(queue.Empty):
            batch.append(done.get() if deadline == float("inf") else done.get(timeout=_POLL_S))
            while True:
                batch.append(done.get_nowait())
        finished = [entry for entry in batch if entry is not None]
        if stopping():
            deadline = min(deadline, time.monotonic() + STOPPING_S)
        came += sum(map(counts, finished))
        if finished:
            on_results(finished)
        if stopping() and done.empty() and (idle() or time.monotonic() >= deadline):
            return
