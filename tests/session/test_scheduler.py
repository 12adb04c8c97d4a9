"""Items are handed out in their order and each is run once, whatever dies when."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.session.xdist.scheduler import LEAST, OrderedScheduler, count_workers


class Node:
    """A worker as xdist's is: it runs its last item only when it is told to end, and an order to end is final."""

    def __init__(self, number: int) -> None:
        self.gateway = SimpleNamespace(id=f"gw{number}")
        self.queue: list[int] = []
        self.shutting_down = False

    def send_runtest_some(self, indices: list[int]) -> None:
        assert not self.shutting_down
        self.queue += indices

    def shutdown(self) -> None:
        self.shutting_down = True

    @property
    def may_run(self) -> bool:
        return len(self.queue) >= LEAST or (bool(self.queue) and self.shutting_down)


def scheduler(dist: str, workers: int) -> Any:
    return OrderedScheduler(configured(dist=dist, tx=["popen"] * workers, maxschedchunk=None))


def configured(**options: Any) -> Any:
    return SimpleNamespace(getoption=lambda name, default=None: options.get(name, default))


def items(number: int) -> list[str]:
    """Several files with two classes each."""
    return [f"test_{index // 10}.py::Test{index // 5}::test[{index}]" for index in range(number)]


@given(
    dist=st.sampled_from(["load", "worksteal", "loadscope", "loadfile", "loadgroup"]),
    workers=st.integers(1, 4),
    number=st.integers(0, 60),
    steps=st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["runs", "runs", "runs", "dies"])), max_size=40),
)
def test_every_item_runs_or_is_lost_once(dist: str, workers: int, number: int, steps: list[tuple[int, str]]) -> None:
    schedule, collected = scheduler(dist, workers), items(number)
    nodes: list[Node] = []
    runs: dict[Node, list[int]] = {}
    lost: list[int] = []

    def begin() -> None:
        node = Node(len(runs))
        schedule.add_node(node)
        schedule.add_node_collection(node, collected)
        nodes.append(node)
        runs[node] = []
        if schedule.collection_is_completed:
            schedule.schedule()

    def run(node: Node) -> None:
        index = node.queue.pop(0)
        runs[node].append(index)
        schedule.mark_test_complete(node, index)

    for _ in range(workers):
        begin()
    for which, what in steps:
        node = nodes[which % len(nodes)]
        if what == "runs" and node.may_run:
            run(node)
        elif what == "dies":
            nodes.remove(node)
            item = schedule.remove_node(node)
            assert (item is None) == (not node.queue)
            if item is not None:
                assert item == collected[node.queue[0]]
                lost.append(node.queue[0])
            begin()
    while any(node.may_run for node in nodes):
        run(next(node for node in nodes if node.may_run))
    assert schedule.tests_finished
    assert sorted([*lost, *(index for ran in runs.values() for index in ran)]) == list(range(number))
    assert all(ran == sorted(ran) for ran in runs.values())


def test_one_worker_runs_a_unit() -> None:
    schedule, collected = scheduler("loadfile", 2), items(40)
    nodes = [Node(number) for number in range(2)]
    for node in nodes:
        schedule.add_node(node)
        schedule.add_node_collection(node, collected)
    schedule.schedule()
    assert [node.queue for node in nodes] == [list(range(10)), list(range(10, 20))]


def test_workers_with_other_items_are_refused() -> None:
    schedule = scheduler("load", 2)
    for number, collected in enumerate((items(5), items(6))):
        node = Node(number)
        schedule.add_node(node)
        schedule.add_node_collection(node, collected)
    with pytest.raises(pytest.UsageError, match="worker gw1 collected 6 items that differ from those of the others"):
        schedule.schedule()


def test_workers_are_counted_as_xdist_does() -> None:
    assert count_workers(configured(tx=["3*popen", "popen//python=3*x", "2*popen//chdir=here"])) == 6
