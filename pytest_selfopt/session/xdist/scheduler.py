"""The scheduler of a cycle's items: keeps the order of its passes, even if workers die.

xdist's own schedulers lose that order once a worker has died, and loadgroup can then wait forever. This scheduler
assigns items in order, in whole units of `--dist`, and puts the items of a dead worker back in front.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import pytest

LEAST = 2
"""The items that a worker must have: it runs its last item only when it knows the next."""

MOST = 8
"""The most items that a worker is given ahead, unless a unit has more."""

_UNITS: dict[str, Callable[[str], str]] = {
    "loadscope": lambda item: item.rpartition("::")[0],
    "loadfile": lambda item: item.partition("::")[0],
    "loadgroup": lambda item: item.rpartition("@")[2] if "@" in item.rpartition("]")[2] else item,
}
"""The unit of an item, by distribution; a unit runs in one worker. Otherwise each item is a unit."""


def count_workers(config: pytest.Config) -> int:
    """Return the number of workers of a session: `-n2`, `--tx=2*popen` and `--tx=popen --tx=popen` begin two each."""
    number = 0
    for place in map(str, config.getoption("tx")):
        times = place.partition("*")[0]
        number += int(times) if times.isdecimal() else 1
    return number


class WorkerNode(Protocol):
    """The interface of xdist's workers that a scheduler uses."""

    @property
    def shutting_down(self) -> bool:
        """Whether the worker was told to end."""

    @property
    def gateway(self) -> Any:
        """The connection to the worker, with its `id`."""

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        """Give the worker items to run."""

    def shutdown(self) -> None:
        """Tell the worker to end after the items it has."""


class OrderedScheduler:
    """A scheduler for xdist (its `Scheduling` protocol): items by their index in the collection, in units."""

    def __init__(self, config: pytest.Config) -> None:
        self._unit_of: Callable[[str], str] = _UNITS.get(str(config.getoption("dist")), str)
        self._most = max(LEAST, min(MOST, config.getoption("maxschedchunk", None) or MOST))
        self._expected = count_workers(config)
        self._collections: dict[WorkerNode, list[str]] = {}
        self._assigned: dict[WorkerNode, list[int]] = {}
        """The items that each worker still has to run."""
        self._units: deque[list[int]] = deque()
        self._items: list[str] = []
        """The items in their order, once scheduling has begun."""
        self._begun = False

    @property
    def collection(self) -> list[str] | None:
        """The items; None before scheduling has begun."""
        if not self._begun:
            return None
        return self._items

    @property
    def nodes(self) -> list[WorkerNode]:
        """The workers."""
        return list(self._assigned)

    @property
    def collection_is_completed(self) -> bool:
        """Whether all expected workers have collected."""
        return self._begun or len(self._collections) >= self._expected

    @property
    def tests_finished(self) -> bool:
        """Whether only items are left that workers finish by themselves."""
        if not self.collection_is_completed or self._units:
            return False
        return all(len(given) < LEAST for given in self._assigned.values())

    @property
    def has_pending(self) -> bool:
        """Whether any item is left."""
        return bool(self._units) or any(self._assigned.values())

    def items_of(self, worker: str) -> list[str]:
        """Return the items that a worker (by name) still has to run, in order; safe on any thread."""
        given = next((list(items) for node, items in list(self._assigned.items()) if node.gateway.id == worker), [])
        return [self._items[index] for index in given]

    def add_node(self, node: WorkerNode) -> None:
        """Add a worker."""
        self._assigned[node] = []

    def add_node_collection(self, node: WorkerNode, collection: Sequence[str]) -> None:
        """Note the collection of a worker."""
        self._collections[node] = list(collection)

    def schedule(self) -> None:
        """Begin to assign items, or assign items to a worker that came later.

        Raises:
            pytest.UsageError: if workers have collected different items.
        """
        if not self._begun:
            self._items = next(iter(self._collections.values()))
            self._begun = True
            self._units.extend(self._in_units(range(len(self._items))))
        for node, collected in self._collections.items():
            if collected != self._items:
                raise pytest.UsageError(
                    f"worker {node.gateway.id} collected {len(collected)} items that differ from those of the others "
                    f"({len(self._items)}): parametrize in a fixed order, not at random or from a set"
                )
        for node in self.nodes:
            self._assign(node)

    def mark_test_complete(self, node: WorkerNode, item_index: int, duration: float = 0) -> None:
        """Note that a worker is done with an item."""
        del duration
        self._assigned[node].remove(item_index)
        self._assign(node)

    def mark_test_pending(self, item: str) -> None:
        """Put an item in front, to be run again."""
        self._units.appendleft([self._items.index(item)])
        for node in self.nodes:
            self._assign(node)

    def remove_pending_tests_from_node(self, node: WorkerNode, indices: Sequence[int]) -> None:
        """Do nothing: no worker is asked to give items back."""

    def remove_node(self, node: WorkerNode) -> str | None:
        """Remove a worker, and run its items next; return the item with which it died, if any."""
        left = self._assigned.pop(node)
        self._collections.pop(node, None)
        if not left:
            return None
        self._units.extendleft(reversed(self._in_units(left[1:])))
        for other in self.nodes:
            self._assign(other)
        return self._items[left[0]]

    def _assign(self, node: WorkerNode) -> None:
        """Give a worker items, or end it if none are left."""
        given = self._assigned[node]
        if node.shutting_down or len(given) >= LEAST or node not in self._collections:
            return
        more: list[int] = []
        while self._units and len(given) + len(more) < self._most:
            more += self._units.popleft()
        if more:
            given += more
            node.send_runtest_some(more)
        if len(given) < LEAST:
            node.shutdown()

    def _in_units(self, items: Sequence[int]) -> list[list[int]]:
        """Group items by unit, in order."""
        units: dict[str, list[int]] = {}
        for index in items:
            units.setdefault(self._unit_of(self._items[index]), []).append(index)
        return list(units.values())
