"""Cases of several turns in whole sessions: the same loop, with a conversation where a call would be."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.conftest import Project, said
from tests.acceptance.test_gates import EXTENDED, TWO_SPECS
from tests.ledger_file import open_ledger

Make = Callable[..., Project]
CASES = 9
QUIET = 3
STEPS = 4 * CASES + 3 * QUIET
"""Two answers a turn where something is called, one where nothing is."""


def talk_lines() -> list[dict[str, Any]]:
    """Conversations over a store of notes; in some of them the model has to ask first."""
    lines: list[dict[str, Any]] = [
        {"environment": {"id": "notes", "class": "pytest_selfopt.bench.worlds:Notes", "start": {"notes": {"list": ""}}}}
    ]
    for number in range(CASES):
        add = {"name": "append_to_note", "arguments": {"title": "list", "text": f"thing {number}"}}
        label = {"name": "label_note", "arguments": {"title": "list", "label": f"label {number}"}}
        lines.append(
            {
                "id": f"two-{number}",
                "environment": "notes",
                "turns": [f"Add thing {number}.", f"Label it label {number}."],
                "expect": {"reference": [add, label], "calls": [add, label], "in_order": True},
            }
        )
    for number in range(QUIET):
        add = {"name": "append_to_note", "arguments": {"title": "list", "text": f"part {number}"}}
        lines.append(
            {
                "id": f"ask-{number}",
                "environment": "notes",
                "turns": [f"Add it {number}.", f"Add part {number}."],
                "expect": {"reference": [add], "no_call_in": [1]},
            }
        )
    return lines


def able(**when: Any) -> dict[str, Any]:
    """A script by which every task is done under a condition."""
    rules = []
    for number in range(CASES):
        for prompt, name, arguments in (
            (f"thing {number}.", "append_to_note", {"title": "list", "text": f"thing {number}"}),
            (f"label {number}.", "label_note", {"title": "list", "label": f"label {number}"}),
        ):
            call = {"name": name, "arguments": arguments}
            rules.append({"when": {"prompt": prompt, "step": 0, **when}, "then": {"call": call}})
    for number in range(QUIET):
        call = {"name": "append_to_note", "arguments": {"title": "list", "text": f"part {number}"}}
        rules.append({"when": {"prompt": f"part {number}.", "step": 0, **when}, "then": {"call": call}})
    return {"rules": rules, "default": {"text": "What do you mean?"}}


def conversing(project: Make, script: dict[str, Any], extra: str = TWO_SPECS) -> Project:
    made = project(script)
    made.write_suite(talk_lines())
    made.pytester.makepyfile(test_items=EXTENDED)
    made.configure(extra)
    return made


@pytest.mark.parametrize("wire", ["openai", "ollama", "anthropic"])
def test_a_model_completes_turns_in_every_format(project: Make, wire: str) -> None:
    made = conversing(project, able())
    address = made.server.base_url if wire == "openai" else made.server.address
    made.configure(
        f'[tool.selfopt.providers.desk]\nwire = "{wire}"\nbase_url = "{address}"\n'
        '[tool.selfopt.phases.extended]\nbaseline = "desk/model/extended/native_api/t60/r1/i0"\n'
    )
    made.run("-q").assert_outcomes(passed=CASES + QUIET)
    assert made.server.seen.asked == STEPS
    made.server.play(able(native=False))
    result = made.run("-q")
    result.assert_outcomes(failed=CASES + QUIET)
    assert "expected append_to_note(title='list', text='thing 0') at its place in the order" in said(result)


def test_the_loop_promotes_the_working_spec(project: Make) -> None:
    made = conversing(project, able(constrained=True))
    result = made.run("--selfopt-cycle")
    assert result.ret == 0
    assert "PROMOTE schema: fixed" in said(result)
    (entry,) = made.history()
    metrics = entry["metrics"]
    after, before = metrics[entry["baseline_after"]], metrics[entry["baseline_before"]]
    assert (before["accuracy"], after["accuracy"], after["restraint"]) == (0.0, 1.0, 1.0)
    assert after["attempts"] == STEPS * len(after["run_accuracies"])
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        query = "SELECT reply FROM call WHERE spec LIKE '%schema%' AND \"case\" = 'items/two-0'"
        reply = json.loads(ledger.execute(query).fetchone()[0])
    steps = reply["conversation"]["steps"]
    assert [step["turn"] for step in steps] == [1, 1, 2, 2]
    states = [state["notes"]["list"] for state in reply["conversation"]["states"]]
    assert states == [{"labels": labels, "text": "thing 0"} for labels in ([], ["label 0"])]
    routed = made.run("-q")
    routed.assert_outcomes(passed=CASES + QUIET)


def test_a_budget_counts_answers_and_resumes(project: Make) -> None:
    made = conversing(project, able())
    stopped = made.run("--selfopt-cycle", "--selfopt-max-calls", "100")
    assert stopped.ret == 10
    assert made.server.seen.asked == 100
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        finished = ledger.execute("SELECT coalesce(sum(attempts), 0) FROM call").fetchone()[0]
    result = made.run("--selfopt-cycle", "--selfopt-resume", "--selfopt-max-calls", "100000")
    assert result.ret == 0
    (entry, *_) = [one for one in made.history() if "metrics" in one]
    everything = sum(one["attempts"] for one in entry["metrics"].values())
    assert made.server.seen.asked - 100 == everything - finished


def test_a_broken_environment_is_never_masked(project: Make) -> None:
    made = conversing(project, able())
    made.pytester.makepyfile(
        broken="""
        from pytest_selfopt.bench.worlds import Notes

        class Broken(Notes):
            def call(self, call):
                raise ZeroDivisionError("a bug of the benchmark")
        """
    )
    lines = talk_lines()
    lines[0]["environment"]["class"] = "broken:Broken"
    for line in lines[1:]:
        line["expect"] = {"calls": [{"name": "append_to_note", "arguments": {"title": "list", "text": ["a", "b"]}}]}
    made.write_suite(lines)
    result = made.run("--selfopt-cycle")
    assert result.ret == 1
    assert "ZeroDivisionError: a bug of the benchmark" in said(result)
