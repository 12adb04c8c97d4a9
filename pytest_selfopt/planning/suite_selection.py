"""The suites that a command asks, and of their cases those that have the wanted tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pytest_selfopt.bench.loading.suites import Suite, load_suite, suite_files
from pytest_selfopt.bench.tag_expression import TagExpression, read_tags, unknown_tags
from pytest_selfopt.errors import SettingsError


def load_suites(paths: Sequence[Path], tags: str | None) -> tuple[Suite, ...]:
    """Load the suites of files and folders, with the cases of whose tags an expression is true; None selects all.

    Suites without a selected case are left out.

    Raises:
        SuiteError: if a suite cannot be read.
        SettingsError: if the expression cannot be read, names a tag that no case has, or is true of no case.
    """
    suites = tuple(map(load_suite, suite_files(paths)))
    if tags is None:
        return suites
    expression = _read_option(tags)
    _require_known(expression, suites)
    selected: list[Suite] = []
    for suite in suites:
        cases = tuple(case for case in suite.cases if expression.matches(case.tags))
        if cases:
            selected.append(replace(suite, cases=cases))
    if not selected:
        raise SettingsError(f"--tags: {tags!r} is true of no case")
    return tuple(selected)


def _read_option(tags: str) -> TagExpression:
    try:
        return read_tags(tags)
    except ValueError as problem:
        raise SettingsError(f"--tags: {tags!r}: {problem}") from None


def _require_known(expression: TagExpression, suites: Sequence[Suite]) -> None:
    known: dict[str, None] = {}
    for suite in suites:
        for case in suite.cases:
            known.update(dict.fromkeys(case.tags))
    problems = unknown_tags(expression, tuple(known), "--tags")
    if problems:
        raise SettingsError("\n".join(problems))
