"""Texts of others in Markdown: none of them can become a table, a link, a picture or HTML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pytest_selfopt.report.visible import visible

_ESCAPED = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "|": "\\|", "[": "\\[", "]": "\\]", "`": "\\`", "*": "\\*"}
_SPECIAL = re.compile(r"[<>&|\[\]`*\\]")
_OPENING = re.compile(r"^(\d*)([#+\-=~_:.)])")
_LONGEST = 2000


def plain(text: str) -> str:
    """A text on one line that is nothing but text."""
    folded = visible(" ".join(text.split()))[:_LONGEST]
    return _SPECIAL.sub(lambda found: _ESCAPED.get(found[0], "\\\\"), folded)


def paragraph(text: str) -> str:
    """A text that begins a line, where signs mean more: it becomes no heading, list or rule."""
    return _OPENING.sub(lambda found: f"{found[1]}\\{found[2]}", plain(text))


def code(text: str) -> str:
    """A short text as code."""
    return f"`{visible(' '.join(text.split())).replace('`', chr(0x2019)).replace('|', '¦')[:_LONGEST]}`"


def block(text: str) -> list[str]:
    """The lines of a text as a block of code, whatever fences are in it."""
    longest = max(map(len, re.findall("`{3,}", text)), default=2)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", *visible(text).split("\n"), fence]


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; without rows, a sentence."""
    found = list(rows)
    if not found:
        return ["Nothing was measured."]
    lines = [names, *found]
    cells = [[plain(cell) for cell in line] for line in lines]
    return [_row(cells[0]), _row(["---"] * len(names)), *map(_row, cells[1:])]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
