"""The files of the state directory have the fields that docs/reference/files.md describes, and no others."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from pytest_selfopt.routing.decisions import read_decisions
from tests.acceptance.conftest import Project, right
from tests.packages import ROOT

PAGE = (ROOT / "docs/reference/files.md").read_text()


def described(file: str) -> dict[str, str]:
    """The fields of a file with what is said of each."""
    part = PAGE.split(f"\n## {file}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1:3] for line in part.splitlines() if line.startswith("| `")]
    return {name: meaning for names, meaning in rows for name in re.findall(r"`(\w+)`", names)}


def named(text: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", text))


def test_a_cycles_files_have_the_described_fields(project: Callable[..., Project]) -> None:
    made = project({"rules": right(constrained=True)})
    made.run("--selfopt-cycle", "--selfopt-warmup")
    (entry,) = made.history()
    fields = described("meta_loop_history.json")
    assert set(entry) | {"status"} == set(fields)
    inner: dict[str, Any] = {"metrics": next(iter(entry["metrics"].values())), "gates": entry["gates"][0]}
    inner |= {"diagnoses": entry["diagnoses"][0], "next": entry["next"], "warmups": entry["warmups"][0]}
    for name, value in inner.items():
        assert set(value) <= named(fields[name]), name
    verdicts = PAGE.split("A verdict has ")[1].split("\n")[0]
    assert {name for verdict in entry["verdicts"] for name in verdict} == named(verdicts)
    lines = read_decisions(made.path / ".selfopt" / "routing_decisions.jsonl")
    assert {name for line in lines for name in line} == set(described("routing_decisions.jsonl"))
    feedback = json.loads((made.path / ".selfopt" / "harness_feedback.json").read_text())
    fields = described("harness_feedback.json")
    assert set(feedback) == set(fields)
    assert set(feedback["recent_runs"][0]) == named(fields["recent_runs"])
    accuracy = next(iter(feedback["model_phase_accuracy"].values()))
    assert set(accuracy) <= named(fields["model_phase_accuracy"])


def test_a_session_closes_its_ledger(project: Callable[..., Project]) -> None:
    made = project({"rules": right()})
    made.run("--selfopt-cycle")
    assert [path.name for path in (made.path / ".selfopt").glob("ledger.sqlite*")] == ["ledger.sqlite"]
