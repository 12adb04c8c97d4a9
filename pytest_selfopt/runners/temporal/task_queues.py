"""The names of queues and workflows."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_selfopt.runners.ids import token


@dataclass(frozen=True, slots=True)
class TaskQueues:
    """The names of queues and workflows."""

    name: str

    def queue(self, provider: str) -> str:
        """Where the calls wait that any worker of a provider may make."""
        return f"{self.name}-{token(provider)}"

    def queue_of(self, worker: str) -> str:
        """Where the calls wait that only a certain worker may make."""
        return f"{self.name}-at-{worker}"

    def workflow(self, cycle: str, number: int) -> str:
        """The workflow with a number, of those that carry the calls of a cycle."""
        return f"{self.name}-{cycle}-{number}"
