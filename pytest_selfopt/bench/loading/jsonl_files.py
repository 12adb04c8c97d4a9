"""Suites in JSONL: an entry a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_selfopt.bench.call_format import show
from pytest_selfopt.bench.loading.entry import SECTIONS, Entry, Problems
from pytest_selfopt.strict_json import parse_json


def jsonl_entries(text: str, problems: Problems) -> Iterator[Entry]:
    """Yield the entries of a file; add what is wrong to `problems`."""
    # Not str.splitlines: it would also split at characters that are allowed inside a JSON string.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = parse_json(line)
            kind, value = _kind(value)
        except ValueError as problem:
            problems.add(number, str(problem))
            continue
        yield Entry(kind, value, number)


def _kind(value: Any) -> tuple[str, Any]:
    """Return the kind that a line names, and its entry; a line that names none is a case.

    Raises:
        ValueError: if it names a case among other things.
    """
    if not isinstance(value, dict):
        return "case", value
    for kind in SECTIONS.values():
        if set(value) == {kind}:
            return kind, value[kind]
    if "case" in value:
        others = [name for name in value if name != "case"]
        raise ValueError(f"unknown field {show(others[0])} beside 'case'")
    return "case", value
