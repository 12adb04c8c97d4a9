"""Strict JSON: no NaN or Infinity, no number beyond a float, no duplicate keys, and errors with their place.

And the reading of whole numbers in what models and servers write, in which everything else may stand.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

_MOST_DIGITS = 4300
"""Python's own limit, which libraries take away for the whole process (mpmath does)."""
_SHOWN = 20
"""Digits of a number that a message shows."""
_SHOWN_OF_KEY = 120
"""Characters of a key that a message shows."""


def parse_json(text: str) -> Any:
    """Parse a JSON text.

    Raises:
        ValueError: with a message that names line and column (only the column in a text of one line).
    """
    try:
        return json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_whole,
            object_pairs_hook=_unique,
        )
    except json.JSONDecodeError as problem:
        line = f"line {problem.lineno}, " if "\n" in text.strip() or problem.lineno > 1 else ""
        raise ValueError(f"invalid JSON at {line}column {problem.colno}: {problem.msg}") from None
    except RecursionError:
        raise ValueError("invalid JSON: nested too deeply") from None


def limited_int(digits: str) -> int:
    """Read a whole number of at most 4,300 digits: beyond, the time grows with their square.

    Raises:
        ValueError: if it has more.
    """
    if len(digits) > _MOST_DIGITS:
        raise ValueError("too many digits")
    return int(digits)


def int_or_infinity(digits: str) -> int | float:
    """Read a whole number as `limited_int` does; infinity if it has more digits."""
    try:
        return limited_int(digits)
    except ValueError:
        return math.inf


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"invalid JSON: {name} is not a JSON number")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"invalid JSON: the number {digits[:_SHOWN]} is too large")
    return value


def _whole(digits: str) -> int:
    _finite(digits)
    return int(digits)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names: set[str] = set()
        for name, _ in pairs:
            if name in names:
                raise ValueError(f"invalid JSON: duplicate key {name[:_SHOWN_OF_KEY]!r} in an object")
            names.add(name)
    return value
