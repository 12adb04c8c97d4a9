"""The rows of promptfoo's tables: variables, and special columns such as `__expected`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_selfopt.bench.call_format import show
from pytest_selfopt.bench.importing.promptfoo.assertions import separated
from pytest_selfopt.bench.importing.promptfoo.types import TYPES
from pytest_selfopt.bench.loading.plain_numbers import plain_number

_ASSERTION = re.compile(
    rf"((?:not-)?({'|'.join(map(re.escape, TYPES))}))(?:\([0-9]+(?:\.[0-9]+)?\))?(?::(.*))?", re.DOTALL
)
_OTHER_NAMES = {"fn": "javascript", "eval": "javascript", "grade": "llm-rubric"}
_LISTS = ("contains-all", "contains-any", "icontains-all", "icontains-any")
_PYTHON = re.compile(r"file://.*\.py(?::.*)?", re.DOTALL)
_JAVASCRIPT = re.compile(r"file://.*\.[cm]?[jt]s(?::.*)?", re.DOTALL)
_EXPECTED = "__expected"
_OPTIONS = {"__prefix": "prefix", "__suffix": "suffix"}
_IGNORED = ("__description", "__metric", "__metadata", "__config:")
"""Columns that change no verdict of an assertion that a case can hold."""
_MEANT = ("_expected", "_prefix", "_suffix", "_threshold", "_providerOutput")


@dataclass(frozen=True, slots=True)
class RowTest:
    """The test that a row stands for, and sentences on what promptfoo ignores in it."""

    test: dict[str, Any]
    notes: tuple[str, ...]


def read_row(row: Mapping[str, str]) -> RowTest:
    """Read a row of a table of tests.

    Raises:
        ValueError: with the reason, if an assertion in it cannot be read.
    """
    variables: dict[str, str] = {}
    options: dict[str, str] = {}
    assertions: list[dict[str, Any]] = []
    test: dict[str, Any] = {"vars": variables, "options": options, "assert": assertions}
    notes: list[str] = []
    for name, cell in row.items():
        if name.startswith(_EXPECTED):
            if cell.strip():
                assertions.append(_assertion(cell.strip()))
        elif name in _OPTIONS:
            options[_OPTIONS[name]] = cell
        elif name == "__providerOutput":
            test["providerOutput"] = cell or None
        elif name == "__threshold":
            test["threshold"] = _number(cell)
            if cell.strip() and test["threshold"] is None:
                notes.append(f"promptfoo ignores the __threshold {show(cell)}, which is no number")
        elif not name.startswith(_IGNORED):
            variables[name] = cell
            if name.startswith(_MEANT):
                notes.append(f"the column {show(name)} is a variable; special columns begin with two underscores")
    return RowTest(test, tuple(notes))


def _number(cell: str) -> float | None:
    try:
        return plain_number(cell.strip())
    except ValueError:
        return None


def _assertion(text: str) -> dict[str, Any]:
    """Read an assertion, such as "contains: x"; the text to be equal to, if it begins with no type."""
    if _PYTHON.fullmatch(text):
        return {"type": "python", "value": text}
    if _JAVASCRIPT.fullmatch(text):
        return {"type": "javascript", "value": text}
    name, colon, rest = text.partition(":")
    if colon and name in _OTHER_NAMES:
        return {"type": _OTHER_NAMES[name], "value": rest}
    found = _ASSERTION.fullmatch(text)
    if found is None:
        return {"type": "equals", "value": text}
    kind, plain, value = found.groups()
    if value is None:
        return {"type": kind}
    if plain in _LISTS:
        return {"type": kind, "value": separated(kind, value)}
    if plain != "is-json":
        value = value.strip()
    return {"type": kind, "value": value}
