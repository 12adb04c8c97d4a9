"""Reading of the last number in a text, in the notations that people and models write.

Which notations are read is a table in docs/how-to/write-benchmarks.md. A text is searched for digits and what may join
them; from the last ones backwards, the first that are no part of a word, a date or a time are the answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from pytest_selfopt.bench.grading.numbers import LOCALES, show_decimal

# Letters of the alphabets whose words are set apart by spaces: digits that follow one are part of its word. After a
# letter of another writing, such as Chinese, a number begins.
_LETTER = "A-Za-zªµºÀ-ÖØ-öø-ʯͰ-ϿЀ-ԯ"
_HYPHENS = "-\u2010\u2011"
_MINUSES = "-\u2212\u2013\ufe63\uff0d"
_SIGNS = f"+{_MINUSES}"
_SIGN = f"[{re.escape(_SIGNS)}]?"
_CURRENCIES = "$€£¥₹₽₩₺₪₫¢"
_BLANK = " \u00a0\u2007\u2009\u202f"
_APOSTROPHES = "'\u2019"
_VULGAR = "¼-¾⅐-⅞"
_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻"
_LOWERED = str.maketrans(f"{_RAISED}{_MINUSES}", "0123456789+------")
_MOST_EXPONENT = 6
"""Digits of an exponent that is read; no answer is larger."""

_POWER = (
    rf"(?:\^|\*\*)(?:\{{ ?{_SIGN}\d+ ?\}}|\({_SIGN}\d+\)|{_SIGN}\d+)"
    r"|[⁺⁻]?[⁰¹²³⁴-⁹]+"
)
_SPACE = rf"(?:[{_BLANK}]|\\,){{0,2}}"
_TIMES_TEN = rf"{_SPACE}(?:[×xX*·⋅∙]|\\times|\\cdot){_SPACE}10"
_RUN = re.compile(
    rf"(?P<digits>[\d{_VULGAR}](?:"
    # A date.
    r"\d{3}-\d{1,2}-\d{1,2}(?!\d)"
    # Thousands set apart by spaces, unless the first digits end a word.
    rf"|(?<![{_LETTER}_]\d)(?<![{_LETTER}][{_HYPHENS}]\d)\d{{0,2}}"
    rf"(?P<gap>[{_BLANK}]|\\[,;:])\d{{3}}(?:(?P=gap)\d{{3}})*(?!\d)(?:[.,]\d+)?(?![.,:/_]\d)"
    # Digits joined by single signs.
    rf"|\d*(?:(?:[.,:/_{_APOSTROPHES}]|\{{,\}})\d+)*"
    rf")[{_VULGAR}]?)"
    rf"(?:[eE](?P<exponent>{_SIGN}\d+)|{_TIMES_TEN}(?P<ten>{_POWER})|(?P<power>{_POWER}))?"
)
_WORD_BEFORE = re.compile(rf"(?:[{_LETTER}][{_HYPHENS}]?|[{_LETTER}\d]_|_\{{|\^[{{(]?{_SIGN})$")
_WORD_AFTER = re.compile(rf"[{_LETTER}]+\d")
_BASE_BEFORE = re.compile(rf"[{_LETTER}\d)\]}}]\*\*$")
_OPERAND = re.compile(rf"[{_LETTER}\d)\]}}%{_RAISED}]")
_PART_OF_FRACTION = re.compile(r"\\[dt]?frac\{(?:[^{}]*\}\{)?$")
_FRACTION = re.compile(rf"[^/]+/[^/]+|.*[{_VULGAR}].*")
_NO_NUMBER = re.compile(r".*[:-].*|.*/.*/.*")
_VERSION = re.compile(r"\d+(?:\.\d+){2,}")

_GAPS = re.compile(rf"[{_BLANK}]|\\[,;:]")
_THREES = r"[^0\D]\d{0,2}(?:%s\d{3})+"
_NEUTRAL = "|".join(_THREES % sign for sign in " '_")
_LAKHS = r"[^0\D]\d?(?:%s\d{2})+%s\d{3}"
_WITH_POINT = re.compile(rf"(?:\d+|{_THREES % ','}|{_LAKHS % (',', ',')}|{_LAKHS % ('_', '_')}|{_NEUTRAL})(?:\.\d+)?")
_WITH_COMMA = re.compile(rf"(?:\d+|{_THREES % '[.]'}|{_NEUTRAL})(?:,\d+)?")
_SURELY_WITH_COMMA = re.compile(r"\d\.\d{3},\d")
_JOINTS = re.compile(r"[ '_]")


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenNumber:
    """The last number of a text as it is written, with its value; `problem` says why there is no value.

    `other` is what it means where points and commas change their parts.
    """

    text: str
    value: Decimal | None = None
    other: Decimal | None = None
    problem: str = ""


def last_number(text: str, locale: str = "") -> WrittenNumber | None:
    """Read the last number in a text; None if there is none.

    `locale` is one of `LOCALES`, or empty: then a number of two readings is read as English.
    """
    for run in reversed(list(_RUN.finditer(text))):
        number = _number(text, run, locale)
        if number is not None:
            return number
    return None


def _number(text: str, run: re.Match[str], locale: str) -> WrittenNumber | None:
    """Read a run of digits; None if it is a part of something that is no number."""
    digits = _plain(run["digits"])
    if _is_in_word(text, run) or _is_no_number(digits):
        return None
    start, negative = _beginning(text, run.start())
    written = text[start : run.end()]
    problem = _problem(text, run, digits)
    if problem:
        return WrittenNumber(text=written, problem=problem)
    exponent = _exponent(run)
    if run["power"]:
        digits = "1"
    elif _begins_with_point(text, run.start()):
        digits = f"0.{digits}"
    values = []
    for plain in _readings(digits, scaled=exponent != "0"):
        value = Decimal(f"{plain}e{exponent}")
        if negative:
            value = value.copy_negate()
        values.append(value)
    if len(values) == 1:
        return WrittenNumber(text=written, value=values[0])
    return _chosen(text, written, digits, values, locale)


def _chosen(text: str, written: str, digits: str, values: list[Decimal], locale: str) -> WrittenNumber:
    """Choose between the values of a number with a decimal point and with a decimal comma."""
    english, other = values
    mark = "."
    if "," in digits:
        mark = ","
    told_otherwise = not locale and _SURELY_WITH_COMMA.search(text)
    point, between = LOCALES[locale or "en"]
    if told_otherwise or mark not in (point, between):
        problem = f"may be {show_decimal(english)} or {show_decimal(other)}"
        if not locale:
            problem = f"{problem}; name the case's locale"
        return WrittenNumber(text=written, problem=problem)
    if point == ",":
        return WrittenNumber(text=written, value=other, other=english)
    return WrittenNumber(text=written, value=english, other=other)


def _readings(digits: str, *, scaled: bool = False) -> list[str]:
    """Return what digits mean with a decimal point, and with a decimal comma if it is something else.

    Before a power of ten nobody sets thousands apart by points, as locales with a decimal comma do otherwise.
    """
    readings = []
    joined = _JOINTS.sub("", digits)
    if _WITH_POINT.fullmatch(digits):
        readings.append(joined.replace(",", ""))
        if scaled and "." in digits:
            return readings
    if _WITH_COMMA.fullmatch(digits):
        plain = joined.replace(".", "").replace(",", ".")
        if plain not in readings:
            readings.append(plain)
    return readings


def _problem(text: str, run: re.Match[str], digits: str) -> str:
    """Say why a number has no value that is read; empty if it has."""
    before = text[max(0, run.start() - 40) : run.start()]
    if _FRACTION.fullmatch(digits) or _PART_OF_FRACTION.search(before):
        return "is a fraction, and fractions are not read"
    if run["power"] and digits != "10":
        return "is a power, and only those of ten are read"
    if not _readings(digits):
        return "is not written as numbers are in any locale"
    if len(_exponent(run).lstrip("+-0")) > _MOST_EXPONENT:
        return "is too large or too small to be read"
    return ""


def _plain(digits: str) -> str:
    """Return digits with one sign of each kind between them."""
    if digits.isdecimal():
        return digits
    spaced = _GAPS.sub(" ", digits)
    return spaced.replace("\u2019", "'").replace("{,}", ",")


def _exponent(run: re.Match[str]) -> str:
    raised = run["exponent"] or run["ten"] or run["power"]
    if not raised:
        return "0"
    return raised.strip("^*{( )}").translate(_LOWERED)


def _is_in_word(text: str, run: re.Match[str]) -> bool:
    start, stop = run.span()
    before = text[max(0, start - 4) : start]
    if _WORD_BEFORE.search(before) or _WORD_AFTER.match(text, stop):
        return True
    # After a base, two asterisks begin an exponent, unless two more make the number a bold one.
    return bool(_BASE_BEFORE.search(before)) and not text.startswith("**", stop)


def _is_no_number(digits: str) -> bool:
    """Whether digits are a time, a ratio, a date or a version."""
    if _NO_NUMBER.fullmatch(digits):
        return True
    return bool(_VERSION.fullmatch(digits)) and not _readings(digits)


def _beginning(text: str, start: int) -> tuple[int, bool]:
    """Return where a number begins, with its sign and currency, and whether it is negative."""
    if _begins_with_point(text, start):
        start -= 1
    place = start
    if text[place - 1 : place] and text[place - 1] in _CURRENCIES:
        place -= 1
        if text[place - 1 : place] == "\\":
            place -= 1
    sign = text[place - 1 : place]
    if not sign or sign not in _SIGNS:
        return start, False
    # After a word, a digit or a bracket it is a dash or an operator: 10-5, (a)-5.
    if place > 1 and _OPERAND.match(text[place - 2]):
        return start, False
    return place - 1, sign in _MINUSES


def _begins_with_point(text: str, start: int) -> bool:
    """Whether the point before digits is a decimal point: no end of a sentence, of an abbreviation, or of dots."""
    if text[start - 1 : start] != ".":
        return False
    before = text[start - 2 : start - 1]
    return not before.isalnum() and before not in (".", ")", "]")
