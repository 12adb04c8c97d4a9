"""Texts on which a regular expression may take for ever, made from what it repeats."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from pytest_selfopt.bench.grading.bounded import TooSlow, bounded
from pytest_selfopt.bench.grading.patterns import search

TRIAL_S = 0.02
"""Seconds of processor time within which a pattern is to be done with a short text."""
_LENGTHS = (40, 400)
"""Characters of the texts: the first ones find steps that double with each, the others their third power."""
_ENDS = ("\x00", "\n")
"""Characters that few patterns match at their end, so that they try all other ways."""
_SIGNS = "a0 A_-.,:;/'\"!?xé\n\t"
_REPEATS = ("MAX_REPEAT", "MIN_REPEAT")
_CATEGORIES: Mapping[str, Callable[[str], bool]] = {
    "CATEGORY_DIGIT": str.isdigit,
    "CATEGORY_SPACE": str.isspace,
    "CATEGORY_WORD": lambda sign: sign.isalnum() or sign == "_",
}


@lru_cache(maxsize=512)
def slow_text(pattern: str) -> str | None:
    """Return a short text with which a pattern is not done in 20 ms; None if none of those tried is one."""
    for text in _slow_texts(pattern):
        try:
            bounded(search, pattern, text, seconds=TRIAL_S)
        except TooSlow:
            return text
    return None


def _slow_texts(pattern: str) -> Iterator[str]:
    """Yield texts that begin as the pattern asks, repeat what it repeats, and end otherwise."""
    parts = _parsed(pattern)
    pumps: dict[tuple[str, str], None] = {}
    for wish in _SIGNS:
        for lean in (False, True):
            reading = _Reading(wish, lean=lean)
            pumps |= dict.fromkeys(reading.pumps(parts, ""))
    for length in _LENGTHS:
        for before, repeated in pumps:
            count = length // len(repeated)
            for end in _ENDS:
                yield before + repeated * count + end


def _parsed(pattern: str) -> Any:
    """Return the parts of a pattern; none where this Python keeps its parser elsewhere: then nothing is tried."""
    try:
        parser = importlib.import_module("re._parser")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return parser.parse(pattern)
    except (ImportError, AttributeError):
        return ()


class _Reading:
    """Reads a pattern for texts that it matches, of the wished character where there is a choice.

    A lean text has nothing that may be left out, and the first of several alternatives; another text has all of them.
    """

    def __init__(self, wish: str, *, lean: bool) -> None:
        self._signs = wish + _SIGNS
        self._lean = lean

    def pumps(self, parts: Any, before: str) -> Iterator[tuple[str, str]]:
        """Yield for each repetition a text that leads to it, and a text that it repeats."""
        for kind, value in parts:
            if str(kind) in _REPEATS:
                _least, most, body = value
                repeated = self._text(body)
                if most > 1 and repeated:
                    yield before, repeated
            for inner in _inside(value):
                yield from self.pumps(inner, before)
            before += self._part(kind, value)

    def _text(self, parts: Any) -> str:
        return "".join(self._part(kind, value) for kind, value in parts)

    def _part(self, kind: Any, value: Any) -> str:
        """Return a text for a part: once what is repeated, one after the other what is an alternative."""
        name = str(kind)
        if name == "LITERAL":
            return chr(value)
        if name in ("IN", "ANY", "NOT_LITERAL"):
            return self._sign(name, value)
        if name in ("AT", "ASSERT_NOT", "GROUPREF"):
            return ""
        texts = map(self._text, _inside(value))
        if not self._lean:
            return "".join(texts)
        if name in _REPEATS and not value[0]:
            return ""
        return next(texts, "")

    def _sign(self, name: str, value: Any) -> str:
        for sign in self._signs:
            if _matches(name, value, sign):
                return sign
        if name == "IN":
            return self._first(value)
        return ""

    def _first(self, members: Any) -> str:
        """Return the first character of a class that none of the usual ones is in."""
        for kind, value in members:
            if str(kind) == "LITERAL":
                return chr(value)
            if str(kind) == "RANGE":
                return chr(value[0])
        return ""


def _inside(value: Any) -> Iterator[Any]:
    """Yield the sequences of parts inside the value of a part."""
    if hasattr(value, "data"):
        yield value
    elif isinstance(value, list | tuple):
        for member in value:
            yield from _inside(member)


def _matches(name: str, value: Any, sign: str) -> bool:
    if name == "ANY":
        return sign != "\n"
    if name == "NOT_LITERAL":
        return sign != chr(value)
    among = any(_is_member(kind, member, sign) for kind, member in value)
    negated = str(value[0][0]) == "NEGATE"
    return among != negated


def _is_member(kind: Any, value: Any, sign: str) -> bool:
    name = str(kind)
    if name == "LITERAL":
        return sign == chr(value)
    if name == "RANGE":
        return bool(value[0] <= ord(sign) <= value[1])
    if name == "CATEGORY":
        category = str(value)
        plain = category.replace("_NOT_", "_")
        return _CATEGORIES[plain](sign) == (plain == category)
    return False
