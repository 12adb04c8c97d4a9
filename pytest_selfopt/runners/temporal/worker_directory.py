"""The present workers, and the choice of workers for pinned calls."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from pytest_selfopt.runners.message import UnusableMessageError
from pytest_selfopt.runners.temporal.config import TemporalConfig
from pytest_selfopt.runners.temporal.shared import HERE
from pytest_selfopt.runners.temporal.task_queues import TaskQueues

if TYPE_CHECKING:
    from temporalio.api.common.v1 import Payload
    from temporalio.client import Client


class Places:
    """The workers for each provider, by the provider's queue."""

    def __init__(self, config: TemporalConfig, providers: Mapping[str, str]) -> None:
        """Look for workers of these providers, given by queue."""
        self._config = config
        self._providers = dict(providers)
        self._names = TaskQueues(config.name)
        self._at: dict[str, str] = {}
        """The queue of the worker that makes a provider's pinned calls."""
        self._gone: set[str] = set()
        """Workers that did not answer; a restarted worker has a new name."""
        self._problem: UnusableMessageError | None = None
        """Why the last answer was refused."""

    def of(self, queue: str) -> str:
        """Return the queue of the worker that makes a provider's pinned calls."""
        return self._at[queue]

    def without(self, missing: Sequence[str]) -> str:
        """Return the error message for providers without a worker."""
        target, names = self._config.target, ",".join(missing)
        if self._problem is not None:
            return f"a worker at {target} cannot be used: {self._problem}"
        return (
            f"no worker at {target} makes calls to {', '.join(missing)}; start one on a machine with the keys: "
            f"selfopt worker temporal --target {target} --models {names}"
        )

    async def missing(self, client: Client, seconds: float) -> list[str]:
        """Return the providers for which no worker answers within `seconds`."""
        self._problem = None
        queues = list(self._providers)
        workers = await self._find_all(client, queues, seconds)
        missing: list[str] = []
        for queue, worker in zip(queues, workers, strict=True):
            if worker is None:
                missing.append(self._providers[queue])
            else:
                place = self._names.queue_of(worker)
                self._at.setdefault(queue, place)
        return sorted(missing)

    async def move(self, client: Client, queue: str, held: Iterable[str], seconds: float) -> tuple[set[str], str]:
        """Return the queues with a provider's pinned calls whose workers are lost, and the queue to use instead."""
        places = list({*held, self._at[queue]})
        workers = await self._find_all(client, places, seconds)
        lost: set[str] = set()
        for place, worker in zip(places, workers, strict=True):
            if worker is None:
                lost.add(place)
        if self._at[queue] in lost:
            successor = await self._find(client, queue, seconds)
            if successor is None:
                return set(), ""
            self._at[queue] = self._names.queue_of(successor)
        return lost, self._at[queue]

    async def begun(self, client: Client, worker: str, attempt: str, seconds: float) -> bool:
        """Whether a worker may have begun an attempt at a call; False only if the worker answers that it has not.

        A server that died may believe it delivered calls that its worker never received.
        """
        if worker in self._gone:
            return True
        answer = await self._ask(client, self._names.queue_of(worker), seconds, [attempt])
        if answer is None:
            self._gone.add(worker)
            return True
        return attempt in answer[1]

    async def _find_all(self, client: Client, queues: Iterable[str], seconds: float) -> list[str | None]:
        searches = [self._find(client, queue, seconds) for queue in queues]
        return await asyncio.gather(*searches)

    async def _find(self, client: Client, queue: str, seconds: float) -> str | None:
        """Return the name of a worker that takes from a queue, if one answers in time."""
        answer = await self._ask(client, queue, seconds, [])
        if answer is None:
            return None
        worker, _ = answer
        return worker

    async def _ask(
        self, client: Client, queue: str, seconds: float, attempts: list[str]
    ) -> tuple[str, Sequence[str]] | None:
        """Return the worker that takes from a queue, and which attempts it has begun; None without an answer in time.

        The server's own list of pollers keeps dead workers for minutes, so this sends a task instead.
        """
        # Without a sealed argument, a worker with another key can answer, which reveals that the keys differ.
        arguments: list[list[str]] = []
        if attempts:
            arguments.append(attempts)
        here = await client.start_workflow(
            HERE,
            args=arguments,
            id=f"{self._config.name}-here-{uuid.uuid4().hex[:12]}",
            task_queue=queue,
            execution_timeout=timedelta(seconds=seconds + 1),
        )
        worker = ""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for event in here.fetch_history_events(wait_new_event=True):
                    if event.HasField("workflow_task_completed_event_attributes"):
                        worker = event.workflow_task_completed_event_attributes.identity
                    if event.HasField("workflow_execution_completed_event_attributes"):
                        result = event.workflow_execution_completed_event_attributes.result
                        begun = await self._read_begun(client, here.id, result.payloads)
                        if begun is not None:
                            return worker, begun
        return None

    async def _read_begun(self, client: Client, workflow: str, payloads: Sequence[Payload]) -> list[str] | None:
        """Return which attempts a worker says it has begun; None if it cannot be understood."""
        from pytest_selfopt.runners.temporal.codec import converter_of, read_payloads

        try:
            (begun,) = await read_payloads(converter_of(client, workflow), payloads, [list[str]])
        except UnusableMessageError as problem:
            self._problem = problem
            return None
        attempts: list[str] = begun
        return attempts
