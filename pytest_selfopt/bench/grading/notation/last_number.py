"""Reading of the last number in a text, in the notations that people and models write.

Which notations are read is a table in docs/how-to/write-benchmarks.md. A text is searched for digits and what may join
them; from the last ones backwards, the first that are no part of a word, a date or a time are the answer.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass
from decimal import Decimal

from pytest_selfopt.bench.grading.notation.brackets import (
    SEVERAL,
    answer_end,
    is_citation,
    last_item,
    may_be_citation,
    with_plain_brackets,
)
from pytest_selfopt.bench.grading.notation.characters import CURRENCY_CODES, LETTER, SIGN
from pytest_selfopt.bench.grading.notation.digits import (
    MOST_EXPONENT,
    RUN,
    exponent,
    is_fraction,
    is_no_number,
    plain_digits,
    readings,
)
from pytest_selfopt.bench.grading.notation.expressions import POWER, problem_after, problem_before
from pytest_selfopt.bench.grading.notation.regions import FRACTION, Region, Regions
from pytest_selfopt.bench.grading.notation.signs import Beginning, beginning
from pytest_selfopt.bench.grading.numbers import LOCALES, show_decimal

_WORD_BEFORE = re.compile(
    rf"(?:[{LETTER}][\-\u2010\u2011]?|[{LETTER}\d)}}\]]_|_ ?\{{ ?|\^ ?[{{(]? ?{SIGN} ?|<su[bp]>{SIGN})\Z"
)
# Neither a command of TeX nor a currency makes a word of the digits behind it.
_NO_WORD_BEFORE = re.compile(rf"(?:\\[A-Za-z]+[-\u2010\u2011]?|(?<![{LETTER}]){CURRENCY_CODES})\Z")
_WORD_AFTER = re.compile(rf"[{LETTER}]+\d")
_BASE_BEFORE = re.compile(rf"[{LETTER}\d)\]}}](?: \*\* |\*\*)\Z")
_SURELY_WITH_COMMA = re.compile(r"\d\.\d{3},\d")


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
    text = with_plain_brackets(text)
    end = answer_end(text)
    # Only their places: the matches of a long text would take gigabytes.
    starts = array("Q", (run.start() for run in RUN.finditer(text, 0, end)))
    if not starts:
        return None
    regions = Regions(text)
    for start in reversed(starts):
        run = RUN.match(text, start, end)
        assert run is not None
        number = _number(text, run, regions.at(start), locale)
        if number is not None:
            return number
    return None


def _number(text: str, run: re.Match[str], region: Region | None, locale: str) -> WrittenNumber | None:
    """Read a run of digits; None if it is a part of something that is no number."""
    if region is not None:
        return _in_region(text, region)
    digits = plain_digits(run["digits"])
    if is_no_number(digits) or _is_in_word(text, run) or is_citation(text, run):
        return None
    return _read(text, run, digits, locale)


def _in_region(text: str, region: Region) -> WrittenNumber | None:
    if not region.problem:
        return None
    return WrittenNumber(text=text[region.start : region.stop], problem=region.problem)


def _read(text: str, run: re.Match[str], digits: str, locale: str) -> WrittenNumber:
    """Read a run of digits that is a number or several."""
    start = run.start()
    if not digits.isdecimal():
        item = last_item(text, run, digits, is_decimal_comma=_is_decimal_comma(text, locale))
        if item.problem:
            return WrittenNumber(text=run[0], problem=item.problem)
        start += item.offset
        digits = plain_digits(run["digits"][item.offset :])
    if _begins_with_point(text, start):
        start -= 1
        digits = f"0.{digits}"
    sign = beginning(text, start, run.end())
    written = text[sign.start : run.end()]
    problem = _problem(text, run, digits, sign)
    if problem:
        return WrittenNumber(text=written, problem=problem)
    if run["power"]:
        digits = "1"
    return _chosen(text, written, digits, _values(digits, exponent(run), sign), locale)


def _values(digits: str, power: str, sign: Beginning) -> list[Decimal]:
    """Return what a number is with a decimal point, and with a decimal comma if it is something else."""
    values = []
    for plain in readings(digits, scaled=power != "0"):
        value = Decimal(f"{plain}e{power}")
        if sign.is_negative:
            value = value.copy_negate()
        values.append(value)
    return values


def _chosen(text: str, written: str, digits: str, values: list[Decimal], locale: str) -> WrittenNumber:
    """Choose between the values of a number with a decimal point and with a decimal comma."""
    if len(values) == 1:
        return WrittenNumber(text=written, value=values[0])
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


def _is_decimal_comma(text: str, locale: str) -> bool:
    """Whether a comma between digits of this text is a decimal one, if it can be."""
    if locale:
        return LOCALES[locale][0] == ","
    return _SURELY_WITH_COMMA.search(text) is not None


def _problem(text: str, run: re.Match[str], digits: str, sign: Beginning) -> str:
    """Say why a number has no value that is read; empty if it has."""
    if is_fraction(digits):
        return FRACTION
    if run["power"] and digits != "10":
        return POWER
    if not readings(digits):
        return "is not written as numbers are in any locale"
    if len(exponent(run).lstrip("+-0")) > MOST_EXPONENT:
        return "is too large or too small to be read"
    if _may_be_range(text, run):
        return SEVERAL
    if may_be_citation(text, run):
        return "may be the answer or a source of it"
    around = problem_before(text, sign.start, run.end()) or problem_after(text, run.start(), run.end())
    if around or sign.problem:
        return around or sign.problem
    if sign.is_doubtful:
        return "may be positive or negative"
    return ""


def _may_be_range(text: str, run: re.Match[str]) -> bool:
    """Whether a tilde joins two numbers, as in Chinese, and no thousands, as in TeX."""
    digits = run["digits"]
    return digits.count("~") == 1 and "~0" not in digits and "\\" not in text and "$" not in text


def _is_in_word(text: str, run: re.Match[str]) -> bool:
    start, stop = run.span()
    least = max(0, start - 8)
    if _WORD_AFTER.match(text, stop):
        return True
    if text[start - 1 : start] == " " and text[start - 2 : start - 1].isalnum():
        return False
    if _WORD_BEFORE.search(text, least, start):
        return not _NO_WORD_BEFORE.search(text, max(0, start - 24), start)
    # After a base, two asterisks begin an exponent, unless two more make the number a bold one.
    return _BASE_BEFORE.search(text, least, start) is not None and not text.startswith(("**", " **"), stop)


def _begins_with_point(text: str, start: int) -> bool:
    """Whether the point before digits is a decimal point: no end of a sentence, of an abbreviation, or of dots."""
    if text[start - 1 : start] != ".":
        return False
    before = text[start - 2 : start - 1]
    return not before.isalnum() and before not in (".", ")", "]")
