"""What others write into the queues of a real NATS server: it is refused, and the calls go on."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any, Self

import pytest
from nats.aio.client import Client as Connection
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from pytest_selfopt.errors import RunnerError
from pytest_selfopt.execution.dev_servers import nats_server
from pytest_selfopt.runners.cipher import KEY_VARIABLE, Cipher
from pytest_selfopt.runners.message import MessageKind
from pytest_selfopt.runners.nats import worker as nats_worker
from pytest_selfopt.runners.nats.config import NatsConfig
from pytest_selfopt.runners.nats.connection import connect, have_consumer, have_streams
from pytest_selfopt.runners.nats.engine import NatsEngine
from pytest_selfopt.runners.nats.limits import ID
from pytest_selfopt.runners.nats.messages import NatsMessages
from pytest_selfopt.runners.nats.subjects import Subjects
from pytest_selfopt.runners.nats.worker_directory import WorkerDirectory, notice_context, notice_to_bytes
from pytest_selfopt.runners.remote import ProviderLimits, RemoteRunner
from pytest_selfopt.runners.worker_executor import WorkerConfig
from pytest_selfopt.specs.variants import VARIANTS
from pytest_selfopt.trial import CallResult, ErrorKind
from tests.runners.hostile_messages import HELLO, NOISE
from tests.runners.queue_work import LONG_S, OPEN, SEALED, Model, ask, asking, texts, wait_for, working
from tests.servers import free_port, started

PATIENT_S = 600.0
"""A silence after which nothing in a test comes again by itself."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with started(nats_server(tmp_path_factory.mktemp("nats"), free_port())) as address:
        yield address


@pytest.fixture(autouse=True)
def no_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers here are threads, which get no signals."""
    monkeypatch.setattr(nats_worker, "ending_signals", lambda: ())


class Desk:
    """One team on a server: its sessions and workers, and whoever else can write there."""

    def __init__(self, url: str, name: str, cipher: Cipher) -> None:
        self.config = NatsConfig(servers=(url,), name=name, ack_wait_s=PATIENT_S)
        self.cipher = cipher
        self.names = Subjects(name)
        self.messages = NatsMessages(self.names, cipher)
        self.model = Model()
        self.said: list[str] = []

    @contextmanager
    def worker(self, cipher: Cipher | None = None) -> Iterator[None]:
        with working(
            lambda duty: nats_worker.NatsWorker(self.config, cipher or self.cipher, duty), self.model, self.said
        ):
            yield

    @contextmanager
    def session(self, cycle: str, silence_s: float = PATIENT_S) -> Iterator[RemoteRunner]:
        demand = ProviderLimits(limits={"own": 8}, provider_of=lambda _: "own", pinned=lambda _: False)
        engine = NatsEngine(replace(self.config, ack_wait_s=silence_s), self.cipher, demand)
        try:
            engine.connect()
            yield RemoteRunner(engine, cycle=cycle)
        finally:
            engine.stop()

    def ask(self, cycle: str, *calls: str) -> dict[str, CallResult]:
        with self.session(cycle) as runner:
            return ask(runner, *calls)

    def do(self, work: Callable[[Connection], Any]) -> Any:
        """Let somebody work on the server."""

        async def scenario() -> Any:
            connection = await connect(self.config, "somebody")
            try:
                await have_streams(connection.jetstream(), self.names)
                await have_consumer(connection.jetstream(), self.names, "own", "any", ack_wait_s=PATIENT_S, most=8)
                return await work(connection)
            finally:
                await connection.close()

        return asyncio.run(scenario())

    def publish(self, *messages: tuple[str, str, bytes]) -> None:
        """Write messages, given by subject, the call's id and content."""

        async def work(connection: Connection) -> None:
            for subject, call_id, data in messages:
                headers = {ID: call_id} if call_id else None
                await connection.jetstream().publish(subject, data, headers=headers)

        self.do(work)

    def stored(self, stream: str, subject: str) -> list[RawStreamMsg]:
        """All messages of a stream under a subject."""

        async def work(connection: Connection) -> list[RawStreamMsg]:
            found: list[RawStreamMsg] = []
            with suppress(NotFoundError):
                while True:
                    after = (found[-1].seq or 0) if found else 0
                    jetstream = connection.jetstream()
                    found.append(
                        await jetstream.get_msg(stream, seq=after + 1, subject=subject, direct=True, next=True)
                    )
            return found

        found: list[RawStreamMsg] = self.do(work)
        return found

    def wait_until_empty(self, subject: str) -> None:
        deadline = time.monotonic() + LONG_S
        while self.stored(self.names.calls, subject):
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.mark.parametrize("cipher", [OPEN, SEALED], ids=["open", "sealed"])
def test_noise_in_the_place_of_a_result_is_refused(url: str, cipher: Cipher) -> None:
    desk = Desk(url, f"noise-{cipher.seals}", cipher)
    with ExitStack() as held:
        held.enter_context(desk.worker())
        runner = held.enter_context(desk.session("cycle"))
        desk.model.may.clear()
        with asking(runner, "call-1") as found:
            wait_for(lambda: desk.model.asked)
            noise = [
                (desk.names.report(kind, "cycle", "call-1", name), "call-1", data)
                for name, data in NOISE.items()
                for kind in (MessageKind.RESULT, MessageKind.BEGUN, MessageKind.LEFT)
            ]
            old_place = f"{desk.names.name}.results.cycle.call-1.result"
            desk.publish(*noise, (old_place, "call-1", NOISE["format-only"]), (old_place[:-7], "", b""))
            wait_for(lambda: runner.refusals.total() == len(noise) + 2)
            assert not found
            desk.model.may.set()
    assert texts(found) == {"call-1": "hello call-1"}
    assert desk.model.asked == ["call-1"]
    assert found["call-1"].failed_attempts == ()


def test_calls_that_are_none_are_answered_at_once(url: str) -> None:
    desk = Desk(url, "calls", OPEN)
    places = {name: desk.names.call("own", "any", "cycle", name) for name in NOISE}
    strange = f"{desk.names.name}.calls.own.any.cycle"
    desk.publish(*((place, "", NOISE[name]) for name, place in places.items()), (strange, "", b"{}"))
    with desk.worker():
        desk.wait_until_empty(f"{desk.names.name}.calls.>")
        assert texts(desk.ask("cycle", "call-9")) == {"call-9": "hello call-9"}
    assert desk.model.asked == ["call-9"]
    for name in NOISE:
        (stored,) = desk.stored(desk.names.results, desk.names.results_to("cycle", name))
        error = desk.messages.read_answer(stored.data or b"", "cycle", name).result.error
        assert error is not None
        assert error.kind is ErrorKind.REQUEST


def test_copies_of_sealed_messages_are_refused(url: str) -> None:
    desk = Desk(url, "copies", SEALED)
    with desk.worker():
        desk.ask("first", "call-1", "call-2")
        copies = desk.stored(desk.names.results, desk.names.results_of("first"))
        with desk.session("second") as runner:
            desk.model.may.clear()
            with asking(runner, "call-1", "call-2") as found:
                wait_for(lambda: len(desk.model.asked) == 4)
                forged = [
                    (desk.names.report(kind, "second", call_id, f"{number}"), call_id, copy.data or b"")
                    for number, copy in enumerate(copies)
                    for kind in (MessageKind.RESULT, MessageKind.BEGUN, MessageKind.LEFT)
                    for call_id in ("call-1", "call-2")
                ]
                # Within a cycle, too: the result of one call as that of the other.
                desk.publish(*forged)
                wait_for(lambda: runner.refusals.total() == len(forged))
                desk.model.may.set()
        assert texts(found) == {"call-1": "hello call-1", "call-2": "hello call-2"}
        swapped = {"call-1": "call-2", "call-2": "call-1"}
        with desk.session("first") as runner:
            for copy in copies:
                other = swapped[(copy.headers or {})[ID]]
                place = desk.names.report(MessageKind.RESULT, "first", other, f"copy-{copy.seq}")
                desk.publish((place, other, copy.data or b""))
            wait_for(lambda: runner.refusals.total() == len(copies))
            assert texts(ask(runner, "call-1")) == {"call-1": "hello call-1"}
    assert len(desk.model.asked) == 4


def test_copies_of_sealed_calls_are_not_made_again(url: str) -> None:
    """Neither in another cycle or as another call, nor in their own place after their results were removed."""
    desk = Desk(url, "replays", SEALED)
    desk.publish()
    place = desk.names.call("own", "any", "cycle", "call-1")
    data = desk.messages.write_call(replace(HELLO, id="call-1"), "cycle", 1_000_000)
    with desk.worker():
        desk.publish((place, "call-1", data))
        wait_for(lambda: desk.model.asked)
        desk.wait_until_empty(place)
        before = desk.stored(desk.names.results, desk.names.results_to("cycle", "call-1"))

        async def purge(connection: Connection) -> None:
            await connection.jetstream().purge_stream(desk.names.results)

        desk.do(purge)
        copies = [desk.names.call("own", "any", *elsewhere) for elsewhere in (("other", "call-1"), ("cycle", "call-2"))]
        desk.publish(
            *((copy, copy.rpartition(".")[2], data) for copy in copies),
            (place, "call-1", data),
        )
        desk.wait_until_empty(f"{desk.names.name}.calls.>")
        after = desk.stored(desk.names.results, desk.names.results_to("cycle", "call-1"))
    assert desk.model.asked == ["call-1"]
    assert [stored.data for stored in after] == [stored.data for stored in before]
    assert (
        Counter(desk.said)[
            "a call cannot be read: a message was sealed with a key other than "
            f"{KEY_VARIABLE} here, or for another call"
        ]
        == 1
    )


@pytest.mark.parametrize(
    ("session", "worker", "sentence"),
    [
        (SEALED, OPEN, f"is not sealed; set {KEY_VARIABLE} at its sender"),
        (OPEN, SEALED, f"is sealed, but {KEY_VARIABLE} is not set here"),
        (SEALED, Cipher(b"o" * 32), f"sealed with a key other than {KEY_VARIABLE} here"),
    ],
    ids=["worker-without-key", "session-without-key", "other-key"],
)
def test_a_worker_with_another_key_is_named(url: str, session: Cipher, worker: Cipher, sentence: str) -> None:
    desk = Desk(url, f"keys-{session.seals}-{worker.seals}", session)
    with desk.worker(worker), pytest.raises(RunnerError, match=f"a worker at {url} cannot be used: .*{sentence}"):
        desk.ask("cycle", "call-1")


class Pretender:
    """Is there as a worker, and does something else with calls."""

    def __init__(self, desk: Desk, treat: Callable[[Connection, Any], Any], notice: bytes = b"") -> None:
        self.desk, self.treat, self.notice = desk, treat, notice
        self.taken = 0

    async def _work(self, connection: Connection) -> None:
        async def answer(message: Any) -> None:
            about = notice_context(self.desk.names, message.reply)
            own = self.desk.cipher.seal(notice_to_bytes("pretender", ["own"], about), about.to_bytes())
            for notice in [self.notice] if self.notice else [*NOISE.values(), own]:
                await message.respond(notice)

        await connection.subscribe(self.desk.names.workers, cb=answer)
        pull = await connection.jetstream().pull_subscribe_bind(
            self.desk.names.consumer("own", "any"), self.desk.names.calls
        )
        self.there.set()
        while not self.ending.is_set():
            with suppress(TimeoutError):
                (message,) = await pull.fetch(1, timeout=0.2)
                self.taken += 1
                await self.treat(connection, message)

    def __enter__(self) -> Self:
        self.there, self.ending = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=lambda: self.desk.do(self._work))
        self.thread.start()
        assert self.there.wait(LONG_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self.thread.join(LONG_S)


@pytest.mark.timeout(300)
def test_calls_taken_away_end_as_errors(url: str) -> None:
    desk = Desk(url, "taken", OPEN)

    async def take(_: Connection, message: Any) -> None:
        await message.ack_sync()

    with Pretender(desk, take) as pretender, desk.session("cycle", silence_s=0.5) as runner:
        found = ask(runner, "call-1", "call-2")
    assert {str(one.error.kind) for one in found.values() if one.error} == {"worker_lost"}
    assert "worker lost: the call was sent 3 times, and no result came" in str(found)
    assert pretender.taken == 6


@pytest.mark.timeout(300)
def test_results_of_an_older_worker_say_what_to_do(url: str) -> None:
    desk = Desk(url, "older", OPEN)

    async def answer(connection: Connection, message: Any) -> None:
        cycle, call = message.subject.split(".")[-2:]
        place = f"{desk.names.name}.results.{cycle}.{call}.result"
        with suppress(Exception):  # The second one on a subject is not stored.
            await connection.jetstream().publish(place, NOISE["format-only"], headers={ID: call})
        await message.ack_sync()

    sentence = "format 1, but this version supports format 2; run the same version"
    with (
        Pretender(desk, answer),
        desk.session("cycle", silence_s=0.5) as runner,
        pytest.raises(RunnerError, match=sentence),
    ):
        ask(runner, "call-1")
    old = b'{"name": "old", "providers": ["own"], "concurrency": 4}'
    with Pretender(desk, answer, old), pytest.raises(RunnerError, match="cannot be used: run the same version"):
        desk.ask("other", "call-1")


def test_a_pinned_model_without_a_worker_is_named(url: str) -> None:
    demand = ProviderLimits(limits={"own": 1}, provider_of=lambda _: "own", pinned=lambda _: True)
    directory = WorkerDirectory(NatsConfig(servers=(url,), name="pinned"), OPEN, demand)
    connection: Any = None  # It is asked only while there is patience.
    with pytest.raises(RunnerError, match=f"no worker at {url} makes calls to own; start one"):
        asyncio.run(directory.place(connection, "own/model", patience_s=-1.0))


@pytest.mark.timeout(60)
def test_a_slot_ends_with_its_connection(url: str) -> None:
    desk = Desk(url, "cancelled", OPEN)
    executor: Any = None  # No call is made.
    duty = WorkerConfig(executor=executor, providers=("own",), concurrency=1, variant=VARIANTS.__getitem__, say=print)

    async def cancel(_: Connection) -> None:
        worker = nats_worker.NatsWorker(desk.config, desk.cipher, duty)
        await worker._open()
        slot = asyncio.create_task(worker._take("own", "any", asyncio.Semaphore()))
        await asyncio.sleep(1)  # It waits for a call.
        worker._ending.set()
        slot.cancel()
        await worker._connection.close()
        with suppress(asyncio.CancelledError):
            await slot

    desk.do(cancel)
