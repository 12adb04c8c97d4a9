"""Whether a baseline still answers as before."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.loop.evidence.moved import LEVEL, has_moved
from tests.loop.worlds import draw, matrix


@pytest.mark.parametrize(
    ("now", "moved"),
    [
        ("P" * 10, False),
        ("P" * 9 + "F", False),
        ("P" * 8 + "FF", False),
        ("P" * 7 + "FFF", True),
        ("E" * 5 + "P" * 5, False),
        ("E" * 6 + "P" * 4, True),
    ],
)
def test_answers_that_repeat_move_if_three_turn(now: str, *, moved: bool) -> None:
    """One answer of four turns by chance in one of four cases, whatever it is; hardly any answer says nothing."""
    assert has_moved(matrix(["PPP"] * 10), matrix(list(now))) is moved


@given(passes=st.integers(1, 7), turned=st.integers(0, 12), cases=st.integers(1, 12))
def test_the_chance_is_that_of_the_places(passes: int, turned: int, cases: int) -> None:
    """Of the cases with one wrong answer each has it last with a chance of one in all its answers."""
    turned = min(turned, cases)
    tail = (1 / (passes + 1)) ** turned
    known = matrix(["P" * passes] * cases)
    assert has_moved(known, matrix(["F"] * turned + ["P"] * (cases - turned))) is (2 * tail <= LEVEL)


@pytest.mark.parametrize(("rate", "passes"), [(0.7, 3), (0.7, 7), (0.95, 3), (0.5, 5)])
def test_unchanged_answers_seldom_seem_to_move(rate: float, passes: int) -> None:
    """At most in one of twenty cycles, with three standard errors for 400 of them."""
    rng = random.Random(1)
    alarms = 0
    for _ in range(400):
        known, now = (matrix(draw(rng, [[rate] * number] * 30)) for number in (passes, 1))
        alarms += has_moved(known, now)
    assert alarms / 400 <= LEVEL + 3 * (LEVEL * (1 - LEVEL) / 400) ** 0.5


def test_a_model_that_got_worse_moves() -> None:
    rng = random.Random(2)
    found = 0
    for _ in range(100):
        known, now = (matrix(draw(rng, [[rate] * number] * 30)) for rate, number in ((0.8, 3), (0.4, 1)))
        found += has_moved(known, now)
    assert found >= 90
