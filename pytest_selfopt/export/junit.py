"""The outcome of a session in the JUnit report that pytest wrote: a suite of gates, and tests named by their cases."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

from pytest_selfopt.export.outcome import CASE, MISSED, RESULT, SUITE, Outcome, gates_of, kind_of, place_of

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def with_gates(report: str, outcome: Outcome) -> str:
    """Add a suite for the gates to a JUnit report, and name the tests of trials by their cases.

    Spec and run are properties of a test, so that no promotion renames it. A wrong answer is no failure, because the
    gates judge; a call without an answer is an error. A gate that fails beyond doubt for what is in force is a failure;
    an unsettled one is an error.

    Raises:
        ValueError: if the report is not one as pytest writes it.
    """
    try:
        root = ET.fromstring(report)  # noqa: S314 (pytest has written it in this session)
    except ET.ParseError as problem:
        raise ValueError(f"it is not a JUnit report written by pytest: {problem}") from None
    if root.tag != "testsuites":
        raise ValueError("it is not a JUnit report written by pytest")
    for suite in root.iter("testsuite"):
        _name_by_cases(suite)
    root.append(_gates(outcome))
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>{text}'


def _name_by_cases(suite: ET.Element) -> None:
    """Name the tests of trials by their cases, and take wrong answers off the failures."""
    missed = 0
    for test in suite.iter("testcase"):
        known = {one.get("name"): one.get("value") for one in test.iter("property")}
        if CASE not in known:
            continue
        test.set("name", known[CASE] or "")
        failure = test.find("failure")
        if known[RESULT] == MISSED and failure is not None:
            test.remove(failure)
            missed += 1
    suite.set("failures", str(int(suite.get("failures", "0")) - missed))


def _gates(outcome: Outcome) -> ET.Element:
    """Return the suite of the gates, with the outcome of the session as its properties."""
    suite = ET.Element("testsuite", name=SUITE, skipped="0", time=f"{outcome['seconds']:.3f}")
    properties = ET.SubElement(suite, "properties")
    head = dict(outcome)
    del head["phases"]
    _add_property(properties, "selfopt.outcome", head)
    for phase in outcome["phases"]:
        _add_property(properties, f"selfopt.{phase['phase']}", phase["in_force"])
    kinds: Counter[str] = Counter()
    for phase, spec, gate in gates_of(outcome):
        kind = ""
        if spec == phase["in_force"]:
            kind = kind_of(gate)
        kinds[kind] += 1
        _add_gate(suite, ".".join(place_of(phase, spec)), spec, gate, kind)
    suite.set("tests", str(kinds.total()))
    suite.set("failures", str(kinds["failure"]))
    suite.set("errors", str(kinds["error"]))
    return suite


def _add_gate(suite: ET.Element, classname: str, spec: str, gate: Mapping[str, Any], kind: str) -> None:
    case = ET.SubElement(suite, "testcase", classname=classname, name=gate["name"], time="0")
    properties = ET.SubElement(case, "properties")
    _add_property(properties, "spec", spec)
    for name in ("value", "limit", "passed", "asks"):
        _add_property(properties, name, gate[name])
    if kind:
        ET.SubElement(case, kind, message=_NOT_XML.sub("�", gate["sentence"]))


def _add_property(properties: ET.Element, name: str, value: Any) -> None:
    text = json.dumps(value, ensure_ascii=True)
    ET.SubElement(properties, "property", name=name, value=text)
