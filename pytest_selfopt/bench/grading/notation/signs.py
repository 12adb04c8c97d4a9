"""The sign before a number, with what may stand between: a currency, spaces, and marks of TeX and Markdown."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from pytest_selfopt.bench.grading.notation.characters import (
    BLANK,
    CURRENCIES,
    CURRENCY_CODES,
    GAP,
    LETTER,
    MINUSES,
    RAISED,
    SIGNS,
)
from pytest_selfopt.bench.grading.notation.regions import GREEK, PART

_REACH = 48
"""Characters before a number among which its sign is looked for."""
_SIGN_CLASS = rf"[+\{MINUSES}]"
_WORDS = r"(?i:\b(?:minus|negative|moins|menos|meno)\b)"
_AROUND = f"{BLANK}{CURRENCIES}\t~{{(*_`\\,:!"
_LOWER_ENDS = ("minus", "negative", "moins", "menos", "meno", "Rs", "kr")
_ENDS = f"{SIGNS}}})>;."
_MONEY = rf"\\?[A-Z]{{0,3}}\\?[{CURRENCIES}]|{CURRENCY_CODES}|\\(?:euro|pounds|yen)"
_CURRENCY = rf"{_MONEY}|\\(?:text|textrm|mathrm)\{{ ?(?:{_MONEY}) ?\}}"
_BETWEEN = rf"{GAP}|\\!|\\[($]|[{{(*_`]|\{{\}}|\\[A-Za-z]{{2,12}} ?\{{|</?[a-z]{{1,6}}>"
_BEFORE = re.compile(
    rf"(?:\{{ ?(?P<braced>{_SIGN_CLASS}) ?\}}|\\[($] ?(?P<tex>{_SIGN_CLASS}) ?\\[)$]|\$(?P<dollars>{_SIGN_CLASS})\$"
    rf"|\\text\{{(?P<text>{_SIGN_CLASS})\}}|(?P<dash>--+)|(?P<plain>{_SIGN_CLASS}|&minus;|\\textminus)|(?P<word>{_WORDS}))"
    # Not possessive: with a group that captures, such a search ends in a SystemError (python/cpython#101955).
    rf"(?P<between>(?>(?:(?P<currency>{_CURRENCY})|{_BETWEEN})*))\Z"
)
_GAPS_AT_END = re.compile(rf"(?:{GAP}|\t)+\Z")
_GAP_FIRST = re.compile(rf"{GAP}|\t")
_LINE_START = re.compile(r"(?:\A|\n)[ \t>]*\Z")
_COMMAND_AT_END = re.compile(r"\\([A-Za-z]+)\Z")
_RAISED_AT_END = re.compile(rf"(?:\^(?:\w|\{{[^{{}}]*\}})|[{RAISED}])\Z")
_CLOSES = re.compile(r"[*_`}]*\)")
_LETTER = re.compile(f"[{LETTER}]")
_DIGIT = re.compile(rf"[\d%°{RAISED}]")
_PRICE_AT_END = re.compile(rf"[\d%°{RAISED}]\s*.\Z")
_NEGATED = re.compile(rf"{_SIGN_CLASS} ?\($")
_BULLETS = "+-\u2010\u2011\u2013"
_MARKS = "*_`"
_STOPS = ".!?;"

Role = Literal["sign", "none", "doubtful"]
"""Whether a dash is the sign of the number, a bullet or an operator, or may be either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """Where a number begins, with its sign if it has one; it may have one if `is_doubtful`."""

    start: int
    is_negative: bool = False
    is_doubtful: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A sign, the text before it without the spaces at its end, and what is between it and the number."""

    sign: str
    before: str
    is_after_gap: bool
    between: str
    has_currency: bool

    @property
    def is_before_blank(self) -> bool:
        return self.between[:1] in (*BLANK, "\t")

    @property
    def is_between_blanks(self) -> bool:
        return self.is_after_gap and self.is_before_blank

    @property
    def is_before_gap(self) -> bool:
        return _GAP_FIRST.match(self.between) is not None


def beginning(text: str, start: int, stop: int) -> Beginning:
    """Look for the sign of the number that is written from `start` to `stop`."""
    least = max(0, start - _REACH)
    if not _may_have_sign(text[least:start]):
        return Beginning(start=start)
    match = _BEFORE.search(text, least, start)
    if match is None:
        return Beginning(start=start)
    found = _found(text[least : match.start()], match)
    is_alone = match.start() == 0 and found.has_currency and "\n" not in text.strip()
    role = _role(found, is_alone=is_alone)
    if role == "none" or (role == "doubtful" and found.sign == "+"):
        return Beginning(start=start)
    is_part = _opens_group(found.between) and not _CLOSES.match(text, stop)
    if is_part or _NEGATED.search(found.before):
        return Beginning(start=match.start(), problem=PART)
    if role == "doubtful":
        return Beginning(start=match.start(), is_doubtful=True)
    return Beginning(start=match.start(), is_negative=found.sign != "+")


def _may_have_sign(before: str) -> bool:
    """Whether the signs at the end of a text may belong to a sign, which spares most numbers the whole search."""
    last = before.rstrip(_AROUND)[-1:]
    if last.islower() and "\\" not in before:
        return before.rstrip(_AROUND).endswith(_LOWER_ENDS)
    return last.isalpha() or (last != "" and last in _ENDS)


def _found(before: str, match: re.Match[str]) -> _Found:
    gap = _GAPS_AT_END.search(before)
    is_at_line_start = _LINE_START.search(before) is not None
    if gap is not None and not is_at_line_start:
        before = before[: gap.start()]
    if is_at_line_start:
        before = ""
    groups = match.groupdict()
    signs = [groups[name] for name in ("braced", "tex", "dollars", "text", "dash", "plain", "word")]
    return _Found(
        sign=next(filter(None, signs)),
        before=before,
        is_after_gap=gap is not None,
        between=groups["between"],
        has_currency=groups["currency"] is not None,
    )


def _opens_group(between: str) -> bool:
    return "(" in between.replace("\\(", "")


def _role(found: _Found, *, is_alone: bool) -> Role:
    before = found.before
    if found.sign.startswith("--"):
        return _role_of_dash(found)
    if found.sign.isalpha():
        return _role_of_word(before)
    if not before:
        return _role_at_line_start(found, is_alone=is_alone)
    command = _COMMAND_AT_END.search(before)
    if command is None:
        return _role_after(before, found)
    if command[1] in GREEK:
        return "doubtful"
    return "sign"


def _role_of_dash(found: _Found) -> Role:
    """Two hyphens are a dash, or perhaps a slip at the beginning of a number that is set apart."""
    is_set_apart = found.is_after_gap or not found.before
    if is_set_apart and not found.is_before_gap:
        return "doubtful"
    return "none"


def _role_of_word(before: str) -> Role:
    """After a digit, minus is an operator; elsewhere it may be."""
    if _DIGIT.match(before[-1:]):
        return "none"
    return "doubtful"


def _role_at_line_start(found: _Found, *, is_alone: bool) -> Role:
    """A dash before a space makes an item of a list, if a price is not all of the text."""
    if found.is_before_blank and found.sign in _BULLETS and not is_alone:
        return "none"
    return "sign"


def _role_after(before: str, found: _Found) -> Role:
    """Tell the role of a sign by the text that it stands behind, on the same line."""
    if before[-1] in _MARKS and found.is_between_blanks:
        before = before.rstrip(_MARKS)
        if not before or before[-1] == "\n":
            return "none"
    if _RAISED_AT_END.search(before):
        return "doubtful"
    if before.endswith(("}", "\\)")):
        return _role_after_group(before, found)
    if before[-1] in CURRENCIES and _PRICE_AT_END.search(before):
        return _role_after_digit(found)
    return _role_after_sign(before[-1], found)


def _role_after_sign(last: str, found: _Found) -> Role:
    if last == found.sign == "+":
        return "none"
    if _DIGIT.match(last):
        return _role_after_digit(found)
    if last in ")]":
        return _role_after_bracket(found)
    if _LETTER.match(last):
        return _role_after_letter(found)
    if found.is_between_blanks and last in _STOPS:
        return "doubtful"
    return "sign"


def _role_after_digit(found: _Found) -> Role:
    if found.is_after_gap and not found.is_before_gap:
        return "doubtful"
    return "none"


def _role_after_bracket(found: _Found) -> Role:
    if not found.is_after_gap or found.is_before_blank:
        return "none"
    if found.is_before_gap:
        return "doubtful"
    return "sign"


def _role_after_letter(found: _Found) -> Role:
    if not found.is_after_gap:
        return "none"
    if found.is_before_blank:
        return "doubtful"
    return "sign"


def _role_after_group(before: str, found: _Found) -> Role:
    """Look into the group: it may end with an equals sign or a colon."""
    group = before.rstrip("}\\)")
    last = group.rstrip()[-1:]
    if not (last.isalnum() or last in (*CURRENCIES, "%", "]")):
        return "sign"
    if group.endswith(" "):
        return _role_after_letter(replace(found, is_after_gap=True))
    return _role_after_bracket(found)
