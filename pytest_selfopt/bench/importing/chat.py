"""Importer of chat JSONL with `messages` (or `input`) and an `ideal` answer, as in OpenAI's evals, and of such CSV."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_selfopt.bench.importing.imported import Imported, json_lines
from pytest_selfopt.bench.loading.tables import Table, TableProblem, read_table
from pytest_selfopt.errors import SuiteError

_MESSAGES = ("messages", "input", "prompt", "question")
_ANSWERS = ("ideal", "expected", "answer", "output")


def import_chat(path: Path, limit: int | None = None) -> Imported:
    """Import at most `limit` cases: an answer must contain the ideal one, or equal it if the ideal is short.

    Raises:
        SuiteError: when the file cannot be read.
    """
    return _imported(json_lines(path), path, limit)


def import_table(path: Path, limit: int | None = None) -> Imported:
    """Import the cases of a CSV file whose columns are named like the fields.

    Raises:
        SuiteError: when the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        table = read_table(text)
    except (OSError, UnicodeDecodeError) as problem:
        raise SuiteError(f"{path}: cannot be read: {problem}") from None
    except TableProblem as problem:
        raise SuiteError(f"{path}:{problem.line}: cannot be read: {problem}") from None
    return _imported(_named_rows(table), path, limit)


def _named_rows(table: Table) -> Iterator[tuple[int, Any]]:
    for row in table.rows:
        try:
            yield row.line, table.named(row)
        except ValueError as problem:
            yield row.line, problem


def _imported(values: Iterable[tuple[int, Any]], path: Path, limit: int | None) -> Imported:
    imported = Imported()
    for number, value in values:
        if limit is not None and imported.cases >= limit:
            break
        place = f"{path.name}:{number}"
        try:
            imported.add(_case(value, number), place)
        except ValueError as problem:
            imported.leave(place, str(problem))
    return imported


def _case(value: Any, number: int) -> dict[str, Any]:
    if isinstance(value, ValueError):
        raise value
    if not isinstance(value, dict):
        raise ValueError("it is not an object")
    asked = _first_of(value, _MESSAGES)
    ideal = _first_of(value, _ANSWERS)
    if ideal is None:
        raise ValueError(f"it has none of {', '.join(_ANSWERS)}, so its right answer is unknown")
    case: dict[str, Any] = {"id": str(value.get("id", f"line-{number}"))}
    if isinstance(asked, str):
        case["prompt"] = asked
    elif isinstance(asked, list):
        case["messages"] = list(map(_message, asked))
    else:
        raise ValueError(f"it has none of {', '.join(_MESSAGES)}")
    return {**case, "expect": _expect(ideal)}


def _first_of(value: Mapping[str, Any], names: Sequence[str]) -> Any:
    """Return the value of the first of these fields that is present, or None."""
    for name in names:
        if name in value:
            return value[name]
    return None


def _message(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or not isinstance(value.get("content"), str):
        raise ValueError("a message has no text (images and calls cannot be imported)")
    role = str(value.get("role"))
    if role == "developer":
        role = "system"
    return {"role": role, "content": value["content"]}


def _expect(ideal: Any) -> dict[str, Any]:
    if isinstance(ideal, str):
        return {"contains": [ideal], "ignore_case": True}
    if isinstance(ideal, list) and ideal and all(isinstance(text, str) for text in ideal):
        if len(ideal) == 1:
            return _expect(ideal[0])
        return {"regex": "(?i)" + "|".join(map(re.escape, ideal))}
    raise ValueError("its ideal answer is neither a string nor a list of strings")
