"""A gate for builds: measures the spec in force against thresholds and recorded results; writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_selfopt.console.quantities import counted
from pytest_selfopt.cycle.exit_status import EXIT_DECIDED, EXIT_GATE_FAILED, EXIT_NOT_ENOUGH_EVIDENCE
from pytest_selfopt.cycle.phase_run import PhaseRun
from pytest_selfopt.cycle.store import SessionStore
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.loop.build_gate import Compare, against_bars, status_of
from pytest_selfopt.loop.evaluate import Metrics
from pytest_selfopt.loop.evidence.tally import Tally, tally
from pytest_selfopt.loop.gates.gate_result import GateResult, Verdict
from pytest_selfopt.loop.generate import Candidate
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.planning.planner import recorded_spec
from pytest_selfopt.specs.neighbours import differs_in_warmup
from pytest_selfopt.trial import Trial

_STATUS = {
    Verdict.PROMOTE: EXIT_DECIDED,
    Verdict.REJECT: EXIT_GATE_FAILED,
    Verdict.HOLD: EXIT_NOT_ENOUGH_EVIDENCE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOutcome:
    """The result of a phase against its thresholds; `beside` says what it was compared with."""

    phase: str
    spec: str
    metrics: Metrics
    gates: tuple[GateResult, ...]
    beside: str

    @property
    def verdict(self) -> Verdict:
        """PROMOTE if all gates passed, REJECT if one failed for certain, HOLD if the evidence is insufficient."""
        return status_of(self.gates)


def describe_gate(plan: PhasePlan, cases: int, *, partial: bool) -> list[str]:
    """Return lines on a gate's plan for a phase."""
    lines = [f"selfopt gate, phase {plan.phase}: {plan.baseline.id}"]
    lines.extend(map(_describe_candidate, plan.candidates))
    if partial:
        lines.append("  only some trials are selected: they are shown, nothing is decided")
        return lines
    passes = plan.least_passes
    calls = cases * passes * len(plan.specs)
    lines.append(f"  {cases} prompts, {counted(passes, 'pass')}, {counted(calls, 'call')}")
    return lines


def _describe_candidate(candidate: Candidate) -> str:
    return f"  beside it {candidate.spec.id} ({candidate.why})"


def gate(phase: PhaseRun, state: SessionStore) -> GateOutcome:
    """Judge a phase by its thresholds.

    Raises:
        StateError: if the ledger cannot be read.
    """
    settings = state.settings.phase(phase.plan.phase)
    spec = phase.plan.baseline.id
    recorded, beside = _recorded(phase, state, settings.bars.compare)
    metrics = phase.metrics(spec)
    gates = against_bars(
        metrics,
        recorded,
        settings.bars,
        phase.limits,
        missing=phase.missing(),
    )
    return GateOutcome(
        phase=phase.plan.phase,
        spec=spec,
        metrics=metrics,
        gates=gates,
        beside=beside,
    )


def gate_status(gated: Sequence[GateOutcome]) -> int:
    """Return the exit status of a build: that of its worst phase."""
    verdicts = {outcome.verdict for outcome in gated}
    for verdict in (Verdict.REJECT, Verdict.HOLD):
        if verdict in verdicts:
            return _STATUS[verdict]
    return EXIT_DECIDED


def _recorded(phase: PhaseRun, state: SessionStore, compare: Compare) -> tuple[Tally | None, str]:
    """Return the pairs with recorded trials, and a text that names these, or says why there are none."""
    if compare is Compare.NONE:
        return None, "nothing, as configured"
    spec = recorded_spec(state.ledger, phase.plan.phase)
    if spec is None or state.ledger is None:
        return None, "nothing: no decided cycle is in the ledger"
    now = phase.trials(phase.plan.baseline.id)
    if compare is Compare.BESIDE:
        if differs_in_warmup(spec, phase.plan.baseline):
            return None, f"nothing: {spec.id} differs in its warm-up, which does not show side by side"
        if not phase.plan.candidates:
            return None, "nothing: what is in force is what the last cycle left in force"
        beside = phase.trials(spec.id)
        return tally(beside, now, phase.cases, groups=phase.groups), f"{spec.id}, asked beside it"
    stored, cycle = _stored(state.ledger, phase, spec.id)
    if not stored:
        return None, f"nothing: the ledger holds no whole pass of {spec.id} over these prompts"
    return tally(stored, now, phase.cases, groups=phase.groups), f"what cycle {cycle} stored of {spec.id}"


def _stored(ledger: Ledger, phase: PhaseRun, spec: str) -> tuple[tuple[Trial, ...], int]:
    """Return the trials of the latest decided cycle that asked a spec all these prompts, and its number."""
    hashes: dict[str, str] = {}
    for suite in phase.suites:
        for case in suite.cases:
            hashes[case.key] = case.content_hash
    cases = set(phase.cases)
    decided = [row["id"] for row in ledger.cycles() if row["status"] == "decided"]
    for cycle in reversed(decided):
        stored = ledger.trials([cycle], phase.plan.phase)[cycle]
        same_spec = (trial for trial in stored if trial.spec == spec)
        trials = tuple(trial for trial in same_spec if hashes.get(trial.case) == trial.case_hash)
        if {trial.case for trial in trials} >= cases:
            return trials, cycle
    return (), 0
