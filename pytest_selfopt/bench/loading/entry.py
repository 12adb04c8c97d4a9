"""An entry of a suite file before it is read, and the problems of a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MOST_PROBLEMS = 10
SECTIONS = {"tools": "tool", "environments": "environment", "examples": "example", "cases": "case"}
"""The sections of a suite file, and what an entry of each is."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One raw entry of a suite file: its kind, its value and its first line.

    `place` says where it is if that is another file.
    """

    kind: str
    value: Any
    line: int
    place: str = ""


@dataclass(slots=True)
class Problems:
    """The problems of a file, each with its line, and notes on what is no problem."""

    file: str
    sentences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, line: int, sentence: str) -> None:
        """Add a problem; line 0 stands for the whole file."""
        place = self.file
        if line:
            place = f"{self.file}:{line}"
        self.add_in(place, sentence)

    def add_in(self, place: str, sentence: str) -> None:
        """Add a problem at another place, such as a file beside."""
        self.sentences.append(f"{place}: {sentence}")

    def text(self) -> str:
        """The first ten problems, one per line, and the number of the others."""
        more = len(self.sentences) - MOST_PROBLEMS
        shown = self.sentences[:MOST_PROBLEMS]
        if more > 0:
            shown.append(f"{self.file}: and {more} more problems")
        return "\n".join(shown)
