"""What a cycle holds on disk: the lock, the ledger, and the routing configuration it starts from."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace

from pytest_selfopt.bench.suites import Suite
from pytest_selfopt.cycle.phase_run import PhaseRun
from pytest_selfopt.errors import StateError
from pytest_selfopt.execution.calls import case_texts
from pytest_selfopt.ledger.ledger import NAME_DIGITS, Comparison, Ledger
from pytest_selfopt.loop.actions import RuleChange
from pytest_selfopt.loop.evidence import bar
from pytest_selfopt.loop.gates import ProjectGates
from pytest_selfopt.loop.thresholds import DecisionRule, Limits
from pytest_selfopt.planning.expiry import expired
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.planning.planner import known_churn, plan_phase, suite_address
from pytest_selfopt.planning.provenance import ProvenanceResolver
from pytest_selfopt.planning.resume import (
    InterruptedCycle,
    check_suites,
    interrupted_cycle,
    restore_rules,
    resumed_plan,
    to_stored,
)
from pytest_selfopt.planning.session_plan import SessionPlan
from pytest_selfopt.routing.atomic_files import remove_leftovers, timestamp
from pytest_selfopt.routing.config import RoutingConfig, load_config, read_config
from pytest_selfopt.routing.decisions import Decision, append_decision, decisions_of
from pytest_selfopt.routing.feedback import FEEDBACK
from pytest_selfopt.routing.history import DECISIONS, HISTORY, IGNORE, prepare_state_dir
from pytest_selfopt.routing.lock import hold_lock
from pytest_selfopt.settings import Mode, Settings
from pytest_selfopt.trial import Json


class CycleStore:
    """The open state of a session; only a cycle that makes calls (`writes`) takes the lock and opens the ledger."""

    def __init__(self, settings: Settings, *, writes: bool, own_gates: ProjectGates) -> None:
        """Open the state; `own_gates` are those that the project adds.

        Raises:
            StateError: when another cycle is under way, or a file cannot be used.
        """
        self.settings = settings
        self._own_gates = own_gates
        self._writes = writes
        self.ledger: Ledger | None = None
        self.cut_off: InterruptedCycle | None = None
        """The cycle that this session resumes."""
        self.notes: list[str] = []
        """Sentences for the summary, such as on a configuration that was set aside."""
        self.expired: dict[str, tuple[RuleChange, ...]] = {}
        """The rules that have expired when this session began, by phase."""
        self._held = ExitStack()
        try:
            if writes:
                self.routing = self._open()
            else:
                self.routing = self._look()
            self._began = self.routing
            self.surroundings = ProvenanceResolver(settings, self.ledger, asks=writes)
        except BaseException:
            self._held.close()
            raise

    def _look(self) -> RoutingConfig:
        """Read the stored files; a dry run plans by the ledger, too."""
        path = self.settings.state_dir / "ledger.sqlite"
        if self.settings.mode is not Mode.PLAIN and path.exists():
            self.ledger = self._held.enter_context(Ledger(path))
        if self.settings.mode is Mode.GATE and not self.settings.routing_path.exists():
            raise StateError(
                f"--selfopt-gate: {self.settings.routing_path.name} is missing, so nothing is in force that could be "
                "measured; write one by --selfopt-cycle, and keep it in git"
            )
        return read_config(self.settings.routing_path)

    def _open(self) -> RoutingConfig:
        """Take the lock before anything is read that another cycle could change."""
        prepare_state_dir(self.settings.state_dir)
        self._held.enter_context(hold_lock(self.settings.state_dir))
        for name in (IGNORE, HISTORY, DECISIONS, FEEDBACK):
            remove_leftovers(self.settings.state_dir / name)
        remove_leftovers(self.settings.routing_path)
        self.ledger = self._held.enter_context(Ledger(self.settings.state_dir / "ledger.sqlite"))
        if self.settings.resume:
            self.cut_off = interrupted_cycle(self.ledger)
        routing = load_config(self.settings.routing_path)
        if routing.problem:
            self.notes.append(routing.problem)
        if self.cut_off is None:
            return routing
        return restore_rules(routing, self.cut_off)

    def close(self) -> None:
        """Close the ledger and free the lock; doing it twice is harmless."""
        self._held.close()

    def name_of(self, cycle: int) -> str:
        """A name that no other cycle has, of this or another project; a resumed cycle keeps its name."""
        if self.ledger is not None and self._writes:
            return self.ledger.name_of(cycle)
        return uuid.uuid4().hex[:NAME_DIGITS]

    def spent(self, cycle: int) -> tuple[int, float]:
        """The calls and the USD that a resumed cycle has spent already."""
        if self.ledger is not None and self._writes:
            return self.ledger.spent(cycle)
        return (0, 0.0)

    def plan(self, phase: str, suite: Suite) -> PhasePlan:
        """The plan of a phase: that of the resumed cycle, or a new one.

        Raises:
            SelfoptError: when it cannot be made.
        """
        if self.settings.mode is Mode.CYCLE:
            self.routing, self.expired[phase] = expired(
                self.routing,
                phase,
                suite,
                settings=self.settings,
                surroundings=self.surroundings,
                now=timestamp(time.time()),
            )
        plan = self.planned(phase, suite, self.routing)
        expiries = [change.sentence for change in self.expired.get(phase, ())]
        plan = replace(plan, because=(*plan.because, *expiries))
        if self.cut_off is None:
            return plan
        resumed = resumed_plan(self.cut_off, phase, plan)
        for spec in resumed.specs:
            self.settings.model(spec.model)
        return resumed

    def planned(self, phase: str, suite: Suite, routing: RoutingConfig) -> PhasePlan:
        """What a cycle would do for a phase under a configuration.

        Raises:
            SelfoptError: when it cannot be planned.
        """
        return plan_phase(
            phase, suite, settings=self.settings, routing=routing, ledger=self.ledger, surroundings=self.surroundings
        )

    def start_cycle(
        self, session_plan: SessionPlan, *, seed: int, command: str, partial: bool
    ) -> tuple[int, dict[str, PhaseRun]]:
        """Enter a cycle into the ledger, or find the one that is resumed, with its comparisons.

        A partial selection opens none, because it cannot promote.

        Returns the number of the cycle, and its phases with the evidence that earlier cycles left for them.
        """
        assert self.settings.mode is Mode.CYCLE
        assert self.ledger is not None
        if self.cut_off is not None:
            for name in session_plan.plans:
                check_suites(self.cut_off, name, session_plan.suites(name))
            cycle = self.cut_off.cycle
            self.ledger.resume_cycle(cycle)
        else:
            stored: dict[str, Json] = {}
            for name, plan in session_plan.plans.items():
                suites = session_plan.suites(name)
                stored[name] = to_stored(plan, suites, self._began.rules)
            cycle = self.ledger.start_cycle(started=time.time(), seed=seed, command=command, plan=stored)
        for plan in session_plan.plans.values():
            suites = session_plan.suites(plan.phase)
            self.ledger.record_questions(case_texts(suites))
            self.log_routing(plan, cycle)
        phases: dict[str, PhaseRun] = {}
        for name, plan in session_plan.plans.items():
            phase = self._phase(self.ledger, session_plan, plan, cycle, partial=partial)
            phases[name] = phase
        return cycle, phases

    def gate_phases(self, session_plan: SessionPlan) -> dict[str, PhaseRun]:
        """The phases of a gate, which opens no comparison."""
        phases: dict[str, PhaseRun] = {}
        for name, plan in session_plan.plans.items():
            phase = PhaseRun(
                plan=plan,
                cases=session_plan.cases(name),
                suites=session_plan.suites(name),
                limits=self.settings.phase(name).limits,
                comparisons={},
                earlier={},
                own_gates=self._own_gates,
                churn=None,
            )
            phases[name] = phase
        return phases

    def log_routings(self, plans: Iterable[PhasePlan]) -> str:
        """Log the routings of a session that books no cycle; why that is not possible, or nothing."""
        try:
            for plan in plans:
                self.log_routing(plan)
        except StateError as problem:
            return str(problem)
        return ""

    def log_routing(self, plan: PhasePlan, cycle: int = 0) -> None:
        """Log that another model than the configured one is asked; for a resumed cycle, only once.

        Raises:
            StateError: when it cannot be written.
        """
        if plan.baseline.model == plan.requested:
            return
        path = self.settings.state_dir / DECISIONS
        kind = "route"
        if plan.forced:
            kind = "forced"
        if cycle and (kind, plan.phase, plan.requested) in decisions_of(path, cycle):
            return
        prepare_state_dir(self.settings.state_dir)
        decision = Decision(
            timestamp=timestamp(time.time()),
            cycle=cycle,
            kind=kind,
            phase=plan.phase,
            model=plan.requested,
            effective=plan.baseline.model,
            reason="; ".join(plan.because),
            evidence={},
        )
        note = append_decision(path, decision)
        if note:
            self.notes.append(note)

    def _phase(
        self, ledger: Ledger, session_plan: SessionPlan, plan: PhasePlan, cycle: int, *, partial: bool
    ) -> PhaseRun:
        suites = session_plan.suites(plan.phase)
        comparisons: dict[str, Comparison] = {}
        if not partial:
            comparisons = self._open_comparisons(ledger, plan, suites, cycle)
        earlier: set[int] = set()
        for comparison in comparisons.values():
            earlier.update(comparison.cycles)
        earlier.discard(cycle)
        return PhaseRun(
            plan=plan,
            cases=session_plan.cases(plan.phase),
            suites=suites,
            limits=self.settings.phase(plan.phase).limits,
            comparisons=comparisons,
            earlier=ledger.trials(sorted(earlier), plan.phase),
            own_gates=self._own_gates,
            churn=known_churn(ledger, plan.baseline),
        )

    def _open_comparisons(
        self, ledger: Ledger, plan: PhasePlan, suites: Sequence[Suite], cycle: int
    ) -> dict[str, Comparison]:
        """Open a comparison for each candidate, or continue one with the same suites and provenance; by spec id."""
        addresses = sorted(map(suite_address, suites))
        limits = self.settings.phase(plan.phase).limits
        comparisons: dict[str, Comparison] = {}
        for candidate in plan.candidates:
            fingerprint = self.surroundings.fingerprint(plan.baseline, candidate.spec)
            comparisons[candidate.spec.id] = ledger.open_comparison(
                phase=plan.phase,
                baseline=plan.baseline.id,
                candidate=candidate.spec.id,
                suite_hash=" ".join([*addresses, fingerprint]),
                cycle=cycle,
                share_of=_share_of(limits),
            )
        return comparisons


def _share_of(limits: Limits) -> Callable[[int], float] | None:
    """The share of the error budget that a test spends, by its number; None for the classic rule, which spends none."""
    if limits.profile is DecisionRule.CLASSIC:
        return None
    return lambda test: float(1 / bar(test, limits.alpha))
