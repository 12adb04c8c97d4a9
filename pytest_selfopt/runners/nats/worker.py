"""The worker's side: take calls from the queue, make them, and store their results."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_selfopt import clock
from pytest_selfopt.deferred_signals import ending_signals
from pytest_selfopt.errors import RunnerError
from pytest_selfopt.runners.cipher import Cipher
from pytest_selfopt.runners.ids import token
from pytest_selfopt.runners.message import MessageKind, UnusableMessageError
from pytest_selfopt.runners.nats.config import NatsConfig
from pytest_selfopt.runners.nats.connection import connect, describe_closed, errors, have_consumer, have_streams
from pytest_selfopt.runners.nats.limits import ID, describe_limit, headers_of, room_for_data
from pytest_selfopt.runners.nats.messages import NatsMessages
from pytest_selfopt.runners.nats.queued_calls import acknowledge, keep, put_back
from pytest_selfopt.runners.nats.stored_results import StoredResults, StreamRefusesError
from pytest_selfopt.runners.nats.subjects import Subjects
from pytest_selfopt.runners.nats.worker_directory import ANY, notice_context, notice_to_bytes
from pytest_selfopt.runners.runner import Call
from pytest_selfopt.runners.wire import question_of
from pytest_selfopt.runners.worker_executor import MadeResults, WorkerConfig, failed
from pytest_selfopt.threads import WillingExecutor
from pytest_selfopt.trial import CallResult, ErrorKind

if TYPE_CHECKING:
    from nats.aio.client import Client as Connection
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext

MOST_DELIVERIES = 5
"""The number of workers that may be lost with a call before it is abandoned."""

DRAIN_S = 30.0
"""Seconds for which a worker that is told to end waits for its calls."""

AGAIN_S = 60.0
"""Seconds for which a worker whose connection was closed tries to connect again, to store the results of its calls."""

_PULL_S = 5.0
_ANSWER_S = 5.0
_PAUSE_S = 0.2
_ASK_S = 0.25


class NatsWorker:
    """Makes calls to its providers until it is told to end."""

    def __init__(self, config: NatsConfig, cipher: Cipher, duty: WorkerConfig) -> None:
        """Use the configured server."""
        self._config = config
        self._cipher = cipher
        self._duty = duty
        self._names = Subjects(config.name)
        self._messages = NatsMessages(self._names, cipher)
        self._made = MadeResults()
        self._ending = asyncio.Event()
        self._problem: RunnerError | None = None
        """Why this worker cannot go on."""
        self._stuck = asyncio.Event()
        """Set when it cannot, or when the connection is closed for good."""
        self._mine: set[tuple[str, str]] = set()
        """The calls that this worker has, by cycle and id."""
        self._aborted: set[tuple[str, str]] = set()
        self._came_back = -math.inf
        """Time of the last reconnection (seconds of a monotonic clock)."""
        self._making: set[asyncio.Task[None]] = set()
        self._nats: Connection | None = None
        self._stream_client: JetStreamContext | None = None
        self._results = StoredResults(self._names, self._messages, lambda: self._jetstream, self._room)

    @property
    def _connection(self) -> Connection:
        """The connection to the server.

        Raises:
            RunnerError: when `run` has not made one.
        """
        if self._nats is None:
            raise RunnerError("there is no connection to a NATS server")
        return self._nats

    @property
    def _jetstream(self) -> JetStreamContext:
        """The client of the streams.

        Raises:
            RunnerError: when `run` has not connected.
        """
        if self._stream_client is None:
            raise RunnerError("there is no connection to a NATS server")
        return self._stream_client

    async def run(self) -> None:
        """Take and make calls; after SIGTERM, SIGHUP or Ctrl-C, return once the calls in flight have ended.

        Raises:
            RunnerError: if there is no server, it closes the connection for good, or takes no results.
        """
        await self._open()
        await have_streams(self._jetstream, self._names)
        for provider in self._duty.providers:
            for place in (ANY, self._duty.name):
                await self._have_consumer(provider, place)
        await self._connection.subscribe(self._names.workers, cb=self._answer)
        loop = asyncio.get_running_loop()
        for number in ending_signals():
            loop.add_signal_handler(number, self._end)
        room = {provider: asyncio.Semaphore(self._duty.concurrency) for provider in self._duty.providers}
        with WillingExecutor(self._duty.threads, thread_name_prefix="selfopt-call") as pool:
            loop.set_default_executor(pool)
            slots: list[asyncio.Task[None]] = []
            places = (ANY, self._duty.name)
            numbers = range(self._duty.concurrency)
            for provider, place, _ in itertools.product(self._duty.providers, places, numbers):
                taking = self._take(provider, place, room[provider])
                slots.append(asyncio.create_task(taking))
            self._duty.introduce()
            events = [asyncio.create_task(event.wait()) for event in (self._ending, self._stuck)]
            await asyncio.wait([*events, *slots], return_when=asyncio.FIRST_COMPLETED)
            self._note_broken(slots)
            for task in (*events, *slots):
                task.cancel()
            await self._drain()
        await self._connection.close()
        if self._problem is not None:
            raise self._problem

    def _room(self, call_id: str) -> int:
        """Return how many bytes a message about a call may have."""
        return room_for_data(self._connection.max_payload, headers_of(call_id))

    async def _open(self) -> None:
        """Connect, and answer for the calls that this worker has."""
        name = f"pytest-selfopt worker {self._duty.name}"
        self._nats = await connect(self._config, name, self._note_return, self._note_closed)
        self._stream_client = self._nats.jetstream()
        await self._nats.subscribe(self._names.control("*"), cb=self._obey)
        await self._nats.subscribe(self._names.holders, cb=self._say_if_mine)

    async def _note_return(self) -> None:
        self._came_back = clock.monotonic()

    async def _note_closed(self) -> None:
        self._stuck.set()

    def _note_broken(self, slots: Sequence[asyncio.Task[None]]) -> None:
        """Note why no more calls are taken, unless that was ordered."""
        if self._problem is not None:
            return
        if self._connection.is_closed:
            self._problem = RunnerError(describe_closed(self._connection, self._config.where))
            return
        for task in slots:
            if task.done() and not task.cancelled() and task.exception() is not None:
                self._problem = RunnerError(f"calls cannot be taken from the NATS server: {task.exception()}")

    async def _have_consumer(self, provider: str, place: str) -> None:
        """Create the consumer if missing; keep a session's settings of it."""
        from nats.js.errors import NotFoundError

        try:
            await self._jetstream.consumer_info(self._names.calls, self._names.consumer(provider, place))
        except NotFoundError:
            await have_consumer(
                self._jetstream,
                self._names,
                provider,
                place,
                ack_wait_s=self._config.ack_wait_s,
                most=self._duty.concurrency,
            )

    def _end(self) -> None:
        if self._ending.is_set():
            self._duty.executor.abort_all()
        self._ending.set()

    async def _drain(self) -> None:
        self._duty.take_leave()
        deadline = clock.monotonic() + DRAIN_S
        if not self._ending.is_set():
            # Nobody waits for this worker's end, and what it is making is paid for.
            deadline = math.inf
            self._ending.set()
        while self._making and clock.monotonic() < deadline:
            if self._connection.is_closed:
                await self._open_again()
            await asyncio.sleep(0.05)
        self._duty.executor.abort_all()

    async def _open_again(self) -> None:
        """Replace a connection that was closed, to store results; a client that was closed never connects again.

        Raises:
            RunnerError: if that is impossible for a minute.
        """
        closed = describe_closed(self._connection, self._config.where)
        deadline = clock.monotonic() + AGAIN_S
        while True:
            try:
                await self._open()
            except RunnerError as problem:
                if clock.monotonic() > deadline:
                    self._duty.executor.abort_all()
                    raise RunnerError(f"{closed}, and results cannot be stored: {problem}") from None
                await asyncio.sleep(_PAUSE_S)
            else:
                return

    async def _answer(self, message: Msg) -> None:
        if not self._ending.is_set():
            about = notice_context(self._names, message.reply)
            notice = notice_to_bytes(self._duty.name, self._duty.providers, about)
            await message.respond(self._cipher.seal(notice, about.to_bytes()))

    async def _obey(self, message: Msg) -> None:
        cycle = message.subject.rpartition(".")[2]
        try:
            order = self._messages.read_order(message.data, cycle)
        except UnusableMessageError:
            return  # Whoever gives it, it is no session.
        if order.give_up:
            self._duty.executor.give_up(order.give_up)
        if order.cancel:
            for of_cycle, call_id in [mine for mine in self._mine if mine[0] == cycle]:
                self._aborted.add((of_cycle, call_id))
                self._duty.executor.abort(call_id)

    async def _take(self, provider: str, place: str, room: asyncio.Semaphore) -> None:
        """Run one slot: take a call, make it, repeat. A call is finished even if the slot is closed."""
        consumer = self._names.consumer(provider, place)
        pull = await self._jetstream.pull_subscribe_bind(consumer, self._names.calls)
        while True:
            try:
                (message,) = await pull.fetch(1, timeout=_PULL_S)
            except errors():
                # Once the connection is closed, nats-py turns the cancellation of this slot into an error like others.
                if self._ending.is_set() or self._connection.is_closed:
                    return
                # There is nothing to do, or the server is unreachable: the connection restores itself.
                await asyncio.sleep(_PAUSE_S)
                continue
            making = asyncio.create_task(self._make(message, room))
            self._making.add(making)
            making.add_done_callback(self._making.discard)
            # If it fails in any way, the server delivers the call again, and this slot may not be lost.
            with contextlib.suppress(Exception):
                await asyncio.shield(making)

    async def _make(self, message: Msg, room: asyncio.Semaphore) -> None:
        """Make the call in a message, unless its result is stored; then remove it from the queue."""
        place = self._names.read_call(message.subject)
        if place is None:
            await message.ack()  # Nobody waits for a result of what stands there.
            return
        cycle, last = place
        call_id = (message.headers or {}).get(ID, last)
        if token(call_id) != last:
            call_id = last
        if (cycle, call_id) in self._mine:
            return  # This worker is making the call, but the server took it for lost.
        received = clock.monotonic()
        self._mine.add((cycle, call_id))
        beat = asyncio.create_task(self._beat(message))
        try:
            async with room:
                done = await self._make_once(message, cycle, call_id, received)
            # A failure is harmless: the call comes again, and its result is found.
            with contextlib.suppress(*errors()):
                if done:
                    await acknowledge(self._connection, message, _ANSWER_S)
                else:
                    await put_back(self._connection, message, self._config.ack_wait_s / 2)
        except StreamRefusesError as problem:
            self._problem = problem
            self._stuck.set()
        finally:
            beat.cancel()
            self._mine.discard((cycle, call_id))
            self._aborted.discard((cycle, call_id))

    async def _beat(self, message: Msg) -> None:
        """Tell the server that the call is still in progress."""
        while True:
            await asyncio.sleep(self._config.ack_wait_s / 3)
            with contextlib.suppress(*errors()):
                await keep(self._connection, message)

    async def _make_once(self, message: Msg, cycle: str, call_id: str, received: float) -> bool:
        """Make a call and store its result; return whether it is done, or must be delivered again later."""
        mark = uuid.uuid4().hex[:12]
        subject = self._names.report(MessageKind.RESULT, cycle, call_id, mark)
        call = self._duty.read(lambda: self._messages.read_call(message.data, cycle, call_id, self._duty.variant))
        if isinstance(call, CallResult):
            await self._store_result(subject, call, cycle, call_id, "")
            return True
        if await self._is_made_elsewhere(cycle, call_id, self._courtesy_s(message)):
            return False
        # A beginning reported after a result is ignored.
        question = question_of(call)
        begun = self._report(MessageKind.BEGUN, cycle, call_id, mark)
        has_result, _ = await asyncio.gather(self._results.has(cycle, call_id, question), begun)
        if has_result:
            return True
        made = self._made.get(cycle, call_id, question)
        if made is not None:
            await self._report(MessageKind.LEFT, cycle, call_id, mark)
            await self._results.store(subject, call_id, made)
            return True
        if (cycle, call_id) in self._aborted or self._came_back > received:
            # A server that died may have forgotten to whom it had delivered a call.
            await self._report(MessageKind.LEFT, cycle, call_id, mark)
            return (cycle, call_id) in self._aborted
        result = await self._carry_out(message, call)
        if result.error is None or result.error.kind is not ErrorKind.CANCELLED:
            await self._store_result(subject, result, cycle, call_id, question)
            return True
        # What was not made because a quota is used up comes again later.
        return (cycle, call_id) in self._aborted

    async def _report(self, kind: MessageKind, cycle: str, call_id: str, mark: str) -> None:
        """Store that a call was begun, or dropped before it was sent."""
        data = self._messages.write_event(kind, cycle, call_id, mark, clock.now())
        await self._results.store(self._names.report(kind, cycle, call_id, mark), call_id, data)

    async def _is_made_elsewhere(self, cycle: str, call_id: str, courtesy_s: float) -> bool:
        """Whether another worker says, within `courtesy_s` seconds, that it is making the call."""
        asked = f"{self._duty.name} {cycle} {call_id}".encode()
        deadline = clock.monotonic() + courtesy_s
        while clock.monotonic() < deadline:
            with contextlib.suppress(*errors()):
                await self._connection.request(self._names.holders, asked, timeout=_ASK_S)
                return True
        return False

    async def _say_if_mine(self, message: Msg) -> None:
        asker, _, call = message.data.decode(errors="replace").partition(" ")
        cycle, _, call_id = call.partition(" ")
        if asker != self._duty.name and (cycle, call_id) in self._mine:
            await message.respond(self._duty.name.encode())

    def _courtesy_s(self, message: Msg) -> float:
        """Return the seconds for which to look for another worker that makes the same call.

        While the server is unreachable, a worker can neither store a result nor say that it is alive; when the server
        returns, it may deliver the call to another worker first.
        """
        courtesy_s = self._config.ack_wait_s / 2
        if message.metadata.num_delivered > 1:
            return courtesy_s
        # A server that died may have forgotten that it had delivered a call.
        back_s = clock.monotonic() - self._came_back
        given_before = clock.now() - message.metadata.timestamp.timestamp() > back_s
        if not given_before:
            return 0.0
        return max(0.0, courtesy_s - back_s)

    async def _carry_out(self, message: Msg, call: Call) -> CallResult:
        if message.metadata.num_delivered > MOST_DELIVERIES:
            why = f"worker lost: {MOST_DELIVERIES} in a row ended while they made this call"
            return failed(ErrorKind.WORKER_LOST, why)
        return await asyncio.get_running_loop().run_in_executor(None, self._duty.executor.carry_out, call)

    async def _store_result(self, subject: str, result: CallResult, cycle: str, call_id: str, question: str) -> None:
        """Store a result as the server accepts it, and keep it."""
        most = self._room(call_id)
        while most > 0:
            limit = describe_limit(self._connection.max_payload, "replies")
            data = self._messages.write_result(result, cycle, call_id, question, most=most, limit=limit)
            self._made.keep(cycle, call_id, question, data)
            if await self._results.store(subject, call_id, data):
                return
            # The server takes less by now, or its stream less than the server.
            room = self._room(call_id)
            most = room
            if room >= len(data):
                most = len(data) // 2
