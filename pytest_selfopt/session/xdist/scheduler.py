"""Scheduling: which worker runs which items of a cycle, in the order of its passes, whatever becomes of workers.

xdist's own schedulers do not keep that order once a worker has died, and loadgroup can wait for ever after it. This
one hands items out in their order, the units of `--dist` whole, and puts what a dead worker had back in front.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import pytest

LEAST = 2
"""Items that a worker has to have: it runs its last one only when it knows what follows."""

MOST = 8
"""Items that a worker is given ahead, unless a unit has more."""

_UNITS: dict[str, Callable[[str], str]] = {
    "loadscope": lambda item: item.rpartition("::")[0],
    "loadfile": lambda item: item.partition("::")[0],
    "loadgroup": lambda item: item.rpartition("@")[2] if "@" in item.rpartition("]")[2] else item,
}
"""What items have in common that run in one worker; under other distributions each is by itself."""


class WorkerNode(Protocol):
    """What a scheduler needs of xdist's workers."""

    @property
    def shutting_down(self) -> bool:
        """Whether it was told to end."""

    @property
    def gateway(self) -> Any:
        """The connection to it, with its `id`."""

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        """Give it items to run."""

    def shutdown(self) -> None:
        """Let it end after what it has."""


class OrderedScheduler:
    """A scheduler for xdist (its `Scheduling` protocol): items by their index in the collection, in units."""

    def __init__(self, config: pytest.Config) -> None:
        self._unit_of: Callable[[str], str] = _UNITS.get(str(config.getoption("dist")), str)
        self._most = max(LEAST, min(MOST, config.getoption("maxschedchunk", None) or MOST))
        self._expected = len(config.getoption("tx"))
        self._collections: dict[WorkerNode, list[str]] = {}
        self._given: dict[WorkerNode, list[int]] = {}
        """What each worker still has to run."""
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
        return list(self._given)

    @property
    def collection_is_completed(self) -> bool:
        """Whether as many workers have collected as there are to be."""
        return self._begun or len(self._collections) >= self._expected

    @property
    def tests_finished(self) -> bool:
        """Whether nothing is left but what workers finish by themselves."""
        if not self.collection_is_completed or self._units:
            return False
        return all(len(given) < LEAST for given in self._given.values())

    @property
    def has_pending(self) -> bool:
        """Whether anything is left."""
        return bool(self._units) or any(self._given.values())

    def given_to(self, worker: str) -> list[str]:
        """The items that a worker, by its name, still has to run, in their order; for any thread."""
        given = next((list(items) for node, items in list(self._given.items()) if node.gateway.id == worker), [])
        return [self._items[index] for index in given]

    def add_node(self, node: WorkerNode) -> None:
        """Take a worker on."""
        self._given[node] = []

    def add_node_collection(self, node: WorkerNode, collection: Sequence[str]) -> None:
        """Note what a worker has collected."""
        self._collections[node] = list(collection)

    def schedule(self) -> None:
        """Begin, or give a worker that came later what there is.

        Raises:
            pytest.UsageError: when workers have collected different items.
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
            self._give(node)

    def mark_test_complete(self, node: WorkerNode, item_index: int, duration: float = 0) -> None:
        """Note that a worker is done with an item."""
        del duration
        self._given[node].remove(item_index)
        self._give(node)

    def mark_test_pending(self, item: str) -> None:
        """Have an item run again, first."""
        self._units.appendleft([self._items.index(item)])
        for node in self.nodes:
            self._give(node)

    def remove_pending_tests_from_node(self, node: WorkerNode, indices: Sequence[int]) -> None:
        """Take back nothing: no worker is asked to give anything back."""

    def remove_node(self, node: WorkerNode) -> str | None:
        """Let a worker go; the item that it died with, if it did. What it had left is the next to be run."""
        left = self._given.pop(node)
        self._collections.pop(node, None)
        if not left:
            return None
        self._units.extendleft(reversed(self._in_units(left[1:])))
        for other in self.nodes:
            self._give(other)
        return self._items[left[0]]

    def _give(self, node: WorkerNode) -> None:
        """Keep a worker busy, or let it end when there is nothing left for it."""
        given = self._given[node]
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
        """Items that follow each other and belong together."""
        units: dict[str, list[int]] = {}
        for index in items:
            units.setdefault(self._unit_of(self._items[index]), []).append(index)
        return list(units.values())
