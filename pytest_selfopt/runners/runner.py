"""The runner interface: calls in, results out, in this process or in others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pytest_selfopt.runners.conversation import Dialogue
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.trial import CallError, CallResult


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerOptions:
    """Options of a call: seconds per attempt, attempts after the first, and the pauses between them.

    The pause before retry k is random below min(`max_backoff_s`, `backoff_s` · 2^k) (full jitter), or the time that the
    server asks for if longer; more than `max_retry_after_s` is not waited for. A call rejected by a rate limit never
    reached the model: it is sent again up to `rate_limit_retries` times without using up `retries`. No attempt begins
    later than `max_total_s` after the first.
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
    """One call as plain data. `lane` names what shares warmth: one model on one server.

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
    """A call and its result."""

    call: Call
    result: CallResult


def as_stored(finished: Sequence[Finished], replaced: Mapping[str, CallResult]) -> Sequence[Finished]:
    """Return finished calls with the results that were stored in place of theirs, by the id of the call."""
    if not replaced:
        return finished
    return [Finished(end.call, replaced.get(end.call.id, end.result)) for end in finished]


class Runner(Protocol):
    """Carries out calls. The failure of a call is part of its result, never raised."""

    @property
    def in_flight(self) -> int:
        """The number of calls in flight."""

    def run(self, call: Call) -> CallResult:
        """Carry out one call and return its result."""

    def run_batch(self, calls: Sequence[Call], on_results: Callable[[Sequence[Finished]], object]) -> None:
        """Carry out calls, started in order, and return when all have ended.

        `on_results` receives results in the calling thread as they arrive, each time all since the last time. Any
        exception it raises ends the batch.
        """

    def has_begun(self, call_id: str) -> bool:
        """Whether a call was sent, or ended before it was."""

    def give_up(self, call_id: str) -> None:
        """Abort one call; it ends as a time-out and is not retried."""

    def cancel(self) -> None:
        """Abort all calls in flight and start no more; calls that were begun end as cancelled."""


@runtime_checkable
class Holding(Protocol):
    """A runner that knows when a server made its calls wait, or took no more of them."""

    @property
    def held(self) -> tuple[str, float] | None:
        """The model that calls last had to wait for, and until when, in seconds since the epoch; None if none."""

    @property
    def spent(self) -> tuple[str, CallError] | None:
        """The model whose quota was used up first, and the answer that said so; None if none was."""
