"""Plain text laid out for a width: folded lines, and tables that fit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pytest_selfopt.console.width import cells, head_of, to_left, to_right

LEAST_WIDTH = 20
"""Narrower than that nothing is laid out; a terminal so narrow wraps by itself."""
WIDEST = 100
"""Longer lines are hard to read."""
_DEEPER = "  "
_SEAM = re.compile(r"(?<=[/\\,;:=])")
"""After these signs a word that is too long for a line is parted, such as the id of a spec."""


def width_for(columns: int) -> int:
    """How wide lines are on a terminal of so many columns."""
    return max(LEAST_WIDTH, min(WIDEST, columns))


def folded(text: str, width: int) -> list[str]:
    """A text as lines of at most `width` columns; what follows the first line is set in deeper than that.

    A text that fits stays as it is. A word goes on in the next line only where it is longer than a line.
    """
    width = max(LEAST_WIDTH, width)
    text = text.rstrip()
    if cells(text) <= width:
        return [text]
    indent = text[: len(text) - len(text.lstrip(" "))][: width // 4]
    lines, line = [], indent
    for word in text.split():
        joined = f"{line} {word}" if line.strip() else line + word
        if cells(joined) <= width:
            line = joined
            continue
        if line.strip():
            lines.append(line)
        *full, line = _parted(word, width, indent + _DEEPER if lines else indent, indent + _DEEPER)
        lines += full
    return [*lines, line]


def _parted(word: str, width: int, first: str, deeper: str) -> Iterator[str]:
    """A word as lines, parted at its seams where it is too long for one, and anywhere where there are none."""
    line = first
    for piece in _SEAM.split(word):
        rest = piece
        while rest:
            if cells(line + rest) <= width:
                line += rest
                break
            if line.strip():
                yield line
                line = deeper
                continue
            head = head_of(rest, width - cells(line))
            yield line + head
            line, rest = deeper, rest[len(head) :]
    yield line


def table(rows: Sequence[Sequence[str]], width: int, *, dispensable: Sequence[str] = ()) -> list[str]:
    """The rows as lines of at most `width` columns; the first of them are the heads.

    Where they are wider, columns are left out, the `dispensable` in their order. If that does not do, each row becomes
    a line with its name and, below it, all of its cells with their heads.
    """
    kept = [list(row) for row in rows]
    for head in ("", *dispensable):
        if head and head in kept[0]:
            place = kept[0].index(head)
            kept = [[*row[:place], *row[place + 1 :]] for row in kept]
        if _width(kept) <= width:
            return aligned(kept)
    return stacked(rows, width)


def stacked(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """The rows below each other: the name of each, and its cells with their heads."""
    heads, lines = rows[0], []
    for name, *row in rows[1:]:
        lines += folded(name, width)
        # A head and its cell stay together.
        told = [f"{head} {cell}".replace(" ", "\0") for head, cell in zip(heads[1:], row, strict=True)]
        lines += [line.replace("\0", " ") for line in folded(f"  {', '.join(told)}", width)]
    return lines


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines: the first cells to the left, the others to the right."""
    widths = _widths(rows)
    return [
        "  ".join(
            to_right(cell, width) if column else to_left(cell, width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(cells, column)) for column in zip(*rows, strict=True)]


def _width(rows: Sequence[Sequence[str]]) -> int:
    widths = _widths(rows)
    return sum(widths) + 2 * (len(widths) - 1)
