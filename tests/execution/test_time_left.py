"""The estimate of the time left: never less than what is certain, and near the truth after a fifth of the calls."""

from __future__ import annotations

import heapq
import random
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.execution.dispatcher import Pass
from pytest_selfopt.execution.time_left import (
    MIN_CALLS,
    CallLimits,
    CallsSoFar,
    Group,
    Measured,
    Work,
    pass_s,
    time_left,
)
from pytest_selfopt.execution.workload import certain_specs
from pytest_selfopt.planning.plan import PhasePlan, TrialKey
from pytest_selfopt.specs.spec import parse_spec

LIMITS = CallLimits(
    models={"a": 4, "b": 4, "c": 2}, providers={"p": 4, "q": 2}, provider_of={"a": "p", "b": "p", "c": "q"}
)
GROUPS: list[Group] = [("atomic", "a"), ("atomic", "b"), ("extended", "a"), ("extended", "c")]
RECORDED_S = (0.41, 0.44, 0.47, 0.52, 0.55, 0.58, 0.63, 0.71, 0.74, 0.86, 0.93, 1.02, 1.31, 1.77, 2.6, 4.9)
"""Latencies of short answers of a hosted model, with its usual long tail."""

works = st.builds(lambda calls, more: Work(calls=calls, turns=calls + more), st.integers(0, 500), st.integers(0, 500))
remainders = st.lists(st.dictionaries(st.sampled_from(GROUPS), works), max_size=8)
measurements = st.dictionaries(
    st.sampled_from(GROUPS),
    st.builds(lambda work, mean: Measured(work=work, seconds=mean * work.turns), works, st.floats(0, 1e4)),
)


@given(
    remainders,
    measurements,
    st.floats(0, 1e6),
    st.integers(0, 8),
    st.none() | st.tuples(st.just("a"), st.floats(0, 1e4)),
)
def test_the_estimate_is_never_below_what_is_certain(
    remaining: Sequence[Mapping[Group, Work]],
    measured: Mapping[Group, Measured],
    elapsed_s: float,
    in_flight: int,
    hold: tuple[str, float] | None,
) -> None:
    so_far = CallsSoFar(measured=measured, elapsed_s=elapsed_s, in_flight=in_flight, hold=hold)
    left_s = time_left(remaining, so_far, LIMITS)
    if sum(part.work.calls for part in measured.values()) < MIN_CALLS:
        assert left_s is None
        return
    assert left_s is not None
    assert left_s >= 0
    assert left_s >= sum(pass_s(one_pass, measured, LIMITS) for one_pass in remaining)
    more = time_left([*remaining, {("atomic", "a"): Work(calls=1, turns=1)}], so_far, LIMITS)
    assert more is not None
    assert more >= left_s


def test_conversations_passes_and_providers_add_up() -> None:
    measured = {("atomic", "a"): Measured(work=Work(calls=8, turns=8), seconds=16.0)}
    twelve = Work(calls=12, turns=12)
    # Two seconds a turn, four at a time; of a conversation, only one turn at a time.
    assert pass_s({("atomic", "a"): twelve}, measured, LIMITS) == 6.0
    assert pass_s({("atomic", "a"): twelve, ("atomic", "b"): twelve}, measured, LIMITS) == 12.0
    assert pass_s({("extended", "c"): Work(calls=2, turns=10)}, measured, LIMITS) == 10.0
    assert pass_s({("extended", "c"): Work(calls=1, turns=5)}, measured, LIMITS) == 10.0
    so_far = CallsSoFar(measured=measured, elapsed_s=4.0, in_flight=0)
    assert time_left([{("atomic", "a"): twelve}] * 3, so_far, LIMITS) == 18.0


def test_a_servers_wait_counts() -> None:
    measured = {("atomic", "a"): Measured(work=Work(calls=8, turns=8), seconds=16.0)}
    so_far = CallsSoFar(measured=measured, elapsed_s=4.0, in_flight=0, hold=("a", 90.0))
    assert time_left([{("atomic", "a"): Work(calls=4, turns=4)}], so_far, LIMITS) == 92.0
    assert time_left([{("atomic", "b"): Work(calls=4, turns=4)}], so_far, LIMITS) == 2.0


X = parse_spec("m/extended/native_api/t60/r1/i0")
Y = replace(X, variant="schema")


def one_pass(run: int, live: set[str] | None = None) -> Pass:
    keys = tuple(TrialKey("extended", spec.id, "case", run) for spec in (X, Y))
    released = Pass(phase="extended", run=run, keys=keys, released=threading.Event())
    if live is not None:
        released.release(frozenset(live))
    return released


@pytest.mark.parametrize(
    ("calls", "before", "specs"),
    [
        (one_pass(0, {X.id}), None, {X.id}),
        (one_pass(1), None, {X.id, Y.id}),
        (one_pass(1), {X.id}, {X.id}),
        (one_pass(1), set(), set()),
        (one_pass(2), {X.id, Y.id}, {X.id}),
        (one_pass(3), {X.id, Y.id}, set()),
        (one_pass(3, {X.id, Y.id}), {X.id}, {X.id, Y.id}),
    ],
)
def test_the_first_passes_of_live_specs_are_certain(calls: Pass, before: set[str] | None, specs: set[str]) -> None:
    """Two passes of both specs, three of the baseline."""
    plan = PhasePlan(phase="extended", baseline=X, least_passes=2, most_passes=9, baseline_passes=3)
    asked = before if before is None else frozenset(before)
    assert certain_specs(calls, asked, plan) == frozenset(specs)


@dataclass(frozen=True)
class Ended:
    """A simulated call: when it began and ended, its pass and its turns."""

    began: float
    ended: float
    run: int
    turns: int
    phase: str


def simulated(rng: random.Random, passes: Sequence[tuple[str, int]], slots: int, *, pause: float) -> list[Ended]:
    """Calls of passes (phase and number of turns), one pass after the other, some of which pause for a rate limit."""
    calls: list[Ended] = []
    now = 0.0
    for run, (phase, turns) in enumerate(passes):
        free = [now] * slots
        for _ in range(24):
            began = heapq.heappop(free)
            took = sum(rng.choice(RECORDED_S) for _ in range(turns))
            took += (rng.random() < 0.05) * pause
            calls.append(Ended(began, began + took, run, turns, phase))
            heapq.heappush(free, began + took)
        now = max(free) + 0.2
    return calls


@pytest.mark.parametrize("seed", range(40))
def test_after_a_fifth_it_is_within_a_factor_two(seed: int) -> None:
    rng = random.Random(seed)
    slots = rng.choice([1, 2, 4, 8])
    passes = [("atomic", 1)] * rng.randint(3, 9)
    if seed % 2:
        passes = [("extended", rng.randint(2, 5))] * 3
    calls = simulated(rng, passes, slots, pause=rng.choice([0.0, 2.0, 10.0]))
    limits = CallLimits(models={"a": slots}, providers={"p": slots}, provider_of={"a": "p"})
    end = max(call.ended for call in calls)
    for share in (0.2, 0.4, 0.6, 0.8):
        now = sorted(call.ended for call in calls)[int(share * len(calls))]
        done = [call for call in calls if call.ended <= now]
        turns = sum(call.turns for call in done)
        measured = Measured(
            work=Work(calls=len(done), turns=turns), seconds=sum(call.ended - call.began for call in done)
        )
        remaining: list[dict[Group, Work]] = []
        for run, (phase, _) in enumerate(passes):
            left = [call.turns for call in calls if call.run == run and call.ended > now]
            remaining.append({(phase, "a"): Work(calls=len(left), turns=sum(left))})
        in_flight = sum(call.began <= now < call.ended for call in calls)
        so_far = CallsSoFar(measured={(passes[0][0], "a"): measured}, elapsed_s=now, in_flight=in_flight)
        left_s = time_left(remaining, so_far, limits)
        assert left_s is not None
        # Later, a single pause can be as long as all that is left.
        tolerance_s = 0.15 * end * (share > 0.2)
        assert (end - now) / 2 - tolerance_s <= left_s <= (end - now) * 2 + tolerance_s, (share, left_s, end - now)
