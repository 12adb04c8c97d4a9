"""Texts of others in Markdown: none of them can become a table, a link, a picture, HTML, or a call for somebody."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pytest_selfopt.console.sanitize import visible

_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
# Within a word an underscore means nothing, and names are full of them; a hash at the end would end a heading.
_SPECIAL = re.compile(r"[<>&|\[\]`*~\\]|(?<![^\W_])_|_(?![^\W_])|#$")
# GitHub makes links of bare addresses, and tells whoever is named.
_ADDRESS = re.compile(r"(?i)(?<![a-z])(?:(https?|ftp|mailto|xmpp):|(www)\.)")
_MENTION = re.compile(r"@(?=\S)")
_OPENING = re.compile(r"^(\d*)([#+\-=:.)])")
_LEFT_OUT = "\nWhat follows is left out here, because it is too long; the page has it.\n"
_LONGEST_FENCE = 4096
LONGEST = 2000
"""Of a text, in characters, with those that are shown by their code point."""


def plain(text: str) -> str:
    """A text on one line that is nothing but text."""
    escaped = _SPECIAL.sub(lambda found: _ENTITIES.get(found[0], f"\\{found[0]}"), cut(" ".join(text.split()), LONGEST))
    unlinked = _ADDRESS.sub(lambda found: f"{found[1]}\\:" if found[1] else f"{found[2]}\\.", escaped)
    return _MENTION.sub("@<!-- -->", unlinked)


def paragraph(text: str) -> str:
    """A text that begins a line, where signs mean more: it becomes no heading, list or rule."""
    return _OPENING.sub(lambda found: f"{found[1]}\\{found[2]}", plain(text))


def code(text: str) -> str:
    """A short text as code."""
    return f"`{cut(' '.join(text.split()), LONGEST).replace('`', chr(0x2019)).replace('|', '¦')}`"


def block(text: str) -> list[str]:
    """The lines of a text as a block of code, whatever fences are in it."""
    longest = max(map(len, re.findall("`{3,}", text)), default=2)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", *visible(text).split("\n"), fence]


def whole(lines: Iterable[str], most: int) -> str:
    """Lines as a document of at most so many bytes: what is more is left out, and a block of code is ended."""
    kept: list[str] = []
    fence, left = "", most - len(_LEFT_OUT.encode()) - _LONGEST_FENCE
    for line in "\n".join(lines).split("\n"):
        left -= len(line.encode()) + 1
        if left < 0:
            return "\n".join([*kept, *([fence] if fence else []), _LEFT_OUT])
        kept.append(line)
        if fence:
            fence = "" if line == fence else fence
        elif line.startswith("```"):
            fence = line[: len(line) - len(line.lstrip("`"))]
    return "\n".join(kept) + "\n"


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; without rows, a sentence."""
    found = list(rows)
    if not found:
        return ["Nothing was measured."]
    lines = [names, *found]
    cells = [[plain(cell) for cell in line] for line in lines]
    return [_row(cells[0]), _row(["---"] * len(names)), *map(_row, cells[1:])]


def cut(text: str, most: int) -> str:
    """A text with what it hides made visible; at most so many characters of it, and an ellipsis."""
    shown = visible(text[: most + 1])
    return f"{shown[:most]}…" if len(shown) > most else shown


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
