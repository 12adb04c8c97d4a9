"""The work behind a session: servers, calls and evidence between the first plan and the conclusion."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_selfopt.bench.suites import Suite
from pytest_selfopt.cycle.dry_run import dry_run
from pytest_selfopt.cycle.finish import finish_cycle_files, record_stopped_cycle
from pytest_selfopt.cycle.gate import GateOutcome, gate
from pytest_selfopt.cycle.observer import CycleObserver, CycleStart
from pytest_selfopt.cycle.pass_gate import PassGate
from pytest_selfopt.cycle.phase_run import EvidenceProblem, PhaseRun
from pytest_selfopt.cycle.proof import ProofRun, proof_of
from pytest_selfopt.cycle.store import CycleStore
from pytest_selfopt.deferred_signals import undisturbed
from pytest_selfopt.execution.backends import CallBackend, make_backend, most_at_a_time
from pytest_selfopt.execution.calls import CallFactory
from pytest_selfopt.execution.dispatcher import Dispatcher, Lookahead
from pytest_selfopt.execution.passes import make_passes
from pytest_selfopt.execution.project_runner import ProjectRunner
from pytest_selfopt.ledger.ledger import CycleStatus, Ledger, Warmup
from pytest_selfopt.loop.cycle import Conclusion
from pytest_selfopt.loop.gates import ProjectGates
from pytest_selfopt.planning.budget import make_budget
from pytest_selfopt.planning.capabilities import makes_calls_here, require_model
from pytest_selfopt.planning.cost import cost_notice
from pytest_selfopt.planning.plan import PhasePlan, PlannedTrial, TrialKey
from pytest_selfopt.planning.planner import baseline_of
from pytest_selfopt.planning.session_plan import SessionPlan
from pytest_selfopt.planning.swarms import resolve_members
from pytest_selfopt.routing.config import peek
from pytest_selfopt.runners.budget import Budget
from pytest_selfopt.runners.runner import Finished
from pytest_selfopt.settings import Mode, Settings
from pytest_selfopt.trial import CallResult, Trial

if TYPE_CHECKING:
    from pytest_selfopt.report.publish import PublishedReport

OUTCOMES_AT_ONCE = 256
"""Outcomes are stored so many at a time: they follow from the stored replies, so none is lost with the process."""


class Work:
    """Everything a session does outside of pytest; it starts with the first plan and ends with `close`.

    A session that only looks (`makes_calls` is False) takes no lock and writes no file.
    """

    def __init__(
        self, settings: Settings, *, makes_calls: bool, own_gates: ProjectGates, own_runner: ProjectRunner
    ) -> None:
        self.settings = settings
        self._own_gates = own_gates
        self._own_runner = own_runner
        self._writes = makes_calls and settings.mode is Mode.CYCLE
        self._state: CycleStore | None = None
        self._calling: CallBackend | None = None
        self._dispatcher: Dispatcher | None = None
        self._observer: CycleObserver | None = None
        self._book: CallFactory | None = None
        self._course: PassGate | None = None
        self._pass: tuple[str, int] | None = None
        """Phase and run of the pass that is replayed."""
        self.cycle = 0
        self.partial = False
        self.began = 0.0
        self.phases: dict[str, PhaseRun] = {}
        self.status: CycleStatus = "running"
        self.conclusions: tuple[Conclusion, ...] = ()
        self.gated: tuple[GateOutcome, ...] = ()
        """How the phases stand against the bars of a build."""
        self.following: Mapping[str, PhasePlan] = {}
        """The plans of the next cycle, by phase."""
        self.took_s = 0.0
        self.notes: list[str] = []
        """Sentences for the summary that belong to no phase."""
        self.counts: dict[str, int] = {}
        """How many calls of an undecided session ended in each outcome."""
        self.warmups: tuple[Warmup, ...] = ()
        self.stopped_because = ""
        """Why the session made no more calls, when its budget was used up."""
        self.flaws: Counter[EvidenceProblem] = Counter()
        """What is wrong with the evidence that came in, or did not."""
        self._judged: list[tuple[str, Trial]] = []
        self._budget: Budget | None = None
        self.proof: ProofRun | None = None
        """What this session has put on trial, to be proven by one that follows it."""
        self.problem = ""
        """Why the session could not be concluded; empty when it was."""
        self.published: PublishedReport | None = None
        """The report on the cycle, once it is there."""

    @property
    def proven_next(self) -> tuple[str, ...]:
        """The phases whose rule on trial is proven right after this session."""
        return self.proof.phases if self.proof is not None else ()

    @property
    def started(self) -> bool:
        """Whether calls were begun."""
        return self._dispatcher is not None

    @property
    def calls(self) -> Dispatcher:
        """The calls of a session that has started."""
        assert self._dispatcher is not None
        return self._dispatcher

    @property
    def course(self) -> PassGate:
        """The course of a session that has started."""
        assert self._course is not None
        return self._course

    @cached_property
    def seed(self) -> int:
        """The seed of the order of specs: that of the cycle which is gone on with, a given one, or a new one.

        Plain sessions need no chance.
        """
        if self.settings.mode is Mode.PLAIN:
            return 0
        if self._state is not None and self._state.cut_off is not None:
            return self._state.cut_off.seed
        return self.settings.seed if self.settings.seed is not None else random.randrange(2**31)

    def plan(self, phase: str, suite: Suite) -> PhasePlan:
        """The plan of a phase, from settings, routing configuration and ledger.

        Raises:
            SelfoptError: when it cannot be made.
        """
        if self._state is None:
            # What can be refused without touching the disk is refused first.
            model = baseline_of(phase, self.settings, peek(self.settings.routing_path))[0].model
            if makes_calls_here(self.settings):
                for member in resolve_members(self.settings, [model]):
                    require_model(member)
            self._state = CycleStore(self.settings, writes=self._writes, own_gates=self._own_gates)
            self.notes += self._state.notes
        return self._state.plan(phase, suite)

    @property
    def _ledger(self) -> Ledger | None:
        return self._state.ledger if self._state is not None else None

    def dry_run(self, session_plan: SessionPlan) -> list[str]:
        """What a cycle would do.

        Raises:
            SelfoptError: when the ledger cannot be read.
        """
        return dry_run(session_plan, self.settings, self._ledger)

    def start(
        self,
        session_plan: SessionPlan,
        selected: Sequence[PlannedTrial],
        *,
        command: str,
        lookahead: Lookahead,
        observer: CycleObserver,
    ) -> None:
        """Start servers, book the cycle, and begin to make calls.

        Raises:
            SelfoptError: when a model cannot be served or the cycle cannot be booked.
        """
        assert self._state is not None
        self.began = time.time()
        self.partial = len(selected) < len(session_plan.planned)
        names = dict.fromkeys(spec.model for plan in session_plan.plans.values() for spec in plan.specs)
        models = resolve_members(self.settings, names)
        cost = cost_notice(session_plan.plans, selected, self.settings, self._ledger)
        logs = self.settings.state_dir if self._writes else None
        self._calling = make_backend(self.settings, names, logs, self._own_runner)
        self._calling.begin()
        self._observer = observer
        stored = self._open(session_plan, command)
        self._budget = make_budget(self.settings, models, spent=self._state.spent(self.cycle))
        self._book = CallFactory(self.cycle, session_plan.planned, self.settings)
        passes = make_passes(session_plan, selected, self._book, self.settings, self._calling.unload)
        self._course = PassGate(passes, self.phases, partial=self.partial)
        self._dispatcher = Dispatcher(
            runner=self._calling.runner(
                cycle=self._state.name_of(self.cycle), budget=self._budget, stored=stored, on_parts=self._record
            ),
            passes=passes,
            call_for=self._book.call,
            id_of=self._book.id_of,
            on_results=self._record,
            stored=stored,
            window=lookahead.window(most_at_a_time(models)),
        )
        if self.settings.mode is not Mode.PLAIN:
            observer.on_start(
                CycleStart(
                    session_plan=session_plan,
                    phases=self.phases,
                    passes=passes,
                    dispatcher=self._dispatcher,
                    cycle=self.cycle,
                    partial=self.partial,
                    resumed=len(stored),
                    cost=cost,
                )
            )
        self._dispatcher.start()

    def _open(self, session_plan: SessionPlan, command: str) -> Mapping[str, CallResult]:
        """Open what the session judges, and log what it routes; the results that are there already, by call id."""
        assert self._state is not None
        if self._writes:
            return self._book_cycle(session_plan, command)
        if self.settings.mode is Mode.GATE:
            self.phases = self._state.gate_phases(session_plan)
            return {}
        problem = self._state.log_routings(session_plan.plans.values())
        # Tests do not fail because a log cannot be written.
        if problem and self._observer is not None:
            self._observer.on_routing_not_logged(problem)
        return {}

    def _book_cycle(self, session_plan: SessionPlan, command: str) -> Mapping[str, CallResult]:
        """Book the cycle; the results that are there already, by call id, when one is gone on with."""
        assert self._state is not None
        self.cycle, self.phases = self._state.book(session_plan, seed=self.seed, command=command, partial=self.partial)
        return self._ledger.results(self.cycle) if self._state.cut_off is not None and self._ledger is not None else {}

    def result(self, key: TrialKey) -> CallResult:
        """The result of a trial's call, waited for.

        Raises:
            SelfoptError: when calls cannot be recorded any more.
        """
        self._enter_pass(key)
        return self.answer(key, lambda: self.show_progress(key))

    def answer(self, key: TrialKey, while_waiting: Callable[[], None]) -> CallResult:
        """The result of a trial's call, waited for on whatever thread asks; see `result`."""
        assert self._dispatcher is not None
        result = self._dispatcher.result(key, while_waiting)
        if self._budget is not None and result.cancelled:
            self.stopped_because = self._budget.spent
        return result

    def begin(self, planned: PlannedTrial) -> bool:
        """Whether an item is to be run; waits until its call is under way.

        Raises:
            SelfoptError: when a gate of the project's own fails.
        """
        should_run = self.should_run(planned)
        if should_run:
            self._enter_pass(planned.key)
            self.calls.wait_until_begun(planned.key)
        return should_run

    def active_specs(self, key: TrialKey) -> frozenset[str] | None:
        """The specs that are asked in a trial's pass; None where that is not settled, because calls have stopped."""
        return None if self.stopped_because else self.course.active_specs(key)

    def should_run(self, planned: PlannedTrial) -> bool:
        """Whether an item is still to be run; see `PassGate.should_run`."""
        if self.stopped_because:
            return self.calls.was_answered(planned.key)
        return self.course.should_run(planned.key)

    def decide_next(self, key: TrialKey) -> None:
        """Decide who goes on after a trial's pass; see `PassGate.decide_next`."""
        if not self.stopped_because:
            self.course.decide_next(key)

    def book(self, trial: Trial) -> None:
        """Take a judged trial into the evidence and the ledger."""
        assert self._book is not None
        key = TrialKey(trial.phase, trial.spec, trial.case, trial.run)
        if not self._book.knows(key):
            self.flaws[EvidenceProblem.FOREIGN] += 1
            return
        if not self.phases[trial.phase].add(trial):
            self.flaws[EvidenceProblem.TWICE] += 1
            return
        self._judged.append((self._book.id_of(key), trial))
        if len(self._judged) >= OUTCOMES_AT_ONCE:
            self._store_outcomes()

    def finish(self, *, interrupted: bool) -> None:
        """Conclude the cycle and write what follows; an interrupted or partial one only records how it ended.

        Raises:
            StateError: when something cannot be written.
        """
        self.stop()
        assert self._state is not None
        self.notes += self._calling.notes() if self._calling is not None else []
        if self.settings.mode is Mode.GATE:
            self._finish_gate(interrupted=interrupted)
            return
        assert self._state.ledger is not None
        self._store_outcomes()
        self.warmups = self._state.ledger.warmups(self.cycle)
        if interrupted:
            self.flaws.clear()
        if interrupted or self.partial or self.stopped_because or self.flaws:
            # A part of a cycle that is gone on with leaves the cycle as it was: cut off.
            partial: CycleStatus = "partial" if self._state.cut_off is None else "interrupted"
            cut_off = interrupted or bool(self.flaws)
            self.status = "interrupted" if cut_off else partial if self.partial else "stopped"
            self.counts = self._state.ledger.counts(self.cycle)
            self._state.ledger.finish_cycle(self.cycle, ended=time.time(), status=self.status)
            if self.status == "stopped":
                self.notes += record_stopped_cycle(
                    self._state, tuple(self.phases.values()), self.stopped_because, cycle=self.cycle, began=self.began
                )
            return
        closed = finish_cycle_files(self._state, tuple(self.phases.values()), cycle=self.cycle, began=self.began)
        self.conclusions, self.following, self.status = closed.conclusions, closed.following, "decided"
        self.took_s = time.time() - self.began
        cases = {name: len(phase.cases) for name, phase in self.phases.items()}
        spent = self._state.ledger.spent(self.cycle)
        self.proof, waits = proof_of(closed.conclusions, closed.following, cases, self.settings, spent=spent)
        self.notes += [*closed.notes, *filter(None, [waits])]

    def _finish_gate(self, *, interrupted: bool) -> None:
        """Hold what was measured against the bars; a part of it, or evidence that is not whole, decides nothing."""
        assert self._state is not None
        if interrupted:
            self.flaws.clear()
            self.status = "interrupted"
        elif self.partial or self.stopped_because or self.flaws:
            self.status = "stopped" if self.stopped_because else "partial"
        else:
            self.gated = tuple(gate(phase, self._state) for phase in self.phases.values())
            self.status = "decided"
        self.took_s = time.time() - self.began

    def stop(self) -> None:
        """Make no more calls and end the servers; doing it twice is harmless."""
        with undisturbed:
            if self._observer is not None and self._pass is not None:
                self._observer.on_pass_end(*self._pass)
            self.clear_live_line()
            self._pass = None
            if self._dispatcher is not None:
                self._dispatcher.stop()
            if self._calling is not None:
                self._calling.stop()

    def discard(self) -> None:
        """Forget the trials: whoever comes after the verdict reads them in the ledger."""
        self.phases.clear()

    def close(self) -> None:
        """Let go of everything."""
        self.stop()
        if self._state is not None:
            self._state.close()

    def _record(self, finished: Sequence[Finished]) -> None:
        """Store finished calls before anybody reads their replies; runs on the dispatcher's thread.

        A call that was cancelled is not finished: it may be made again.
        """
        assert self._book is not None
        assert self._state is not None
        if self._writes and self._state.ledger is not None:
            records = [self._book.record(one.call, one.result) for one in finished if not one.result.cancelled]
            self._state.ledger.record_calls(self.cycle, records)

    def _store_outcomes(self) -> None:
        """Write how calls were judged; should it be cut off before, a resumed cycle judges the stored replies again."""
        assert self._state is not None
        judged, self._judged = self._judged, []
        if self._writes and self._state.ledger is not None and judged:
            self._state.ledger.record_outcomes(judged)

    def _enter_pass(self, key: TrialKey) -> None:
        """Store and say how the pass before went when the replay comes to a new one."""
        here = (key.phase, key.run)
        if self._pass != here:
            if self._pass is not None:
                self.end_pass(*self._pass)
            self._pass = here

    def end_pass(self, phase: str, run: int) -> None:
        """Store and say how a pass went."""
        self._store_outcomes()
        if self._observer is not None:
            self._observer.on_pass_end(phase, run)

    def show_progress(self, key: TrialKey) -> None:
        """Show how far the pass of a trial is, if it is time to; on the main thread only."""
        if self._observer is not None:
            self._observer.on_wait(key)

    def clear_live_line(self) -> None:
        """Take the line of progress away, because pytest is going to write."""
        if self._observer is not None:
            self._observer.on_other_output()
