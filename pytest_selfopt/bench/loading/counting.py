"""Reading how a case counts: its weight in accuracy, why it is expected to fail, and its group."""

from __future__ import annotations

from typing import Any

from pytest_selfopt.bench.call_format import mistaken

_LEAST_WEIGHT, _MOST_WEIGHT = 1e-6, 1e6
"""Between these bounds sums of weights keep all their digits that anybody reads."""
_LONGEST_GROUP = 200
_WEIGHT = "a number from 0.000001 to 1,000,000"

_NO_REASONS = ("", "true", "false", "yes", "no", "on", "off", "y", "n", "0", "1", "wahr", "falsch", "vrai", "faux")


def read_weight(value: Any) -> float:
    """Read the weight of a case.

    Raises:
        ValueError: if it is not a number within bounds.
    """
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise mistaken("weight", _WEIGHT, value)
    if not _LEAST_WEIGHT <= value <= _MOST_WEIGHT:
        raise mistaken("weight", _WEIGHT, value)
    return float(value)


def read_reason(value: Any) -> str:
    """Read why a case is expected to fail, in one line; empty for None.

    Raises:
        ValueError: if it is no text, or a blank one.
    """
    if value is None:
        return ""
    # A table or a YAML file may say yes or no here: a case would be left out of all counts by mistake.
    if not isinstance(value, str) or value.strip().casefold() in _NO_REASONS:
        raise mistaken("expected_failure", "the reason in words, or nothing", value)
    return " ".join(value.split())


def read_group(value: Any) -> str:
    """Read the name of the group of cases that may pass or fail together; empty if there is none.

    Raises:
        ValueError: if it is no text, or a long one.
    """
    if not isinstance(value, str) or len(value) > _LONGEST_GROUP:
        raise mistaken("group", f"a text of up to {_LONGEST_GROUP} characters", value)
    return " ".join(value.split())
