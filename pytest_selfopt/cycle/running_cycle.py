"""A cycle while its calls are made: hands out replies, takes in trials, and concludes the cycle at the end."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import chain

from pytest_selfopt import clock
from pytest_selfopt.bench.expected_failure import begin_to_pass
from pytest_selfopt.cycle.build_gate import gate
from pytest_selfopt.cycle.cycle_calls import CycleCalls
from pytest_selfopt.cycle.finish import finish_cycle_files, record_stopped_cycle
from pytest_selfopt.cycle.observer import CycleObserver
from pytest_selfopt.cycle.pass_gate import PassGate
from pytest_selfopt.cycle.phase_run import EvidenceProblem, OpenedCycle
from pytest_selfopt.cycle.proof import proof_of
from pytest_selfopt.cycle.result import CycleResult
from pytest_selfopt.cycle.store import CycleStore, SessionStore
from pytest_selfopt.deferred_signals import undisturbed
from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.execution.backends import CallBackend
from pytest_selfopt.execution.outage import Outage, address_of, silence_of
from pytest_selfopt.ledger.ledger import CycleStatus, Ledger, Warmup
from pytest_selfopt.planning.plan import PlannedTrial, TrialKey
from pytest_selfopt.runners.budget import CallBudget
from pytest_selfopt.runners.quota import spent_sentence
from pytest_selfopt.settings import Mode, Settings
from pytest_selfopt.specs.spec import parse_spec
from pytest_selfopt.trial import CallError, CallResult, ErrorKind, Trial, is_blocked


class RunningCycle:
    """A cycle, a gate or a plain session whose calls are made from `begin_calls` on; made by `PlannedCycle.start`."""

    def __init__(
        self,
        *,
        store: SessionStore,
        backend: CallBackend,
        calls: CycleCalls,
        pass_gate: PassGate,
        observer: CycleObserver,
        opened: OpenedCycle,
        partial: bool,
        began: float,
    ) -> None:
        self.dispatcher = calls.dispatcher
        self.pass_gate = pass_gate
        self.stopped_because = ""
        """Why no more calls are made, once the budget is used up; empty before."""
        self._store = store
        self._backend = backend
        self._calls = calls.factory
        self._recorder = calls.recorder
        self._budget = calls.budget
        self._outages = calls.outages
        self._observer = observer
        self._cycle = opened.cycle
        self._phases = opened.phases
        self._partial = partial
        self._began = began
        self._pass: tuple[str, int] | None = None
        """Phase and run of the pass that is replayed."""
        self._evidence_problems: Counter[EvidenceProblem] = Counter()

    @property
    def settings(self) -> Settings:
        """The settings of the session."""
        return self._store.settings

    @property
    def warmups(self) -> tuple[Warmup, ...]:
        """The warm-up calls that this session has made."""
        return tuple(self._recorder.warmups)

    def begin_calls(self) -> None:
        """Begin to make calls."""
        self.dispatcher.start()

    def begin(self, planned: PlannedTrial) -> bool:
        """Wait until an item's call is under way; return whether the item is to be run.

        Raises:
            SelfoptError: if one of the project's own gates fails, or the call is never made.
        """
        should_run = self.should_run(planned)
        if should_run:
            self._enter_pass(planned.key)
            self.dispatcher.wait_until_begun(planned.key, lambda: self._while_waiting(planned.key))
        return should_run

    def should_run(self, planned: PlannedTrial) -> bool:
        """Whether an item is to be run; see `PassGate.should_run`.

        Raises:
            SelfoptError: if another process has taken the lock.
        """
        self._store.require_lock()
        if self.stopped_because:
            return self.dispatcher.was_answered(planned.key)
        return self.pass_gate.should_run(planned.key)

    def active_specs(self, key: TrialKey) -> frozenset[str] | None:
        """Return the specs that are asked in a trial's pass; None if not decided, as when calls have stopped."""
        if self.stopped_because:
            return None
        return self.pass_gate.active_specs(key)

    def decide_next(self, key: TrialKey) -> None:
        """Decide which specs continue after a trial's pass; see `PassGate.decide_next`."""
        if not self.stopped_because:
            self.pass_gate.decide_next(key)

    def result(self, key: TrialKey) -> CallResult:
        """Wait for the result of a trial's call.

        Raises:
            SelfoptError: if calls cannot be recorded any more, or the call is never made.
        """
        self._enter_pass(key)
        return self.wait_for(key, lambda: self._while_waiting(key))

    def _while_waiting(self, key: TrialKey) -> None:
        self._observer.on_wait(key)
        self._store.require_lock()
        if self.dispatcher.is_blocked(key):
            # Only another item would release it, and it is run later.
            raise SelfoptError(
                f"run {key.run} of phase {key.phase} has not begun: another plugin runs items in its own way or order, "
                "but passes are asked one after the other"
            )

    def wait_for(self, key: TrialKey, while_waiting: Callable[[], None]) -> CallResult:
        """Wait for the result of a trial's call, on any thread; see `result`."""
        result = self.dispatcher.result(key, while_waiting)
        # A plain session is a test like any other: it fails by what it meets.
        if result.error is not None and result.cancelled and self.settings.mode is not Mode.PLAIN:
            self._stop_calls(result.error, result.lane)
        elif self._budget is not None and result.cancelled:
            self.stopped_because = self._budget.spent
        return result

    def block(self, key: TrialKey, error: CallError) -> CallResult:
        """Return the result of a trial while other code of this process lets no call out; make no more calls.

        A cycle or gate keeps what came before; in a plain session every such trial has the error.
        """
        ready = None
        if self.settings.mode is not Mode.PLAIN:
            self._stop_calls(error, parse_spec(key.spec).model)
            ready = self.dispatcher.result_if_ready(key)
            self.dispatcher.stop()
        if ready is not None:
            return ready
        now = clock.now()
        return CallResult(error=error, started=now, ended=now, answers=0)

    def _stop_calls(self, error: CallError, model: str) -> None:
        """Note why no more calls are made: budget or quota are used up, connections blocked, or there is an outage."""
        if self.stopped_because:
            return
        if self._budget is not None and self._budget.spent:
            self.stopped_because = self._budget.spent
        elif self._outages.outage is not None:
            self.stopped_because = self._describe(self._outages.outage)
        elif is_blocked(error):
            self.stopped_because = (
                f"{model} cannot be asked: {error.message}; allow its host, or keep what blocks connections from "
                "benchmarks"
            )
        elif error.kind is ErrorKind.QUOTA:
            self.stopped_because = spent_sentence(model, error)
        elif self.dispatcher.spent is not None:
            # The call was not made, because another one, such as a warm-up, had met the end of the quota.
            self.stopped_because = spent_sentence(*self.dispatcher.spent)

    def _describe(self, outage: Outage) -> str:
        """Say what an outage is, with the addresses of the servers."""
        return outage.sentence(partial(address_of, self.settings))

    def take(self, trial: Trial) -> None:
        """Take a judged trial into the evidence and the ledger."""
        key = TrialKey(trial.phase, trial.spec, trial.case, trial.run)
        if not self._calls.knows(key):
            self.note_problem(EvidenceProblem.FOREIGN)
        elif not self._phases[trial.phase].add(trial):
            self.note_problem(EvidenceProblem.TWICE)
        else:
            self._recorder.record_outcome(trial)

    def note_problem(self, problem: EvidenceProblem, trials: int = 1) -> None:
        """Note a problem with the evidence of some trials; incomplete evidence decides nothing."""
        self._evidence_problems[problem] += trials

    def _enter_pass(self, key: TrialKey) -> None:
        """End the pass before when the replay comes to a new one."""
        current = (key.phase, key.run)
        if self._pass != current:
            if self._pass is not None:
                self.end_pass(*self._pass)
            self._pass = current

    def end_pass(self, phase: str, run: int) -> None:
        """Store the outcomes of a pass, and tell the observer."""
        self._recorder.flush()
        if self.settings.mode is not Mode.PLAIN:
            self._observer.on_pass_end(phase, run)

    def show_progress(self, key: TrialKey, unfinished: int) -> None:
        """Tell the observer that `unfinished` tests of a trial's pass are waited for; on the main thread only."""
        self._observer.on_wait(key, unfinished)

    def make_room(self) -> None:
        """Tell the observer that pytest is going to write."""
        self._observer.on_other_output()

    def stop(self) -> None:
        """Make no more calls and stop the servers; doing it twice is harmless."""
        with undisturbed:
            if self._pass is not None and self.settings.mode is not Mode.PLAIN:
                self._observer.on_pass_end(*self._pass)
            self._observer.on_other_output()
            self._pass = None
            self.dispatcher.stop()
            self._backend.stop()

    def finish(self, *, interrupted: bool) -> CycleResult:
        """Conclude the cycle and write its results; an interrupted or partial cycle only records how it ended.

        Raises:
            StateError: if something cannot be written.
        """
        self.stop()
        if interrupted:
            self._evidence_problems.clear()
        if not isinstance(self._store, CycleStore):
            return self._finish_gate(interrupted=interrupted)
        self._store.lease.check()
        self._store.notes += filter(None, [self._store.lease.pause_note])
        self._recorder.flush()
        if interrupted or self._partial or self.stopped_because or self._evidence_problems:
            return self._finish_undecided(self._store, interrupted=interrupted)
        silent = {name: self._describe(outage) for name, outage in self._silences()}
        if len(silent) == len(self._phases):
            self.stopped_because = "; ".join(dict.fromkeys(silent.values()))
            return self._finish_undecided(self._store, interrupted=False)
        return self._finish_decided(self._store, silent)

    def _silences(self) -> Iterator[tuple[str, Outage]]:
        """Yield each phase in which no server has answered anything, with its outage."""
        for name, phase in self._phases.items():
            outage = silence_of(chain.from_iterable(map(phase.trials, phase.specs)))
            if outage is not None:
                yield name, outage

    def fail(self, problem: str) -> CycleResult:
        """Return the result of a cycle that could not be concluded because of a problem; it can be resumed."""
        if isinstance(self._store, CycleStore):
            # Where nothing can be written, or the lock is another's, the next cycle records this.
            with contextlib.suppress(SelfoptError):
                self._store.lease.check()
                self._store.ledger.mark_interrupted(self._cycle, ended=clock.now())
        return replace(self._result(), problem=problem)

    def _result(self) -> CycleResult:
        """Return the fields that every result has."""
        return CycleResult(
            settings=self.settings,
            cycle=self._cycle,
            began=self._began,
            phases=self._phases,
            stopped_because=self.stopped_because,
            evidence_problems=dict(self._evidence_problems),
            notes=(*self._store.notes, *self._backend.notes(), *self._recorder.notes.lines(), *self._passing()),
        )

    def _passing(self) -> Iterator[str]:
        """Yield a sentence on each case that was expected to fail and begins to pass."""
        for phase in self._phases.values():
            yield from begin_to_pass(phase.expected_failures())

    def _finish_gate(self, *, interrupted: bool) -> CycleResult:
        """Judge a gate's phases by their thresholds; partial or incomplete evidence decides nothing."""
        result = replace(self._result(), took_s=clock.now() - self._began, warmups=self.warmups)
        if interrupted:
            return replace(result, status="interrupted")
        if self.stopped_because:
            return replace(result, status="stopped")
        if self._partial or self._evidence_problems:
            return replace(result, status="partial")
        gated = tuple(gate(phase, self._store) for phase in self._phases.values())
        return replace(result, status="decided", gated=gated)

    def _finish_undecided(self, store: CycleStore, *, interrupted: bool) -> CycleResult:
        """Record the end of a cycle that decides nothing."""
        ledger = store.ledger
        if self._budget is not None:
            self._add_unrecorded(ledger, self._budget)
        status = self._undecided_status(store, interrupted=interrupted)
        result = replace(
            self._result(), status=status, warmups=ledger.warmups(self._cycle), counts=ledger.counts(self._cycle)
        )
        if status != "stopped":
            ledger.finish_cycle(self._cycle, ended=clock.now(), status=status)
            return result
        phases = tuple(self._phases.values())
        notes = record_stopped_cycle(store, phases, self.stopped_because, cycle=self._cycle, began=self._began)
        return replace(result, notes=(*result.notes, *notes))

    def _add_unrecorded(self, ledger: Ledger, budget: CallBudget) -> None:
        """Add what was spent on calls that are not recorded, so that a resumed cycle keeps within its budget."""
        attempts, usd = ledger.spent(self._cycle)
        missing = (max(0, budget.calls - attempts), max(0.0, budget.cost_usd - usd))
        if any(missing):
            ledger.add_unrecorded(self._cycle, attempts=missing[0], usd=missing[1])

    def _undecided_status(self, store: CycleStore, *, interrupted: bool) -> CycleStatus:
        if interrupted or self._evidence_problems:
            return "interrupted"
        if not self._partial:
            return "stopped"
        # A partial session of a resumed cycle leaves the cycle interrupted.
        if store.interrupted is None:
            return "partial"
        return "interrupted"

    def _finish_decided(self, store: CycleStore, silent: Mapping[str, str]) -> CycleResult:
        """Judge all phases but the `silent` ones, and write the results."""
        warmups = store.ledger.warmups(self._cycle)
        phases = tuple(self._phases.values())
        finished = finish_cycle_files(store, phases, cycle=self._cycle, began=self._began, silent=silent)
        cases = {name: len(phase.cases) for name, phase in self._phases.items()}
        proof, waits = proof_of(finished.conclusions, finished.following, cases, self.settings, spent=finished.spent)
        result = self._result()
        return replace(
            result,
            status="decided",
            took_s=clock.now() - self._began,
            totals=finished.totals,
            warmups=warmups,
            conclusions=finished.conclusions,
            following=finished.following,
            silent=silent,
            proof=proof,
            notes=(*result.notes, *finished.notes, *filter(None, [waits])),
        )
