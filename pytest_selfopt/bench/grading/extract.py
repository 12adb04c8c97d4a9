"""Extraction of JSON from a model's text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from pytest_selfopt.strict_json import limited_int

# Possessive: what begins a fence may go on in its first line, and would be divided in every way.
_OPENING = re.compile(r"^[ \t]*+(?:`{3,}+|~{3,}+)[^\n`{\[]*+\n", re.MULTILINE)
_CLOSING = re.compile(r"^[ \t]*+(?:`{3,}+|~{3,}+)[ \t]*+$", re.MULTILINE)
# Possessive: a fence without its end would be searched anew for each character of its first line.
_INLINE = re.compile(r"```[^\n`{\[]*+(.*?)```", re.DOTALL)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=limited_int)
NO_JSON = object()
"""Result of `json_in` for a text without JSON; None would stand for the JSON text `null`."""


def json_in(text: str, *, fenced: bool = True) -> Any:
    """Parse the whole text as JSON, or else, if `fenced`, the first code fence that is; `NO_JSON` if neither is."""
    for candidate in _candidates(text, fenced=fenced):
        try:
            return _DECODER.decode(candidate)
        except (ValueError, RecursionError):
            continue
    return NO_JSON


def _candidates(text: str, *, fenced: bool) -> Iterator[str]:
    yield text
    if fenced:
        yield from _fenced(text)
        yield from _INLINE.findall(text)


def _fenced(text: str) -> Iterator[str]:
    """Yield what is in code fences that stand on lines of their own; the last one may be open."""
    position = 0
    while (opening := _OPENING.search(text, position)) is not None:
        closing = _CLOSING.search(text, opening.end())
        if closing is None:
            yield text[opening.end() :]
            return
        yield text[opening.end() : closing.start()]
        position = closing.end()
