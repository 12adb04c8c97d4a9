"""What a session leaves for machines: JSON, a report of tests, a suite of gates in JUnit, annotations, a summary."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_selfopt.console.encoding import shown
from pytest_selfopt.cycle.gate import GateOutcome
from pytest_selfopt.cycle.history_entry import metrics_entry
from pytest_selfopt.cycle.phase_run import PhaseRun
from pytest_selfopt.errors import StateError
from pytest_selfopt.export.ctrf import ctrf
from pytest_selfopt.export.junit_github import summary, with_gates, workflow_commands
from pytest_selfopt.loop.cycle import Conclusion
from pytest_selfopt.loop.evaluate import Metrics
from pytest_selfopt.loop.gates import GateResult
from pytest_selfopt.routing.atomic_files import write_atomically
from pytest_selfopt.session.terminal.messages import why_undecided
from pytest_selfopt.session.terminal.writer import encoding_of_output
from pytest_selfopt.settings import Mode
from pytest_selfopt.trial import Outcome, Trial

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_selfopt.cycle.result import CycleResult
    from pytest_selfopt.report.publish import PublishedReport

VERSION = 1


def build_outcome(result: CycleResult, status: int) -> dict[str, Any]:
    """The outcome of a session in the form of `report/outcome.schema.json`; `status` is its exit status."""
    gate = result.settings.mode is Mode.GATE
    why = ""
    if result.problem:
        why = result.problem
    elif result.status != "decided":
        why = why_undecided(result)[0]
    gated = [_gated(one, result.phases[one.phase]) for one in result.gated]
    phases = gated or [_concluded(one, result.phases[one.phase]) for one in result.conclusions]
    return {
        "version": VERSION,
        "kind": "gate" if gate else "cycle",
        "cycle": result.cycle or None,
        "status": int(status),
        "why": why,
        "began": round(result.began, 3),
        "seconds": round(result.took_s, 3),
        "phases": phases,
    }


def _gated(one: GateOutcome, phase: PhaseRun) -> dict[str, Any]:
    return {
        "phase": one.phase,
        "in_force": one.spec,
        "baseline": one.spec,
        "compared_with": one.beside,
        "specs": [_spec(phase, one.metrics, one.gates)],
        "diagnoses": [],
    }


def _concluded(one: Conclusion, phase: PhaseRun) -> dict[str, Any]:
    judged = {judgement.spec: judgement for judgement in one.judgements}
    specs = []
    for spec, metrics in one.metrics.items():
        judgement = judged.get(spec)
        gates = one.gates if spec == one.in_force.id else judgement.gates if judgement else ()
        verdict, sentence = (str(judgement.verdict), judgement.sentence) if judgement else (None, "")
        specs.append(_spec(phase, metrics, gates, verdict, sentence))
    return {
        "phase": one.phase,
        "in_force": one.in_force.id,
        "baseline": one.baseline.id,
        "compared_with": None,
        "specs": specs,
        "diagnoses": [{"kind": str(each.kind), "sentence": each.sentence} for each in one.diagnoses],
    }


def _spec(
    phase: PhaseRun, metrics: Metrics, gates: tuple[GateResult, ...], verdict: str | None = None, sentence: str = ""
) -> dict[str, Any]:
    low, high = metrics.accuracy_interval
    return {
        "spec": metrics.spec,
        "verdict": verdict,
        "sentence": sentence,
        "metrics": {**metrics_entry(metrics), "accuracy_interval": [low, high]},
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
        "cases": _cases(phase.trials(metrics.spec)),
    }


def _cases(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """How each case went, in the order of the suite; `reason` is that of the first answer that was not right."""
    by_case: dict[str, list[Trial]] = {}
    for trial in trials:
        by_case.setdefault(trial.case, []).append(trial)
    return [
        {
            "case": case,
            "trials": len(of_case),
            "passes": sum(one.outcome is Outcome.PASS for one in of_case),
            "errors": sum(one.outcome is Outcome.ERROR for one in of_case),
            "seconds": round(sum(one.latency_s or 0.0 for one in of_case), 3),
            "reason": next((one.reason for one in of_case if one.outcome is not Outcome.PASS), ""),
        }
        for case, of_case in by_case.items()
    ]


def write_outputs(
    outcome: dict[str, Any], published: PublishedReport | None, config: pytest.Config, environment: Mapping[str, str]
) -> list[str]:
    """Write what was asked for and what a build server reads; a sentence for each that could not be written.

    JUnit is written by pytest before, and gets a suite of its own here. The summary of a job is the cycle's report;
    where there is none, it is the outcome in short.
    """
    problems: list[str] = []

    def write(what: str, path: Path, text: str) -> None:
        try:
            write_atomically(path, text)
        except (OSError, StateError) as problem:
            problems.append(f"{what} could not be written: {problem}")

    if config.getoption("selfopt_json"):
        write("--selfopt-json", Path(config.getoption("selfopt_json")), json.dumps(outcome, indent=2) + "\n")
    if config.getoption("selfopt_ctrf"):
        report_of_tests = ctrf(outcome, report_id=str(uuid.uuid4()), version=metadata.version("pytest-selfopt"))
        write("--selfopt-ctrf", Path(config.getoption("selfopt_ctrf")), json.dumps(report_of_tests, indent=2) + "\n")
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
                file.write((published.markdown if published else "") or summary(outcome))
        except OSError as problem:
            problems.append(f"the job summary could not be written: {problem}")
    return problems


def annotate(outcome: Mapping[str, Any], terminal: TerminalReporter) -> None:
    """Tell GitHub which gates did not pass, where it listens."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in workflow_commands(outcome):
            terminal.write_line(shown(line, encoding_of_output()))
