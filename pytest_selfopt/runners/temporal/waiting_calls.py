"""The calls that wait for a workflow, by their provider's queue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_selfopt.runners.temporal.shared import MOST_CALLS, CallPayload, take_some


class WaitingCalls:
    """Calls in order, and how many of them a workflow may be started with."""

    def __init__(self, queues: Iterable[str], most_bytes: int) -> None:
        """Keep calls for these queues; a workflow may be started with `most_bytes` bytes."""
        self._calls: dict[str, list[CallPayload]] = {queue: [] for queue in queues}
        self._most_bytes = most_bytes
        self._most_calls = MOST_CALLS

    def put(self, queue: str, errand: CallPayload) -> None:
        """Append a call."""
        self._calls[queue].append(errand)

    def next(self, queue: str) -> Sequence[CallPayload]:
        """Return the first calls of a queue, as many as one workflow may carry; they go on waiting."""
        return take_some(self._calls[queue][: self._most_calls], self._most_bytes)

    def take(self, queue: str, errands: Sequence[CallPayload]) -> None:
        """Remove these first calls, with which a workflow was started, or which are refused."""
        del self._calls[queue][: len(errands)]

    def take_fewer(self, together: int) -> None:
        """Start workflows with half as many calls from now on, since so many were too much for the server."""
        self._most_calls = max(1, min(self._most_calls, together // 2))

    def drop(self, call_id: str) -> None:
        """Remove one call."""
        for queue, calls in self._calls.items():
            self._calls[queue] = [errand for errand in calls if errand.id != call_id]

    def move(self, queue: str, lost: set[str], other: str) -> None:
        """Let the calls of a provider that wait for lost workers go to another place."""
        for errand in self._calls[queue]:
            if errand.queue in lost:
                errand.queue = other

    def clear(self) -> None:
        """Remove all calls."""
        for calls in self._calls.values():
            calls.clear()
