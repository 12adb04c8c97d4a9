"""Reading a workflow's history: the beginnings and results of its calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from temporalio.api.enums.v1 import (
    EventType,
    PendingActivityState,
    RetryState,
    TimeoutType,
    WorkflowTaskFailedCause,
)
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import (
    ActivityTaskCompletedEventAttributes,
    ActivityTaskFailedEventAttributes,
    ActivityTaskTimedOutEventAttributes,
    HistoryEvent,
    WorkflowExecutionSignaledEventAttributes,
    WorkflowExecutionStartedEventAttributes,
    WorkflowExecutionTerminatedEventAttributes,
)
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client
from temporalio.converter import DataConverter

from pytest_selfopt import clock
from pytest_selfopt.runners.message import EndsDisagreeError, MessageKind, UnusableMessageError
from pytest_selfopt.runners.remote import OTHER_QUESTION, ResultListener
from pytest_selfopt.runners.temporal.codec import converter_of, read_payloads
from pytest_selfopt.runners.temporal.shared import CallPayload, CallPayloads
from pytest_selfopt.runners.temporal.task_queues import TaskQueues
from pytest_selfopt.runners.temporal.workflow import MOST_ATTEMPTS
from pytest_selfopt.runners.wire import Answer, answer_from_bytes
from pytest_selfopt.trial import CallError, CallResult, ErrorKind

_STARTED = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
_ABORTING = PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED
_BROKEN = (
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE,
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR,
)
TOO_LARGE_REPLY = (
    "the reply is longer than the Temporal server accepts by now (its limit.blobSize.error); ask for shorter replies, "
    "or start the workers again, which ask the server for its limit"
)
_NEVER_MADE = (TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE, TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START)
_SERVER = "history-service"
_TERMINATED = "terminated"
_ENDINGS = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: "completed",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: "cancelled",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: "failed",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: _TERMINATED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: "timed out",
}


@dataclass(slots=True)
class _Activity:
    call_id: str
    name: str
    scheduled: float
    started: float = 0.0
    attempts: int = 1


@dataclass(slots=True)
class WorkflowResults:
    """The state of one workflow and its calls, as far as its history was read."""

    id: str
    names: TaskQueues
    begun: Callable[[str, str], Awaitable[bool]]
    """Return whether a worker, by name, may have begun an attempt (see `attempt_of`)."""
    lost: Callable[[str, UnusableMessageError], None]
    """Receives the calls whose results cannot be used, and why."""
    queue: str = ""
    window: int = 0
    calls: set[str] = field(default_factory=set)
    places: set[str] = field(default_factory=set)
    """The queues with its pinned calls."""
    left: set[str] = field(default_factory=set)
    """The calls that are in flight or still to begin."""
    ended: set[str] = field(default_factory=set)
    """The calls whose results were reported."""
    ending: str = ""
    terminated: str = ""
    """Why people ended it, if they did."""
    outgrown: bool = False
    """Whether the server ended it, because its history was longer than the server allows."""
    earlier: bool = False
    """Whether it was there when this session wanted to start it."""
    foreign: bool = False
    """Whether others started it: its calls are not this session's."""
    broken: str = ""
    """Why no worker can go on with it, though the server does not end it."""
    cancelled: bool = False
    """Whether the workflow was asked to end early."""
    _read: int = 0
    _activities: dict[int, _Activity] = field(default_factory=dict)
    _told: set[tuple[str, int]] = field(default_factory=set)
    _given: dict[tuple[str, int], str] = field(default_factory=dict)
    """The worker of each attempt at an activity, as far as known."""

    @property
    def taken(self) -> int:
        """The number of calls that it may still have in flight."""
        if self.ending:
            return 0
        return min(self.window, len(self.left))

    def carry(self, errands: Sequence[CallPayload]) -> None:
        """Record the workflow's calls; its `queue` is already known."""
        self.calls = {errand.id for errand in errands}
        self.places = {errand.queue for errand in errands} - {self.queue}
        self.left = set(self.calls)

    async def follow(self, client: Client, inbox: ResultListener, *, wait: bool) -> bool:
        """Read and report new events, with `wait` until the workflow has ended; return whether there were any.

        Raises:
            RPCError: if the server cannot be asked.
            SelfoptError: if a message cannot be read.
        """
        before = self._read
        converter = converter_of(client, self.id)
        events = client.get_workflow_handle(self.id).fetch_history_events(wait_new_event=wait)
        async for event in events:
            if event.event_id > self._read:
                await self._take(event, converter, inbox)
                self._read = event.event_id
            if self.foreign or self.broken:
                break
        return self._read > before

    def look_at(self, pending: Iterable[PendingActivityInfo], inbox: ResultListener) -> None:
        """Report the calls in flight; the history has their beginnings only after they have ended."""
        for activity in pending:
            name, attempt = activity.activity_id, activity.attempt
            if activity.state not in (_STARTED, _ABORTING):
                attempt -= 1  # This call has not begun yet.
            started = activity.last_started_time
            if attempt > 0 and started.seconds:
                self._given[name, attempt] = activity.last_worker_identity
                at = started.ToNanoseconds() / 1e9
                self._began(name, attempt, at, inbox)

    def _began(self, name: str, attempt: int, at: float, inbox: ResultListener) -> None:
        if (name, attempt) not in self._told:
            self._told.add((name, attempt))
            inbox.began(name.rstrip("~"), _mark(name, attempt), at)

    async def _take(self, event: HistoryEvent, converter: DataConverter, inbox: ResultListener) -> None:
        at = event.event_time.ToNanoseconds() / 1e9
        if event.HasField("workflow_execution_started_event_attributes"):
            await self._take_start(event.workflow_execution_started_event_attributes, converter, inbox)
        elif event.HasField("workflow_execution_signaled_event_attributes"):
            try:
                await self._take_signal(event.workflow_execution_signaled_event_attributes, converter)
            except UnusableMessageError as problem:
                inbox.refused(str(problem))
        elif event.HasField("workflow_execution_cancel_requested_event_attributes"):
            self.cancelled = True
        elif event.HasField("workflow_task_failed_event_attributes"):
            failed = event.workflow_task_failed_event_attributes
            if failed.cause in _BROKEN:
                self.broken = f"a worker cannot carry calls: {failed.failure.message}{_advice(failed.failure)}"
                self.ending = "failed"
        elif event.event_type in _ENDINGS:
            self.ending = _ENDINGS[event.event_type]
            self._take_termination(event.workflow_execution_terminated_event_attributes)
        else:
            await self._take_activity(event, at, converter, inbox)

    def _take_termination(self, event: WorkflowExecutionTerminatedEventAttributes) -> None:
        if event.identity == _SERVER:
            self.outgrown = True
            self.ending += f" by the server: {event.reason.rstrip('.')}"
        elif self.ending == _TERMINATED:
            self.terminated = event.reason or "no reason given"

    async def _take_start(
        self, begun: WorkflowExecutionStartedEventAttributes, converter: DataConverter, inbox: ResultListener
    ) -> None:
        try:
            (work,) = await read_payloads(converter, begun.input.payloads, [CallPayloads])
        except UnusableMessageError as problem:
            if isinstance(problem, EndsDisagreeError) and not self.calls:
                raise  # An earlier session, whose results this one is to read, had another key.
            inbox.refused(str(problem))
            self.foreign, self.ending = True, "others started it"
            return
        self.queue, self.window = begun.task_queue.name, max(self.window, work.window)
        if not self.calls:
            self.carry(work.errands)
        elif self.calls != {errand.id for errand in work.errands}:
            self.foreign, self.ending = True, "others started it"

    async def _take_signal(self, event: WorkflowExecutionSignaledEventAttributes, converter: DataConverter) -> None:
        if event.signal_name == "widen":
            (window,) = await read_payloads(converter, event.input.payloads, [int])
            self.window = max(self.window, window)
        elif event.signal_name == "move":
            lost, other = await read_payloads(converter, event.input.payloads, [str, str])
            if lost in self.places:
                self.places = self.places - {lost} | {other}

    async def _take_activity(
        self, event: HistoryEvent, at: float, converter: DataConverter, inbox: ResultListener
    ) -> None:
        if event.HasField("activity_task_scheduled_event_attributes"):
            name = event.activity_task_scheduled_event_attributes.activity_id
            self._activities[event.event_id] = _Activity(name.rstrip("~"), name, at)
            self.left.add(name.rstrip("~"))
        elif event.HasField("activity_task_started_event_attributes"):
            started = event.activity_task_started_event_attributes
            activity = self._activities[started.scheduled_event_id]
            activity.started, activity.attempts = at, started.attempt
            # Of attempts lost while no session was watching, only the number is known.
            for attempt in range(1, started.attempt):
                self._began(activity.name, attempt, activity.scheduled, inbox)
            self._began(activity.name, started.attempt, at, inbox)
        elif event.HasField("activity_task_completed_event_attributes"):
            done = event.activity_task_completed_event_attributes
            await self._take_result(done, converter, inbox)
        elif event.HasField("activity_task_timed_out_event_attributes"):
            late = event.activity_task_timed_out_event_attributes
            await self._take_failure(late, _timed_out(late.failure, late.retry_state), inbox)
        elif event.HasField("activity_task_failed_event_attributes"):
            broken = event.activity_task_failed_event_attributes
            await self._take_failure(broken, _failure(broken.failure, broken.retry_state), inbox)
        elif event.HasField("activity_task_canceled_event_attributes"):
            aborted = event.activity_task_canceled_event_attributes
            await self._end(aborted.scheduled_event_id, inbox, None)

    async def _take_result(
        self, done: ActivityTaskCompletedEventAttributes, converter: DataConverter, inbox: ResultListener
    ) -> None:
        call_id = self._activities[done.scheduled_event_id].call_id
        try:
            (data,) = await read_payloads(converter, done.result.payloads, [bytes])
            answer = answer_from_bytes(data, self.names.context(MessageKind.RESULT, self.id, call_id))
        except UnusableMessageError as problem:
            inbox.refused(str(problem))
            await self._end(done.scheduled_event_id, inbox, None)
            self._lose(call_id, problem)
        else:
            await self._end(done.scheduled_event_id, inbox, answer)

    async def _take_failure(
        self,
        event: ActivityTaskTimedOutEventAttributes | ActivityTaskFailedEventAttributes,
        error: CallError | None,
        inbox: ResultListener,
    ) -> None:
        """Take the end of a call without a result: its error; none if it was aborted, or was not made in its time."""
        scheduled = event.scheduled_event_id
        call_id = self._activities[scheduled].call_id
        await self._end(scheduled, inbox, self._failed(scheduled, error))
        if error is None and _was_late(event.failure, event.retry_state):
            self._lose(call_id, UnusableMessageError("no worker made this call within a day"))

    def _lose(self, call_id: str, problem: UnusableMessageError) -> None:
        """Report that a call ended here without a result that can be used."""
        self.calls.discard(call_id)
        self.lost(call_id, problem)

    def _failed(self, scheduled: int, error: CallError | None) -> Answer | None:
        if error is None:
            return None
        started = self._activities[scheduled].started or clock.now()
        return Answer(CallResult(error=error, started=started, ended=clock.now()), "")

    async def _end(self, scheduled: int, inbox: ResultListener, answer: Answer | None) -> None:
        activity = self._activities[scheduled]
        call_id, name = activity.call_id, activity.name
        for attempt in range(1, activity.attempts):
            worker = self._given.get((name, attempt), "")
            if not worker:
                continue
            key = attempt_of(self.id, name, attempt)
            if not await self.begun(worker, key):
                inbox.left(call_id, _mark(name, attempt))
        del self._activities[scheduled]
        self.left.discard(call_id)
        if answer is None:
            return
        if inbox.ended(call_id, answer):
            self.ended.add(call_id)
        else:
            self._lose(call_id, UnusableMessageError(OTHER_QUESTION))


def attempt_of(workflow: str, activity: str, attempt: int) -> str:
    """Return the name of an attempt at a call: the ids of workflow and activity, and its number."""
    return f"{workflow}/{_mark(activity, attempt)}"


def _mark(activity: str, attempt: int) -> str:
    return f"{activity}/{attempt}"


def _timed_out(failure: Failure, state: RetryState.ValueType) -> CallError | None:
    """Return the error of a call whose worker fell silent; None if it was aborted anyway, or not made in its time."""
    if failure.timeout_failure_info.timeout_type == TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE:
        return CallError(kind=ErrorKind.TIMEOUT, message="its client did not come back in the time it has at most")
    return _exhausted(state)


def _was_late(failure: Failure, state: RetryState.ValueType) -> bool:
    """Whether a call was not made within a day, as when there was no worker; nobody has an answer to it."""
    kind = failure.timeout_failure_info.timeout_type
    return kind in _NEVER_MADE or state == RetryState.RETRY_STATE_TIMEOUT


def _failure(failure: Failure, state: RetryState.ValueType) -> CallError | None:
    """Return the error of a call that its workers failed to make."""
    if failure.application_failure_info.type == "PayloadsTooLarge":
        return CallError(kind=ErrorKind.MALFORMED, message=TOO_LARGE_REPLY)
    if state == RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE:
        return CallError(kind=ErrorKind.REQUEST, message=failure.message)
    return _exhausted(state)


def _exhausted(state: RetryState.ValueType) -> CallError | None:
    if state != RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED:
        return None
    return CallError(
        kind=ErrorKind.WORKER_LOST,
        message=f"worker lost: {MOST_ATTEMPTS} in a row ended while they made this call",
    )


def _advice(failure: Failure) -> str:
    """Say what to do about a workflow that a worker does not know."""
    if "is not registered" in failure.message:
        return "; run the same version of pytest-selfopt in sessions and workers"
    return ""
