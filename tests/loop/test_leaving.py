"""Leaving the race before there are enough passes: which gate results are certain, and the verdict on who left."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.loop.evaluate import evaluate
from pytest_selfopt.loop.evidence.odds import bar
from pytest_selfopt.loop.evidence.tally import tally
from pytest_selfopt.loop.gate import comparing_gates, judge
from pytest_selfopt.loop.gates.gate_result import GateInput, GateResult, Verdict
from pytest_selfopt.loop.race import race_state
from pytest_selfopt.loop.thresholds import Limits
from pytest_selfopt.trial import Outcome, Trial
from tests.loop.worlds import SPEC, matrix, names

CANDIDATE = "m/atomic/schema/t60/r1/i0"
BASELINE = "FP" * 5


def restrained(rows: list[str]) -> list[Trial]:
    """Cases in which no tool may be called, and was exactly when the trial is a miss."""
    trials = matrix(rows, spec=CANDIDATE)
    return [replace(trial, restraint=True, called=trial.outcome is Outcome.MISS) for trial in trials]


def asked(candidate: list[Trial], *, baseline: str = BASELINE, limits: Limits) -> GateInput:
    cases = names(len(baseline))
    passes = max(trial.run for trial in candidate) + 1
    before = matrix([row * passes for row in baseline])
    return GateInput(
        spec=CANDIDATE,
        phase="atomic",
        metrics=evaluate(CANDIDATE, candidate, cases),
        baseline=evaluate(SPEC, before, cases),
        evidence=tally(before, candidate, cases),
        needed=bar(1),
        early=True,
    )


def result(measured: GateInput, name: str, limits: Limits) -> GateResult:
    return {gate.name: gate for gate in comparing_gates(measured, limits)}[name]


@given(kept=st.integers(0, 10), least=st.integers(1, 6))
def test_restraint_is_certain_only_if_nothing_can_turn_it(kept: int, least: int) -> None:
    """Even if every further answer until there are enough passes showed restraint."""
    limits = Limits(min_samples=least)
    trials = restrained(["P"] * kept + ["F"] * (10 - kept))
    first = result(asked(trials, limits=limits), "restraint", limits)
    best = restrained(["P" * least] * kept + ["F" + "P" * (least - 1)] * (10 - kept))
    assert first.certain is not result(asked(best, limits=limits), "restraint", limits).passed


def test_too_many_errors_for_three_passes_are_certain() -> None:
    limits = Limits()
    few, many = (asked(matrix(["E"] * lost + ["P"] * (20 - lost)), baseline="F" * 20, limits=limits) for lost in (3, 4))
    assert (result(few, "errors", limits).passed, result(few, "errors", limits).certain) == (False, False)
    assert (result(many, "errors", limits).passed, result(many, "errors", limits).certain) == (False, True)


@pytest.mark.parametrize(("usd", "certain"), [(0.0009, False), (0.0011, False), (0.0029, False), (0.0031, True)])
def test_a_cost_beyond_three_times_the_limit_is_certain(usd: float, *, certain: bool) -> None:
    limits = Limits(cost=1.0)
    trials = [replace(trial, cost_usd=usd) for trial in matrix(["P"] * 10, spec=CANDIDATE)]
    assert result(asked(trials, limits=limits), "cost", limits).certain is certain


@pytest.mark.parametrize(("slow", "certain"), [(0, False), (4, False), (8, True)])
def test_mostly_slow_answers_are_certain(slow: int, *, certain: bool) -> None:
    limits = Limits(latency=2.0)
    trials = matrix(["P"] * 10, spec=CANDIDATE, latency=lambda place: 5.0 if place < slow else 1.0)
    assert result(asked(trials, limits=limits), "latency", limits).certain is certain


def test_only_certain_results_put_a_candidate_out_early() -> None:
    """Five of ten show too little restraint, but may be fifteen more of thirty."""
    limits = Limits()
    measured = asked(restrained(["P"] * 5 + ["F"] * 5), baseline="F" * 10, limits=limits)
    gates = comparing_gates(measured, limits)
    assert not race_state(measured, gates, early=True).out
    assert race_state(measured, gates).out
    hopeless = asked(restrained(["P"] * 3 + ["F"] * 7), baseline="F" * 10, limits=limits)
    assert race_state(hopeless, comparing_gates(hopeless, limits), early=True).out


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (BASELINE, Verdict.REJECT),
        ("FF" + "PP" * 4, Verdict.HOLD),
        ("PF" * 5, Verdict.REJECT),
        ("E" * 10, Verdict.HOLD),
    ],
)
def test_who_left_without_being_ahead_is_rejected(row: str, verdict: Verdict) -> None:
    """One pass, in which it is as good, ahead, no better, or without an answer."""
    limits = Limits()
    measured = replace(asked(matrix(list(row), spec=CANDIDATE), limits=limits), has_left=True)
    found = judge(measured, limits, comparison=1)
    assert found.verdict is verdict
    assert "in 1 pass over" in found.grounds or verdict is Verdict.HOLD


def test_who_may_go_on_is_not_rejected_yet() -> None:
    limits = Limits()
    measured = asked(matrix(list(BASELINE), spec=CANDIDATE), limits=limits)
    assert judge(measured, limits, comparison=1).verdict is Verdict.HOLD
