"""The workflows. Their code is replayed from the history, so it must depend on nothing else."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import ActivityError
from temporalio.workflow import ActivityCancellationType, ActivityHandle

from pytest_selfopt.runners.temporal.shared import ACTIVITY, BEGUN, HERE, WORKFLOW, CallPayload, CallPayloads

MOST_ATTEMPTS = 5
"""The number of workers that may be lost with a call before it is abandoned."""

KEPT = timedelta(days=1)
"""Maximum time of a call, including waiting for a worker."""

_TOLD = timedelta(seconds=5)
_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=100),
    maximum_interval=timedelta(seconds=2),
    maximum_attempts=MOST_ATTEMPTS,
    # Another worker may be luckier than one that is lost; a message that cannot be read stays so, and a client that
    # does not come back would keep one thread after the other.
    non_retryable_error_types=[
        "RunnerError",
        "UnusableMessageError",
        "EndsDisagreeError",
        "PayloadsTooLarge",
        "TemporalTimeout:StartToClose",
    ],
)


@workflow.defn(name=HERE)
class PingWorkflow:
    """Ends at once; its history names the worker that ran it."""

    @workflow.run
    async def run(self, attempts: list[str] | None = None) -> list[str]:
        """Return those of these attempts that this worker has begun; any answer shows that it is present."""
        if not attempts:
            return []
        begun: list[str] = await workflow.execute_activity(
            BEGUN,
            attempts,
            result_type=list[str],
            start_to_close_timeout=_TOLD,
            retry_policy=RetryPolicy(maximum_attempts=1),
        )
        return begun


@workflow.defn(name=WORKFLOW)
class CallBatchWorkflow:
    """Carries up to 64 calls, one activity each.

    It returns nothing: each result is in its history as soon as it exists, and the session reads it from there. A table
    of all results would be a single message, which the server would reject forever if longer than 2 MB.
    """

    def __init__(self) -> None:
        self._errands: list[CallPayload] = []
        self._window = 0
        self._heartbeat = timedelta(0)
        self._under_way: dict[str, ActivityHandle[RawValue] | None] = {}
        self._ended = 0
        self._dropped: set[str] = set()

    @workflow.run
    async def run(self, work: CallPayloads) -> None:
        """Make all calls; if the workflow is cancelled, abort those in flight."""
        self._errands = work.errands
        self._window = max(self._window, work.window)
        self._heartbeat = timedelta(seconds=work.heartbeat_s)
        tasks: list[asyncio.Task[None]] = []
        try:
            for errand in work.errands:
                await workflow.wait_condition(lambda: len(self._under_way) < self._window)
                if errand.id not in self._dropped:
                    self._under_way[errand.id] = None
                    tasks.append(asyncio.create_task(self._carry(errand)))
            await workflow.wait_condition(lambda: not self._under_way)
        except asyncio.CancelledError:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    @workflow.signal
    def widen(self, window: int) -> None:
        """Allow more calls in flight."""
        self._window = max(self._window, window)

    @workflow.signal
    def give_up(self, call_id: str) -> None:
        """Abort one call, or prevent its beginning."""
        self._dropped.add(call_id)
        self._cancel(call_id)

    @workflow.signal
    def move(self, lost: str, other: str) -> None:
        """Move the calls from a lost worker's queue to another queue."""
        for errand in self._errands:
            if errand.queue == lost:
                errand.queue = other
                self._cancel(errand.id)

    @workflow.query
    def progress(self) -> dict[str, int]:
        """Return the numbers of calls in total, in flight and ended."""
        return {
            "calls": len(self._errands),
            "under_way": len(self._under_way),
            "ended": self._ended,
            "window": self._window,
        }

    def _cancel(self, call_id: str) -> None:
        handle = self._under_way.get(call_id)
        if handle is not None:
            handle.cancel()

    async def _carry(self, errand: CallPayload) -> None:
        again = ""
        try:
            while not await self._made(errand, errand.queue, again):
                again += "~"
        finally:
            del self._under_way[errand.id]
            self._ended += 1

    async def _made(self, errand: CallPayload, queue: str, again: str) -> bool:
        """Make a call in a queue; return whether it is done and needs no other queue."""
        handle = self._under_way[errand.id] = workflow.start_activity(
            ACTIVITY,
            errand.call,
            # Only the session reads results: one that cannot be read must not end the other calls' workflow.
            result_type=RawValue,
            activity_id=errand.id + again,
            task_queue=queue,
            start_to_close_timeout=timedelta(seconds=errand.seconds),
            schedule_to_close_timeout=KEPT,
            heartbeat_timeout=self._heartbeat,
            retry_policy=_RETRY,
            # A result that arrives despite the cancellation was billed, so it is kept.
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        try:
            await handle
        except ActivityError:
            return queue == errand.queue or errand.id in self._dropped
        return True
