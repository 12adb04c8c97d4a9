"""Exactly two ways of asking, compared by themselves: is one better, with the evidence that a promotion needs?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_selfopt.loop.diagnosis.remedies import curable
from pytest_selfopt.loop.evaluate import Metrics, evaluate
from pytest_selfopt.loop.evidence.odds import bar
from pytest_selfopt.loop.evidence.tally import tally
from pytest_selfopt.loop.gate import CandidateJudgement, judge
from pytest_selfopt.loop.gates.gate_result import GateInput, Verdict
from pytest_selfopt.loop.thresholds import Limits
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.trial import Trial

_WAYS = 2
"""Either spec may turn out to be better, so that each way has half of the error budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoSpecs:
    """Two specs beside each other: their metrics, and the verdict on each as if it was to replace the other."""

    specs: tuple[Spec, Spec]
    metrics: tuple[Metrics, Metrics]
    judgements: tuple[CandidateJudgement, CandidateJudgement]

    @property
    def better(self) -> Spec | None:
        """The spec that is better than the other; None if neither is shown to be."""
        for spec, judgement in zip(self.specs, self.judgements, strict=True):
            if judgement.verdict is Verdict.PROMOTE:
                return spec
        return None


def compare_specs(
    first: Spec,
    second: Spec,
    trials: Sequence[Trial],
    cases: Sequence[str],
    *,
    groups: Mapping[str, str],
    limits: Limits,
    missing: int = 0,
) -> TwoSpecs:
    """Judge two specs by their trials of the same cases in the same passes.

    `missing` counts planned trials that never arrived, `groups` has the group of each case in one.
    """
    of_first, of_second = ([trial for trial in trials if trial.spec == spec.id] for spec in (first, second))
    measured = (evaluate(first.id, of_first, cases, groups), evaluate(second.id, of_second, cases, groups))

    def judged(before: int, after: int) -> CandidateJudgement:
        specs, asked = (first, second), (of_first, of_second)
        pairs = tally(asked[before], asked[after], cases, curable=curable(specs[before], specs[after]), groups=groups)
        given = GateInput(
            spec=specs[after].id,
            phase=first.phase,
            metrics=measured[after],
            baseline=measured[before],
            evidence=pairs,
            needed=bar(1, limits.alpha / _WAYS),
            missing=missing,
        )
        return judge(given, limits, comparison=None)

    return TwoSpecs(specs=(first, second), metrics=measured, judgements=(judged(1, 0), judged(0, 1)))
