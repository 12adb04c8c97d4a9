"""What a session came to as a report of tests in the Common Test Report Format, for tools that read that.

https://ctrf.io/docs/specification
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pytest_selfopt.export.junit_github import BEYOND_DOUBT, SUITE, Outcome, gates_of

SPEC_VERSION = "0.1.0"
"""Of the format."""

_STATES = ("passed", "failed", "skipped", "pending", "other")


def ctrf(outcome: Outcome, *, report_id: str, version: str) -> dict[str, Any]:
    """The outcome as such a report; `report_id` is a UUID, `version` that of this package.

    Tests are the gates of each spec (*failed* beyond doubt, *other* where the evidence is short) and the cases of what
    is in force: *passed* where all answers are right, *other* where not, because a wrong answer fails nothing by
    itself; the gates judge. A case with right and wrong answers is flaky.
    """
    tests = [*_gates(outcome), *_cases(outcome)]
    began, ended = outcome["began"], outcome["began"] + outcome["seconds"]
    counts = {state: sum(test["status"] == state for test in tests) for state in _STATES}
    return {
        "reportFormat": "CTRF",
        "specVersion": SPEC_VERSION,
        "reportId": report_id,
        "timestamp": datetime.fromtimestamp(ended, UTC).isoformat(),
        "generatedBy": "pytest-selfopt",
        "results": {
            "tool": {"name": "pytest-selfopt", "version": version},
            "summary": {
                "tests": len(tests),
                **counts,
                "flaky": sum(test.get("flaky", False) for test in tests),
                "suites": len({tuple(test["suite"]) for test in tests}),
                "start": _ms(began),
                "stop": _ms(ended),
                "extra": {name: outcome[name] for name in ("kind", "cycle", "status", "why")},
            },
            "tests": tests,
        },
    }


def _gates(outcome: Outcome) -> Iterator[dict[str, Any]]:
    for phase, spec, gate in gates_of(outcome):
        refused = "failed" if gate["asks"] == BEYOND_DOUBT else "other"
        yield {
            "name": gate["name"],
            "status": "passed" if gate["passed"] else refused,
            "duration": 0,
            "suite": [SUITE, phase, spec],
            "message": gate["sentence"],
            "extra": {name: gate[name] for name in ("value", "limit", "asks")},
        }


def _cases(outcome: Outcome) -> Iterator[dict[str, Any]]:
    for phase in outcome["phases"]:
        for spec in phase["specs"]:
            if spec["spec"] == phase["in_force"]:
                yield from (_case(case, phase["phase"], spec["spec"]) for case in spec["cases"])


def _case(case: Mapping[str, Any], phase: str, spec: str) -> dict[str, Any]:
    right = case["passes"] == case["trials"]
    found = {
        "name": case["case"],
        "status": "passed" if right else "other",
        "rawStatus": f"{case['passes']} of {case['trials']} right",
        "duration": _ms(case["seconds"]),
        "suite": [phase, spec],
        "flaky": 0 < case["passes"] < case["trials"],
        "extra": {name: case[name] for name in ("trials", "passes", "errors")},
    }
    return found if right else {**found, "message": case["reason"]}


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
