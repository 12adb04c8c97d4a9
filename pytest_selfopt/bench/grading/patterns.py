"""Regular expressions of suites, searched within a limit of time."""

from __future__ import annotations

import re
import warnings
from functools import lru_cache

from pytest_selfopt.bench.grading.bounded import bounded
from pytest_selfopt.bench.javascript_patterns import python_pattern, units

JAVASCRIPT = "javascript"
"""The dialect of patterns that are JavaScript's."""

_CHEAP_STEPS = 1_000_000
_POSSESSIVE_GROUP = re.compile(r"(?<!\\)\)(?:[*+?]|\{[0-9,]+\})\+")
_CAPTURES = re.compile(r"(?<!\\)\((?:(?!\?)|\?P<)")


@lru_cache(maxsize=512)
def compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern; what Python means to change some day is no matter for its users now.

    Raises:
        ValueError: if it is not a regular expression, with the reason.
    """
    if _POSSESSIVE_GROUP.search(pattern) and _CAPTURES.search(pattern):
        # Python ends such a search in a SystemError (python/cpython#101955).
        raise ValueError(
            "Python cannot search for a possessive repetition of a group beside captures; write (?>(…)*) for it"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as problem:
        raise ValueError(str(problem)) from None


@lru_cache(maxsize=512)
def for_python(pattern: str, dialect: str = "") -> str:
    """Return a pattern of a dialect as Python has to read it; it is one of Python if the dialect is empty.

    Raises:
        ValueError: if it is not a regular expression of that dialect, or Python cannot say it, with the reason.
    """
    if dialect == JAVASCRIPT:
        pattern = python_pattern(pattern)
    compiled(pattern)
    return pattern


def found(pattern: str, text: str, dialect: str = "") -> bool:
    """Whether a pattern is found in a text.

    Raises:
        TooSlow: if the search takes too long.
    """
    if _is_cheap(for_python(pattern, dialect), len(text)):
        return search(pattern, text, dialect)
    return bounded(search, pattern, text, dialect)


def search(pattern: str, text: str, dialect: str = "") -> bool:
    """Whether a pattern is found in a text, however long that takes."""
    if dialect == JAVASCRIPT:
        text = units(text)
    return compiled(for_python(pattern, dialect)).search(text) is not None


def _is_cheap(pattern: str, length: int) -> bool:
    """Whether a search surely takes few steps.

    Without groups no repetition is inside another: each multiplies the ways to match by the text's length at most.
    """
    repetitions = _repetitions(pattern)
    if repetitions is None:
        return False
    steps: int = length ** (repetitions + 1)
    return steps <= _CHEAP_STEPS


@lru_cache(maxsize=512)
def _repetitions(pattern: str) -> int | None:
    """Return the most repetitions that a pattern can have; None if it may have groups."""
    if "(" in pattern:
        return None
    return sum(map(pattern.count, "*+?{"))
