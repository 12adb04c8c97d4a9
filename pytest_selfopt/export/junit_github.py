"""What a session came to, for machines and build servers: JUnit, annotations of GitHub, and a summary in Markdown.

All render one value, the outcome of a session in the form of `--selfopt-json` (`outcome.schema.json`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

Outcome = Mapping[str, Any]
"""What `--selfopt-json` writes."""

SUITE = "selfopt gates"

_END = "</testsuites>"
BEYOND_DOUBT = "REJECT"
"""What a gate asks for that has failed, and not only for lack of evidence."""

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def gates_of(outcome: Outcome) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Each gate with its phase and spec."""
    for phase in outcome["phases"]:
        for spec in phase["specs"]:
            for gate in spec["gates"]:
                yield phase["phase"], spec["spec"], gate


def with_gates(report: str, outcome: Outcome) -> str:
    """A JUnit report with a suite for the gates: a test case for each spec and gate.

    A gate that fails beyond doubt is a failure, one that is not settled an error.

    Raises:
        ValueError: when the report does not end as pytest's do.
    """
    before, end, after = report.rpartition(_END)
    if not end:
        raise ValueError("it is no JUnit report of pytest")
    found = list(gates_of(outcome))
    failed = [gate for _, _, gate in found if not gate["passed"]]
    beyond_doubt = sum(gate["asks"] == BEYOND_DOUBT for gate in failed)
    suite = ET.Element(
        "testsuite",
        name=SUITE,
        tests=str(len(found)),
        failures=str(beyond_doubt),
        errors=str(len(failed) - beyond_doubt),
        skipped="0",
        time=f"{outcome['seconds']:.3f}",
    )
    properties = ET.SubElement(suite, "properties")
    head = {name: value for name, value in outcome.items() if name != "phases"}
    for name, value in (("outcome", head), *((phase["phase"], phase["in_force"]) for phase in outcome["phases"])):
        ET.SubElement(properties, "property", name=f"selfopt.{name}", value=json.dumps(value, ensure_ascii=True))
    for phase, spec, gate in found:
        case = ET.SubElement(suite, "testcase", classname=f"{phase}.{spec}", name=gate["name"], time="0")
        numbers = ET.SubElement(case, "properties")
        for name in ("value", "limit"):
            ET.SubElement(numbers, "property", name=name, value=json.dumps(gate[name]))
        if not gate["passed"]:
            kind = "failure" if gate["asks"] == BEYOND_DOUBT else "error"
            ET.SubElement(case, kind, message=_NO_XML.sub("�", gate["sentence"]))
    return f"{before}{ET.tostring(suite, encoding='unicode')}{end}{after}"


def workflow_commands(outcome: Outcome) -> list[str]:
    """Workflow commands for the gates that did not pass, of what is in force.

    https://docs.github.com/actions/reference/workflow-commands-for-github-actions
    """
    lines = []
    for phase in outcome["phases"]:
        for spec in phase["specs"]:
            if spec["spec"] != phase["in_force"]:
                continue
            for gate in spec["gates"]:
                if not gate["passed"]:
                    kind = "error" if gate["asks"] == BEYOND_DOUBT else "warning"
                    title = f"selfopt {phase['phase']}: {gate['name']}"
                    lines.append(f"::{kind} title={_property(title)}::{_data(gate['sentence'])}")
    if outcome["why"]:
        lines.append(f"::warning title=selfopt::{_data(outcome['why'])}")
    return lines


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def summary(outcome: Outcome) -> str:
    """The outcome as Markdown: the verdict in a sentence, then a table for each phase."""
    lines = [f"## selfopt {outcome['kind']}: {_VERDICT.get(outcome['status'], 'not decided')}", ""]
    if outcome["why"]:
        lines += [_cell(outcome["why"]), ""]
    for phase in outcome["phases"]:
        lines += [f"### {_cell(phase['phase'])}", "", f"in force: `{phase['in_force']}`", ""]
        lines += _table(
            ["spec", "verdict", "accuracy", "median", "trials"],
            [
                [
                    f"`{one['spec']}`",
                    one["verdict"] or "in force",
                    f"{one['metrics']['accuracy']:.3f}",
                    "" if (median := one["metrics"]["latency_median_s"]) is None else f"{median:.2f} s",
                    str(one["metrics"]["trials"]),
                ]
                for one in phase["specs"]
            ],
        )
        gates = [gate for one in phase["specs"] if one["spec"] == phase["in_force"] for gate in one["gates"]]
        rows = [[_word(gate), gate["name"], gate["sentence"]] for gate in gates]
        lines += ["", *_table(["", "gate", "what was found"], rows)] if rows else []
        lines += [f"- {one['kind']}: {_cell(one['sentence'])}" for one in phase["diagnoses"]]
        lines.append("")
    return "\n".join(lines) + "\n"


_VERDICT = {0: "passed", 1: "failed", 10: "not enough evidence"}


def _word(gate: Mapping[str, Any]) -> str:
    return "pass" if gate["passed"] else "**FAIL**" if gate["asks"] == BEYOND_DOUBT else "unsettled"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines]


def _cell(text: str) -> str:
    """A text that no reply can break out of: on one line, without markup of its own."""
    return re.sub(r"\s+", " ", text).replace("|", "\\|").replace("<", "&lt;")
