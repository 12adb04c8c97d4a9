"""The workflows of one cycle: those that are on the server already, and those that a session starts."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from pytest_selfopt.runners.remote import ResultListener
from pytest_selfopt.runners.temporal.server_errors import is_gone
from pytest_selfopt.runners.temporal.task_queues import TaskQueues

if TYPE_CHECKING:
    from temporalio.client import Client

    from pytest_selfopt.runners.temporal.workflow_results import WorkflowResults

_MOST_DIGITS = 9
"""Of the number of a workflow; a session sends a call in each at least."""


class CycleWorkflows:
    """Workflows with their numbers.

    They are numbered and started in order, so that a resumed session finds all of them by counting and reads the
    results from their histories. Names derived from their calls would not be found again, because a resumed session
    sends fewer calls. Where some are gone, because they ended longer ago than the server retains them, the others are
    found in the server's list.
    """

    def __init__(self, names: TaskQueues, cycle: str, make: Callable[[str], WorkflowResults]) -> None:
        """Begin without any; `make` returns what is to be known of a workflow, given by its id."""
        self._names = names
        self._cycle = cycle
        self._make = make
        self._found: list[WorkflowResults] = []
        self._number = 0
        """The greatest number."""

    def __iter__(self) -> Iterator[WorkflowResults]:
        """Return all workflows."""
        return iter(self._found)

    async def find(self, client: Client, inbox: ResultListener) -> None:
        """Find those on the server, and report what they have done.

        Raises:
            RPCError: if the server cannot be asked.
            SelfoptError: if a message cannot be read.
        """
        listed = await self._listed(client)
        following = 0
        for number in (1, *listed):
            following = max(following, number)
            while await self._read(client, inbox, following):
                following += 1
        self._number = max(following - 1, *listed, 0)

    async def _listed(self, client: Client) -> Sequence[int]:
        """Return the numbers of workflows that the server lists, in order; none, if it cannot tell.

        What it lists may be seconds old: some may be gone, and others missing.
        """
        from temporalio.service import RPCError

        numbers: set[int] = set()
        prefix = self._names.workflows(self._cycle)
        with contextlib.suppress(RPCError):
            async for found in client.list_workflows(f'WorkflowId STARTS_WITH "{prefix}"'):
                number = found.id.removeprefix(prefix)
                if number.isascii() and number.isdecimal() and len(number) <= _MOST_DIGITS:
                    numbers.add(int(number))
        return sorted(numbers)

    async def _read(self, client: Client, inbox: ResultListener, number: int) -> bool:
        """Read what a workflow has done; return whether there is one."""
        from temporalio.service import RPCError

        course = self._numbered(number)
        try:
            await course.follow(client, inbox, wait=False)
        except RPCError as problem:
            if is_gone(problem):
                return False
            raise
        self._found.append(course)
        return True

    def _numbered(self, number: int) -> WorkflowResults:
        return self._make(self._names.workflow(self._cycle, number))

    def next(self) -> WorkflowResults:
        """Return the workflow to start next."""
        return self._numbered(self._number + 1)

    def add(self, course: WorkflowResults) -> None:
        """Take the next workflow in, which was started."""
        self._number += 1
        self._found.append(course)

    def under_way(self) -> list[WorkflowResults]:
        """Return the workflows that have not ended."""
        return [course for course in self._found if not course.ending]

    def of_queue(self, queue: str) -> list[WorkflowResults]:
        """Return the unfinished workflows of a provider's queue."""
        return [course for course in self.under_way() if course.queue == queue]
