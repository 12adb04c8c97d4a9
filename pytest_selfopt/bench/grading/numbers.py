"""Numbers compared exactly, and written for people."""

from __future__ import annotations

import math
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal

# More digits than any sum of two numbers of a suite has, so that no difference is rounded.
_EXACT = Context(prec=20_000, Emax=MAX_EMAX, Emin=MIN_EMIN)
_DOUBLE_DIGITS = 17
"""Decimal digits that tell any two floats apart."""

LOCALES = {
    "en": (".", ","),
    "in": (".", ","),
    "ch": (".", "'"),
    "de": (",", "."),
    "es": (",", "."),
    "it": (",", "."),
    "nl": (",", "."),
    "pt": (",", "."),
    "fr": (",", " "),
    "pl": (",", " "),
    "ru": (",", " "),
    "sv": (",", " "),
}
"""For each locale its decimal sign, and the sign between its thousands."""


def as_decimal(value: float) -> Decimal:
    """Return a number exactly: an integer as it is, a float as the decimal that it is written as."""
    if isinstance(value, int):
        return Decimal(value)
    return Decimal(repr(value))


def within(got: float, wanted: float, tolerance: float) -> bool:
    """Whether two numbers differ by the tolerance at most; nothing is rounded."""
    if not tolerance or not _are_finite(got, wanted):
        return False
    return near(as_decimal(got), wanted, tolerance)


def near(got: Decimal, wanted: float, tolerance: float) -> bool:
    """Whether a number that was written differs by the tolerance at most from a number of a suite.

    A number of a suite that is a float equals all numbers that are written with as many digits as it can keep, or
    more, and that are it when read as a float.
    """
    middle = as_decimal(wanted)
    if got == middle:
        return True
    if not isinstance(wanted, int) and _is_long(got) and float(got) == wanted:
        return True
    margin = as_decimal(tolerance)
    least = _EXACT.subtract(middle, margin)
    most = _EXACT.add(middle, margin)
    return least <= got <= most


def show_number(value: float) -> str:
    """Write a number with all of its digits, and without those after the point that are zero."""
    if abs(value) < 1e16 and value == int(value):
        return str(int(value))
    return str(value)


def show_decimal(value: Decimal) -> str:
    """Write a number that was read, with an exponent only if it is long."""
    if abs(value.adjusted()) < 16:
        return format(value, "f")
    return str(value)


def number_in_words(value: float, tolerance: float) -> str:
    """Describe an expected number, such as "the number 42 within 0.5"."""
    if tolerance:
        return f"the number {show_number(value)} within {show_number(tolerance)}"
    return f"the number {show_number(value)}"


def write_number(value: float, locale: str) -> str:
    """Write a number as people of a locale do, without signs between thousands."""
    plain = format(as_decimal(value), "f")
    point, _ = LOCALES.get(locale, LOCALES["en"])
    return plain.replace(".", point)


def _are_finite(*values: float) -> bool:
    return all(isinstance(value, int) or math.isfinite(value) for value in values)


def _is_long(value: Decimal) -> bool:
    """Whether a number has so many digits that no two floats are both as near to it."""
    return len(value.as_tuple().digits) >= _DOUBLE_DIGITS
