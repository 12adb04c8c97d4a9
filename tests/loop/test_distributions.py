"""Tails of distributions, against closed forms and printed tables."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.loop.distributions import binomial_tail, chi_square_tail, incomplete_beta, wilson

shares = st.floats(0.001, 0.999)


@pytest.mark.parametrize(
    ("degrees", "value", "tail"),
    [
        (1, 3.841458820694124, 0.05),
        (5, 11.070497693516351, 0.05),
        (6, 22.457744484825323, 0.001),
        (9, 2.087900735841218, 0.99),
        (100, 124.34211340400407, 0.05),
    ],
)
def test_the_chi_square_tail_matches_tables(degrees: int, value: float, tail: float) -> None:
    assert chi_square_tail(value, degrees) == pytest.approx(tail, rel=1e-7)


@given(half=st.integers(1, 40), value=st.floats(0.01, 300))
def test_even_chi_square_tails_are_poisson_sums(half: int, value: float) -> None:
    exact = math.exp(-value / 2) * math.fsum((value / 2) ** k / math.factorial(k) for k in range(half))
    assert chi_square_tail(value, 2 * half) == pytest.approx(exact, rel=1e-9, abs=1e-13)


def test_the_far_chi_square_tail_stays_precise() -> None:
    assert chi_square_tail(200.0, 2) == pytest.approx(math.exp(-100), rel=1e-9)


@given(trials=st.integers(1, 60), data=st.data())
def test_the_binomial_tail_sums_its_terms(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    share = data.draw(st.fractions(Fraction(1, 50), Fraction(49, 50), max_denominator=50))
    exact = sum(math.comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(successes + 1))
    assert binomial_tail(successes, trials, float(share)) == pytest.approx(float(exact), rel=1e-9)


@given(a=st.floats(0.1, 500), b=st.floats(0.1, 500), x=shares)
def test_the_incomplete_beta_function_is_symmetric(a: float, b: float, x: float) -> None:
    assert incomplete_beta(a, b, x) == pytest.approx(1 - incomplete_beta(b, a, 1 - x), abs=1e-9)


@given(trials=st.integers(1, 10_000), data=st.data())
def test_the_wilson_bounds_invert_the_score_test(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    for bound in wilson(successes, trials):
        score = abs(successes / trials - bound)
        assert score == pytest.approx(1.959964 * math.sqrt(max(0.0, bound * (1 - bound)) / trials), abs=1e-6)


@given(trials=st.integers(1, 1_000), data=st.data())
def test_the_wilson_interval_contains_the_proportion(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials) | st.just(trials))
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1


def test_without_trials_any_proportion_is_possible() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
