"""Phase 3, gate: each candidate against the gates; the verdict is the worst that any of them asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from pytest_selfopt.loop import classic_rule as classic
from pytest_selfopt.loop import gates
from pytest_selfopt.loop.evaluate import Metrics
from pytest_selfopt.loop.evidence import Tally
from pytest_selfopt.loop.explanations import grounds, what_it_takes
from pytest_selfopt.loop.gates import Gate, GateInput, GateResult, ProjectGates, Verdict, no_project_gates
from pytest_selfopt.loop.thresholds import Claim, DecisionRule, Limits

_COMPARING: tuple[Gate, ...] = (
    gates.comparable,
    gates.interleaved,
    gates.errors,
    gates.min_samples,
    gates.variance,
    gates.no_regression,
    gates.restraint,
    gates.extended_phase_min_accuracy,
    gates.latency,
    gates.cost,
    gates.veto,
)
_ABSOLUTE: tuple[Gate, ...] = (
    gates.errors,
    gates.min_samples,
    gates.variance,
    gates.restraint,
    gates.extended_phase_min_accuracy,
    gates.latency,
    gates.cost,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict on one candidate, with everything it rests on.

    `comparison` is the number of its test in this history; None when it spends no share of the error budget.
    """

    spec: str
    phase: str
    verdict: Verdict
    gates: tuple[GateResult, ...]
    tally: Tally
    bar: Fraction | None
    comparison: int | None
    grounds: str
    """What the verdict rests on, in words."""

    @property
    def sentence(self) -> str:
        """The verdict with its grounds."""
        return f"{self.verdict} {self.phase}: {self.grounds}"

    @property
    def takes(self) -> str:
        """What would decide it; empty where it is decided, or passes alone do not."""
        weak = any(one.name == "no_regression" and not one.passed for one in self.gates)
        if self.bar is None or self.verdict is not Verdict.HOLD or not weak:
            return ""
        return what_it_takes(self.tally, self.bar)


def judge(
    measured: GateInput, limits: Limits, *, comparison: int | None, own_gates: ProjectGates = no_project_gates
) -> Judgement:
    """Apply all gates to a candidate.

    Raises:
        ValueError: when there are no pairs with a baseline to judge by.
    """
    if measured.evidence is None or measured.baseline is None:
        raise ValueError(f"{measured.spec} was measured without a baseline")
    results = comparing_gates(measured, limits, own_gates=own_gates)
    verdict = worst(results)
    return Judgement(
        spec=measured.spec,
        phase=measured.phase,
        verdict=verdict,
        gates=results,
        tally=measured.evidence,
        bar=measured.needed,
        comparison=comparison,
        grounds=classic.grounds(measured, verdict, results)
        if limits.profile is DecisionRule.CLASSIC
        else grounds(measured, verdict, results, comparison),
    )


def comparing_gates(
    measured: GateInput, limits: Limits, *, own_gates: ProjectGates = no_project_gates
) -> tuple[GateResult, ...]:
    """The answers of all gates about a candidate beside its baseline."""
    if limits.profile is DecisionRule.CLASSIC:
        return (*_answers(classic.GATES, measured, limits), *own_gates(measured))
    claimed = (gates.new_prompts_shown,) if limits.claim is Claim.NEW_PROMPTS else ()
    return (*_answers((*_COMPARING, *claimed), measured, limits), *own_gates(measured))


def absolute_gates(
    metrics: Metrics, phase: str, limits: Limits, *, own_gates: ProjectGates = no_project_gates
) -> tuple[GateResult, ...]:
    """The gates that a spec has to pass for itself, such as the one in force after a cycle."""
    measured = GateInput(spec=metrics.spec, phase=phase, metrics=metrics)
    return (*_answers(_ABSOLUTE, measured, limits), *own_gates(measured))


def worst(results: Sequence[GateResult]) -> Verdict:
    """The verdict of all gates; evidence that cannot be compared, or is too little to be certain, rejects nobody."""
    failed = [result for result in results if not result.passed]
    if not failed:
        return Verdict.PROMOTE
    names = {result.name for result in failed}
    rejecting = [
        result for result in failed if result.asks is Verdict.REJECT and (result.certain or "min_samples" not in names)
    ]
    return Verdict.REJECT if rejecting and "comparable" not in names else Verdict.HOLD


def _answers(chosen: Sequence[Gate], measured: GateInput, limits: Limits) -> tuple[GateResult, ...]:
    answers = (gate(measured, limits) for gate in chosen)
    return tuple(answer for answer in answers if answer is not None)
