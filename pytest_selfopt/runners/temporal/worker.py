"""The worker's side: take calls from queues and make them; results go into their history."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from dataclasses import replace
from datetime import timedelta

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import PollerBehaviorAutoscaling, UnsandboxedWorkflowRunner, Worker

from pytest_selfopt.bounded_text import cut
from pytest_selfopt.deferred_signals import ending_signals
from pytest_selfopt.errors import RunnerError
from pytest_selfopt.redaction.known import redact_written
from pytest_selfopt.runners.cipher import Cipher
from pytest_selfopt.runners.message import MessageContext, MessageKind, UnusableMessageError
from pytest_selfopt.runners.runner import Call
from pytest_selfopt.runners.temporal.codec import REFUSED
from pytest_selfopt.runners.temporal.config import TemporalConfig
from pytest_selfopt.runners.temporal.connection import connect, most_bytes
from pytest_selfopt.runners.temporal.shared import ACTIVITY, AROUND_BYTES, BEGUN, MOST_CALLS, MOST_REPLY_BYTES
from pytest_selfopt.runners.temporal.task_queues import TaskQueues
from pytest_selfopt.runners.temporal.workflow import CallBatchWorkflow, PingWorkflow
from pytest_selfopt.runners.temporal.workflow_results import attempt_of
from pytest_selfopt.runners.wire import call_from_bytes, question_of, result_to_bytes
from pytest_selfopt.runners.worker_executor import WorkerConfig, encoded
from pytest_selfopt.threads import WillingExecutor
from pytest_selfopt.trial import CallResult, ErrorKind
from pytest_selfopt.trial_bounds import MOST_MESSAGE

DRAIN_S = 30.0
"""Seconds for which a worker that is told to end waits for its calls."""

_ABORTING_S = 2.0
_KEPT_RESULTS = 1000
_KEPT_ATTEMPTS = 100_000
_STICKY = timedelta(seconds=5)


class TemporalWorker:
    """Makes calls to its providers until it is told to end."""

    def __init__(self, config: TemporalConfig, cipher: Cipher, duty: WorkerConfig) -> None:
        """Use the configured server."""
        self._config = config
        self._cipher = cipher
        self._duty = duty
        self._names = TaskQueues(config.name)
        self._most_bytes = MOST_REPLY_BYTES
        self._ending = asyncio.Event()
        self._results: OrderedDict[tuple[str, str, str], asyncio.Future[bytes]] = OrderedDict()
        """Calls in progress or made here, by cycle, call and question. A server that was unreachable for longer than a
        heartbeat may be late delivers them again; a call that comes here again is not made again."""
        self._waiting: Counter[tuple[str, str, str]] = Counter()
        """The activities that wait for each of these calls."""
        self._begun: OrderedDict[str, None] = OrderedDict()
        """The attempts at calls that this worker received."""

    async def run(self) -> None:
        """Take and make calls; after SIGTERM, SIGHUP or Ctrl-C, return once the calls in flight have ended.

        Raises:
            RunnerError: if there is no server.
        """
        client = await connect(self._config, self._cipher, self._duty.name, lenient=True)
        accepted = await most_bytes(client)
        if accepted is not None:
            self._most_bytes = min(MOST_REPLY_BYTES, max(0, accepted - AROUND_BYTES))
        loop = asyncio.get_running_loop()
        for number in ending_signals():
            loop.add_signal_handler(number, self._end)
        with WillingExecutor(self._duty.threads, thread_name_prefix="selfopt-call") as pool:
            loop.set_default_executor(pool)
            own_queue = self._names.queue_of(self._duty.name)
            queues = [own_queue, *map(self._names.queue, self._duty.providers)]
            workers = [self._worker(client, queue) for queue in queues]
            running = [asyncio.create_task(worker.run()) for worker in workers]
            self._duty.introduce()
            ending = asyncio.create_task(self._ending.wait())
            await asyncio.wait([ending, *running], return_when=asyncio.FIRST_COMPLETED)
            if self._ending.is_set():
                self._duty.take_leave()
            await asyncio.gather(*map(Worker.shutdown, workers))
            ended = await asyncio.gather(*running, return_exceptions=True)
            ending.cancel()
            self._duty.executor.abort_all()
        for problem in ended:
            if isinstance(problem, Exception):
                raise RunnerError(f"the Temporal server at {self._config.target} cannot be used: {problem}")

    def _worker(self, client: Client, queue: str) -> Worker:
        return Worker(
            client,
            task_queue=queue,
            workflows=[CallBatchWorkflow, PingWorkflow],
            activities=[self.make, self.begun],
            # A test checks that the two small workflows are deterministic; the sandbox would cost many times what
            # they do.
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_concurrent_activities=self._duty.concurrency,
            activity_task_poller_behavior=PollerBehaviorAutoscaling(maximum=16),
            # Activities begin here at once if slots are free, instead of going through the server's queue: that
            # halves the time of short calls.
            max_eager_activity_reservations_per_workflow_task=MOST_CALLS,
            max_heartbeat_throttle_interval=timedelta(seconds=self._config.heartbeat_s / 3),
            sticky_queue_schedule_to_start_timeout=_STICKY,
            graceful_shutdown_timeout=timedelta(seconds=DRAIN_S),
        )

    def _end(self) -> None:
        if self._ending.is_set():
            self._duty.executor.abort_all()
        self._ending.set()

    @activity.defn(name=ACTIVITY)
    async def make(self, text: str) -> bytes:
        """Make one call, or wait for it if it is already in progress here."""
        info = activity.info()
        call_id = info.activity_id.rstrip("~")
        workflow = info.workflow_id or ""
        about = self._names.context(MessageKind.CALL, workflow, call_id)
        call = self._duty.read(lambda: self._read(text, about))
        if isinstance(call, CallResult):
            return result_to_bytes(call, replace(about, kind=MessageKind.RESULT), "")
        question = question_of(call)
        # The same call may come in another workflow, as one whose result did not arrive, or as a copy.
        key = (about.cycle, call_id, question)
        self._begun[attempt_of(workflow, info.activity_id, info.attempt)] = None
        making = self._results.get(key)
        if making is None or making.cancelled():
            loop = asyncio.get_running_loop()
            making = loop.run_in_executor(None, self._carry_out, call, about, question)
            self._results[key] = making
            self._forget_old()
        beat = asyncio.create_task(self._beat())
        self._waiting[key] += 1
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            if self._waiting[key] == 1:
                self._duty.executor.abort(call_id)
                await asyncio.wait([making], timeout=_ABORTING_S)
            raise
        finally:
            beat.cancel()
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key]
            if not making.done() or making.exception() is not None:
                self._results.pop(key, None)

    def _read(self, text: str, about: MessageContext) -> Call:
        if text.startswith(REFUSED):
            raise UnusableMessageError(text.removeprefix(REFUSED))
        return call_from_bytes(text.encode(errors="replace"), about, self._duty.variant)

    @activity.defn(name=BEGUN)
    async def begun(self, attempts: list[str]) -> list[str]:
        """Return those of these attempts that this worker received."""
        return [attempt for attempt in attempts if attempt in self._begun]

    def _forget_old(self) -> None:
        while len(self._begun) > _KEPT_ATTEMPTS:
            self._begun.popitem(last=False)
        while len(self._results) > _KEPT_RESULTS and next(iter(self._results.values())).done():
            self._results.popitem(last=False)

    async def _beat(self) -> None:
        """Tell the server that the call is still in progress; its answer may be to abort."""
        while True:
            await asyncio.sleep(self._config.heartbeat_s / 3)
            activity.heartbeat()

    def _carry_out(self, call: Call, about: MessageContext, question: str) -> bytes:
        result = self._duty.executor.carry_out(call)
        if result.error is not None and result.error.kind is ErrorKind.CANCELLED:
            raise ApplicationError(cut(redact_written(f"not made: {result.error.message}"), MOST_MESSAGE))
        to = replace(about, kind=MessageKind.RESULT)
        limit = f"Temporal's history takes at most {self._most_bytes:,}; ask for shorter replies"
        return encoded(result, lambda result: result_to_bytes(result, to, question), self._most_bytes, limit)
