"""The runner interface: calls in, results out, in this process or elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pytest_selfopt.runners.conversation import Dialogue
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.trial import CallResult


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerOptions:
    """How a call is carried out: seconds for one attempt, attempts after the first, and the pauses between them.

    Before retry k a random time below min(`max_backoff_s`, `backoff_s` · 2^k) passes (full jitter), or what the server
    asks for, whichever is longer; a server that asks for more than `max_retry_after_s` is not waited for. A call that
    was turned away by a rate limit never reached the model: it is sent again up to `rate_limit_retries` times without
    using up `retries`. No attempt begins later than `max_total_s` after the first.
    """

    timeout_s: float = 60.0
    retries: int = 1
    rate_limit_retries: int = 8
    backoff_s: float = 1.0
    max_backoff_s: float = 30.0
    max_retry_after_s: float = 120.0
    max_total_s: float = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call to be made, as data only. `lane` names what shares warmth: one model on one server.

    With a `dialogue` it is a whole conversation, of which `request` is the first question.
    """

    id: str
    model: str
    request: ChatRequest
    options: RunnerOptions = RunnerOptions()
    lane: str = ""
    dialogue: Dialogue | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A call and what came of it."""

    call: Call
    result: CallResult


class Runner(Protocol):
    """Carries out calls. Trouble of a call is part of its result, never raised."""

    @property
    def in_flight(self) -> int:
        """How many calls are under way."""

    def run(self, call: Call) -> CallResult:
        """Carry out one call and return its result."""

    def run_batch(self, calls: Sequence[Call], on_results: Callable[[Sequence[Finished]], None]) -> None:
        """Carry out calls, started in their order, and return when all have ended.

        `on_results` gets the results in the calling thread as soon as they are there, as many at a time as have come in
        since the last time. Whatever it raises ends the batch.
        """

    def has_begun(self, call_id: str) -> bool:
        """Whether a call was sent, or has ended without having been."""

    def give_up(self, call_id: str) -> None:
        """Abort one call; it ends as a time-out, and is not tried again."""

    def cancel(self) -> None:
        """Abort what is under way and start nothing more; calls that were begun end as cancelled."""
