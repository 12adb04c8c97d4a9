"""The source documents' rule, unchanged: medians over runs, a fixed limit on variance. It guarantees nothing.

Measured by `python -m tests.performance.decisions`: when no candidate is better, it promotes one in a quarter to two
fifths of the comparisons, because the median of a few runs is noisy.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_selfopt.console.quantities import counted
from pytest_selfopt.loop.evaluate import Metrics
from pytest_selfopt.loop.gates import measures
from pytest_selfopt.loop.gates.gate_result import Gate, GateInput, GateResult, Verdict
from pytest_selfopt.loop.thresholds import Limits


def _variance(measured: GateInput, limits: Limits) -> GateResult:
    variance = measured.metrics.spread.variance
    return GateResult(
        name="variance",
        passed=variance <= limits.variance,
        value=variance,
        limit=limits.variance,
        sentence=f"variance between runs {variance:.4f}, at most {limits.variance:g} is allowed",
    )


def _no_regression(measured: GateInput, _: Limits) -> GateResult | None:
    if measured.baseline is None:
        return None
    mine, before = measured.metrics.accuracy_median, measured.baseline.accuracy_median
    return GateResult(
        name="no_regression",
        passed=mine >= before,
        value=mine,
        limit=before,
        sentence=f"median accuracy {mine:.3f}, the baseline's is {before:.3f}",
        asks=Verdict.REJECT,
    )


def _better(measured: GateInput, _: Limits) -> GateResult | None:
    if measured.baseline is None:
        return None
    mine, before = measured.metrics.accuracy_median, measured.baseline.accuracy_median
    return GateResult(
        name="better",
        passed=mine > before,
        value=mine,
        limit=before,
        sentence="no improvement: the median is not above the baseline's",
        asks=Verdict.REJECT,
    )


GATES: tuple[Gate, ...] = (
    measures.min_samples,
    _variance,
    _no_regression,
    measures.restraint,
    measures.extended_phase_min_accuracy,
    _better,
)


def grounds(measured: GateInput, baseline: Metrics, *, verdict: Verdict, results: Sequence[GateResult]) -> str:
    """Explain the verdict, and name the rule."""
    mine, before = measured.metrics.accuracy_median, baseline.accuracy_median
    kind = "median"
    if measured.metrics.weighted is not None:
        kind = "median of weighted accuracy"
    parts = [f"{kind} {mine:.3f} beside {before:.3f} in {counted(len(measured.metrics.runs), 'run')}"]
    if verdict is not Verdict.PROMOTE:
        parts += [f"{result.name}: {result.sentence}" for result in results if not result.passed]
    return f"{'; '.join(parts)}. By the classic rule, which guarantees nothing"
