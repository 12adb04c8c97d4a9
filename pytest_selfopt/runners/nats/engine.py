"""The session's side: calls go into the queue, results come from their stream."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_selfopt import clock
from pytest_selfopt.errors import RunnerError, SelfoptError
from pytest_selfopt.runners.cipher import Cipher
from pytest_selfopt.runners.loop_thread import EventLoopThread
from pytest_selfopt.runners.nats.config import NatsConfig
from pytest_selfopt.runners.nats.connection import EXISTS, connect, errors, have_consumer, have_streams
from pytest_selfopt.runners.nats.subjects import Subjects
from pytest_selfopt.runners.remote import ProviderLimits, ResultListener
from pytest_selfopt.runners.runner import Call
from pytest_selfopt.runners.wire import call_to_bytes, result_from_bytes
from pytest_selfopt.runners.without_reply import ended_now
from pytest_selfopt.trial import CallError, ErrorKind

if TYPE_CHECKING:
    from nats.aio.client import Client as Connection
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext

ID = "Selfopt-Call"
"""The header with the call's id."""

ANY = "any"
"""The place of calls that any worker for their provider may make."""

FIND_S = 5.0
"""Seconds to look for workers when a session begins."""

AWAY_S = 60.0
"""Seconds for which server or workers may be unreachable, with calls in flight, before the session fails."""

_ANSWER_S = 5.0


@dataclass(frozen=True, slots=True)
class WorkerNotice:
    """A worker's announcement of itself."""

    name: str
    providers: frozenset[str]


class NatsEngine:
    """Carries calls with JetStream, on its own thread; see `remote.Engine`."""

    def __init__(self, config: NatsConfig, cipher: Cipher, demand: ProviderLimits) -> None:
        """Use the configured server."""
        self._config = config
        self._cipher = cipher
        self._cycle = ""
        self._demand = demand
        self._names = Subjects(config.name)
        self._loop = EventLoopThread("selfopt-nats", errors=errors, sentence=self._unusable)
        self._nats: Connection | None = None
        self._open: dict[str, Call] = {}
        """Sent calls that have not ended, by id."""
        self._places: dict[str, str] = {}
        """The worker for each pinned model's calls."""
        self._read, self._last = 0, 0
        """The number of result messages read, and the sequence number of the last one in the stream."""
        self._results: Any = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def _connection(self) -> Connection:
        """The connection to the server.

        Raises:
            RunnerError: when `connect` has not made one.
        """
        if self._nats is None:
            raise RunnerError(f"there is no connection to the NATS server at {self._where}")
        return self._nats

    @property
    def _jetstream(self) -> JetStreamContext:
        return self._connection.jetstream()

    def connect(self) -> None:
        """Connect and find workers."""
        self._loop.start()
        self._loop.do(self._connect())

    def start(self, inbox: ResultListener, cycle: str) -> None:
        """Report the known results of a cycle, and from then on new ones."""
        self._inbox, self._cycle = inbox, cycle
        self._loop.do(self._read_results())

    def send(self, calls: Sequence[Call]) -> None:
        """Put calls into the queue, unless they are still in it."""
        self._loop.do(self._send(calls))

    def give_up(self, call_id: str) -> None:
        """Abort one call."""
        self._loop.do(self._tell({"cycle": self._cycle, "give_up": call_id}))

    def cancel(self) -> None:
        """Empty the queue, and abort the calls that workers have taken."""
        self._open.clear()
        self._loop.do(self._cancel())

    def stop(self) -> None:
        """Disconnect."""
        self._loop.stop(self._end(), _ANSWER_S)

    def _unusable(self, problem: BaseException) -> str:
        return f"the NATS server at {self._where} cannot be used: {str(problem) or type(problem).__name__}"

    async def _connect(self) -> None:
        self._nats = await connect(self._config, "pytest-selfopt session", self._read_on)
        await have_streams(self._jetstream, self._names)
        for provider, most in self._demand.limits.items():
            await have_consumer(
                self._jetstream, self._names, provider, ANY, ack_wait_s=self._config.ack_wait_s, most=most
            )
        missing = await self._missing(FIND_S)
        if missing:
            raise RunnerError(self._without(missing))

    async def _read_results(self) -> None:
        stream = await self._jetstream.stream_info(
            self._names.results, subjects_filter=self._names.results_of(self._cycle)
        )
        stored = sum((stream.state.subjects or {}).values())
        await self._read_on()
        await self._until(lambda: self._read >= stored)
        self._watching = asyncio.create_task(self._watch())

    async def _read_on(self) -> None:
        """Read unread results, then new ones as they arrive; start again after the server returns."""
        from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

        if not self._cycle:
            return
        consumer = ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self._last + 1,
            ack_policy=AckPolicy.NONE,
            inactive_threshold=AWAY_S,
        )
        if self._results is not None:
            with contextlib.suppress(*errors()):
                await self._results.unsubscribe()
        self._results = await self._jetstream.subscribe(
            self._names.results_of(self._cycle), stream=self._names.results, config=consumer, cb=self._receive
        )

    async def _until(self, condition: Callable[[], bool]) -> None:
        deadline = clock.monotonic() + AWAY_S
        while not condition():
            if clock.monotonic() > deadline:
                raise RunnerError(f"the NATS server at {self._where} does not return its stored results")
            await asyncio.sleep(0.01)

    @property
    def _where(self) -> str:
        return ", ".join(self._config.servers)

    def _without(self, providers: Sequence[str]) -> str:
        names = ", ".join(providers)
        return (
            f"no worker at {self._where} makes calls to {names}; start one on a machine with the keys: "
            f"selfopt worker nats --target {self._config.servers[0]} --models {','.join(providers)}"
        )

    async def _workers(self, seconds: float, enough: Callable[[Sequence[WorkerNotice]], bool]) -> list[WorkerNotice]:
        """Return the workers that answer within `seconds`, or as soon as there are enough."""
        connection = self._connection
        notices: dict[str, WorkerNotice] = {}
        inbox = connection.new_inbox()
        answers = await connection.subscribe(inbox)
        deadline = clock.monotonic() + seconds
        try:
            while not enough(list(notices.values())) and (left := deadline - clock.monotonic()) > 0:
                await connection.publish(self._names.workers, b"", reply=inbox)
                await self._collect(answers, notices, min(left, 0.5))
        finally:
            await answers.unsubscribe()
        return list(notices.values())

    async def _collect(self, answers: Any, notices: dict[str, WorkerNotice], seconds: float) -> None:
        deadline = clock.monotonic() + seconds
        try:
            while (left := deadline - clock.monotonic()) > 0:
                answer = await answers.next_msg(timeout=left)
                if not answer.data:
                    continue  # The server's notice that there are no responders.
                entry = json.loads(answer.data)
                providers = frozenset(entry["providers"])
                notices[entry["name"]] = WorkerNotice(entry["name"], providers)
        except errors():
            return

    async def _missing(self, seconds: float) -> list[str]:
        """Return the providers without a worker."""
        wanted = set(self._demand.limits)

        def are_enough(workers: Sequence[WorkerNotice]) -> bool:
            return wanted <= _served_by(workers)

        self._there = await self._workers(seconds, are_enough)
        return sorted(wanted - _served_by(self._there))

    def _place(self, model: str) -> str:
        """Return the place of a model's calls: one present worker if the model is pinned, else any."""
        if not self._demand.pinned(model):
            return ANY
        if model not in self._places:
            provider = self._demand.provider_of(model)
            able = sorted(worker.name for worker in self._there if provider in worker.providers)
            self._places[model] = able[0]
        return self._places[model]

    async def _send(self, calls: Sequence[Call]) -> None:
        max_payload = self._connection.max_payload
        waiting: dict[str, tuple[str, bytes]] = {}
        for call in calls:
            self._open[call.id] = call
            data = self._cipher.seal(call_to_bytes(call))
            if len(data) > max_payload:
                self._refuse(call, len(data))
                continue
            provider = self._demand.provider_of(call.model)
            place = self._place(call.model)
            subject = self._names.call(provider, place, self._cycle, call.id)
            waiting[subject] = call.id, data
        deadline = clock.monotonic() + AWAY_S
        while waiting:
            sent = {subject: await self._publish(subject, *message) for subject, message in waiting.items()}
            answers = [asyncio.wait_for(answer, _ANSWER_S) for answer in sent.values()]
            results = await asyncio.gather(*answers, return_exceptions=True)
            for subject, result in zip(sent, results, strict=True):
                if not isinstance(result, BaseException) or getattr(result, "err_code", None) == EXISTS:
                    del waiting[subject]
                elif clock.monotonic() > deadline:
                    raise RunnerError(f"the NATS server at {self._where} rejects calls: {result}")

    async def _publish(self, subject: str, call_id: str, data: bytes) -> asyncio.Future[Any]:
        return await self._jetstream.publish_async(subject, data, wait_stall=AWAY_S, headers={ID: call_id})

    def _refuse(self, call: Call, size: int) -> None:
        most = self._connection.max_payload
        error = CallError(
            kind=ErrorKind.REQUEST,
            message=f"the call is {size:,} bytes long, but the NATS server accepts only {most:,} (max_payload)",
        )
        self._open.pop(call.id, None)
        self._inbox.ended(call.id, ended_now(error, lane=call.lane))

    async def _receive(self, message: Msg) -> None:
        number = message.metadata.sequence.stream
        if number <= self._last:
            return
        self._last = number
        self._read += 1
        call_id = (message.headers or {}).get(ID, "")
        try:
            if message.subject.endswith(".result"):
                self._open.pop(call_id, None)
                self._inbox.ended(call_id, result_from_bytes(self._cipher.open(message.data)))
            elif ".left." in message.subject:
                self._inbox.left(call_id, message.subject.rpartition(".")[2])
            else:
                self._inbox.began(call_id, message.subject.rpartition(".")[2], float(message.data))
        except SelfoptError as problem:
            self._inbox.failed(problem)
        except (TypeError, ValueError) as problem:
            self._inbox.failed(RunnerError(f"the result of a call cannot be read: {problem}"))

    async def _tell(self, order: dict[str, str]) -> None:
        connection = self._connection
        await connection.publish(self._names.control, json.dumps(order).encode())
        await connection.flush()

    async def _cancel(self) -> None:
        try:
            await self._jetstream.purge_stream(self._names.calls, subject=self._names.calls_in(self._cycle))
            await self._tell({"cycle": self._cycle, "cancel": "all"})
        except errors():
            return  # The server is unreachable: workers make the queued calls, and a resumed cycle finds the results.

    async def _watch(self) -> None:
        """Watch the server and the workers while calls are in flight."""
        well = clock.monotonic()
        while True:
            await asyncio.sleep(self._config.ack_wait_s / 2)
            try:
                wrong = ""
                if self._open:
                    wrong = await self._what_is_wrong()
            except errors() as problem:
                wrong = f"the NATS server at {self._where} is unreachable: {str(problem) or type(problem).__name__}"
            except SelfoptError as problem:
                self._inbox.failed(problem)
                return
            # Otherwise nobody would look any more, and the session could wait for ever.
            except Exception as problem:  # noqa: BLE001
                self._inbox.failed(RunnerError(self._unusable(problem)))
                return
            if not wrong:
                well = clock.monotonic()
            elif clock.monotonic() - well > AWAY_S:
                self._inbox.failed(RunnerError(wrong))
                return

    async def _what_is_wrong(self) -> str:
        """Say why calls in flight may never end; empty if all is well, as after a lost worker was replaced."""
        if not self._connection.is_connected:
            return f"the NATS server at {self._where} is unreachable; continue later with --selfopt-resume"
        before = set(self._places.values())
        missing = await self._missing(_ANSWER_S)
        if missing:
            return self._without(missing)
        present = {worker.name for worker in self._there}
        await self._move(before - present)
        return ""

    async def _move(self, gone: set[str]) -> None:
        """Move the calls that wait for a lost worker to another one."""
        models = {model for model, place in self._places.items() if place in gone}
        for model in models:
            place = self._places.pop(model)
            subject = self._names.calls_of(self._demand.provider_of(model), place)
            await self._jetstream.purge_stream(self._names.calls, subject=subject)
        if models:
            await self._send([call for call in self._open.values() if call.model in models])

    async def _end(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        if self._nats is not None:
            await self._nats.close()


def _served_by(workers: Iterable[WorkerNotice]) -> set[str]:
    """Return the providers that workers serve."""
    served: set[str] = set()
    for worker in workers:
        served |= worker.providers
    return served
