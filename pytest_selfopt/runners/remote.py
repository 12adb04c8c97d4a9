"""A runner whose calls are made in other processes: it tracks what was sent, begun and returned.

An engine carries messages to workers and back; everything else is common to all engines and is done here.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from pytest_selfopt import clock
from pytest_selfopt.errors import RunnerError, SelfoptError
from pytest_selfopt.runners.attempts import limited, lost_attempts, most_attempts
from pytest_selfopt.runners.budget import CallBudget, Reservation
from pytest_selfopt.runners.collect import hand_over
from pytest_selfopt.runners.message import count_reason
from pytest_selfopt.runners.runner import Call, Finished
from pytest_selfopt.runners.wire import Answer, question_of
from pytest_selfopt.runners.without_reply import UNFINISHED, ended_now
from pytest_selfopt.threads import no_thread_reported
from pytest_selfopt.trial import CallError, CallResult, ErrorKind

_TICK_S = 1.0
"""Seconds between looks of a sender that waits for a place."""

OTHER_QUESTION = "a result answers another question than its call asks"

MOST_ANSWERS = 8
"""How many answers to a call are kept that is not sent yet."""


class ResultListener(Protocol):
    """Receives an engine's reports, on any thread."""

    def began(self, call_id: str, mark: str, at: float) -> None:
        """A worker has begun a call, at a time (seconds since the epoch); each beginning has its own mark."""

    def left(self, call_id: str, mark: str) -> None:
        """The worker has dropped that call before sending it."""

    def ended(self, call_id: str, answer: Answer) -> bool:
        """A call has ended; its first result counts.

        Return whether that may be; False if the answer is to another question, so that the call goes on.
        """

    def is_over(self, call_id: str) -> bool:
        """Whether the result of a call that was sent is known."""

    def refused(self, why: str) -> None:
        """A message was not what belongs in its place, and is not used."""

    def failed(self, problem: SelfoptError) -> None:
        """The engine can make no more calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderLimits:
    """Limits on the calls of a session, for all workers together."""

    limits: Mapping[str, int]
    """The maximum of calls in flight to each provider, by name, over all workers."""
    provider_of: Callable[[str], str]
    """Return the provider of a model."""
    pinned: Callable[[str], bool]
    """Return whether all calls of a model must go to one worker, because each worker has its own server."""


class Engine(Protocol):
    """Carries calls to workers and results back. Each sent call is carried out at least once."""

    def connect(self) -> None:
        """Connect to the server and find workers.

        Raises:
            RunnerError: if there is no server or no worker.
        """

    def start(self, inbox: ResultListener, cycle: str) -> None:
        """Report what is already known of a cycle's calls, and from then on all that happens.

        Raises:
            RunnerError: if the known calls cannot be read.
        """

    def send(self, calls: Sequence[Call]) -> None:
        """Send calls, which begin in order; a call that was sent before and has not ended is not made twice.

        Raises:
            RunnerError: if that is impossible.
        """

    def give_up(self, call_id: str) -> None:
        """Abort one call; it ends as a time-out."""

    def cancel(self) -> None:
        """Abort all calls that were sent and have not ended."""

    def stop(self) -> None:
        """Disconnect from the server; a second call is harmless."""


@dataclass(slots=True)
class _Sent:
    call: Call
    at: float
    lane_seq: int
    done: queue.SimpleQueue[Finished | None]
    question: str
    reserved: Reservation | None = None


@dataclass(slots=True)
class _Known:
    """What is known of a call, from this or an earlier session: each beginning, and the result.

    Until the call is sent it is not known what it asks, and which of the `answers` is its result.
    """

    began: dict[str, float] = field(default_factory=dict)
    result: CallResult | None = None
    answers: list[Answer] = field(default_factory=list)


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
        """Make the calls of a `cycle`, given by its unique name, within a budget.

        `most` limits the calls in flight to models with lower limits than their provider; `sequence` has the next
        number of each lane.

        Raises:
            RunnerError: if the known calls of the cycle cannot be read.
        """
        self._engine = engine
        self._budget = budget
        self._room = {model: threading.Semaphore(number) for model, number in (most or {}).items()}
        self._turn = threading.Lock()
        self._sequence: Counter[str] = Counter(sequence or {})
        self._sent: dict[str, _Sent] = {}
        self._known: dict[str, _Known] = {}
        self._over: set[str] = set()
        """The ids of calls whose results were handed over; nothing else is kept of them."""
        self._failure: SelfoptError | None = None
        self._cancelled = threading.Event()
        self._began = clock.now()
        self.made_twice = 0
        """The number of calls begun again because their worker was lost."""
        self.refusals: Counter[str] = Counter()
        """Why messages were refused, and how many of them."""
        engine.start(self, cycle)

    @property
    def in_flight(self) -> int:
        """The number of calls in flight."""
        with self._turn:
            return sum(map(self._is_under_way, self._sent))

    def _is_under_way(self, call_id: str) -> bool:
        known = self._known.get(call_id)
        return known is not None and bool(known.began)

    def _has_result(self, call_id: str) -> bool:
        """Whether the result of a call that is being sent is known already."""
        known = self._known.get(call_id)
        if known is None:
            return False
        for answer in known.answers:
            if answer.fits(self._sent[call_id].question):
                known.result = self._with_old_quota(answer.result)
                return True
            self.refused(OTHER_QUESTION)
        known.answers.clear()
        return False

    def run(self, call: Call) -> CallResult:
        """Carry out one call and return its result."""
        results: list[Finished] = []
        self.run_batch([call], results.extend)
        if not results:
            return ended_now(UNFINISHED, lane=call.lane)
        return results[0].result

    def run_batch(self, calls: Sequence[Call], on_results: Callable[[Sequence[Finished]], object]) -> None:
        """Carry out calls; see `Runner.run_batch`.

        Raises:
            RunnerError: if server or workers are unreachable for too long.
        """
        done: queue.SimpleQueue[Finished | None] = queue.SimpleQueue()
        questions = list(map(question_of, calls))
        with self._turn:
            for call, question in zip(calls, questions, strict=True):
                self._sent[call.id] = _Sent(call, clock.monotonic(), self._sequence[call.lane], done, question)
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
        """Send calls all at once, except those with limits, which a thread per model sends one after the other."""
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
            with no_thread_reported():
                thread.start()

    def _feed(self, calls: Sequence[Call]) -> None:
        """Send calls as limits and budget allow; calls beyond the budget end as cancelled."""
        try:
            for call in calls:
                if not self._has_room(call.model):
                    return
                admitted: Call | None = call
                if self._budget is not None:
                    admitted = self._admit(call, self._budget)
                if admitted is not None:
                    self._engine.send([admitted])
        except SelfoptError as problem:
            self.failed(problem)
        # Otherwise this thread would end, and the batch would wait for calls that are not sent.
        except Exception as problem:  # noqa: BLE001
            self.failed(RunnerError(f"a call cannot be sent: {type(problem).__name__}: {problem}"))

    def _has_room(self, model: str) -> bool:
        """Wait for a place for a call to a model; return False if no more calls are sent."""
        room = self._room.get(model)
        while room is not None and not self._stopping():
            if room.acquire(timeout=_TICK_S):
                break
        return not self._stopping()

    def _admit(self, call: Call, budget: CallBudget) -> Call | None:
        """Return the call with as many attempts as the budget allows; None if it must not be made."""
        most = most_attempts(call)
        # Only the retries of a single call can be cut; a conversation needs all its steps.
        least = 1
        if call.dialogue is not None:
            least = most
        reserved = budget.admit_call(call.model, call.request, most, least=least)
        if reserved is None:
            self._refuse(call, budget.spent or UNFINISHED.message)
            return None
        with self._turn:
            if call.id in self._sent:
                self._sent[call.id].reserved = reserved
        if reserved.attempts == most:
            return call
        return limited(call, reserved.attempts)

    def _refuse(self, call: Call, why: str) -> None:
        error = CallError(kind=ErrorKind.CANCELLED, message=why)
        result = ended_now(error, lane=call.lane)
        with self._turn:
            sent = self._sent.pop(call.id, None)
        if sent is not None:
            self._leave(call.model)
            sent.done.put(Finished(call, result))

    def _leave(self, model: str) -> None:
        """Free a place for the next call to a model."""
        if model in self._room:
            self._room[model].release()

    def has_begun(self, call_id: str) -> bool:
        """Whether a call was sent, or ended before it was."""
        known = self._known.get(call_id)
        if call_id in self._over:
            return True
        return known is not None and (bool(known.began) or bool(known.answers))

    def give_up(self, call_id: str) -> None:
        """Abort one call; it ends as a time-out and is not retried."""
        if call_id in self._sent:
            self._engine.give_up(call_id)

    def cancel(self) -> None:
        """Abort all calls in flight and send no more."""
        if not self._cancelled.is_set():
            self._cancelled.set()
            if self._budget is not None:
                self._budget.close()
            self._engine.cancel()
            for model in self._room:
                self._leave(model)  # Wake the senders that wait for a place, so that they stop.
        self._wake()

    def left(self, call_id: str, mark: str) -> None:
        """Record that a worker dropped a call before sending it."""
        with self._turn:
            if call_id in self._known:
                self._known[call_id].began.pop(mark, None)

    def began(self, call_id: str, mark: str, at: float) -> None:
        """Record that a worker has begun a call."""
        with self._turn:
            if call_id not in self._over:
                known = self._known.setdefault(call_id, _Known())
                if not known.answers:
                    known.began[mark] = at

    def ended(self, call_id: str, answer: Answer) -> bool:
        """Record the result of a call; return whether it can be that."""
        with self._turn:
            if call_id in self._over:
                return True
            sent = self._sent.get(call_id)
            if sent is not None and not answer.fits(sent.question):
                self.refused(OTHER_QUESTION)
                return False
            known = self._known.setdefault(call_id, _Known())
            if sent is not None:
                known.result = self._with_old_quota(answer.result)
                self._finish(call_id)
            elif len(known.answers) < MOST_ANSWERS:
                known.answers.append(answer)
            return True

    def is_over(self, call_id: str) -> bool:
        """Whether the result of a call that was sent is known."""
        return call_id in self._over

    def refused(self, why: str) -> None:
        """Count a message that is not used."""
        count_reason(self.refusals, why)

    def _with_old_quota(self, result: CallResult) -> CallResult:
        """Return a result; a quota that was spent before this session is a rate limit, and no reason to stop again.

        Workers store what they were told, so that such a call cannot be made again.
        """
        error = result.error
        if error is None or error.kind is not ErrorKind.QUOTA or result.ended >= self._began:
            return result
        return replace(result, error=replace(error, kind=ErrorKind.RATE_LIMIT))

    def failed(self, problem: SelfoptError) -> None:
        """End all batches with a problem."""
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
        """Pass a result to the batch that waits for it, if any."""
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
            lane=sent.call.lane,
            lane_seq=sent.lane_seq,
            waited_s=max(0.0, clock.monotonic() - sent.at - seconds),
            failed_attempts=(*lost_before, *known.result.failed_attempts),
        )
        if self._budget is not None and sent.reserved is not None:
            self._budget.settle_call(sent.call.model, sent.reserved, result)
        self._leave(sent.call.model)
        sent.done.put(Finished(sent.call, result))
