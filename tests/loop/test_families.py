"""Groups of cases count once a pass; cases that move together without one are found; nobody gains by stopping."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_selfopt.loop.evaluate import evaluate
from pytest_selfopt.loop.evidence.bets import Bets
from pytest_selfopt.loop.evidence.gains import least_gain
from pytest_selfopt.loop.evidence.odds import CLEAR, bar, log10_odds, odds
from pytest_selfopt.loop.evidence.tally import Tally, tally
from pytest_selfopt.loop.evidence.together import Rows, moving_together
from pytest_selfopt.loop.explanations import counts
from pytest_selfopt.loop.gate import judge
from pytest_selfopt.loop.gates.gate_result import GateInput, Verdict
from pytest_selfopt.loop.thresholds import Limits
from pytest_selfopt.trial import Outcome, Trial
from tests.loop.analyst import promotes_in_the_end
from tests.loop.histories import WORLDS
from tests.loop.luck import ALONE, FAMILIES, Luck
from tests.loop.worlds import SPEC, draw, matrix, names
from tests.performance.dependence import Lots

LEVEL = Limits().together


def grouped(before: Sequence[str], after: Sequence[str], sizes: Sequence[int]) -> Tally:
    """The pairs of two matrices whose first cases are in groups of these sizes."""
    cases = names(len(before))
    groups: dict[str, str] = {}
    for number, size in enumerate(sizes):
        start = len(groups)
        groups |= dict.fromkeys(cases[start : start + size], f"g{number}")
    return tally(matrix(before), matrix(after, spec="c"), cases, groups=groups)


means = st.dictionaries(st.fractions(-1, 1, max_denominator=6).filter(bool), st.integers(1, 9), max_size=5)


@settings(max_examples=40)
@given(wins=st.integers(0, 12), losses=st.integers(0, 12), means=means)
def test_grouped_odds_never_exceed_the_integral(wins: int, losses: int, means: dict[Fraction, int]) -> None:
    factors = [Fraction(1)] * wins + [Fraction(-1)] * losses
    factors += itertools.chain.from_iterable([mean] * times for mean, times in means.items())
    polynomial = [Fraction(1)]
    for factor in factors:
        risen = [Fraction(0), *(factor * part for part in polynomial)]
        polynomial = [low + high for low, high in zip([*polynomial, Fraction(0)], risen, strict=True)]
    exact = sum(part / (degree + 1) for degree, part in enumerate(polynomial))
    found = Bets(wins=wins, losses=losses, means=means).odds
    assert exact * Fraction(99_999, 100_000) <= found <= exact


@pytest.mark.parametrize(("wins", "losses"), [(900, 700), (6000, 5500), (20_000, 0)])
def test_thousands_of_bets_are_integrated_too(wins: int, losses: int) -> None:
    bets = Bets(wins=0, losses=0, means={Fraction(1): wins, Fraction(-1): losses})
    assert bets.log10 == pytest.approx(log10_odds(wins, losses), abs=CLEAR)


@given(
    chances=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(1, 4)), min_size=1, max_size=4),
    bet=st.fractions(0, 1, max_denominator=8),
)
def test_no_pass_is_expected_to_raise_a_bet(chances: list[tuple[int, int, int]], bet: Fraction) -> None:
    """Groups whose means are independent, and whose expectations are together at most 0."""
    expected, factors = Fraction(0), []
    for up, down, size in chances:
        mean = Fraction(up - down, 12 * size)
        expected += mean
        factors.append(1 + bet * mean)
    assert expected > 0 or math.prod(factors) <= 1


def test_single_cases_bet_as_without_groups() -> None:
    before, after = ["FFFFF"] * 3 + ["PPFPP"] * 4, ["PPPPF"] * 7
    alone, plain = grouped(before, after, [1] * 7), grouped(before, after, [])
    assert alone == plain
    assert alone.odds == odds(plain.wins, plain.losses)
    assert alone.differences == [case.difference for case in plain.cases.values()]


def test_paraphrases_count_once_a_pass() -> None:
    before, after = ["FFFFFFF"] * 12, ["PPPPPPP"] * 12
    found = grouped(before, after, [12])
    assert found.odds == pytest.approx(float(odds(7, 0)), rel=1e-5)
    assert grouped(before, after, []).odds == odds(84, 0)
    assert (found.groups, found.differences, found.ties) == (1, [1.0], 0)
    assert "over the same 12 prompts in 1 group: each group counts once a pass" in counts(found)


def test_a_group_is_the_mean_of_the_pairs_that_count() -> None:
    found = grouped(["FE", "FF", "PP", "FP"], ["PP", "FP", "FP", "PE"], [3])
    # In the first pass +1, 0 and −1; in the second, without the pair that has an error, +1 and 0.
    assert found.means == {Fraction(0): 1, Fraction(1, 2): 1}
    assert (found.bets.wins, found.bets.losses, found.ties) == (1, 0, 1)


def test_more_right_groups_with_fewer_right_answers_win_nothing() -> None:
    before = ["F" * 40] * 9 + ["P" * 40] * 20
    found = grouped(before, ["P" * 40] * 9 + ["F" * 40] * 20, [1] * 9 + [20])
    assert found.odds > bar(1)
    assert not found.reaches(bar(1))


def test_the_least_gain_of_groups_is_less_sure() -> None:
    before, after = ["F" * 8] * 4 + ["P" * 8] * 8, ["P" * 8] * 12
    alone, together = least_gain(grouped(before, after, [])), least_gain(grouped(before, after, [4, 4, 4]))
    assert alone is not None
    assert together is None or together < alone


def test_declared_families_vary_by_no_more_than_luck() -> None:
    """Runs of a family of ten differ much, which the variance of its own coin explains."""
    rows = ["PFPFPPF"] * 10 + ["PPPPPPP"] * 2
    groups = dict.fromkeys(names(10), "g")
    alone, family = (evaluate(SPEC, matrix(rows), names(12), known).spread for known in ({}, groups))
    assert alone.chance < 0.001
    assert family.chance > 0.3
    assert family.churn == alone.churn


def rows_of(rng: random.Random, cases: int, luck: Luck, passes: Sequence[int] = (7, 7, 3, 3)) -> list[Rows]:
    """The rows of specs with so many passes, of cases that pass about as often as not."""
    rates = [rng.uniform(0.4, 0.8) for _ in range(cases)]
    specs: list[Rows] = []
    for number in passes:
        answers = [luck.draw(rng, rates, ()) for _ in range(number)]
        specs.append(dict(zip(names(cases), zip(*answers, strict=True), strict=True)))
    return specs


def test_independent_cases_are_hardly_ever_suspected() -> None:
    found = [moving_together(rows_of(random.Random(number), 12, ALONE), level=0.05) for number in range(60)]
    suspected = sum(one is not None and one.moving for one in found)
    assert suspected <= 7


@pytest.mark.parametrize(("size", "least"), [(2, 14), (5, 19)])
def test_families_are_found(size: int, least: int) -> None:
    luck = FAMILIES[size, False]
    found = [moving_together(rows_of(random.Random(number), 20, luck), level=LEVEL) for number in range(20)]
    assert sum(one is not None and one.moving for one in found) >= least


def test_a_family_is_named() -> None:
    patterns = ["PFPPFFP", "FPPFPFF", "FFPFPPP"]
    rows = [patterns[place // 4] for place in range(12)]
    spec = {case: [letter == "P" for letter in row] for case, row in zip(names(12), rows, strict=True)}
    found = moving_together([spec, spec], level=LEVEL)
    assert found is not None
    assert found.families == (names(4), (*names(12)[10:], *names(10)[8:]), names(8)[4:])
    assert moving_together([spec, spec], level=LEVEL) == found


def test_answers_that_repeat_show_nothing() -> None:
    assert moving_together([{"a": [True] * 5, "b": [False] * 5}, {"a": [True], "b": [False]}], level=LEVEL) is None


def test_a_promotion_waits_for_the_names_of_groups() -> None:
    cases = names(12)
    before, after = matrix(["FFFFFFF"] * 4 + ["PFPPFPP"] * 4 + ["FPPPPFP"] * 4), matrix(["PPPPPPP"] * 12, spec="c")
    letters = zip(cases, ["PFPPFPP"] * 6 + ["FPPPPFP"] * 6, strict=True)
    rows: list[Rows] = [{case: [letter == "P" for letter in row] for case, row in letters}]
    evidence = tally(before, after, cases)
    measured = GateInput(
        spec="c",
        phase="atomic",
        metrics=evaluate("c", after, cases),
        baseline=evaluate(SPEC, before, cases),
        evidence=evidence,
        needed=bar(1),
        together=moving_together(rows, level=LEVEL),
    )
    judgement = judge(measured, Limits(), comparison=1)
    assert judgement.verdict is Verdict.HOLD
    assert "together: cases pass and fail together within passes (chance 0.01)" in judgement.sentence


@pytest.mark.parametrize(
    ("patterns", "held"), [(("PFPPFPP", "PFFPFPP"), ["variance", "together"]), (("PFPPFPP",) * 2, ["variance"])]
)
def test_groups_are_proposed_where_runs_differ(patterns: tuple[str, str], held: list[str]) -> None:
    """If all cases move together there are no groups to propose: the server or the hour is to blame."""
    letters = [patterns[place // 6] for place in range(12)]
    after = matrix(letters, spec="c")
    rows: list[Rows] = [{case: [one == "P" for one in row] for case, row in zip(names(12), letters, strict=True)}]
    measured = GateInput(
        spec="c",
        phase="atomic",
        metrics=evaluate("c", after, names(12)),
        baseline=evaluate(SPEC, matrix(["FFFFFFF"] * 12), names(12)),
        evidence=tally(matrix(["FFFFFFF"] * 12), after, names(12)),
        needed=bar(1),
        together=moving_together(rows, level=LEVEL),
    )
    failed = [gate for gate in judge(measured, Limits(), comparison=1).gates if not gate.passed]
    assert [gate.name for gate in failed] == held
    # More passes may bring back runs that do not differ, so that nothing is given up for good.
    assert not any(gate.lasting for gate in failed)


def test_families_promote_nothing_false() -> None:
    """The bound is for whole histories; taking these cases for independent promotes in one cycle of eight or more."""
    for declared in (True, False):
        luck = FAMILIES[5, declared].name
        assert Lots(life="cycle", luck=luck, world="noisy", cases=12, times=30).run() <= 1


def test_no_stop_is_good_enough_to_win() -> None:
    won = sum(promotes_in_the_end(random.Random(number), WORLDS["noisy"], 12, passes=30) for number in range(20))
    assert won <= 1


def test_passes_broken_off_count_against_only() -> None:
    """Somebody breaks off each pass in which an equal candidate is not ahead early: the rest looks like a gain."""
    reached = {True: 0, False: 0}
    for number in range(20):
        rng = random.Random(number)
        before, after = (matrix(draw(rng, [[0.5] * 60] * 12), spec=spec) for spec in (SPEC, "c"))
        early = set(names(6))
        early_passes = [_passes_by_run(side, early) for side in (before, after)]
        kept = {run for run in range(60) if early_passes[1][run] > early_passes[0][run]}
        asked = [[trial for trial in side if trial.case in early or trial.run in kept] for side in (before, after)]
        for counted in reached:
            reached[counted] += tally(asked[0], asked[1], names(12), broken_off=counted).odds >= 20
    assert reached[True] <= 1
    assert reached[False] >= 10


def _passes_by_run(trials: Sequence[Trial], cases: set[str]) -> Counter[int]:
    return Counter(trial.run for trial in trials if trial.case in cases and trial.outcome is Outcome.PASS)


def test_copies_in_a_broken_off_pass_do_not_count() -> None:
    cases = names(4)

    def begun(rows: list[str]) -> list[Trial]:
        return [trial for trial in matrix(rows) if trial.run == 0 or trial.case in cases[:2]]

    before, after = begun(["PP"] * 4), begun(["Pf", "PF", "PP", "PP"])
    found = tally(before, after, cases, broken_off=True)
    assert (found.broken_off, found.losses, found.pairs) == (1, 1, 5)
