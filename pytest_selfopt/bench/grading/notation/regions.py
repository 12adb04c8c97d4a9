r"""Regions of a text in which a number is a part of something: arguments of TeX's commands, exponents, addresses.

A text is read once from its beginning, and a region that begins inside another is none of its own.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

FRACTION = "is a fraction, and fractions are not read"
PART = "is a part of an expression, and only numbers are read"
FUNCTIONS = (
    "arcsin|arccos|arctan|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|log|ln|lg|exp|gcd|lcm|max|min|det|lim|operatorname"
)
GREEK = (
    *("alpha", "beta", "gamma", "delta", "epsilon", "varepsilon", "theta", "lambda", "phi", "varphi", "rho", "tau"),
    *("omega", "pi"),
)
_FRACTIONS = ("frac", "dfrac", "tfrac", "cfrac", "sfrac", "nicefrac", "xfrac")
_PAIRS = ("binom", "dbinom", "tbinom")
_PARTS = ("sqrt", "root", "overline", "bar", "dot", "pmod", "bmod", "mod", "pod")
_FUNCTIONS = frozenset(FUNCTIONS.split("|"))
_NO_TEXT = (
    *("tag", "label", "ref", "eqref", "cite", "footnote", "footnotemark", "hspace", "vspace", "hskip", "kern", "mkern"),
    *("phantom", "color", "textcolor", "begin", "end", "href", "url"),
)
_ARGUMENTS = {
    **dict.fromkeys(_FRACTIONS, (2, FRACTION)),
    **dict.fromkeys(_PAIRS, (2, PART)),
    **dict.fromkeys(_PARTS, (1, PART)),
    **dict.fromkeys(_NO_TEXT, (1, "")),
}
"""How many arguments a command has, and why no number in them is read; empty if they hold none."""
_BEGINNING = re.compile(
    r"\\(?P<command>[A-Za-z]+)|(?P<raised>[\^_] ?(?:\\[A-Za-z]+ ?)?)(?=\{)"
    r"|(?P<skipped>\\\\\[(?=\d)[^\]\n]{0,12}\]|https?://[^\s)\]>}]+|【[^】\n]{0,60}】)|\\.",
    re.DOTALL,
)
_BRACES = re.compile(r"\\.|[{}]", re.DOTALL)
_BEFORE_ARGUMENT = re.compile(r"\*?\s{0,4}")
_OPTION = re.compile(r"\[[^\]\n]{0,40}\]")
_SCRIPTS = re.compile(r"(?:\s?[\^_]\s?(?:\{[^{}]{0,40}\}|\\?\w))*\s?")
_IN_BRACKETS = re.compile(r"\([^()]{0,200}\)?")
_NAME = re.compile(r"\\[A-Za-z]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A part of a text; without a `problem` it holds no number at all."""

    start: int
    stop: int
    problem: str = ""


class Regions:
    """The regions of a text, in their order."""

    def __init__(self, text: str) -> None:
        self._regions: list[Region] = []
        self._starts: list[int] = []
        if _may_have_regions(text):
            self._regions = _Reader(text).read()
            self._starts = [region.start for region in self._regions]

    def at(self, place: int) -> Region | None:
        """Return the region that holds this place of the text."""
        if not self._starts:
            return None
        index = bisect_right(self._starts, place) - 1
        if index < 0 or self._regions[index].stop <= place:
            return None
        return self._regions[index]


class _Reader:
    """Finds the regions of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._closings = _closings(text)

    def read(self) -> list[Region]:
        regions: list[Region] = []
        past = 0
        for found in _BEGINNING.finditer(self._text):
            if found.start() < past:
                continue
            region = self._region(found)
            if region is not None:
                regions.append(region)
                past = region.stop
        return regions

    def _region(self, found: re.Match[str]) -> Region | None:
        start, stop = found.span()
        if found["raised"]:
            return Region(start=start, stop=self._argument(stop))
        if found["skipped"]:
            return Region(start=start, stop=stop)
        if found["command"]:
            return self._of_command(found["command"], start, stop)
        return None

    def _of_command(self, command: str, start: int, stop: int) -> Region | None:
        if command == "operatorname":
            stop = self._argument(stop)
        if command in _FUNCTIONS:
            return Region(start=start, stop=self._operand(stop), problem=PART)
        if command not in _ARGUMENTS:
            return None
        number, problem = _ARGUMENTS[command]
        stop = _end(_OPTION, self._text, stop)
        for _ in range(number):
            stop = self._argument(stop)
        return Region(start=start, stop=stop, problem=problem)

    def _argument(self, place: int) -> int:
        """Return the end of the argument that follows: a group, a command with its group, or one sign."""
        place = _end(_BEFORE_ARGUMENT, self._text, place)
        name = _NAME.match(self._text, place)
        if name is not None:
            place = name.end()
            if not self._text.startswith("{", place):
                return place
        if self._text.startswith("{", place):
            return self._closings.get(place, len(self._text))
        return min(place + 1, len(self._text))

    def _operand(self, place: int) -> int:
        r"""Return the end of what a function is applied to, as in `\log_2 8` and `\sin^2(x)`."""
        place = _end(_SCRIPTS, self._text, place)
        bracketed = _IN_BRACKETS.match(self._text, place)
        if bracketed is not None:
            return bracketed.end()
        return self._argument(place)


def _may_have_regions(text: str) -> bool:
    return "\\" in text or "^" in text or "_{" in text or "://" in text or "【" in text


def _closings(text: str) -> dict[int, int]:
    """Return the end of each group in braces by its beginning."""
    closings: dict[int, int] = {}
    open_groups: list[int] = []
    for brace in _BRACES.finditer(text):
        if brace[0] == "{":
            open_groups.append(brace.start())
        elif brace[0] == "}" and open_groups:
            closings[open_groups.pop()] = brace.end()
    return closings


def _end(pattern: re.Pattern[str], text: str, place: int) -> int:
    """Return the end of what a pattern matches at a place; the place itself if it does not."""
    found = pattern.match(text, place)
    if found is None:
        return place
    return found.end()
