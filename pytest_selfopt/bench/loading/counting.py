"""Reading how a case counts: its weight in accuracy, and why it is expected to fail."""

from __future__ import annotations

from typing import Any

from pytest_selfopt.bench.call_format import mistaken

_LEAST_WEIGHT, _MOST_WEIGHT = 1e-6, 1e6
"""Between these bounds sums of weights keep all their digits that anybody reads."""


def read_weight(value: Any) -> float:
    """Read the weight of a case.

    Raises:
        ValueError: if it is not a number within bounds.
    """
    wanted = f"a number from {_LEAST_WEIGHT:g} to {_MOST_WEIGHT:g}"
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise mistaken("weight", wanted, value)
    if not _LEAST_WEIGHT <= value <= _MOST_WEIGHT:
        raise mistaken("weight", wanted, value)
    return float(value)


def read_reason(value: Any) -> str:
    """Read why a case is expected to fail, in one line; empty for None.

    Raises:
        ValueError: if it is no text, or a blank one.
    """
    if value is None:
        return ""
    if not isinstance(value, str) or not value.strip():
        raise mistaken("expected_failure", "the reason as a non-empty string", value)
    return " ".join(value.split())
