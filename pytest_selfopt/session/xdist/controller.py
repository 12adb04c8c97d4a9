"""The controller of a distributed session: makes all calls, hands out the replies, and judges what the workers report.

So a session has the same calls, limits, passes and verdicts however many processes run its items, whichever of xdist's
schedulers hands them out, and whatever becomes of the workers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_selfopt.console.sanitize import visible
from pytest_selfopt.cycle.phase_run import EvidenceProblem
from pytest_selfopt.cycle.running_cycle import RunningCycle
from pytest_selfopt.deferred_signals import undisturbed
from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.planning.plan import TrialKey
from pytest_selfopt.session.options import looks_only, mode_of
from pytest_selfopt.session.session_cycle import SessionCycle
from pytest_selfopt.session.subsessions import run_proof
from pytest_selfopt.session.verdict import VerdictHooks
from pytest_selfopt.session.xdist.pending import PendingTrials
from pytest_selfopt.session.xdist.rpc import (
    Abandon,
    Collected,
    PlanRequest,
    PlanResponse,
    Request,
    Response,
    Result,
    StartTrial,
    StartTrialResponse,
)
from pytest_selfopt.settings import Mode
from pytest_selfopt.trial import CallResult

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

STUCK_S = 10.0
"""How long nothing may be run while a worker waits for the passes before, until it is let go on."""

_TICK_S = 0.5


class XdistController:
    """Everything of a distributed session that is not done in its workers; xdist's own hooks tell it of them."""

    def __init__(
        self, config: pytest.Config, *, hang_up: Callable[[], None], given_to: Callable[[str], Sequence[str]]
    ) -> None:
        """Decide for a session; `hang_up` ends the line to all workers, `given_to` tells what items one has to run."""
        self._config = config
        self._turn = threading.Condition(threading.RLock())
        """Held by the thread that reads or changes what follows; notified when a trial is settled."""
        self._cycle = SessionCycle(config)
        self._plan = self._cycle.session_plan
        self._board = PendingTrials({})
        self._problems: list[str] = []
        self._ended = False
        self._let_on = False
        """Whether passes begin although trials before them are open, because those will not come any more."""
        self._changed = time.monotonic()
        self._failure = ""
        """Why the session cannot go on."""
        self._judging = VerdictHooks(config, lambda: self._cycle.started, self._in_turn)
        self._hang_up = hang_up
        self._given_to = given_to

    def run_proof(self, status: int) -> int:
        """Prove what this session has put on trial, in a session that follows it; the status of both."""
        return run_proof(self._judging.proof, self._config, status)

    def close(self) -> None:
        """Release workers, servers, ledger and lock; doing it twice is harmless."""
        self._hang_up()
        self._cycle.close()

    # What workers ask, each on a thread of its own.

    def answer(self, worker: str, question: Request) -> Response:
        """Answer a worker, on a thread that is for it alone.

        Raises:
            SelfoptError: when there is no answer.
        """
        match question:
            case PlanRequest(test, suite, phase):
                return self._answer_plan(test, Path(suite), phase)
            case Collected():
                self._note_collected(question)
                return None
            case StartTrial(key):
                return self._begin(worker, key)
            case Abandon(key):
                if self._cycle.started is not None:
                    self._cycle.started.dispatcher.give_up(key)
                return None
            case _:
                running = self._cycle.running
                result = running.wait_for(question.key, self._while_waiting)
                return Result(result, running.stopped_because)

    def answer_at_once(self, worker: str, question: Request) -> Response:
        """The answer to what is asked most often, when the reply is there already; None where that has to wait."""
        running = self._cycle.started
        if not isinstance(question, StartTrial) or running is None or self._ended:
            return None
        key = question.key
        live = running.active_specs(key)
        if live is None or key.spec not in live:
            return None
        results = self._results(running, worker, key, live)
        return StartTrialResponse(should_run=True, results=results, live=live) if key in results else None

    def _results(
        self, running: RunningCycle, worker: str, key: TrialKey, live: frozenset[str]
    ) -> dict[TrialKey, CallResult]:
        """The results that are there, of a trial and of what its worker runs in the same pass after it."""
        given = [one for one in map(self._board.key_of, self._given_to(worker)) if one is not None]
        following = given[given.index(key) + 1 :] if key in given else []
        found: dict[TrialKey, CallResult] = {}
        for one in (key, *following):
            if one.spec in live and (one.phase, one.run) == (key.phase, key.run):
                result = running.dispatcher.result_if_there(one)
                if result is not None:
                    found[one] = result
        return found

    def _answer_plan(self, test: str, path: Path, phase: str) -> PlanResponse:
        with self._turn:
            trials = self._plan.add(test, path, phase)
            return PlanResponse(self._plan.plans[phase], trials[0].suite.content_hash, self._cycle.planned.seed)

    def _note_collected(self, collected: Collected) -> None:
        with self._turn:
            self._problems += [one for one in collected.problems if one not in self._problems]
            if self._cycle.started is None:
                self._board = PendingTrials(dict(collected.items))

    def _begin(self, worker: str, key: TrialKey) -> StartTrialResponse:
        running = self._cycle.running
        planned = self._plan.planned[key]
        with self._turn:
            self._board.waits(worker, key)
            while not self._may_decide(running, key):
                self._turn.wait(_TICK_S)
            self._board.waits_no_more(worker)
            if self._ended:
                raise SelfoptError("the session is over")
            try:
                should_run = running.should_run(planned)
            except SelfoptError as problem:
                self._failure = str(problem)
                raise
            live = running.active_specs(key)
            if live is not None:
                self._board.settle_all_but(key, live)
            if not should_run:
                self._settle(key)
                return StartTrialResponse(should_run=False, results={}, live=live)
        running.dispatcher.wait_until_begun(key)
        return StartTrialResponse(
            should_run=True, results=self._results(running, worker, key, live or frozenset({key.spec})), live=live
        )

    def _may_decide(self, running: RunningCycle, key: TrialKey) -> bool:
        """Whether the specs that continue to a trial's pass can be decided."""
        if self._ended or self._let_on or not self._board.open_before(key):
            return True
        if not running.pass_gate.depends(key):
            return True
        quiet_s = time.monotonic() - self._changed
        stopping = bool(getattr(self._config.pluginmanager.get_plugin("dsession"), "shouldstop", False))
        self._let_on = stopping or (self._board.is_stalled and quiet_s > STUCK_S and not running.dispatcher.in_flight)
        return self._let_on

    def _while_waiting(self) -> None:
        """Show nothing: only the main thread writes to the terminal."""

    def _settle(self, key: TrialKey) -> bool:
        """Take a trial off the board; whether its pass has come to its end."""
        self._changed = time.monotonic()
        self._turn.notify_all()
        return self._board.settle(key)

    # What xdist tells, on the main thread.

    @contextmanager
    def _in_turn(self) -> Generator[None, None, None]:
        with undisturbed, self._turn:
            yield

    def register_hooks(self) -> None:
        """Listen to pytest's hooks from now on."""
        undisturbed.watch()
        manager = self._config.pluginmanager
        manager.register(self._judging, "selfopt-judging")
        # After it, and so around it: it has booked a trial before this takes it off the board.
        manager.register(self, "selfopt-controller")

    def refuse_problems(self) -> None:
        """End the session with all problems that workers found during collection.

        Raises:
            pytest.UsageError: when there was any.
        """
        if self._problems:
            raise pytest.UsageError(visible("\n".join(self._problems)))

    def start(self) -> None:
        """Begin to make calls, once everything is collected; doing it twice is harmless.

        Raises:
            pytest.UsageError: when that is not possible.
        """
        with self._turn:
            if self._config.option.selfopt_prove:
                idle = [phase for phase, plan in self._plan.plans.items() if not plan.trial]
                self._plan.leave_out(idle)
                self._judging.nothing_on_trial = bool(idle) and not self._plan.plans
            selected = [self._plan.planned[key] for key in self._board.still_open()]
            if self._cycle.started is not None or not selected or looks_only(self._config):
                return
            try:
                self._cycle.start(selected)
            except SelfoptError as problem:
                raise pytest.UsageError(visible(str(problem))) from None

    def pytest_testnodedown(self, node: WorkerController) -> None:
        """Wait for nothing that a worker that is gone could do; its successor collects anew."""
        with self._in_turn():
            self._board.waits_no_more(node.gateway.id)
            self._changed = time.monotonic()
            self._turn.notify_all()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note that an item is being run."""
        with self._in_turn():
            self._board.starts(nodeid)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, None, None]:
        """Take a trial off the board when its item is done, or lost with the worker that had it."""
        yield
        with self._in_turn():
            key = self._board.key_of(report.nodeid)
            # As xdist says it of the item that a worker died with.
            lost = str(report.when) == "???"
            if report.when == "teardown" or lost:
                self._board.ends(report.nodeid)
                if key is not None:
                    self._finish_item(key, lost=lost)
        if self._failure:
            raise pytest.UsageError(self._failure)

    def _finish_item(self, key: TrialKey, *, lost: bool) -> None:
        ended = self._settle(key)
        running = self._cycle.started
        if running is None:
            return
        if lost:
            running.note_problem(EvidenceProblem.LOST)
        else:
            running.dispatcher.discard(key)
        running.show_progress(key)
        if ended and mode_of(self._config) is not Mode.PLAIN:
            # Decided before the pass is written: so its line names the specs that stop, and calls begin early.
            self._decide_next(running, key)
            running.end_pass(key.phase, key.run)

    def _decide_next(self, running: RunningCycle, key: TrialKey) -> None:
        try:
            if not self._board.open_before(TrialKey(key.phase, key.spec, key.case, key.run + 1)):
                running.decide_next(key)
        except SelfoptError as problem:
            self._failure = str(problem)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Release the workers, and count what they never reported; `VerdictHooks` decides."""
        with self._in_turn():
            self._ended = True
            self._turn.notify_all()
        self._hang_up()
        running = self._cycle.started
        if running is not None:
            running.stop()
            never = len(list(self._board.still_open()))
            if never:
                running.note_problem(EvidenceProblem.LOST, never)
