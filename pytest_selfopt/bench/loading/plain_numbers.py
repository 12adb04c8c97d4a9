"""Decimal numbers without quotes, as YAML's core schema and programs for tables write them."""

from __future__ import annotations

import re
import sys

from pytest_selfopt.bench.call_format import line as one_line

_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"[-+]?[0-9]+")


def plain_number(text: str) -> int | float | None:
    """Return the number that a text is; None if it is none.

    Raises:
        ValueError: if it is too large.
    """
    if not _NUMBER.fullmatch(text):
        return None
    number = bounded(float(text), text)
    if _INTEGER.fullmatch(text):
        return int(text)
    return number


def bounded(number: float, text: str) -> float:
    """Return a number that a float can hold.

    Raises:
        ValueError: if it is larger.
    """
    if abs(number) > sys.float_info.max:
        raise ValueError(f"the number {one_line(text, 20)} is too large")
    return number
