"""The outcome of a session for build servers: JUnit, GitHub annotations, and a summary in Markdown.

All of them render the value that `--selfopt-json` writes (`outcome.schema.json`).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from pytest_selfopt.console.verdict_text import Answers, JudgedCandidate, PhaseVerdict, is_too_expensive
from pytest_selfopt.specs.spec import parse_spec, short_difference

Outcome = Mapping[str, Any]
"""The value that `--selfopt-json` writes."""

SUITE = "selfopt gates"

_END = "</testsuites>"
BEYOND_DOUBT = "REJECT"
"""The verdict asked for by a gate that failed, and not only for lack of evidence."""

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def gates_of(outcome: Outcome) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield each gate with its phase and spec."""
    for phase in outcome["phases"]:
        for spec in phase["specs"]:
            for gate in spec["gates"]:
                yield phase["phase"], spec["spec"], gate


def with_gates(report: str, outcome: Outcome) -> str:
    """Add a suite for the gates to a JUnit report: a test case for each spec and gate.

    A gate that fails beyond doubt is a failure; an unsettled gate is an error.

    Raises:
        ValueError: if the report does not end as pytest's reports do.
    """
    before, end, after = report.rpartition(_END)
    if not end:
        raise ValueError("it is not a JUnit report written by pytest")
    suite = ET.tostring(_suite(outcome), encoding="unicode")
    return f"{before}{suite}{end}{after}"


def _suite(outcome: Outcome) -> ET.Element:
    """Return the suite of the gates, with the outcome of the session as its properties."""
    gates = list(gates_of(outcome))
    kinds = Counter(_kind(gate) for _, _, gate in gates)
    suite = ET.Element(
        "testsuite",
        name=SUITE,
        tests=str(len(gates)),
        failures=str(kinds["failure"]),
        errors=str(kinds["error"]),
        skipped="0",
        time=f"{outcome['seconds']:.3f}",
    )
    properties = ET.SubElement(suite, "properties")
    head = dict(outcome)
    del head["phases"]
    _add_property(properties, "selfopt.outcome", head)
    for phase in outcome["phases"]:
        _add_property(properties, f"selfopt.{phase['phase']}", phase["in_force"])
    for phase_name, spec, gate in gates:
        _add_test_case(suite, f"{phase_name}.{spec}", gate)
    return suite


def _kind(gate: Mapping[str, Any]) -> str:
    """Return JUnit's word for a gate's result; empty if the gate passed."""
    if gate["passed"]:
        return ""
    if gate["asks"] == BEYOND_DOUBT:
        return "failure"
    return "error"


def _add_test_case(suite: ET.Element, classname: str, gate: Mapping[str, Any]) -> None:
    case = ET.SubElement(suite, "testcase", classname=classname, name=gate["name"], time="0")
    numbers = ET.SubElement(case, "properties")
    for name in ("value", "limit"):
        _add_property(numbers, name, gate[name])
    kind = _kind(gate)
    if kind:
        message = _NOT_XML.sub("�", gate["sentence"])
        ET.SubElement(case, kind, message=message)


def _add_property(properties: ET.Element, name: str, value: Any) -> None:
    text = json.dumps(value, ensure_ascii=True)
    ET.SubElement(properties, "property", name=name, value=text)


def workflow_commands(outcome: Outcome) -> list[str]:
    """Return workflow commands for the gates that the specs in force did not pass.

    https://docs.github.com/actions/reference/workflow-commands-for-github-actions
    """
    lines = []
    for phase in outcome["phases"]:
        for gate in _gates_in_force(phase):
            if not gate["passed"]:
                command = _command(phase["phase"], gate)
                lines.append(command)
    if outcome["why"]:
        lines.append(f"::warning title=selfopt::{_data(outcome['why'])}")
    return lines


def _gates_in_force(phase: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the gates of the spec in force in a phase."""
    for spec in phase["specs"]:
        if spec["spec"] == phase["in_force"]:
            yield from spec["gates"]


def _command(phase: str, gate: Mapping[str, Any]) -> str:
    """Return the workflow command for a gate that did not pass."""
    level = "warning"
    if gate["asks"] == BEYOND_DOUBT:
        level = "error"
    title = _property(f"selfopt {phase}: {gate['name']}")
    return f"::{level} title={title}::{_data(gate['sentence'])}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def summary(outcome: Outcome) -> str:
    """Return the outcome as Markdown: the verdict in a sentence, then a table for each phase."""
    verdict = _VERDICT.get(outcome["status"], "not decided")
    lines = [f"## selfopt {outcome['kind']}: {verdict}", ""]
    if outcome["why"]:
        lines += [_cell(outcome["why"]), ""]
    for phase in outcome["phases"]:
        lines += [f"### {_cell(phase['phase'])}", "", *_verdict_lines(outcome, phase), ""]
        lines += _table(_SPEC_COLUMNS, map(_spec_row, phase["specs"]))
        rows = list(map(_gate_row, _gates_in_force(phase)))
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


_VERDICT = {0: "passed", 1: "failed", 10: "not enough evidence"}


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
    return _WORDS[_kind(gate)], gate["name"], gate["sentence"]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = []
    for row in (head, ["---"] * len(head), *rows):
        cells = " | ".join(map(_cell, row))
        lines.append(f"| {cells} |")
    return lines


def _cell(text: str) -> str:
    """Put a text on one line and escape it, so that no reply can break out of the table."""
    return re.sub(r"\s+", " ", text).replace("|", "\\|").replace("<", "&lt;")
