"""Weights of cases count in accuracy, and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.acceptance.conftest import CALLS, LONG_CASES, MODEL, RESTRAINT, Project, long_suite, right, said, suite_lines

CASES = CALLS + RESTRAINT
WEIGHT = 4
ACCURACY = (LONG_CASES - 1) / (LONG_CASES - 1 + WEIGHT)


def test_weights_count_in_accuracy(long_project: Callable[..., Project]) -> None:
    # Nothing ever finds the first item, which counts much.
    made = long_project({"rules": right()[1:]})
    lines = long_suite()
    for line in lines:
        if line.get("id") == "item-0":
            line["weight"] = WEIGHT
    made.write_suite(lines)
    result = made.run("--selfopt-cycle", "--selfopt-json=out.json", "-n2")
    assert "weighted accuracy" in said(result)
    (phase,) = json.loads((made.path / "out.json").read_text())["phases"]
    numbers = phase["specs"][0]["metrics"]
    assert numbers["accuracy"] == pytest.approx(ACCURACY)
    low, high = numbers["accuracy_interval"]
    assert low < ACCURACY < high
    stored = made.history()[0]["metrics"][phase["baseline"]]
    assert (stored["passes"], stored["trials"]) == (3 * (LONG_CASES - 1), 3 * LONG_CASES)
    report = made.selfopt("report", "--format", "md").stdout
    assert f"{ACCURACY:.3f} (" in report
    assert f"{3 * (LONG_CASES - 1)} of {3 * LONG_CASES} answers, weighted" in report
    assert made.selfopt("decide").returncode == 0
    assert f"{ACCURACY:.3f} (" in made.selfopt("profile", MODEL).stdout
    made.write_routing([])
    made.configure("[tool.selfopt.gate]\nmin_accuracy = 0.9")
    gate = made.run("--selfopt-gate")
    assert gate.ret in (1, 10)
    assert f"accuracy {ACCURACY:.3f} (33 of 36, weighted; " in said(gate)


def test_weighted_gain_is_told_apart(project: Callable[..., Project]) -> None:
    # Only with a constrained format the items are found, and hellos count much.
    made = project({"rules": right(constrained=True)})
    lines = suite_lines()
    for line in lines:
        if line.get("id", "").startswith("hello"):
            line["weight"] = WEIGHT
    made.write_suite(lines)
    assert "PROMOTE" in said(made.run("--selfopt-cycle"))
    history = made.selfopt("history").stdout
    assert f"{CALLS / (CALLS + RESTRAINT * WEIGHT):+.3f} in weighted accuracy" in history
    assert "accuracy, weighted where cases have weights, of what is in force in atomic" in history
    for command in (["why", MODEL, "atomic"], ["decide"]):
        assert f"Gain by answer, weights aside, {CALLS / CASES:+.3f}" in made.selfopt(*command).stdout
