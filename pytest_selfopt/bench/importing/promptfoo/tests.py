"""Promptfoo's tests: in the configuration, and in tables and other files that it names."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_selfopt.bench.call_format import show
from pytest_selfopt.bench.importing.imported import Imported, json_lines
from pytest_selfopt.bench.importing.javascript import dated, javascript_key
from pytest_selfopt.bench.importing.promptfoo.references import referenced
from pytest_selfopt.bench.importing.promptfoo.rows import read_row
from pytest_selfopt.bench.importing.promptfoo.scenarios import scenario_tests
from pytest_selfopt.bench.loading.tables import TableProblem, read_table
from pytest_selfopt.bench.loading.texts import read_text
from pytest_selfopt.bench.loading.yaml_files import YamlDocument, YamlProblem, read_yaml
from pytest_selfopt.errors import SuiteError

_FILE = "file://"
_SERVERS = ("http://", "https://", "huggingface://", "langfuse://", "az://")
_PROGRAMS = (".py", ".js", ".cjs", ".mjs", ".ts", ".cts", ".mts")
_EXCEL = (".xlsx", ".xls")
_YAML = (".yaml", ".yml")
_READABLE = (".csv", ".json", ".jsonl", *_YAML)


@dataclass(frozen=True, slots=True)
class PlacedTest:
    """A test with its number among all."""

    number: int
    place: str
    """Such as "config.yaml: tests[0]" or "tests.csv:2"."""
    value: Mapping[str, Any]


def read_tests(document: Mapping[str, Any], path: Path, imported: Imported) -> list[PlacedTest]:
    """Return the tests of the configuration at `path`; list in `imported` those that cannot be read."""
    entries = document.get("tests")
    if entries is None:
        entries = []
    if not isinstance(entries, list):
        entries = [entries]
    tests: list[PlacedTest] = []
    before = len(imported.left_out)
    for index, entry in enumerate(entries):
        place = f"{path.name}: tests[{index}]"
        try:
            for where, value in _entry_tests(entry, place, document, path.parent, imported):
                tests.append(PlacedTest(len(tests) + len(imported.left_out) - before, where, value))
        except ValueError as problem:
            imported.leave(place, str(problem))
    for place, test in scenario_tests(document, path, imported):
        tests.append(PlacedTest(len(tests) + len(imported.left_out) - before, place, test))
    return tests


def _entry_tests(
    entry: Any, place: str, document: Mapping[str, Any], folder: Path, imported: Imported
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield place and value of each test that an entry stands for.

    Raises:
        ValueError: with the reason, if it stands for none.
    """
    if isinstance(entry, str):
        yield from _tests_elsewhere(entry, folder, imported)
    elif not isinstance(entry, Mapping):
        raise ValueError(f"expected a test as an object, or the name of a file with tests, got {show(entry)}")
    elif "path" not in entry:
        yield place, referenced(entry, document)
    elif not isinstance(entry["path"], str):
        raise ValueError(f"path: expected the name of a file, got {show(entry['path'])}")
    elif entry["path"].endswith(_YAML):
        raise ValueError(f"promptfoo takes {entry['path']!r} for rows of a table; name the file without 'path'")
    else:
        yield from _tests_elsewhere(entry["path"], folder, imported)


def _tests_elsewhere(name: str, folder: Path, imported: Imported) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for file in _files(name, folder):
        try:
            yield from _file_tests(file, imported)
        except SuiteError as problem:
            imported.left_out.append(str(problem))


def _files(name: str, folder: Path) -> list[Path]:
    """Return the files that a name with wildcards stands for.

    Raises:
        ValueError: with the reason, if there are none that can be read.
    """
    if name.startswith(_SERVERS):
        raise ValueError(f"the tests are on a server, {name!r}; save them as CSV and name that file")
    pattern = name.removeprefix(_FILE)
    program = pattern
    if not pattern.endswith(_PROGRAMS):
        program = pattern.rpartition(":")[0]
    if program.endswith(_PROGRAMS):
        raise ValueError(f"the tests are made by a program, {name!r}")
    if pattern.partition("#")[0].endswith(_EXCEL):
        raise ValueError(f"the tests are in a file of Excel, {name!r}; save them as CSV")
    try:
        if pattern.endswith(_READABLE) and (folder / pattern).is_file():
            return [folder / pattern]
    except OSError as problem:
        raise ValueError(f"{show(name)} cannot be read: {problem.strerror}") from None
    # Path.glob takes no absolute patterns, and finds hidden files, too.
    found = sorted(glob.glob(pattern, root_dir=folder, recursive=True))  # noqa: PTH207
    for file in found or [pattern]:
        if not file.endswith(_READABLE):
            raise ValueError(f"{file!r} is no file with tests; supported: {', '.join(_READABLE)}")
    if not found:
        raise ValueError(f"there is no file {name!r}")
    return [folder / file for file in found]


def _file_tests(file: Path, imported: Imported) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if file.suffix == ".csv":
        yield from _row_tests(file, imported)
        return
    if file.suffix == ".jsonl":
        numbered = list(json_lines(file))
        document: Any = [value for _, value in numbered]
    else:
        read = _yaml(file)
        document = read.value
        numbered = [(1, document)]
        if isinstance(document, list):
            numbered = [(read.lines[index,], value) for index, value in enumerate(document)]
    for line, value in numbered:
        place = f"{file.name}:{line}"
        if isinstance(value, Mapping):
            yield place, referenced(value, document)
        else:
            imported.leave(place, f"expected a test as an object, got {show(value)}")


def _yaml(file: Path) -> YamlDocument:
    try:
        return read_yaml(read_text(file), name_key=javascript_key, plain_text=dated)
    except YamlProblem as problem:
        place = f"{file.name}:{problem.line}".removesuffix(":0")
        raise SuiteError(f"{place}: {problem}") from None


def _row_tests(file: Path, imported: Imported) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        table = read_table(read_text(file))
    except TableProblem as problem:
        raise SuiteError(f"{file.name}:{problem.line}: {problem}") from None
    noted: set[str] = set()
    for row in table.rows:
        place = f"{file.name}:{row.line}"
        try:
            read = read_row(table.named(row))
        except ValueError as problem:
            imported.leave(place, str(problem))
            continue
        for note in read.notes:
            if note not in noted:
                imported.note(place, note)
                noted.add(note)
        yield place, read.test
