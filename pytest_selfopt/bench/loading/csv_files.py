"""Suites in CSV: a case a row, with the tools in a file beside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_selfopt.bench.call_format import show
from pytest_selfopt.bench.grading.read_expect import unknown_names
from pytest_selfopt.bench.loading.entry import Entry, Problems
from pytest_selfopt.bench.loading.number_cells import NUMBER_COLUMNS, number_of
from pytest_selfopt.bench.loading.tables import Row, Table, TableProblem, column_names, read_table
from pytest_selfopt.bench.loading.texts import read_text, whole_json
from pytest_selfopt.suggest import did_you_mean

_EXPECT_FLAGS = ("no_call", "any_call", "in_order", "ignore_case", "strict", "as_bfcl")
_FLAG_COLUMNS = (*_EXPECT_FLAGS, "as_given")
_JSON_COLUMNS = ("call", "calls", "json_schema", "not", "all", "any")
_EXPECT_COLUMNS = (
    *("call", "calls", *_EXPECT_FLAGS, "exact", "contains", "contains_any", "regex", "dialect"),
    *("number", "tolerance", "locale", "json_schema", "not", "all", "any"),
)
_TEXT_COLUMNS = ("exact", "contains", "contains_any")
_CASE_COLUMNS = ("id", "prompt", "weight", "expected_failure", "group", "as_given")
_LIST_COLUMNS = ("tools", "tags")
_COLUMNS = (*_CASE_COLUMNS, *_LIST_COLUMNS, *_EXPECT_COLUMNS)


def csv_entries(text: str, path: Path, problems: Problems) -> Iterator[Entry]:
    """Yield the tools of `NAME.tools.json` and the cases of a file; add what is wrong to `problems`."""
    yield from _tools_beside(path, problems)
    try:
        table = read_table(text)
    except TableProblem as problem:
        problems.add(problem.line, str(problem))
        return
    unknown = unknown_names(column_names(table.header), _COLUMNS)
    for column in unknown:
        hint = did_you_mean(column, _COLUMNS)
        if column == "expect":
            hint = f"; its fields are columns: {', '.join(_EXPECT_COLUMNS)}"
        problems.add(table.line, f"unknown column {show(column)}{hint}")
    if unknown:
        return
    for row in table.rows:
        yield from _entry(table, row, problems)


def _entry(table: Table, row: Row, problems: Problems) -> Iterator[Entry]:
    """Yield the case of a row, without the cells that cannot be read: those are added to `problems`."""
    try:
        named = table.named(row)
    except ValueError as problem:
        problems.add(row.line, str(problem))
        return
    wrong: list[str] = []
    values: dict[str, Any] = {}
    for name, cell in named.items():
        if not cell:
            continue
        try:
            values[name] = _value(name, cell)
        except ValueError as problem:
            problems.add(row.line, str(problem))
            wrong.append(_field(name))
    yield Entry("case", _case(values), row.line, unread=tuple(wrong))


def _case(values: Mapping[str, Any]) -> dict[str, Any]:
    case: dict[str, Any] = {}
    expect: dict[str, Any] = {}
    for name, value in values.items():
        if _field(name) == name:
            case[name] = value
        # A column of TRUE and FALSE says of each row whether it is so.
        elif value is not False or name not in _EXPECT_FLAGS:
            expect[name] = value
    return {**case, "expect": expect}


def _field(column: str) -> str:
    """Return the field of a case that a column belongs to."""
    if column in _EXPECT_COLUMNS:
        return "expect"
    return column


def _value(column: str, cell: str) -> Any:
    if column == "tools":
        # No name of a tool has a comma.
        return cell.replace(",", " ").split()
    if column in _LIST_COLUMNS:
        return cell.split()
    if column in _FLAG_COLUMNS:
        return _flag(column, cell)
    if column in NUMBER_COLUMNS:
        return number_of(column, cell)
    if column in _TEXT_COLUMNS:
        return _text_or_list(column, cell)
    if column not in _JSON_COLUMNS:
        return cell
    try:
        return whole_json(cell)
    except ValueError as problem:
        raise ValueError(f"{column}: {problem}; got {show(cell)}") from None


def _text_or_list(column: str, cell: str) -> str | list[Any]:
    """Read a text, or several in JSON where one alone would make no sense."""
    try:
        several = whole_json(cell)
    except ValueError:
        return cell
    if not isinstance(several, list) or not several or not all(isinstance(text, str) for text in several):
        return cell
    if column == "contains_any":
        return several
    meant = f'[{{"{column}": …}}]'
    raise ValueError(f"{column}: {show(cell)} could be one text or several; write {meant} in the column 'all'")


def _flag(column: str, cell: str) -> bool:
    """Read a truth value, which programs for tables write in capitals."""
    word = cell.strip().lower()
    if word not in ("true", "false"):
        raise ValueError(f"{column}: expected TRUE or FALSE, got {show(cell)}")
    return word == "true"


def _tools_beside(path: Path, problems: Problems) -> Iterator[Entry]:
    beside = path.with_suffix(".tools.json")
    if not beside.exists():
        return
    try:
        tools = whole_json(read_text(beside))
    except ValueError as problem:
        problems.add_in(beside.name, str(problem))
        return
    if not isinstance(tools, list):
        problems.add_in(beside.name, f"expected a list of tools, got {show(tools)}")
        return
    for number, tool in enumerate(tools, start=1):
        yield Entry("tool", tool, 0, place=f"{beside.name}: tool {number}")
