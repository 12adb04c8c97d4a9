"""Plain text laid out for a width: folded lines, and tables that fit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import starmap

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

    A text that fits stays as it is. A word is split only when it is longer than a line.
    """
    width = max(LEAST_WIDTH, width)
    text = text.rstrip()
    if cells(text) <= width:
        return [text]
    indent = text[: len(text) - len(text.lstrip(" "))][: width // 4]
    deeper = indent + _DEEPER
    lines: list[str] = []
    line = indent
    for word in text.split():
        joined = _joined(line, word)
        if cells(joined) <= width:
            line = joined
            continue
        if line.strip():
            lines.append(line)
        first = indent
        if lines:
            first = deeper
        *full, line = _parted(word, width, first, deeper)
        lines += full
    return [*lines, line]


def _joined(line: str, word: str) -> str:
    if line.strip():
        return f"{line} {word}"
    return line + word


def _parted(word: str, width: int, first: str, deeper: str) -> Iterator[str]:
    """A word as lines, parted at its seams where it is too long for one, and anywhere when it has no seams."""
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
    kept = rows
    for head in ("", *dispensable):
        if head and head in kept[0]:
            place = kept[0].index(head)
            kept = [[*row[:place], *row[place + 1 :]] for row in kept]
        if _width(kept) <= width:
            return aligned(kept)
    return stacked(rows, width)


def stacked(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """The rows below each other: the name of each, and its cells with their heads."""
    lines: list[str] = []
    _, *heads = rows[0]
    for name, *row in rows[1:]:
        lines += folded(name, width)
        text = ", ".join(starmap(_together, zip(heads, row, strict=True)))
        lines += [line.replace("\0", " ") for line in folded(f"  {text}", width)]
    return lines


def _together(head: str, cell: str) -> str:
    """A head and its cell without blanks, at which a line could end."""
    return f"{head} {cell}".replace(" ", "\0")


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines: the first cells to the left, the others to the right."""
    widths = _widths(rows)
    return ["  ".join(_padded(row, widths)) for row in rows]


def _padded(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    pad = to_left
    for cell, width in zip(row, widths, strict=True):
        yield pad(cell, width)
        pad = to_right


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    columns = zip(*rows, strict=True)
    return [max(map(cells, column)) for column in columns]


def _width(rows: Sequence[Sequence[str]]) -> int:
    widths = _widths(rows)
    return sum(widths) + 2 * (len(widths) - 1)
