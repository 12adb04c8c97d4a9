"""The names of queues and workflows."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_selfopt.runners.ids import token
from pytest_selfopt.runners.message import MessageContext, MessageKind


@dataclass(frozen=True, slots=True)
class TaskQueues:
    """The names of queues and workflows."""

    name: str

    def queue(self, provider: str) -> str:
        """Return the queue of calls that any worker for a provider may make."""
        return f"{self.name}-{token(provider)}"

    def queue_of(self, worker: str) -> str:
        """Return the queue of calls that only a certain worker may make."""
        return f"{self.name}-at-{worker}"

    def workflow(self, cycle: str, number: int) -> str:
        """Return the id of a cycle's workflow with this number."""
        return f"{self.workflows(cycle)}{number}"

    def workflows(self, cycle: str) -> str:
        """Return how the ids of a cycle's workflows begin."""
        return f"{self.name}-{cycle}-"

    def context(self, kind: MessageKind, workflow: str, call_id: str) -> MessageContext:
        """Return what a message of a call in a workflow belongs to."""
        cycle, _, _ = workflow.removeprefix(f"{self.name}-").rpartition("-")
        return MessageContext(kind, self.name, cycle, call_id)
