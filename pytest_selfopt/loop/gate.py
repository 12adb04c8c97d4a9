"""Phase 3, gate: judge each candidate by the gates; the verdict is the worst that any failed gate asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from pytest_selfopt.console.verdict_text import is_too_expensive
from pytest_selfopt.loop import classic_rule as classic
from pytest_selfopt.loop.evaluate import Metrics
from pytest_selfopt.loop.evidence.prompts import prompt_evidence
from pytest_selfopt.loop.evidence.tally import Tally
from pytest_selfopt.loop.explanations import NEW_ANSWERS, claim, grounds, has_too_many_copies, what_it_takes
from pytest_selfopt.loop.gates import measures, pairs
from pytest_selfopt.loop.gates.gate_result import Gate, GateInput, GateResult, ProjectGates, Verdict, no_project_gates
from pytest_selfopt.loop.thresholds import Claim, DecisionRule, Limits
from pytest_selfopt.trial import Json

_COMPARING: tuple[Gate, ...] = (
    pairs.comparable,
    pairs.interleaved,
    measures.independent,
    measures.errors,
    measures.min_samples,
    measures.variance,
    pairs.no_regression,
    pairs.together,
    measures.restraint,
    measures.extended_phase_min_accuracy,
    measures.latency,
    measures.cost,
    pairs.cost_ratio,
    pairs.veto,
)
_ABSOLUTE: tuple[Gate, ...] = (
    measures.independent,
    measures.errors,
    measures.min_samples,
    measures.variance,
    measures.restraint,
    measures.extended_phase_min_accuracy,
    measures.latency,
    measures.cost,
)

GATE_NAMES = (
    "comparable",
    "interleaved",
    "independent",
    "errors",
    "min_samples",
    "variance",
    "no_regression",
    "together",
    "restraint",
    "extended_phase_min_accuracy",
    "latency",
    "cost",
    "cost_ratio",
    "veto",
    "new_prompts",
    "better",
)
"""The names of all gates, under any rule and claim; a project's gates need others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateJudgement:
    """The verdict on one candidate, with all its evidence.

    `comparison` is the number of its test in this history; None if it spends no share of the error budget.
    """

    spec: str
    phase: str
    verdict: Verdict
    gates: tuple[GateResult, ...]
    tally: Tally
    bar: Fraction | None
    comparison: int | None
    grounds: str
    """The explanation of the verdict."""

    @property
    def sentence(self) -> str:
        """The verdict with its explanation."""
        return f"{self.verdict} {self.phase}: {self.grounds}"

    @property
    def takes(self) -> str:
        """What would decide it; empty if it is decided, or if more passes alone would not."""
        failed = failed_names(self.gates)
        if is_too_expensive(failed):
            return "a higher max_cost_ratio lets the next cycle promote it"
        if self.bar is None or self.verdict is not Verdict.HOLD or failed.isdisjoint(("no_regression", "new_prompts")):
            return ""
        if has_too_many_copies(self.gates):
            return NEW_ANSWERS
        return what_it_takes(self.tally, self.bar, on_others="new_prompts" in failed)

    @property
    def claim(self) -> str:
        """For a promotion by odds: the prompts on which it rests, and those for which it holds; else empty."""
        if self.bar is None or self.verdict is not Verdict.PROMOTE:
            return ""
        return claim(self.tally, self.bar)

    @property
    def numbers(self) -> dict[str, Json]:
        """What is recorded of the comparison: answers fixed and broken, passes, prompts, and the claim if any."""
        prompts = prompt_evidence(self.tally)
        recorded: dict[str, Json] = {
            "fixed": self.tally.wins,
            "broken": self.tally.losses,
            "passes": self.tally.passes,
            "prompts": prompts.asked,
            "prompts_up": prompts.up,
            "prompts_down": prompts.down,
        }
        if self.claim:
            recorded["claim"] = self.claim
        return recorded


def judge(
    measured: GateInput, limits: Limits, *, comparison: int | None, own_gates: ProjectGates = no_project_gates
) -> CandidateJudgement:
    """Apply all gates to a candidate.

    Raises:
        ValueError: if there are no pairs with a baseline, or no odds to reach, which only the classic rule needs not.
    """
    if measured.evidence is None or measured.baseline is None:
        raise ValueError(f"{measured.spec} was measured without a baseline")
    results = comparing_gates(measured, limits, own_gates=own_gates)
    verdict = worst(results)
    if limits.profile is DecisionRule.CLASSIC:
        reasons = classic.grounds(measured, measured.baseline, verdict=verdict, results=results)
    elif measured.needed is None:
        raise ValueError(f"{measured.spec} was compared without a number in the error budget")
    else:
        reasons = grounds(
            measured, measured.evidence, measured.needed, verdict=verdict, results=results, comparison=comparison
        )
    return CandidateJudgement(
        spec=measured.spec,
        phase=measured.phase,
        verdict=verdict,
        gates=results,
        tally=measured.evidence,
        bar=measured.needed,
        comparison=comparison,
        grounds=reasons,
    )


def comparing_gates(
    measured: GateInput, limits: Limits, *, own_gates: ProjectGates = no_project_gates
) -> tuple[GateResult, ...]:
    """Return the results of all gates that compare a candidate with its baseline."""
    answers = _answers(_gates_by(limits), measured, limits)
    return (*answers, *own_gates(measured))


def _gates_by(limits: Limits) -> tuple[Gate, ...]:
    """Return the comparing gates of the decision rule and the claim."""
    if limits.profile is DecisionRule.CLASSIC:
        return classic.GATES
    if limits.claim is Claim.NEW_PROMPTS:
        return (*_COMPARING, pairs.new_prompts_shown)
    return _COMPARING


def absolute_gates(
    metrics: Metrics, phase: str, limits: Limits, *, own_gates: ProjectGates = no_project_gates
) -> tuple[GateResult, ...]:
    """Return the results of the gates that a spec must pass on its own, such as the one in force after a cycle."""
    measured = GateInput(spec=metrics.spec, phase=phase, metrics=metrics)
    return (*_answers(_ABSOLUTE, measured, limits), *own_gates(measured))


def worst(results: Sequence[GateResult]) -> Verdict:
    """Return the verdict of all gates; incomparable or insufficient evidence never rejects."""
    failed = failed_names(results)
    if not failed:
        return Verdict.PROMOTE
    if not failed.isdisjoint(("comparable", "independent")):
        return Verdict.HOLD
    enough = "min_samples" not in failed
    for result in results:
        if not result.passed and result.asks is Verdict.REJECT and (result.certain or enough):
            return Verdict.REJECT
    return Verdict.HOLD


def failed_names(results: Sequence[GateResult]) -> set[str]:
    """Return the names of the failed gates."""
    return {result.name for result in results if not result.passed}


def _answers(chosen: Sequence[Gate], measured: GateInput, limits: Limits) -> list[GateResult]:
    """Return the results of the gates that apply."""
    answers = []
    for gate in chosen:
        answer = gate(measured, limits)
        if answer is not None:
            answers.append(answer)
    return answers
