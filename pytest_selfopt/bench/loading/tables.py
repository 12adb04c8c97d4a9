"""Tables in CSV, as programs for tables write them: a header and rows, each with its line."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pytest_selfopt.bench.call_format import show

_DIRECTIVE = re.compile(r'\A"?sep=(.?)"?[^\S\r\n]*(\r\n|\r|\n|\Z)', re.IGNORECASE)
_SEPARATORS = ",;|\t"


class TableProblem(ValueError):
    """A text is no table; `line` counts from 1."""

    def __init__(self, line: int, sentence: str) -> None:
        super().__init__(sentence)
        self.line = line


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of a row and its first line."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The rows below a header. Blank rows are left out; rows may be longer or shorter than the header."""

    line: int
    """The line of the header."""
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    separator: str

    def named(self, row: Row) -> dict[str, str]:
        """Return the cells of a row by column.

        Raises:
            ValueError: if the row and the header do not fit.
        """
        if len(row.cells) != len(self.header):
            cells = f"{len(row.cells)} cells in this row, {len(self.header)} in the header"
            raise ValueError(f"this row and the header have different numbers of cells: {cells}")
        named: dict[str, str] = {}
        for name, cell in zip(self.header, row.cells, strict=True):
            if name:
                named[name] = cell
            elif cell:
                raise ValueError(f"the cell {show(cell)} has no column: its header is empty")
        return named


def read_table(text: str) -> Table:
    """Read a table; cells are separated as its first line says (`sep=;`), else as its header looks.

    Raises:
        TableProblem: if it cannot be read.
    """
    begins = 1
    directive = _DIRECTIVE.match(text)
    if directive:
        separator = _named_separator(directive[1])
        text = text[directive.end() :]
        begins = 2
    else:
        separator = _separator(text)
    with _any_length(text):
        rows = list(_rows(text, separator, begins))
    if not rows:
        return Table(line=begins, header=(), rows=(), separator=separator)
    first, *others = rows
    header = tuple(map(str.strip, first.cells))
    _refuse_twice(header, first.line)
    filled = tuple(row for row in others if any(row.cells))
    return Table(line=first.line, header=header, rows=filled, separator=separator)


def _named_separator(sign: str) -> str:
    if not sign or sign not in _SEPARATORS:
        raise TableProblem(1, f"sep={sign} names no sign between cells; it may be a comma, a semicolon, a tab or |")
    return sign


def _separator(text: str) -> str:
    """Return the sign between cells: a comma if the header has one, else a semicolon, else a tab.

    Where a comma separates decimals, Excel writes semicolons; copied cells have tabs.
    """
    head = text.lstrip("\r\n").partition("\n")[0]
    for sign in (",", ";", "\t"):
        if sign in head:
            return sign
    return ","


@contextmanager
def _any_length(text: str) -> Iterator[None]:
    """Let cells be as long as the text; the limit of the module csv is one for all that the process reads."""
    usual = csv.field_size_limit()
    csv.field_size_limit(max(usual, len(text)))
    try:
        yield
    finally:
        csv.field_size_limit(usual)


def _rows(text: str, separator: str, first: int) -> Iterator[Row]:
    """Yield the rows of a text that begins on the line `first`."""
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, strict=True, delimiter=separator)
    begins = first
    try:
        for cells in reader:
            if cells:
                yield Row(begins, tuple(cells))
            begins = reader.line_num + first
    except csv.Error as problem:
        hint = ""
        if "expected after" in str(problem):
            hint = "; in a cell between quotes, a quote is written twice"
        raise TableProblem(begins, f"invalid CSV: {problem}{hint}") from None


def _refuse_twice(header: Sequence[str], line: int) -> None:
    counts: Counter[str] = Counter(filter(None, header))
    for name, count in counts.items():
        if count > 1:
            raise TableProblem(line, f"the column {show(name)} is named twice")


def column_names(header: Sequence[str]) -> list[str]:
    """Return the columns that have a name."""
    return [name for name in header if name]
