"""The parts of calls through Temporal: settings, sealing, workflows, and windows over a real server."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueRequest
from temporalio.client import WorkflowHistory
from temporalio.converter import WorkflowSerializationContext
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker

from pytest_selfopt.config_table import Table
from pytest_selfopt.errors import RunnerError, SelfoptError, SettingsError
from pytest_selfopt.execution.dev_servers import temporal_server
from pytest_selfopt.runners.cipher import Cipher
from pytest_selfopt.runners.remote import ProviderLimits
from pytest_selfopt.runners.runner import Call
from pytest_selfopt.runners.temporal.codec import SealingCodec
from pytest_selfopt.runners.temporal.config import TemporalConfig, read_config
from pytest_selfopt.runners.temporal.connection import connect
from pytest_selfopt.runners.temporal.engine import TemporalEngine
from pytest_selfopt.runners.temporal.shared import BEGUN, WORKFLOW, CallPayload, take_some
from pytest_selfopt.runners.temporal.workflow import CallBatchWorkflow, PingWorkflow
from pytest_selfopt.runners.wire import Answer
from pytest_selfopt.trial import CallResult, ErrorKind
from tests.runners.temporal_server import HISTORY, Model, a_call, errands, worker
from tests.servers import free_port, started


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = temporal_server(tmp_path_factory.mktemp("temporal"), free_port())
    with started(replace(server, command=(*server.command, "--namespace", "team"))) as address:
        yield address


def test_a_recorded_history_replays() -> None:
    history = WorkflowHistory.from_json("recorded", HISTORY.read_text())
    replayer = Replayer(workflows=[CallBatchWorkflow], workflow_runner=UnsandboxedWorkflowRunner())
    asyncio.run(replayer.replay_workflow(history))


def test_a_diverging_history_is_refused() -> None:
    told = json.loads(HISTORY.read_text())
    for event in told["events"]:
        scheduled = event.get("activityTaskScheduledEventAttributes")
        if scheduled and scheduled["activityId"] == "call-2":
            scheduled["activityId"] = "call-x"
    replayer = Replayer(workflows=[CallBatchWorkflow], workflow_runner=UnsandboxedWorkflowRunner())
    with pytest.raises(Exception, match="call-"):
        asyncio.run(replayer.replay_workflow(WorkflowHistory.from_json("recorded", json.dumps(told))))


def test_the_environment_overrides_the_settings_file() -> None:
    config = read_config(Table({"target": "far:7233", "namespace": "team", "heartbeat": 5}, "there"))
    assert (config.target, config.namespace, config.heartbeat_s) == ("far:7233", "team", 5)
    environment = {"TEMPORAL_ADDRESS": "farther:1", "TEMPORAL_API_KEY": "secret", "TEMPORAL_TLS": "false"}
    above = config.with_environment(environment)
    assert (above.target, above.namespace, above.api_key, above.tls) == ("farther:1", "team", "secret", False)
    assert "secret" not in repr(above)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"api_key": "x"}, "secrets are not read from files; set TEMPORAL_API_KEY"),
        ({"target": "http://far"}, "expected HOST:PORT"),
        ({"name": "a b"}, "is not a valid name"),
        ({"heartbeat": 0.1}, "0.1 is outside 0.5 to 3600"),
        ({"targets": "far:1"}, "unknown key 'targets'"),
    ],
)
def test_unusable_settings_are_named(table: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        read_config(Table(table, "there"))


def test_a_missing_certificate_is_named(tmp_path: Path) -> None:
    config = TemporalConfig(tls_ca=str(tmp_path / "none.pem"))
    with pytest.raises(RunnerError, match=r"none\.pem"):
        asyncio.run(connect(config, Cipher(None), "test"))


def test_only_the_same_key_opens_payloads() -> None:
    payload = Payload(metadata={"encoding": b"binary/plain"}, data=b"a prompt")
    key, other, none = SealingCodec(Cipher(b"k" * 32)), SealingCodec(Cipher(b"o" * 32)), SealingCodec(Cipher(None))
    here = WorkflowSerializationContext(namespace="team", workflow_id="selfopt-cycle-1")
    key, other, none = key.with_context(here), other.with_context(here), none.with_context(here)
    elsewhere = key.with_context(replace(here, workflow_id="selfopt-cycle-2"))
    sealed = asyncio.run(key.encode([payload]))
    assert b"a prompt" not in sealed[0].SerializeToString()
    assert asyncio.run(key.decode(sealed)) == [payload]
    assert asyncio.run(none.decode(asyncio.run(none.encode([payload])))) == [payload]
    for codec, stored in ((other, sealed), (none, sealed), (key, [payload]), (elsewhere, sealed)):
        with pytest.raises(RunnerError):
            asyncio.run(codec.decode(stored))


def test_a_workflow_is_bounded_in_size() -> None:
    short = [CallPayload(id=str(index), queue="q", call="{}", seconds=1) for index in range(100)]
    assert len(take_some(short)) == 64
    long = [CallPayload(id=str(index), queue="q", call="x" * 600_000, seconds=1) for index in range(3)]
    assert len(take_some(long)) == 1
    assert len(take_some([*short[:5], *long])) == 6


class Box:
    """Keeps what an engine tells."""

    def __init__(self) -> None:
        self.begun: Counter[str] = Counter()
        self.results: dict[str, CallResult] = {}
        self.problem: SelfoptError | None = None
        self.refusals: list[str] = []

    def began(self, call_id: str, mark: str, at: float) -> None:
        assert abs(time.time() - at) < 3_600
        self.begun[call_id] += 1

    def left(self, call_id: str, mark: str) -> None:
        self.begun[call_id] -= 1

    def ended(self, call_id: str, answer: Answer) -> bool:
        assert call_id not in self.results
        self.results[call_id] = answer.result
        return True

    def is_over(self, call_id: str) -> bool:
        return call_id in self.results

    def refused(self, why: str) -> None:
        self.refusals.append(why)

    def failed(self, problem: SelfoptError) -> None:
        self.problem = problem

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not condition():
            assert self.problem is None
            assert time.monotonic() < deadline
            time.sleep(0.02)


class Hands:
    """A worker on a thread of its own."""

    def __init__(self, config: TemporalConfig, model: Model) -> None:
        self._ending, self._there = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work(config, model)))

    def __enter__(self) -> None:
        self._thread.start()
        assert self._there.wait(60)

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    async def _work(self, config: TemporalConfig, model: Model) -> None:
        model.name = config.name
        client = await connect(config, Cipher(None), "hands")
        async with worker(client, f"{config.name}-own", model):
            self._there.set()
            while not self._ending.is_set():
                await asyncio.sleep(0.02)


def an_engine(config: TemporalConfig, most: int) -> TemporalEngine:
    demand = ProviderLimits(limits={"own": most}, provider_of=lambda _: "own", pinned=lambda _: False)
    return TemporalEngine(config, Cipher(None), demand)


def calls(number: int) -> list[Call]:
    return [a_call(f"call-{index}") for index in range(number)]


def test_the_call_limit_spans_several_workflows(target: str) -> None:
    model, box = Model(0.05), Box()
    config = TemporalConfig(target=target, name="windows", heartbeat_s=2)
    engine = an_engine(config, 5)
    with Hands(config, model):
        engine.connect()
        engine.start(box, "cycle")
        engine.send(calls(150))
        box.wait(lambda: len(box.results) == 150)
        engine.stop()
    assert model.most == 5
    assert len(model.made) == 150
    assert set(box.begun.values()) == {1}


def test_a_resumed_workflow_can_abandon_a_call(target: str) -> None:
    model, first, second = Model(3), Box(), Box()
    config = TemporalConfig(target=target, name="resumed", heartbeat_s=2)
    with Hands(config, model):
        engine = an_engine(config, 4)
        engine.connect()
        engine.start(first, "cycle")
        engine.send(calls(4))
        first.wait(lambda: len(first.begun) == 4)
        engine.stop()
        engine = an_engine(config, 4)
        engine.connect()
        engine.start(second, "cycle")
        engine.send(calls(4)[1:])
        engine.give_up("call-1")
        second.wait(lambda: len(second.results) == 4)
        engine.stop()
    assert sorted(model.made) == [f"call-{index}" for index in range(4)]
    error = second.results["call-1"].error
    assert error is not None
    assert error.kind is ErrorKind.TIMEOUT


def test_a_call_that_ends_while_it_is_sent_is_done(target: str) -> None:
    model, first, second = Model(0.5), Box(), Box()
    config = TemporalConfig(target=target, name="ending", heartbeat_s=2)
    with Hands(config, model):
        engine = an_engine(config, 1)
        engine.connect()
        engine.start(first, "cycle")
        engine.send(calls(4))
        first.wait(lambda: bool(first.begun))
        engine.stop()
        engine = an_engine(config, 1)
        engine.connect()
        engine.start(second, "cycle")
        second.wait(lambda: bool(second.results))
        engine.send(calls(4))
        second.wait(lambda: len(second.results) == 4)
        time.sleep(0.5)
        engine.stop()
    assert second.problem is None
    assert sorted(model.made) == [f"call-{index}" for index in range(4)]


def test_calls_of_a_lost_worker_are_moved(target: str) -> None:
    async def scenario() -> tuple[list[str], dict[str, int]]:
        client = await connect(TemporalConfig(target=target), Cipher(None), "test")
        model = Model(0.1)
        async with worker(client, "left", model):
            work = errands("left", 4, 4)
            for one in work.errands[:2]:
                one.queue = "gone"
            carried = await client.start_workflow(WORKFLOW, work, id="moved", task_queue="left")
            while (await carried.query("progress"))["ended"] < 2:
                await asyncio.sleep(0.05)
            progress: dict[str, int] = await carried.query("progress")
            await carried.signal("move", args=["gone", "left"])
            await asyncio.wait_for(carried.result(), 20)
        return sorted(model.made), progress

    made, progress = asyncio.run(scenario())
    assert progress == {"calls": 4, "under_way": 2, "ended": 2, "window": 4}
    assert made == ["call-0~", "call-1~", "call-2", "call-3"]


@pytest.mark.parametrize("worker_says", ["begun", "never-got"])
def test_an_undelivered_attempt_is_not_counted(target: str, worker_says: str) -> None:
    """A server that dies may take for given out what its answer never brought to the worker."""
    name, box = f"phantom-{worker_says}", Box()
    model = Model(0.1, name)
    queue, engine = f"{name}-own", an_engine(TemporalConfig(target=target, name=name, heartbeat_s=2), 1)

    @activity.defn(name=BEGUN)
    async def tell(attempts: list[str]) -> list[str]:
        return attempts if worker_says == "begun" else []

    async def scenario() -> None:
        client = await connect(TemporalConfig(target=target), Cipher(None), "w1")
        with_workflows: dict[str, Any] = {
            "workflows": [CallBatchWorkflow, PingWorkflow],
            "workflow_runner": UnsandboxedWorkflowRunner(),
        }
        async with Worker(client, task_queue=queue, **with_workflows):
            await asyncio.to_thread(engine.connect)
            await asyncio.to_thread(engine.start, box, "cycle")
            await asyncio.to_thread(engine.send, calls(1))
            given = await client.workflow_service.poll_activity_task_queue(
                PollActivityTaskQueueRequest(namespace="default", task_queue=TaskQueue(name=queue), identity="w1")
            )
            assert given.activity_id == "call-0"
            await asyncio.to_thread(box.wait, lambda: box.begun["call-0"] == 1)
            async with (
                Worker(client, task_queue=f"{name}-at-w1", activities=[tell], **with_workflows),
                Worker(client, task_queue=queue, activities=[model.make]),
            ):
                await asyncio.to_thread(box.wait, lambda: bool(box.results))
            await asyncio.to_thread(engine.stop)

    asyncio.run(scenario())
    assert model.made == ["call-0"]
    assert box.begun["call-0"] == (2 if worker_says == "begun" else 1)


def test_namespaces_may_be_custom_or_missing(target: str) -> None:
    model, box = Model(0.05), Box()
    config = TemporalConfig(target=target, namespace="team", heartbeat_s=2)
    with Hands(config, model):
        engine = an_engine(config, 4)
        engine.connect()
        engine.start(box, "cycle")
        engine.send(calls(2))
        box.wait(lambda: len(box.results) == 2)
        engine.stop()
    engine = an_engine(replace(config, namespace="nobody"), 4)
    with pytest.raises(RunnerError, match=rf"{target} cannot be used: Namespace nobody is not found"):
        engine.connect()
    engine.stop()
