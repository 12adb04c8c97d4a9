"""The gates: each a pure function from what was measured of a spec to its number, its limit and a sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from pytest_selfopt.loop.evaluate import Metrics
from pytest_selfopt.loop.evidence import CaseTally, Tally, new_prompts, odds, show_odds
from pytest_selfopt.loop.thresholds import Limits

EXTENDED = "extended"
"""The phase that has a minimum accuracy."""
STEADY_PASSES = 7
"""Specs that were asked in turns, pass by pass, are compared only after so many passes."""
SOLID_PASSES = 3
"""A case is solid when the baseline passed every one of at least so many passes."""
REVERSE_ODDS = 10
"""Odds for the reverse at which a candidate (or a solid case) counts as worse."""
HOPELESS_ODDS = 20
"""Odds that failures alone have to reach against the minimum accuracy before anybody stops for them."""
CERTAIN_BREAK = 0.05
"""A case counts as broken for good when an unchanged suite would show one like it at most so often."""
MOST_TIMED_TOGETHER = 64
"""Latencies measured with more calls than this under way in one process include waiting for its own processor."""


class Verdict(StrEnum):
    """What is to be done with a candidate."""

    PROMOTE = "PROMOTE"
    HOLD = "HOLD"
    REJECT = "REJECT"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """One gate's answer: its number, its limit and a sentence.

    `asks` is the verdict it asks for when it fails; a `certain` REJECT stands however few passes there were.
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
    """What a gate looks at: the numbers of one spec and, for a candidate, of the baseline and the pairs of both.

    `needed` are the odds that a candidate has to reach, `missing` the planned trials that never arrived.
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
"""A gate answers None where it has nothing to say."""
ProjectGates = Callable[[GateInput], Sequence[GateResult]]
"""Gates that a project adds."""


def no_project_gates(_: GateInput) -> Sequence[GateResult]:
    """The gates that a project adds when it adds none."""
    return ()


def comparable(measured: GateInput, limits: Limits) -> GateResult | None:
    """Whether the pairs can be compared: every planned trial arrived, and few pairs lack an answer."""
    evidence = measured.evidence
    if evidence is None:
        return None
    share = evidence.excluded_share
    sentence = (
        f"{evidence.excluded} of {evidence.excluded + evidence.pairs} pairs lack an answer on one side ({share:.1%}), "
        f"at most {limits.comparable:.0%} may"
    )
    if evidence.left_out:
        sentence += f"; {evidence.left_out} passes were hardly answered and are left out"
    if measured.missing:
        sentence = f"{measured.missing} planned trials never arrived"
    passed = measured.missing == 0 and share <= limits.comparable
    return GateResult(name="comparable", passed=passed, value=share, limit=limits.comparable, sentence=sentence)


def interleaved(measured: GateInput, _: Limits) -> GateResult | None:
    """Whether both specs were asked side by side; what drift may do to one alone, seven steady passes bound."""
    evidence = measured.evidence
    if evidence is None:
        return None
    return GateResult(
        name="interleaved",
        passed=evidence.apart == 0 or evidence.passes >= STEADY_PASSES,
        value=evidence.apart,
        limit=0,
        sentence=f"{evidence.apart} of {evidence.passes} passes asked one spec after the other, so that drift may have "
        f"hit one alone: {STEADY_PASSES} steady passes are needed then"
        if evidence.apart
        else "both were asked side by side in every pass",
    )


def errors(measured: GateInput, limits: Limits) -> GateResult:
    """Whether nearly all calls gave an answer."""
    metrics = measured.metrics
    kinds = ", ".join(f"{number} {kind}" for kind, number in metrics.errors_by_kind.items())
    return GateResult(
        name="errors",
        passed=metrics.error_share <= limits.errors,
        value=metrics.error_share,
        limit=limits.errors,
        sentence=f"{metrics.errors} of {metrics.trials} calls gave no answer{f' ({kinds})' if kinds else ''}, "
        f"at most {limits.errors:.0%} may",
    )


def min_samples(measured: GateInput, limits: Limits) -> GateResult:
    """Whether there are enough whole passes."""
    passes = measured.evidence.passes if measured.evidence is not None else len(measured.metrics.runs)
    return GateResult(
        name="min_samples",
        passed=passes >= limits.min_samples,
        value=passes,
        limit=limits.min_samples,
        sentence=f"{passes} whole passes, at least {limits.min_samples} are needed",
    )


def variance(measured: GateInput, limits: Limits) -> GateResult:
    """Whether runs differ by more than the coin flips of their cases explain."""
    spread = measured.metrics.spread
    return GateResult(
        name="variance",
        passed=spread.excess <= limits.variance or spread.chance >= limits.dispersion_chance,
        value=spread.excess,
        limit=limits.variance,
        sentence=f"variance between runs {spread.variance:.4f}, of it {spread.excess:.4f} beyond the coin flips of the "
        f"cases (limit {limits.variance:g}, chance {spread.chance:.2g})",
    )


def no_regression(measured: GateInput, limits: Limits) -> GateResult | None:
    """Whether the odds that the candidate is better reach the bar."""
    evidence, needed = measured.evidence, measured.needed
    if evidence is None or needed is None:
        return None
    worse = odds(evidence.losses, evidence.wins) >= REVERSE_ODDS
    behind = evidence.wins <= evidence.losses and evidence.passes >= limits.min_samples
    return GateResult(
        name="no_regression",
        passed=evidence.odds >= needed,
        value=float(min(evidence.odds, Fraction(10**300))),
        limit=float(needed),
        sentence=f"fixed {evidence.wins} answers, broke {evidence.losses}: odds {show_odds(evidence.odds)}:1 against "
        f"luck, needed {show_odds(needed)}:1",
        asks=Verdict.REJECT if worse or behind else Verdict.HOLD,
    )


def restraint(measured: GateInput, limits: Limits) -> GateResult:
    """Whether prompts that need no tool get none."""
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
    """Whether a model can do stateful work at all; nothing but failures settle it before all passes are made."""
    if measured.phase != EXTENDED:
        return None
    metrics, limit = measured.metrics, limits.extended_phase_min_accuracy
    hopeless = is_hopeless(measured.phase, metrics, limits)
    return GateResult(
        name="extended_phase_min_accuracy",
        passed=metrics.accuracy >= limit,
        value=metrics.accuracy,
        limit=limit,
        sentence=f"all {metrics.misses} answers are wrong: 20:1 against the {limit:.2f} that the extended phase needs"
        if hopeless
        else f"accuracy {metrics.accuracy:.2f}, the extended phase needs {limit:.2f}",
        asks=Verdict.REJECT,
        certain=hopeless,
    )


def is_hopeless(phase: str, metrics: Metrics, limits: Limits) -> bool:
    """Whether failures alone give 20:1 against the extended phase's minimum p: (1 − p)^−n ≥ 20, n = 9 for 0.30."""
    nothing_right = phase == EXTENDED and metrics.passes == 0
    return nothing_right and (1 - limits.extended_phase_min_accuracy) ** metrics.misses * HOPELESS_ODDS <= 1


def latency(measured: GateInput, limits: Limits) -> GateResult:
    """Whether 95 % of the answers come in time; only a limit that is missed for certain rejects."""
    metrics, limit = measured.metrics, limits.latency
    p95, low = metrics.latency_p95_s, metrics.latency_p95_low_s
    crowded = metrics.most_in_flight > MOST_TIMED_TOGETHER
    bound = "no limit is set" if limit is None else f"at most {limit:g} s may"
    sentence = "nothing was answered" if p95 is None else f"95 % of the answers take up to {p95:.2f} s, {bound}"
    if crowded and limit is not None:
        sentence += f"; measured with {metrics.most_in_flight} calls under way, which slows each of them"
    surely = limit is not None and low is not None and low > limit and not crowded
    return GateResult(
        name="latency",
        passed=limit is None or p95 is None or p95 <= limit,
        value=p95,
        limit=limit,
        sentence=sentence,
        asks=Verdict.REJECT if surely else Verdict.HOLD,
    )


def cost(measured: GateInput, limits: Limits) -> GateResult:
    """Whether 1,000 trials cost little enough; a price that nobody knows is no low price."""
    metrics, limit = measured.metrics, limits.cost
    value = None if metrics.cost_usd is None or not metrics.trials else 1000 * metrics.cost_usd / metrics.trials
    bound = "no limit is set" if limit is None else f"at most ${limit:g} may be spent"
    known = f"the cost of {metrics.unpriced} calls is unknown" if value is None else f"1,000 trials cost ${value:.4f}"
    return GateResult(
        name="cost",
        passed=limit is None or (value is not None and value <= limit),
        value=value,
        limit=limit,
        sentence=f"{known}, {bound}",
        asks=Verdict.HOLD if value is None else Verdict.REJECT,
    )


def veto(measured: GateInput, limits: Limits) -> GateResult | None:
    """Whether cases that the baseline always solves stay solved."""
    evidence = measured.evidence
    if evidence is None:
        return None
    broken = {name: case for name, case in evidence.cases.items() if is_broken(case)}
    named = ", ".join(name.rpartition("/")[2] for name in sorted(broken)[:3]) + (" …" if len(broken) > 3 else "")
    certain = sum(_is_gone(case, len(evidence.cases)) for case in broken.values())
    return GateResult(
        name="veto",
        passed=len(broken) <= limits.veto,
        value=len(broken),
        limit=limits.veto,
        sentence=f"breaks {len(broken)} that the baseline always solves: {named}"
        if broken
        else "no case that the baseline always solves is broken",
        asks=Verdict.REJECT if certain > limits.veto else Verdict.HOLD,
    )


def is_broken(case: CaseTally) -> bool:
    """Whether a solid case was missed in every common pass, or at odds of at least 10 for the reverse."""
    solid = case.common >= SOLID_PASSES and case.baseline_passes == case.common
    return solid and (case.candidate_passes == 0 or odds(case.losses, case.wins) >= REVERSE_ODDS)


def _is_gone(case: CaseTally, cases: int) -> bool:
    """Whether a case is broken beyond doubt: always solved before, never now.

    An unchanged case that passes with probability p shows R passes beside R misses with (p(1−p))^R ≤ 4^−R, so one
    of K unchanged cases does with at most K·4^−R.
    """
    return case.candidate_passes == 0 and cases * 0.25**case.common <= CERTAIN_BREAK


def new_prompts_shown(measured: GateInput, limits: Limits) -> GateResult | None:
    """Whether the gain is shown for prompts like these, by the share of the error budget that the comparison has.

    A t-test is not safe against looking often, so the share is divided among the looks after each pass: the i-th has
    1/(i(i+1)) of it, which sums to 1 however many there are (union bound).
    """
    evidence, needed = measured.evidence, measured.needed
    if evidence is None or needed is None:
        return None
    look = max(1, evidence.passes - limits.min_samples + 1)
    found, share = new_prompts(evidence), float(1 / needed) / (look * (look + 1))
    return GateResult(
        name="new_prompts",
        passed=found.chance <= share,
        value=found.chance,
        limit=share,
        sentence=f"{found.up} prompts up, {found.down} down of {found.cases}: on new prompts by chance with "
        f"p = {found.chance:.2g}, at most {share:.2g} may be",
    )
