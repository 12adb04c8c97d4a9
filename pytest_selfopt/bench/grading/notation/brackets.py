"""Lists in brackets, whose commas join no digits, and citations in brackets, which are no answers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pytest_selfopt.bench.grading.notation.characters import BLANK, CURRENCIES, LETTER, MINUSES
from pytest_selfopt.bench.grading.notation.digits import has_decimal_comma, has_decimal_point, readings
from pytest_selfopt.bench.grading.notation.regions import PART

_REACH = 60
"""Characters before a citation among which the number is looked for that it stands behind."""
_NUMBER = r"\d{1,3}"
_SEPARATOR = "[ ,;\u2013-]{1,2}"
_NOTE = rf"\[\^?{_NUMBER}(?:{_SEPARATOR}{_NUMBER}){{0,9}}\](?:\([^()\s]{{0,60}}\))?"
_OPENED = (
    rf"[*_`}}$.)]{{0,4}}[{BLANK}]{{0,2}}(?:{_NOTE}[ ,]{{0,2}}){{0,4}}(?:<sup>|\^)?\[(?:{_NUMBER}{_SEPARATOR}){{0,9}}\Z"
)
_BEHIND_NUMBER = re.compile(
    rf"\d(?:[%°{CURRENCIES}]|[{BLANK}](?:°?[{LETTER}]{{1,3}}[²³]?|[%{CURRENCIES}])|[{LETTER}]{{1,3}})?{_OPENED}"
)
_BEHIND_WORD = re.compile(rf"\d[{BLANK}][{LETTER}]{{4,20}}{_OPENED}")
_CLOSED = re.compile(rf"(?:{_SEPARATOR}{_NUMBER}){{0,9}}\]")
_CITED = re.compile(rf"{_NUMBER}(?:,{_NUMBER})*")
_DEFINITION = re.compile(r"[ \t]*(?:\[\^[^\]\n]{1,40}\]:|(?P<cited>\[\d{1,3}\])(?::[ \t]|[ \t]+(?=[^\W\d]|<)))")
_MOST_SOURCES = 100
"""Lines at the end of a text among which its sources are looked for."""

_ITEMS = f"0123456789 \n\t.,+{MINUSES}'\"\\!{BLANK}"
_ITEMS_AFTER = re.compile(rf"(?:[\d \n\t.,+\{MINUSES}'\"{BLANK}]|\\[!,; ])*(?:\\?\}}|[\])⟩]|\\rangle)")
_SQUARE = re.compile(r"(?:(?<!\\)\[|\\\{)\Z")
_ROUND = re.compile(r"(?:\(|(?:\A|(?<=[\s=:(,]))\{|⟨|\\langle)\Z")
_FUNCTION = re.compile(rf"(?<![{LETTER}\d])[{LETTER}]\(\Z")
_SIZES = re.compile(r"\\(?:(?:left|right)(?:\.|(?![A-Za-z]) ?)|[bB]igg?[lrm]?(?![A-Za-z]) ?)")
_COMMA = re.compile(r"(?<=\d),(?=\d)")
_ITEM_BEFORE = re.compile(r"[^\s\\],\Z")
_SPACED = re.compile(rf",[\s{BLANK}]|[\s{BLANK}],")
SEVERAL = "may be one number or several"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Where the last item of a list begins, in characters behind the first one of its run; `problem` if it is none."""

    offset: int = 0
    problem: str = ""


NO_LIST = Item()


def with_plain_brackets(text: str) -> str:
    """Return a text without what TeX writes for the sizes of brackets."""
    if "\\" not in text:
        return text
    return _SIZES.sub("", text)


def answer_end(text: str) -> int:
    """Return where a text ends without the footnotes and the cited sources at its end."""
    end = len(text)
    if "\n" not in text or "[" not in text:
        return end
    for _ in range(_MOST_SOURCES):
        line = text.rfind("\n", 0, end) + 1
        if line == 0 or not _is_source(text, line, end):
            break
        end = line - 1
    return end


def _is_source(text: str, line: int, end: int) -> bool:
    """Whether a line defines a footnote, tells a source that the text before it cites, or is empty."""
    definition = _DEFINITION.match(text, line, end)
    if definition is None:
        return text[line:end].strip() == ""
    return definition["cited"] is None or definition["cited"] in text[:line]


def is_citation(text: str, run: re.Match[str]) -> bool:
    """Whether a run is a number in brackets behind another number."""
    start, stop = run.span()
    if not _may_cite(text, run) or _CLOSED.match(text, stop) is None:
        return False
    return _BEHIND_NUMBER.search(text, max(0, start - _REACH), start) is not None


def may_be_citation(text: str, run: re.Match[str]) -> bool:
    """Whether a run stands in brackets behind a number with its noun: it may be the answer or a source of it."""
    if not _may_cite(text, run) or _CLOSED.match(text, run.end()) is None:
        return False
    return _BEHIND_WORD.search(text, max(0, run.start() - _REACH), run.start()) is not None


def last_item(text: str, run: re.Match[str], digits: str, *, is_decimal_comma: bool) -> Item:
    """Find the last number of the list that a run is a part of."""
    commas = [comma.end() for comma in _COMMA.finditer(run["digits"])]
    # Commas in braces, as TeX has them, never part the items of a list.
    if len(commas) < digits.count(",") or not (commas or " " in digits):
        return NO_LIST
    start, stop = run.span("digits")
    if commas and _ITEM_BEFORE.search(text, max(0, start - 2), start):
        return Item(problem=SEVERAL)
    if _ITEMS_AFTER.match(text, stop) is None:
        return NO_LIST
    head = text[:start].rstrip(_ITEMS)
    opening = head[-12:]
    is_square = _SQUARE.search(opening) is not None
    if not is_square and (not commas or _ROUND.search(opening) is None):
        return NO_LIST
    if _FUNCTION.search(opening):
        return Item(problem=PART)
    is_spaced = _SPACED.search(text, len(head), stop) is not None
    if is_spaced and readings(digits):
        return Item(problem=SEVERAL)
    if is_decimal_comma and has_decimal_comma(digits):
        return Item(problem=SEVERAL)
    if has_decimal_point(digits) and not (is_square and commas):
        return Item(problem=SEVERAL)
    return Item(offset=max(commas, default=0))


def _may_cite(text: str, run: re.Match[str]) -> bool:
    least = max(0, run.start() - _REACH)
    return text.rfind("[", least, run.start()) >= 0 and _CITED.fullmatch(run[0]) is not None
