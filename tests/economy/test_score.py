"""The interval of a score minds how repeats of one case hang together."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.economy.score import score_of
from pytest_selfopt.loop.distributions import wilson


def test_identical_repeats_count_as_one() -> None:
    once = score_of([(f"c{index}", index % 2, 1) for index in range(40)])
    often = score_of([(f"c{index}", 7 * (index % 2), 7) for index in range(40)])
    assert (often.accuracy, often.trials) == (0.5, 280)
    assert (often.low, often.high) == pytest.approx((once.low, once.high))
    assert score_of([("a", 9, 9), ("b", 9, 9)]).low == wilson(2, 2)[0]


def test_a_recurring_case_is_the_same_case() -> None:
    assert score_of([("a", 1, 2), ("b", 0, 1), ("a", 2, 2)]) == score_of([("b", 0, 1), ("a", 3, 4)])


def test_nothing_is_known_without_trials() -> None:
    assert (score_of([]).accuracy, score_of([("a", 0, 0)]).low, score_of([]).high) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize("repeats", [1, 7])
def test_the_interval_covers_the_true_share(repeats: int) -> None:
    rng = random.Random(repeats)
    held = 0
    for _ in range(1_000):
        rates = [rng.choice([0.0, 0.3, 0.9, 1.0]) for _ in range(40)]
        counts = [(str(i), sum(rng.random() < rate for _ in range(repeats)), repeats) for i, rate in enumerate(rates)]
        score = score_of(counts)
        held += score.low <= 0.55 <= score.high
    assert held / 1_000 >= 0.93


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_the_interval_encloses_the_accuracy(drawn: list[tuple[str, int, int]]) -> None:
    score = score_of([(case, passes, passes + misses) for case, passes, misses in drawn])
    assert 0.0 <= score.low <= score.accuracy <= score.high <= 1.0
