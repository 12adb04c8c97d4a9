"""The session's side: calls go into workflows, within limits; results come from their histories."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pytest_selfopt import clock
from pytest_selfopt.errors import RunnerError, SelfoptError
from pytest_selfopt.runners.cipher import Cipher
from pytest_selfopt.runners.loop_thread import EventLoopThread
from pytest_selfopt.runners.lost_calls import LostCalls
from pytest_selfopt.runners.message import EndsDisagreeError, MessageContext, MessageKind, UnusableMessageError
from pytest_selfopt.runners.remote import ProviderLimits, ResultListener
from pytest_selfopt.runners.runner import Call
from pytest_selfopt.runners.temporal.background import BackgroundTasks
from pytest_selfopt.runners.temporal.config import TemporalConfig
from pytest_selfopt.runners.temporal.connection import connect, most_bytes
from pytest_selfopt.runners.temporal.cycle_workflows import CycleWorkflows
from pytest_selfopt.runners.temporal.server_errors import ANSWER_S, Listening, errors, is_gone, is_refused, together
from pytest_selfopt.runners.temporal.shared import MOST_BYTES, CallPayload, CallPayloads, errand_of
from pytest_selfopt.runners.temporal.start import start_calls
from pytest_selfopt.runners.temporal.task_queues import TaskQueues
from pytest_selfopt.runners.temporal.waiting_calls import WaitingCalls
from pytest_selfopt.runners.temporal.worker_directory import Places
from pytest_selfopt.runners.wire import Answer
from pytest_selfopt.runners.without_reply import GIVEN_UP, ended_now
from pytest_selfopt.trial import CallError, ErrorKind

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowHandle

    from pytest_selfopt.runners.temporal.workflow_results import WorkflowResults

FIND_S = 5.0
"""Seconds to look for workers when a session begins."""

AWAY_S = 60.0
"""Seconds for which server or workers may be unreachable, with calls in flight, before the session fails."""

_PAUSE_S = 0.3
_LOOK_S = 0.5
_TICK_S = 5.0
"""Seconds between looks for calls to hand on that nobody has announced."""


class TemporalEngine:
    """Carries calls with Temporal, on its own thread; see `remote.Engine`.

    A resumed session reads the results from the workflows that it finds (see `CycleWorkflows`). The calls of a workflow
    that is gone, or has ended without their results, go into new ones.

    Windows bound the calls to a provider in flight over all workers: the windows of its workflows never sum to more
    than its limit. If a workflow has fewer calls left than its window, the rest goes to the next workflow. Windows only
    grow, so the limit holds while messages are in transit, and workflows of a killed session continue within theirs.
    """

    def __init__(self, config: TemporalConfig, cipher: Cipher, demand: ProviderLimits) -> None:
        """Use the configured server."""
        self._config = config
        self._cipher = cipher
        self._demand = demand
        self._names = TaskQueues(config.name)
        self._limits = {self._names.queue(provider): most for provider, most in demand.limits.items()}
        self._providers = {self._names.queue(provider): provider for provider in demand.limits}
        self._places = Places(config, self._providers)
        self._cycle = ""
        self._loop = EventLoopThread("selfopt-temporal", errors=errors, sentence=self._unusable)
        self._connected: Client | None = None
        self._courses = CycleWorkflows(self._names, "", self._course)
        self._most_bytes = MOST_BYTES
        self._asked: dict[str, Call] = {}
        """Sent calls that have not ended, by id."""
        self._waiting = WaitingCalls(self._limits, MOST_BYTES)
        self._lost = LostCalls()
        self._tasks = BackgroundTasks(self._fail, self._unusable)
        self._heard = clock.monotonic()
        """The time of the last report on any call."""
        self._more = asyncio.Event()
        """Set when there may be calls to hand on."""
        self._cancelled = False

    @property
    def _client(self) -> Client:
        """The client of the server.

        Raises:
            RunnerError: when `connect` has not made one.
        """
        if self._connected is None:
            raise RunnerError(f"there is no connection to the Temporal server at {self._config.target}")
        return self._connected

    def connect(self) -> None:
        """Connect and find workers."""
        self._loop.start()
        self._loop.do(self._connect())

    def start(self, inbox: ResultListener, cycle: str) -> None:
        """Report the known results of a cycle, and from then on new ones."""
        self._inbox, self._cycle = Listening(inbox, self._note), cycle
        self._courses = CycleWorkflows(self._names, cycle, self._course)
        self._loop.do(self._start())

    def send(self, calls: Sequence[Call]) -> None:
        """Send calls, except those that a workflow already has."""
        self._loop.do(self._send(calls))

    def give_up(self, call_id: str) -> None:
        """Abort one call; for the session it ends at once."""
        self._loop.do(self._give_up(call_id))

    def cancel(self) -> None:
        """Cancel all workflows, which abort their calls."""
        self._loop.do(self._cancel())

    def stop(self) -> None:
        """Disconnect."""
        self._loop.stop(self._tasks.end(), ANSWER_S)

    def _fail(self, problem: SelfoptError) -> None:
        """End the session's calls."""
        self._inbox.failed(problem)

    def _unusable(self, problem: BaseException) -> str:
        why = str(problem) or type(problem).__name__
        return f"the Temporal server at {self._config.target} cannot be used: {why}"

    async def _connect(self) -> None:
        session = uuid.uuid4().hex[:6]
        self._connected = await connect(self._config, self._cipher, f"pytest-selfopt session {session}")
        self._most_bytes = min(MOST_BYTES, await most_bytes(self._client) or MOST_BYTES)
        self._waiting = WaitingCalls(self._limits, self._most_bytes)
        missing = await self._places.missing(self._client, FIND_S)
        if missing:
            raise RunnerError(self._places.without(missing))

    async def _start(self) -> None:
        await self._courses.find(self._client, self._inbox)
        for course in self._courses.under_way():
            self._tasks.start(self._follow(course))
        for task in (self._hand_on(), self._look(), self._watch()):
            self._tasks.start(task)

    def _course(self, workflow: str) -> WorkflowResults:
        from pytest_selfopt.runners.temporal.workflow_results import WorkflowResults

        return WorkflowResults(workflow, self._names, self._begun, self._lose)

    def _lose(self, call_id: str, problem: UnusableMessageError) -> None:
        """Send a call again whose result cannot be used; end it if that is in vain."""
        call = self._asked.get(call_id)
        if call is None or self._cancelled:
            return  # One of an earlier session: it is sent when this one asks it.
        self._lost.note_refused(call_id, problem)
        error = self._lost.lose(call_id)
        if error is None:
            self._put(call)
            self._more.set()
        else:
            self._end_call(call_id, error)

    async def _begun(self, worker: str, attempt: str) -> bool:
        return await self._places.begun(self._client, worker, attempt, ANSWER_S)

    async def _send(self, calls: Sequence[Call]) -> None:
        held: set[str] = set()
        for course in self._courses.under_way():
            # What has ended and is asked nevertheless was the result of another question.
            course.calls -= course.ended.intersection(call.id for call in calls)
            held |= course.calls
        for call in calls:
            # The result of a call that an earlier session sent may arrive while this one is sending it.
            if call.id in self._asked or self._inbox.is_over(call.id):
                continue
            self._asked[call.id] = call
            if call.id not in held:
                self._put(call)
        self._more.set()

    def _handle(self, course: WorkflowResults) -> WorkflowHandle[Any, Any]:
        return self._client.get_workflow_handle(course.id)

    def _put(self, call: Call) -> None:
        """Queue a call for a workflow."""
        queue = self._names.queue(self._demand.provider_of(call.model))
        place = queue
        if self._demand.pinned(call.model):
            place = self._places.of(queue)
        about = MessageContext(MessageKind.CALL, self._config.name, self._cycle, call.id)
        errand = errand_of(call, place, about)
        if errand.size > self._most_bytes:
            self._refuse(errand, f"accepts only {self._most_bytes:,} (its limit.blobSize.error)")
        else:
            self._waiting.put(queue, errand)

    def _refuse(self, errand: CallPayload, why: str) -> None:
        message = f"the call is {errand.size:,} bytes long, but the Temporal server {why}; ask with shorter prompts"
        self._end_call(errand.id, CallError(kind=ErrorKind.REQUEST, message=message))

    def _end_call(self, call_id: str, error: CallError) -> None:
        lane = self._asked.pop(call_id).lane
        self._inbox.ended(call_id, Answer(ended_now(error, lane=lane), ""))

    async def _hand_on(self) -> None:
        """Give waiting calls to workflows as places become free."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._more.wait(), _TICK_S)
            self._more.clear()
            for queue in self._limits:
                async with self._patient():
                    while not self._cancelled and await self._hand_on_one(queue):
                        pass

    @contextlib.asynccontextmanager
    async def _patient(self) -> AsyncIterator[None]:
        """Ignore failures of an unreachable server, to try again later, unless it lasts too long."""
        from temporalio.service import RPCError

        try:
            yield
        except RPCError:
            if clock.monotonic() - self._heard > AWAY_S:
                raise
            await asyncio.sleep(_PAUSE_S)
            self._more.set()

    async def _hand_on_one(self, queue: str) -> bool:
        """Widen a window or start a workflow if limits allow; return whether there may be more to do."""
        courses = self._courses.of_queue(queue)
        free = self._limits[queue] - sum(course.taken for course in courses)
        narrow = next((course for course in courses if course.window < len(course.left)), None)
        if free <= 0:
            return False
        if narrow is not None:
            window = min(narrow.window + free, len(narrow.left))
            await self._handle(narrow).signal("widen", window)
            narrow.window = max(narrow.window, window)
            return True
        errands = self._waiting.next(queue)
        if not errands:
            return False
        await self._begin(queue, errands, min(free, len(errands)))
        return True

    async def _begin(self, queue: str, errands: Sequence[CallPayload], window: int) -> None:
        """Start the next workflow."""
        from temporalio.service import RPCError

        course = self._courses.next()
        work = CallPayloads(errands=list(errands), window=window, heartbeat_s=self._config.heartbeat_s)
        try:
            course.earlier = not await start_calls(self._client, course.id, queue, work)
        except RPCError as problem:
            if not is_refused(problem):
                raise
            if len(errands) > 1:
                self._waiting.take_fewer(len(errands))
            else:
                self._waiting.take(queue, errands)
                self._refuse(errands[0], f"rejects it: {problem.message}")
            return
        self._waiting.take(queue, errands)
        course.queue, course.window = queue, window
        course.carry(errands)
        self._courses.add(course)
        self._tasks.start(self._follow(course))

    async def _follow(self, course: WorkflowResults) -> None:
        """Follow the history of a workflow until it ends."""
        from temporalio.service import RPCError

        gone = 0
        while not course.ending:
            try:
                await course.follow(self._client, self._inbox, wait=True)
            except RPCError as problem:
                gone += is_gone(problem)
                if gone > 1:
                    course.ending = "gone"
                elif clock.monotonic() - self._heard > AWAY_S:
                    raise
                else:
                    await asyncio.sleep(_PAUSE_S)
        if course.broken:
            await self._give_up_on(course)
        self._begin_anew(course, [self._asked[call_id] for call_id in course.calls if call_id in self._asked])

    def _begin_anew(self, course: WorkflowResults, lost: Sequence[Call]) -> None:
        """Send the calls again with which a workflow has ended.

        Raises:
            RunnerError: if somebody has ended it now, who would not like that.
        """
        if lost and course.terminated and not course.earlier and not self._cancelled:
            raise RunnerError(
                f"the workflow {course.id} was terminated ({course.terminated}) with {len(lost)} calls that were not "
                "made; continue with --selfopt-resume"
            )
        if course.outgrown:
            self._waiting.take_fewer(len(course.calls))
        for call in lost:
            if self._cancelled:
                break
            if course.cancelled or course.foreign or (course.outgrown and course.ended):
                self._put(call)
            else:
                why = f"the workflow {course.id} is {course.ending}, without a result of it"
                self._lose(call.id, UnusableMessageError(why))
        self._more.set()

    async def _give_up_on(self, course: WorkflowResults) -> None:
        """End a workflow that no worker can go on with, and send its calls again."""
        await together([self._handle(course).terminate(course.broken)])
        lost, course.calls = course.calls, set()
        for call_id in lost:
            self._lose(call_id, EndsDisagreeError(course.broken))

    def _note(self, ended: str | None) -> None:
        """Record a report on the calls: one may have ended, so that its place is free."""
        self._heard = clock.monotonic()
        if ended is not None:
            self._asked.pop(ended, None)
            self._lost.discard(ended)
            self._more.set()

    async def _look(self) -> None:
        """Poll for calls in flight; the history shows them only after they have ended."""
        from temporalio.service import RPCError

        while True:
            await asyncio.sleep(_LOOK_S)
            for course in [course for course in self._courses.under_way() if course.left]:
                with contextlib.suppress(RPCError):
                    description = await self._handle(course).describe()
                    pending = description.raw_description.pending_activities
                    course.look_at(pending, self._inbox)

    async def _watch(self) -> None:
        """Check the workers while calls are in flight without reports."""
        since: float | None = None
        while True:
            await asyncio.sleep(self._config.heartbeat_s / 2)
            if not self._asked or clock.monotonic() - self._heard < self._config.heartbeat_s / 2:
                since = None
                continue
            missing: Sequence[str] = list(self._providers.values())
            with contextlib.suppress(*errors()):
                missing = await self._places.missing(self._client, ANSWER_S)
                await self._move()
            if not missing:
                since = None
            elif since is None:
                since = clock.monotonic()
            elif clock.monotonic() - since > AWAY_S:
                raise RunnerError(self._places.without(missing))

    async def _give_up(self, call_id: str) -> None:
        call = self._asked.pop(call_id, None)
        if call is None:
            return
        self._inbox.ended(call_id, Answer(ended_now(GIVEN_UP, lane=call.lane), ""))
        self._waiting.drop(call_id)
        courses = [course for course in self._courses if call_id in course.left]
        await self._tell(courses, "give_up", call_id)

    async def _move(self) -> None:
        """Move the calls that wait for a lost worker to another one."""
        pinned = [call for call in self._asked.values() if self._demand.pinned(call.model)]
        for queue in set(map(self._queue, pinned)):
            courses = self._courses.of_queue(queue)
            held: set[str] = set()
            for course in courses:
                held |= course.places
            lost, other = await self._places.move(self._client, queue, held, ANSWER_S)
            self._waiting.move(queue, lost, other)
            for course in courses:
                for place in course.places & lost:
                    await self._tell([course], "move", place, other)
                if course.places & lost:
                    course.places = course.places - lost | {other}

    def _queue(self, call: Call) -> str:
        return self._names.queue(self._demand.provider_of(call.model))

    async def _tell(self, courses: Iterable[WorkflowResults], signal: str, *arguments: str) -> None:
        """Signal workflows, if the server is reachable."""
        going = [course for course in courses if not course.ending]
        await together(self._handle(course).signal(signal, args=arguments) for course in going)

    async def _cancel(self) -> None:
        """Cancel; if the server is unreachable, workers make its calls, and a resumed cycle finds the results."""
        self._cancelled = True
        self._waiting.clear()
        await together(self._handle(course).cancel() for course in self._courses.under_way())
