"""How many calls go out at a time: slots, limits that adapt, and budgets."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.models.client import HttpClient
from pytest_selfopt.models.config import EMBEDDED_MODELS, ModelConfig, ProviderConfig
from pytest_selfopt.models.cost import cost_of_result, most_it_can_cost
from pytest_selfopt.models.scripted import ScriptedServer
from pytest_selfopt.runners.adaptive import Limit, after_rate_limit, after_success
from pytest_selfopt.runners.budget import CallBudget
from pytest_selfopt.runners.concurrency import ConcurrencyLimiter, ModelLimit
from pytest_selfopt.runners.local import LocalRunner
from pytest_selfopt.runners.runner import Call, Finished, RunnerOptions
from pytest_selfopt.specs.request import ChatRequest, Sampling
from pytest_selfopt.trial import CallError, CallResult, ErrorKind, FailedAttempt, Reply

PROVIDER = ProviderConfig(name="p", wire="openai")
PRICED = ModelConfig(id="m", provider=PROVIDER, price_in=1.0, price_out=2.0)
REQUEST = ChatRequest(messages=(Message(role="user", content="Hello"),), sampling=Sampling(max_tokens=100))
TURNED_AWAY = CallError(kind=ErrorKind.RATE_LIMIT, message="too many")


def test_a_rate_limit_lowers_concurrency_once() -> None:
    limit = Limit(allowed=64, ceiling=64)
    for _ in range(20):
        limit = after_rate_limit(limit, sent_at=1.0, now=2.0)
    assert limit.allowed == 44
    assert after_rate_limit(limit, sent_at=2.5, now=3.0).allowed == 30


def test_concurrency_stays_above_zero_and_recovers() -> None:
    limit = Limit(allowed=64, ceiling=64)
    for second in range(40):
        limit = after_rate_limit(limit, sent_at=second, now=second)
    assert limit.allowed == 1
    for second in range(40, 10_000):
        limit = after_success(limit, sent_at=second, in_flight=limit.allowed, now=second)
    assert limit.allowed == 64


def test_stale_or_unsaturated_calls_prove_nothing() -> None:
    limit = Limit(allowed=10, ceiling=20, changed_at=5.0)
    for _ in range(100):
        limit = after_success(limit, sent_at=4.0, in_flight=10, now=6.0)
        limit = after_success(limit, sent_at=6.0, in_flight=7, now=6.0)
    assert limit == Limit(allowed=10, ceiling=20, changed_at=5.0)


@given(st.integers(1, 600), st.lists(st.tuples(st.booleans(), st.floats(0, 100)), max_size=200))
def test_concurrency_stays_between_one_and_maximum(ceiling: int, events: list[tuple[bool, float]]) -> None:
    limit, now = Limit(allowed=ceiling, ceiling=ceiling), 0.0
    for refused, passed in events:
        sent_at, now = now, now + passed
        if refused:
            limit = after_rate_limit(limit, sent_at=sent_at, now=now)
        else:
            limit = after_success(limit, sent_at=sent_at, in_flight=limit.allowed, now=now)
        assert 1 <= limit.allowed <= ceiling


def calls(model: str, number: int, **options: float) -> list[Call]:
    chosen = replace(RunnerOptions(retries=0, backoff_s=0.01), **options)  # type: ignore[arg-type]
    return [Call(id=f"{model}-{index}", model=model, request=REQUEST, options=chosen) for index in range(number)]


def run(runner: LocalRunner, batch: Sequence[Call]) -> list[CallResult]:
    results: list[CallResult] = []

    def receive(finished: Sequence[Finished]) -> None:
        results.extend(one.result for one in finished)

    runner.run_batch(batch, receive)
    return results


def test_a_provider_bounds_its_models_together() -> None:
    with ScriptedServer({"latency": 0.03}) as server:
        provider = ProviderConfig(name="p", wire="openai", base_url=server.base_url)
        names = ("a", "b", "c")
        clients = {name: HttpClient(ModelConfig(id=name, provider=provider, name=name)) for name in names}
        slots = ConcurrencyLimiter({name: ModelLimit(most=4, provider="p") for name in names}, {"p": 6})
        runner = LocalRunner(clients, slots, rng=random.Random(1))
        mixed = [one for three in zip(*(calls(name, 20) for name in names), strict=True) for one in three]
        results = run(runner, mixed)
        assert server.seen.most_in_flight == 6
    assert len(results) == 60
    assert all(result.reply for result in results)
    assert slots.in_flight == slots.waiting == 0


def test_one_account_for_all_callers() -> None:
    with ScriptedServer({"latency": 0.03}) as server:
        provider = ProviderConfig(name="p", wire="openai", base_url=server.base_url)
        client = HttpClient(ModelConfig(id="m", provider=provider, name="m"))
        runner = LocalRunner({"m": client}, ConcurrencyLimiter({"m": ModelLimit(most=3)}), rng=random.Random(1))
        others = [threading.Thread(target=lambda: [runner.run(one) for one in calls("m", 5)]) for _ in range(6)]
        for thread in others:
            thread.start()
        run(runner, calls("m", 20))
        for thread in others:
            thread.join()
        assert server.seen.asked == 50
        assert server.seen.most_in_flight == 3


def test_a_small_server_limit_is_found_losslessly() -> None:
    with ScriptedServer({"latency": 0.02, "rules": [{"when": {"busy": 6}, "then": {"status": 429}}]}) as server:
        provider = ProviderConfig(name="p", wire="openai", base_url=server.base_url)
        client = HttpClient(ModelConfig(id="m", provider=provider, name="m", max_concurrency=48))
        slots = ConcurrencyLimiter({"m": ModelLimit(most=48)})
        runner = LocalRunner({"m": client}, slots, rng=random.Random(1))
        results = run(runner, calls("m", 600))
        refused = server.seen.asked - 600
    assert [result.error for result in results if result.error] == []
    assert slots.limit("m").allowed <= 9
    assert refused < 300
    assert all(attempt.error.kind is ErrorKind.RATE_LIMIT for one in results for attempt in one.failed_attempts)
    assert sum(len(one.failed_attempts) for one in results) == refused


def test_a_server_gets_no_call_too_early() -> None:
    rules = [{"when": {"first": 1}, "then": {"status": 429, "retry_after": 0.5}}]
    with ScriptedServer({"rules": rules}) as server:
        provider = ProviderConfig(name="p", wire="openai", base_url=server.base_url)
        client = HttpClient(ModelConfig(id="m", provider=provider, name="m"))
        runner = LocalRunner({"m": client}, ConcurrencyLimiter({"m": ModelLimit(most=1)}), rng=random.Random(1))
        results = run(runner, calls("m", 4))
    (limited,) = [result for result in results if result.failed_attempts]
    free_again = limited.failed_attempts[0].ended + 0.5
    others = [result for result in results if result is not limited]
    assert all(result.started >= free_again - 0.02 for result in others)


def test_attempts_are_bounded_in_number_and_time() -> None:
    class Refusing:
        asked = 0

        def ask(self, _request: ChatRequest, *, timeout_s: float) -> CallError:
            del timeout_s
            self.asked += 1
            return TURNED_AWAY

        def abort(self) -> None: ...

    client = Refusing()
    runner = LocalRunner({"m": client}, ConcurrencyLimiter({"m": ModelLimit(most=1)}), rng=random.Random(1))
    assert runner.run(calls("m", 1, rate_limit_retries=4, max_backoff_s=0.01)[0]).error == TURNED_AWAY
    assert client.asked == 5
    began = time.monotonic()
    runner.run(calls("m", 1, rate_limit_retries=1_000, backoff_s=0.05, max_backoff_s=0.05, max_total_s=0.3)[0])
    assert time.monotonic() - began > 0.1
    assert client.asked < 500


def test_an_unforeseen_client_error_costs_one_call() -> None:
    class Broken:
        def ask(self, _request: ChatRequest, *, timeout_s: float) -> Reply:
            raise KeyError(timeout_s)

        def abort(self) -> None: ...

    runner = LocalRunner({"m": Broken()}, ConcurrencyLimiter({"m": ModelLimit(most=2)}), rng=random.Random(1))
    results = run(runner, calls("m", 5))
    expected = CallError(kind=ErrorKind.MALFORMED, message="the reply could not be read (KeyError)")
    assert [result.error for result in results] == [expected] * 5


def test_a_call_budget_admits_exactly_that_many() -> None:
    budget = CallBudget({"m": PRICED}, max_calls=3, calls=1)
    assert [budget.admit("m", REQUEST) is None for _ in range(4)] == [False, False, True, True]
    assert budget.spent == "the budget of 3 calls (--selfopt-max-calls) is used up"


@given(st.integers(1, 60), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 100)), min_size=1, max_size=40))
def test_a_dollar_budget_is_never_exceeded(cents: int, replies: list[tuple[int, int]]) -> None:
    dear = replace(PRICED, price_in=100.0, price_out=100.0)
    most = most_it_can_cost(REQUEST, dear)
    assert most is not None
    budget = CallBudget({"m": dear}, max_cost_usd=cents / 100)
    spent = 0.0
    for tokens_in, tokens_out in replies:
        reserved = budget.admit("m", REQUEST)
        if reserved is None:
            break
        reply = Reply(tokens_in=min(tokens_in, 69), tokens_out=tokens_out)
        result = CallResult(reply=reply, started=0, ended=0)
        spent += cost_of_result(result, dear) or 0.0
        budget.settle("m", reserved, reply)
    assert spent == pytest.approx(budget.cost_usd)
    assert spent <= cents / 100
    assert not budget.spent or spent + most > cents / 100


def test_an_unknown_cost_counts_as_the_maximum() -> None:
    budget = CallBudget({"m": PRICED}, max_cost_usd=1.0)
    most = budget.admit("m", REQUEST)
    assert most is not None
    assert most == pytest.approx((5 + 64 + len("()") + len("None")) / 1e6 + 200 / 1e6)
    budget.settle("m", most, CallError(kind=ErrorKind.TIMEOUT, message="late"))
    assert budget.cost_usd == most
    again = budget.admit("m", REQUEST)
    assert again is not None
    budget.settle("m", again, TURNED_AWAY)
    assert budget.cost_usd == most


def test_cheaper_calls_free_dollars_for_waiting_ones() -> None:
    most = most_it_can_cost(REQUEST, PRICED)
    assert most is not None
    budget = CallBudget({"m": PRICED}, max_cost_usd=most * 1.5)
    first = budget.admit("m", REQUEST)
    assert first is not None
    admitted: list[float | None] = []
    waiting = threading.Thread(target=lambda: admitted.append(budget.admit("m", REQUEST)))
    waiting.start()
    time.sleep(0.05)
    assert admitted == []
    budget.settle("m", first, Reply(tokens_in=1, tokens_out=1))
    waiting.join(timeout=20)
    assert admitted == [most]


@pytest.mark.parametrize(
    ("failed", "error", "cost"),
    [
        ([], None, 2.0),
        ([ErrorKind.RATE_LIMIT, ErrorKind.SERVER], None, 2.0),
        ([ErrorKind.TIMEOUT], None, None),
        ([], ErrorKind.AUTH, 0.0),
        ([], ErrorKind.MALFORMED, None),
    ],
)
def test_a_call_costs_all_its_attempts(failed: list[ErrorKind], error: ErrorKind | None, cost: float | None) -> None:
    attempts = tuple(FailedAttempt(error=CallError(kind=kind, message=""), started=0, ended=0) for kind in failed)
    result = CallResult(
        reply=None if error else Reply(tokens_in=1_000_000, tokens_out=500_000),
        error=CallError(kind=error, message="") if error else None,
        started=0,
        ended=0,
        failed_attempts=attempts,
    )
    assert cost_of_result(result, PRICED) == cost
    assert cost_of_result(result, EMBEDDED_MODELS["embedded/smollm2-135m"]) == 0.0
    unpriced = cost_of_result(result, replace(PRICED, price_in=None))
    assert unpriced is None or error is ErrorKind.AUTH
