"""The gates on the measurements of one spec."""

from __future__ import annotations

from pytest_selfopt.console.quantities import counted, format_cost
from pytest_selfopt.loop.evaluate import Metrics
from pytest_selfopt.loop.gates.gate_result import GateInput, GateResult, Verdict, reject_or_hold
from pytest_selfopt.loop.thresholds import Limits
from pytest_selfopt.loop.wording import copied_of, in_brackets, refused_calls

EXTENDED = "extended"
"""The phase with a minimum accuracy."""
LEAST_REFUSALS = 3
"""Refusals without a single answer that show that no further one will come."""
HOPELESS_ODDS = 20
"""Odds against the minimum accuracy from which failures alone stop a candidate early."""
_ROUNDING = 1e-9
"""What the product of a limit and a count may be off by."""
MOST_TIMED_TOGETHER = 64
"""Calls in flight per process above which latencies include waiting for its own CPU."""


def independent(measured: GateInput, limits: Limits) -> GateResult:
    """Whether enough of the answers are new, and not copies from a cache of answers."""
    replies, copied = measured.metrics.replies, measured.metrics.copied
    if measured.evidence is not None:
        replies, copied = measured.evidence.replies, measured.evidence.copied
    share = 1.0
    sentence = f"none of {replies} answers was a copy"
    if copied:
        share = 1 - copied / replies
        sentence = f"{copied_of(copied, replies)}; {replies - copied} count"
    if share < limits.independent:
        sentence += f", at least {limits.independent:.0%} must"
    return GateResult(
        name="independent",
        passed=share >= limits.independent,
        value=share,
        limit=limits.independent,
        sentence=sentence,
    )


def errors(measured: GateInput, limits: Limits) -> GateResult:
    """Whether nearly all calls gave an answer; a candidate that is refused throughout is rejected."""
    metrics = measured.metrics
    refused = _is_refused(measured)
    return GateResult(
        name="errors",
        passed=metrics.error_share <= limits.errors,
        value=metrics.error_share,
        limit=limits.errors,
        sentence=_errors_words(metrics, limits, refused=refused),
        asks=reject_or_hold(reject=refused),
        certain=refused or (measured.early and metrics.errors > limits.errors * limits.min_samples * metrics.cases),
    )


def _is_refused(measured: GateInput) -> bool:
    """Whether the server refused every call of a candidate, although it answers the baseline."""
    baseline = measured.baseline
    if baseline is None or baseline.errors == baseline.trials:
        return False
    return bool(measured.metrics.refusal) and measured.metrics.trials >= LEAST_REFUSALS


def _errors_words(metrics: Metrics, limits: Limits, *, refused: bool) -> str:
    if refused:
        return refused_calls(metrics.attempts, metrics.trials - metrics.attempts, metrics.refusal)
    kinds = in_brackets(metrics.errors_by_kind)
    return f"{metrics.errors} of {metrics.trials} calls gave no answer{kinds}, at most {limits.errors:.0%} may"


def min_samples(measured: GateInput, limits: Limits) -> GateResult:
    """Whether there are enough whole passes."""
    passes = len(measured.metrics.runs)
    if measured.evidence is not None:
        passes = measured.evidence.passes
    return GateResult(
        name="min_samples",
        passed=passes >= limits.min_samples,
        value=passes,
        limit=limits.min_samples,
        sentence=f"{counted(passes, 'whole pass')}, at least {limits.min_samples} are needed",
    )


def variance(measured: GateInput, limits: Limits) -> GateResult:
    """Whether the variance between runs is within that of independent answers."""
    spread = measured.metrics.spread
    small = spread.excess <= limits.variance
    by_chance = spread.chance >= limits.dispersion_chance
    return GateResult(
        name="variance",
        passed=small or by_chance,
        value=spread.excess,
        limit=limits.variance,
        sentence=(
            f"variance between runs {spread.variance:.4f}, "
            f"of it {spread.excess:.4f} beyond the coin flips of the cases "
            f"(limit {limits.variance:g}, chance {spread.chance:.2g})"
        ),
    )


def restraint(measured: GateInput, limits: Limits) -> GateResult:
    """Whether prompts that need no tool get no tool call."""
    metrics = measured.metrics
    sentence = "no case needs restraint"
    if metrics.restraint is not None:
        sentence = (
            f"called a tool in {metrics.restraint_calls} of {metrics.restraint_trials} answers that need none: "
            f"restraint {metrics.restraint:.2f}, at least {limits.restraint:.2f} is needed"
        )
    return GateResult(
        name="restraint",
        passed=metrics.restraint is None or metrics.restraint >= limits.restraint,
        value=metrics.restraint,
        limit=limits.restraint,
        sentence=sentence,
        asks=Verdict.REJECT,
        certain=_may_leave(measured) and _is_unrestrained(metrics, limits),
    )


def _may_leave(measured: GateInput) -> bool:
    """Whether a candidate may be rejected before there are enough passes: not beside a baseline without answers."""
    return measured.early and measured.evidence is not None and measured.evidence.passes > 0


def _is_unrestrained(metrics: Metrics, limits: Limits) -> bool:
    """Whether restraint stays too low until there are enough passes, even if no further answer calls a tool."""
    most = (metrics.restraint_trials + metrics.errors) * _growth(metrics, limits)
    return metrics.restraint_calls > (1 - limits.restraint) * most + _ROUNDING


def _growth(metrics: Metrics, limits: Limits) -> float:
    """Return how many times as many answers there are once there are enough passes; at least 1."""
    return max(1.0, limits.min_samples / max(1, len(metrics.runs)))


def extended_phase_min_accuracy(measured: GateInput, limits: Limits) -> GateResult | None:
    """Whether a model can do stateful work at all; failures alone can decide it before all passes are made.

    Calls without an answer might have been right: they reject nothing.
    """
    if measured.phase != EXTENDED:
        return None
    metrics, limit = measured.metrics, limits.extended_phase_min_accuracy
    hopeless = is_hopeless(measured.phase, metrics, limits)
    too_few = not metrics.could_reach(limit)
    sentence = f"accuracy {metrics.accuracy:.2f}, the extended phase needs {limit:.2f}"
    if metrics.known_accuracy is None:
        sentence = f"nothing was answered, the extended phase needs an accuracy of {limit:.2f}"
    elif hopeless:
        sentence = f"all {metrics.misses} answers are wrong: 20:1 against the {limit:.2f} that the extended phase needs"
    return GateResult(
        name="extended_phase_min_accuracy",
        passed=metrics.accuracy >= limit,
        value=metrics.known_accuracy,
        limit=limit,
        sentence=sentence,
        asks=reject_or_hold(reject=hopeless or too_few),
        certain=hopeless,
    )


def is_hopeless(phase: str, metrics: Metrics, limits: Limits) -> bool:
    """Whether failures alone give 20:1 against the extended phase's minimum p: (1 − p)^−n ≥ 20, n = 9 for 0.30."""
    if phase != EXTENDED or metrics.passes != 0:
        return False
    failing = 1 - limits.extended_phase_min_accuracy
    return failing**metrics.misses * HOPELESS_ODDS <= 1


def latency(measured: GateInput, limits: Limits) -> GateResult:
    """Whether 95 % of the answers arrive in time (seconds); only a limit missed for certain rejects."""
    metrics, limit = measured.metrics, limits.latency
    p95, low = metrics.latency_p95_s, metrics.latency_p95_low_s
    crowded = metrics.most_in_flight > MOST_TIMED_TOGETHER
    surely = limit is not None and low is not None and low > limit
    # More than half of the answers so far: whatever comes, more than 5 % of all once there are enough passes.
    mostly = limit is not None and metrics.latency_median_s is not None and metrics.latency_median_s > limit
    return GateResult(
        name="latency",
        passed=limit is None or p95 is None or p95 <= limit,
        value=p95,
        limit=limit,
        sentence=_latency_words(metrics, limit),
        asks=reject_or_hold(reject=surely and not crowded),
        certain=_may_leave(measured) and surely and mostly and not crowded,
    )


def _latency_words(metrics: Metrics, limit: float | None) -> str:
    bound, load = "no limit is set", ""
    if limit is not None:
        bound = f"at most {limit:g} s may"
    if limit is not None and metrics.most_in_flight > MOST_TIMED_TOGETHER:
        load = f"; measured with {metrics.most_in_flight} calls under way, which slows each of them"
    if metrics.latency_p95_s is None:
        return f"nothing was answered{load}"
    return f"95 % of the answers take up to {metrics.latency_p95_s:.2f} s, {bound}{load}"


def cost(measured: GateInput, limits: Limits) -> GateResult:
    """Whether 1,000 answers cost at most the limit in USD; an unknown price fails."""
    metrics, limit = measured.metrics, limits.cost
    value = metrics.cost_of_1000_usd
    bound = "no limit is set"
    # Even if all further answers until there are enough passes cost nothing.
    certain = limit is not None and value is not None and value > limit * _growth(metrics, limits)
    if limit is not None:
        bound = f"at most ${limit:g} may be spent"
    return GateResult(
        name="cost",
        passed=limit is None or (value is not None and value <= limit),
        value=value,
        limit=limit,
        sentence=f"{cost_of_answers(metrics)}, {bound}",
        asks=reject_or_hold(reject=value is not None),
        certain=_may_leave(measured) and certain,
    )


def cost_of_answers(metrics: Metrics) -> str:
    """Say what 1,000 answers cost, or why that is unknown."""
    if metrics.cost_of_1000_usd is not None:
        return f"1,000 answers cost {format_cost(metrics.cost_of_1000_usd)}"
    if not metrics.answers:
        return "nothing was answered"
    return f"the cost of {metrics.unpriced} calls is unknown"
