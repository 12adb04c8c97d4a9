"""The worker's side: it takes calls from queues and makes them; what came of them goes into their history."""

from __future__ import annotations

import asyncio
import signal
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import PollerBehaviorAutoscaling, UnsandboxedWorkflowRunner, Worker

from pytest_selfopt.errors import RunnerError
from pytest_selfopt.runners.cipher import Cipher
from pytest_selfopt.runners.temporal.config import TemporalConfig
from pytest_selfopt.runners.temporal.connection import connect
from pytest_selfopt.runners.temporal.shared import ACTIVITY, BEGUN, MOST_CALLS, MOST_REPLY_BYTES
from pytest_selfopt.runners.temporal.task_queues import TaskQueues
from pytest_selfopt.runners.temporal.workflow import CallBatchWorkflow, PingWorkflow
from pytest_selfopt.runners.temporal.workflow_results import attempt_of
from pytest_selfopt.runners.wire import result_to_bytes
from pytest_selfopt.runners.worker_executor import WorkerConfig, failed
from pytest_selfopt.trial import CallResult, ErrorKind

DRAIN_S = 30.0
"""How long a worker that is told to end waits for the calls it is making."""

_ABORTING_S = 2.0
_KEPT_RESULTS = 1000
_KEPT_ATTEMPTS = 100_000
_STICKY = timedelta(seconds=5)


class TemporalWorker:
    """Makes calls to some providers until it is told to end."""

    def __init__(self, config: TemporalConfig, cipher: Cipher, duty: WorkerConfig) -> None:
        """Do its duty with what comes from the configured server."""
        self._config = config
        self._cipher = cipher
        self._duty = duty
        self._names = TaskQueues(config.name)
        self._ending = asyncio.Event()
        self._results: OrderedDict[tuple[str, str], asyncio.Future[bytes]] = OrderedDict()
        """What is made here and was, by workflow and call. When the server was away for longer than a heartbeat may
        be late, it gives the call out again; if it comes here, it is not made again."""
        self._begun: OrderedDict[str, None] = OrderedDict()
        """The attempts at calls that came here."""

    async def run(self) -> None:
        """Take calls and make them; ends after SIGTERM or Ctrl-C, once those under way have ended.

        Raises:
            RunnerError: when there is no server to take calls from.
        """
        client = await connect(self._config, self._cipher, self._duty.name)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._end)
        with ThreadPoolExecutor(self._duty.threads, thread_name_prefix="selfopt-call") as pool:
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
            # The workflows are two small classes that a test holds to be deterministic; the sandbox would cost a
            # multiple of what they do.
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_concurrent_activities=self._duty.concurrency,
            activity_task_poller_behavior=PollerBehaviorAutoscaling(maximum=16),
            # What the workflow asks for begins here at once, as far as there is room, without a way over the server's
            # queue: that halves the time that short calls take.
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
        """Make one call, or go on with one that is being made here."""
        info = activity.info()
        call_id = info.activity_id.rstrip("~")
        workflow = info.workflow_id or ""
        key = (workflow, call_id)
        self._begun[attempt_of(workflow, info.activity_id, info.attempt)] = None
        making = self._results.get(key)
        if making is None or making.cancelled():
            loop = asyncio.get_running_loop()
            making = loop.run_in_executor(None, self._carry_out, text)
            self._results[key] = making
            self._forget_old()
        beat = asyncio.create_task(self._beat())
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            self._duty.executor.abort(call_id)
            await asyncio.wait([making], timeout=_ABORTING_S)
            raise
        finally:
            beat.cancel()
            if not making.done() or making.exception() is not None:
                self._results.pop(key, None)

    @activity.defn(name=BEGUN)
    async def begun(self, attempts: list[str]) -> list[str]:
        """Which of some attempts at calls came here."""
        return [attempt for attempt in attempts if attempt in self._begun]

    def _forget_old(self) -> None:
        while len(self._begun) > _KEPT_ATTEMPTS:
            self._begun.popitem(last=False)
        while len(self._results) > _KEPT_RESULTS and next(iter(self._results.values())).done():
            self._results.popitem(last=False)

    async def _beat(self) -> None:
        """Tell the server that the call is still being made; its answer may be that it is to be aborted."""
        while True:
            await asyncio.sleep(self._config.heartbeat_s / 3)
            activity.heartbeat()

    def _carry_out(self, text: str) -> bytes:
        call = self._duty.read(lambda: text.encode("ascii"))
        if isinstance(call, CallResult):
            return result_to_bytes(call)
        result = self._duty.executor.carry_out(call)
        if result.cancelled:
            raise ApplicationError("aborted, because its worker ends")
        data = result_to_bytes(result)
        if len(data) > MOST_REPLY_BYTES:
            why = f"the reply is {len(data):,} bytes long, and Temporal's history takes {MOST_REPLY_BYTES:,} of it"
            return result_to_bytes(failed(ErrorKind.MALFORMED, why, result))
        return data
