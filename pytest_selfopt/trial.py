"""The central record: a trial, with its reply and outcome."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Any, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


class Outcome(StrEnum):
    """The outcome of a trial. An `ERROR` is the absence of an answer and never counts as a `MISS`."""

    PASS = auto()
    MISS = auto()
    ERROR = auto()


class ErrorKind(StrEnum):
    """The reason why there is no usable answer."""

    TIMEOUT = "timeout"
    CONNECTION = "connection"
    AUTH = "auth"
    RATE_LIMIT = "rate_limit"
    SERVER = "server"
    REQUEST = "request"
    MALFORMED = "malformed"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    WORKER_LOST = "worker_lost"
    """The process that made the call died, and so did those that retried it."""
    TEST = "test"
    """The test body raised an exception other than a failed judgement (a bug in the benchmark, not in the model)."""


TRANSIENT = frozenset(
    {ErrorKind.TIMEOUT, ErrorKind.CONNECTION, ErrorKind.RATE_LIMIT, ErrorKind.SERVER, ErrorKind.MALFORMED}
)
"""Errors that a retry may cure; a wrong key or request stays wrong."""


UNREACHED = frozenset({ErrorKind.RATE_LIMIT, ErrorKind.WORKER_LOST})
"""Errors that say nothing about the model: the attempt never reached it, or its result was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One tool call that a model asked for."""

    name: str
    arguments: dict[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One answer of the model in a conversation: the user's turn (from 1), the calls and their results."""

    turn: int
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    results: tuple[str, ...] = ()
    """The result of each call, as the model read it; that of a failed call begins with "error: "."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """The steps of a conversation, and the state of the simulated world after each turn."""

    steps: tuple[Step, ...]
    states: tuple[dict[str, Json], ...]
    unfinished: int | None = None
    """The turn that did not finish within its steps; None if all did."""

    @property
    def state(self) -> dict[str, Json]:
        """The final state of the world."""
        return self.states[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A model's answer, in the same form for every provider."""

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    undecodable: str = ""
    """Why a text that tries to be a tool call cannot be decoded; empty if it decodes or does not try."""
    finish_reason: str = ""
    refusal: str = ""
    served_model: str = ""
    provider_id: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None
    latency_s: float = 0.0
    load_s: float | None = None
    first_token_s: float | None = None
    conversation: Conversation | None = None
    """The steps of a case with several turns; `tool_calls` are then those of all steps, `text` is the last one's,
    tokens and latency are sums."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallError:
    """The reason why a call has no reply. The message is for people and contains no secret."""

    kind: ErrorKind
    message: str
    status: int | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAttempt:
    """A failed attempt that was retried. Times are seconds since the epoch."""

    error: CallError
    started: float
    ended: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """One finished call: either a reply or an error, with the measurements that diagnoses need.

    `started` and `ended` (seconds since the epoch) enclose all attempts; `failed_attempts` are all but the last.
    """

    reply: Reply | None = None
    error: CallError | None = None
    started: float
    ended: float
    failed_attempts: tuple[FailedAttempt, ...] = ()
    cost_usd: float | None = None
    """The cost in USD, if it does not follow from tokens and one model's prices, as for a swarm."""
    answers: int = 1
    """The number of final attempts: one, or in a conversation one per step."""
    waited_s: float = 0.0
    """Seconds in the queue before the first attempt."""
    queue_depth: int = 0
    """The number of calls to the same model that were queued behind it when it was sent."""
    in_flight: int = 1
    """The number of this process's calls to the same model in flight when it was sent, itself included."""
    lane: str = ""
    lane_seq: int = 0
    """Position of this call in its lane (what shares warmth: one model on one server), from 0."""

    @property
    def attempts(self) -> int:
        """The number of times the call was sent."""
        return len(self.failed_attempts) + self.answers

    @property
    def cancelled(self) -> bool:
        """Whether the call was abandoned before it finished; it may be made again."""
        return self.error is not None and self.error.kind is ErrorKind.CANCELLED

    @property
    def first_try(self) -> bool:
        """Whether the first attempt that reached the model gave the result."""
        return all(attempt.error.kind in UNREACHED for attempt in self.failed_attempts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The judged result of one case in one run of one spec."""

    phase: str
    spec: str
    case: str
    run: int
    outcome: Outcome
    restraint: bool = False
    """Whether the case expects no tool call."""
    called: bool = False
    """Whether the reply calls a tool, or tries to."""
    error_kind: ErrorKind | None = None
    reason: str = ""
    """One sentence on why it is a miss or an error; empty for a pass."""
    case_hash: str = ""
    started: float = 0.0
    ended: float = 0.0
    latency_s: float | None = None
    load_s: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    attempts: int = 1
    first_try: bool = True
    """Whether no attempt that reached the model failed before the final one."""
    waited_s: float = 0.0
    in_flight: int = 1
    lane: str = ""
    lane_seq: int = 0
    served_model: str = ""

    def to_json(self) -> dict[str, Json]:
        """Return all fields that differ from their defaults as plain JSON values."""
        values = ((name, getattr(self, name), field.default) for name, field in self.__dataclass_fields__.items())
        return {name: value for name, value, usual in values if value != usual}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Trial:
        """The inverse of `to_json`; fields this version does not know are ignored."""
        known = {name: value[name] for name in cls.__dataclass_fields__ if name in value}
        known["outcome"] = Outcome(known["outcome"])
        if known.get("error_kind") is not None:
            known["error_kind"] = ErrorKind(known["error_kind"])
        share_texts(known)
        return cls(**known)


_REPEATED = ("phase", "spec", "case", "case_hash", "lane", "served_model")


def share_texts(values: dict[str, Any]) -> None:
    """Intern the strings that most trials share, to save memory."""
    for name in _REPEATED:
        if name in values:
            values[name] = sys.intern(values[name])


def reply_to_json(reply: Reply) -> dict[str, Json]:
    """Return all fields of a reply as plain JSON values."""
    # Not dataclasses.asdict, whose deep copies take ten times as long; a reply is stored for every call.
    values: dict[str, Any] = {name: getattr(reply, name) for name in Reply.__dataclass_fields__}
    values["tool_calls"] = _calls_to_json(reply.tool_calls)
    if reply.conversation is not None:
        values["conversation"] = {
            "steps": [
                {
                    "turn": step.turn,
                    "text": step.text,
                    "calls": _calls_to_json(step.calls),
                    "results": list(step.results),
                }
                for step in reply.conversation.steps
            ],
            "states": list(reply.conversation.states),
            "unfinished": reply.conversation.unfinished,
        }
    return values


def reply_from_json(value: dict[str, Any]) -> Reply:
    """The inverse of `reply_to_json`; fields this version does not know are ignored."""
    known = {name: value[name] for name in Reply.__dataclass_fields__ if name in value}
    known["tool_calls"] = _calls_from_json(known.get("tool_calls", ()))
    talk = known.get("conversation")
    if talk is not None:
        steps = [
            Step(
                turn=one["turn"],
                text=one["text"],
                calls=_calls_from_json(one["calls"]),
                results=tuple(one["results"]),
            )
            for one in talk["steps"]
        ]
        known["conversation"] = Conversation(
            steps=tuple(steps), states=tuple(talk["states"]), unfinished=talk["unfinished"]
        )
    return Reply(**known)


def error_from_json(value: dict[str, Any]) -> CallError:
    """Return an error from plain JSON values."""
    return CallError(**{**value, "kind": ErrorKind(value["kind"])})


def attempt_from_json(value: dict[str, Any]) -> FailedAttempt:
    """Return a failed attempt from plain JSON values."""
    return FailedAttempt(error=error_from_json(value["error"]), started=value["started"], ended=value["ended"])


def _calls_to_json(calls: tuple[ToolCall, ...]) -> list[Json]:
    return [{"name": call.name, "arguments": call.arguments} for call in calls]


def _calls_from_json(values: Any) -> tuple[ToolCall, ...]:
    return tuple(ToolCall(name=call["name"], arguments=call["arguments"]) for call in values)
