"""Runs of digits with what joins them, and what they mean."""

from __future__ import annotations

import re

from pytest_selfopt.bench.grading.notation.characters import (
    APOSTROPHES,
    BLANK,
    GAP,
    HYPHENS,
    LETTER,
    MINUSES,
    RAISED,
    SIGN,
    SLASHES,
    TEX_GAP,
    VULGAR,
)

_LOWERED = str.maketrans(f"{RAISED}{MINUSES}", f"0123456789+-{'-' * len(MINUSES)}")
MOST_EXPONENT = 6
"""Digits of an exponent that is read; no answer is larger."""

_MOST_SMALL = 20
"""Raised digits that a fraction begins with, beside the first: each place of a longer row would be tried to its end."""
_POWER = (
    rf"(?: ?\^ ?|\*\*| \*\* (?!\d+ ?\*\*))(?:\{{ ?{SIGN}\d+ ?\}}|\({SIGN}\d+\)|{SIGN}\d+(?![.,]?\d))"
    rf"|<sup>{SIGN}\d+</sup>"
    rf"|[⁺⁻]?[⁰¹²³⁴-⁹]+(?![{SLASHES}])"
)
# No possessive repetition: before Python 3.11.5 those of what backtracks matched wrongly (python/cpython#106052).
_SPACE = rf"(?>(?:{GAP}|\{{\}}){{0,4}})"
# What is sought is looked ahead for by one sign, because most numbers have none of it.
_TIMES_TEN = rf"(?=[{BLANK}~\\{{&×xX*·⋅∙]){_SPACE}(?:[×xX*·⋅∙]|\\times|\\cdot|&times;){_SPACE}(?:10|\{{10\}})"
_POINT = r"(?:[.,]|\{[.,]\})"
_JOINT = (
    rf"(?=[.,:_{APOSTROPHES}{SLASHES}\\{{\uff0c])(?:\\!|\{{\}})?(?:[.,:_{APOSTROPHES}]|\\?[{SLASHES}]|\{{(?:[.,]|,\\!)\}}"
    r"|\\(?:text|mathrm|mathord|mathpunct)\{[.,]\}"
    # A wide comma is one between thousands, or stands in a list.
    r"|\uff0c(?=\d{3}(?!\d)))(?:\\!|\{\})?"
)
RUN = re.compile(
    rf"(?P<digits>[\d{VULGAR}⁰¹²³⁴-⁹](?:"
    # A fraction of small digits, which begin nothing else.
    rf"(?<=[⁰¹²³⁴-⁹])[⁰¹²³⁴-⁹]{{0,{_MOST_SMALL}}}[{SLASHES}][₀-₉]+"
    # A date.
    r"|(?<![⁰¹²³⁴-⁹])(?:\d{3}-\d{1,2}-\d{1,2}(?!\d)"
    # Thousands set apart by spaces, unless the first digits end a word.
    rf"|(?<![{LETTER}_]\d)(?<![{LETTER}][{HYPHENS}]\d)\d{{0,2}}+"
    rf"(?=[{BLANK}~\\{{&]){GAP}\d{{3}}(?:{GAP}\d{{3}})*(?!\d)(?:{_POINT}\d+)?(?![.,:/_]\d)"
    # Digits joined by single signs; spaces among those that follow the point are not read, but belong to them.
    rf"|\d*(?:{_JOINT}\d+)*(?:(?=[{BLANK}~\\{{&])(?:{TEX_GAP}|(?<=[.,]\d{{3}}){GAP}(?=\d{{3}}(?!\d)))\d+)*"
    rf")[{VULGAR}]?))"
    rf"(?:[eE](?P<exponent>{SIGN}\d+)|{_TIMES_TEN}(?P<ten>{_POWER})|(?P<power>{_POWER}))?"
)
_FRACTION = re.compile(rf"[^/]+/[^/]+|.*[{VULGAR}].*")
_NO_NUMBER = re.compile(r".*[:-].*|.*/.*/.*")
_VERSION = re.compile(r"\d+(?:\.\d+){2,}")

_GAPS = re.compile(GAP)
# A joint with what TeX sets around it.
_DRESSED = re.compile(
    r"(?:\\!|\{\})?(?:(?:\\(?:text|mathrm|mathord|mathpunct))?\{([.,])(?:\\!)?\}|([.,:_]))(?:\\!|\{\})?"
)
_PLAIN = str.maketrans({"\u2019": "'", "\u2044": "/", "\u2215": "/", "\\": ""})
_THREES = r"[^0\D]\d{0,2}(?:%s\d{3})+"
_NEUTRAL = "|".join(_THREES % sign for sign in " '_")
_LAKHS = r"[^0\D]\d?(?:%s\d{2})+%s\d{3}"
_WITH_POINT = re.compile(rf"(?:\d+|{_THREES % ','}|{_LAKHS % (',', ',')}|{_LAKHS % ('_', '_')}|{_NEUTRAL})(?:\.\d+)?")
_WITH_COMMA = re.compile(rf"(?:\d+|{_THREES % '[.]'}|{_NEUTRAL})(?:,\d+)?")
_JOINTS = re.compile(r"[ '_]")
_MIXED = "?"
"""Stands between digits that are set apart in several ways, and so belongs to no number."""


def plain_digits(raw: str) -> str:
    """Return the digits of a run with one sign of each kind between them."""
    if raw.isdecimal():
        return raw
    joined = _DRESSED.sub(_undress, raw)
    between = " "
    if len(set(_GAPS.findall(joined))) > 1:
        between = _MIXED
    return _GAPS.sub(between, joined).translate(_PLAIN)


def has_decimal_point(digits: str) -> bool:
    """Whether digits are one number in a locale with a decimal point."""
    return _WITH_POINT.fullmatch(digits) is not None


def has_decimal_comma(digits: str) -> bool:
    """Whether digits are one number in a locale with a decimal comma."""
    return _WITH_COMMA.fullmatch(digits) is not None


def readings(digits: str, *, scaled: bool = False) -> list[str]:
    """Return what digits mean with a decimal point, and with a decimal comma if it is something else.

    Before a power of ten nobody sets thousands apart by points, as locales with a decimal comma do otherwise.
    """
    if digits.isdecimal():
        return [digits]
    meanings = []
    joined = _JOINTS.sub("", digits)
    if _WITH_POINT.fullmatch(digits):
        meanings.append(joined.replace(",", ""))
        if scaled and "." in digits:
            return meanings
    if _WITH_COMMA.fullmatch(digits):
        plain = joined.replace(".", "").replace(",", ".")
        if plain not in meanings:
            meanings.append(plain)
    return meanings


def exponent(run: re.Match[str]) -> str:
    """Return the power of ten of a run, "0" if it has none."""
    raised = run["exponent"] or run["ten"] or run["power"]
    if not raised:
        return "0"
    return raised.strip("^*{( )}<sup>/").translate(_LOWERED)


def is_fraction(digits: str) -> bool:
    """Whether plain digits are two numbers with a slash between them, or one sign for both."""
    return not digits.isdecimal() and _FRACTION.fullmatch(digits) is not None


def is_no_number(digits: str) -> bool:
    """Whether plain digits are a time, a ratio, a date or a version."""
    if digits.isdecimal():
        return False
    if _NO_NUMBER.fullmatch(digits):
        return True
    return bool(_VERSION.fullmatch(digits)) and not readings(digits)


def _undress(joint: re.Match[str]) -> str:
    return joint[1] or joint[2]
