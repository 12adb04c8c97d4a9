"""The worked examples that a request shows: those of the suite that the promotion was measured by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pytest_selfopt.application.project import Project
from pytest_selfopt.bench.case import Example
from pytest_selfopt.bench.loading.suites import load_examples, project_files
from pytest_selfopt.errors import SuiteError
from pytest_selfopt.routing.resolve import Route

_PREMISE = "suite "
"""How the premises of a rule name the suites that it was measured by."""

_found: dict[tuple[Path, int], tuple[Example, ...]] = {}


def examples_for(project: Project, route: Route, given: str | Path | None) -> tuple[Example, ...]:
    """Return the worked examples of the suite file that is `given`, or of the one that the rule was measured by.

    Raises:
        SuiteError: if there is no such file, or it holds no example; the message says what to give.
    """
    path = Path(given) if given is not None else _measured_suite(project, route)
    try:
        key = (path, path.stat().st_mtime_ns)
    except OSError as problem:
        raise SuiteError(f"examples={str(given)!r}: the suite cannot be read: {problem.strerror}") from None
    if key not in _found:
        _found[key] = load_examples(path)
    if not _found[key]:
        raise SuiteError(f"{path.name} holds no worked example, which the variant in force shows")
    return _found[key]


def _measured_suite(project: Project, route: Route) -> Path:
    rule = project.routing.get_rule(route.model, route.phase)
    premises: Mapping[str, object] = (rule.premises if rule is not None else None) or {}
    names = [name.removeprefix(_PREMISE) for name in premises if name.startswith(_PREMISE)]
    files = [path for path in project_files(project.settings.folder) if path.stem in names]
    if len(files) == 1:
        return files[0]
    reason = "the rule in force names no suite"
    if names:
        found = ", ".join(str(path.relative_to(project.settings.folder)) for path in files) or "none"
        reason = f"of the suite {' or '.join(names)} {found} is below {project.settings.folder}"
    raise SuiteError(
        f"the way in force shows the worked examples of a suite, and {reason}: name its file, as in "
        'examples="benchmarks/items.jsonl"'
    )
