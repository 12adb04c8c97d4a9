"""Output of commands: folded on a terminal, one sentence per line in a pipe, unchanged if it is for programs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO, TypeAlias

from pytest_selfopt.console.encoding import in_encoding, shown
from pytest_selfopt.console.layout import aligned, folded, table
from pytest_selfopt.console.sanitize import defused_json, harmless
from pytest_selfopt.redaction.known import redact_written

USUAL = 80
"""The columns of a terminal whose width is unknown."""


class Verbatim(str):
    """A text for programs, such as JSON, printed unchanged with its own lines."""

    __slots__ = ()


class JsonText(Verbatim):
    """A JSON text; what could do harm on a terminal or in a log is spelled by JSON's own escapes."""

    __slots__ = ()


class Markdown(Verbatim):
    """A page for people and programs; its arrows are spelled in ASCII if the encoding lacks them."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class TextTable:
    """Rows of cells, the heads first; `dispensable` columns are left out if not all columns fit."""

    rows: Sequence[Sequence[str]]
    dispensable: Sequence[str] = ()
    indent: str = ""


Printed: TypeAlias = str | Verbatim | TextTable


def columns_of(stream: TextIO) -> int:
    """Return the columns of the terminal that a stream writes to; COLUMNS overrides them, as in other programs."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return int(given)
    try:
        return os.get_terminal_size(stream.fileno()).columns or USUAL
    except (OSError, ValueError):
        return USUAL


def leave_closed_terminal() -> None:
    """Let the standard streams lead nowhere if their terminal was closed, where every write would fail from now on."""
    for descriptor in (1, 2):
        try:
            is_device = stat.S_ISCHR(os.fstat(descriptor).st_mode)
        except OSError:
            continue
        if is_device and not os.isatty(descriptor):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)


def laid_out(printed: Iterable[Printed], width: int | None, encoding: str) -> Iterator[str]:
    """Yield the lines of a command's output for a terminal of this width, or for a pipe (None).

    In a pipe nothing is folded, so that `grep` finds whole sentences; control characters are made visible there too,
    because piped output often ends up on a terminal.
    """
    for item in printed:
        if isinstance(item, Markdown):
            yield in_encoding(harmless(item), encoding)
        elif isinstance(item, JsonText):
            # JSON has the same escapes.
            yield defused_json(redact_written(item)).encode(encoding, "backslashreplace").decode(encoding)
        elif isinstance(item, Verbatim):
            yield redact_written(item).encode(encoding, "backslashreplace").decode(encoding)
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
