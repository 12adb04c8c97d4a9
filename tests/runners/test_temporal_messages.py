"""What others write into the workflows of a real Temporal server: it is refused, and the calls go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.workflowservice.v1 import RespondActivityTaskCompletedByIdRequest
from temporalio.client import Client

from pytest_selfopt.errors import RunnerError
from pytest_selfopt.execution.dev_servers import temporal_server
from pytest_selfopt.runners.cipher import KEY_VARIABLE, Cipher
from pytest_selfopt.runners.remote import ProviderLimits, RemoteRunner
from pytest_selfopt.runners.temporal import worker as temporal_worker
from pytest_selfopt.runners.temporal.config import TemporalConfig
from pytest_selfopt.runners.temporal.connection import connect
from pytest_selfopt.runners.temporal.engine import TemporalEngine
from pytest_selfopt.runners.temporal.shared import WORKFLOW, CallPayload, CallPayloads
from pytest_selfopt.runners.temporal.task_queues import TaskQueues
from tests.runners.hostile_messages import NOISE
from tests.runners.queue_work import LONG_S, OPEN, SEALED, Model, ask, asking, texts, wait_for, working
from tests.servers import free_port, started


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with started(temporal_server(tmp_path_factory.mktemp("temporal"), free_port())) as address:
        yield address


@pytest.fixture(autouse=True)
def no_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers here are threads, which get no signals."""
    monkeypatch.setattr(temporal_worker, "ending_signals", lambda: ())


class Desk:
    """One team on a server: its sessions and workers, and whoever else can write there."""

    def __init__(self, target: str, name: str, cipher: Cipher) -> None:
        self.config = TemporalConfig(target=target, name=name, heartbeat_s=30)
        self.cipher = cipher
        self.names = TaskQueues(name)
        self.model = Model()
        self.said: list[str] = []

    @contextmanager
    def worker(self, cipher: Cipher | None = None) -> Iterator[None]:
        with working(
            lambda duty: temporal_worker.TemporalWorker(self.config, cipher or self.cipher, duty),
            self.model,
            self.said,
        ):
            yield

    @contextmanager
    def session(self, cycle: str) -> Iterator[RemoteRunner]:
        demand = ProviderLimits(limits={"own": 8}, provider_of=lambda _: "own", pinned=lambda _: False)
        engine = TemporalEngine(self.config, self.cipher, demand)
        try:
            engine.connect()
            yield RemoteRunner(engine, cycle=cycle)
        finally:
            engine.stop()

    def do(self, work: Callable[[Client], Any], cipher: Cipher = OPEN) -> Any:
        """Let somebody work on the server."""

        async def scenario() -> Any:
            return await work(await connect(self.config, cipher, "somebody"))

        return asyncio.run(scenario())

    def payloads(self, workflow: str) -> dict[str, list[Payload]]:
        """What is stored in a workflow: the calls that it was started with, and results by call."""

        async def work(client: Client) -> dict[str, list[Payload]]:
            found: dict[str, list[Payload]] = {}
            names: dict[int, str] = {}
            async for event in client.get_workflow_handle(workflow).fetch_history_events():
                begun = event.workflow_execution_started_event_attributes
                asked = event.activity_task_scheduled_event_attributes
                done = event.activity_task_completed_event_attributes
                if begun.HasField("input"):
                    found["started"] = list(begun.input.payloads)
                if asked.activity_id:
                    names[event.event_id] = asked.activity_id
                    found[f"asked {asked.activity_id}"] = list(asked.input.payloads)
                if done.scheduled_event_id:
                    found[names[done.scheduled_event_id]] = list(done.result.payloads)
            return found

        found: dict[str, list[Payload]] = self.do(work)
        return found

    def workflow_of(self, cycle: str, call_id: str) -> str:
        """The first workflow of a cycle that has asked a call."""
        for number in range(1, 100):
            workflow = self.names.workflow(cycle, number)
            if f"asked {call_id}" in self.payloads(workflow):
                return workflow
        raise AssertionError(call_id)

    def complete(self, workflow: str, call_id: str, payloads: list[Payload]) -> None:
        """End a call in its worker's place."""

        async def work(client: Client) -> None:
            await client.workflow_service.respond_activity_task_completed_by_id(
                RespondActivityTaskCompletedByIdRequest(
                    namespace="default",
                    workflow_id=workflow,
                    activity_id=call_id,
                    result=Payloads(payloads=payloads),
                )
            )

        self.do(work)


def plain(data: bytes) -> list[Payload]:
    return [Payload(metadata={"encoding": b"binary/plain"}, data=data)]


def taken(payloads: list[Payload], _: str) -> list[Payload]:
    return payloads


def refused_once(desk: Desk, runner: RemoteRunner, call_id: str, forged: Callable[[str], list[Payload]]) -> None:
    """Ask, and end the call in its worker's place with what is made of its workflow: the call goes on."""
    desk.model.may.clear()
    before = runner.refusals.total()
    with asking(runner, call_id) as found:
        wait_for(lambda: call_id in desk.model.asked)
        workflow = desk.workflow_of("cycle", call_id)
        desk.complete(workflow, call_id, forged(workflow))
        wait_for(lambda: runner.refusals.total() == before + 1)
        assert not found
        desk.model.may.set()
    assert texts(found) == {call_id: f"hello {call_id}"}


@pytest.mark.parametrize("cipher", [OPEN, SEALED], ids=["open", "sealed"])
def test_noise_in_the_place_of_a_result_is_refused(target: str, cipher: Cipher) -> None:
    """The call is sent again, and the worker that is making it makes it once."""
    desk = Desk(target, f"noise-{cipher.seals}", cipher)
    results = {f"call-{name}": plain(NOISE[name]) for name in ("empty", "format-only", "deep", "of-another-call")}
    results["call-strange"] = [Payload(metadata={"encoding": b"json/protobuf"}, data=b"{")]
    # The library's workflows cannot go on after a result without a value.
    results["call-nothing"] = []
    with desk.worker(), desk.session("cycle") as runner:
        for call_id, payloads in results.items():
            refused_once(desk, runner, call_id, partial(taken, payloads))
    assert desk.model.asked == list(results)


def test_copies_of_sealed_payloads_are_refused(target: str) -> None:
    desk = Desk(target, "copies", SEALED)
    with desk.worker(), desk.session("cycle") as runner:
        ask(runner, "call-1", "call-2")
        first = desk.payloads(desk.workflow_of("cycle", "call-1"))
        # What a call was asked is no result, and the results of other workflows open nowhere else.
        refused_once(desk, runner, "call-3", lambda workflow: desk.payloads(workflow)["asked call-3"])
        refused_once(desk, runner, "call-4", lambda _: first["call-1"])
        desk.model.may.clear()
        # Nor is the result of one call that of another one of the same workflow.
        with asking(runner, "call-5", "call-6") as found:
            wait_for(lambda: len(desk.model.asked) == 6)
            workflow = desk.workflow_of("cycle", "call-6")
            desk.model.may_answer = "call-5"
            desk.model.may.set()
            wait_for(lambda: "call-5" in desk.payloads(workflow))
            desk.complete(workflow, "call-6", desk.payloads(workflow)["call-5"])
            wait_for(lambda: runner.refusals.total() == 3)
            desk.model.may_answer = ""
        assert texts(found) == {"call-5": "hello call-5", "call-6": "hello call-6"}
    assert sorted(desk.model.asked) == [f"call-{number}" for number in range(1, 7)]


@pytest.mark.parametrize("cipher", [OPEN, SEALED], ids=["open", "sealed"])
def test_strange_workflows_end_and_workers_go_on(target: str, cipher: Cipher) -> None:
    """Calls that are none, copies of calls, and workflows that stand where those of a session should."""
    desk = Desk(target, f"strange-{cipher.seals}", cipher)
    queue = desk.names.queue("own")

    async def start(client: Client, workflow: str, argument: Any) -> Any:
        return await client.start_workflow(
            WORKFLOW, argument, id=workflow, task_queue=queue, execution_timeout=timedelta(minutes=5)
        )

    noise = [CallPayload(id=name, queue=queue, call=data.decode("latin-1"), seconds=60) for name, data in NOISE.items()]
    work = CallPayloads(errands=noise, window=4, heartbeat_s=30)
    with desk.worker():
        with desk.session("first") as runner:
            ask(runner, "call-1")

        async def spoil(client: Client) -> None:
            carried = await start(client, f"strangers of {desk.config.name}", work)
            # What another cycle will want to start, and something that no worker can read.
            await start(client, desk.names.workflow("second", 1), {"errands": 1})
            await start(client, f"more of {desk.config.name}", [1, 2])
            await asyncio.wait_for(carried.result(), LONG_S)

        desk.do(spoil, cipher)
        copied = desk.payloads(desk.names.workflow("first", 1))["started"]

        async def copy(client: Client) -> None:
            converter = client.data_converter.payload_converter
            values = converter.from_payloads(copied, [CallPayloads]) if not cipher.seals else [copied[0]]
            await start(client, desk.names.workflow("third", 1), values[0])

        desk.do(copy)
        with desk.session("second") as runner:
            assert texts(ask(runner, "call-2")) == {"call-2": "hello call-2"}
            assert runner.refusals.total() == 1
    assert desk.model.asked == ["call-1", "call-2"]
    assert any("a call cannot be read: " in text for text in desk.said)


@pytest.mark.parametrize(
    ("session", "worker", "sentence"),
    [
        (OPEN, SEALED, f"is sealed, but {KEY_VARIABLE} is not set here"),
        (SEALED, Cipher(b"o" * 32), f"sealed with a key other than {KEY_VARIABLE} here"),
    ],
    ids=["session-without-key", "other-key"],
)
def test_a_worker_with_another_key_is_named(target: str, session: Cipher, worker: Cipher, sentence: str) -> None:
    desk = Desk(target, f"keys-{session.seals}", session)
    sentence = f"a worker at {target} cannot be used: .*{sentence}"
    with desk.worker(worker), pytest.raises(RunnerError, match=sentence), desk.session("cycle"):
        pass


def test_results_of_another_version_say_what_to_do(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As from a worker before messages said what they belong to."""
    desk = Desk(target, "versions", OPEN)
    monkeypatch.setattr(temporal_worker, "result_to_bytes", lambda *_: NOISE["format-only"])
    sentence = "format 1, but this version supports format 2; run the same version"
    with desk.worker(), desk.session("cycle") as runner, pytest.raises(RunnerError, match=sentence):
        ask(runner, "call-1")
    assert desk.model.asked == ["call-1"]
