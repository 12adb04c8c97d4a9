"""A runner that can ask swarms: their calls are made by whatever runner makes the others."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.cost import cost_of_result
from pytest_selfopt.runners.collect import hand_over
from pytest_selfopt.runners.runner import Call, Finished, Runner
from pytest_selfopt.swarm.execution_state import Part, SwarmExecution
from pytest_selfopt.swarm.permits import Permits
from pytest_selfopt.swarm.swarm import MOST_IN_ALL, Swarm
from pytest_selfopt.trial import CallError, CallResult, ErrorKind

_GIVEN_UP = CallError(kind=ErrorKind.TIMEOUT, message="ended because the time limit of its test was over")
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
    """Makes calls; see `Runner`. One to a swarm becomes the calls of its stages, which another runner makes.

    All limits of that runner hold for them. Each is told of as soon as it has ended, so that it can be recorded on its
    own; what of them is stored from before is not asked again.
    """

    def __init__(
        self,
        inner: Runner,
        swarms: Mapping[str, Swarm],
        models: Mapping[str, ModelConfig],
        *,
        stored: Mapping[str, CallResult],
        on_parts: Callable[[Sequence[Finished]], None],
    ) -> None:
        """Ask `swarms`, by name, through `inner`; `models` tell the prices of their members.

        `on_parts` gets the calls of stages, votes among them, in the thread that calls `run_batch` and before the
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
        """How many calls are under way."""
        return self._inner.in_flight

    def run(self, call: Call) -> CallResult:
        """Carry out one call and return its result."""
        if call.model not in self._swarms:
            return self._inner.run(call)
        results: list[Finished] = []
        self.run_batch([call], results.extend)
        return results[0].result if results else _ended(call, _cancelled())

    def run_batch(self, calls: Sequence[Call], on_results: Callable[[Sequence[Finished]], None]) -> None:
        """Carry out calls; see `Runner.run_batch`."""
        if not any(call.model in self._swarms for call in calls):
            self._inner.run_batch(calls, on_results)
            return
        done: Done = queue.SimpleQueue()
        with self._turn:
            self._batches.add(done)
        try:
            others = [call for call in calls if call.model not in self._swarms]
            if others:
                threading.Thread(target=self._run_others, args=(others, done), daemon=True).start()
            for call in calls:
                if call.model in self._swarms:
                    self._begin(call, done)
            wanted = {call.id for call in calls}
            hand_over(
                done,
                len(calls),
                partial(self._pass_on, wanted, on_results),
                stopping=self._stopping,
                idle=lambda: not self._permits.in_flight,
                counts=lambda one: one.call.id in wanted,
            )
        finally:
            with self._turn:
                self._batches.discard(done)
        if self._failure is not None:
            raise self._failure

    def has_begun(self, call_id: str) -> bool:
        """Whether a call was sent, or has ended without having been."""
        there = self._open.get(call_id)
        if there is None:
            return call_id in self._over or self._inner.has_begun(call_id)
        return any(self._inner.has_begun(one) for one in there.course.under_way) or bool(there.course.parts)

    def give_up(self, call_id: str) -> None:
        """Abort one call; it ends as a time-out, and is not tried again."""
        there = self._open.get(call_id)
        if there is None:
            self._inner.give_up(call_id)
            return
        there.given_up = True
        for one in there.course.under_way:
            self._inner.give_up(one)

    def cancel(self) -> None:
        """Abort what is under way and start nothing more."""
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

    def _run_others(self, calls: Sequence[Call], done: Done) -> None:
        def pass_on(finished: Sequence[Finished]) -> None:
            for one in finished:
                done.put(one)

        try:
            self._inner.run_batch(calls, pass_on)
        except SelfoptError as problem:
            self._fail(problem)

    def _pass_on(
        self, wanted: set[str], on_results: Callable[[Sequence[Finished]], None], finished: Sequence[Finished]
    ) -> None:
        parts = [one for one in finished if one.call.id not in wanted]
        if parts:
            self._on_parts(parts)
        ends = [one for one in finished if one.call.id in wanted]
        if ends:
            on_results(ends)

    def _begin(self, call: Call, done: Done) -> None:
        if call.dialogue is not None:
            self._over.add(call.id)
            done.put(Finished(call, _ended(call, _NO_CONVERSATION)))
            return
        there = _Open(SwarmExecution(call, self._swarms[call.model]), done)
        with self._turn:
            self._open[call.id] = there
            calls = there.course.begin()
        self._send(there, calls)

    def _send(self, there: _Open, calls: Sequence[Call]) -> None:
        """Have calls of a stage made as there is room; those that are stored are there at once."""
        swarm = there.course.swarm
        for call in calls:
            stored = self._stored.get(call.id)
            if stored is not None and not stored.cancelled:
                self._take(there, call, stored, told=True)
            else:
                self._permits.enter(swarm.id, swarm.in_flight, partial(self._start, there, call))

    def _start(self, there: _Open, call: Call) -> None:
        threading.Thread(target=self._make, args=(there, call), name="selfopt-swarm", daemon=True).start()

    def _make(self, there: _Open, call: Call) -> None:
        try:
            result = _ended(call, _GIVEN_UP) if there.given_up else self._inner.run(call)
        except SelfoptError as problem:
            self._fail(problem)
            result = _ended(call, _cancelled())
        self._permits.leave(there.course.swarm.id)
        self._take(there, call, result, told=result.cancelled)

    def _take(self, there: _Open, call: Call, result: CallResult, *, told: bool) -> None:
        """Note a result, and go on from it."""
        course = there.course
        with self._turn:
            before = len(course.parts)
            following = course.take(call.id, result)
            fresh = course.parts[before + told :]
        for part in fresh:
            there.done.put(Finished(part.call, part.result))
        if following is None:
            return
        if there.given_up:
            self._finish(there, course.ended_by(_GIVEN_UP))
        elif isinstance(following, CallResult):
            self._finish(there, following)
        else:
            self._send(there, following)

    def _finish(self, there: _Open, result: CallResult) -> None:
        call = there.course.call
        costs = [self._cost(part) for part in there.course.parts]
        known = [cost for cost in costs if cost is not None]
        if len(known) == len(costs):
            result = replace(result, cost_usd=sum(known))
        with self._turn:
            self._open.pop(call.id, None)
            self._over.add(call.id)
        there.done.put(Finished(call, result))

    def _cost(self, part: Part) -> float | None:
        if part.vote is not None:
            return 0.0
        return cost_of_result(part.result, self._models[part.call.model])


def _cancelled() -> CallError:
    return CallError(kind=ErrorKind.CANCELLED, message="cancelled before it had ended")


def _ended(call: Call, error: CallError) -> CallResult:
    now = time.time()
    return CallResult(error=error, started=now, ended=now, answers=0, lane=call.lane)
