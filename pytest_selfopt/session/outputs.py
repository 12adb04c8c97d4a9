"""What a session leaves for machines: its outcome as JSON, a suite of gates in JUnit, annotations, a job summary."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_selfopt.errors import StateError
from pytest_selfopt.loop.cycle import Conclusion
from pytest_selfopt.loop.evaluate import Metrics
from pytest_selfopt.loop.gates import GateResult
from pytest_selfopt.report.outputs import summary, with_gates, workflow_commands
from pytest_selfopt.routing.files import write_atomically
from pytest_selfopt.session.closing import numbers_of
from pytest_selfopt.session.gating import Gated
from pytest_selfopt.session.summary import not_gated, undecided
from pytest_selfopt.settings import Mode

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_selfopt.session.work import Work

VERSION = 1


def outcome_of(work: Work, status: int) -> dict[str, Any]:
    """The outcome of a session in the form of `report/outcome.schema.json`; `status` is its exit status."""
    gate = work.settings.mode is Mode.GATE
    why = ""
    if work.problem:
        why = work.problem
    elif work.status != "decided":
        told = not_gated(work) if gate else undecided(work.status, work.counts, work.stopped_because, work.flaws)
        why = told[0]
    phases = [_gated(one) for one in work.gated] or [_concluded(one) for one in work.conclusions]
    return {
        "version": VERSION,
        "kind": "gate" if gate else "cycle",
        "cycle": work.cycle or None,
        "status": int(status),
        "why": why,
        "seconds": round(work.took_s, 3),
        "phases": phases,
    }


def _gated(one: Gated) -> dict[str, Any]:
    return {
        "phase": one.phase,
        "in_force": one.spec,
        "baseline": one.spec,
        "compared_with": one.beside,
        "specs": [_spec(one.spec, one.metrics, one.gates)],
        "diagnoses": [],
    }


def _concluded(one: Conclusion) -> dict[str, Any]:
    judged = {judgement.spec: judgement for judgement in one.judgements}
    specs = []
    for spec, metrics in one.metrics.items():
        judgement = judged.get(spec)
        gates = one.gates if spec == one.in_force.id else judgement.gates if judgement else ()
        verdict, sentence = (str(judgement.verdict), judgement.sentence) if judgement else (None, "")
        specs.append(_spec(spec, metrics, gates, verdict, sentence))
    return {
        "phase": one.phase,
        "in_force": one.in_force.id,
        "baseline": one.baseline.id,
        "compared_with": None,
        "specs": specs,
        "diagnoses": [{"kind": str(each.kind), "sentence": each.sentence} for each in one.diagnoses],
    }


def _spec(
    spec: str, metrics: Metrics, gates: tuple[GateResult, ...], verdict: str | None = None, sentence: str = ""
) -> dict[str, Any]:
    low, high = metrics.accuracy_interval
    return {
        "spec": spec,
        "verdict": verdict,
        "sentence": sentence,
        "metrics": {**numbers_of(metrics), "accuracy_interval": [low, high]},
        "gates": [
            {
                "name": gate.name,
                "passed": gate.passed,
                "asks": str(gate.asks),
                "value": gate.value,
                "limit": gate.limit,
                "sentence": gate.sentence,
            }
            for gate in gates
        ],
    }


def write_outputs(work: Work, config: pytest.Config, status: int, environment: Mapping[str, str]) -> list[str]:
    """Write what was asked for and what a build server reads; a sentence for each that could not be written.

    JUnit is written by pytest before, and gets a suite of its own here.
    """
    outcome = outcome_of(work, status)
    problems: list[str] = []

    def write(what: str, path: Path, text: str) -> None:
        try:
            write_atomically(path, text)
        except (OSError, StateError) as problem:
            problems.append(f"{what} could not be written: {problem}")

    if config.getoption("selfopt_json"):
        write("--selfopt-json", Path(config.getoption("selfopt_json")), json.dumps(outcome, indent=2) + "\n")
    report = config.getoption("xmlpath", None)
    if report and Path(report).exists():
        try:
            write("the suite of gates in JUnit", Path(report), with_gates(Path(report).read_text("utf-8"), outcome))
        except (OSError, ValueError) as problem:
            problems.append(f"{report} could not be read: {problem}")
    page = environment.get("GITHUB_STEP_SUMMARY")
    if environment.get("GITHUB_ACTIONS") == "true" and page:
        try:
            with Path(page).open("a", encoding="utf-8") as file:
                file.write(summary(outcome))
        except OSError as problem:
            problems.append(f"the job summary could not be written: {problem}")
    return problems


def annotate(work: Work, status: int, terminal: TerminalReporter) -> None:
    """Tell GitHub which gates did not pass, where it listens."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in workflow_commands(outcome_of(work, status)):
            terminal.write_line(line)
