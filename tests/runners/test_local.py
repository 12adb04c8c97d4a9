"""The local runner: order, limits, retries, cancellation."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from pytest_selfopt.models.client import HttpClient
from pytest_selfopt.models.config import ModelConfig, ProviderConfig
from pytest_selfopt.models.scripted import ScriptedServer
from pytest_selfopt.runners.concurrency import ConcurrencyLimiter, ModelLimit
from pytest_selfopt.runners.local import LocalRunner
from pytest_selfopt.runners.runner import Call, Finished, RunnerOptions
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.trial import TRANSIENT, CallError, CallResult, ErrorKind, Reply

REQUEST = ChatRequest(messages=())


class Client:
    """Answers from a list, or by a function; it stands for a whole provider where HTTP is not the point."""

    def __init__(self, answer: Callable[[], Reply | CallError]) -> None:
        self._answer = answer
        self.asked = 0

    def ask(self, request: ChatRequest, *, timeout_s: float) -> Reply | CallError:
        self.asked += 1
        return self._answer()

    def abort(self) -> None: ...


def runner_of(answers: Sequence[Reply | CallError], limit: int = 1) -> tuple[LocalRunner, Client]:
    remaining = iter(answers)
    client = Client(lambda: next(remaining))
    return LocalRunner({"m": client}, ConcurrencyLimiter({"m": ModelLimit(most=limit)}), rng=random.Random(1)), client


def over_http(server: ScriptedServer, limit: int) -> LocalRunner:
    provider = ProviderConfig(name="p", wire="openai", base_url=server.base_url)
    client = HttpClient(ModelConfig(id="m", provider=provider, name="m", max_concurrency=limit))
    return LocalRunner({"m": client}, ConcurrencyLimiter({"m": ModelLimit(most=limit)}), rng=random.Random(1))


def call(name: str = "c", **options: Any) -> Call:
    return Call(id=name, model="m", request=REQUEST, options=RunnerOptions(**{"retries": 0, **options}), lane="lane")


def error(kind: ErrorKind, retry_after_s: float | None = None) -> CallError:
    return CallError(kind=kind, message="scripted", retry_after_s=retry_after_s)


def test_a_reply_keeps_its_earlier_errors() -> None:
    first, second = error(ErrorKind.SERVER), error(ErrorKind.CONNECTION)
    runner, _ = runner_of([first, second, Reply(text="ok")])
    result = runner.run(call(retries=2, backoff_s=0.01))
    assert result.reply == Reply(text="ok")
    assert [attempt.error for attempt in result.failed_attempts] == [first, second]
    assert all(attempt.started <= attempt.ended for attempt in result.failed_attempts)
    assert result.attempts == 3


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_only_transient_errors_are_retried(kind: ErrorKind) -> None:
    runner, client = runner_of([error(kind)] * 3)
    result = runner.run(call(retries=2, rate_limit_retries=2, backoff_s=0.001))
    assert result.error == error(kind)
    assert client.asked == (3 if kind in TRANSIENT else 1)


def test_the_servers_retry_delay_is_respected() -> None:
    runner, _ = runner_of([error(ErrorKind.RATE_LIMIT, 0.3), Reply()])
    result = runner.run(call(retries=1, backoff_s=0.001))
    assert result.reply is not None
    assert result.ended - result.started >= 0.3


@pytest.mark.parametrize("header", ["Fri, 31 Dec 99999 23:59:59 GMT", "1e400", "1e308", "-5", "NaN", "soon"])
@pytest.mark.parametrize(("status", "kind"), [(429, ErrorKind.RATE_LIMIT), (503, ErrorKind.SERVER)])
def test_an_absurd_retry_delay_is_not_heeded(header: str, status: int, kind: ErrorKind) -> None:
    refusal = {"when": {"first": 1}, "then": {"status": status, "headers": {"Retry-After": header}}}
    with ScriptedServer({"rules": [refusal, {"when": {}, "then": {"text": "hello"}}]}) as server:
        runner = over_http(server, 1)
        result = runner.run(call(retries=1, backoff_s=0.001))
    assert result.reply is not None
    assert [attempt.error.kind for attempt in result.failed_attempts] == [kind]
    assert runner.held is None


@pytest.mark.parametrize("kind", [ErrorKind.RATE_LIMIT, ErrorKind.SERVER])
def test_calls_are_held_back_as_the_server_asks(kind: ErrorKind) -> None:
    runner, _ = runner_of([error(kind, 0.2), Reply()])
    result = runner.run(call(retries=1, backoff_s=0.001))
    assert runner.held is not None
    model, until = runner.held
    assert model == "m"
    assert until >= result.started + 0.2


def test_an_excessive_retry_delay_is_not_awaited() -> None:
    runner, client = runner_of([error(ErrorKind.RATE_LIMIT, 3600), Reply()])
    ended = runner.run(call(retries=1)).error
    assert ended is not None
    assert ended.kind is ErrorKind.QUOTA
    assert "asks for a wait of 1:00:00 h, until 20" in ended.message
    after = runner.run(call("next")).error
    assert after is not None
    assert after.kind is ErrorKind.CANCELLED
    assert client.asked == 1


def test_the_limit_holds_and_order_is_kept() -> None:
    with ScriptedServer({"latency": 0.05}) as server:
        runner = over_http(server, 5)
        results: dict[str, CallResult] = {}
        runner.run_batch(
            [call(str(index)) for index in range(30)],
            lambda finished: results.update({one.call.id: one.result for one in finished}),
        )
        assert server.seen.most_in_flight == 5
    assert len(results) == 30
    assert sorted(result.lane_seq for result in results.values()) == list(range(30))
    assert max(result.in_flight for result in results.values()) == 5
    in_order = sorted(results, key=lambda name: results[name].lane_seq)
    assert all(abs(place - int(name)) < 5 for place, name in enumerate(in_order))


def test_five_hundred_calls_run_at_once() -> None:
    with ScriptedServer({"latency": 4.0}) as server:
        runner = over_http(server, 512)
        kinds: Counter[str] = Counter()
        runner.run_batch(
            [call(str(index)) for index in range(512)],
            lambda finished: kinds.update(
                str(one.result.error.kind) if one.result.error else "reply" for one in finished
            ),
        )
        assert kinds == {"reply": 512}
        assert server.seen.most_in_flight == 512


def test_results_reach_the_calling_thread_immediately() -> None:
    seen: list[tuple[int, str]] = []

    def receive(finished: Sequence[Finished]) -> None:
        seen.extend((threading.get_ident(), one.call.id) for one in finished)

    runner, _ = runner_of([Reply()] * 20, limit=8)
    runner.run_batch([call(str(index)) for index in range(20)], receive)
    assert sorted(name for _, name in seen) == sorted(str(index) for index in range(20))
    assert {thread for thread, _ in seen} == {threading.get_ident()}


def test_a_receivers_exception_ends_the_batch() -> None:
    def refuse(_: Sequence[Finished]) -> None:
        raise RuntimeError("the disk is full")

    runner, _ = runner_of([Reply()] * 20, limit=2)
    with pytest.raises(RuntimeError, match="the disk is full"):
        runner.run_batch([call(str(index)) for index in range(20)], refuse)


def test_cancelling_stops_running_and_pending_calls() -> None:
    with ScriptedServer({"default": {"hang": True}}) as server:
        runner = over_http(server, 3)
        results: list[CallResult] = []

        def receive(finished: Sequence[Finished]) -> None:
            results.extend(one.result for one in finished)

        batch = threading.Thread(
            target=runner.run_batch,
            args=([call(str(index), retries=2) for index in range(20)], receive),
        )
        batch.start()
        while server.seen.in_flight < 3:
            time.sleep(0.01)
        runner.cancel()
        batch.join(timeout=20)
        assert not batch.is_alive()
        assert len(server.seen.requests) == 3
    assert [result.error and result.error.kind for result in results] == [ErrorKind.CANCELLED] * 3
    assert runner.run(call()).error == CallError(kind=ErrorKind.CANCELLED, message="cancelled before it was sent")


def test_a_batch_after_cancelling_ends_at_once() -> None:
    runner, client = runner_of([Reply()])
    runner.cancel()
    batch = threading.Thread(target=runner.run_batch, args=([call()], lambda _: None), daemon=True)
    batch.start()
    batch.join(60)
    assert not batch.is_alive()
    assert not client.asked


@pytest.mark.timeout(120)
def test_cancelling_ends_a_retry_wait() -> None:
    runner, client = runner_of([error(ErrorKind.SERVER, 600), Reply()])
    threading.Timer(0.1, runner.cancel).start()
    assert runner.run(call(retries=1)).reply is None
    assert client.asked == 1
