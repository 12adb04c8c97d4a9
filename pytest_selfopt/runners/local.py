"""The local runner: daemon threads in this process, with retries and shared limits."""

from __future__ import annotations

import contextlib
import queue
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pytest_selfopt import clock
from pytest_selfopt.models.client import Client
from pytest_selfopt.models.http import Interrupt, interruptible
from pytest_selfopt.runners.budget import CallBudget
from pytest_selfopt.runners.collect import hand_over
from pytest_selfopt.runners.concurrency import ConcurrencyLimiter, Slot
from pytest_selfopt.runners.conversation import Ask, converse
from pytest_selfopt.runners.quota import SpentQuotas, without_long_wait
from pytest_selfopt.runners.runner import Call, Finished, RunnerOptions
from pytest_selfopt.runners.without_reply import GIVEN_UP, ended_now
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.trial import TRANSIENT, CallError, CallResult, ErrorKind, FailedAttempt, Reply, is_blocked

_ABORTED = CallError(kind=ErrorKind.CANCELLED, message="cancelled while it was under way")
_CANCELLED = CallError(kind=ErrorKind.CANCELLED, message="cancelled before it was sent")


@dataclass(frozen=True, slots=True)
class _Job:
    call: Call
    submitted: float
    done: queue.SimpleQueue[Finished | None]


@dataclass(slots=True)
class _Course:
    """The state of a call: its first slot and place in its lane, the failed attempts, the answers asked for."""

    started: float
    began: float
    first: Slot | None = None
    sequence: int = 0
    answers: int = 0
    failed: list[FailedAttempt] = field(default_factory=list)


def _answer_to(call: Call, ask: Ask) -> Reply | CallError:
    if call.dialogue is None:
        return ask(call.request)
    return converse(call.dialogue, ask)


class LocalRunner:
    """Makes calls on threads of this process; see `Runner`.

    Threads are daemons that never print or log, so that a hanging call can neither delay the end of the session nor
    write into a test's captured output. They are started on demand and then kept.
    """

    def __init__(
        self,
        clients: Mapping[str, Client],
        slots: ConcurrencyLimiter,
        *,
        rng: random.Random,
        budget: CallBudget | None = None,
        sequence: Mapping[str, int] | None = None,
        clock: Callable[[], float] = clock.now,
    ) -> None:
        """Ask `clients`, by model id, within the limits of `slots` and `budget`.

        `sequence` has the next number of each lane in a resumed cycle; `clock` returns seconds since the epoch.
        """
        self._clients = clients
        self._slots = slots
        self._budget = budget
        self._rng = rng
        self._clock = clock
        self._turn = threading.Lock()
        self._sequence: Counter[str] = Counter(sequence or {})
        self._jobs: dict[str, queue.SimpleQueue[_Job | None]] = {model: queue.SimpleQueue() for model in clients}
        self._threads: Counter[str] = Counter()
        self._busy = 0
        self._batches: set[queue.SimpleQueue[Finished | None]] = set()
        self._cancelled = threading.Event()
        self._begun: set[str] = set()
        self._given_up: dict[str, CallError] = {}
        self._interrupts: dict[str, Interrupt] = {}
        self._quotas = SpentQuotas()
        self._blocked: CallError | None = None
        """The error of the first call that was not let out of this process: no later one is tried."""
        self.few_threads = ""
        """A sentence if fewer threads could be started than calls are allowed at a time."""
        self.held: tuple[str, float] | None = None
        """The model that calls last had to wait for at its server's wish, and until when (seconds since the epoch)."""

    @property
    def in_flight(self) -> int:
        """The number of calls in flight."""
        return self._slots.in_flight

    @property
    def spent(self) -> tuple[str, CallError] | None:
        """The model whose quota was used up first, and the answer that said so; None if none was."""
        return self._quotas.first

    def run(self, call: Call) -> CallResult:
        """Carry out one call in the calling thread."""
        return self._result_of(call, clock.monotonic(), self._slots.waiting)

    def run_batch(self, calls: Sequence[Call], on_results: Callable[[Sequence[Finished]], object]) -> None:
        """Carry out calls, in order for each model; see `Runner.run_batch`."""
        done: queue.SimpleQueue[Finished | None] = queue.SimpleQueue()
        with self._turn:
            self._batches.add(done)
        try:
            now = clock.monotonic()
            for call in calls:
                self._jobs[call.model].put(_Job(call, now, done))
            made_here = 0
            for model, number in Counter(call.model for call in calls).items():
                self._have_threads(model, min(number, self._slots.most(model)))
                if not self._threads[model]:
                    made_here += self._make_here(model, done, on_results)
            expected = len(calls) - made_here
            hand_over(done, expected, on_results, stopping=self._cancelled.is_set, idle=lambda: not self._busy)
        finally:
            with self._turn:
                self._batches.discard(done)

    def _make_here(
        self,
        model: str,
        done: queue.SimpleQueue[Finished | None],
        on_results: Callable[[Sequence[Finished]], object],
    ) -> int:
        """Carry out the calls to a model in the calling thread, because no other can be started; return how many.

        Only those of its own batch, whose results go to `done`, are handed over here and counted.
        """
        made = 0
        while not self._cancelled.is_set():
            try:
                job = self._jobs[model].get_nowait()
            except queue.Empty:
                break
            if job is None:
                continue
            finished = Finished(job.call, self._result_of(job.call, job.submitted, 0))
            if job.done is done:
                on_results([finished])
                made += 1
            else:
                job.done.put(finished)
        return made

    def has_begun(self, call_id: str) -> bool:
        """Whether a call was sent, or ended before it was."""
        return call_id in self._begun

    def give_up(self, call_id: str) -> None:
        """Abort one call; it ends as a time-out and is not retried."""
        self._end(call_id, GIVEN_UP)

    def abort(self, call_id: str) -> None:
        """Abort one call; it ends as cancelled."""
        self._end(call_id, _ABORTED)

    def _end(self, call_id: str, how: CallError) -> None:
        with self._turn:
            self._given_up.setdefault(call_id, how)
            interrupt = self._interrupts.get(call_id)
        if interrupt is not None:
            interrupt.pull()

    def cancel(self) -> None:
        """Abort all calls in flight and send no more."""
        self._cancelled.set()
        self._slots.close()
        if self._budget is not None:
            self._budget.close()
        for client in self._clients.values():
            client.abort()
        with self._turn:
            for done in self._batches:
                done.put(None)
            for model, number in self._threads.items():
                for _ in range(number):
                    self._jobs[model].put(None)

    def _have_threads(self, model: str, number: int) -> None:
        with self._turn:
            missing = 0
            if not self._cancelled.is_set():
                missing = number - self._threads[model]
            self._threads[model] += max(0, missing)
        for started in range(missing):
            thread = threading.Thread(target=self._work, args=(model,), name=f"selfopt-call-{model}", daemon=True)
            try:
                thread.start()
            except (RuntimeError, MemoryError):
                self._do_without(model, missing - started)
                return

    def _do_without(self, model: str, missing: int) -> None:
        """Go on without threads that could not be started, and end a quarter of the others: calls need memory, too."""
        with self._turn:
            started = self._threads[model] - missing
            ended = started // 4
            self._threads[model] = started - ended
            for _ in range(ended):
                self._jobs[model].put(None)
            left = max(1, self._threads[model])
            self.few_threads = self.few_threads or (
                f"calls to {model} were made {left:,} at a time, not {started + missing:,}: this process can start no "
                "more threads (ulimit -u or -v)"
            )
        self._slots.lower(model, left)

    def _work(self, model: str) -> None:
        jobs = self._jobs[model]
        while (job := jobs.get()) is not None and not self._cancelled.is_set():
            with self._turn:
                self._busy += 1
            job.done.put(Finished(job.call, self._result_of(job.call, job.submitted, jobs.qsize())))
            with self._turn:
                self._busy -= 1

    def _result_of(self, call: Call, submitted: float, depth: int) -> CallResult:
        try:
            return self._carry_out(call, submitted, depth)
        # Whatever failed, as without memory: a thread that ended by it would leave others waiting for ever.
        except Exception as problem:  # noqa: BLE001
            error = CallError(kind=ErrorKind.TEST, message=f"the call failed with {type(problem).__name__}: {problem}")
            return ended_now(error, lane=call.lane)

    def _carry_out(self, call: Call, submitted: float, depth: int) -> CallResult:
        course = _Course(started=self._clock(), began=clock.monotonic())

        def ask(request: ChatRequest) -> Reply | CallError:
            return self._ask(replace(call, request=request), course)

        try:
            answer = _answer_to(call, ask)
        finally:
            self._begun.add(call.id)
            with self._turn:
                # The same call may come again, as in a worker whose session is resumed.
                self._given_up.pop(call.id, None)
        first = course.first
        return CallResult(
            reply=answer if isinstance(answer, Reply) else None,
            error=answer if isinstance(answer, CallError) else None,
            started=course.started,
            ended=self._clock(),
            failed_attempts=tuple(course.failed),
            answers=max(1, course.answers),
            waited_s=(first.given_at if first else clock.monotonic()) - submitted,
            queue_depth=depth,
            in_flight=first.in_flight if first else 0,
            lane=call.lane,
            lane_seq=course.sequence,
        )

    def _ask(self, call: Call, course: _Course) -> Reply | CallError:
        """Get one answer, with as many attempts as the options allow."""
        course.answers += 1
        before = len(course.failed)
        while True:
            slot = self._slots.take(call.model)
            if slot is None:
                return _CANCELLED
            refusal = self._blocked or self._quotas.refusal(call.model)
            if refusal is not None:
                self._slots.give_back(slot, refusal)
                return refusal
            if course.first is None:
                course.first, course.started = slot, self._clock()
                course.sequence, course.began = self._next_in(call.lane), slot.given_at
                self._begun.add(call.id)
            sent = self._clock()
            answer = self._attempt(call, slot)
            elapsed_s = clock.monotonic() - course.began
            if call.id in self._given_up:
                return self._given_up[call.id]
            pause = self._pause(answer, course.failed[before:], call.options, elapsed_s=elapsed_s)
            if isinstance(answer, Reply) or pause is None:
                return answer
            course.failed.append(FailedAttempt(error=answer, started=sent, ended=self._clock()))
            self._cancelled.wait(pause)

    def _attempt(self, call: Call, slot: Slot) -> Reply | CallError:
        """Make one attempt in a slot, which is always freed."""
        answer: Reply | CallError = _CANCELLED
        reserved: float | None = None
        try:
            if self._budget is not None:
                reserved = self._budget.admit(call.model, call.request)
            if self._budget is not None and reserved is None:
                message = self._budget.spent or _CANCELLED.message
                answer = CallError(kind=ErrorKind.CANCELLED, message=message)
            elif not self._cancelled.is_set():
                with self._interruptible(call.id):
                    answer = self._clients[call.model].ask(call.request, timeout_s=call.options.timeout_s)
                answer = without_long_wait(answer, call.options.max_retry_after_s, self._clock())
                self._quotas.note(call.model, answer)
                self._heed(call, answer)
                if isinstance(answer, CallError) and is_blocked(answer):
                    self._blocked = answer
        # A client may be the project's code: its exception is this call's error, and must not end a thread that
        # others wait for.
        except Exception as problem:  # noqa: BLE001
            answer = CallError(
                kind=ErrorKind.MALFORMED, message=f"the reply could not be read ({type(problem).__name__})"
            )
        finally:
            try:
                if self._budget is not None and reserved is not None:
                    self._budget.settle(call.model, reserved, answer)
            finally:
                self._slots.give_back(slot, answer)
        return answer

    @contextlib.contextmanager
    def _interruptible(self, call_id: str) -> Iterator[None]:
        interrupt = Interrupt()
        with self._turn:
            self._interrupts[call_id] = interrupt
            if call_id in self._given_up:
                interrupt.pull()
        try:
            with interruptible(interrupt):
                yield
        finally:
            with self._turn:
                del self._interrupts[call_id]

    def _heed(self, call: Call, answer: Reply | CallError) -> None:
        """Hold back other calls to a server that said when to ask again."""
        if isinstance(answer, Reply) or answer.kind not in (ErrorKind.RATE_LIMIT, ErrorKind.SERVER):
            return
        # A longer wait is not waited for: a rate limit is a spent quota then, and the error of a server stays one.
        if answer.retry_after_s and answer.retry_after_s <= call.options.max_retry_after_s:
            self._slots.hold(call.model, answer.retry_after_s)
            self.held = (call.model, self._clock() + answer.retry_after_s)

    def _pause(
        self, answer: Reply | CallError, failed: Sequence[FailedAttempt], options: RunnerOptions, *, elapsed_s: float
    ) -> float | None:
        """Return the seconds to wait before the next attempt; None if there is none."""
        if isinstance(answer, Reply) or answer.kind not in TRANSIENT or is_blocked(answer):
            return None
        turned_away = answer.kind is ErrorKind.RATE_LIMIT
        before = sum((attempt.error.kind is ErrorKind.RATE_LIMIT) == turned_away for attempt in failed)
        retries = options.retries
        if turned_away:
            retries = options.rate_limit_retries
        if before >= retries:
            return None
        asked = answer.retry_after_s or 0.0
        with self._turn:
            jittered = self._rng.uniform(0, min(options.max_backoff_s, options.backoff_s * 2**before))
        pause = max(asked, jittered)
        if asked > options.max_retry_after_s or elapsed_s + pause > options.max_total_s:
            return None
        return pause

    def _next_in(self, lane: str) -> int:
        with self._turn:
            self._sequence[lane] += 1
            return self._sequence[lane] - 1
