"""A runner for calls to swarms, on top of the runner for single models."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from pytest_selfopt.errors import RunnerError, SelfoptError
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.cost import cost_of_result
from pytest_selfopt.runners.collect import hand_over
from pytest_selfopt.runners.runner import Call, Finished, Holding, Runner
from pytest_selfopt.runners.without_reply import GIVEN_UP, UNFINISHED, ended_now
from pytest_selfopt.swarm.execution_state import MemberCall, SwarmExecution
from pytest_selfopt.swarm.permits import Permits
from pytest_selfopt.swarm.swarm import MOST_IN_ALL, Swarm
from pytest_selfopt.trial import CallError, CallResult, ErrorKind

_NO_CONVERSATION = CallError(
    kind=ErrorKind.REQUEST, message="a swarm answers single questions; conversations of several turns need one model"
)
Done = queue.SimpleQueue[Finished | None]


@dataclass(slots=True)
class _Open:
    course: SwarmExecution
    done: Done
    given_up: bool = False


class SwarmRunner:
    """Makes calls; see `Runner`. A call to a swarm becomes the calls of its stages, made by the inner runner.

    All limits of that runner apply to them. Each is reported as soon as it has ended, so that it can be recorded on its
    own; stored calls are not made again.
    """

    def __init__(
        self,
        inner: Runner,
        swarms: Mapping[str, Swarm],
        models: Mapping[str, ModelConfig],
        *,
        stored: Mapping[str, CallResult],
        on_parts: Callable[[Sequence[Finished]], object],
    ) -> None:
        """Ask `swarms`, by name, through `inner`; `models` give the prices of their members.

        `on_parts` receives the calls of stages, including votes, in the thread that calls `run_batch` and before the
        answers that they lead to.
        """
        self._inner = inner
        self._swarms = swarms
        self._models = models
        self._stored = stored
        self._on_parts = on_parts
        self._permits = Permits(MOST_IN_ALL)
        self._turn = threading.Lock()
        self._open: dict[str, _Open] = {}
        self._over: set[str] = set()
        self._batches: set[Done] = set()
        self._cancelled = threading.Event()
        self._failure: SelfoptError | None = None

    @property
    def in_flight(self) -> int:
        """The number of calls in flight."""
        return self._inner.in_flight

    @property
    def held(self) -> tuple[str, float] | None:
        """The model that calls last had to wait for at its server's wish, and until when; None if not known."""
        if isinstance(self._inner, Holding):
            return self._inner.held
        return None

    @property
    def spent(self) -> tuple[str, CallError] | None:
        """The model whose quota was used up first, and the answer that said so; None if that is not known."""
        if isinstance(self._inner, Holding):
            return self._inner.spent
        return None

    def run(self, call: Call) -> CallResult:
        """Carry out one call and return its result."""
        if call.model not in self._swarms:
            return self._inner.run(call)
        results: list[Finished] = []
        self.run_batch([call], results.extend)
        if not results:
            return _ended(call, UNFINISHED)
        return results[0].result

    def run_batch(self, calls: Sequence[Call], on_results: Callable[[Sequence[Finished]], object]) -> None:
        """Carry out calls; see `Runner.run_batch`."""
        ours, others = self._divided(calls)
        if not ours:
            self._inner.run_batch(calls, on_results)
            return
        done: Done = queue.SimpleQueue()
        with self._turn:
            self._batches.add(done)
        try:
            if others:
                self._start_others(others, done)
            for call in ours:
                self._begin(call, done)
            wanted = {call.id for call in calls}
            hand_over(
                done,
                len(calls),
                partial(self._pass_on, wanted, on_results),
                stopping=self._stopping,
                idle=lambda: not self._permits.in_flight,
                counts=lambda finished: finished.call.id in wanted,
            )
        finally:
            with self._turn:
                self._batches.discard(done)
        if self._failure is not None:
            raise self._failure

    def _divided(self, calls: Sequence[Call]) -> tuple[list[Call], list[Call]]:
        """Divide calls into those to swarms and all others."""
        ours: list[Call] = []
        others: list[Call] = []
        for call in calls:
            batch = others
            if call.model in self._swarms:
                batch = ours
            batch.append(call)
        return ours, others

    def has_begun(self, call_id: str) -> bool:
        """Whether a call was sent, or ended before it was."""
        entry = self._open.get(call_id)
        if entry is None:
            return call_id in self._over or self._inner.has_begun(call_id)
        course = entry.course
        return any(map(self._inner.has_begun, course.under_way)) or bool(course.parts)

    def give_up(self, call_id: str) -> None:
        """Abort one call; it ends as a timeout and is not retried."""
        entry = self._open.get(call_id)
        if entry is None:
            self._inner.give_up(call_id)
            return
        entry.given_up = True
        for part_id in entry.course.under_way:
            self._inner.give_up(part_id)

    def cancel(self) -> None:
        """Abort all calls in flight and start no more."""
        self._cancelled.set()
        self._permits.close()
        self._inner.cancel()
        self._wake()

    def _stopping(self) -> bool:
        return self._cancelled.is_set() or self._failure is not None

    def _wake(self) -> None:
        with self._turn:
            for done in self._batches:
                done.put(None)

    def _fail(self, problem: SelfoptError) -> None:
        self._failure = self._failure or problem
        self._permits.close()
        self._wake()

    def _start_others(self, calls: Sequence[Call], done: Done) -> None:
        thread = threading.Thread(
            target=self._run_others,
            args=(calls, done),
            daemon=True,
        )
        thread.start()

    def _run_others(self, calls: Sequence[Call], done: Done) -> None:
        def pass_on(finished: Sequence[Finished]) -> None:
            for end in finished:
                done.put(end)

        try:
            self._inner.run_batch(calls, pass_on)
        # Of any kind: if this thread ended in silence, the batch would wait for its calls.
        except Exception as problem:  # noqa: BLE001
            self._fail(_as_error(problem))

    def _pass_on(
        self, wanted: set[str], on_results: Callable[[Sequence[Finished]], object], finished: Sequence[Finished]
    ) -> None:
        parts: list[Finished] = []
        ends: list[Finished] = []
        for end in finished:
            kind = parts
            if end.call.id in wanted:
                kind = ends
            kind.append(end)
        if parts:
            self._on_parts(parts)
        if ends:
            on_results(ends)

    def _begin(self, call: Call, done: Done) -> None:
        if call.dialogue is not None:
            self._over.add(call.id)
            done.put(Finished(call, _ended(call, _NO_CONVERSATION)))
            return
        entry = _Open(SwarmExecution(call, self._swarms[call.model]), done)
        with self._turn:
            self._open[call.id] = entry
            calls = entry.course.begin()
        self._send(entry, calls)

    def _send(self, entry: _Open, calls: Sequence[Call]) -> None:
        """Make the calls of a stage as limits allow; stored results are used at once."""
        swarm = entry.course.swarm
        for call in calls:
            stored = self._stored.get(call.id)
            if stored is not None and not stored.cancelled:
                self._take(entry, call, stored, reported=True)
            else:
                begin = partial(self._start, entry, call)
                self._permits.enter(swarm.id, swarm.in_flight, begin)

    def _start(self, entry: _Open, call: Call) -> None:
        threading.Thread(target=self._make, args=(entry, call), name="selfopt-swarm", daemon=True).start()

    def _make(self, entry: _Open, call: Call) -> None:
        result = _ended(call, UNFINISHED)
        try:
            result = self._asked(entry, call)
        except Exception as problem:  # noqa: BLE001
            self._fail(_as_error(problem))
        self._permits.leave(entry.course.swarm.id)
        try:
            self._take(entry, call, result, reported=result.cancelled)
        except Exception as problem:  # noqa: BLE001
            self._fail(_as_error(problem))

    def _asked(self, entry: _Open, call: Call) -> CallResult:
        if entry.given_up:
            return _ended(call, GIVEN_UP)
        return self._inner.run(call)

    def _take(self, entry: _Open, call: Call, result: CallResult, *, reported: bool) -> None:
        """Take a result and continue; a `reported` result is not passed to `on_parts`, but votes on it are."""
        course = entry.course
        with self._turn:
            first = len(course.parts)
            if reported:
                # The call's own part comes before the votes on it.
                first += 1
            following = course.take(call.id, result)
            fresh = course.parts[first:]
        for part in fresh:
            entry.done.put(Finished(part.call, part.result))
        if following is None:
            return
        if entry.given_up:
            self._finish(entry, course.ended_by(GIVEN_UP))
        elif isinstance(following, CallResult):
            self._finish(entry, following)
        else:
            self._send(entry, following)

    def _finish(self, entry: _Open, result: CallResult) -> None:
        call = entry.course.call
        costs = list(map(self._cost, entry.course.parts))
        known = [cost for cost in costs if cost is not None]
        if len(known) == len(costs):
            result = replace(result, cost_usd=sum(known))
        with self._turn:
            self._open.pop(call.id, None)
            self._over.add(call.id)
        entry.done.put(Finished(call, result))

    def _cost(self, part: MemberCall) -> float | None:
        if part.vote is not None:
            return 0.0
        return cost_of_result(part.result, self._models[part.call.model])


def _as_error(problem: Exception) -> SelfoptError:
    if isinstance(problem, SelfoptError):
        return problem
    return RunnerError(f"the calls of a swarm cannot be made: {type(problem).__name__}: {problem}")


def _ended(call: Call, error: CallError) -> CallResult:
    return ended_now(error, lane=call.lane, answers=0)
