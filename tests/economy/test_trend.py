"""The word for where a model is heading is right as often as it claims."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.economy.trend import LEAST_CYCLES, MOST_CYCLES, TrendWord, trend

CLAIMED = 0.05
"""Of stable models, how many may be said to improve or to decline; docs/how-to/profiles.md says so."""
HISTORIES = 2_000
CASES, RUNS = 12, 3
World = Callable[[random.Random, int], list[float]]


def answers(rng: random.Random, rates: list[float]) -> float:
    """The accuracy of one cycle, drawn from the pass rate of each case."""
    return sum(rng.random() < rate for rate in rates for _ in range(RUNS)) / (len(rates) * RUNS)


def sampling(rng: random.Random, cycles: int) -> list[float]:
    """A model whose cases each have a rate of their own, the same in all cycles."""
    rates = [rng.random() for _ in range(CASES)]
    return [answers(rng, rates) for _ in range(cycles)]


def nearly_perfect(rng: random.Random, cycles: int) -> list[float]:
    """A model with so few misses that most cycles are tied."""
    return [answers(rng, [0.99] * CASES) for _ in range(cycles)]


def with_good_and_bad_days(rng: random.Random, cycles: int) -> list[float]:
    """A model that is better in some cycles than in others, whenever they are."""
    rates = [rng.random() * 0.7 for _ in range(CASES)]
    return [answers(rng, [rate + rng.choice([0.0, 0.3]) for rate in rates]) for _ in range(cycles)]


@pytest.mark.parametrize("cycles", [5, 8, 20])
@pytest.mark.parametrize("world", [sampling, nearly_perfect, with_good_and_bad_days])
def test_a_stable_model_seldom_shows_a_trend(world: World, cycles: int) -> None:
    rng = random.Random(f"{world.__name__} {cycles}")
    words = [trend(world(rng, cycles)).word for _ in range(HISTORIES)]
    wrong = words.count(TrendWord.IMPROVING) + words.count(TrendWord.DECLINING)
    assert wrong / HISTORIES <= CLAIMED + 2 * (CLAIMED * (1 - CLAIMED) / HISTORIES) ** 0.5


@pytest.mark.parametrize(("sign", "word"), [(1, TrendWord.IMPROVING), (-1, TrendWord.DECLINING)])
def test_a_changing_model_is_nearly_always_found(sign: int, word: TrendWord) -> None:
    rng = random.Random(7)

    def history() -> list[float]:
        return [answers(rng, [0.5 + sign * 0.03 * (cycle - 5)] * CASES) for cycle in range(12)]

    words = [trend(history()).word for _ in range(300)]
    assert words.count(word) / 300 >= 0.8


def test_a_changing_model_is_seldom_called_stable() -> None:
    rng = random.Random(8)
    words = [trend([answers(rng, [0.4 + 0.02 * cycle] * CASES) for cycle in range(12)]).word for _ in range(HISTORIES)]
    assert words.count(TrendWord.STABLE) / HISTORIES <= CLAIMED


@given(values=st.lists(st.sampled_from([0.25, 0.5, 0.75, 1.0]), min_size=5, max_size=7))
def test_the_p_value_is_the_permutation_share(values: list[float]) -> None:
    def balance(order: tuple[float, ...]) -> int:
        return abs(sum((after > before) - (after < before) for before, after in itertools.combinations(order, 2)))

    orders = list(itertools.permutations(values))
    as_clear = sum(balance(order) >= balance(tuple(values)) for order in orders)
    assert trend(values).chance == pytest.approx(as_clear / len(orders))


@given(values=st.lists(st.floats(0, 1), max_size=40))
def test_time_reversed_is_the_opposite(values: list[float]) -> None:
    opposite = {TrendWord.IMPROVING: TrendWord.DECLINING, TrendWord.DECLINING: TrendWord.IMPROVING}
    values = values[:MOST_CYCLES]
    word = trend(values).word
    assert trend(values[::-1]).word is opposite.get(word, word)


def test_few_cycles_show_no_trend() -> None:
    few = trend([0.9] * (LEAST_CYCLES - 1))
    assert (few.word, few.sentence) == (
        TrendWord.UNKNOWN,
        "too few evaluations to tell: 4 comparable cycles, at least 5 are needed",
    )
    assert trend([0.9] * LEAST_CYCLES).sentence == "stable: moved by +0.00 to +0.00 in 5 comparable cycles, p = 1"


def test_high_variance_is_not_called_stable() -> None:
    found = trend([0.2, 0.9, 0.4, 0.8, 0.3, 0.7])
    assert found.word is TrendWord.UNKNOWN
    assert found.sentence.startswith("too few evaluations to tell: moved by -")


def test_only_the_recent_cycles_count() -> None:
    fell_long_ago = [1.0] * 30 + [0.5] * MOST_CYCLES
    assert (trend(fell_long_ago).word, trend(fell_long_ago).cycles) == (TrendWord.STABLE, MOST_CYCLES)
