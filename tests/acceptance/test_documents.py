"""The two cycles that the source documents describe, from the command line, by either rule of decision.

Their cold start is in `test_rules.py`, by either rule, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.acceptance.conftest import BASELINE, BODY, MODEL, Project, right, said, suite_lines
from tests.acceptance.test_automation import OTHER, second_model

Make = Callable[..., Project]
WINNER = f"{MODEL}/atomic/schema/t60/r1/i0"
STAND_IN = f"{OTHER}/extended/native_api/t60/r1/i0"
OF_EXTENDED = 4


def two_phases(project: Make) -> Project:
    """Atomic work of which 8 of 12 cases succeed, and 10 under a schema; extended work of which none does."""
    wrong = {"call": {"name": "look_up", "arguments": {"item": "wrong"}}}
    hello = {"when": {"prompt": "Hello"}, "then": {"text": "Hello!"}}
    task = {"when": {"prompt": "Task", "model": "model"}, "then": wrong}
    able = [{**rule, "when": {**rule["when"], "model": "other"}} for rule in right()]
    made = project({"rules": [task, hello, *right()[:5], *right(constrained=True)[:7], *able], "default": wrong})
    tool, example, *cases = suite_lines()
    tasks = [{**case, "prompt": f"Task: {case['prompt']}"} for case in cases[:OF_EXTENDED]]
    lines = [json.dumps(line) + "\n" for line in (tool, example, *tasks)]
    (made.path / "tasks.jsonl").write_text("".join(lines))
    made.pytester.makepyfile(
        test_items=BODY, test_tasks=BODY.replace('"items.jsonl"', '"tasks.jsonl", phase="extended"')
    )
    made.configure(f'[tool.selfopt.phases.extended]\nfallback = "{OTHER}"\n' + second_model(made))
    return made


@pytest.mark.parametrize("profile", ["calibrated", "classic"])
def test_the_second_cycle_uses_the_first_ones_configuration(long_project: Make, profile: str) -> None:
    made = two_phases(long_project)
    first = made.run("--selfopt-cycle", "--selfopt-profile", profile)
    assert first.ret == 0, said(first)
    assert said(first).count("candidate: variant native_api") == 2 * 3
    atomic, extended, proof = made.history()
    assert [len(entry["verdicts"]) for entry in (atomic, extended, proof)] == [3, 3, 1]
    assert (atomic["baseline_before"], atomic["winner"]) == (BASELINE, WINNER)
    assert atomic["metrics"][BASELINE]["accuracy"] == pytest.approx(0.667, abs=0.001)
    assert atomic["metrics"][WINNER]["accuracy"] == pytest.approx(0.833, abs=0.001)
    assert atomic["improvement"] == pytest.approx(0.166667)
    assert extended["metrics"][extended["baseline_before"]]["accuracy"] == 0
    assert (proof["baseline_after"], proof["metrics"][STAND_IN]["accuracy"]) == (STAND_IN, 1.0)
    rules = {(rule["model"], rule["phase"]): rule for rule in made.routing()["rules"]}
    assert rules[MODEL, "atomic"]["variant"] == "schema"
    assert (rules[MODEL, "extended"]["allow"], rules[MODEL, "extended"]["fallback_model"]) == (False, OTHER)

    made.selfopt("report", "--format", "md", "-o", "found.md")
    report = (made.path / "found.md").read_text()
    assert "| 0.667 → 0.833 (of " in report
    assert f"not allowed; falls back to {OTHER}" in report

    second = made.run("--selfopt-cycle", "--selfopt-profile", profile, "--selfopt-candidates", "1")
    assert second.ret == 0
    assert [entry["baseline_before"] for entry in made.history()[3:]] == [WINNER, STAND_IN]
    assert "pass 1 right: baseline 10/12" in said(second)
    assert f"pass 1 right: baseline {OF_EXTENDED}/{OF_EXTENDED}" in said(second)
    made.run("-q").assert_outcomes(passed=10 + OF_EXTENDED, failed=2)
