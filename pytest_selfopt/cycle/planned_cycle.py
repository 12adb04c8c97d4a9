"""A cycle before its calls begin, planned from settings, routing configuration and ledger."""

from __future__ import annotations

import random
from contextlib import ExitStack
from functools import cached_property

from pytest_selfopt import clock
from pytest_selfopt.bench.loading.suites import Suite
from pytest_selfopt.cycle.cycle_calls import CycleCalls, StartRequest, make_cycle_calls
from pytest_selfopt.cycle.dry_run import dry_run
from pytest_selfopt.cycle.observer import CycleStart
from pytest_selfopt.cycle.pass_gate import PassGate
from pytest_selfopt.cycle.phase_run import OpenedCycle
from pytest_selfopt.cycle.running_cycle import RunningCycle
from pytest_selfopt.cycle.store import CycleStore, SessionStore, open_cycle_store, open_session_store
from pytest_selfopt.errors import SettingsError
from pytest_selfopt.execution.backends import CallBackend, make_backend
from pytest_selfopt.execution.project_runner import ProjectRunner
from pytest_selfopt.execution.workload import WorkloadPlan
from pytest_selfopt.loop.gates.gate_result import ProjectGates
from pytest_selfopt.planning.askable import check_askable, require_askable
from pytest_selfopt.planning.capabilities import makes_calls_here
from pytest_selfopt.planning.cost import cost_notice
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.planning.planner import baseline_of
from pytest_selfopt.planning.session_plan import SessionPlan
from pytest_selfopt.routing.config import readable_config
from pytest_selfopt.settings import Mode, Settings
from pytest_selfopt.suggest import did_you_mean


class PlannedCycle:
    """A cycle, a gate or a plain session that is not started yet.

    Without `makes_calls` it takes no lock and writes no file.
    """

    def __init__(
        self, settings: Settings, *, makes_calls: bool, project_gates: ProjectGates, project_runner: ProjectRunner
    ) -> None:
        self.settings = settings
        self._project_gates = project_gates
        self._project_runner = project_runner
        self._writes = makes_calls and settings.mode is Mode.CYCLE
        self._opened: SessionStore | None = None

    @property
    def _store(self) -> SessionStore:
        """The state on disk, opened on first use."""
        if self._opened is None:
            self._opened = self._open_store()
        return self._opened

    def _open_store(self) -> SessionStore:
        if self._writes:
            return open_cycle_store(self.settings, self._project_gates)
        return open_session_store(self.settings, self._project_gates)

    @cached_property
    def seed(self) -> int:
        """The seed of the order of specs: the resumed, the configured or a new one; 0 in plain sessions."""
        if self.settings.mode is Mode.PLAIN:
            return 0
        if self._opened is not None and self._opened.resumed_seed is not None:
            return self._opened.resumed_seed
        if self.settings.seed is not None:
            return self.settings.seed
        return random.randrange(2**31)

    def plan(self, phase: str, suite: Suite) -> PhasePlan:
        """Plan a phase.

        Raises:
            SelfoptError: if it cannot be planned.
        """
        if self._opened is None:
            self._refuse_models(phase)
        return self._store.plan(phase, suite)

    def _refuse_models(self, phase: str) -> None:
        """Refuse a baseline whose models cannot be used, before the state on disk is opened."""
        settings = self.settings
        spec, because = baseline_of(phase, settings, readable_config(settings.routing_path))
        routed = settings.forced_model is None and spec.model != settings.phase(phase).baseline.model
        if routed:
            where = f"{settings.routing_path.name}, phase {phase!r} ({'; '.join(because)})"
            require_askable(spec.model, where, settings)
        elif makes_calls_here(settings):
            check_askable(spec.model, settings)

    def dry_run(self, session_plan: SessionPlan) -> list[str]:
        """Return lines on the cycle's plan.

        Raises:
            SelfoptError: if the ledger cannot be read.
        """
        self._require_baseline_phase(session_plan)
        return dry_run(session_plan, self.settings, self._store.ledger)

    def _require_baseline_phase(self, session_plan: SessionPlan) -> None:
        """Refuse a baseline of the command line for a phase that no benchmark has; a proof may have left phases out.

        Raises:
            SettingsError: if so.
        """
        forced = self.settings.forced_baseline
        if forced is not None and forced.phase not in session_plan.plans and not self.settings.only_proves:
            advice = did_you_mean(forced.phase, list(session_plan.plans))
            raise SettingsError(f"--selfopt-baseline: no benchmark is of phase {forced.phase!r}{advice}")

    def start(self, request: StartRequest) -> RunningCycle:
        """Start servers, enter the cycle into the ledger, and prepare its calls; `begin_calls` makes them.

        If that fails, whatever was started is stopped.

        Raises:
            SelfoptError: if a model cannot be served or the cycle cannot be entered.
        """
        # The time of a cycle includes the start of its servers.
        began = clock.now()
        with ExitStack() as undo:
            running = self._start(request, began, undo)
            undo.pop_all()
        return running

    def _start(self, request: StartRequest, began: float, undo: ExitStack) -> RunningCycle:
        self._require_baseline_phase(request.session_plan)
        if self.settings.mode is not Mode.PLAIN:
            _require_cases(request.session_plan)
        cost = cost_notice(request.session_plan.plans, request.selected, self.settings, self._store.ledger)
        backend = self._begin_backend(request, undo)
        opened = self._open(request)
        calls = make_cycle_calls(self._store, opened, request, backend)
        undo.callback(calls.dispatcher.stop)
        running = self._make_running(request, opened, backend, calls, began)
        if self.settings.mode is not Mode.PLAIN:
            may_prove = self.settings.proves_at_once and self.settings.mode is Mode.CYCLE
            _announce(request, opened, calls, cost, may_prove=may_prove)
        return running

    def _begin_backend(self, request: StartRequest, undo: ExitStack) -> CallBackend:
        """Make and begin the backend."""
        logs = None
        if self._writes:
            logs = self.settings.state_dir
        backend = make_backend(self.settings, request.models, logs, self._project_runner)
        undo.callback(backend.stop)
        backend.begin()
        return backend

    def _open(self, request: StartRequest) -> OpenedCycle:
        """Open a cycle in the ledger, the phases of a gate, or nothing for a plain session."""
        store, session_plan = self._store, request.session_plan
        if isinstance(store, CycleStore):
            return store.start_cycle(session_plan, seed=self.seed, command=request.command, partial=request.partial)
        if self.settings.mode is Mode.GATE:
            return OpenedCycle(cycle=0, phases=store.gate_phases(session_plan), stored={})
        for plan in session_plan.plans.values():
            if plan.overruled:
                request.observer.on_overruled(plan)
        problem = store.log_routings(session_plan.plans.values())
        # A log that cannot be written must not fail the tests.
        if problem:
            request.observer.on_routing_not_logged(problem)
        return OpenedCycle(cycle=0, phases={}, stored={})

    def _make_running(
        self, request: StartRequest, opened: OpenedCycle, backend: CallBackend, calls: CycleCalls, began: float
    ) -> RunningCycle:
        return RunningCycle(
            store=self._store,
            backend=backend,
            calls=calls,
            pass_gate=PassGate(calls.passes, opened.phases, partial=request.partial),
            observer=request.observer,
            opened=opened,
            partial=request.partial,
            began=began,
        )

    def close(self) -> None:
        """Close the ledger and free the lock; doing it twice is harmless."""
        if self._opened is not None:
            self._opened.close()


def _require_cases(session_plan: SessionPlan) -> None:
    """Refuse a phase of which nothing counts.

    Raises:
        SettingsError: if all of its cases are expected to fail.
    """
    for phase in session_plan.plans:
        if not session_plan.cases(phase):
            raise SettingsError(
                f"phase {phase!r}: every case is an expected failure, which counts neither way, so nothing could be "
                "decided and nothing was asked; remove expected_failure from a case, or run pytest without "
                "--selfopt-cycle and --selfopt-gate"
            )


def _announce(request: StartRequest, opened: OpenedCycle, calls: CycleCalls, cost: str, *, may_prove: bool) -> None:
    """Tell the observer that calls begin."""
    start = CycleStart(
        session_plan=request.session_plan,
        phases=opened.phases,
        workload=WorkloadPlan(calls.passes, request.session_plan.plans, request.session_plan.planned),
        dispatcher=calls.dispatcher,
        meter=calls.meter,
        limits=calls.limits,
        may_prove=may_prove and not request.partial,
        cycle=opened.cycle,
        partial=request.partial,
        resumed=len(opened.stored),
        cost=cost,
    )
    request.observer.on_start(start)
