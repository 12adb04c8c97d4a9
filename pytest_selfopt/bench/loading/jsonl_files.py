"""Suites in JSONL: an entry a line."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_selfopt.bench.loading.entry import Entry, Problems, kind_of
from pytest_selfopt.bench.loading.texts import whole_json

_HINTS = {
    "Extra data": "each entry has a line of its own, and nothing behind it",
    "Unterminated string": "a line break in a text is written \\n",
    "property name": "names and texts stand in double quotes, and no comma before } or ]",
    "trailing comma": "no comma stands before } or ]",
    "Expecting value": "JSON has no comments and no single quotes, and writes true, false and null",
}


def jsonl_entries(text: str, problems: Problems) -> Iterator[Entry]:
    """Yield the entries of a file; add what is wrong to `problems`."""
    if _is_json(text):
        problems.add(0, "is one JSON value over several lines; write each entry on one line, or name the file .yaml")
        return
    # Not str.splitlines: it would also split at characters that are allowed inside a JSON string.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            kind, value = kind_of(whole_json(line))
        except ValueError as problem:
            problems.add(number, f"{problem}{_hint(str(problem))}")
            continue
        yield Entry(kind, value, number)


def _is_json(text: str) -> bool:
    """Whether the lines of a text are one JSON value together, although its first line is none."""
    first = text.strip().partition("\n")[0].strip()
    if not first or first[-1] not in "[{,":
        return False
    try:
        whole_json(text)
    except ValueError:
        return False
    return True


def _hint(problem: str) -> str:
    for found, hint in _HINTS.items():
        if found in problem:
            return f"; {hint}"
    return ""
