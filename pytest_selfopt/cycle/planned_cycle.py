"""A cycle before its calls begin: what it is going to ask, from settings, routing configuration and ledger."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pytest_selfopt.bench.suites import Suite
from pytest_selfopt.cycle.dry_run import dry_run
from pytest_selfopt.cycle.observer import CycleObserver, CycleStart
from pytest_selfopt.cycle.pass_gate import PassGate
from pytest_selfopt.cycle.phase_run import PhaseRun
from pytest_selfopt.cycle.running_cycle import RunningCycle
from pytest_selfopt.cycle.store import CycleStore
from pytest_selfopt.cycle.trial_recorder import TrialRecorder
from pytest_selfopt.execution.backends import CallBackend, make_backend, most_at_a_time
from pytest_selfopt.execution.calls import CallFactory
from pytest_selfopt.execution.dispatcher import Dispatcher, Lookahead
from pytest_selfopt.execution.passes import make_passes
from pytest_selfopt.execution.project_runner import ProjectRunner
from pytest_selfopt.loop.gates import ProjectGates
from pytest_selfopt.planning.budget import make_budget
from pytest_selfopt.planning.capabilities import makes_calls_here, require_model
from pytest_selfopt.planning.cost import cost_notice
from pytest_selfopt.planning.plan import PhasePlan, PlannedTrial
from pytest_selfopt.planning.planner import baseline_of
from pytest_selfopt.planning.session_plan import SessionPlan
from pytest_selfopt.planning.swarms import resolve_members
from pytest_selfopt.routing.config import peek
from pytest_selfopt.settings import Mode, Settings
from pytest_selfopt.trial import CallResult


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A cycle in the ledger, or none: its number, what is measured in it, and the results that are there, by call."""

    cycle: int
    phases: dict[str, PhaseRun]
    stored: Mapping[str, CallResult]


class PlannedCycle:
    """Plans a cycle, a gate or a plain session, and starts it.

    A session that only looks (`makes_calls` is False) takes no lock and writes no file.
    """

    def __init__(
        self, settings: Settings, *, makes_calls: bool, own_gates: ProjectGates, own_runner: ProjectRunner
    ) -> None:
        self.settings = settings
        self._own_gates = own_gates
        self._own_runner = own_runner
        self._writes = makes_calls and settings.mode is Mode.CYCLE
        self._opened: CycleStore | None = None

    @property
    def _store(self) -> CycleStore:
        """What is on disk, opened when it is first needed."""
        if self._opened is None:
            self._opened = CycleStore(self.settings, writes=self._writes, own_gates=self._own_gates)
        return self._opened

    @cached_property
    def seed(self) -> int:
        """The seed of the order of specs: that of the cycle which is resumed, a given one, or a new one.

        Plain sessions need no chance.
        """
        if self.settings.mode is Mode.PLAIN:
            return 0
        if self._opened is not None and self._opened.cut_off is not None:
            return self._opened.cut_off.seed
        if self.settings.seed is not None:
            return self.settings.seed
        return random.randrange(2**31)

    def plan(self, phase: str, suite: Suite) -> PhasePlan:
        """The plan of a phase.

        Raises:
            SelfoptError: when it cannot be made.
        """
        if self._opened is None:
            self._refuse_models(phase)
        return self._store.plan(phase, suite)

    def _refuse_models(self, phase: str) -> None:
        """Refuse what can be refused without touching the disk."""
        model = baseline_of(phase, self.settings, peek(self.settings.routing_path))[0].model
        if makes_calls_here(self.settings):
            for member in resolve_members(self.settings, [model]):
                require_model(member)

    def dry_run(self, session_plan: SessionPlan) -> list[str]:
        """What a cycle would do.

        Raises:
            SelfoptError: when the ledger cannot be read.
        """
        return dry_run(session_plan, self.settings, self._store.ledger)

    def start(
        self,
        session_plan: SessionPlan,
        selected: Sequence[PlannedTrial],
        *,
        command: str,
        lookahead: Lookahead,
        observer: CycleObserver,
    ) -> RunningCycle:
        """Start servers, enter the cycle into the ledger, and begin to make calls.

        Args:
            session_plan: what was planned.
            selected: the trials that are to be made; fewer than planned make a part, which decides nothing.
            command: the command line, for the ledger.
            lookahead: how far calls may run ahead of the items.
            observer: who hears what happens.

        Raises:
            SelfoptError: when a model cannot be served or the cycle cannot be entered.
        """
        names = _models_of(session_plan)
        logs = None
        if self._writes:
            logs = self.settings.state_dir
        cost = cost_notice(session_plan.plans, selected, self.settings, self._store.ledger)
        backend = make_backend(self.settings, names, logs, self._own_runner)
        try:
            backend.begin()
            return self._start(session_plan, selected, backend, command, lookahead, observer, cost)
        except BaseException:
            backend.stop()
            raise

    def _start(
        self,
        session_plan: SessionPlan,
        selected: Sequence[PlannedTrial],
        backend: CallBackend,
        command: str,
        lookahead: Lookahead,
        observer: CycleObserver,
        cost: str,
    ) -> RunningCycle:
        began = time.time()
        partial = len(selected) < len(session_plan.planned)
        opened = self._open(session_plan, command, observer, partial=partial)
        names = _models_of(session_plan)
        models = resolve_members(self.settings, names)
        spent = self._store.spent(opened.cycle)
        budget = make_budget(self.settings, models, spent=spent)
        calls = CallFactory(opened.cycle, session_plan.planned, self.settings)
        ledger = None
        if self._writes:
            ledger = self._store.ledger
        recorder = TrialRecorder(ledger, opened.cycle, calls, opened.stored)
        passes = make_passes(session_plan, selected, calls, self.settings, backend.unload)
        dispatcher = Dispatcher(
            runner=backend.runner(
                cycle=self._store.name_of(opened.cycle),
                budget=budget,
                stored=opened.stored,
                on_parts=recorder.record_calls,
            ),
            passes=passes,
            call_for=calls.call,
            id_of=calls.id_of,
            on_results=recorder.record_calls,
            stored=opened.stored,
            window=lookahead.window(most_at_a_time(models)),
        )
        running = RunningCycle(
            store=self._store,
            backend=backend,
            calls=calls,
            recorder=recorder,
            dispatcher=dispatcher,
            pass_gate=PassGate(passes, opened.phases, partial=partial),
            budget=budget,
            observer=observer,
            cycle=opened.cycle,
            phases=opened.phases,
            partial=partial,
            began=began,
        )
        if self.settings.mode is not Mode.PLAIN:
            observer.on_start(
                CycleStart(
                    session_plan=session_plan,
                    phases=opened.phases,
                    passes=passes,
                    dispatcher=dispatcher,
                    cycle=opened.cycle,
                    partial=partial,
                    resumed=len(opened.stored),
                    cost=cost,
                )
            )
        dispatcher.start()
        return running

    def _open(self, session_plan: SessionPlan, command: str, observer: CycleObserver, *, partial: bool) -> _Opened:
        """Open what is judged: a cycle in the ledger, the phases of a gate, or nothing for a plain session."""
        if self._writes:
            return self._open_cycle(session_plan, command, partial=partial)
        if self.settings.mode is Mode.GATE:
            return _Opened(cycle=0, phases=self._store.gate_phases(session_plan), stored={})
        problem = self._store.log_routings(session_plan.plans.values())
        # Tests do not fail because a log cannot be written.
        if problem:
            observer.on_routing_not_logged(problem)
        return _Opened(cycle=0, phases={}, stored={})

    def _open_cycle(self, session_plan: SessionPlan, command: str, *, partial: bool) -> _Opened:
        """Enter the cycle into the ledger, or find the one that is resumed with its results."""
        cycle, phases = self._store.start_cycle(session_plan, seed=self.seed, command=command, partial=partial)
        stored: Mapping[str, CallResult] = {}
        if self._store.cut_off is not None and self._store.ledger is not None:
            stored = self._store.ledger.results(cycle)
        return _Opened(cycle=cycle, phases=phases, stored=stored)

    def close(self) -> None:
        """Close the ledger and free the lock; doing it twice is harmless."""
        if self._opened is not None:
            self._opened.close()


def _models_of(session_plan: SessionPlan) -> list[str]:
    """The models that are asked, each once, in the order of the plans."""
    models: dict[str, None] = {}
    for plan in session_plan.plans.values():
        models.update((spec.model, None) for spec in plan.specs)
    return list(models)
