"""What a cycle holds on disk: the lock, the ledger, and the routing configuration it starts from."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
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
from pytest_selfopt.loop.thresholds import DecisionRule
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
        """The cycle that this session goes on with."""
        self.notes: list[str] = []
        """Sentences for the summary, such as on a configuration that was set aside."""
        self.expired: dict[str, tuple[RuleChange, ...]] = {}
        """The rules that have expired when this session began, by phase."""
        self._held = ExitStack()
        try:
            self.routing = self._open() if writes else self._look()
            self._began = self.routing
            self.surroundings = ProvenanceResolver(settings, self.ledger, asks=writes)
        except BaseException:
            self._held.close()
            raise

    def _look(self) -> RoutingConfig:
        """Read what is there; a dry run plans by the ledger, too."""
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
        return routing if self.cut_off is None else restore_rules(routing, self.cut_off)

    def close(self) -> None:
        """Close the ledger and free the lock; doing it twice is harmless."""
        self._held.close()

    def name_of(self, cycle: int) -> str:
        """A name that no other cycle has, of this or another project; that of a cycle stays when it is gone on with."""
        return (
            self.ledger.name_of(cycle) if self.ledger is not None and self._writes else uuid.uuid4().hex[:NAME_DIGITS]
        )

    def spent(self, cycle: int) -> tuple[int, float]:
        """The calls and the USD of the part of a cycle that is gone on with."""
        return self.ledger.spent(cycle) if self.ledger is not None and self._writes else (0, 0.0)

    def plan(self, phase: str, suite: Suite) -> PhasePlan:
        """The plan of a phase: that of the cycle which is gone on with, or a new one.

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
        plan = replace(plan, because=(*plan.because, *(change.sentence for change in self.expired.get(phase, ()))))
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
            plan: dict[str, Json] = {
                name: to_stored(one, session_plan.suites(name), self._began.rules)
                for name, one in session_plan.plans.items()
            }
            cycle = self.ledger.start_cycle(started=time.time(), seed=seed, command=command, plan=plan)
        for one in session_plan.plans.values():
            self.ledger.record_questions(case_texts(session_plan.suites(one.phase)))
            self.log_routing(one, cycle)
        return cycle, {
            name: self._phase(self.ledger, session_plan, one, cycle, partial=partial)
            for name, one in session_plan.plans.items()
        }

    def gate_phases(self, session_plan: SessionPlan) -> dict[str, PhaseRun]:
        """The phases of a gate, which opens no comparison."""
        return {
            name: PhaseRun(
                plan=plan,
                cases=session_plan.cases(name),
                suites=session_plan.suites(name),
                limits=self.settings.phase(name).limits,
                comparisons={},
                earlier={},
                own_gates=self._own_gates,
                churn=None,
            )
            for name, plan in session_plan.plans.items()
        }

    def log_routings(self, plans: Iterable[PhasePlan]) -> str:
        """Log the routings of a session that books no cycle; why that is not possible, or nothing."""
        try:
            for plan in plans:
                self.log_routing(plan)
        except StateError as problem:
            return str(problem)
        return ""

    def log_routing(self, plan: PhasePlan, cycle: int = 0) -> None:
        """Log that another model than the configured one is asked; of a cycle that is gone on with, only once.

        Raises:
            StateError: when it cannot be written.
        """
        path, kind = self.settings.state_dir / DECISIONS, "forced" if plan.forced else "route"
        if plan.baseline.model == plan.requested:
            return
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
        self.notes += filter(None, [append_decision(path, decision)])

    def _phase(
        self, ledger: Ledger, session_plan: SessionPlan, plan: PhasePlan, cycle: int, *, partial: bool
    ) -> PhaseRun:
        addresses = sorted(suite_address(suite) for suite in session_plan.suites(plan.phase))
        limits = self.settings.phase(plan.phase).limits
        comparisons: dict[str, Comparison] = {}
        for candidate in () if partial else plan.candidates:
            comparisons[candidate.spec.id] = ledger.open_comparison(
                phase=plan.phase,
                baseline=plan.baseline.id,
                candidate=candidate.spec.id,
                suite_hash=" ".join([*addresses, self.surroundings.fingerprint(plan.baseline, candidate.spec)]),
                cycle=cycle,
                share_of=None
                if limits.profile is DecisionRule.CLASSIC
                else lambda test: float(1 / bar(test, limits.alpha)),
            )
        earlier = {one for comparison in comparisons.values() for one in comparison.cycles} - {cycle}
        return PhaseRun(
            plan=plan,
            cases=session_plan.cases(plan.phase),
            suites=session_plan.suites(plan.phase),
            limits=limits,
            comparisons=comparisons,
            earlier=ledger.trials(sorted(earlier), plan.phase),
            own_gates=self._own_gates,
            churn=known_churn(ledger, plan.baseline),
        )
