"""Suites: the cases of one file (JSONL, YAML or CSV) with its tools and worked examples."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pytest_selfopt.bench.case import Case, Example
from pytest_selfopt.bench.loading.csv_files import csv_entries
from pytest_selfopt.bench.loading.entries import EntryReader, read_example
from pytest_selfopt.bench.loading.entry import Entry, Problems
from pytest_selfopt.bench.loading.jsonl_files import jsonl_entries
from pytest_selfopt.bench.loading.texts import read_text
from pytest_selfopt.bench.tools import Tool
from pytest_selfopt.errors import SuiteError

_SUFFIXES = (".jsonl", ".yaml", ".yml", ".csv", ".tsv")
_TABLES = (".csv", ".tsv")
_NOT_ONES_OWN = frozenset({"node_modules", "site-packages", "venv", "env", "build", "dist", "__pycache__"})
"""Folders of a project that hold others' files, or copies."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """The cases of one file, in the file's order. `name` is the file's stem."""

    name: str
    path: Path
    cases: tuple[Case, ...]
    examples: tuple[Example, ...] = ()
    tools: tuple[Tool, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences on what its author should know although nothing is wrong."""

    @property
    def counted(self) -> tuple[Case, ...]:
        """The cases that count: all but the expected failures."""
        return tuple(case for case in self.cases if not case.expected_failure)

    @cached_property
    def content_hash(self) -> str:
        """A short hash of what the cases ask and expect; evidence may be carried over only if it is equal.

        Expected failures are not part of it, because they are no evidence: to expect one more, or one less, is
        another suite. So is another grouping: groups have to be fixed before the answers are seen.
        """
        parts = [case.content_hash for case in self.counted]
        parts += [f"{case.id} in {case.group}" for case in self.counted if case.group]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def groups_of(suites: Iterable[Suite]) -> dict[str, str]:
    """Return the group of each case that names one, by the case's key; groups are of one suite each."""
    groups: dict[str, str] = {}
    for suite in suites:
        for case in suite.counted:
            if case.group:
                groups[case.key] = f"{suite.name}/{case.group}"
    return groups


def load_suite(path: Path) -> Suite:
    """Read a suite file by its suffix: .jsonl, .yaml, .yml, .csv or .tsv.

    Raises:
        SuiteError: naming file, line and field of each problem (the first ten).
    """
    problems = Problems(path.name)
    entries = list(_entries(path, problems))
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
        notes=tuple(problems.notes),
    )


def load_examples(path: Path) -> tuple[Example, ...]:
    """Read the worked examples of a suite file, and nothing else of it; of a JSONL file with the standard library.

    Raises:
        SuiteError: if the file or an example cannot be read.
    """
    problems = Problems(path.name)
    examples: list[Example] = []
    for entry in _entries(path, problems):
        if entry.kind == "example":
            try:
                examples.append(read_example(entry.value))
            except ValueError as problem:
                problems.add(entry.line, str(problem))
    if problems.sentences:
        raise SuiteError(problems.text())
    return tuple(examples)


def _entries(path: Path, problems: Problems) -> Iterable[Entry]:
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise SuiteError(f"{path.name}: unknown kind of suite file; supported: {', '.join(_SUFFIXES)}{_advice(suffix)}")
    text = read_text(path)
    if suffix == ".jsonl":
        return jsonl_entries(text, problems)
    if suffix in _TABLES:
        return csv_entries(text, path, problems)
    # Importing a reader of YAML takes a while that other sessions need not wait.
    from pytest_selfopt.bench.loading.yaml_suites import yaml_entries

    return yaml_entries(text, problems)


def _advice(suffix: str) -> str:
    if suffix == ".json":
        return "; JSON is read from a file that ends in .yaml"
    return ""


def project_files(root: Path) -> Iterator[Path]:
    """Yield the files below a folder that may be suites by their suffix; not in folders of tools and packages."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _NOT_ONES_OWN)
        for name in sorted(files):
            path = Path(folder, name)
            if path.suffix.lower() in _SUFFIXES and not name.startswith("."):
                yield path


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
