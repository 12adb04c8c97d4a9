"""Replay: an item's reply is handed to its test body, and what the body makes of it becomes a trial."""

from __future__ import annotations

import json
import re
from functools import lru_cache

import pytest

from pytest_selfopt.execution.replies import CallFailed, one_line
from pytest_selfopt.trial import ErrorKind, Outcome, Trial

EVIDENCE_VERSION = 1
MAX_SHOWN = 20_000
"""Characters of a reply that a report shows."""
MAX_EVIDENCE = 16_384
"""Characters of evidence; what is longer is none."""

_TIMED_OUT = re.compile(r"Timeout (>|\()")


def classify_outcome(call: pytest.CallInfo[None]) -> tuple[Outcome, ErrorKind | None, str] | None:
    """The outcome that a test body's end stands for, with its reason; None when it decided nothing (a skip)."""
    if call.excinfo is None:
        return Outcome.PASS, None, ""
    problem = call.excinfo.value
    name = type(problem).__name__
    reason = one_line(str(problem)) or name
    if isinstance(problem, pytest.skip.Exception):
        return None
    if isinstance(problem, CallFailed):
        return Outcome.ERROR, problem.error.kind, one_line(problem.error.message)
    if isinstance(problem, pytest.fail.Exception) and _TIMED_OUT.match(str(problem)):
        return Outcome.ERROR, ErrorKind.TIMEOUT, reason
    if isinstance(problem, AssertionError | pytest.fail.Exception):
        return Outcome.MISS, None, reason
    return Outcome.ERROR, ErrorKind.TEST, f"{name}: {reason}"


def classify_phase(call: pytest.CallInfo[None]) -> tuple[Outcome, ErrorKind | None, str] | None:
    """The outcome that one of an item's three phases stands for; what fails around the body is an error of the test."""
    if call.when == "call":
        return classify_outcome(call)
    problem = call.excinfo and call.excinfo.value
    return Outcome.ERROR, ErrorKind.TEST, f"{call.when} failed: {problem}"


def set_evidence(report: pytest.TestReport, evidence: str | None) -> None:
    """Put evidence on a report: what is in its `__dict__` travels with it from an xdist worker to the controller."""
    vars(report)["selfopt"] = evidence


def get_evidence(report: pytest.CollectReport | pytest.TestReport) -> str | None:
    """The evidence on a report; None where the report has no evidence."""
    evidence: str | None = vars(report).get("selfopt")
    return evidence


def to_evidence(trial: Trial) -> str:
    """The trial as the text that travels on a report: ASCII JSON, version first, of bounded size."""
    evidence = {"version": EVIDENCE_VERSION, **trial.to_json()}
    return json.dumps(evidence, ensure_ascii=True)


@lru_cache(maxsize=4)  # several hooks read the same report
def from_evidence(text: str) -> Trial:
    """The inverse of `to_evidence`.

    Raises:
        ValueError: when the text is no evidence of this version, or longer than any is.
    """
    if len(text) > MAX_EVIDENCE:
        raise ValueError(f"{len(text):,} characters are more than any evidence has")
    value = json.loads(text)
    if not isinstance(value, dict) or value.pop("version", None) != EVIDENCE_VERSION:
        raise ValueError("no evidence of a version this plugin reads")
    try:
        return Trial.from_json(value)
    except (KeyError, TypeError) as problem:
        raise ValueError(f"not what a trial has: {problem}") from None


def portable(text: str) -> str:
    """A text as it can travel from a worker and be printed: of bounded size, and without what no encoding has."""
    if len(text) > MAX_SHOWN:
        text = f"{text[:MAX_SHOWN]}… ({len(text):,} characters)"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
