"""Plain text laid out for a width: folded lines, and columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

_SIGNS = str.maketrans(
    {"→": "->", "≥": ">=", "≤": "<=", "×": "x", "·": "-", "…": "...", "–": "-", "⟨": "<", "⟩": ">", "α": "alpha"}
)
_LEAST = 8
"""What is left of a name that has to be cut."""


def folded(text: str, width: int) -> list[str]:
    """A text as lines of at most `width` characters, as far as its words allow; what follows is set in deeper."""
    indent = " " * (len(text) - len(text.lstrip()))
    return textwrap.wrap(text, width, subsequent_indent=indent + "  ", break_long_words=False, break_on_hyphens=False)


def in_encoding(text: str, encoding: str) -> str:
    """The text in signs that an encoding has: arrows and the like are written in ASCII, all else by its escape."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_SIGNS).encode(encoding, "backslashreplace").decode(encoding)
    return text


def aligned(rows: Sequence[Sequence[str]], width: int | None = None, *, dispensable: Sequence[str] = ()) -> list[str]:
    """The rows as lines, the first of them the heads: the first cells to the left, the others to the right.

    Where they are wider than `width`, columns are left out, the `dispensable` in their order; then first cells are cut.
    """
    kept = [list(row) for row in rows]
    for head in dispensable:
        if width is None or _width(kept) <= width:
            break
        if head in kept[0]:
            place = kept[0].index(head)
            kept = [[*row[:place], *row[place + 1 :]] for row in kept]
    if width is not None and _width(kept) > width:
        room = max(_LEAST, max(len(row[0]) for row in kept) - (_width(kept) - width))
        kept = [[row[0] if len(row[0]) <= room else f"{row[0][: room - 1]}…", *row[1:]] for row in kept]
    widths = _widths(kept)
    return [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in kept
    ]


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def _width(rows: Sequence[Sequence[str]]) -> int:
    widths = _widths(rows)
    return sum(widths) + 2 * (len(widths) - 1)
