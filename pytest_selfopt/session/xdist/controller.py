"""The controller of a distributed session: makes all calls, hands out the replies, and judges what the workers report.

So a session has the same calls, limits, passes and verdicts however many processes run its items, whichever of xdist's
schedulers assigns them, and even if workers die.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_selfopt import clock
from pytest_selfopt.console.sanitize import harmless
from pytest_selfopt.cycle.phase_run import EvidenceProblem
from pytest_selfopt.cycle.running_cycle import RunningCycle
from pytest_selfopt.deferred_signals import undisturbed
from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.planning.plan import TrialKey
from pytest_selfopt.planning.session_plan import SkippedTrials
from pytest_selfopt.session.collection import refuse
from pytest_selfopt.session.options import looks_only, mode_of
from pytest_selfopt.session.session_cycle import SessionCycle
from pytest_selfopt.session.subsessions import run_proof
from pytest_selfopt.session.verdict import VerdictHooks
from pytest_selfopt.session.xdist.main_loop import Ticker
from pytest_selfopt.session.xdist.pending import PendingTrials
from pytest_selfopt.session.xdist.rpc import (
    Abandon,
    Collected,
    EndSession,
    PlanRequest,
    PlanResponse,
    Request,
    Response,
    Result,
    ResultOf,
    StartTrial,
    StartTrialResponse,
)
from pytest_selfopt.session.xdist.scheduler import count_workers
from pytest_selfopt.settings import Mode
from pytest_selfopt.trial import CallResult

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

STUCK_S = 10.0
"""The seconds without a running item after which a worker waits no longer for the passes before."""

_TICK_S = 0.5


class XdistController:
    """The part of a distributed session outside its workers; xdist's hooks inform it about them."""

    def __init__(
        self, config: pytest.Config, *, disconnect: Callable[[], None], items_of: Callable[[str], Sequence[str]]
    ) -> None:
        """Control a session; `disconnect` closes all connections, `items_of` returns the items a worker has to run."""
        self._config = config
        self._lock = threading.Condition(threading.RLock())
        """Held by a thread that reads or changes the attributes below; notified when a trial is closed."""
        self._cycle = SessionCycle(config)
        self._plan = self._cycle.session_plan
        self._pending = PendingTrials({})
        self._problems: list[str] = []
        self._skipped: Sequence[SkippedTrials] = ()
        self._ended = False
        self._unblocked = False
        """Whether passes begin despite open trials before them, because those will not come any more."""
        self._changed = clock.monotonic()
        self._failure = ""
        """Why the session cannot continue."""
        self._verdict = VerdictHooks(config, lambda: self._cycle.started, self._locked)
        self._disconnect = disconnect
        self._items_of = items_of
        self._ticker = Ticker(lambda: config.pluginmanager.get_plugin("dsession"), self._show_progress)

    def run_proof(self, status: int) -> int:
        """Prove the rules that this session put on trial, in a following session; return the status of both."""
        return run_proof(self._verdict.proof, self._config, status)

    def close(self) -> None:
        """Release workers, servers, ledger and lock; doing it twice is harmless."""
        self._ticker.stop()
        self._disconnect()
        self._cycle.close()

    # Requests of workers, each on its own thread.

    def answer(self, worker: str, request: Request) -> Response:
        """Respond to a worker, on that worker's own thread.

        Raises:
            SelfoptError: if the request fails.
        """
        match request:
            case PlanRequest():
                return self._answer_plan(request)
            case Collected():
                self._note_collected(request)
                return None
            case StartTrial(key):
                return self._begin(worker, key)
            case Abandon(key):
                if self._cycle.started is not None:
                    self._cycle.started.dispatcher.abandon(key)
                return None
            case EndSession(why):
                with self._lock:
                    self._failure = self._failure or why
                return None
            case ResultOf():
                running = self._cycle.running
                result = running.wait_for(request.key, _wait_silently)
                return Result(result, running.stopped_because)

    def answer_at_once(self, worker: str, request: Request) -> Response:
        """Respond to the most frequent request if its result is ready; None if it has to wait."""
        running = self._cycle.started
        if not isinstance(request, StartTrial) or running is None or self._ended:
            return None
        key = request.key
        live = running.active_specs(key)
        if live is None or key.spec not in live:
            return None
        results = self._results(running, worker, key, live)
        if key not in results:
            return None
        return StartTrialResponse(should_run=True, results=results, live=live)

    def _results(
        self, running: RunningCycle, worker: str, key: TrialKey, live: frozenset[str]
    ) -> dict[TrialKey, CallResult]:
        """Return the ready results of a trial and of its worker's next items in the same pass."""
        keys = list(filter(None, map(self._pending.key_of, self._items_of(worker))))
        following: list[TrialKey] = []
        if key in keys:
            following = keys[keys.index(key) + 1 :]
        results: dict[TrialKey, CallResult] = {}
        for ready in (key, *following):
            if ready.spec in live and (ready.phase, ready.run) == (key.phase, key.run):
                result = running.dispatcher.result_if_ready(ready)
                if result is not None:
                    results[ready] = result
        return results

    def _answer_plan(self, request: PlanRequest) -> PlanResponse:
        with self._lock:
            self._cycle.project.adopt(request.test, request.project)
            trials = self._plan.add(request.test, Path(request.suite), request.phase)
            plan = self._plan.plans[request.phase]
            return PlanResponse(plan, trials[0].suite.content_hash, self._cycle.planned.seed)

    def _note_collected(self, collected: Collected) -> None:
        with self._lock:
            self._problems += [problem for problem in collected.problems if problem not in self._problems]
            if self._cycle.started is None:
                times = 1
                if self._config.getoption("dist") == "each":
                    times = count_workers(self._config)
                self._pending = PendingTrials(dict(collected.items), times)
                self._skipped = collected.skipped

    def _begin(self, worker: str, key: TrialKey) -> StartTrialResponse:
        running = self._cycle.running
        planned = self._plan.planned[key]
        with self._lock:
            self._pending.start_waiting(worker, key)
            while not self._may_decide(running, key):
                self._lock.wait(_TICK_S)
            self._pending.stop_waiting(worker)
            if self._ended:
                raise SelfoptError("the session is over")
            try:
                should_run = running.should_run(planned)
            except SelfoptError as problem:
                self._failure = str(problem)
                raise
            live = running.active_specs(key)
            if live is not None:
                self._pending.discard_stopped(key, live)
            if not should_run:
                self._close_trial(key)
                return StartTrialResponse(should_run=False, results={}, live=live)
        running.dispatcher.wait_until_begun(key, _wait_silently)
        return StartTrialResponse(
            should_run=True, results=self._results(running, worker, key, live or frozenset({key.spec})), live=live
        )

    def _may_decide(self, running: RunningCycle, key: TrialKey) -> bool:
        """Whether the specs that continue to a trial's pass can be decided."""
        if self._ended or self._unblocked or not self._pending.open_before(key):
            return True
        if not running.pass_gate.depends(key):
            return True
        quiet_s = clock.monotonic() - self._changed
        stopping = bool(getattr(self._config.pluginmanager.get_plugin("dsession"), "shouldstop", False))
        self._unblocked = stopping or (
            self._pending.is_stalled and quiet_s > STUCK_S and not running.dispatcher.in_flight
        )
        return self._unblocked

    def _close_trial(self, key: TrialKey) -> bool:
        """Discard a pending trial; return whether its pass has ended."""
        self._changed = clock.monotonic()
        self._lock.notify_all()
        return self._pending.discard(key)

    # Events from xdist, on the main thread.

    @contextmanager
    def _locked(self) -> Generator[None, None, None]:
        with undisturbed, self._lock:
            yield

    def register_hooks(self) -> None:
        """Listen to pytest's hooks from now on."""
        undisturbed.interrupt_when_ended()
        undisturbed.watch()
        manager = self._config.pluginmanager
        manager.register(self._verdict, "selfopt-judging")
        # After the verdict's hooks, and so around them: they take a trial in before it is discarded here.
        manager.register(self, "selfopt-controller")

    def end_loop(self) -> None:
        """Take note that all items were run."""
        self._verdict.take_off_hidden_failures()

    def refuse_problems(self) -> None:
        """End the session with all problems that workers found during collection.

        Raises:
            pytest.UsageError: if there were any.
        """
        refuse(self._problems, self._cycle.project.unused_note)

    def start(self) -> None:
        """Begin to make calls, once everything is collected; doing it twice is harmless.

        Raises:
            pytest.UsageError: if calls cannot be made.
        """
        with self._lock:
            if self._config.option.selfopt_prove:
                idle = [phase for phase, plan in self._plan.plans.items() if not plan.trial]
                self._plan.remove_phases(idle)
                self._verdict.nothing_on_trial = bool(idle) and not self._plan.plans
            selected = [self._plan.planned[key] for key in self._pending.open_trials()]
            if self._cycle.started is not None:
                return
            self._plan.leave_out(self._skipped)
            if not selected:
                self._verdict.nothing_asked = self._skipped
            if not selected or looks_only(self._config):
                return
            try:
                self._cycle.start(selected)
            except SelfoptError as problem:
                raise pytest.UsageError(harmless(str(problem))) from None
        self._ticker.start()

    def _show_progress(self) -> None:
        """Show the progress of the first pass that has not ended, however long no item ends."""
        with self._locked():
            running = self._cycle.started
            key = next(iter(self._pending.open_trials()), None)
            if running is not None and key is not None and not self._ended:
                running.show_progress(key, self._pending.open_in_pass(key))

    def pytest_testnodedown(self, node: WorkerController) -> None:
        """Stop waiting for a worker that is gone; its successor collects again."""
        with self._locked():
            self._pending.stop_waiting(node.gateway.id)
            self._changed = clock.monotonic()
            self._lock.notify_all()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note that an item is being run."""
        with self._locked():
            self._pending.start_item(nodeid)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, None, None]:
        """Discard a pending trial when its item is done, or lost with its worker."""
        yield
        with self._locked():
            key = self._pending.key_of(report.nodeid)
            # The phase that xdist reports for the item with which a worker died.
            lost = str(report.when) == "???"
            if report.when == "teardown" or lost:
                self._pending.end_item(report.nodeid)
                if key is not None:
                    self._finish_item(key, lost=lost)
        if self._failure:
            raise pytest.UsageError(harmless(self._failure))

    def _finish_item(self, key: TrialKey, *, lost: bool) -> None:
        ended = self._close_trial(key)
        running = self._cycle.started
        if running is None:
            return
        if lost:
            running.note_problem(EvidenceProblem.LOST)
        elif self._pending.is_last_item(key):
            running.dispatcher.discard(key)
        if ended and mode_of(self._config) is not Mode.PLAIN:
            # Decided before the pass is written: so its line names the specs that stop, and calls begin early.
            self._decide_next(running, key)
            running.end_pass(key.phase, key.run)

    def _decide_next(self, running: RunningCycle, key: TrialKey) -> None:
        following = replace(key, run=key.run + 1)
        if self._pending.open_before(following):
            return
        try:
            running.decide_next(key)
            live = running.active_specs(following)
        except SelfoptError as problem:
            self._failure = str(problem)
            return
        if live is not None:
            # Here, because a pass whose results are all ready when its items begin is answered without `_begin`.
            self._pending.discard_stopped(following, live)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Release the workers, and count the trials they never reported; `VerdictHooks` decides."""
        self._ticker.stop()
        with self._locked():
            self._ended = True
            self._lock.notify_all()
        self._disconnect()
        running = self._cycle.started
        if running is not None:
            running.stop()
            never = len(list(self._pending.open_trials()))
            if never:
                running.note_problem(EvidenceProblem.LOST, never)


def _wait_silently() -> None:
    """Do nothing while a worker waits: the ticker shows progress, on the main thread."""
