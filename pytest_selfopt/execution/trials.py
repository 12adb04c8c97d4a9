"""What comes back for a trial: the reply as its test sees it, and the trial that it amounts to once it is judged."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.cost import cost_of_result
from pytest_selfopt.planning.plan import PlannedTrial
from pytest_selfopt.specs.variants import read_reply
from pytest_selfopt.trial import CallError, CallResult, ErrorKind, Outcome, Reply, Trial

MAX_REASON = 300


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
        served_model=one_line(reply.served_model) if reply else "",
    )


def one_line(text: str) -> str:
    """A text in one line of at most `MAX_REASON` characters."""
    first = " ".join(text.split())
    return first if len(first) <= MAX_REASON else first[: MAX_REASON - 1] + "…"
