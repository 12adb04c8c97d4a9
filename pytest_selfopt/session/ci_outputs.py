"""The outputs for build servers: JSON, CTRF, a suite of gates in JUnit, annotations, and a job summary."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_selfopt.bench.loading.suites import Suite
from pytest_selfopt.console.encoding import in_encoding, one_line
from pytest_selfopt.console.sanitize import without_marked_commands
from pytest_selfopt.console.verdict_text import PASSED, describe_not_chosen, shown_verdict
from pytest_selfopt.cycle.build_gate import Comparison, GateOutcome
from pytest_selfopt.cycle.history_entry import gate_entry, metrics_entry
from pytest_selfopt.cycle.phase_run import PhaseRun
from pytest_selfopt.errors import StateError
from pytest_selfopt.export.comment import comment
from pytest_selfopt.export.ctrf import ctrf
from pytest_selfopt.export.github import summary, workflow_commands
from pytest_selfopt.export.junit import with_gates
from pytest_selfopt.loop.cycle import Conclusion
from pytest_selfopt.loop.evaluate import Metrics
from pytest_selfopt.loop.gates.gate_result import GateResult
from pytest_selfopt.loop.recorded import right_by_case
from pytest_selfopt.redaction.known import redact_written
from pytest_selfopt.routing.atomic_files import write_atomically
from pytest_selfopt.session.terminal.headlines import is_older
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
    """Build the outcome of a session in the form of `report/outcome.schema.json`; `status` is its exit status."""
    kind = "cycle"
    if result.settings.mode is Mode.GATE:
        kind = "gate"
    why = ""
    if result.problem:
        why = result.problem
    elif result.status != "decided":
        why = why_undecided(result)[0]
    elif result.silent:
        why = "; ".join(f"{phase}: {reason}" for phase, reason in result.silent.items())
    phases: list[dict[str, Any]] = []
    for outcome in result.gated:
        phase = result.phases[outcome.phase]
        phases.append(_gated(outcome, phase))
    if not phases:
        for conclusion in result.conclusions:
            phase = result.phases[conclusion.phase]
            phases.append(_concluded(conclusion, phase))
    return {
        "version": VERSION,
        "kind": kind,
        "cycle": result.cycle or None,
        "status": int(status),
        "why": why,
        "began": round(result.began, 3),
        "seconds": round(result.took_s, 3),
        "phases": phases,
    }


def _gated(outcome: GateOutcome, phase: PhaseRun) -> dict[str, Any]:
    return {
        "phase": outcome.phase,
        "in_force": outcome.spec,
        "baseline": outcome.spec,
        "compared_with": outcome.compared.beside,
        "compared_cases": _compared_cases(outcome.compared),
        "specs": [_spec(phase, outcome.metrics, outcome.gates, before=outcome.compared.before)],
        "diagnoses": [],
    }


def _compared_cases(compared: Comparison) -> dict[str, Any] | None:
    if not compared.is_wanted:
        return None
    changes = compared.changes
    return {
        "compared": list(changes.compared),
        "new": list(changes.new),
        "changed": list(changes.changed),
        "gone": list(changes.gone),
    }


def _concluded(conclusion: Conclusion, phase: PhaseRun) -> dict[str, Any]:
    judged = {judgement.spec: judgement for judgement in conclusion.judgements}
    specs: list[dict[str, Any]] = []
    for spec, metrics in conclusion.metrics.items():
        gates: tuple[GateResult, ...] = ()
        verdict, sentence, claim, began_earlier = None, "", "", False
        judgement = judged.get(spec)
        if judgement is not None:
            gates = judgement.gates
            chosen = judgement is conclusion.pick.winner
            verdict = shown_verdict(str(judgement.verdict), chosen=chosen)
            sentence = judgement.sentence
            if verdict == PASSED:
                sentence = f"{describe_not_chosen(conclusion.beside_winner(spec))}; {judgement.grounds}"
            claim = judgement.claim
            began_earlier = is_older(conclusion, judgement)
        if spec == conclusion.in_force.id:
            gates = conclusion.gates
        before: Sequence[Trial] = ()
        if spec == conclusion.in_force.id != conclusion.baseline.id:
            before = phase.trials(conclusion.baseline.id)
        specs.append(_spec(phase, metrics, gates, verdict, sentence, claim, before=before, began_earlier=began_earlier))
    diagnoses: list[dict[str, str]] = []
    for diagnosis in conclusion.diagnoses:
        kind = str(diagnosis.kind)
        diagnoses.append({"kind": kind, "sentence": diagnosis.sentence})
    return {
        "phase": conclusion.phase,
        "in_force": conclusion.in_force.id,
        "baseline": conclusion.baseline.id,
        "compared_with": None,
        "compared_cases": None,
        "specs": specs,
        "diagnoses": diagnoses,
    }


def _spec(
    phase: PhaseRun,
    metrics: Metrics,
    gates: Sequence[GateResult],
    verdict: str | None = None,
    sentence: str = "",
    claim: str = "",
    *,
    before: Sequence[Trial] = (),
    began_earlier: bool = False,
) -> dict[str, Any]:
    numbers = metrics_entry(metrics)
    numbers["accuracy_interval"] = list(metrics.accuracy_interval)
    return {
        "spec": metrics.spec,
        "verdict": verdict,
        "sentence": sentence,
        "claim": claim,
        "metrics": numbers,
        "gates": list(map(gate_entry, gates)),
        "cases": _cases(phase, phase.trials(metrics.spec), before),
        "began_earlier": began_earlier,
    }


def _cases(phase: PhaseRun, trials: Sequence[Trial], before: Sequence[Trial]) -> list[dict[str, Any]]:
    """Return the result of each case, in the order of the suite."""
    by_case: dict[str, list[Trial]] = {}
    for trial in trials:
        by_case.setdefault(trial.case, []).append(trial)
    places = _places(phase.suites)
    right_before = right_by_case(before)
    cases: list[dict[str, Any]] = []
    for name, of_case in by_case.items():
        file, line = places[name]
        case = {**_case(name, of_case), "file": file, "line": line, "before": None}
        if name in right_before:
            right, answers = right_before[name]
            case["before"] = {"passes": right, "answers": answers}
        cases.append(case)
    return cases


def _places(suites: Sequence[Suite]) -> dict[str, tuple[str, int]]:
    """Return file and line of each case; a file below the checkout on GitHub, or the working directory, from there."""
    here = Path(os.environ.get("GITHUB_WORKSPACE") or Path.cwd())
    places: dict[str, tuple[str, int]] = {}
    for suite in suites:
        path = suite.path
        if path.is_relative_to(here):
            path = path.relative_to(here)
        for case in suite.cases:
            line = case.source.rpartition(":")[2]
            places[case.key] = (path.as_posix(), int(line))
    return places


def _case(case: str, trials: Sequence[Trial]) -> dict[str, Any]:
    """Return the result of one case; `seconds` is the time of all its answers."""
    outcomes = [trial.outcome for trial in trials]
    seconds = sum(trial.latency_s or 0.0 for trial in trials)
    return {
        "case": case,
        "trials": len(trials),
        "passes": outcomes.count(Outcome.PASS),
        "errors": outcomes.count(Outcome.ERROR),
        "seconds": round(seconds, 3),
        "reason": _first_reason(trials),
    }


def _first_reason(trials: Sequence[Trial]) -> str:
    """Return the reason of the first answer that was not right; empty if all were."""
    for trial in trials:
        if trial.outcome is not Outcome.PASS:
            return trial.reason
    return ""


def write_outputs(
    outcome: dict[str, Any], published: PublishedReport | None, config: pytest.Config, environment: Mapping[str, str]
) -> list[str]:
    """Write the configured outputs; return a sentence for each that could not be written.

    Pytest has already written JUnit, which gets another suite here. The job summary is the cycle's report, or else a
    short form of the outcome.
    """
    problems = [
        _write_json(outcome, config),
        _write_ctrf(outcome, config),
        _write_comment(outcome, config),
        _add_gates_to_junit(outcome, config),
        _write_job_summary(outcome, published, environment),
    ]
    return list(filter(None, problems))


def _write_json(outcome: dict[str, Any], config: pytest.Config) -> str:
    """Write the outcome as JSON, if configured; return the problem, if any."""
    path = config.getoption("selfopt_json")
    if not path:
        return ""
    return _write("--selfopt-json", Path(path), _json_text(outcome))


def _write_ctrf(outcome: dict[str, Any], config: pytest.Config) -> str:
    """Write the outcome as CTRF, if configured; return the problem, if any."""
    path = config.getoption("selfopt_ctrf")
    if not path:
        return ""
    version = metadata.version("pytest-selfopt")
    tests = ctrf(outcome, report_id=str(uuid.uuid4()), version=version)
    return _write("--selfopt-ctrf", Path(path), _json_text(tests))


def _write_comment(outcome: dict[str, Any], config: pytest.Config) -> str:
    """Write the outcome as a comment for a pull request, if configured; return the problem, if any."""
    path = config.getoption("selfopt_comment")
    if not path:
        return ""
    return _write("--selfopt-comment", Path(path), redact_written(comment(outcome)))


def _add_gates_to_junit(outcome: dict[str, Any], config: pytest.Config) -> str:
    """Add a suite of gates to the report that pytest wrote, if any; return the problem, if any."""
    report = config.getoption("xmlpath", None)
    if not report or not Path(report).exists():
        return ""
    try:
        junit = with_gates(Path(report).read_text("utf-8"), outcome)
    except (OSError, ValueError) as problem:
        return f"{report} could not be read: {problem}"
    return _write("the suite of gates in JUnit", Path(report), junit)


def _write_job_summary(
    outcome: dict[str, Any], published: PublishedReport | None, environment: Mapping[str, str]
) -> str:
    """Append to the job summary on GitHub, if the session runs there; return the problem, if any."""
    page = environment.get("GITHUB_STEP_SUMMARY")
    if environment.get("GITHUB_ACTIONS") != "true" or not page:
        return ""
    try:
        _append_summary(Path(page), outcome, published)
    except OSError as problem:
        return f"the job summary could not be written: {problem}"
    return ""


def _write(what: str, path: Path, text: str) -> str:
    try:
        write_atomically(path, text)
    except (OSError, StateError) as problem:
        return f"{what} could not be written: {problem}"
    return ""


def _json_text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2) + "\n"


def _append_summary(page: Path, outcome: Mapping[str, Any], published: PublishedReport | None) -> None:
    with page.open("a", encoding="utf-8") as file:
        markdown = ""
        if published:
            markdown = published.markdown
        file.write(redact_written(markdown or summary(outcome)))


def annotate(outcome: Mapping[str, Any], terminal: TerminalReporter) -> None:
    """Annotate the gates that did not pass, on GitHub Actions."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in workflow_commands(outcome):
            text = in_encoding(without_marked_commands(one_line(redact_written(line))), encoding_of_output())
            terminal.write_line(text)
