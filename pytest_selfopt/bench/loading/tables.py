"""Tables in CSV, as programs for tables write them: a header and rows, each with its line."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pytest_selfopt.bench.call_format import show


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

    header: tuple[str, ...]
    rows: tuple[Row, ...]
    separator: str

    def named(self, row: Row) -> dict[str, str]:
        """Return the cells of a row by column.

        Raises:
            ValueError: if the row and the header do not fit.
        """
        if len(row.cells) != len(self.header):
            raise ValueError("this row and the header have different numbers of cells")
        named: dict[str, str] = {}
        for name, cell in zip(self.header, row.cells, strict=True):
            if name:
                named[name] = cell
            elif cell:
                raise ValueError(f"the cell {show(cell)} has no column: its header is empty")
        return named


def read_table(text: str) -> Table:
    """Read a table; cells are separated by commas, or by semicolons if the header has semicolons and no comma.

    Raises:
        TableProblem: if it cannot be read, or a column is named twice.
    """
    separator = _separator(text)
    with _any_length(text):
        rows = list(_rows(text, separator))
    if not rows:
        return Table(header=(), rows=(), separator=separator)
    first, *others = rows
    _refuse_twice(first)
    filled = tuple(row for row in others if any(row.cells))
    return Table(header=first.cells, rows=filled, separator=separator)


def _separator(text: str) -> str:
    """Return the sign between cells: where a comma separates decimals, Excel writes semicolons."""
    head = text.lstrip("\r\n").partition("\n")[0]
    if ";" in head and "," not in head:
        return ";"
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


def _rows(text: str, separator: str) -> Iterator[Row]:
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, strict=True, delimiter=separator)
    begins = 1
    try:
        for cells in reader:
            if cells:
                yield Row(begins, tuple(cells))
            begins = reader.line_num + 1
    except csv.Error as problem:
        raise TableProblem(begins, f"invalid CSV: {problem}") from None


def _refuse_twice(header: Row) -> None:
    counts: Counter[str] = Counter(filter(None, header.cells))
    for name, count in counts.items():
        if count > 1:
            raise TableProblem(header.line, f"the column {show(name)} is named twice")


def column_names(header: Sequence[str]) -> list[str]:
    """Return the columns that have a name."""
    return [name for name in header if name]
