"""A gate for builds: what is in force, measured against its bars and what was recorded of it; nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_selfopt.cycle.exit_status import EXIT_DECIDED, EXIT_GATE_FAILED, EXIT_NOT_ENOUGH_EVIDENCE
from pytest_selfopt.cycle.phase_run import PhaseRun
from pytest_selfopt.cycle.store import CycleStore
from pytest_selfopt.loop.build_gate import Compare, against_bars, status_of
from pytest_selfopt.loop.evaluate import Metrics
from pytest_selfopt.loop.evidence import Tally, tally
from pytest_selfopt.loop.gates import GateResult, Verdict
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.planning.planner import recorded_spec
from pytest_selfopt.trial import Trial

_STATUS = {
    Verdict.PROMOTE: EXIT_DECIDED,
    Verdict.REJECT: EXIT_GATE_FAILED,
    Verdict.HOLD: EXIT_NOT_ENOUGH_EVIDENCE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOutcome:
    """How a phase stands against its bars; `beside` says what it was compared with."""

    phase: str
    spec: str
    metrics: Metrics
    gates: tuple[GateResult, ...]
    beside: str

    @property
    def verdict(self) -> Verdict:
        """PROMOTE: all passed; REJECT: one failed beyond doubt; HOLD: the evidence is short."""
        return status_of(self.gates)


def describe_gate(plan: PhasePlan, cases: int, *, partial: bool) -> list[str]:
    """What a gate is going to do for a phase."""
    lines = [f"selfopt gate, phase {plan.phase}: {plan.baseline.id}"]
    lines += [f"  beside it {one.spec.id} ({one.why})" for one in plan.candidates]
    if partial:
        return [*lines, "  only some trials are selected: they are shown, nothing is decided"]
    calls = cases * plan.least_passes * len(plan.specs)
    return [*lines, f"  {cases} prompts, {plan.least_passes} passes, {calls:,} calls"]


def gate(phase: PhaseRun, state: CycleStore) -> GateOutcome:
    """Hold a phase against its bars.

    Raises:
        StateError: when the ledger cannot be read.
    """
    settings = state.settings.phase(phase.plan.phase)
    spec = phase.plan.baseline.id
    recorded, beside = _recorded(phase, state, settings.bars.compare)
    metrics = phase.metrics(spec)
    gates = against_bars(metrics, recorded, settings.bars, phase.limits, missing=phase.missing())
    return GateOutcome(phase=phase.plan.phase, spec=spec, metrics=metrics, gates=gates, beside=beside)


def gate_status(gated: Sequence[GateOutcome]) -> int:
    """The status of a build: the worst of its phases."""
    verdicts = {one.verdict for one in gated}
    return next((_STATUS[one] for one in (Verdict.REJECT, Verdict.HOLD) if one in verdicts), EXIT_DECIDED)


def _recorded(phase: PhaseRun, state: CycleStore, compare: Compare) -> tuple[Tally | None, str]:
    """The pairs with what was recorded, and in words what that is, or why there are none."""
    if compare is Compare.NONE:
        return None, "nothing, as configured"
    spec = recorded_spec(state.ledger, phase.plan.phase)
    if spec is None or state.ledger is None:
        return None, "nothing: no decided cycle is in the ledger"
    now = phase.trials(phase.plan.baseline.id)
    if compare is Compare.BESIDE:
        if not phase.plan.candidates:
            return None, "nothing: what is in force is what the last cycle left in force"
        return tally(phase.trials(spec.id), now, phase.cases), f"{spec.id}, asked beside it"
    stored, cycle = _stored(state, phase, spec.id)
    if not stored:
        return None, f"nothing: the ledger holds no whole pass of {spec.id} over these prompts"
    return tally(stored, now, phase.cases), f"what cycle {cycle} stored of {spec.id}"


def _stored(state: CycleStore, phase: PhaseRun, spec: str) -> tuple[tuple[Trial, ...], int]:
    """The trials of the latest cycle that asked a spec these very prompts."""
    assert state.ledger is not None
    hashes = {case.key: case.content_hash for suite in phase.suites for case in suite.cases}
    for cycle in reversed([row["id"] for row in state.ledger.cycles() if row["status"] == "decided"]):
        trials = state.ledger.trials([cycle], phase.plan.phase)[cycle]
        found = tuple(one for one in trials if one.spec == spec and hashes.get(one.case) == one.case_hash)
        if {one.case for one in found} >= set(phase.cases):
            return found, cycle
    return (), 0
