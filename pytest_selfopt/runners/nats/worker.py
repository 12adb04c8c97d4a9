"""The worker's side: take calls from the queue, make them, and store their results."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import uuid
from typing import TYPE_CHECKING

from pytest_selfopt import clock
from pytest_selfopt.deferred_signals import ending_signals
from pytest_selfopt.errors import RunnerError
from pytest_selfopt.runners.cipher import Cipher
from pytest_selfopt.runners.ids import token
from pytest_selfopt.runners.message import MessageKind, UnusableMessageError
from pytest_selfopt.runners.nats.config import NatsConfig
from pytest_selfopt.runners.nats.connection import EXISTS, connect, errors, have_consumer, have_streams
from pytest_selfopt.runners.nats.engine import ID
from pytest_selfopt.runners.nats.messages import NatsMessages
from pytest_selfopt.runners.nats.subjects import Subjects
from pytest_selfopt.runners.nats.worker_directory import ANY, notice_context, notice_to_bytes
from pytest_selfopt.runners.runner import Call
from pytest_selfopt.runners.wire import question_of
from pytest_selfopt.runners.worker_executor import MadeResults, WorkerConfig, encoded, failed
from pytest_selfopt.threads import WillingExecutor
from pytest_selfopt.trial import CallResult, ErrorKind

if TYPE_CHECKING:
    from nats.aio.client import Client as Connection
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext
    from nats.js.api import RawStreamMsg

MOST_DELIVERIES = 5
"""The number of workers that may be lost with a call before it is abandoned."""

DRAIN_S = 30.0
"""Seconds for which a worker that is told to end waits for its calls."""

MOST_RESULTS = 16
"""How many stored messages are looked at to find the result of a call; others may write there, too."""

_PULL_S = 5.0
_ANSWER_S = 5.0
_PAUSE_S = 0.2
_ASK_S = 0.25
_STORE_S = 1.0
"""Seconds after which an unacknowledged result is stored again, since the server may have died."""


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
        self._mine: set[tuple[str, str]] = set()
        """The calls that this worker has, by cycle and id."""
        self._aborted: set[tuple[str, str]] = set()
        self._came_back = -math.inf
        """Time of the last reconnection (seconds of a monotonic clock)."""
        self._making: set[asyncio.Task[None]] = set()
        self._nats: Connection | None = None

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
        return self._connection.jetstream()

    async def run(self) -> None:
        """Take and make calls; after SIGTERM, SIGHUP or Ctrl-C, return once the calls in flight have ended.

        Raises:
            RunnerError: if there is no server.
        """
        self._nats = await connect(self._config, f"pytest-selfopt worker {self._duty.name}", self._note_return)
        await have_streams(self._jetstream, self._names)
        for provider in self._duty.providers:
            for place in (ANY, self._duty.name):
                await self._have_consumer(provider, place)
        await self._nats.subscribe(self._names.workers, cb=self._answer)
        await self._nats.subscribe(self._names.control("*"), cb=self._obey)
        await self._nats.subscribe(self._names.holders, cb=self._say_if_mine)
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
            ending = asyncio.create_task(self._ending.wait())
            await asyncio.wait([ending, *slots], return_when=asyncio.FIRST_COMPLETED)
            broken = [task.exception() for task in slots if task.done()]
            for task in (ending, *slots):
                task.cancel()
            await self._drain()
        await self._nats.close()
        if broken:
            raise RunnerError(f"calls cannot be taken from the NATS server: {broken[0]}")

    async def _note_return(self) -> None:
        self._came_back = clock.monotonic()

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
        while self._making and clock.monotonic() < deadline:
            await asyncio.sleep(0.05)
        self._duty.executor.abort_all()

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
                    await message.ack_sync(timeout=_ANSWER_S)
                else:
                    await message.nak(delay=self._config.ack_wait_s / 2)
        finally:
            beat.cancel()
            self._mine.discard((cycle, call_id))
            self._aborted.discard((cycle, call_id))

    async def _beat(self, message: Msg) -> None:
        """Tell the server that the call is still in progress."""
        while True:
            await asyncio.sleep(self._config.ack_wait_s / 3)
            with contextlib.suppress(*errors()):
                await message.in_progress()

    async def _make_once(self, message: Msg, cycle: str, call_id: str, received: float) -> bool:
        """Make a call and store its result; return whether it is done, or must be delivered again later."""
        mark = uuid.uuid4().hex[:12]
        subject = self._names.report(MessageKind.RESULT, cycle, call_id, mark)
        call = self._duty.read(lambda: self._messages.read_call(message.data, cycle, call_id, self._duty.variant))
        if isinstance(call, CallResult):
            await self._store(subject, call_id, self._messages.write_result(call, cycle, call_id, ""))
            return True
        if await self._is_made_elsewhere(cycle, call_id, self._courtesy_s(message)):
            return False
        # A beginning reported after a result is ignored.
        question = question_of(call)
        begun = self._report(MessageKind.BEGUN, cycle, call_id, mark)
        has_result, _ = await asyncio.gather(self._has_result(cycle, call_id, question), begun)
        if has_result:
            return True
        made = self._made.get(cycle, call_id, question)
        if made is not None:
            await self._report(MessageKind.LEFT, cycle, call_id, mark)
            await self._store(subject, call_id, made)
            return True
        if (cycle, call_id) in self._aborted or self._came_back > received:
            # A server that died may have forgotten to whom it had delivered a call.
            await self._report(MessageKind.LEFT, cycle, call_id, mark)
            return (cycle, call_id) in self._aborted
        result = await self._carry_out(message, call)
        if result.error is None or result.error.kind is not ErrorKind.CANCELLED:
            data = self._to_bytes(result, cycle, call_id, question)
            self._made.keep(cycle, call_id, question, data)
            await self._store(subject, call_id, data)
            return True
        # What was not made because a quota is used up comes again later.
        return (cycle, call_id) in self._aborted

    async def _report(self, kind: MessageKind, cycle: str, call_id: str, mark: str) -> None:
        """Store that a call was begun, or dropped before it was sent."""
        data = self._messages.write_event(kind, cycle, call_id, mark, clock.now())
        await self._store(self._names.report(kind, cycle, call_id, mark), call_id, data)

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

    async def _has_result(self, cycle: str, call_id: str, question: str) -> bool:
        """Whether an answer to the question is stored; wait while the server is unreachable."""
        from nats.js.errors import NotFoundError

        after = 0
        for _ in range(MOST_RESULTS):
            try:
                stored = await self._next_result(cycle, call_id, after)
            except NotFoundError:
                return False
            with contextlib.suppress(UnusableMessageError):
                if self._messages.read_answer(stored.data or b"", cycle, call_id).fits(question):
                    return True
            after = stored.seq or 0
        return False

    async def _next_result(self, cycle: str, call_id: str, after: int) -> RawStreamMsg:
        """Return the next stored result of a call; wait while the server is unreachable.

        Raises:
            NotFoundError: if there is none.
        """
        from nats.js.errors import NotFoundError

        subject = self._names.results_to(cycle, call_id)
        while True:
            try:
                return await self._jetstream.get_msg(
                    self._names.results, seq=after + 1, subject=subject, direct=True, next=True
                )
            except NotFoundError:
                raise
            except errors():
                await asyncio.sleep(_PAUSE_S)

    def _to_bytes(self, result: CallResult, cycle: str, call_id: str, question: str) -> bytes:
        """Encode a result as the server accepts it."""
        most = self._connection.max_payload
        limit = f"the NATS server accepts only {most:,} (max_payload)"
        return encoded(
            result, lambda result: self._messages.write_result(result, cycle, call_id, question), most, limit
        )

    async def _store(self, subject: str, call_id: str, data: bytes) -> None:
        """Store a message as soon as the server is reachable."""
        while True:
            try:
                await self._jetstream.publish(subject, data, timeout=_STORE_S, headers={ID: call_id})
            except errors() as problem:
                if getattr(problem, "err_code", None) == EXISTS:
                    return
                await asyncio.sleep(_PAUSE_S)
            else:
                return
