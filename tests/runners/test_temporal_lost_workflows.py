"""Workflows that are gone, terminated or too late, and what is too long, on a real Temporal server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.errors import RunnerError
from pytest_selfopt.execution.dev_servers import temporal_server
from pytest_selfopt.runners.runner import Call
from pytest_selfopt.runners.temporal import connection as temporal_connection
from pytest_selfopt.runners.temporal import engine as temporal_engine
from pytest_selfopt.runners.temporal import worker as temporal_worker
from pytest_selfopt.runners.temporal import workflow as temporal_workflow
from pytest_selfopt.trial import CallResult, ErrorKind, Reply
from tests.performance.engine_faults.bench import noise
from tests.performance.engine_faults.temporal_faults import LOW_HISTORIES, delete, exists, terminate
from tests.runners.hostile_messages import HELLO
from tests.runners.queue_work import OPEN, Model, ask, asking, texts, wait_for
from tests.runners.test_temporal_messages import Desk
from tests.servers import free_port, started

CALLS = [f"call-{number:02}" for number in range(70)]
"""The calls of two workflows."""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = temporal_server(tmp_path_factory.mktemp("temporal"), free_port())
    with started(replace(server, command=(*server.command, *LOW_HISTORIES))) as address:
        yield address


@pytest.fixture(autouse=True)
def no_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers here are threads, which get no signals."""
    monkeypatch.setattr(temporal_worker, "ending_signals", lambda: ())


@pytest.mark.parametrize(("gone", "again"), [((1,), CALLS[:64]), ((1, 2), CALLS)], ids=["first", "all"])
def test_calls_of_a_gone_workflow_are_asked_again(target: str, gone: tuple[int, ...], again: list[str]) -> None:
    desk = Desk(target, f"gone-{len(gone)}", OPEN)
    with desk.worker(), desk.session("cycle") as runner:
        ask(runner, *CALLS)
    desk.do(lambda client: delete(client, [desk.names.workflow("cycle", number) for number in gone]))
    desk.model.asked.clear()
    # Another worker, which remembers nothing.
    with desk.worker(), desk.session("cycle") as runner:
        assert len(texts(ask(runner, *CALLS))) == len(CALLS)
    assert sorted(desk.model.asked) == again


def test_a_terminated_workflow_ends_the_session(target: str) -> None:
    """Somebody wants it to end; what it lacks is asked by the next session."""
    desk = Desk(target, "terminated", OPEN)
    workflow = desk.names.workflow("cycle", 1)
    desk.model.may.clear()

    def end() -> None:
        wait_for(lambda: desk.model.asked)
        desk.do(lambda client: terminate(client, [workflow]))

    ending = threading.Thread(target=end)
    sentence = rf"{workflow} was terminated \(.*\) with 2 calls .*; continue with --selfopt-resume"
    with desk.worker():
        ending.start()
        with desk.session("cycle") as runner, pytest.raises(RunnerError, match=sentence):
            ask(runner, "call-1", "call-2")
        ending.join()
        desk.model.may.set()
        with desk.session("cycle") as runner:
            assert len(texts(ask(runner, "call-1", "call-2"))) == 2


def test_calls_nobody_made_in_time_are_asked_again(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporal_workflow, "KEPT", timedelta(seconds=1))
    desk = Desk(target, "late", OPEN)
    desk.model.may.clear()
    with desk.worker(), desk.session("cycle") as runner, asking(runner, "call-1") as found:
        wait_for(lambda: desk.do(lambda client: exists(client, desk.names.workflow("cycle", 2))))
        desk.model.may.set()
    assert texts(found) == {"call-1": "hello call-1"}


class Talker(Model):
    """Answers with long texts."""

    def run(self, call: Call) -> CallResult:
        self.asked.append(call.id)
        now = time.time()
        return CallResult(reply=Reply(text=noise(400_000, len(self.asked))), started=now, ended=now, lane=call.lane)


def test_an_outgrown_history_loses_nothing(target: str) -> None:
    desk = Desk(target, "outgrown", OPEN)
    desk.model = Talker()
    with desk.worker(), desk.session("cycle") as runner:
        assert len(texts(ask(runner, *CALLS[:20]))) == 20
    assert sorted(desk.model.asked) == CALLS[:20]


def test_only_the_call_is_refused_that_is_too_long(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the server does not say what it accepts: 2.5 MB are an argument, and 5 MB exhaust a resource."""

    async def unknown(_: object) -> int:
        return 10**9

    for module in (temporal_engine, temporal_connection):
        monkeypatch.setattr(module, "most_bytes", unknown)
    monkeypatch.setattr(temporal_engine, "MOST_BYTES", 10**9)
    monkeypatch.setattr("pytest_selfopt.runners.temporal.shared._FULL_BYTES", 10**9)
    desk = Desk(target, "long", OPEN)
    lengths = {"call-1": 5, "call-2": 2_500_000, "call-3": 5_000_000, "call-4": 5}
    calls = [
        replace(
            HELLO, id=call_id, request=replace(HELLO.request, messages=(Message(role="user", content="x" * length),))
        )
        for call_id, length in lengths.items()
    ]
    found: dict[str, CallResult] = {}
    with desk.worker(), desk.session("cycle") as runner:
        runner.run_batch(calls, lambda ended: found.update({one.call.id: one.result for one in ended}))
    assert sorted(texts(found)) == ["call-1", "call-4"]
    for call_id, why in (("call-2", "Blob data size exceeds limit"), ("call-3", "received message larger than max")):
        error = found[call_id].error
        assert error is not None
        assert error.kind is ErrorKind.REQUEST
        assert f"but the Temporal server rejects it: {why}" in error.message.replace("grpc: ", "")
    assert sorted(desk.model.asked) == ["call-1", "call-4"]
