"""The evidence on pytest's reports: the outcome of a test body as a trial, in text that can travel."""

from __future__ import annotations

import json
from functools import lru_cache

import pytest

from pytest_selfopt.execution.replies import CallFailed
from pytest_selfopt.export.outcome import CASE, RESULT
from pytest_selfopt.session.judgement import PASSED, Judgement, classify_exception
from pytest_selfopt.trial import ErrorKind, Outcome, Trial

EVIDENCE_VERSION = 1
MAX_SHOWN = 20_000
"""The most characters of a reply that a report shows."""
MAX_EVIDENCE = 16_384
"""The most characters of evidence; a longer text is not evidence."""


def classify_outcome(call: pytest.CallInfo[None]) -> Judgement | None:
    """Classify the end of a test body: outcome, error kind and reason; None if it did not judge (skip, xfail)."""
    if call.excinfo is None:
        return PASSED
    return classify_exception(call.excinfo.value)


def classify_phase(call: pytest.CallInfo[None]) -> Judgement | None:
    """Classify one of an item's three phases; a failure outside the body is an error of the test."""
    if call.when == "call":
        return classify_outcome(call)
    problem = call.excinfo and call.excinfo.value
    if isinstance(problem, CallFailed):
        # A fixture waited for the reply.
        return classify_exception(problem)
    return Outcome.ERROR, ErrorKind.TEST, f"{call.when} failed: {str(problem) or type(problem).__name__}"


def set_evidence(report: pytest.TestReport, evidence: str | None) -> None:
    """Put evidence on a report, in its `__dict__`, which travels from an xdist worker to the controller."""
    vars(report)["selfopt"] = evidence


def get_evidence(report: pytest.CollectReport | pytest.TestReport) -> str | None:
    """Return the evidence on a report; None without any."""
    evidence: str | None = vars(report).get("selfopt")
    return evidence


def mark_as_part(report: pytest.TestReport) -> None:
    """Mark a report as one on a part of a trial, of which only the item's own report tells the outcome."""
    report.outcome = "passed"
    report.longrepr = None
    vars(report).pop("wasxfail", None)
    vars(report)["selfopt_part"] = True


def is_part(report: pytest.CollectReport | pytest.TestReport) -> bool:
    """Whether a report is one on a part of a trial."""
    return "selfopt_part" in vars(report)


def attach_trial(report: pytest.TestReport, trial: Trial) -> None:
    """Put a trial on the report that ends it; unlike the evidence, a mark that its call gave no answer stays there."""
    set_evidence(report, to_evidence(trial))
    if trial.outcome is Outcome.ERROR and trial.error_kind is not ErrorKind.TEST:
        vars(report)["selfopt_unanswered"] = True


def properties_of(trial: Trial) -> list[tuple[str, object]]:
    """Return the properties of a trial for reports such as JUnit, where tests are named by their cases."""
    properties: list[tuple[str, object]] = [
        (CASE, portable(trial.case)),
        ("selfopt.phase", trial.phase),
        ("selfopt.spec", trial.spec),
        ("selfopt.run", trial.run),
        (RESULT, trial.outcome.value),
    ]
    if trial.reason:
        properties.append(("selfopt.reason", portable(trial.reason)))
    return properties


def is_unanswered(report: pytest.CollectReport | pytest.TestReport) -> bool:
    """Whether an item failed because its call gave no answer, and not because of a wrong one or of its test."""
    return report.failed and "selfopt_unanswered" in vars(report)


def to_evidence(trial: Trial) -> str:
    """Serialize a trial for a report: ASCII JSON, version first, of bounded size."""
    evidence = {"version": EVIDENCE_VERSION, **trial.to_json()}
    return json.dumps(evidence, ensure_ascii=True)


@lru_cache(maxsize=4)  # several hooks read the same report
def from_evidence(text: str) -> Trial:
    """Parse a trial; the inverse of `to_evidence`.

    Raises:
        ValueError: if the text is not evidence of this version, or is too long.
    """
    if len(text) > MAX_EVIDENCE:
        raise ValueError(f"{len(text):,} characters exceed the limit of evidence")
    value = json.loads(text)
    if not isinstance(value, dict) or value.pop("version", None) != EVIDENCE_VERSION:
        raise ValueError("no evidence of a version this plugin reads")
    try:
        return Trial.from_json(value)
    except (KeyError, TypeError) as problem:
        raise ValueError(f"not what a trial has: {problem}") from None


def portable(text: str) -> str:
    """Return a text that can be sent and printed: of bounded size, and without lone surrogates."""
    if len(text) > MAX_SHOWN:
        text = f"{text[:MAX_SHOWN]}… ({len(text):,} characters)"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
