"""JSON objects and lists that stand anywhere in a text, read in time that grows with its length only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pytest_selfopt.strict_json import limited_int

_DECODER = json.JSONDecoder(parse_int=limited_int)
_OBJECT = re.compile(r'\{(?=\s*")')
_WINDOW = 4096
_GROWTH = 8
_LONGEST_TOKEN = 12
"""Characters of a surrogate pair as escapes: the longest token that an end of the text can break."""


class NoJson(Exception):
    """No JSON value stands at the place.

    `position` is where it breaks: what stands between is valid as far as it goes. It is None where a value is too large
    to be read: nested too deeply, or a number of thousands of digits.
    """

    def __init__(self, reason: str, position: int | None) -> None:
        super().__init__(reason)
        self.position = position


def value_at(text: str, start: int) -> tuple[Any, int]:
    """Return the object or list that begins at `start`, and where it ends.

    Raises:
        NoJson: if there is none.
    """
    try:
        if len(text) <= _WINDOW:
            return _DECODER.raw_decode(text, start)
        return _value_in_windows(text, start)
    except json.JSONDecodeError as problem:
        raise NoJson(problem.msg, problem.pos) from None
    except (ValueError, RecursionError):
        raise NoJson("it is nested too deeply or holds too long a number", None) from None


def _value_in_windows(text: str, start: int) -> tuple[Any, int]:
    """Read a growing part of the text, because the standard decoder's errors count all lines before them."""
    size = _WINDOW
    while True:
        window = text[start : start + size]
        try:
            value, length = _DECODER.raw_decode(window)
            return value, start + length
        except json.JSONDecodeError as problem:
            if start + size >= len(text) or not _is_cut(problem, size):
                problem.pos += start
                raise
        size *= _GROWTH


def _is_cut(problem: json.JSONDecodeError, size: int) -> bool:
    """Whether the end of the window may be what breaks the value."""
    return problem.pos > size - _LONGEST_TOKEN or problem.msg.startswith("Unterminated string")


def spans_of_objects(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each outermost JSON object begins and ends."""
    brace = _OBJECT.search(text)
    while brace is not None:
        end = brace.end()
        try:
            _, end = value_at(text, brace.start())
            yield brace.start(), end
        except NoJson as problem:
            if problem.position is None:
                return
            end = max(problem.position, end)
        brace = _OBJECT.search(text, end)
