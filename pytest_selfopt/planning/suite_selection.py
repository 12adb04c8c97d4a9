"""The suites that a command asks, and of their cases those that have the wanted tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pytest_selfopt.bench.loading.suites import Suite, load_suite, project_files, suite_files
from pytest_selfopt.bench.tag_expression import TagExpression, read_tags, unknown_tags
from pytest_selfopt.errors import SettingsError, SuiteError


def likely_suites(root: Path) -> list[Path]:
    """Return the files below a folder that look like suites."""
    return [path for path in project_files(root) if _mentions_prompts(path)]


def _mentions_prompts(path: Path) -> bool:
    try:
        return b"prompt" in path.read_bytes()
    except OSError:
        return False


def choose_suites(named: Sequence[Path], likely: Sequence[Path], root: Path) -> list[Path]:
    """Return the suites that a command is about: the named ones, or the only one among `likely` if none is named.

    A name that is no path may be that of a suite's file below `root`, without its suffix.

    Raises:
        SettingsError: if there is not exactly one.
    """
    if named:
        return [_by_name(path, likely, root) for path in named]
    found = list(filter(_is_suite, likely))
    if len(found) == 1:
        return found
    what = "no suite was found"
    if found:
        what = f"there are several suites: {_relative(found, root)}"
    raise SettingsError(f"{what}; name one by --suite")


def _by_name(path: Path, likely: Sequence[Path], root: Path) -> Path:
    """Return a path as it is, or that of the suite with this name."""
    if path.exists() or path.suffix or path.parent != Path():
        return path
    found = [file for file in likely if file.stem.lower() == path.name.lower()]
    if len(found) == 1:
        return found[0]
    if found:
        raise SettingsError(f"--suite {path}: several files have this name: {_relative(found, root)}; give the path")
    available = ", ".join(file.stem for file in likely if _is_suite(file))
    if available:
        available = f"; available: {available}"
    raise SettingsError(f"--suite {path}: there is no such file, and no suite of this name{available}")


def _relative(files: Sequence[Path], root: Path) -> str:
    return ", ".join(str(file.relative_to(root)) for file in files)


def _is_suite(path: Path) -> bool:
    """Whether a file can be read as a suite."""
    try:
        load_suite(path)
    except SuiteError:
        return False
    return True


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
