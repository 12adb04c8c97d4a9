"""Suites in YAML: a list of cases, or sections of tools, environments, examples and cases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_selfopt.bench.call_format import mistaken, show
from pytest_selfopt.bench.loading.entry import SECTIONS, Entry, Problems, kind_of
from pytest_selfopt.bench.loading.yaml_changes import describe_changes
from pytest_selfopt.bench.loading.yaml_files import YamlDocument, YamlProblem, read_yaml
from pytest_selfopt.suggest import did_you_mean


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
        yield from _cases(document, problems)
        return
    if not isinstance(value, dict):
        problems.add(1, "expected a list of cases, or an object with tools, examples and cases")
        return
    if "expect" in value:
        problems.add(1, "expected a list of cases, got the fields of one; begin each case with a hyphen: - id: …")
        return
    for section, entries in value.items():
        line = document.lines.get((section,), 0)
        kind = SECTIONS.get(section)
        if kind is None:
            hint = did_you_mean(section, tuple(SECTIONS))
            problems.add(line, f"unknown section {show(section)}{hint}")
        elif not isinstance(entries, list):
            wanted = "a list, each entry of which begins with a hyphen"
            problems.add(line, str(mistaken(section, wanted, entries)))
        else:
            yield from _entries(kind, entries, section, document)


def _cases(document: YamlDocument, problems: Problems) -> Iterator[Entry]:
    """Yield the entries of a file that is a list."""
    for index, value in enumerate(document.value):
        line = document.lines.get((index,), 0)
        try:
            kind, own = kind_of(value)
        except ValueError as problem:
            problems.add(line, str(problem))
            continue
        yield Entry(kind, own, line)


def _entries(kind: str, values: list[Any], section: str, document: YamlDocument) -> Iterator[Entry]:
    for index, value in enumerate(values):
        line = document.lines.get((section, index), 0)
        yield Entry(kind, value, line)
