"""From trials to numbers: an error is never a miss, and coin flips are no unsteadiness."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.loop.evaluate import evaluate
from pytest_selfopt.loop.evidence.spread import outcomes_by_run, spread
from pytest_selfopt.trial import Outcome, Trial
from tests.loop.worlds import SPEC, draw, matrix, names

rectangles = st.integers(2, 7).flatmap(
    lambda runs: st.lists(st.text("PFE", min_size=runs, max_size=runs), min_size=1, max_size=8)
)


@given(rows=rectangles, rng=st.randoms(use_true_random=False))
def test_the_order_of_trials_is_irrelevant(rows: list[str], rng: random.Random) -> None:
    trials = matrix(rows)
    shuffled = rng.sample(trials, len(trials))
    assert evaluate(SPEC, shuffled, names(len(rows))) == evaluate(SPEC, trials, names(len(rows)))


@given(rows=rectangles)
def test_every_trial_is_counted_once(rows: list[str]) -> None:
    metrics = evaluate(SPEC, matrix(rows), names(len(rows)))
    letters = "".join(rows)
    assert (metrics.passes, metrics.misses, metrics.errors) == tuple(map(letters.count, "PFE"))
    answers = letters.count("P") + letters.count("F")
    assert metrics.known_accuracy == (letters.count("P") / answers if answers else None)
    assert len(metrics.runs) == len(metrics.run_accuracies)
    assert all(any(row[run] != "E" for row in rows) for run in metrics.runs)
    low, high = metrics.accuracy_interval
    assert low <= metrics.accuracy <= high


def test_restraint_counts_answers_needing_no_call() -> None:
    rows = ["PFE", "FPP"]
    trials = [replace(trial, restraint=trial.case == names(2)[0]) for trial in matrix(rows)]
    trials = [replace(trial, called=trial.outcome is Outcome.MISS) for trial in trials]
    metrics = evaluate(SPEC, trials, names(2))
    assert (metrics.restraint, metrics.restraint_trials, metrics.restraint_calls) == (0.5, 2, 1)
    assert evaluate(SPEC, matrix(rows), names(2)).restraint is None


def test_a_wrong_answer_without_a_call_is_restraint() -> None:
    silent, calling = (replace(trial, restraint=True) for trial in matrix(["FF"]))
    assert evaluate(SPEC, [silent, replace(calling, called=True)], names(1)).restraint == 0.5


def test_a_run_without_answers_has_no_accuracy() -> None:
    metrics = evaluate(SPEC, matrix(["PEP", "FEP"]), names(2))
    assert (metrics.runs, metrics.run_accuracies) == ((0, 2), (0.5, 1.0))
    assert (metrics.accuracy, metrics.accuracy_median) == (0.75, 0.75)
    assert evaluate(SPEC, matrix(["EE"]), names(1)).known_accuracy is None


def test_latencies_are_those_of_answers() -> None:
    metrics = evaluate(SPEC, matrix(["P" * 20, "E" * 20], latency=float), names(2))
    assert (metrics.latency_median_s, metrics.latency_p95_s) == (19.0, 36.0)


def test_one_unknown_price_makes_cost_unknown() -> None:
    trials = [replace(trial, cost_usd=0.25, tokens_in=10) for trial in matrix(["PF"])]
    assert evaluate(SPEC, trials, names(1)).cost_usd == 0.5
    assert evaluate(SPEC, [*trials, replace(trials[0], run=2, cost_usd=None)], names(1)).cost_usd is None


def test_misses_differ_from_wrong_calls() -> None:
    silent, wrong = matrix(["FF"])
    metrics = evaluate(SPEC, [silent, replace(wrong, called=True)], names(1))
    assert (metrics.silent_misses, metrics.wrong_calls) == (1, 1)


def _spread_of(rows: list[str]) -> tuple[float, float, float]:
    found = spread(outcomes_by_run(matrix(rows)))
    return found.variance, found.coin_flips, found.chance


@given(row=st.text("PF", min_size=1, max_size=12), runs=st.integers(2, 7))
def test_a_constant_model_has_no_variance(row: str, runs: int) -> None:
    assert _spread_of([letter * runs for letter in row]) == (0.0, 0.0, 1.0)


def test_coin_flip_variance_sums_over_cases() -> None:
    # s(R−s)/(R(R−1)) is 1·3/12, 2·2/12 and 0; the runs have 1/3, 2/3, 2/3 and 1/3 right
    variance, flips, _ = _spread_of(["FPFF", "FFPP", "PPPF"])
    assert flips == pytest.approx((3 / 12 + 4 / 12 + 3 / 12) / 9)
    assert variance == pytest.approx(((1 / 6) ** 2 * 4) / 3)


def test_the_dispersion_test_loses_one_degree() -> None:
    """With three runs the tail of the chi-square is exp(−χ²/2)."""
    found = spread(outcomes_by_run(matrix(["PPF", "PPF", "FPF", "PPP"])))
    assert found.chi_square == pytest.approx(2 * found.variance / found.coin_flips)
    assert found.chance == pytest.approx(math.exp(-found.chi_square / 2))


def test_independent_answers_seldom_look_unsteady() -> None:
    rng = random.Random(4)
    chances = [_spread_of(draw(rng, [[0.8] * 7] * 12))[2] for _ in range(400)]
    assert 0.01 <= sum(chance < 0.05 for chance in chances) / 400 <= 0.08


def test_runs_failing_together_look_unsteady() -> None:
    variance, flips, chance = _spread_of(["PPFPPFP"] * 12)
    assert variance > 5 * flips
    assert chance < 1e-9


def test_an_error_excludes_a_case_from_spread() -> None:
    rows = ["PFPPPPP", "PPPFPPP"]
    assert _spread_of([*rows, "EPPPFFF"]) == _spread_of(rows)


def test_the_first_of_two_equal_cells_counts() -> None:
    first: list[Trial] = matrix(["PP", "PP"])
    again = [replace(trial, outcome=Outcome.MISS) for trial in first]
    assert outcomes_by_run([*first, *again]) == outcomes_by_run(first)


@given(rows=rectangles, weight=st.sampled_from([0.25, 2.0, 8.0]))
def test_equal_weights_change_no_accuracy(rows: list[str], weight: float) -> None:
    trials = matrix(rows)
    plain = evaluate(SPEC, trials, names(len(rows)))
    metrics = evaluate(SPEC, [replace(trial, weight=weight) for trial in trials], names(len(rows)))
    assert plain.weighted is None
    assert metrics.accuracy == plain.accuracy
    assert metrics.accuracy_interval == plain.accuracy_interval
    assert metrics.run_accuracies == plain.run_accuracies
    assert replace(metrics, weighted=None) == plain


def test_weights_count_in_accuracy_alone() -> None:
    heavy, light = names(2)
    weights = {heavy: 3.0, light: 1.0}
    trials = [replace(trial, weight=weights[trial.case]) for trial in matrix(["PP", "EF"])]
    metrics = evaluate(SPEC, trials, names(2))
    assert (metrics.accuracy, metrics.first_attempt_accuracy) == (6 / 7, 6 / 7)
    assert metrics.run_accuracies == (1.0, 0.75)
    assert (metrics.passes, metrics.trials, metrics.error_share) == (2, 4, 0.25)
    assert metrics.spread == evaluate(SPEC, matrix(["PP", "EF"]), names(2)).spread
    assert metrics.could_reach(0.875)
    assert not metrics.could_reach(0.876)


def test_weighted_interval_covers_the_expected_accuracy() -> None:
    # The variance that pooled shares miss most: what counts much is uncertain, and the rest is certain.
    cases = names(40)
    weights = dict.fromkeys(cases, 1.0) | dict.fromkeys(cases[:5], 8.0)
    expected = (5 * 8 * 0.5 + 35) / (5 * 8 + 35)
    rng = random.Random(7)
    held = 0
    for _ in range(1_000):
        rows = [rng.choice("PF") for _ in cases[:5]] + ["P"] * 35
        trials = [replace(trial, weight=weights[trial.case]) for trial in matrix(rows)]
        low, high = evaluate(SPEC, trials, cases).accuracy_interval
        held += low <= expected <= high
    assert held / 1_000 >= 0.93


def test_copies_count_in_nothing_else() -> None:
    """Runs of copies are no steady runs, and copies are neither right nor cheap nor fast."""
    trials = matrix(["PFpp", "FPff", "PPpp", "FFFf"], latency=lambda place: 1.0 if place < 8 else 0.001)
    trials = [replace(trial, cost_usd=0.0 if trial.copied else 1.0) for trial in trials]
    found = evaluate(SPEC, trials, names(4))
    assert (found.replies, found.copied, found.trials, found.passes, found.runs) == (16, 7, 8, 4, (0, 1))
    assert (found.latency_p95_s, found.cost_usd) == (1.0, 8.0)
    assert found.spread == spread(outcomes_by_run(matrix(["PF", "FP", "PP", "FF"])))
