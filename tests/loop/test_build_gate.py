"""The bars of a build: reached, missed beyond doubt, or not settled; and how often an unchanged model fails one."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.loop.build_gate import WORSE_ODDS, GateThresholds, against_bars, status_of
from pytest_selfopt.loop.evaluate import evaluate
from pytest_selfopt.loop.evidence.tally import tally
from pytest_selfopt.loop.gates.gate_result import GateResult, Verdict
from pytest_selfopt.loop.thresholds import Limits
from pytest_selfopt.trial import ErrorKind, Outcome, Trial

CASES = tuple(f"case-{number}" for number in range(40))


def trials(passed: dict[tuple[str, int], bool], **fields: float) -> list[Trial]:
    return [
        Trial(
            phase="atomic",
            spec="s",
            case=case,
            run=run,
            outcome=Outcome.PASS if right else Outcome.MISS,
            latency_s=fields.get("latency_s", 0.1),
            cost_usd=fields.get("cost_usd", 0.001),
            restraint=case.endswith("0"),
            called=case.endswith("0") and not right,
        )
        for (case, run), right in passed.items()
    ]


def answers(right: int, passes: int = 3) -> dict[tuple[str, int], bool]:
    """Of each pass so many right, the first ones."""
    return {(case, run): place < right for run in range(passes) for place, case in enumerate(CASES)}


def gates(found: list[Trial], bars: GateThresholds, before: list[Trial] | None = None) -> dict[str, GateResult]:
    recorded = tally(before, found, CASES) if before is not None else None
    results = against_bars(evaluate("s", found, CASES), recorded, bars, Limits(), missing=0)
    return {one.name: one for one in results}


@pytest.mark.parametrize(
    ("right", "verdict"), [(40, Verdict.PROMOTE), (36, Verdict.PROMOTE), (34, Verdict.HOLD), (20, Verdict.REJECT)]
)
def test_an_accuracy_is_reached_missed_or_open(right: int, verdict: Verdict) -> None:
    found = gates(trials(answers(right)), GateThresholds(min_accuracy=0.9))
    assert status_of(tuple(found.values())) is verdict
    assert found["min_accuracy"].value == pytest.approx(right / 40)


def test_each_threshold_has_its_number() -> None:
    bars = GateThresholds(min_restraint=0.9, max_p95_latency=1.0, max_cost=2.0)
    passed = gates(trials(answers(40)), bars)
    assert {name: gate.passed for name, gate in passed.items()} == dict.fromkeys(
        ("complete", "errors", "min_restraint", "max_p95_latency", "max_cost"), True
    )
    assert passed["max_cost"].value == pytest.approx(1.0)
    slow = gates(trials(answers(40), latency_s=3.0, cost_usd=0.01), bars)
    assert {name for name, gate in slow.items() if gate.asks is Verdict.REJECT and not gate.passed} == {
        "max_p95_latency",
        "max_cost",
    }


def test_an_unknown_value_settles_nothing() -> None:
    unpriced = trials(answers(40))
    object.__setattr__(unpriced[0], "cost_usd", None)
    found = gates(unpriced, GateThresholds(max_cost=5.0))
    assert (found["max_cost"].passed, found["max_cost"].asks) == (False, Verdict.HOLD)
    no_restraint = [trial for trial in trials(answers(40)) if not trial.restraint]
    assert gates(no_restraint, GateThresholds(min_restraint=0.1))["min_restraint"].passed is False


def test_missing_answers_and_trials_settle_nothing() -> None:
    found = trials(answers(40))
    for trial in found[:12]:
        object.__setattr__(trial, "outcome", Outcome.ERROR)
        object.__setattr__(trial, "error_kind", ErrorKind.TIMEOUT)
    assert gates(found, GateThresholds())["errors"].passed is False
    results = against_bars(evaluate("s", found, CASES), None, GateThresholds(), Limits(), missing=1)
    assert status_of(results) is Verdict.HOLD


@pytest.mark.parametrize("right", [40, 0])
def test_an_outage_settles_nothing(right: int) -> None:
    """Half of the calls fail, and the answers of the others are all right, or all wrong."""
    bars = GateThresholds(min_accuracy=0.9, min_restraint=0.9, max_p95_latency=1.0, max_cost=1.0)
    found = trials(answers(right), latency_s=3.0, cost_usd=0.01)
    for trial in found[::2]:
        object.__setattr__(trial, "outcome", Outcome.ERROR)
    results = gates(found, bars, trials(answers(40)))
    assert next(iter(results)) == "errors"
    assert results["min_accuracy"].value == right / 40
    assert status_of(tuple(results.values())) is Verdict.HOLD
    assert not [gate.name for gate in results.values() if not gate.passed and gate.asks is Verdict.REJECT]


@pytest.mark.parametrize(("right", "verdict"), [(40, Verdict.PROMOTE), (20, Verdict.REJECT)])
def test_few_missing_answers_leave_it_to_the_others(right: int, verdict: Verdict) -> None:
    found = trials(answers(right), cost_usd=0.001)
    for trial in found[:5]:
        object.__setattr__(trial, "outcome", Outcome.ERROR)
        object.__setattr__(trial, "cost_usd", 0.0)
    results = gates(found, GateThresholds(min_accuracy=0.99, max_cost=1.0))
    assert results["max_cost"].value == pytest.approx(1.0), "of answers"
    assert status_of(tuple(results.values())) is verdict


def test_nothing_is_said_of_no_answer() -> None:
    found = trials(answers(0))
    for trial in found:
        object.__setattr__(trial, "outcome", Outcome.ERROR)
    bars = GateThresholds(min_accuracy=0.0, min_restraint=0.0, max_p95_latency=9.0, max_cost=9.0)
    results = gates(found, bars)
    values = {name: (gate.passed, gate.value) for name, gate in results.items() if name.startswith(("min_", "max_"))}
    assert values == dict.fromkeys(("min_accuracy", "min_restraint", "max_p95_latency", "max_cost"), (False, None))


def test_only_worse_than_recorded_fails() -> None:
    before, fewer = trials(answers(40)), trials(answers(36))
    assert gates(fewer, GateThresholds(), before)["no_regression"].asks is Verdict.REJECT
    assert gates(fewer, GateThresholds(), before)["no_regression"].passed is False
    assert gates(before, GateThresholds(), fewer)["no_regression"].passed is True


@given(right=st.integers(0, 40), limit=st.floats(0, 1))
def test_a_threshold_never_both_passes_and_fails(right: int, limit: float) -> None:
    gate = gates(trials(answers(right)), GateThresholds(min_accuracy=limit))["min_accuracy"]
    assert gate.passed is (right / 40 >= limit)
    assert gate.asks in (Verdict.HOLD, Verdict.REJECT)


@pytest.mark.parametrize("share", [0.3, 0.7, 0.9])
def test_an_unchanged_model_seldom_fails_a_build(share: float) -> None:
    rng = random.Random(share)
    builds, failed = 600, 0
    for _ in range(builds):
        before, now = (
            trials({(case, run): rng.random() < share for run in range(3) for case in CASES}) for _ in range(2)
        )
        failed += not gates(now, GateThresholds(), before)["no_regression"].passed
    assert failed / builds <= 1 / WORSE_ODDS


@pytest.mark.parametrize(("copied", "verdict"), [(0, Verdict.PROMOTE), (1, Verdict.PROMOTE), (2, Verdict.HOLD)])
def test_copies_pass_no_build(copied: int, verdict: Verdict) -> None:
    """The copies of the last passes count in no threshold; what is left decides if it is enough."""
    found = [replace(trial, copied="x" if trial.run >= 3 - copied else "") for trial in trials(answers(36))]
    judged = gates(found, GateThresholds(min_accuracy=0.8))
    assert status_of(list(judged.values())) is verdict
    assert judged["min_accuracy"].value == 0.9
    assert ("independent" in judged) is bool(copied)
