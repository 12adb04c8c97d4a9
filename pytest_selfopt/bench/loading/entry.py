"""An entry of a suite file before it is read, and the problems of a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from pytest_selfopt.bench.call_format import show

MOST_PROBLEMS = 10
SECTIONS = {"tools": "tool", "environments": "environment", "examples": "example", "cases": "case"}
"""The sections of a suite file, and what an entry of each is."""


def kind_of(value: Any) -> tuple[str, Any]:
    """Return the kind that an entry names, such as {"tool": …}, and what it is; one that names none is a case.

    Raises:
        ValueError: if it names a case among other things, or a section.
    """
    if not isinstance(value, dict):
        return "case", value
    for section, kind in SECTIONS.items():
        if set(value) == {kind}:
            return kind, value[kind]
        if section in value and section != "tools":
            alone = 'each entry stands alone: a case as it is, a tool as {"tool": …}'
            raise ValueError(f"{section}: no section here; {alone}")
    if "case" in value:
        others = [name for name in value if name != "case"]
        raise ValueError(f"unknown field {show(others[0])} beside 'case'")
    return "case", value


@dataclass(frozen=True, slots=True)
class Entry:
    """One raw entry of a suite file: its kind, its value and its first line.

    `place` says where it is if that is another file.
    """

    kind: str
    value: Any
    line: int
    place: str = ""
    unread: tuple[str, ...] = ()
    """Fields that the value is without, because they could not be read."""


@dataclass(slots=True)
class Problems:
    """The problems of a file, each with its line, and notes on what is no problem."""

    file: str
    notes: list[str] = field(default_factory=list)
    _found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, sentence: str) -> None:
        """Add a problem; line 0 stands for the whole file."""
        place = self.file
        if line:
            place = f"{self.file}:{line}"
        self._found.append((line, f"{place}: {sentence}"))

    def add_in(self, place: str, sentence: str) -> None:
        """Add a problem at another place, such as a file beside."""
        self._found.append((0, f"{place}: {sentence}"))

    @property
    def sentences(self) -> list[str]:
        """All problems in the order of their lines."""
        found = sorted(self._found, key=itemgetter(0))
        return [sentence for _, sentence in found]

    def text(self) -> str:
        """The first ten problems, one per line, and the number of the others."""
        sentences = self.sentences
        more = len(sentences) - MOST_PROBLEMS
        shown = sentences[:MOST_PROBLEMS]
        if more > 0:
            shown.append(f"{self.file}: and {more} more problems")
        return "\n".join(shown)
