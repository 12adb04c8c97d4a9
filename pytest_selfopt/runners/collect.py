"""Handing over the results of a batch of calls as they arrive."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Callable, Sequence

from pytest_selfopt import clock
from pytest_selfopt.runners.runner import Finished

STOPPING_S = 2.0
"""Seconds to wait for cancelled calls; those that hang longer are abandoned."""

GATHER_S = 0.003
"""Seconds for which results are gathered before they are handed over."""

_POLL_S = 0.05
_TICK_S = 1.0
"""Seconds between looks at a runner that is not stopping."""


def hand_over(
    done: queue.SimpleQueue[Finished | None],
    expected: int,
    on_results: Callable[[Sequence[Finished]], object],
    *,
    stopping: Callable[[], bool],
    idle: Callable[[], bool],
    counts: Callable[[Finished], bool] = lambda _: True,
) -> None:
    """Pass results on until `expected` results that count have arrived.

    Once the runner is `stopping`, signalled by None in the queue, only until it is `idle` or a time limit is over.
    """
    came = 0
    deadline = float("inf")
    while came < expected:
        batch: list[Finished | None] = []
        # A runner that stopped before this batch began puts nothing into its queue.
        if stopping():
            deadline = min(deadline, clock.monotonic() + STOPPING_S)
        # Results that come together are stored in one transaction and wake the reader once.
        time.sleep(GATHER_S)
        with contextlib.suppress(queue.Empty):
            patience = _POLL_S
            if deadline == float("inf"):
                patience = _TICK_S
            batch.append(done.get(timeout=patience))
            while True:
                batch.append(done.get_nowait())
        finished = [entry for entry in batch if entry is not None]
        came += sum(map(counts, finished))
        if finished:
            on_results(finished)
        if stopping() and done.empty() and (idle() or clock.monotonic() >= deadline):
            return
