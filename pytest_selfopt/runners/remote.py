"""A runner whose calls are made in other processes: what it has sent, what began, and what came back.

An engine carries messages to workers and back; everything else is the same for all of them and is done here.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.runners.budget import CallBudget, Reservation
from pytest_selfopt.runners.collect import hand_over
from pytest_selfopt.runners.runner import Call, Finished
from pytest_selfopt.trial import CallError, CallResult, ErrorKind, FailedAttempt

LOST = "lost with the worker that made it"


class ResultListener(Protocol):
    """What an engine tells, from whatever thread it likes."""

    def began(self, call_id: str, mark: str, at: float) -> None:
        """A worker has begun to make a call, at a time (seconds since the epoch); each beginning has its own mark."""

    def left(self, call_id: str, mark: str) -> None:
        """It has left that call again before it was sent."""

    def ended(self, call_id: str, result: CallResult) -> None:
        """A call has come to its end; the first result of a call counts."""

    def failed(self, problem: SelfoptError) -> None:
        """No more calls can be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderLimits:
    """What holds for the calls of a session, whoever makes them."""

    limits: Mapping[str, int]
    """How many calls to each provider, by name, may be under way at a time, over all workers."""
    provider_of: Callable[[str], str]
    """The provider of a model."""
    pinned: Callable[[str], bool]
    """Whether all calls of a model go to one worker, because warmth is the worker's."""


class Engine(Protocol):
    """Carries calls to workers and results back. Each call that was sent is carried out at least once."""

    def connect(self) -> None:
        """Find server and workers.

        Raises:
            RunnerError: when there is no server or no worker.
        """

    def start(self, inbox: ResultListener, cycle: str) -> None:
        """Tell everything that is known of the calls of a cycle from before, and from then on what comes.

        Raises:
            RunnerError: when that cannot be read.
        """

    def send(self, calls: Sequence[Call]) -> None:
        """Have calls made, begun in their order; one that was sent before and has not ended is not made twice.

        Raises:
            RunnerError: when that is not possible.
        """

    def give_up(self, call_id: str) -> None:
        """Have one call aborted; it ends as a time-out."""

    def cancel(self) -> None:
        """Have everything aborted that was sent and has not ended."""

    def stop(self) -> None:
        """Let go of the server; doing it twice is harmless."""


@dataclass(slots=True)
class _Sent:
    call: Call
    at: float
    lane_seq: int
    done: queue.SimpleQueue[Finished | None]
    reserved: Reservation | None = None


@dataclass(slots=True)
class _Known:
    """What is known of a call, whoever sent it: when it was begun, each time, and how it ended."""

    began: dict[str, float] = field(default_factory=dict)
    result: CallResult | None = None


class RemoteRunner:
    """Makes calls through an engine; see `Runner`."""

    def __init__(
        self,
        engine: Engine,
        *,
        cycle: str,
        budget: CallBudget | None = None,
        most: Mapping[str, int] | None = None,
        sequence: Mapping[str, int] | None = None,
    ) -> None:
        """Make the calls of a `cycle`, whose name no other has, as far as a budget allows.

        `most` bounds the calls under way to models that may have fewer than the engine allows their provider;
        `sequence` holds the next number of each lane.

        Raises:
            RunnerError: when what is known of it from before cannot be read.
        """
        self._engine = engine
        self._budget = budget
        self._room = {model: threading.Semaphore(number) for model, number in (most or {}).items()}
        self._turn = threading.Lock()
        self._sequence: Counter[str] = Counter(sequence or {})
        self._sent: dict[str, _Sent] = {}
        self._known: dict[str, _Known] = {}
        self._over: set[str] = set()
        """The calls whose results were handed over, of which nothing else is kept."""
        self._failure: SelfoptError | None = None
        self._cancelled = threading.Event()
        self.made_twice = 0
        """How many calls were begun again because a worker was lost with them."""
        engine.start(self, cycle)

    @property
    def in_flight(self) -> int:
        """How many calls are under way."""
        with self._turn:
            return sum(map(self._is_under_way, self._sent))

    def _is_under_way(self, call_id: str) -> bool:
        known = self._known.get(call_id)
        return known is not None and bool(known.began)

    def _has_result(self, call_id: str) -> bool:
        known = self._known.get(call_id)
        return known is not None and known.result is not None

    def run(self, call: Call) -> CallResult:
        """Carry out one call and return its result."""
        results: list[Finished] = []
        self.run_batch([call], results.extend)
        if not results:
            error = CallError(kind=ErrorKind.CANCELLED, message="cancelled before it had ended")
            return CallResult(error=error, started=time.time(), ended=time.time(), lane=call.lane)
        return results[0].result

    def run_batch(self, calls: Sequence[Call], on_results: Callable[[Sequence[Finished]], None]) -> None:
        """Carry out calls; see `Runner.run_batch`.

        Raises:
            RunnerError: when server or workers have gone away for too long.
        """
        done: queue.SimpleQueue[Finished | None] = queue.SimpleQueue()
        with self._turn:
            for call in calls:
                self._sent[call.id] = _Sent(call, time.monotonic(), self._sequence[call.lane], done)
                self._sequence[call.lane] += 1
            answered = [call.id for call in calls if self._has_result(call.id)]
            for call_id in answered:
                self._finish(call_id)
            missing = [call for call in calls if call.id in self._sent]
        if not self._cancelled.is_set():
            self._send(missing)
        hand_over(done, len(calls), on_results, stopping=self._stopping, idle=lambda: True)
        if self._failure is not None:
            raise self._failure

    def _send(self, calls: Sequence[Call]) -> None:
        """Send calls: all at once, but those that something bounds one after the other, each model's on a thread."""
        free: list[Call] = []
        bounded: defaultdict[str, list[Call]] = defaultdict(list)
        for call in calls:
            if self._budget is not None or call.model in self._room:
                bounded[call.model].append(call)
            else:
                free.append(call)
        self._engine.send(free)
        for of_model in bounded.values():
            thread = threading.Thread(target=self._feed, args=(of_model,), name="selfopt-feed", daemon=True)
            thread.start()

    def _feed(self, calls: Sequence[Call]) -> None:
        """Send calls as there is room for them and the budget admits them; those that it does not end as cancelled."""
        try:
            for call in calls:
                if call.model in self._room:
                    self._room[call.model].acquire()
                if self._cancelled.is_set():
                    return
                admitted: Call | None = call
                if self._budget is not None:
                    admitted = self._admit(call, self._budget)
                if admitted is not None:
                    self._engine.send([admitted])
        except SelfoptError as problem:
            self.failed(problem)

    def _admit(self, call: Call, budget: CallBudget) -> Call | None:
        """The call with as many attempts as the budget has for it; None when it is not to be made."""
        most = most_attempts(call)
        # What can be cut short is a call's retries; a conversation has its course.
        least = 1
        if call.dialogue is not None:
            least = most
        reserved = budget.admit_call(call.model, call.request, most, least=least)
        if reserved is None:
            self._refuse(call, budget.spent)
            return None
        with self._turn:
            if call.id in self._sent:
                self._sent[call.id].reserved = reserved
        if reserved.attempts == most:
            return call
        return limited(call, reserved.attempts)

    def _refuse(self, call: Call, why: str) -> None:
        error = CallError(kind=ErrorKind.CANCELLED, message=why)
        now = time.time()
        result = CallResult(error=error, started=now, ended=now, lane=call.lane)
        with self._turn:
            sent = self._sent.pop(call.id, None)
        if sent is not None:
            self._leave(call.model)
            sent.done.put(Finished(call, result))

    def _leave(self, model: str) -> None:
        """Make room for the next call to a model."""
        if model in self._room:
            self._room[model].release()

    def has_begun(self, call_id: str) -> bool:
        """Whether a call was sent, or has ended without having been."""
        known = self._known.get(call_id)
        if call_id in self._over:
            return True
        return known is not None and (bool(known.began) or known.result is not None)

    def give_up(self, call_id: str) -> None:
        """Abort one call; it ends as a time-out, and is not tried again."""
        if call_id in self._sent:
            self._engine.give_up(call_id)

    def cancel(self) -> None:
        """Abort what is under way; nothing more is sent."""
        if not self._cancelled.is_set():
            self._cancelled.set()
            self._engine.cancel()
            for model in self._room:
                self._leave(model)  # who waits for room has to see that there is nothing left to do
        self._wake()

    def left(self, call_id: str, mark: str) -> None:
        """Note that a beginning came to nothing."""
        with self._turn:
            if call_id in self._known:
                self._known[call_id].began.pop(mark, None)

    def began(self, call_id: str, mark: str, at: float) -> None:
        """Note that a worker has begun to make a call."""
        with self._turn:
            if call_id not in self._over:
                known = self._known.setdefault(call_id, _Known())
                if known.result is None:
                    known.began[mark] = at

    def ended(self, call_id: str, result: CallResult) -> None:
        """Note how a call ended."""
        with self._turn:
            if call_id not in self._over:
                known = self._known.setdefault(call_id, _Known())
                if known.result is None:
                    known.result = result
                    self._finish(call_id)

    def failed(self, problem: SelfoptError) -> None:
        """End all batches, and say why."""
        self._failure = self._failure or problem
        self._wake()

    def _stopping(self) -> bool:
        return self._cancelled.is_set() or self._failure is not None

    def _wake(self) -> None:
        with self._turn:
            batches = {id(sent.done): sent.done for sent in self._sent.values()}
            for done in batches.values():
                done.put(None)

    def _finish(self, call_id: str) -> None:
        """Hand a result over to the batch that waits for it, if one does."""
        sent = self._sent.pop(call_id, None)
        if sent is None:
            return
        known = self._known.pop(call_id)
        self._over.add(call_id)
        assert known.result is not None
        lost = sorted(known.began.values())[:-1]
        self.made_twice += len(lost)
        seconds = known.result.ended - known.result.started
        lost_before = lost_attempts(lost, known.result.started)
        result = replace(
            known.result,
            lane_seq=sent.lane_seq,
            waited_s=max(0.0, time.monotonic() - sent.at - seconds),
            failed_attempts=(*lost_before, *known.result.failed_attempts),
        )
        if self._budget is not None and sent.reserved is not None:
            self._budget.settle_call(sent.call.model, sent.reserved, result)
        self._leave(sent.call.model)
        sent.done.put(Finished(sent.call, result))


def most_attempts(call: Call) -> int:
    """How often a model can be asked for a call at most."""
    attempts = 1 + call.options.retries + call.options.rate_limit_retries
    if call.dialogue is None:
        return attempts
    case = call.dialogue.case
    return case.steps * (len(case.turns) + 1) * attempts


def limited(call: Call, attempts: int) -> Call:
    """A call that asks no oftener than so many times."""
    retries = min(call.options.retries, attempts - 1)
    turned_away = min(call.options.rate_limit_retries, attempts - 1 - retries)
    options = replace(call.options, retries=retries, rate_limit_retries=turned_away)
    return replace(call, options=options)


def lost_attempts(began: Iterable[float], following: float) -> Iterable[FailedAttempt]:
    """What was paid for calls whose worker was lost: an attempt each, which began and never came back."""
    error = CallError(kind=ErrorKind.WORKER_LOST, message=LOST)
    for at in began:
        yield FailedAttempt(error=error, started=at, ended=max(at, following))
