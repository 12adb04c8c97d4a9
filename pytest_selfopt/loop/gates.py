"""The gates: pure functions from the measurements of a spec to a number, its limit and a sentence."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from pytest_selfopt.console.quantities import format_cost, format_odds
from pytest_selfopt.loop.evaluate import Metrics
from pytest_selfopt.loop.evidence import CaseTally, Tally, new_prompts, odds
from pytest_selfopt.loop.thresholds import Limits
from pytest_selfopt.loop.wording import in_brackets, listed_cases, refused_calls

EXTENDED = "extended"
"""The phase with a minimum accuracy."""
STEADY_PASSES = 7
"""Passes needed to compare specs that were asked one after the other, pass by pass."""
SOLID_PASSES = 3
"""A case is solid if the baseline passed it in every pass, at least this many."""
REVERSE_ODDS = 10
"""Odds for the reverse from which a candidate (or a solid case) counts as worse."""
LEAST_REFUSALS = 3
"""Refusals without a single answer that show that no further one will come."""
HOPELESS_ODDS = 20
"""Odds against the minimum accuracy from which failures alone stop a candidate early."""
CERTAIN_BREAK = 0.05
"""Probability in an unchanged suite up to which a case counts as certainly broken."""
MOST_TIMED_TOGETHER = 64
"""Calls in flight per process above which latencies include waiting for its own CPU."""


class Verdict(StrEnum):
    """The verdict on a candidate."""

    PROMOTE = "PROMOTE"
    HOLD = "HOLD"
    REJECT = "REJECT"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """The result of one gate: its number, its limit and a sentence.

    `asks` is the verdict it asks for if it fails; a `certain` REJECT holds however few passes there were.
    """

    name: str
    passed: bool
    value: float | None
    limit: float | None
    sentence: str
    asks: Verdict = Verdict.HOLD
    certain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GateInput:
    """The input of a gate: the metrics of one spec and, for a candidate, those of the baseline and their pairs.

    `needed` are the odds that a candidate must reach, `missing` counts planned trials that never arrived.
    """

    spec: str
    phase: str
    metrics: Metrics
    baseline: Metrics | None = None
    evidence: Tally | None = None
    needed: Fraction | None = None
    missing: int = 0


Measured = GateInput
"""The public name."""
Gate = Callable[[GateInput, Limits], GateResult | None]
"""A gate returns None if it does not apply."""
ProjectGates = Callable[[GateInput], Sequence[GateResult]]
"""The project's own gates."""


def no_project_gates(_: GateInput) -> Sequence[GateResult]:
    """Return no results: the default for projects without gates."""
    return ()


def reject_or_hold(*, reject: bool) -> Verdict:
    """Return the verdict that a failed gate asks for: REJECT, or HOLD if the evidence is insufficient."""
    if reject:
        return Verdict.REJECT
    return Verdict.HOLD


def comparable(measured: GateInput, limits: Limits) -> GateResult | None:
    """Whether the pairs can be compared: every planned trial arrived, and few pairs lack an answer."""
    evidence = measured.evidence
    if evidence is None:
        return None
    share = evidence.excluded_share
    all_arrived = measured.missing == 0
    return GateResult(
        name="comparable",
        passed=all_arrived and share <= limits.comparable,
        value=share,
        limit=limits.comparable,
        sentence=_pairs_without_answer(evidence, measured.missing, limits),
    )


def _pairs_without_answer(evidence: Tally, missing: int, limits: Limits) -> str:
    if missing:
        return f"{missing} planned trials never arrived"
    pairs = evidence.excluded + evidence.pairs
    sentence = (
        f"{evidence.excluded} of {pairs} pairs lack an answer on one side "
        f"({evidence.excluded_share:.1%}), at most {limits.comparable:.0%} may"
    )
    if evidence.left_out:
        sentence += f"; {evidence.left_out} passes were hardly answered and are left out"
    return sentence


def interleaved(measured: GateInput, _: Limits) -> GateResult | None:
    """Whether both specs were asked side by side, or in at least `STEADY_PASSES` passes.

    Otherwise drift may hit only one of them; the variance gate bounds it over seven steady passes.
    """
    evidence = measured.evidence
    if evidence is None:
        return None
    sentence = "both were asked side by side in every pass"
    if evidence.apart:
        sentence = (
            f"{evidence.apart} of {evidence.passes} passes asked one spec after the other, "
            f"so that drift may have hit one alone: {STEADY_PASSES} steady passes are needed then"
        )
    return GateResult(
        name="interleaved",
        passed=evidence.apart == 0 or evidence.passes >= STEADY_PASSES,
        value=evidence.apart,
        limit=0,
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
        certain=refused,
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
        sentence=f"{passes} whole passes, at least {limits.min_samples} are needed",
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


def no_regression(measured: GateInput, limits: Limits) -> GateResult | None:
    """Whether the odds that the candidate is better reach the bar."""
    evidence, needed = measured.evidence, measured.needed
    if evidence is None or needed is None:
        return None
    wins, losses = evidence.wins, evidence.losses
    worse = odds(losses, wins) >= REVERSE_ODDS
    behind = wins <= losses and evidence.passes >= limits.min_samples
    reached = evidence.odds
    return GateResult(
        name="no_regression",
        passed=reached >= needed,
        # Large odds would overflow a float.
        value=float(min(reached, Fraction(10**300))),
        limit=float(needed),
        sentence=(
            f"fixed {wins} answers, broke {losses}: "
            f"odds {format_odds(reached)}:1 against luck, needed {format_odds(needed)}:1"
        ),
        asks=reject_or_hold(reject=worse or behind),
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
    )


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
    if hopeless:
        sentence = f"all {metrics.misses} answers are wrong: 20:1 against the {limit:.2f} that the extended phase needs"
    return GateResult(
        name="extended_phase_min_accuracy",
        passed=metrics.accuracy >= limit,
        value=metrics.accuracy,
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
    return GateResult(
        name="latency",
        passed=limit is None or p95 is None or p95 <= limit,
        value=p95,
        limit=limit,
        sentence=_latency_words(metrics, limit),
        asks=reject_or_hold(reject=surely and not crowded),
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
    """Whether 1,000 trials cost at most the limit in USD; an unknown price fails."""
    limit = limits.cost
    value = _cost_of_thousand(measured.metrics)
    known = f"the cost of {measured.metrics.unpriced} calls is unknown"
    if value is not None:
        known = f"1,000 trials cost {format_cost(value)}"
    bound = "no limit is set"
    if limit is not None:
        bound = f"at most ${limit:g} may be spent"
    return GateResult(
        name="cost",
        passed=limit is None or (value is not None and value <= limit),
        value=value,
        limit=limit,
        sentence=f"{known}, {bound}",
        asks=reject_or_hold(reject=value is not None),
    )


def _cost_of_thousand(metrics: Metrics) -> float | None:
    if metrics.cost_usd is None or not metrics.trials:
        return None
    return 1000 * metrics.cost_usd / metrics.trials


def veto(measured: GateInput, limits: Limits) -> GateResult | None:
    """Whether cases that the baseline always solves stay solved."""
    evidence = measured.evidence
    if evidence is None:
        return None
    broken = {name: case for name, case in evidence.cases.items() if is_broken(case)}
    certain = sum(_is_gone(case, len(evidence.cases)) for case in broken.values())
    sentence = "no case that the baseline always solves is broken"
    if broken:
        sentence = f"breaks {len(broken)} that the baseline always solves: {_first_names(broken)}"
    return GateResult(
        name="veto",
        passed=len(broken) <= limits.veto,
        value=len(broken),
        limit=limits.veto,
        sentence=sentence,
        asks=reject_or_hold(reject=certain > limits.veto),
    )


def _first_names(cases: Collection[str]) -> str:
    """Return the names of the first three cases, without their suites."""
    listed = listed_cases(sorted(cases)[:3])
    if len(cases) > 3:
        listed += " …"
    return listed


def is_broken(case: CaseTally) -> bool:
    """Whether a solid case was missed in every common pass, or at odds of at least 10 for the reverse."""
    solid = case.common >= SOLID_PASSES and case.baseline_passes == case.common
    return solid and (case.candidate_passes == 0 or odds(case.losses, case.wins) >= REVERSE_ODDS)


def _is_gone(case: CaseTally, cases: int) -> bool:
    """Whether a case is certainly broken: always solved before, never now.

    An unchanged case that passes with probability p shows R passes against R misses with probability (p(1−p))^R ≤
    4^−R, so any of K unchanged cases does with probability at most K·4^−R.
    """
    return case.candidate_passes == 0 and cases * 0.25**case.common <= CERTAIN_BREAK


def new_prompts_shown(measured: GateInput, limits: Limits) -> GateResult | None:
    """Whether the gain is shown for similar prompts, at the comparison's share of the error budget.

    A t-test is not valid under repeated looks, so the share is divided among the looks after each pass: the i-th gets
    1/(i(i+1)) of it, which sums to at most 1 (union bound).
    """
    evidence, needed = measured.evidence, measured.needed
    if evidence is None or needed is None:
        return None
    look = max(1, evidence.passes - limits.min_samples + 1)
    share = float(1 / needed) / (look * (look + 1))
    prompts = new_prompts(evidence)
    return GateResult(
        name="new_prompts",
        passed=prompts.chance <= share,
        value=prompts.chance,
        limit=share,
        sentence=(
            f"{prompts.up} prompts up, {prompts.down} down of {prompts.cases}: "
            f"on new prompts by chance with p = {prompts.chance:.2g}, at most {share:.2g} may be"
        ),
    )
