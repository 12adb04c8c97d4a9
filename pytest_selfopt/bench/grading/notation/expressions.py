"""What stands before and after a number and makes it a part of an expression, a fraction or a power."""

from __future__ import annotations

import re

from pytest_selfopt.bench.grading.notation.characters import BLANK, CURRENCIES, GAP, LETTER, RAISED, SLASHES, TEX_GAP
from pytest_selfopt.bench.grading.notation.regions import FRACTION, FUNCTIONS, GREEK, PART

POWER = "is a power, and only those of ten are read"
SCALED = "is written with a word for a power of ten, and only digits are read"

_REACH = 40
"""Characters before a number that are looked at."""
_GREEK = "|".join(GREEK)
_TIMES = "times|cdot|div|ast"
_MODULO = "pmod|bmod|mod|pod"

# The last signs of a text before a number that is a part of something, apart from spaces and opening brackets.
_LAST_SIGNS = (
    *("/", "\u2044", "\u2215", "÷", "+", "×", "·", "⋅", "∙", "*", "±", "∓", "√", "∛", "∜", " x", "\u00a0x"),
    *("times", "cdot", "div", "ast", "pm", "mp", "over", "atop", "choose", "mod"),
    *("sqrt", "cbrt", "root of", "log", "ln", "exp", "sin", "cos", "tan"),
)
_SLASHES = tuple(SLASHES)
_OPENING = f"{BLANK}{CURRENCIES}~{{(\\,;:!>"
_OPEN = rf"(?>(?:{GAP}|[{{(]|\\?[{CURRENCIES}]|\\\()*)\Z"
# What an operator joins to the number: a digit, a closing bracket, a command of TeX or a single letter.
_OPERAND = rf"(?:[\d)\]}}%{RAISED}πΠ]|\\[A-Za-z]{{1,20}}|(?<![{LETTER}])[{LETTER}])(?:{GAP}|[}}$)*_])*"
_OVER = re.compile(rf"(?:{_OPERAND}\\?[{SLASHES}][*_`]*|\\over){_OPEN}")
_JOINED = re.compile(
    rf"(?:{_OPERAND}(?:[+×·⋅∙÷]|\\(?:{_TIMES}))|\d[{BLANK}][xX](?=[{BLANK}])|[±∓]|\\(?:pm|mp|atop)|\+/"
    rf"|[√∛∜]|(?<![{LETTER}])(?:sqrt|cbrt|ln|mod|root of)|(?<![{LETTER}])(?:log|exp|sin|cos|tan)\d*(?=\()|\\mod"
    rf"|\d[}})]?[{BLANK}]?\\?choose){_OPEN}"
)
_STARRED = re.compile(rf"(?:[\d)]\*|[\d)][{BLANK}]\*[{BLANK}])\(?\Z")
_APPLIED = re.compile(rf"(?:(?<![{LETTER}\d])[{LETTER}]|(?<![{LETTER}\d])\d[\d.,]*)\(\Z")

_ENDS = frozenset(".,;:?\n")
_MONEY = (*CURRENCIES, "USD", "EUR", "GBP", "CHF", "INR", "Rs", "Rs.")
_VARIABLE = rf"[xyznk](?![{LETTER}\d])"
_ATOM = rf"(?:\\(?:{_GREEK}|sqrt|{FUNCTIONS}|[dt]?frac)(?![A-Za-z])|[πΠ√∛∜]|{_VARIABLE})"
_ORDINAL = r" ?\{? ?(?:\\(?:circ|prime|text|textrm|mathrm|dag|dagger|ast)|th|st|nd|rd|[°*\['′])"
_UNIT_VECTOR = r"\\(?:mathrm|mathbf|mathit|text|vec|hat)\{ ?\\?[ijk](?:math)? ?\}"
_SCALE_WORDS = (
    r"hundreds?|thousands?|(?:m|b|tr|quadr)illion(?:s|en)?|dozens?|lakhs?|lacs?|crores?|hundert|tausend|milliarden?"
    r"|(?:mio|mrd|tsd|tys|mln|mld)\.?|bn|mille|milliards?|mil|mill[oó]n(?:es)?|mila|milion[ei]|miliard[oi]"
    r"|milh(?:ão|ões)|bilh(?:ão|ões)|miljoen|miljard(?:er)?|duizend|tusen|miljon(?:er)?|тыс\.?|млн|млрд|тысяч[аи]?"
)
_AFTER = re.compile(
    rf"(?P<power>[)}}]{{0,2}} ?\^(?!{_ORDINAL})|\)[{RAISED}]|<sup>(?=[+-]?(?:\d|[nkxm]</))|[ⁿˣᵏ])"
    rf"|(?P<starred>\*\*(?=\d|{_VARIABLE}))"
    rf"|(?P<fraction>(?:{GAP})?\\?[{SLASHES}](?:{GAP})?{_ATOM}|\}}?(?:{GAP})?\\over(?![A-Za-z]))"
    rf"|(?P<part>_\{{|<sub>(?=\d)|[₀-₉]"
    rf"|\}}?(?:{GAP}){{0,2}}(?:\\(?:{_GREEK}|{_TIMES}|pm|mp|sqrt|sum|prod|int|infty|{_MODULO}|choose|atop|{FUNCTIONS}"
    rf"|[dtc]?frac|[dt]?binom)(?![A-Za-z])|[πΠ√∛∜]|(?:\* ?)?pi(?![{LETTER}])|{_UNIT_VECTOR})"
    rf"|\}}?(?:{TEX_GAP}){{0,2}}i(?![{LETTER}\d])"
    rf"|[yzn](?![{LETTER}\d])|!(?=[}}$]|\\\))"
    rf"|[xke](?=[{BLANK}]?(?:[\^_²³}}$+=(]|\\[)\]]|[-−][{BLANK}]?[\d\\]|[-−][A-Za-z]))"
    rf"|(?:{GAP})?(?:[+·×÷−–-]|\*(?!\*))(?:{GAP})?{_ATOM}"
    rf"|[{BLANK}]\(?mod[{BLANK}](?:\d|[a-z](?![a-z])))"
    rf"|(?P<scaled>[*_}}$]{{0,3}}(?:\\\)|{GAP}){{0,2}}-?(?:\\(?:text|mathrm|textrm|textbf)\{{ ?)?"
    rf"(?:(?i:{_SCALE_WORDS})(?![{LETTER}])|千?[万萬亿億])|k(?![{LETTER}\d])|[{BLANK}]?[kKMGB][{BLANK}]?(?:[€$£]|EUR|USD))"
    rf"|(?P<price>[KmMbBtT](?![{LETTER}\d])|[{BLANK}]?(?:bn|mn|[cC]r)(?![{LETTER}]))"
)
# Spares most numbers the whole search: after a space, no word with these initials is sought.
_UNIT_AFTER = re.compile(" [aefgijnorsuvwxyz]")


def problem_before(text: str, start: int, stop: int) -> str:
    """Say of what the number from `start` to `stop` is the last part; empty if it is none."""
    least = max(0, start - _REACH)
    if text.endswith("(", least, start) and _APPLIED.search(text, least, start):
        return PART
    before = text[least:start].rstrip(_OPENING)
    if not before.endswith(_LAST_SIGNS) and not before.rstrip("*_`").endswith(_SLASHES):
        return ""
    if _OVER.search(text, least, start):
        return FRACTION
    if _JOINED.search(text, least, start):
        return PART
    if _STARRED.search(text, least, start) and not text.startswith("*", stop):
        return PART
    return ""


def problem_after(text: str, start: int, stop: int) -> str:
    """Say of what the number whose digits are from `start` to `stop` is the first part; empty if it is none."""
    if text[stop : stop + 1] in _ENDS or _UNIT_AFTER.match(text, stop):
        return ""
    found = _AFTER.match(text, stop)
    if found is None:
        return ""
    before = text[max(0, start - 4) : start].rstrip()
    kind = found.lastgroup
    if kind == "fraction":
        return FRACTION
    if kind == "part":
        return PART
    if kind == "scaled" or (kind == "price" and before.endswith(_MONEY)):
        return SCALED
    if kind == "power" or (kind == "starred" and not before.endswith("*")):
        return POWER
    return ""
