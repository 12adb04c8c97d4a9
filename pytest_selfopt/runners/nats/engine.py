"""The session's side: calls go into the queue, results come from their stream."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from pytest_selfopt import clock
from pytest_selfopt.errors import RunnerError, SelfoptError
from pytest_selfopt.runners.cipher import Cipher
from pytest_selfopt.runners.ids import token
from pytest_selfopt.runners.loop_thread import EventLoopThread
from pytest_selfopt.runners.lost_calls import LostCalls
from pytest_selfopt.runners.message import MessageKind, UnusableMessageError
from pytest_selfopt.runners.nats.config import NatsConfig
from pytest_selfopt.runners.nats.connection import (
    cancel_attempt,
    connect,
    describe_closed,
    errors,
    have_consumer,
    have_streams,
)
from pytest_selfopt.runners.nats.limits import ID, describe_limit, headers_of, is_stored, is_too_long, room_for_data
from pytest_selfopt.runners.nats.messages import NatsMessages, Order
from pytest_selfopt.runners.nats.queued_calls import last_stored, no_longer_queued
from pytest_selfopt.runners.nats.subjects import Subjects
from pytest_selfopt.runners.nats.worker_directory import ANY, WorkerDirectory
from pytest_selfopt.runners.remote import ProviderLimits, ResultListener
from pytest_selfopt.runners.runner import Call
from pytest_selfopt.runners.wire import Answer
from pytest_selfopt.runners.without_reply import ended_now
from pytest_selfopt.trial import CallError, ErrorKind

if TYPE_CHECKING:
    from nats.aio.client import Client as Connection
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext

FIND_S = 5.0
"""Seconds to look for workers when a session begins."""

AWAY_S = 60.0
"""Seconds for which server or workers may be unreachable, with calls in flight, before the session fails."""

MOST_TOGETHER = 1000
"""How many calls are sent before their acknowledgements are waited for; the client waits with more than 4,000."""

_ANSWER_S = 5.0
_PAUSE_S = 0.3


class NatsEngine:
    """Carries calls with JetStream, on its own thread; see `remote.Engine`."""

    def __init__(self, config: NatsConfig, cipher: Cipher, demand: ProviderLimits) -> None:
        """Use the configured server."""
        self._config = config
        self._cycle = ""
        self._demand = demand
        self._names = Subjects(config.name)
        self._messages = NatsMessages(self._names, cipher)
        self._workers = WorkerDirectory(config, cipher, demand)
        self._loop = EventLoopThread("selfopt-nats", errors=errors, sentence=self._unusable)
        self._nats: Connection | None = None
        self._stream_client: JetStreamContext | None = None
        self._open: dict[str, Call] = {}
        """Sent calls that have not ended, by id."""
        self._queued: dict[str, str] = {}
        """The subjects of open calls that the server has acknowledged, by id."""
        self._lost = LostCalls()
        self._look = asyncio.Event()
        """Set when calls may have left the queue without a result."""
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
        """The client of the streams, one for all that is sent: each has a subscription of its own.

        Raises:
            RunnerError: when `connect` has not made one, or the connection is closed.
        """
        if self._stream_client is None or self._connection.is_closed:
            raise self._closed()
        return self._stream_client

    def _closed(self) -> RunnerError:
        return RunnerError(f"{describe_closed(self._connection, self._where)}; continue with --selfopt-resume")

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
        self._loop.do(self._tell(Order(give_up=call_id)))

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
        self._nats = await connect(self._config, "pytest-selfopt session", self._read_on, self._note_closed)
        self._stream_client = self._nats.jetstream()
        await have_streams(self._jetstream, self._names)
        for provider, most in self._demand.limits.items():
            await have_consumer(
                self._jetstream, self._names, provider, ANY, ack_wait_s=self._config.ack_wait_s, most=most
            )
        missing = await self._workers.missing(self._nats, FIND_S)
        if missing:
            raise RunnerError(self._workers.without(missing))

    async def _note_closed(self) -> None:
        self._look.set()

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
            if self._connection.is_closed:
                raise self._closed()
            await asyncio.sleep(0.01)

    @property
    def _where(self) -> str:
        return self._config.where

    async def _send(self, calls: Sequence[Call]) -> None:
        waiting: dict[str, tuple[str, bytes]] = {}
        for call in calls:
            # The result of a call that an earlier session sent may arrive while this one is sending it.
            if self._inbox.is_over(call.id):
                continue
            self._open[call.id] = call
            most = room_for_data(self._connection.max_payload, headers_of(call.id))
            data = self._messages.write_call(call, self._cycle, most)
            if len(data) > most:
                self._refuse(call, len(data))
                continue
            provider = self._demand.provider_of(call.model)
            place = await self._workers.place(self._connection, call.model, AWAY_S)
            subject = self._names.call(provider, place, self._cycle, call.id)
            waiting[subject] = call.id, data
        await self._queue(waiting)

    async def _queue(self, waiting: dict[str, tuple[str, bytes]]) -> None:
        """Put calls into the queue, given by subject with their ids; they leave `waiting` when they are there."""
        deadline = clock.monotonic() + AWAY_S
        while waiting:
            some = dict(islice(waiting.items(), MOST_TOGETHER))
            results = await self._publish(some)
            for subject, result in zip(some, results, strict=True):
                call_id, data = some[subject]
                if not isinstance(result, BaseException) or is_stored(result):
                    del waiting[subject]
                    deadline = clock.monotonic() + AWAY_S
                    # Its result may have come before this acknowledgement.
                    if call_id in self._open:
                        self._queued[call_id] = subject
                elif is_too_long(result):
                    del waiting[subject]
                    if call_id in self._open:
                        self._refuse(self._open[call_id], len(data))
                elif clock.monotonic() > deadline:
                    raise RunnerError(f"the NATS server at {self._where} rejects calls: {result}")

    async def _publish(self, messages: Mapping[str, tuple[str, bytes]]) -> list[Any]:
        """Publish messages about calls, given by subject; return an acknowledgement or a problem for each."""
        jetstream = self._jetstream
        answers: list[asyncio.Future[Any]] = []
        for subject, (call_id, data) in messages.items():
            headers = headers_of(call_id)
            answers.append(await jetstream.publish_async(subject, data, wait_stall=AWAY_S, headers=headers))
        waiting = [asyncio.wait_for(answer, _ANSWER_S) for answer in answers]
        return await asyncio.gather(*waiting, return_exceptions=True)

    def _refuse(self, call: Call, size: int) -> None:
        limit = describe_limit(self._connection.max_payload, "prompts")
        error = CallError(kind=ErrorKind.REQUEST, message=f"the call is {size:,} bytes long, but {limit}")
        self._end_call(call.id, Answer(ended_now(error, lane=call.lane), ""))

    def _end_call(self, call_id: str, answer: Answer) -> bool:
        """Report the end of a call; return whether the answer was accepted."""
        if not self._inbox.ended(call_id, answer):
            return False
        self._open.pop(call_id, None)
        self._queued.pop(call_id, None)
        self._lost.discard(call_id)
        return True

    async def _receive(self, message: Msg) -> None:
        number = message.metadata.sequence.stream
        if number <= self._last:
            return
        self._last = number
        self._read += 1
        call_id = (message.headers or {}).get(ID, "")
        try:
            if not self._take(message.subject, call_id, message.data):
                self._look.set()
        except UnusableMessageError as problem:
            self._inbox.refused(str(problem))
            if call_id in self._open:
                self._lost.note_refused(call_id, problem)
                self._look.set()

    def _take(self, subject: str, call_id: str, data: bytes) -> bool:
        """Report what a worker says of a call; return whether it can be so.

        Raises:
            UnusableMessageError: if it is no such message.
        """
        place, mark, kind = self._names.read_report(subject)
        if place != token(call_id):
            raise UnusableMessageError("a result is under the name of another call")
        if kind == MessageKind.RESULT:
            return self._end_call(call_id, self._messages.read_answer(data, self._cycle, call_id))
        if kind == MessageKind.LEFT:
            self._messages.read_event(data, MessageKind.LEFT, self._cycle, call_id, mark)
            self._inbox.left(call_id, mark)
        else:
            at = self._messages.read_event(data, MessageKind.BEGUN, self._cycle, call_id, mark)
            self._inbox.began(call_id, mark, at)
        return True

    async def _tell(self, order: Order) -> None:
        connection = self._connection
        await connection.publish(self._names.control(self._cycle), self._messages.write_order(order, self._cycle))
        await connection.flush()

    async def _cancel(self) -> None:
        # If the server is unreachable, workers make the queued calls, and a resumed cycle finds the results.
        with contextlib.suppress(*errors(), RunnerError):
            await self._jetstream.purge_stream(self._names.calls, subject=self._names.calls_in(self._cycle))
            await self._tell(Order(cancel=True))

    async def _watch(self) -> None:
        """Watch the server and the workers while calls are in flight."""
        well = clock.monotonic()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._look.wait(), self._config.ack_wait_s / 2)
            await asyncio.sleep(_PAUSE_S)
            self._look.clear()
            try:
                wrong = ""
                if self._open:
                    wrong = await self._what_is_wrong()
                if self._open and not wrong:
                    await self._find_lost()
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
        if self._connection.is_closed:
            raise self._closed()
        if not self._connection.is_connected:
            return f"the NATS server at {self._where} is unreachable; continue later with --selfopt-resume"
        missing = await self._workers.missing(self._connection, _ANSWER_S)
        if missing:
            return self._workers.without(missing)
        await self._move()
        return ""

    async def _move(self) -> None:
        """Move the calls that wait for a lost worker to another one."""
        lost = self._workers.forget_lost()
        for model, place in lost:
            subject = self._names.calls_of(self._demand.provider_of(model), place)
            await self._jetstream.purge_stream(self._names.calls, subject=subject)
        models = {model for model, _ in lost}
        if models:
            await self._send([call for call in self._open.values() if call.model in models])

    async def _find_lost(self) -> None:
        """Send calls again that have left the queue without a result that can be read; end them if that is in vain."""
        left = await no_longer_queued(self._jetstream, self._names, self._cycle, self._queued)
        if not left:
            return
        # Their results may be stored and not have come yet.
        stored = await last_stored(self._jetstream, self._names, self._cycle)
        await self._until(lambda: self._last >= stored)
        for call in [self._open[call_id] for call_id in left if call_id in self._open]:
            del self._queued[call.id]
            verdict = self._lost.lose(call.id)
            if verdict is None:
                await self._send([call])
            else:
                self._end_call(call.id, Answer(ended_now(verdict, lane=call.lane), ""))

    async def _end(self) -> None:
        if self._watching is not None:
            await cancel_attempt(self._watching)
        if self._nats is not None:
            await self._nats.close()
