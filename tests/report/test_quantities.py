"""Each quantity is written by one rule, also where its unit changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.console.quantities import (
    describe_chance,
    format_chance,
    format_clock,
    format_cost,
    format_duration,
    format_known_cost,
)

AMOUNTS = st.floats(0, 1e6)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (-0.0, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1:00 min"),
        (350, "5:50 min"),
        (3599.9, "1:00:00 h"),
        (4200, "1:10:00 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_clock() -> None:
    assert [format_clock(seconds) for seconds in (0, 65.9, 4200)] == ["0:00", "1:05", "1:10:00"]


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (None, "unknown"),
        (0, "$0.0000"),
        (-0.0, "$0.0000"),
        (1e-12, "$1.0e-12"),
        (0.00055, "$0.00055"),
        (0.008, "$0.0080"),
        (0.25, "$0.2500"),
        (0.99996, "$1.00"),
        (12.3456, "$12.35"),
        (1234.5, "$1,234.50"),
    ],
)
def test_costs(usd: float | None, text: str) -> None:
    assert format_cost(usd) == text


@given(AMOUNTS, AMOUNTS)
def test_cost_is_monotone(one: float, other: float) -> None:
    least, most = sorted([one, other])
    assert _usd(least) <= _usd(most)


def _usd(amount: float) -> float:
    return float(format_cost(amount).removeprefix("$").replace(",", ""))


@given(AMOUNTS)
def test_duration_is_close(seconds: float) -> None:
    number, unit = format_duration(seconds).split()
    if unit == "s":
        assert float(number) < 60
        return
    total = 0
    for part in number.split(":"):
        total = total * 60 + int(part)
    assert abs(total - seconds) <= 0.5


def test_unknown_cost() -> None:
    assert format_known_cost(0, 3) == "unknown"
    assert format_known_cost(0.5, 0) == "$0.5000"
    assert format_known_cost(0.5, 3) == "at least $0.5000 and that of 3 calls of unknown cost"


def test_chances() -> None:
    assert format_chance(0.0123) == "1.2%"
    assert format_chance(1 / 13_007) == "1 in 13,007"
    assert format_chance(1e-12) == "less than 1 in 10^9"
    assert [describe_chance(share) for share in (0.0123, 0.51, 1.0, None)] == ["by chance 1.2%", "", "", ""]
