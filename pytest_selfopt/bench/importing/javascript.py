"""What JavaScript makes of values, for benchmarks that were written for it."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

WHITE_SPACE = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""What JavaScript takes for white space."""
UNDEFINED = object()
"""The value of what has none; None stands for null."""
_DATE = re.compile(
    r"[0-9]{4}-(?:[0-9]{2}-[0-9]{2}|[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?"
    r"(?:[ \t]*(?:Z|[-+][0-9][0-9]?(?::?[0-9][0-9])?))?)"
)
_INDEX = re.compile(r"0|[1-9][0-9]*")
_LARGEST_PLAIN = 21
_SMALLEST_PLAIN = -7
"""Powers of ten between which JavaScript writes a number without one."""


class UnquotedDate(str):
    """A date without quotes in YAML: readers of JavaScript make an object of it, and Python's of YAML 1.2 a text."""

    __slots__ = ()


def dated(text: str) -> str:
    """Return a plain text of YAML, marked if it is a date."""
    if _DATE.fullmatch(text):
        return UnquotedDate(text)
    return text


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


def javascript_json(value: Any) -> str:
    """Return what `JSON.stringify` writes for a JSON value.

    Raises:
        ValueError: for a date, and for an object with numbers as names, which it writes first.
    """
    if isinstance(value, UnquotedDate):
        raise ValueError(f"the date {value} has no quotes")
    if isinstance(value, dict):
        if any(map(_INDEX.fullmatch, value)):
            raise ValueError("an object has numbers as names")
        members = [f"{json.dumps(name, ensure_ascii=False)}:{javascript_json(item)}" for name, item in value.items()]
        return f"{{{','.join(members)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(javascript_json, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return javascript_key(value)


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
