"""The central record: a trial, with its reply and outcome."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
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
    EMPTY = "empty"
    """The model ended its reply without saying anything: neither text nor a call."""
    CUT_OFF = "cut_off"
    """The reply reached the limit of tokens before the model said anything, as when all of them went into thinking."""
    REFUSED = "refused"
    QUOTA = "quota"
    """The provider's quota, credit or daily limit is used up; asking again is in vain for a long time."""
    CANCELLED = "cancelled"
    WORKER_LOST = "worker_lost"
    """The process that made the call died, and so did those that retried it."""
    TEST = "test"
    """The test body raised an exception other than a failed judgement (a bug in the benchmark, not in the model)."""


TRANSIENT = frozenset(
    {ErrorKind.TIMEOUT, ErrorKind.CONNECTION, ErrorKind.RATE_LIMIT, ErrorKind.SERVER, ErrorKind.MALFORMED}
)
"""Errors that a retry may cure; a wrong key or request stays wrong."""


_REFUSED_REQUEST = ("HTTP status 400:", "HTTP status 422:")


def refuses_request(kind: ErrorKind | None, message: str) -> bool:
    """Whether a server refused what a request says, so that it would refuse it again; not its path, key or model."""
    return kind is ErrorKind.REQUEST and message.startswith(_REFUSED_REQUEST)


BLOCKED = "connections of this process are blocked by "
"""How the message of a call begins that other code of its process did not let out."""


def is_blocked(error: CallError) -> bool:
    """Whether other code of this process, such as a plugin of pytest, did not let a call out: no call will get out."""
    return error.kind is ErrorKind.CONNECTION and error.message.startswith(BLOCKED)


USUAL_ENDS = frozenset({"", "stop", "tool_calls"})
"""Finish reasons of replies that ended by themselves or with a call, or whose reason is unknown."""


UNMADE = frozenset({ErrorKind.CANCELLED, ErrorKind.QUOTA})
"""Errors of calls that were not made, or not to their end; a resumed cycle makes them again."""


UNREACHED = frozenset({ErrorKind.RATE_LIMIT, ErrorKind.WORKER_LOST})
"""Errors that say nothing about the model: the attempt never reached it, or its result was lost."""


SILENT = frozenset(
    {
        ErrorKind.TIMEOUT,
        ErrorKind.CONNECTION,
        ErrorKind.AUTH,
        ErrorKind.RATE_LIMIT,
        ErrorKind.SERVER,
        ErrorKind.QUOTA,
        ErrorKind.WORKER_LOST,
    }
)
"""Errors of calls that no model has seen, as in an outage; with the others a model, or what it was asked, is wrong."""


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
    id: str = ""
    """The id that the server gave the answer; empty if it gives none."""


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
class Echo:
    """An assistant's message as its provider sent it, which goes back unchanged in a conversation.

    Signatures of thoughts are checked by providers, and ids of calls tie their results to them. `ids` are those of
    the calls, in their order; `wire` is the wire format of `message`.
    """

    wire: str
    message: Json
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A model's answer, in the same form for every provider.

    `finish_reason` is the provider's, as the OpenAI format names it: "stop", "length", "tool_calls" or another word.
    `tokens_in` include those read from a cache (`tokens_cached`) and written to it (`tokens_cache_write`);
    `tokens_out` include those of the model's thinking (`tokens_reasoning`). `cost_usd` is the provider's own figure.
    `sent` has the sampling parameters as they were really sent, under their names on the wire, and `adjustments` say
    what of the sampling that was asked for the model does not take. `provider_id` is the id that the server gave the
    answer, or what stands for one.
    """

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
    tokens_cache_write: int | None = None
    tokens_reasoning: int | None = None
    cost_usd: float | None = None
    latency_s: float = 0.0
    load_s: float | None = None
    first_token_s: float | None = None
    off_schema: bool = False
    """Whether the text does not have the form that the request demands: the server did not constrain it."""
    copied: str = ""
    """By what the answer shows that it is a copy from a cache of answers; empty if it is a new one."""
    sent: dict[str, Json] = field(default_factory=dict)
    adjustments: tuple[str, ...] = ()
    echo: Echo | None = field(default=None, compare=False, repr=False)
    """The message to send back; kept only while the conversation goes on."""
    conversation: Conversation | None = None
    """The steps of a case with several turns; `tool_calls` are then those of all steps, `text` is the last one's,
    tokens and latency are sums."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallError:
    """The reason why a call has no reply. The message is for people and contains no secret.

    `reply` is what came instead of an answer, if the model was asked: its tokens are billed.
    """

    kind: ErrorKind
    message: str
    status: int | None = None
    retry_after_s: float | None = None
    reply: Reply | None = None


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
    def received(self) -> Reply | None:
        """What the model sent: its reply, or what came in place of an answer; None if nothing came."""
        if self.reply is None and self.error is not None:
            return self.error.reply
        return self.reply

    @property
    def attempts(self) -> int:
        """The number of times the call was sent."""
        return len(self.failed_attempts) + self.answers

    @property
    def cancelled(self) -> bool:
        """Whether the call was not made to its end; it may be made again."""
        return self.error is not None and (self.error.kind in UNMADE or is_blocked(self.error))

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
    finish_reason: str = ""
    """The reason why the reply ended, such as "stop" or "length"; empty if unknown."""
    weight: float = 1.0
    """What the case counts in accuracy."""
    copied: str = ""
    """By what the answer shows that it is a copy from a cache of answers; empty if it is a new one."""

    @property
    def at_limit(self) -> bool:
        """Whether the reply ended at its limit of tokens, with or without an answer."""
        return self.finish_reason == "length" or self.error_kind is ErrorKind.CUT_OFF

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


_REPEATED = ("phase", "spec", "case", "case_hash", "lane", "served_model", "finish_reason", "copied")


def share_texts(values: dict[str, Any]) -> None:
    """Intern the strings that most trials share, to save memory."""
    for name in _REPEATED:
        if name in values:
            values[name] = sys.intern(values[name])
