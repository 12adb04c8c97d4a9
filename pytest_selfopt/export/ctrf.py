"""The outcome of a session as a test report in the Common Test Report Format.

https://ctrf.io/docs/specification
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pytest_selfopt.export.documents import fields
from pytest_selfopt.export.outcome import SUITE, Outcome, gates_of, kind_of, place_of, specs_in_force

SPEC_VERSION = "0.1.0"
"""The version of the format."""

_STATES = ("passed", "failed", "skipped", "pending", "other")


def ctrf(outcome: Outcome, *, report_id: str, version: str) -> dict[str, Any]:
    """Return the outcome as a CTRF report; `report_id` is a UUID, `version` that of this package.

    Tests are the gates of each spec and the cases of what is in force. *Failed* is what is a failure or an error in
    JUnit: a gate that what is in force does not pass, and a case with a call without an answer. *Other* are gates that
    a candidate does not pass, and cases with wrong answers, which fail nothing by themselves: the gates judge. A case
    with right and wrong answers is flaky.
    """
    tests = [*_gates(outcome), *_cases(outcome)]
    ended = outcome["began"] + outcome["seconds"]
    return {
        "reportFormat": "CTRF",
        "specVersion": SPEC_VERSION,
        "reportId": report_id,
        "timestamp": datetime.fromtimestamp(ended, UTC).isoformat(),
        "generatedBy": "pytest-selfopt",
        "results": {
            "tool": {"name": "pytest-selfopt", "version": version},
            "summary": _summary(outcome, tests),
            "tests": tests,
        },
    }


def _summary(outcome: Outcome, tests: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    states: Counter[str] = Counter()
    suites = set[tuple[str, ...]]()
    flaky = 0
    for test in tests:
        states[test["status"]] += 1
        suites.add(tuple(test["suite"]))
        flaky += test.get("flaky", False)
    began = outcome["began"]
    return {
        "tests": len(tests),
        **{state: states[state] for state in _STATES},
        "flaky": flaky,
        "suites": len(suites),
        "start": _ms(began),
        "stop": _ms(began + outcome["seconds"]),
        "extra": fields(outcome, "kind", "cycle", "status", "why"),
    }


def _gates(outcome: Outcome) -> Iterator[dict[str, Any]]:
    for phase, spec, gate in gates_of(outcome):
        yield {
            "name": gate["name"],
            "status": _status(gate, in_force=spec == phase["in_force"]),
            "rawStatus": _RAW[kind_of(gate)],
            "duration": 0,
            "suite": [SUITE, *place_of(phase, spec)],
            "message": gate["sentence"],
            "extra": {"spec": spec, **fields(gate, "value", "limit", "asks")},
        }


_RAW = {"": "passed", "failure": "failed", "error": "unsettled"}


def _status(gate: Mapping[str, Any], *, in_force: bool) -> str:
    if gate["passed"]:
        return "passed"
    if in_force:
        return "failed"
    return "other"


def _cases(outcome: Outcome) -> Iterator[dict[str, Any]]:
    for phase in outcome["phases"]:
        for spec in specs_in_force(phase):
            for case in spec["cases"]:
                yield _case(case, phase["phase"], spec["spec"])


def _case(case: Mapping[str, Any], phase: str, spec: str) -> dict[str, Any]:
    passes, answers = case["passes"], case["trials"] - case["errors"]
    test = {
        "name": case["case"],
        "status": "passed",
        "rawStatus": f"{passes} of {answers} right",
        "duration": _ms(case["seconds"]),
        "suite": [phase],
        "flaky": 0 < passes < answers,
        "extra": {"spec": spec, **fields(case, "trials", "passes", "errors")},
    }
    if passes != answers:
        test["status"] = "other"
    if case["errors"]:
        test["status"] = "failed"
    if test["status"] != "passed":
        test["message"] = case["reason"]
    if "file" in case:
        test["filePath"], test["line"] = case["file"], case["line"]
    return test


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
