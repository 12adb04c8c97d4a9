"""The outcome of a session on GitHub: annotations, and a summary in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pytest_selfopt.console.verdict_text import Answers, JudgedCandidate, PhaseVerdict, is_too_expensive
from pytest_selfopt.export.outcome import (
    BEYOND_DOUBT,
    Outcome,
    gates_in_force,
    is_uncompared,
    kind_of,
    lost_first,
    specs_in_force,
)
from pytest_selfopt.specs.spec import parse_spec, short_difference

_MOST_CASES = 8
"""Cases of a phase that are annotated: GitHub shows ten annotations of a level in a step."""


def workflow_commands(outcome: Outcome) -> list[str]:
    """Return workflow commands for the gates that the specs in force did not pass, and a gate's worst cases.

    https://docs.github.com/actions/reference/workflow-commands-for-github-actions
    """
    lines = []
    for phase in outcome["phases"]:
        for gate in gates_in_force(phase):
            if not gate["passed"]:
                command = _command(phase["phase"], gate)
                lines.append(command)
        if outcome["kind"] == "gate":
            lines += _case_commands(phase)
        if is_uncompared(phase):
            title = _property(f"selfopt {phase['phase']}: not compared")
            lines.append(f"::warning title={title}::{_data('compared with ' + phase['compared_with'])}")
    if outcome["why"]:
        lines.append(f"::warning title=selfopt::{_data(outcome['why'])}")
    return lines


def _command(phase: str, gate: Mapping[str, Any]) -> str:
    """Return the workflow command for a gate that did not pass."""
    level = "warning"
    if gate["asks"] == BEYOND_DOUBT:
        level = "error"
    title = _property(f"selfopt {phase}: {gate['name']}")
    return f"::{level} title={title}::{_data(gate['sentence'])}"


def _case_commands(phase: Mapping[str, Any]) -> Iterator[str]:
    """Yield workflow commands for the worst cases of a phase that does not pass its gates, at their lines."""
    if all(gate["passed"] for gate in gates_in_force(phase)):
        return
    for spec in specs_in_force(phase):
        for case in lost_first(spec["cases"])[:_MOST_CASES]:
            yield _case_command(phase["phase"], case)


def _case_command(phase: str, case: Mapping[str, Any]) -> str:
    answers, before = case["trials"] - case["errors"], case.get("before")
    level, sentence = "warning", f"{case['passes']} of {answers} answers right"
    if case["errors"]:
        sentence += f", {case['errors']} calls without one"
    if before:
        sentence += f", {before['passes']} of {before['answers']} before"
        if answers and not case["passes"] and before["passes"] == before["answers"]:
            level = "error"
    place = f"file={_property(case['file'])},line={case['line']}"
    title = _property(f"selfopt {phase}: {case['case']}")
    return f"::{level} {place},title={title}::{_data(sentence + ': ' + case['reason'])}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def summary(outcome: Outcome) -> str:
    """Return the outcome as Markdown: the verdict in a sentence, then a table for each phase."""
    verdict = VERDICTS.get(outcome["status"], "not decided")
    lines = [f"## selfopt {outcome['kind']}: {verdict}", ""]
    if outcome["why"]:
        lines += [_cell(outcome["why"]), ""]
    for phase in outcome["phases"]:
        lines += [f"### {_cell(phase['phase'])}", "", *_verdict_lines(outcome, phase), ""]
        lines += _table(_SPEC_COLUMNS, map(_spec_row, phase["specs"]))
        rows = list(map(_gate_row, gates_in_force(phase)))
        if rows:
            lines += ["", *_table(_GATE_COLUMNS, rows)]
        for diagnosis in phase["diagnoses"]:
            sentence = _cell(diagnosis["sentence"])
            lines.append(f"- {diagnosis['kind']}: {sentence}")
        lines.append("")
    return "\n".join(lines) + "\n"


def _verdict_lines(outcome: Outcome, phase: Mapping[str, Any]) -> list[str]:
    """Return the lines on what is in force and, after a cycle, the verdict in the words of terminal and report."""
    in_force = f"in force: `{phase['in_force']}`"
    if outcome["kind"] != "cycle":
        return [in_force]
    verdict = _phase_verdict(phase)
    sentence = f"{verdict.text}."
    if verdict.verdict:
        sentence = f"{verdict.verdict}: {sentence}"
    return [_cell(sentence), "", in_force]


def _phase_verdict(phase: Mapping[str, Any]) -> PhaseVerdict:
    baseline = parse_spec(phase["baseline"])
    answers: dict[str, Answers] = {}
    candidates: list[JudgedCandidate] = []
    winner = None
    for spec in phase["specs"]:
        right = sum(case["passes"] for case in spec["cases"])
        missing = sum(case["errors"] for case in spec["cases"])
        given = spec["metrics"]["trials"] - missing
        cost = spec["metrics"].get("cost_usd")
        if cost is not None and given:
            cost = 1_000 * cost / given
        answers[spec["spec"]] = Answers(right=right, given=given, missing=missing, cost_of_1000_usd=cost)
        if spec["verdict"] is None:
            continue
        name = short_difference(baseline, parse_spec(spec["spec"]))
        # An outcome of an older version has no claim.
        claim = spec.get("claim", "")
        expensive = is_too_expensive(gate["name"] for gate in spec["gates"] if not gate["passed"])
        candidate = JudgedCandidate(
            spec=spec["spec"],
            name=name,
            verdict=spec["verdict"],
            claim=claim,
            too_expensive=expensive,
            is_older=spec.get("began_earlier", False),
        )
        candidates.append(candidate)
        if spec["verdict"] == "PROMOTE" and spec["spec"] == phase["in_force"]:
            winner = spec["spec"]
    return PhaseVerdict(
        winner=winner,
        candidates=candidates,
        before=answers.get(phase["baseline"]),
        after=answers.get(phase["in_force"]),
    )


VERDICTS = {0: "passed", 1: "failed", 10: "not enough evidence"}


_SPEC_COLUMNS = ("spec", "verdict", "accuracy", "median", "trials")
_GATE_COLUMNS = ("", "gate", "what was found")
_WORDS = {"": "pass", "failure": "**FAIL**", "error": "unsettled"}


def _spec_row(spec: Mapping[str, Any]) -> tuple[str, ...]:
    metrics = spec["metrics"]
    accuracy = median = ""
    if metrics["accuracy"] is not None:
        accuracy = f"{metrics['accuracy']:.3f}"
    if metrics["latency_median_s"] is not None:
        median = f"{metrics['latency_median_s']:.2f} s"
    return (
        f"`{spec['spec']}`",
        spec["verdict"] or "in force",
        accuracy,
        median,
        str(metrics["trials"]),
    )


def _gate_row(gate: Mapping[str, Any]) -> tuple[str, ...]:
    return _WORDS[kind_of(gate)], gate["name"], gate["sentence"]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = []
    for row in (head, ["---"] * len(head), *rows):
        cells = " | ".join(map(_cell, row))
        lines.append(f"| {cells} |")
    return lines


def _cell(text: str) -> str:
    """Put a text on one line and escape it, so that no reply can break out of the table."""
    return re.sub(r"\s+", " ", text).replace("|", "\\|").replace("<", "&lt;")
