"""The state of a session on disk: routing configuration and ledger, and for a cycle the lock."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from pytest_selfopt import clock
from pytest_selfopt.bench.loading.suites import Suite
from pytest_selfopt.cycle.phase_run import OpenedCycle, PhaseRun
from pytest_selfopt.errors import StateError
from pytest_selfopt.execution.calls import case_texts
from pytest_selfopt.ledger.comparisons import Comparison
from pytest_selfopt.ledger.decision_log import append_decision, check_log
from pytest_selfopt.ledger.ledger import NAME_DIGITS, Ledger, existing_ledger
from pytest_selfopt.ledger.steps import HeldState, hold_state, settle_before_reading
from pytest_selfopt.loop.actions import RuleChange
from pytest_selfopt.loop.gates.gate_result import ProjectGates
from pytest_selfopt.planning.expiry import expire_rules
from pytest_selfopt.planning.fallback import replaced_fallback, require_fallback
from pytest_selfopt.planning.measured import known_churn
from pytest_selfopt.planning.past_comparisons import share_of
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.planning.planner import plan_phase, suite_address
from pytest_selfopt.planning.provenance import ProvenanceResolver
from pytest_selfopt.planning.resume import (
    InterruptedCycle,
    check_suites,
    interrupted_cycle,
    nothing_to_resume,
    restore_rules,
    resumed_plan,
    to_stored,
)
from pytest_selfopt.planning.session_plan import SessionPlan
from pytest_selfopt.planning.turns import suite_hash
from pytest_selfopt.routing.atomic_files import timestamp
from pytest_selfopt.routing.config import RoutingConfig, load_config, read_config, require_config
from pytest_selfopt.routing.decisions import Decision, decisions_of, read_decisions
from pytest_selfopt.routing.history import DECISIONS, prepare_state_dir
from pytest_selfopt.routing.lock import Lease
from pytest_selfopt.routing.ownership import is_closed
from pytest_selfopt.settings import Mode, Settings
from pytest_selfopt.trial import CallResult, Json


class SessionStore:
    """The open state of a plain session, a gate or a dry run, which takes no lock; `CycleStore` is that of a cycle."""

    def __init__(
        self,
        settings: Settings,
        routing: RoutingConfig,
        ledger: Ledger | None,
        *,
        project_gates: ProjectGates,
        held: ExitStack,
        notes: Sequence[str],
        asks: bool = False,
    ) -> None:
        """Keep `held` open until `close`; with `asks`, servers may be asked for digests of models."""
        self.settings = settings
        self.routing = routing
        self.ledger: Ledger | None = ledger
        self.lease: Lease | None = None
        """The hold on the state directory, of a cycle."""
        self.notes = list(notes)
        """Sentences for the summary, such as on a configuration that was set aside."""
        self.expired: dict[str, tuple[RuleChange, ...]] = {}
        """The rules that expired when this session began, by phase."""
        self.provenance = ProvenanceResolver(settings, ledger, asks=asks)
        self._project_gates = project_gates
        self._held = held

    def close(self) -> None:
        """Close the ledger and free the lock; doing it twice is harmless."""
        self._held.close()

    def require_lock(self) -> None:
        """Refuse to go on (`LeaseLostError`) if another process has taken the lock of a cycle; reads no file."""
        if self.lease is not None:
            self.lease.require()

    @property
    def resumed_seed(self) -> int | None:
        """The seed of the cycle that is resumed; None without one."""
        return None

    def name_of(self, cycle: int) -> str:
        """Return a name that no other cycle has, of any project; a resumed cycle keeps its name."""
        del cycle
        return uuid.uuid4().hex[:NAME_DIGITS]

    def spent(self, cycle: int) -> tuple[int, float]:
        """Return the calls and the USD of the part of a cycle that is resumed."""
        del cycle
        return (0, 0.0)

    def plan(self, phase: str, suite: Suite) -> PhasePlan:
        """Plan a phase.

        Raises:
            SelfoptError: if it cannot be planned.
        """
        if self.settings.mode is Mode.CYCLE:
            self._expire(phase, suite)
        plan = self.planned(phase, suite, self.routing)
        notes = [change.sentence for change in self.expired.get(phase, ())]
        if self.settings.mode is Mode.CYCLE:
            require_fallback(plan.baseline, suite, self.settings, self.routing)
            replaced = replaced_fallback(plan.baseline.model, phase, self.settings, self.routing)
            notes += filter(None, [replaced])
        return replace(plan, because=(*plan.because, *notes))

    def _expire(self, phase: str, suite: Suite) -> None:
        """Expire the outdated rules of a phase."""
        self.routing, self.expired[phase] = expire_rules(
            self.routing,
            phase,
            suite,
            settings=self.settings,
            provenance=self.provenance,
            now=timestamp(clock.now()),
        )

    def planned(self, phase: str, suite: Suite, routing: RoutingConfig) -> PhasePlan:
        """Plan a phase under a routing configuration.

        Raises:
            SelfoptError: if it cannot be planned.
        """
        return plan_phase(
            phase, suite, settings=self.settings, routing=routing, ledger=self.ledger, provenance=self.provenance
        )

    def gate_phases(self, session_plan: SessionPlan) -> dict[str, PhaseRun]:
        """Return the phases of a gate, which opens no comparison."""
        phases: dict[str, PhaseRun] = {}
        for name, plan in session_plan.plans.items():
            phase = PhaseRun(
                plan=plan,
                cases=session_plan.cases(name),
                suites=session_plan.suites(name),
                limits=self.settings.phase(name).limits,
                comparisons={},
                earlier={},
                project_gates=self._project_gates,
                churn=None,
                reasons=session_plan.expected_failures(name),
            )
            phases[name] = phase
        return phases

    def log_routings(self, plans: Iterable[PhasePlan]) -> str:
        """Log the routings of a session without a cycle; return the problem, if any."""
        try:
            for plan in plans:
                self.log_routing(plan)
        except StateError as problem:
            return str(problem)
        return ""

    def log_routing(self, plan: PhasePlan, cycle: int = 0) -> None:
        """Log that another model is asked than configured, or a disabled one by force; for a resumed cycle, once.

        Raises:
            StateError: if it cannot be written.
        """
        if plan.baseline.model == plan.requested and not plan.overruled:
            return
        kind = "route"
        if plan.forced:
            kind = "forced"
        logged = decisions_of(read_decisions(self.settings.state_dir / DECISIONS), cycle)
        if cycle and (kind, plan.phase, plan.requested) in logged:
            return
        prepare_state_dir(self.settings.state_dir)
        decision = Decision(
            timestamp=timestamp(clock.now()),
            cycle=cycle,
            kind=kind,
            phase=plan.phase,
            model=plan.requested,
            effective=plan.baseline.model,
            reason="; ".join(plan.because),
            evidence={},
        )
        note = append_decision(self.settings.state_dir, self.ledger, decision)
        self.notes += filter(None, [note])


def open_session_store(settings: Settings, project_gates: ProjectGates) -> SessionStore:
    """Open the state for reading; a dry run reads the ledger, too.

    Raises:
        StateError: if a file is missing, or cannot be used.
    """
    held = ExitStack()
    try:
        notes: list[str] = []
        # Plain tests need nothing of it, and only its owner could settle what is in it.
        if settings.mode is not Mode.PLAIN or not is_closed(settings.state_dir):
            notes = settle_before_reading(settings.state_dir, settings.routing_path)
        ledger = _ledger_to_read(settings, held)
        if settings.mode is Mode.GATE:
            require_config(settings.routing_path)
        elif settings.mode is Mode.CYCLE:
            check_log(settings.state_dir, ledger)
        routing = read_config(settings.routing_path)
        return SessionStore(settings, routing, ledger, project_gates=project_gates, held=held, notes=notes)
    except BaseException:
        held.close()
        raise


def _ledger_to_read(settings: Settings, held: ExitStack) -> Ledger | None:
    """Open the ledger if it exists and the session needs it."""
    if settings.mode is Mode.PLAIN:
        return None
    return held.enter_context(existing_ledger(settings.ledger_path))


class CycleStore(SessionStore):
    """The open state of a cycle that makes calls: it holds the lock, and always has its ledger."""

    ledger: Ledger
    lease: Lease

    def __init__(
        self,
        settings: Settings,
        routing: RoutingConfig,
        ledger: Ledger,
        *,
        interrupted: InterruptedCycle | None,
        project_gates: ProjectGates,
        held: ExitStack,
        state: HeldState,
    ) -> None:
        """Resume the `interrupted` cycle, if there is one."""
        super().__init__(
            settings, routing, ledger, project_gates=project_gates, held=held, notes=state.notes, asks=True
        )
        self.lease = state.lease
        self.interrupted = interrupted
        self.began = self.routing
        """The routing configuration as it was when the cycle began."""
        if routing.problem:
            self.notes.append(routing.problem)

    @property
    def resumed_seed(self) -> int | None:
        """The seed of the cycle that is resumed; None without one."""
        if self.interrupted is None:
            return None
        return self.interrupted.seed

    def name_of(self, cycle: int) -> str:
        """Return a name that no other cycle has, of any project; a resumed cycle keeps its name."""
        return self.ledger.name_of(cycle)

    def spent(self, cycle: int) -> tuple[int, float]:
        """Return the calls and the USD of the part of a cycle that is resumed."""
        return self.ledger.spent(cycle)

    def plan(self, phase: str, suite: Suite) -> PhasePlan:
        """Plan a phase, or return its plan from the resumed cycle.

        Raises:
            SelfoptError: if it cannot be planned.
        """
        plan = super().plan(phase, suite)
        if self.interrupted is None:
            return plan
        resumed = resumed_plan(self.interrupted, phase, plan)
        for spec in resumed.specs:
            self.settings.model(spec.model)
        return resumed

    def start_cycle(self, session_plan: SessionPlan, *, seed: int, command: str, partial: bool) -> OpenedCycle:
        """Enter a cycle into the ledger or resume one, and open its comparisons.

        A partial selection opens no comparison, because it cannot promote.
        """
        stored: Mapping[str, CallResult] = {}
        if self.interrupted is None:
            plans = self._plans_to_store(session_plan)
            cycle = self.ledger.start_cycle(started=clock.now(), seed=seed, command=command, plan=plans)
        else:
            cycle = self._resume(self.interrupted, session_plan)
            stored = self.ledger.results(cycle)
        self._record_plans(session_plan, cycle)
        phases = self._open_phases(session_plan, cycle, partial=partial)
        return OpenedCycle(cycle=cycle, phases=phases, stored=stored)

    def _resume(self, interrupted: InterruptedCycle, session_plan: SessionPlan) -> int:
        """Record that a cycle is resumed; return its number."""
        for name in session_plan.plans:
            check_suites(interrupted, name, session_plan.suites(name))
        self.ledger.resume_cycle(interrupted.cycle)
        return interrupted.cycle

    def _plans_to_store(self, session_plan: SessionPlan) -> dict[str, Json]:
        """Return the plans of all phases in the form of the ledger."""
        stored: dict[str, Json] = {}
        for name, plan in session_plan.plans.items():
            suites = session_plan.suites(name)
            entry = to_stored(plan, suites, self.began.rules)
            reasons = session_plan.expected_failures(name)
            if reasons:
                entry["expected_failures"] = dict[str, Json](reasons)
            stored[name] = entry
        return stored

    def _record_plans(self, session_plan: SessionPlan, cycle: int) -> None:
        """Store the questions, and log where another model is asked than the configured one."""
        for plan in session_plan.plans.values():
            suites = session_plan.suites(plan.phase)
            self.ledger.record_questions(case_texts(suites))
            self.log_routing(plan, cycle)

    def _open_phases(self, session_plan: SessionPlan, cycle: int, *, partial: bool) -> dict[str, PhaseRun]:
        """Return the phases of a cycle with the evidence that earlier cycles left for them, by name."""
        phases: dict[str, PhaseRun] = {}
        for name, plan in session_plan.plans.items():
            phases[name] = self._phase(session_plan, plan, cycle, partial=partial)
        return phases

    def _phase(self, session_plan: SessionPlan, plan: PhasePlan, cycle: int, *, partial: bool) -> PhaseRun:
        suites = session_plan.suites(plan.phase)
        comparisons: dict[str, Comparison] = {}
        if not partial:
            comparisons = self._open_comparisons(plan, suites, cycle)
        earlier: set[int] = set(plan.known_cycles)
        for comparison in comparisons.values():
            earlier.update(comparison.cycles)
        earlier.discard(cycle)
        return PhaseRun(
            plan=plan,
            cases=session_plan.cases(plan.phase),
            suites=suites,
            limits=self.settings.phase(plan.phase).limits,
            comparisons=comparisons,
            earlier=self.ledger.trials(sorted(earlier), plan.phase),
            project_gates=self._project_gates,
            churn=known_churn(self.ledger, plan.baseline),
            reasons=session_plan.expected_failures(plan.phase),
        )

    def _open_comparisons(self, plan: PhasePlan, suites: Sequence[Suite], cycle: int) -> dict[str, Comparison]:
        """Open a comparison for each candidate, or continue one of the same suites, provenance and design; by id."""
        limits = self.settings.phase(plan.phase).limits
        comparisons: dict[str, Comparison] = {}
        for candidate in plan.candidates:
            fingerprint = self.provenance.fingerprint(plan.baseline, candidate.spec)
            comparisons[candidate.spec.id] = self.ledger.open_comparison(
                phase=plan.phase,
                baseline=plan.baseline.id,
                candidate=candidate.spec.id,
                suite_hash=suite_hash(map(suite_address, suites), fingerprint, plan),
                cycle=cycle,
                share_of=share_of(limits),
            )
        return comparisons


def open_cycle_store(settings: Settings, project_gates: ProjectGates) -> CycleStore:
    """Take the lock, then read the state, which another cycle could change before.

    Raises:
        StateError: if another cycle is under way, or a file cannot be used.
    """
    held = ExitStack()
    if settings.resume and not settings.ledger_path.exists():
        raise nothing_to_resume()
    try:
        state = held.enter_context(hold_state(settings.state_dir, settings.routing_path))
        ledger = held.enter_context(Ledger(settings.ledger_path))
        log = check_log(settings.state_dir, ledger, take_over=True)
        interrupted = None
        if settings.resume:
            interrupted = interrupted_cycle(ledger)
        routing = load_config(settings.routing_path)
        if interrupted is not None:
            routing = restore_rules(routing, interrupted)
        return CycleStore(
            settings,
            routing,
            ledger,
            interrupted=interrupted,
            project_gates=project_gates,
            held=held,
            state=replace(state, notes=(*state.notes, *log.notes)),
        )
    except BaseException:
        held.close()
        raise
