"""The interval of a score minds how repeats of one case hang together."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.economy.score import CaseAnswers, Score, score_of
from pytest_selfopt.loop.distributions import wilson


def score_of_rows(rows: list[tuple[str, int, int]]) -> Score:
    """The score where every weight is 1."""
    return score_of(itertools.starmap(CaseAnswers, rows))


def test_identical_repeats_count_as_one() -> None:
    once = score_of_rows([(f"c{index}", index % 2, 1) for index in range(40)])
    often = score_of_rows([(f"c{index}", 7 * (index % 2), 7) for index in range(40)])
    assert (often.accuracy, often.trials) == (0.5, 280)
    assert (often.low, often.high) == pytest.approx((once.low, once.high))
    assert score_of_rows([("a", 9, 9), ("b", 9, 9)]).low == wilson(2, 2)[0]


def test_a_recurring_case_is_the_same_case() -> None:
    assert score_of_rows([("a", 1, 2), ("b", 0, 1), ("a", 2, 2)]) == score_of_rows([("b", 0, 1), ("a", 3, 4)])


def test_nothing_is_known_without_trials() -> None:
    assert (score_of_rows([]).accuracy, score_of_rows([("a", 0, 0)]).low, score_of_rows([]).high) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize("repeats", [1, 7])
def test_the_interval_covers_the_true_share(repeats: int) -> None:
    rng = random.Random(repeats)
    held = 0
    for _ in range(1_000):
        rates = [rng.choice([0.0, 0.3, 0.9, 1.0]) for _ in range(40)]
        counts = [(str(i), sum(rng.random() < rate for _ in range(repeats)), repeats) for i, rate in enumerate(rates)]
        score = score_of_rows(counts)
        held += score.low <= 0.55 <= score.high
    assert held / 1_000 >= 0.93


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_the_interval_encloses_the_accuracy(drawn: list[tuple[str, int, int]]) -> None:
    score = score_of_rows([(case, passes, passes + misses) for case, passes, misses in drawn])
    assert 0.0 <= score.low <= score.accuracy <= score.high <= 1.0


@pytest.mark.parametrize("repeats", [1, 7])
def test_weighted_interval_covers_the_true_share(repeats: int) -> None:
    rng = random.Random(repeats)
    held = 0
    for _ in range(1_000):
        answers = []
        for index in range(40):
            # What counts much is hard, which makes the variance as large as weights can make it.
            weight, rate = rng.choice([(1.0, 0.9), (1.0, 1.0), (1.0, 0.9), (8.0, 0.5)])
            passes = sum(rng.random() < rate for _ in range(repeats))
            answers.append(CaseAnswers(str(index), passes, repeats, weight))
        score = score_of(answers)
        held += score.low <= (0.9 + 1.0 + 0.9 + 8 * 0.5) / 11 <= score.high
    assert held / 1_000 >= 0.93


@given(
    drawn=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.integers(0, 9)), max_size=9),
    weight=st.sampled_from([0.25, 2.0, 8.0]),
)
def test_equal_weights_change_nothing(drawn: list[tuple[str, int, int]], weight: float) -> None:
    rows = [(case, passes, passes + misses) for case, passes, misses in drawn]
    assert score_of(CaseAnswers(*row, weight) for row in rows) == score_of_rows(rows)
