"""Suites: the cases of one file (JSONL, YAML or CSV) with its tools and worked examples."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_selfopt.bench.case import Case, Example
from pytest_selfopt.bench.loading.entries import Entry, EntryReader, Problems
from pytest_selfopt.bench.tools import Tool
from pytest_selfopt.errors import SuiteError
from pytest_selfopt.strict_json import parse_json

if TYPE_CHECKING:
    from yaml import MarkedYAMLError

_SUFFIXES = (".jsonl", ".yaml", ".yml", ".csv")
_SECTIONS = {"tools": "tool", "environments": "environment", "examples": "example", "cases": "case"}
_EXPECT_COLUMNS = (
    *("call", "no_call", "any_call", "exact", "contains", "contains_any", "ignore_case"),
    *("regex", "number", "tolerance", "json_schema", "not", "all", "any"),
)
_JSON_COLUMNS = (
    *("call", "json_schema", "number", "tolerance", "no_call", "any_call"),
    *("ignore_case", "not", "all", "any", "weight"),
)
_TEXT_COLUMNS = ("id", "prompt", "expected_failure")
_CSV_COLUMNS = (*_TEXT_COLUMNS, "tools", "tags", "weight", *_EXPECT_COLUMNS)


@dataclass(frozen=True, kw_only=True)
class Suite:
    """The cases of one file, in the file's order. `name` is the file's stem."""

    name: str
    path: Path
    cases: tuple[Case, ...]
    examples: tuple[Example, ...] = ()
    tools: tuple[Tool, ...] = ()

    @property
    def counted(self) -> tuple[Case, ...]:
        """The cases that count: all but the expected failures."""
        return tuple(case for case in self.cases if not case.expected_failure)

    @cached_property
    def content_hash(self) -> str:
        """A short hash of what the cases ask and expect; evidence may be carried over only if it is equal.

        Expected failures are not part of it, because they are no evidence: to expect one more, or one less, is
        another suite.
        """
        hashes = "\n".join(case.content_hash for case in self.counted)
        return hashlib.sha256(hashes.encode()).hexdigest()[:16]


def load_suite(path: Path) -> Suite:
    """Read a suite file by its suffix: .jsonl, .yaml, .yml or .csv.

    Raises:
        SuiteError: naming file, line and field of each problem (the first ten).
    """
    readers = {".jsonl": _jsonl, ".yaml": _yaml, ".yml": _yaml, ".csv": _csv}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise SuiteError(f"{path.name}: unknown kind of suite file; supported: {', '.join(readers)}")
    problems = Problems(path.name)
    entries = list(reader(_text(path), path, problems))
    into = EntryReader(path.stem, problems)
    into.read(entries)
    if not into.cases and not problems.sentences:
        problems.add(0, "contains no case; a case is an object with id, prompt and expect")
    if problems.sentences:
        raise SuiteError(problems.text())
    return Suite(
        name=path.stem,
        path=path,
        cases=tuple(into.cases),
        examples=tuple(into.examples),
        tools=tuple(into.tools.values()),
    )


def suite_files(paths: Sequence[Path]) -> list[Path]:
    """Return the suite files among these files and in these folders, in order.

    Raises:
        SuiteError: if there are none.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = [file for file in path.rglob("*") if file.suffix in _SUFFIXES]
            files.extend(sorted(inside))
        else:
            files.append(path)
    if not files:
        names = ", ".join(map(str, paths))
        raise SuiteError(f"{names}: no suite file ({', '.join(_SUFFIXES)})")
    return files


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise SuiteError(f"{path}: suite file not found") from None
    except IsADirectoryError:
        raise SuiteError(f"{path}: is a folder, not a suite file") from None
    except UnicodeDecodeError as problem:
        raise SuiteError(f"{path.name}: not valid UTF-8 (byte {problem.start})") from None
    except OSError as problem:
        raise SuiteError(f"{path}: cannot be read: {problem.strerror}") from None


def _jsonl(text: str, _path: Path, problems: Problems) -> Iterator[Entry]:
    # Not str.splitlines: it would also split at characters that are allowed inside a JSON string.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = parse_json(line)
        except ValueError as problem:
            problems.add(number, str(problem))
            continue
        yield _jsonl_entry(value, number)


def _jsonl_entry(value: Any, line: int) -> Entry:
    """Return the entry on a line: the section that the line names, or else a case."""
    if isinstance(value, dict):
        for kind in _SECTIONS.values():
            if set(value) == {kind}:
                return Entry(kind, value[kind], line)
        if "case" in value:
            return Entry("case", value["case"], line)
    return Entry("case", value, line)


def _yaml(text: str, _path: Path, problems: Problems) -> Iterator[Entry]:
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        value = yaml.safe_load(text)
    except yaml.MarkedYAMLError as problem:
        reason = problem.problem or problem
        problems.add(_line_of(problem), f"invalid YAML: {reason}")
        return
    except (yaml.YAMLError, ValueError) as problem:
        problems.add(0, f"invalid YAML: {problem}")
        return
    if root is not None:
        yield from _yaml_sections(value, root, problems)


def _yaml_sections(value: Any, root: Any, problems: Problems) -> Iterator[Entry]:
    """Yield the entries of a document, given as a value and as the nodes that know their lines."""
    if isinstance(value, list):
        yield from _yaml_entries("case", value, root)
        return
    if not isinstance(value, dict):
        problems.add(1, "expected a list of cases, or an object with tools, examples and cases")
        return
    for key_node, node in root.value:
        section = key_node.value
        kind = _SECTIONS.get(section)
        if kind is None:
            line = key_node.start_mark.line + 1
            known = ", ".join(_SECTIONS)
            problems.add(line, f"unknown section {section!r}; available: {known}")
        elif not isinstance(value[section], list):
            problems.add(node.start_mark.line + 1, f"{section}: expected a list")
        else:
            yield from _yaml_entries(kind, value[section], node)


def _line_of(problem: MarkedYAMLError) -> int:
    """Return the line, from 1, of a YAML error; 0 if it has none."""
    if problem.problem_mark is None:
        return 0
    return problem.problem_mark.line + 1


def _yaml_entries(kind: str, values: list[Any], node: Any) -> Iterator[Entry]:
    for value, entry in zip(values, node.value, strict=True):
        yield Entry(kind, value, entry.start_mark.line + 1)


def _csv(text: str, path: Path, problems: Problems) -> Iterator[Entry]:
    yield from _tools_beside(path, problems)
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    begins = 1
    try:
        unknown = [column for column in reader.fieldnames or [] if column not in _CSV_COLUMNS]
        if unknown:
            known = ", ".join(_CSV_COLUMNS)
            problems.add(1, f"unknown column {unknown[0]!r}; available: {known}")
            return
        begins = reader.line_num + 1
        for row in reader:
            yield from _csv_case(row, begins, problems)
            begins = reader.line_num + 1
    except csv.Error as problem:
        problems.add(begins, f"invalid CSV: {problem}")


def _csv_case(row: dict[str | Any, Any], line: int, problems: Problems) -> Iterator[Entry]:
    if None in row or None in row.values():
        problems.add(line, "this row and the header have different numbers of cells")
        return
    filled = {name: cell for name, cell in row.items() if cell}
    value: dict[str, Any] = {}
    for name in _TEXT_COLUMNS:
        if name in filled:
            value[name] = filled[name]
    for name in ("tools", "tags"):
        if name in filled:
            value[name] = filled[name].split()
    try:
        if "weight" in filled:
            value["weight"] = _csv_cell("weight", filled["weight"])
        value["expect"] = _csv_expect(filled)
    except ValueError as problem:
        problems.add(line, str(problem))
        return
    yield Entry("case", value, line)


def _csv_expect(cells: dict[str | Any, Any]) -> dict[str, Any]:
    names = [name for name in _EXPECT_COLUMNS if name in cells]
    return {name: _csv_cell(name, cells[name]) for name in names}


def _csv_cell(column: str, cell: str) -> Any:
    if column not in _JSON_COLUMNS:
        return cell
    try:
        return parse_json(cell)
    except ValueError as problem:
        raise ValueError(f"{column}: {problem}") from None


def _tools_beside(path: Path, problems: Problems) -> Iterator[Entry]:
    beside = path.with_suffix(".tools.json")
    if not beside.exists():
        return
    try:
        values = parse_json(_text(beside))
    except ValueError as problem:
        problems.add(0, f"{beside.name}: {problem}")
        return
    if not isinstance(values, list):
        problems.add(0, f"{beside.name}: expected a list of tools")
        return
    for value in values:
        yield Entry("tool", value, 0)
