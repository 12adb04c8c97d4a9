"""Suites in YAML: a list of cases, or sections of tools, environments, examples and cases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_selfopt.bench.call_format import show
from pytest_selfopt.bench.loading.entry import SECTIONS, Entry, Problems
from pytest_selfopt.bench.loading.yaml_changes import describe_changes
from pytest_selfopt.bench.loading.yaml_files import Place, YamlDocument, YamlProblem, read_yaml


def yaml_entries(text: str, problems: Problems) -> Iterator[Entry]:
    """Yield the entries of a file; add what is wrong, and what is read otherwise than before, to `problems`."""
    try:
        document = read_yaml(text)
    except YamlProblem as problem:
        problems.add(problem.line, str(problem))
        return
    note = describe_changes(document.changes)
    if note:
        problems.notes.append(note)
    yield from _sections(document, problems)


def _sections(document: YamlDocument, problems: Problems) -> Iterator[Entry]:
    value = document.value
    if value is None:
        return
    if isinstance(value, list):
        yield from _entries("case", value, (), document)
        return
    if not isinstance(value, dict):
        problems.add(1, "expected a list of cases, or an object with tools, examples and cases")
        return
    for section, entries in value.items():
        line = document.lines.get((section,), 0)
        kind = SECTIONS.get(section)
        if kind is None:
            known = ", ".join(SECTIONS)
            problems.add(line, f"unknown section {show(section)}; available: {known}")
        elif not isinstance(entries, list):
            problems.add(line, f"{section}: expected a list")
        else:
            yield from _entries(kind, entries, (section,), document)


def _entries(kind: str, values: list[Any], place: Place, document: YamlDocument) -> Iterator[Entry]:
    for index, value in enumerate(values):
        line = document.lines.get((*place, index), 0)
        yield Entry(kind, value, line)
