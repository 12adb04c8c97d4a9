"""Replay: an item's reply is handed to its test body, and what the body makes of it becomes a trial."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pytest

from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.cost import cost_of_result
from pytest_selfopt.planning.plan import PlannedTrial
from pytest_selfopt.specs.variants import read_reply
from pytest_selfopt.trial import CallError, CallResult, ErrorKind, Outcome, Reply, Trial

EVIDENCE_VERSION = 1
MAX_REASON = 300
MAX_SHOWN = 20_000
"""Characters of a reply that a report shows."""
MAX_EVIDENCE = 16_384
"""Characters of evidence; what is longer is none."""

NO_KEYWORDS: dict[str, Any] = {}
"""Those of a report whose keywords nobody asks for."""

_TIMED_OUT = re.compile(r"Timeout (>|\()")


class CallFailed(SelfoptError):
    """The call of a trial gave no usable answer."""

    def __init__(self, error: CallError) -> None:
        super().__init__(f"{error.kind}: {error.message}")
        self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What came back for an item: the call's result, and the reply as the test body sees it (if there is one)."""

    result: CallResult
    reply: Reply | None


def parse_reply(planned: PlannedTrial, result: CallResult) -> Received:
    """Read the tool calls out of a reply in the manner of the spec that asked; a conversation was read step by step."""
    reply = result.reply
    if reply is not None and reply.conversation is None:
        reply = read_reply(reply, planned.variant)
    return Received(result=result, reply=reply)


def classify_outcome(call: pytest.CallInfo[None]) -> tuple[Outcome, ErrorKind | None, str] | None:
    """The outcome that a test body's end stands for, with its reason; None when it decided nothing (a skip)."""
    if call.excinfo is None:
        return Outcome.PASS, None, ""
    problem = call.excinfo.value
    reason = _one_line(str(problem)) or type(problem).__name__
    if isinstance(problem, pytest.skip.Exception):
        return None
    if isinstance(problem, CallFailed):
        return Outcome.ERROR, problem.error.kind, _one_line(problem.error.message)
    if isinstance(problem, pytest.fail.Exception) and _TIMED_OUT.match(str(problem)):
        return Outcome.ERROR, ErrorKind.TIMEOUT, reason
    if isinstance(problem, AssertionError | pytest.fail.Exception):
        return Outcome.MISS, None, reason
    return Outcome.ERROR, ErrorKind.TEST, f"{type(problem).__name__}: {reason}"


def classify_phase(call: pytest.CallInfo[None]) -> tuple[Outcome, ErrorKind | None, str] | None:
    """The outcome that one of an item's three phases stands for; what fails around the body is an error of the test."""
    if call.when == "call":
        return classify_outcome(call)
    return Outcome.ERROR, ErrorKind.TEST, f"{call.when} failed: {call.excinfo and call.excinfo.value}"


def make_trial(
    planned: PlannedTrial,
    received: Received | None,
    outcome: tuple[Outcome, ErrorKind | None, str],
    model: ModelConfig,
) -> Trial:
    """The trial that a judged item amounts to."""
    verdict, kind, reason = outcome
    reply = received.reply if received else None
    result = received.result if received else None
    return Trial(
        phase=planned.key.phase,
        spec=planned.key.spec,
        case=planned.key.case,
        run=planned.key.run,
        outcome=verdict,
        restraint=planned.case.restraint,
        called=reply is not None and planned.case.oversteps(reply),
        error_kind=kind,
        reason=reason,
        case_hash=planned.case.content_hash,
        started=result.started if result else 0.0,
        ended=result.ended if result else 0.0,
        latency_s=reply.latency_s if reply else None,
        load_s=reply.load_s if reply else None,
        tokens_in=reply.tokens_in if reply else None,
        tokens_out=reply.tokens_out if reply else None,
        cost_usd=cost_of_result(result, model) if result else 0.0,
        attempts=result.attempts if result else 0,
        first_try=result.first_try if result else True,
        waited_s=result.waited_s if result else 0.0,
        in_flight=result.in_flight if result else 0,
        lane=result.lane if result else "",
        lane_seq=result.lane_seq if result else 0,
        served_model=_one_line(reply.served_model) if reply else "",
    )


def set_evidence(report: pytest.TestReport, evidence: str | None) -> None:
    """Put evidence on a report: what is in its `__dict__` travels with it from an xdist worker to the controller."""
    vars(report)["selfopt"] = evidence


def get_evidence(report: pytest.CollectReport | pytest.TestReport) -> str | None:
    """The evidence on a report; None where there is none."""
    evidence: str | None = vars(report).get("selfopt")
    return evidence


def to_evidence(trial: Trial) -> str:
    """The trial as the text that travels on a report: ASCII JSON, version first, of bounded size."""
    return json.dumps({"version": EVIDENCE_VERSION, **trial.to_json()}, ensure_ascii=True)


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
    cut = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}… ({len(text):,} characters)"
    return cut.encode("utf-8", "backslashreplace").decode("utf-8")


def _one_line(text: str) -> str:
    first = " ".join(text.split())
    return first if len(first) <= MAX_REASON else first[: MAX_REASON - 1] + "…"
