"""Verdicts: what each gate asks for, and the sentence people read."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from pytest_selfopt.loop.evaluate import Metrics, evaluate
from pytest_selfopt.loop.evidence import bar, tally
from pytest_selfopt.loop.gate import (
    GateResult,
    Judgement,
    Limits,
    Verdict,
    absolute_gates,
    judge,
    may_promote,
)
from pytest_selfopt.trial import Outcome, Trial
from tests.loop.worlds import SPEC, draw, matrix, names

LIMITS = Limits()
CANDIDATE = "m/atomic/schema/t60/r1/i0"


def measured(trials: list[Trial], cases: int) -> Metrics:
    return evaluate(trials[0].spec, trials, names(cases))


def judged(
    baseline: list[Trial], candidate: list[Trial], *, phase: str = "atomic", number: int = 3, missing: int = 0
) -> Judgement:
    cases = len({trial.case for trial in baseline})
    return judge(
        CANDIDATE,
        phase=phase,
        candidate=measured(candidate, cases),
        baseline=measured(baseline, cases),
        tally=tally(baseline, candidate, names(cases)),
        bar=bar(number),
        comparison=number,
        limits=LIMITS,
        missing=missing,
    )


def failed(judgement: Judgement) -> list[str]:
    return [gate.name for gate in judgement.gates if not gate.passed]


def restrained(trials: list[Trial]) -> list[Trial]:
    """Cases in which no tool may be called, and was exactly when the trial is a miss."""
    return [replace(trial, restraint=True, called=trial.outcome is Outcome.MISS) for trial in trials]


def fixing_two(passes: int) -> Judgement:
    return judged(matrix(["F" * passes] * 2 + ["P" * passes] * 10), matrix(["P" * passes] * 12))


def test_the_worked_example_is_promoted_in_these_words() -> None:
    found = fixing_two(6)
    assert found.verdict is Verdict.PROMOTE
    assert found.sentence == (
        "PROMOTE atomic: fixed 12 answers, broke 0 in 6 passes over the same 12 prompts; odds 630:1 against luck, "
        "needed 312:1 (comparison 3 of this history). Gain +0.167, at least +0.06. "
        "On new prompts: not shown (2 up, 0 down of 12)."
    )


@pytest.mark.parametrize(("passes", "more"), [(3, 3), (4, 2), (5, 1)])
def test_short_of_the_bar_it_is_held_and_told_how_many_passes_are_missing(passes: int, more: int) -> None:
    found = fixing_two(passes)
    assert (found.verdict, failed(found)) == (Verdict.HOLD, ["no_regression"])
    assert f"about {more} more pass" in found.sentence


def test_gates_are_answered_in_the_order_of_the_design() -> None:
    found = judged(matrix(["FFF"] * 4), matrix(["PPP"] * 4), phase="extended")
    assert [gate.name for gate in found.gates] == [
        "comparable",
        "min_samples",
        "variance",
        "no_regression",
        "restraint",
        "extended_phase_min_accuracy",
        "veto",
    ]


def test_a_candidate_that_is_no_better_is_rejected_after_three_passes() -> None:
    same = matrix(["FFF"] * 2 + ["PPP"] * 10)
    found = judged(same, same)
    assert found.verdict is Verdict.REJECT
    assert "not better than the baseline" in found.sentence


def test_two_passes_reject_nobody() -> None:
    found = judged(matrix(["PP"] * 12), matrix(["FP"] * 12))
    assert (found.verdict, "min_samples" in failed(found)) == (Verdict.HOLD, True)


def test_a_candidate_that_calls_tools_where_none_is_needed_is_rejected_however_much_it_fixes() -> None:
    baseline = matrix(["FFF"] * 12) + [
        replace(trial, case=f"{trial.case}-none") for trial in restrained(matrix(["PPP"] * 4))
    ]
    candidate = matrix(["PPP"] * 12) + [
        replace(trial, case=f"{trial.case}-none") for trial in restrained(matrix(["FFF"] * 3 + ["FFP"]))
    ]
    cases = tuple(dict.fromkeys(trial.case for trial in baseline))
    evidence = tally(baseline, candidate, cases)
    metrics = evaluate(CANDIDATE, candidate, cases)
    found = judge(
        CANDIDATE,
        phase="atomic",
        candidate=metrics,
        baseline=evaluate(SPEC, baseline, cases),
        tally=evidence,
        bar=bar(1),
        comparison=1,
        limits=LIMITS,
    )
    assert evidence.odds > bar(1)
    assert found.verdict is Verdict.REJECT
    assert "called a tool in 11 of 12 answers that need none" in found.sentence
    assert not may_promote("atomic", metrics, evidence, LIMITS)


def test_a_solid_case_may_not_be_broken_by_an_average_gain() -> None:
    found = judged(matrix(["FFFF"] * 11 + ["PPPP"]), matrix(["PPPP"] * 11 + ["FFFF"]))
    assert (found.verdict, failed(found)) == (Verdict.HOLD, ["veto"])
    assert "c11" in found.sentence


def test_a_case_broken_often_but_not_always_is_vetoed_when_that_is_no_accident() -> None:
    """Reverse odds of 5 losses are 10.5, of 4 they are 6.2."""
    baseline = matrix(["F" * 7] * 11 + ["P" * 7])
    assert failed(judged(baseline, matrix(["P" * 7] * 11 + ["FFFFFPP"]))) == ["veto"]
    assert failed(judged(baseline, matrix(["P" * 7] * 11 + ["FFFFPPP"]))) == []


def test_a_case_that_was_not_solid_has_no_veto() -> None:
    found = judged(matrix(["FFFF"] * 11 + ["PPPF"]), matrix(["PPPP"] * 11 + ["FFFF"]))
    assert found.verdict is Verdict.PROMOTE


@pytest.mark.parametrize(("passed", "verdict"), [(1, Verdict.REJECT), (3, Verdict.HOLD)])
def test_the_extended_phase_has_a_minimum_that_the_atomic_has_not(passed: int, verdict: Verdict) -> None:
    baseline = matrix(["FFF"] * 10)
    candidate = matrix(["PPP"] * passed + ["FFF"] * (10 - passed))
    assert judged(baseline, candidate, phase="extended").verdict is verdict
    assert judged(baseline, candidate).verdict is Verdict.HOLD


@pytest.mark.parametrize("rows", [["EEE"] * 12, ["FFF"] * 10 + ["EEE"] * 2], ids=["outage", "some errors"])
def test_too_many_errors_hold_whatever_the_rest_says(rows: list[str]) -> None:
    found = judged(matrix(["PPP"] * 12), matrix(rows), phase="extended")
    assert found.verdict is Verdict.HOLD
    assert "comparable" in failed(found)
    assert "gave no answer" in found.sentence


def test_planned_trials_that_never_arrived_hold_a_candidate_that_would_be_promoted() -> None:
    baseline, candidate = matrix(["FFF"] * 12), matrix(["PPP"] * 12)
    assert judged(baseline, candidate).verdict is Verdict.PROMOTE
    assert judged(baseline, candidate, missing=1).verdict is Verdict.HOLD


def test_runs_that_differ_as_a_whole_hold_and_coin_flips_do_not() -> None:
    baseline = matrix(["F" * 7] * 12)
    assert failed(judged(baseline, matrix(["PFPPFPP"] * 12))) == ["variance"]
    flips = matrix(draw(random.Random(24), [[0.7] * 7] * 12))
    assert measured(flips, 12).spread.excess > LIMITS.variance
    assert failed(judged(baseline, flips)) == []


def test_clear_losses_reject_before_the_averages_do() -> None:
    found = judged(matrix(["PPP"] * 3 + ["FFF"]), matrix(["FFF"] * 3 + ["FFF"]))
    assert found.verdict is Verdict.REJECT


def _by_name(gates: tuple[GateResult, ...]) -> dict[str, bool]:
    return {gate.name: gate.passed for gate in gates}


def test_the_spec_in_force_has_to_pass_its_own_gates() -> None:
    sound = _by_name(absolute_gates(measured(matrix(["PPP"] * 12), 12), "extended", LIMITS))
    assert all(sound.values())
    assert set(sound) == {"errors", "min_samples", "variance", "restraint", "extended_phase_min_accuracy"}
    weak = _by_name(absolute_gates(measured(matrix(["FF"] * 11 + ["EE"]), 12), "extended", LIMITS))
    assert weak == {**sound, "errors": False, "min_samples": False, "extended_phase_min_accuracy": False}
