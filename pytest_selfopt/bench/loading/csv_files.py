"""Suites in CSV: a case a row, with the tools in a file beside."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_selfopt.bench.call_format import show
from pytest_selfopt.bench.loading.entry import Entry, Problems
from pytest_selfopt.bench.loading.tables import Row, Table, TableProblem, column_names, read_table
from pytest_selfopt.bench.loading.texts import read_text
from pytest_selfopt.strict_json import parse_json

_NUMBER_COLUMNS = ("number", "tolerance", "weight")
_FLAG_COLUMNS = ("no_call", "any_call", "ignore_case", "strict")
_JSON_COLUMNS = ("call", "json_schema", "not", "all", "any", *_NUMBER_COLUMNS)
_EXPECT_COLUMNS = (
    *("call", *_FLAG_COLUMNS, "exact", "contains", "contains_any", "regex"),
    *("number", "tolerance", "locale", "json_schema", "not", "all", "any"),
)
_CASE_COLUMNS = ("id", "prompt", "weight", "expected_failure")
_LIST_COLUMNS = ("tools", "tags")
_COLUMNS = (*_CASE_COLUMNS, *_LIST_COLUMNS, *_EXPECT_COLUMNS)
_DECIMAL_COMMA = re.compile(r"[-+]?[0-9. ]*,[0-9]+")


def csv_entries(text: str, path: Path, problems: Problems) -> Iterator[Entry]:
    """Yield the tools of `NAME.tools.json` and the cases of a file; add what is wrong to `problems`."""
    yield from _tools_beside(path, problems)
    try:
        table = read_table(text)
    except TableProblem as problem:
        problems.add(problem.line, str(problem))
        return
    for column in column_names(table.header):
        if column not in _COLUMNS:
            known = ", ".join(_COLUMNS)
            problems.add(1, f"unknown column {show(column)}; available: {known}")
            return
    for row in table.rows:
        try:
            case = _case(table, row)
        except ValueError as problem:
            problems.add(row.line, str(problem))
            continue
        yield Entry("case", case, row.line)


def _case(table: Table, row: Row) -> dict[str, Any]:
    named = table.named(row)
    filled = {name: cell for name, cell in named.items() if cell}
    case: dict[str, Any] = {}
    for name in _CASE_COLUMNS:
        if name in filled:
            case[name] = _value(name, filled[name])
    for name in _LIST_COLUMNS:
        if name in filled:
            case[name] = filled[name].split()
    case["expect"] = _expect(filled)
    return case


def _expect(cells: Mapping[str, str]) -> dict[str, Any]:
    expect: dict[str, Any] = {}
    for name in _EXPECT_COLUMNS:
        if name not in cells:
            continue
        value = _value(name, cells[name])
        # A column of TRUE and FALSE says of each row whether it is so.
        if value is not False or name not in _FLAG_COLUMNS:
            expect[name] = value
    return expect


def _value(column: str, cell: str) -> Any:
    if column in _FLAG_COLUMNS:
        return _flag(column, cell)
    if column not in _JSON_COLUMNS:
        return cell
    if column in _NUMBER_COLUMNS and _DECIMAL_COMMA.fullmatch(cell.strip()):
        raise ValueError(f"{column}: expected a decimal point, as in 0.5, got {show(cell)}")
    try:
        return parse_json(cell)
    except ValueError as problem:
        raise ValueError(f"{column}: {problem}") from None


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
        tools = parse_json(read_text(beside))
    except ValueError as problem:
        problems.add_in(beside.name, str(problem))
        return
    if not isinstance(tools, list):
        problems.add_in(beside.name, f"expected a list of tools, got {show(tools)}")
        return
    for number, tool in enumerate(tools, start=1):
        yield Entry("tool", tool, 0, place=f"{beside.name}: tool {number}")
