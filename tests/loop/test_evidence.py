"""The evidence: exact odds that a fair game cannot raise, and what is read off them."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.console.quantities import format_odds
from pytest_selfopt.loop.diagnosis.remedies import curable
from pytest_selfopt.loop.evidence.bets import Bets
from pytest_selfopt.loop.evidence.forecast import passes_to_decide, within_reach
from pytest_selfopt.loop.evidence.gains import least_gain
from pytest_selfopt.loop.evidence.odds import ALPHA, bar, log10_odds, odds, reaches
from pytest_selfopt.loop.evidence.tally import CaseTally, Tally, tally
from pytest_selfopt.specs.spec import parse_spec
from pytest_selfopt.trial import ErrorKind, Outcome, Trial
from tests.loop.worlds import matrix, names

counts = st.integers(0, 60)


def counted(wins: int, losses: int, ties: int = 0, *, passes: int = 3) -> Tally:
    """Evidence of one case with these pairs."""
    case = CaseTally(
        wins=wins, losses=losses, common=wins + losses + ties, baseline_passes=losses, candidate_passes=wins
    )
    return Tally(cases={"suite/c0": case}, passes=passes, excluded=0)


def two_of_twelve_fixed(passes: int) -> Tally:
    """The worked example: two prompts fixed in every pass, none broken, of twelve."""
    baseline = matrix(["F" * passes] * 2 + ["P" * passes] * 10)
    return tally(baseline, matrix(["P" * passes] * 12), names(12))


@pytest.mark.parametrize(
    ("wins", "losses", "expected"), [(0, 0, 1), (7, 0, 31.875), (11, 0, 341.25), (12, 0, 630.0769), (24, 5, 301.34)]
)
def test_the_odds_match_the_design(wins: int, losses: int, expected: float) -> None:
    assert float(odds(wins, losses)) == pytest.approx(expected, rel=1e-5)


@given(wins=counts, losses=counts)
def test_the_odds_equal_the_integral(wins: int, losses: int) -> None:
    integral = sum(
        Fraction(math.comb(wins, i) * math.comb(losses, j) * (-1) ** j, i + j + 1)
        for i in range(wins + 1)
        for j in range(losses + 1)
    )
    assert odds(wins, losses) == integral


@given(wins=counts, losses=counts)
def test_a_fair_pair_keeps_the_mean_odds(wins: int, losses: int) -> None:
    assert (odds(wins + 1, losses) + odds(wins, losses + 1)) / 2 == odds(wins, losses)


@given(wins=st.integers(0, 400), losses=st.integers(0, 400))
def test_the_fast_logarithm_matches_exact_odds(wins: int, losses: int) -> None:
    exact = odds(wins, losses)
    expected = math.log10(exact.numerator) - math.log10(exact.denominator)
    if losses <= 3 * wins + 3:
        assert log10_odds(wins, losses) == pytest.approx(expected, abs=1e-8)
    else:
        assert log10_odds(wins, losses) < 0


def test_the_thresholds_rise_and_spend_alpha() -> None:
    assert [bar(j) for j in (1, 2, 3, 4, 20, 80)] == [220, 264, 312, 364, 1740, 16020]
    spent = sum(1 / bar(j) for j in range(1, 1001))
    assert spent == ALPHA * Fraction(1000, 1010)


@given(rows=st.integers(1, 5).flatmap(lambda n: st.lists(st.text("PFE", min_size=2 * n, max_size=2 * n), min_size=1)))
def test_swapping_sides_turns_wins_into_losses(rows: list[str]) -> None:
    runs = len(rows[0]) // 2
    ours, theirs = matrix([row[:runs] for row in rows]), matrix([row[runs:] for row in rows])
    forth, back = tally(theirs, ours, names(len(rows))), tally(ours, theirs, names(len(rows)))
    assert (forth.wins, forth.losses, forth.excluded) == (back.losses, back.wins, back.excluded)
    assert forth.gain == -back.gain
    assert forth.pairs + forth.excluded == forth.passes * len(rows)
    assert forth.passes + forth.left_out == runs


def test_an_error_pair_is_excluded_and_counted() -> None:
    found = tally(matrix(["FFF", "PPP"]), matrix(["PEP", "FPE"]), names(2))
    assert (found.wins, found.losses, found.pairs, found.excluded) == (2, 1, 4, 2)


def test_a_curable_error_counts_as_failed() -> None:
    late = tally(matrix(["TTT", "PTE"]), matrix(["PPP", "PTP"]), names(2), curable={ErrorKind.TIMEOUT})
    assert (late.wins, late.losses, late.pairs, late.excluded, late.rescued) == (3, 0, 5, 1, 3)
    hasty = tally(matrix(["PPP", "PPP"]), matrix(["TTT", "PPP"]), names(2), curable={ErrorKind.TIMEOUT})
    assert (hasty.wins, hasty.losses, hasty.rescued) == (0, 3, 0)


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        ({"timeout_s": 120.0}, {ErrorKind.TIMEOUT}),
        ({"timeout_s": 30.0}, {ErrorKind.TIMEOUT}),
        ({"warmup": True}, {ErrorKind.TIMEOUT, ErrorKind.SERVER}),
        ({"retries": 3}, {ErrorKind.TIMEOUT, ErrorKind.SERVER, ErrorKind.CONNECTION, ErrorKind.MALFORMED}),
        ({"variant": "schema"}, set()),
        ({"model": "other", "timeout_s": 120.0}, set()),
    ],
)
def test_the_change_determines_the_curable_errors(change: dict[str, Any], kinds: set[ErrorKind]) -> None:
    spec = parse_spec("m/atomic/native_api/t60/r1/i0")
    assert curable(spec, replace(spec, **change)) == kinds


def test_only_whole_passes_count() -> None:
    baseline, candidate = matrix(["FFF"] * 4), matrix(["PPP"] * 4)
    lost = [trial for trial in candidate if (trial.case, trial.run) != (names(4)[3], 1)]
    found = tally(baseline, lost, names(4))
    assert (found.passes, found.wins) == (2, 8)


def test_a_mostly_unanswered_pass_is_no_evidence() -> None:
    found = tally(matrix(["FFF"] * 4), matrix(["PEP", "PEP", "PEP", "PPP"]), names(4))
    assert (found.passes, found.left_out, found.wins, found.excluded) == (2, 1, 8, 0)


def test_nothing_is_learnt_from_a_dead_server() -> None:
    """Although the change could have cured the errors; where one side is answered, it is evidence."""
    found = tally(
        matrix(["PEE", "FEE", "FEE"]), matrix(["PEP", "PEP", "PEE"]), names(3), curable={ErrorKind.CONNECTION}
    )
    assert (found.passes, found.left_out, found.wins, found.losses) == (2, 1, 4, 0)


def test_a_duplicate_trial_counts_once() -> None:
    baseline, candidate = matrix(["FFF"]), matrix(["PPP"])
    again: list[Trial] = [replace(trial, outcome=Outcome.MISS) for trial in candidate]
    assert tally(baseline, [*candidate, *again], names(1)) == tally(baseline, candidate, names(1))


def test_the_worked_example_gains_a_sixth() -> None:
    evidence = two_of_twelve_fixed(6)
    assert evidence.gain == pytest.approx(1 / 6)
    assert least_gain(evidence) == pytest.approx(0.0604, abs=1e-4)


@given(wins=st.integers(0, 40), losses=st.integers(0, 40), ties=st.integers(0, 200))
def test_the_lower_bound_agrees_with_the_odds(wins: int, losses: int, ties: int) -> None:
    evidence = counted(wins, losses, ties)
    least = least_gain(evidence)
    if least is None:
        assert evidence.odds < 20
    else:
        assert least < evidence.gain
        # At g = 0 the shifted odds are the odds, up to the grid of the integral.
        assert (least > 0) == (evidence.odds > 20) or evidence.odds == pytest.approx(20, rel=0.01)


def test_the_lower_bound_seldom_exceeds_the_truth() -> None:
    rng = random.Random(3)
    above = 0
    for _ in range(60):
        differences = rng.choices((1, -1, 0), weights=(0.15, 0.05, 0.8), k=120)
        least = least_gain(counted(differences.count(1), differences.count(-1), differences.count(0)))
        above += least is not None and least > 0.10
    assert above <= 3


@given(wins=st.integers(1, 12), losses=st.integers(0, 5), passes=st.integers(1, 6), number=st.integers(1, 40))
def test_the_predicted_passes_reach_the_threshold(wins: int, losses: int, passes: int, number: int) -> None:
    needed = bar(number)
    more = passes_to_decide(counted(wins * passes, losses * passes, passes=passes), needed, most=60)

    def then(later: int) -> Fraction:
        return odds(wins * (passes + later), losses * (passes + later))

    if wins <= losses or more is None:
        assert more is None
        assert then(60) < needed
    else:
        assert then(more) >= needed
        assert more == 1 or then(more - 1) < needed


def test_a_close_call_is_recognised_at_once() -> None:
    assert passes_to_decide(counted(30_000, 29_990), bar(3)) is None


@given(wins=st.integers(0, 80), losses=st.integers(0, 80), number=st.integers(1, 100))
def test_the_fast_threshold_check_is_exact(wins: int, losses: int, number: int) -> None:
    assert reaches(wins, losses, bar(number)) == (odds(wins, losses) >= bar(number))


def test_odds_equal_to_the_threshold_reach_it() -> None:
    assert reaches(12, 0, odds(12, 0))
    assert not reaches(12, 0, odds(12, 0) + Fraction(1, 10**12))


@given(wins=st.integers(1, 40), losses=st.integers(0, 40), passes=st.integers(1, 9), more=st.integers(0, 30))
def test_a_reached_threshold_is_within_reach(wins: int, losses: int, passes: int, more: int) -> None:
    """What is hoped for is never less than what was seen, and the hope does not shrink with the passes left."""
    needed = bar(3)

    def within(later: int) -> bool:
        return within_reach(Bets(wins=wins, losses=losses), passes, more=later, needed=needed)

    decide = passes_to_decide(counted(wins, losses, passes=passes), needed)
    if decide is not None and decide <= more:
        assert within(more)
    if within(more):
        assert wins > losses
        assert within(more + 1)


def test_odds_have_as_few_digits_as_needed() -> None:
    assert [format_odds(odds(wins, 0)) for wins in (0, 3, 12, 20, 40)] == ["1.0", "3.8", "630", "99,864", "10^10"]


def test_pairs_with_a_copy_are_left_out() -> None:
    """A pass of copies is none, and no outage; copies are not among the pairs without an answer."""
    found = tally(matrix(["FFFE", "Ffff", "FFff"]), matrix(["PPPP", "Pppp", "PPpp"]), names(3))
    assert (found.wins, found.losses, found.pairs, found.passes) == (5, 0, 5, 2)
    assert (found.excluded, found.left_out) == (0, 0)
    assert (found.replies, found.copied) == (23, 10)
