"""Waits that had no end: each of them sees what it waits for cannot come any more, and says so."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.errors import RunnerError, SelfoptError
from pytest_selfopt.execution.dispatcher import Dispatcher, NoResultError, Pass
from pytest_selfopt.models.config import ModelConfig, ProviderConfig
from pytest_selfopt.planning.plan import TrialKey
from pytest_selfopt.runners import concurrency
from pytest_selfopt.runners.budget import CallBudget
from pytest_selfopt.runners.concurrency import ConcurrencyLimiter, ModelLimit
from pytest_selfopt.runners.local import LocalRunner
from pytest_selfopt.runners.loop_thread import EventLoopThread
from pytest_selfopt.runners.remote import RemoteRunner
from pytest_selfopt.runners.runner import Call, Finished
from pytest_selfopt.specs.request import ChatRequest, Sampling
from pytest_selfopt.swarm.pattern import parse_pattern
from pytest_selfopt.swarm.runner import SwarmRunner
from pytest_selfopt.swarm.swarm import Swarm
from pytest_selfopt.trial import CallError, CallResult, ErrorKind, Reply

LONG_S = 20.0
REQUEST = ChatRequest(messages=(Message(role="user", content="Hello"),), sampling=Sampling(max_tokens=100))
PRICED = ModelConfig(id="m", provider=ProviderConfig(name="p", wire="openai"), price_in=1.0, price_out=2.0)
FIRST, SECOND = TrialKey("atomic", "spec", "case", 0), TrialKey("atomic", "spec", "case", 1)
LIVE = frozenset({"spec"})


def ended(work: Callable[[], object]) -> threading.Thread:
    """A thread that did some work, and has ended."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(LONG_S)
    assert not thread.is_alive()
    return thread


def call(name: str = "c") -> Call:
    return Call(id=name, model="m", request=REQUEST)


class Forgetful:
    """A project's runner that returns before its calls have ended."""

    in_flight = 0

    def run_batch(self, calls: Sequence[Call], on_results: Callable[[Sequence[Finished]], None]) -> None:
        pass

    def has_begun(self, call_id: str) -> bool:
        return False

    def cancel(self) -> None:
        pass


def dispatcher_of(*passes: Pass) -> Dispatcher:
    return Dispatcher(
        runner=Forgetful(),  # type: ignore[arg-type]
        passes=passes,
        call_for=lambda key: call(str(key)),
        id_of=str,
        on_results=lambda finished: finished,
        stored={},
    )


def test_results_that_a_runner_forgets_are_errors() -> None:
    first, second = Pass("atomic", 0, (FIRST,)), Pass("atomic", 1, (SECOND,))
    dispatcher = dispatcher_of(first, second)
    first.release(LIVE)
    dispatcher.start()
    for key in (FIRST, TrialKey("other", "spec", "case", 0)):
        with pytest.raises(NoResultError, match="no call was made for this trial"):
            dispatcher.result(key, lambda: None)
        dispatcher.wait_until_begun(key, lambda: None)
    came: list[str] = []

    def wait() -> None:
        try:
            dispatcher.result(SECOND, waits.set)
        except NoResultError as problem:
            came.append(str(problem))

    waits = threading.Event()
    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    assert waits.wait(LONG_S)
    dispatcher.stop()
    waiting.join(LONG_S)
    assert came


def test_passes_before_an_unreleased_one_are_blocked() -> None:
    first, second = Pass("atomic", 0, (FIRST,)), Pass("atomic", 1, (SECOND,))
    dispatcher = dispatcher_of(first, second)
    second.release(LIVE)
    assert dispatcher.is_blocked(SECOND)
    first.release(LIVE)
    assert not dispatcher.is_blocked(SECOND)


class Client:
    def ask(self, request: ChatRequest, *, timeout_s: float) -> Reply | CallError:
        return CallError(kind=ErrorKind.REQUEST, message="no")

    def abort(self) -> None: ...


class BrokenBudget(CallBudget):
    def admit(self, model: str, request: ChatRequest) -> float | None:
        raise RuntimeError("the prices are gone")


def broken_clock() -> float:
    raise MemoryError


@pytest.mark.parametrize(
    "broken", [{"budget": BrokenBudget({"m": PRICED})}, {"clock": broken_clock}], ids=["budget", "clock"]
)
def test_exceptions_around_a_call_are_its_result(broken: dict[str, Any]) -> None:
    slots = ConcurrencyLimiter({"m": ModelLimit(most=1)})
    runner = LocalRunner({"m": Client()}, slots, rng=random.Random(1), **broken)
    finished: list[Finished] = []
    ended(lambda: runner.run_batch([call("a"), call("b")], finished.extend))
    assert [one.result.error is not None for one in finished] == [True, True]
    assert slots.in_flight == 0
    runner.cancel()


def test_slots_come_without_a_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrency, "_TICK_S", 0.01)
    monkeypatch.setattr(threading.Timer, "start", lambda _: None)
    slots = ConcurrencyLimiter({"m": ModelLimit(most=1)})
    slots.hold("m", 0.2)
    ended(lambda: slots.take("m"))
    assert slots.in_flight == 1


@pytest.mark.parametrize("way", ["admit", "admit_call"])
def test_a_closed_budget_keeps_no_call_waiting(way: str) -> None:
    budget = CallBudget({"m": PRICED}, max_cost_usd=1.0)
    assert budget.admit("m", REQUEST) is not None
    admitted: list[Any] = []

    def wait() -> None:
        if way == "admit":
            admitted.append(budget.admit("m", REQUEST))
        else:
            admitted.append(budget.admit_call("m", REQUEST, 1, least=1))

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    budget.close()
    waiting.join(LONG_S)
    assert admitted == [None]


class BrokenEngine:
    """Sends nothing."""

    def __init__(self) -> None:
        self.sent: list[Call] = []

    def start(self, inbox: object, cycle: str) -> None: ...

    def send(self, calls: Sequence[Call]) -> None:
        self.sent += calls
        if calls:
            raise ValueError("the message is no message")

    def cancel(self) -> None: ...


def test_calls_that_cannot_be_sent_end_the_batch() -> None:
    runner = RemoteRunner(BrokenEngine(), cycle="c", most={"m": 1})  # type: ignore[arg-type]
    problems: list[SelfoptError] = []

    def run() -> None:
        try:
            runner.run_batch([call("a"), call("b")], lambda _: None)
        except RunnerError as problem:
            problems.append(problem)

    ended(run)
    assert "the message is no message" in str(problems[0])
    assert not [thread for thread in threading.enumerate() if thread.name == "selfopt-feed"]


class BrokenInner(Forgetful):
    def run(self, call: Call) -> CallResult:
        raise KeyError(call.id)


def test_broken_members_end_the_batch_of_a_swarm() -> None:
    swarm = Swarm(id="m", topology=parse_pattern("2"), members=("a", "b"), judge="j")
    runner = SwarmRunner(BrokenInner(), {"m": swarm}, {}, stored={}, on_parts=lambda _: None)  # type: ignore[arg-type]
    problems: list[str] = []

    def run() -> None:
        try:
            runner.run_batch([call()], lambda _: None)
        except RunnerError as problem:
            problems.append(str(problem))

    ended(run)
    assert problems[0].startswith("the calls of a swarm cannot be made: KeyError")


def test_work_in_a_loop_that_ended_is_an_error() -> None:
    loop = EventLoopThread("some-loop", errors=lambda: (OSError,), sentence=str)
    loop.start()

    async def end() -> None:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(LONG_S)

    problems: list[str] = []

    def work() -> None:
        try:
            loop.do(end())
        except RunnerError as problem:
            problems.append(str(problem))

    ended(work)
    assert problems == ["the thread some-loop has ended before its work was done"]
    loop.stop(asyncio.sleep(0), LONG_S)
