"""Layout of plain text for a width: folded lines and tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import starmap

from pytest_selfopt.console.width import cells, head_of, to_left, to_right

LEAST_WIDTH = 20
"""The smallest width for layout; a narrower terminal wraps by itself."""
WIDEST = 100
"""The largest width for layout; longer lines are hard to read."""
_EXTRA_INDENT = "  "
_BREAK = re.compile(r"(?<=[/\\,;:=])")
"""The positions at which a word that is too long for a line, such as a spec's id, is split: after these characters."""


def width_for(columns: int) -> int:
    """Return the width of lines for a terminal with this number of columns."""
    return max(LEAST_WIDTH, min(WIDEST, columns))


def folded(text: str, width: int) -> list[str]:
    """Fold a text into lines of at most `width` columns; lines after the first are indented further.

    A text that fits is unchanged. A word is split only if it is longer than a line.
    """
    width = max(LEAST_WIDTH, width)
    text = text.rstrip()
    if cells(text) <= width:
        return [text]
    indent = text[: len(text) - len(text.lstrip(" "))][: width // 4]
    deeper = indent + _EXTRA_INDENT
    lines: list[str] = []
    line = indent
    for word in text.split():
        joined = _append_word(line, word)
        if cells(joined) <= width:
            line = joined
            continue
        if line.strip():
            lines.append(line)
        first = indent
        if lines:
            first = deeper
        *full, line = _split_word(word, width, first, deeper)
        lines += full
    return [*lines, line]


def _append_word(line: str, word: str) -> str:
    if line.strip():
        return f"{line} {word}"
    return line + word


def _split_word(word: str, width: int, first: str, deeper: str) -> Iterator[str]:
    """Split a word that is too long into lines: at the positions of `_BREAK` if there are any, otherwise anywhere."""
    line = first
    for piece in _BREAK.split(word):
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
            # A line that begins with the rest of "::" could be a command to a build server.
            if rest[len(head) :].startswith(":") and len(head) > 1:
                head = head[:-1]
            yield line + head
            line, rest = deeper, rest[len(head) :]
    yield line


def table(rows: Sequence[Sequence[str]], width: int, *, dispensable: Sequence[str] = ()) -> list[str]:
    """Format rows as lines of at most `width` columns; the first row is the column heads.

    If the lines are too wide, the `dispensable` columns are left out, in that order. If that is not enough, each row
    becomes a line with its name and, below it, all of its cells with their heads.
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
    """Format each row as its name and, below it, its cells with their heads."""
    lines: list[str] = []
    _, *heads = rows[0]
    for name, *row in rows[1:]:
        lines += folded(name, width)
        text = ", ".join(starmap(_join_unbroken, zip(heads, row, strict=True)))
        lines += [line.replace("\0", " ") for line in folded(f"  {text}", width)]
    return lines


def _join_unbroken(head: str, cell: str) -> str:
    """Join a head and its cell, with their blanks replaced so that no line breaks there."""
    return f"{head} {cell}".replace(" ", "\0")


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Format rows as lines: the first column aligned left, the others right."""
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
