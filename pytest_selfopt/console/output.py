"""How commands print: folded on a terminal, a sentence a line in a pipe, and as it is where it is for programs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO, TypeAlias

from pytest_selfopt.console.encoding import in_encoding, shown
from pytest_selfopt.console.layout import aligned, folded, table

USUAL = 80
"""The columns of a terminal that does not tell them."""


class Verbatim(str):
    """A text that programs read, such as JSON: it is printed as it is, in its own lines."""

    __slots__ = ()


class Markdown(Verbatim):
    """A page for people as well as for programs: where an encoding lacks its arrows they are spelled in ASCII."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class TextTable:
    """Rows of cells, the heads first; `dispensable` columns are left out where all of them do not fit."""

    rows: Sequence[Sequence[str]]
    dispensable: Sequence[str] = ()
    indent: str = ""


Printed: TypeAlias = str | Verbatim | TextTable


def columns_of(stream: TextIO) -> int:
    """The columns of the terminal that a stream writes to; COLUMNS says otherwise, as it does for other programs."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return int(given)
    try:
        return os.get_terminal_size(stream.fileno()).columns or USUAL
    except (OSError, ValueError):
        return USUAL


def laid_out(printed: Iterable[Printed], width: int | None, encoding: str) -> Iterator[str]:
    """The lines of what a command prints, for a terminal of a width, or for a pipe (None).

    In a pipe nothing is folded, so that `grep` finds whole sentences; control characters are shown there, too, because
    what is piped is often looked at in the end.
    """
    for item in printed:
        if isinstance(item, Markdown):
            yield in_encoding(item, encoding)
        elif isinstance(item, Verbatim):
            # An escape is what JSON would have, too; another spelling would be another text.
            yield item.encode(encoding, "backslashreplace").decode(encoding)
        elif isinstance(item, TextTable):
            for line in _table_lines(item, width, encoding):
                yield f"{item.indent}{line}".rstrip()
        else:
            yield from _sentence_lines(shown(item, encoding), width)


def _sentence_lines(line: str, width: int | None) -> list[str]:
    if width is None:
        return [line]
    return folded(line, width)


def _table_lines(item: TextTable, width: int | None, encoding: str) -> list[str]:
    rows = []
    for row in item.rows:
        cells = [shown(cell, encoding) for cell in row]
        rows.append(cells)
    if width is None:
        return aligned(rows)
    return table(rows, width - len(item.indent), dispensable=item.dispensable)
