"""What JavaScript makes of values, for benchmarks that were written for it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

_LARGEST_PLAIN = 21
_SMALLEST_PLAIN = -7
"""Powers of ten between which JavaScript writes a number without one."""


def javascript_text(value: Any) -> str:
    """Return what a template writes for a JSON value; nothing for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return _number(float(value))
    if isinstance(value, list):
        return ",".join(map(javascript_text, value))
    if isinstance(value, dict):
        return "[object Object]"
    return str(value)


def javascript_key(value: Any) -> str:
    """Return the name of a member whose key is not a text."""
    if value is None:
        return "null"
    return javascript_text(value)


def _number(value: float) -> str:
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    if value == 0 or not isinstance(exponent, int):
        return "0"
    figures = "".join(map(str, digits))
    power = len(figures) + exponent
    text = _decimal(figures, power)
    if sign:
        return f"-{text}"
    return text


def _decimal(figures: str, power: int) -> str:
    """Write 0.FIGURES times ten to the power."""
    if len(figures) <= power <= _LARGEST_PLAIN:
        return figures.ljust(power, "0")
    if 0 < power <= _LARGEST_PLAIN:
        return f"{figures[:power]}.{figures[power:]}"
    if _SMALLEST_PLAIN < power - 1 < 0:
        return "0." + "0" * -power + figures
    first, rest = figures[0], figures[1:]
    if rest:
        first = f"{first}.{rest}"
    return f"{first}e{power - 1:+d}"
