"""Promptfoo's scenarios: each of their data with each of their tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_selfopt.bench.call_format import show
from pytest_selfopt.bench.importing.imported import Imported
from pytest_selfopt.bench.importing.promptfoo.references import referenced


def scenario_tests(
    document: Mapping[str, Any], path: Path, imported: Imported
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield place and value of each test of the scenarios; list in `imported` those that cannot be read."""
    scenarios = document.get("scenarios") or []
    if not isinstance(scenarios, list):
        imported.leave(f"{path.name}: scenarios", f"expected a list of scenarios, got {show(scenarios)}")
        return
    for index, scenario in enumerate(scenarios):
        place = f"{path.name}: scenarios[{index}]"
        try:
            yield from _tests_of(scenario, place, document)
        except ValueError as problem:
            imported.leave(place, str(problem))


def _tests_of(scenario: Any, place: str, document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not isinstance(scenario, Mapping):
        raise ValueError(f"expected a scenario as an object with 'config' and 'tests', got {show(scenario)}")
    tests = scenario.get("tests", [{}])
    for field, values in (("config", scenario.get("config")), ("tests", tests)):
        if not isinstance(values, list) or not all(isinstance(value, Mapping) for value in values):
            raise ValueError(f"its {field} are no list of objects but {show(values)}")
    for number, data in enumerate(scenario["config"]):
        for index, test in enumerate(tests):
            yield (
                f"{place}.config[{number}].tests[{index}]",
                _merged(referenced(data, document), referenced(test, document)),
            )


def _merged(data: Mapping[str, Any], test: Mapping[str, Any]) -> dict[str, Any]:
    """Return a test with its data: what both have is the test's, but for variables, options and assertions."""
    merged = {**data, **test}
    for field in ("vars", "options"):
        parts = [part.get(field) or {} for part in (data, test)]
        if not all(isinstance(part, Mapping) for part in parts):
            raise ValueError(f"its {field} are no object")
        merged[field] = {**parts[0], **parts[1]}
    asserted: list[Any] = []
    for part in (data, test):
        assertions = part.get("assert") or []
        if not isinstance(assertions, list):
            raise ValueError(f"its assertions are no list but {show(assertions)}")
        asserted.extend(assertions)
    merged["assert"] = asserted
    return merged
