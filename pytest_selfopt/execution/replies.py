"""The reply of a trial as its test sees it, and the judged trial that is made from it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.cost import cost_of_result
from pytest_selfopt.planning.plan import PlannedTrial
from pytest_selfopt.redaction.known import redact_written
from pytest_selfopt.specs.variants import read_reply
from pytest_selfopt.trial import CallError, CallResult, ErrorKind, Outcome, Reply, Trial

MAX_REASON = 300


class CallFailed(SelfoptError):
    """A call without a usable answer."""

    def __init__(self, error: CallError) -> None:
        super().__init__(f"{error.kind}: {error.message}")
        self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """The result of an item's call, and the reply as the test body sees it (None without one)."""

    result: CallResult
    reply: Reply | None


def parse_reply(planned: PlannedTrial, result: CallResult) -> Received:
    """Parse the tool calls in a reply by its spec's variant; a conversation was parsed step by step."""
    reply = result.reply
    if reply is not None and reply.conversation is None:
        reply = read_reply(reply, planned.variant, has_tools=bool(planned.case.tools))
    return Received(result=result, reply=reply)


def make_trial(
    planned: PlannedTrial,
    received: Received | None,
    outcome: tuple[Outcome, ErrorKind | None, str],
    model: ModelConfig,
) -> Trial:
    """Make the trial of a judged item."""
    verdict, kind, reason = outcome
    # A call that was never made cost nothing and took no attempt.
    trial = Trial(
        phase=planned.key.phase,
        spec=planned.key.spec,
        case=planned.key.case,
        run=planned.key.run,
        outcome=verdict,
        restraint=planned.case.restraint,
        error_kind=kind,
        reason=redact_written(reason),
        case_hash=planned.case.content_hash,
        weight=planned.case.weight,
        cost_usd=0.0,
        attempts=0,
        in_flight=0,
    )
    if received is None:
        return trial
    trial = _with_result(trial, received.result, model)
    came = received.reply or received.result.received
    if came is None:
        return trial
    called = received.reply is not None and planned.case.oversteps(received.reply)
    return _with_reply(trial, came, called=called)


def _with_result(
    trial: Trial,
    result: CallResult,
    model: ModelConfig,
) -> Trial:
    """Return the trial with the times, the cost and the lane of its call."""
    return replace(
        trial,
        started=result.started,
        ended=result.ended,
        cost_usd=cost_of_result(result, model),
        attempts=result.attempts,
        first_try=result.first_try,
        waited_s=result.waited_s,
        in_flight=result.in_flight,
        lane=result.lane,
        lane_seq=result.lane_seq,
    )


def _with_reply(trial: Trial, reply: Reply, *, called: bool) -> Trial:
    """Return the trial with the latency and the tokens of what came; `called` is whether it calls a tool."""
    return replace(
        trial,
        called=called,
        latency_s=reply.latency_s,
        load_s=reply.load_s,
        tokens_in=reply.tokens_in,
        tokens_out=reply.tokens_out,
        served_model=one_line(reply.served_model),
        finish_reason=one_line(reply.finish_reason),
        copied=one_line(reply.copied),
    )


def one_line(text: str) -> str:
    """Return a text in one line of at most `MAX_REASON` characters."""
    line = " ".join(text.split())
    if len(line) <= MAX_REASON:
        return line
    return line[: MAX_REASON - 1] + "…"
