"""An outage decides nothing: neither a build nor a batch, and no report takes a missing answer for a wrong one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.acceptance.conftest import CALLS, MODEL, RESTRAINT, Project, right, said

Make = Callable[..., Project]
CASES = CALLS + RESTRAINT
DOWN = {"status": 401, "message": "who are you?"}
GATE = "[tool.selfopt.gate]\nmin_accuracy = 0.9\nmin_restraint = 0.9\nmax_p95_latency = 5\nmax_cost = 1\n"


def gated(made: Project, *arguments: str) -> tuple[pytest.RunResult, dict[str, Any], ET.Element]:
    """A build's output, its outcome, and the suite of tests in its JUnit report."""
    made.configure(GATE)
    made.write_routing([{"model": MODEL, "phase": "atomic"}])
    result = made.run("--selfopt-gate", "--selfopt-json=out.json", "--junitxml=out.xml", *arguments)
    outcome: dict[str, Any] = json.loads((made.path / "out.json").read_text())
    return result, outcome, ET.parse(made.path / "out.xml").getroot()[0]


@pytest.mark.parametrize("way", [(), ("-n2",)])
def test_a_build_without_answers_is_undecided(project: Make, way: tuple[str, ...]) -> None:
    result, outcome, suite = gated(project({"default": DOWN}), *way)
    assert (result.ret, outcome["status"]) == (10, 10)
    lines = [line for line in result.outlines if line.startswith(("pass ", "FAIL ", "UNSETTLED "))]
    assert lines[0] == "UNSETTLED errors: 36 of 36 calls gave no answer (36 auth), at most 5% may"
    assert not [line for line in lines if line.startswith("FAIL")]
    assert "UNSETTLED min_accuracy: the accuracy is unknown, because nothing was answered" in said(result)
    (spec,) = outcome["phases"][0]["specs"]
    assert (spec["metrics"]["accuracy"], spec["metrics"]["trials"]) == (None, 3 * CASES)
    assert spec["gates"][0]["name"] == "errors"
    assert {gate["asks"] for gate in spec["gates"]} == {"HOLD"}
    assert (suite.get("errors"), suite.get("failures")) == ("36", "0")


def test_an_outage_is_no_wrong_answer_in_junit(project: Make) -> None:
    """Of a build that is down for some prompts and wrong on others."""
    down = [{"when": {"prompt": f"item {index}."}, "then": DOWN} for index in range(2)]
    result, outcome, suite = gated(project({"rules": [*down, *right()[:-1]], "default": {"text": "Hello!"}}))
    assert result.ret == 10
    tags = Counter(tag.tag for case in suite for tag in case if tag.tag in ("error", "failure"))
    assert tags == {"error": 6, "failure": 3}
    assert (suite.get("errors"), suite.get("failures"), suite.get("tests")) == ("6", "3", "36")
    (spec,) = outcome["phases"][0]["specs"]
    assert spec["metrics"]["accuracy"] == pytest.approx(27 / 30)
    assert "27 of 30" in said(result)


def test_a_plain_session_tells_errors_from_failures(project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # else pytest leaves the reason out of its summary, unless a build runs it
    down = [{"when": {"prompt": f"item {index}."}, "then": DOWN} for index in range(2)]
    made = project({"rules": [*down, *right()[:-1]], "default": {"text": "Hello!"}})
    result = made.run("--junitxml=out.xml")
    assert result.ret == 1
    result.assert_outcomes(passed=CASES - 3, failed=1, errors=2)
    result.stdout.fnmatch_lines(["ERROR test_items.py::*item-0* HTTP status 401: who are you?"])
    suite = ET.parse(made.path / "out.xml").getroot()[0]
    assert (suite.get("errors"), suite.get("failures")) == ("2", "1")
