"""Cases that are expected to fail count neither way, and are seen when they begin to pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pytest_selfopt.ledger.ledger import Ledger
from tests.acceptance.conftest import CALLS, RESTRAINT, Project, call, right, said, suite_lines

REASON = "the model knows no Latin"
COUNTED = CALLS + RESTRAINT


def expecting(*names: str) -> list[dict[str, Any]]:
    """The usual suite, with two further cases; those of these names are expected to fail."""
    lines = suite_lines()
    for name, prompt in {"passing": "Find item 0.", "failing": "Inveni rem."}.items():
        lines.append({"id": name, "prompt": prompt, "tools": ["look_up"], "expect": {"call": call("0")}})
    for line in lines:
        if line.get("id") in names:
            line["expected_failure"] = REASON
    return lines


@pytest.fixture
def made(project: Callable[..., Project]) -> Project:
    made = project({"rules": right()})
    made.write_suite(expecting("passing", "failing"))
    return made


def test_plain_session_xfails(made: Project) -> None:
    result = made.run("-rxX")
    result.assert_outcomes(passed=COUNTED, xfailed=1, xpassed=1)
    assert result.ret == 0
    result.stdout.fnmatch_lines([f"XFAIL *-failing-run0] - {REASON}", f"XPASS *-passing-run0] - {REASON}"])


def test_cycle_and_gate_count_neither_way(made: Project) -> None:
    result = made.run("--selfopt-cycle", "-n2", "--selfopt-json=out.json")
    news = f"begins to pass: items/passing (3 of 3 runs; reason: {REASON}): remove expected_failure"
    assert said(result).count("begins to pass") == 1
    assert news in said(result)
    assert "and 6 calls to see whether expected failures begin to pass" in said(result)
    result.assert_outcomes(passed=(4 + 2) * COUNTED, xfailed=3, xpassed=3)
    specs = json.loads((made.path / "out.json").read_text())["phases"][0]["specs"]
    numbers = max((spec["metrics"] for spec in specs), key=lambda metrics: metrics["trials"])
    assert (numbers["trials"], numbers["accuracy"]) == (COUNTED * 3, 1.0)
    # Candidates are not asked.
    with Ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        assert ledger.expected_failures(1, "atomic") == {"items/passing": (3, 3), "items/failing": (0, 3)}
        assert ledger.totals().calls - ledger.totals().trials == 6
    report = made.selfopt("report", "--format", "md").stdout
    assert f"**items/failing**, right 0 of 3: {REASON}" in report
    assert made.selfopt("decide").returncode == 0
    made.write_routing([])
    made.configure("[tool.selfopt.gate]\nmin_accuracy = 0.7\nmin_restraint = 0.4")
    gate = made.run("--selfopt-gate")
    assert gate.ret == 0, said(gate)
    assert f"accuracy 1.000 ({3 * COUNTED} of {3 * COUNTED}" in said(gate)
    assert news in said(gate)


def test_suite_of_nothing_else_is_refused(made: Project) -> None:
    made.write_suite(expecting(*(line["id"] for line in expecting() if "id" in line)))
    result = made.run("--selfopt-cycle")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "every case is an expected failure" in said(result) + result.stderr.str()
    assert not made.server.seen.asked


def test_error_stays_an_error(project: Callable[..., Project]) -> None:
    made = project({"rules": [{"when": {"prompt": "Inveni"}, "then": {"status": 400}}, *right()]})
    made.write_suite(expecting("failing"))
    made.run().assert_outcomes(passed=COUNTED + 1, errors=1)
