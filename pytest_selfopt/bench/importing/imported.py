"""The result of an importer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_selfopt.bench.call_format import line
from pytest_selfopt.bench.loading.entries import EntryReader
from pytest_selfopt.bench.loading.entry import Entry, Problems
from pytest_selfopt.errors import SuiteError
from pytest_selfopt.strict_json import parse_json


@dataclass(slots=True)
class Imported:
    """The cases as lines of a suite file, a sentence for each case left out, and what changed in others."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _ids: set[str] = field(default_factory=set)

    def add(self, case: dict[str, Any], place: str) -> None:
        """Add a case if a suite can hold it; otherwise leave it out with the reason."""
        reason = self.refusal(case)
        if reason:
            self.leave(place, reason)

    def refusal(self, case: dict[str, Any]) -> str:
        """Add a case, or say why a suite cannot hold it; empty if it can.

        An expectation that does not fit the declared types is kept as its authors wrote it.
        """
        if case["id"] in self._ids:
            return f"id: {case['id']!r} is used twice"
        for candidate in (case, {**case, "as_given": True}):
            reason = why_not(candidate)
            if not reason:
                self.lines.append(candidate)
                self._ids.add(case["id"])
                return ""
        return reason

    def leave(self, place: str, reason: str) -> None:
        """Leave out a case, with the reason."""
        self.left_out.append(f"{place}: {line(reason)}")

    def note(self, place: str, sentence: str) -> None:
        """Note what a case is without."""
        self.notes.append(f"{place}: {line(sentence)}")

    @property
    def cases(self) -> int:
        """The number of cases."""
        return len(self.lines)


def json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield the values of a JSONL file with their line numbers.

    Raises:
        SuiteError: if the file cannot be read; the message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise SuiteError(f"{path}: cannot be read: {problem}") from None
    for number, content in enumerate(text.split("\n"), start=1):
        if content.strip():
            try:
                yield number, parse_json(content)
            except ValueError as problem:
                raise SuiteError(f"{path}:{number}: {problem}") from None


def why_not(case: dict[str, Any]) -> str:
    """Say why a suite cannot hold a case; empty if it can."""
    problems = Problems("")
    EntryReader("imported", problems).read([Entry("case", case, 0)])
    if not problems.sentences:
        return ""
    return problems.sentences[0].removeprefix(": ")
