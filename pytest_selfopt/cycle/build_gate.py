"""A gate for builds: measures the spec in force against thresholds and recorded results; writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

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
from pytest_selfopt.loop.recorded import CaseChanges, recorded_answers
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.planning.planner import spec_to_compare
from pytest_selfopt.specs.neighbours import differs_in_warmup
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.trial import Trial

_STATUS = {
    Verdict.PROMOTE: EXIT_DECIDED,
    Verdict.REJECT: EXIT_GATE_FAILED,
    Verdict.HOLD: EXIT_NOT_ENOUGH_EVIDENCE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What the trials of a build were compared with, in words, and the pairs (None: with nothing).

    `before` are the trials on the other side of the pairs.
    """

    beside: str
    tally: Tally | None = None
    before: tuple[Trial, ...] = ()
    changes: CaseChanges = field(default_factory=CaseChanges)
    is_wanted: bool = True
    """Whether a comparison is configured."""

    @property
    def is_missing(self) -> bool:
        """Whether a comparison is configured, and there was nothing to compare with."""
        return self.is_wanted and self.tally is None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOutcome:
    """The result of a phase against its thresholds, and what it was compared with."""

    phase: str
    spec: str
    metrics: Metrics
    gates: tuple[GateResult, ...]
    compared: Comparison

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
    lines.append(f"  {counted(cases, 'prompt')}, {counted(passes, 'pass')}, {counted(calls, 'call')}")
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
    compared = _compared(phase, state, settings.bars.compare)
    metrics = phase.metrics(spec)
    gates = against_bars(
        metrics,
        compared.tally,
        settings.bars,
        phase.limits,
        missing=phase.missing(),
    )
    return GateOutcome(
        phase=phase.plan.phase,
        spec=spec,
        metrics=metrics,
        gates=gates,
        compared=compared,
    )


def gate_status(gated: Sequence[GateOutcome]) -> int:
    """Return the exit status of a build: that of its worst phase."""
    verdicts = {outcome.verdict for outcome in gated}
    for verdict in (Verdict.REJECT, Verdict.HOLD):
        if verdict in verdicts:
            return _STATUS[verdict]
    return EXIT_DECIDED


def _compared(phase: PhaseRun, state: SessionStore, compare: Compare) -> Comparison:
    """Pair a phase's trials with recorded ones, or with new ones of the spec that was recorded."""
    if compare is Compare.NONE:
        return Comparison(beside="nothing, as configured", is_wanted=False)
    spec = spec_to_compare(state.settings, state.ledger, phase.plan.baseline)
    if spec is None or state.ledger is None:
        return Comparison(beside="nothing: no decided cycle is in the ledger")
    now = phase.trials(phase.plan.baseline.id)
    recorded = recorded_answers(_stored(state.ledger, phase, spec.id), _hashes(phase), passes=phase.plan.least_passes)
    why_stored = ""
    if compare is Compare.BESIDE:
        beside = phase.trials(spec.id)
        pairs = tally(beside, now, phase.cases, groups=phase.groups)
        if phase.plan.candidates and pairs.pairs:
            return Comparison(
                beside=f"{spec.id}, asked beside it", tally=pairs, before=beside, changes=recorded.changes
            )
        why_stored = f" ({_why_not_beside(phase.plan, spec)})"
    changes = recorded.changes
    if not changes.compared:
        return Comparison(
            beside=f"nothing: no cycle has an answer of {spec.id} to these prompts{why_stored}", changes=changes
        )
    of_all = ""
    if len(changes.compared) < len(phase.cases):
        of_all = f" to {len(changes.compared)} of {len(phase.cases)} prompts"
    return Comparison(
        beside=f"what {_named_cycles(recorded.cycles)} stored of {spec.id}{of_all}{why_stored}",
        tally=tally(recorded.trials, now, changes.compared, groups=phase.groups),
        before=recorded.trials,
        changes=changes,
    )


def _why_not_beside(plan: PhasePlan, spec: Spec) -> str:
    """Say why the trials of a build are paired with stored ones although new ones are configured."""
    if spec == plan.baseline:
        return "what is in force is what the last cycle left in force"
    if differs_in_warmup(spec, plan.baseline):
        return "a warm-up does not show side by side"
    return "none of the calls that asked it beside gave an answer"


def _named_cycles(cycles: Sequence[int]) -> str:
    if len(cycles) == 1:
        return f"cycle {cycles[0]}"
    return f"cycles {', '.join(map(str, cycles[:-1]))} and {cycles[-1]}"


def _hashes(phase: PhaseRun) -> dict[str, str]:
    """Return the content hash of each case that counts."""
    hashes: dict[str, str] = {}
    for suite in phase.suites:
        for case in suite.cases:
            hashes[case.key] = case.content_hash
    return {case: hashes[case] for case in phase.cases}


def _stored(ledger: Ledger, phase: PhaseRun, spec: str) -> Iterator[tuple[int, tuple[Trial, ...]]]:
    """Yield the trials of a spec in each cycle that ended by itself, the last cycle first."""
    ended = [row["id"] for row in ledger.cycles() if row["status"] in ("decided", "stopped")]
    for cycle in reversed(ended):
        stored = ledger.trials([cycle], phase.plan.phase)[cycle]
        yield cycle, tuple(trial for trial in stored if trial.spec == spec)
