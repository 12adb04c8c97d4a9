"""Phase 3, gate: each candidate against the named gates; the verdict is the worst that any of them asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from pytest_selfopt.loop.evaluate import Metrics
from pytest_selfopt.loop.evidence import (
    ALPHA,
    CaseTally,
    Tally,
    least_gain,
    new_prompts,
    odds,
    passes_to_decide,
    show_odds,
)

SOLID_PASSES = 3
"""A case is solid when the baseline passed every one of at least so many passes."""
REVERSE_ODDS = 10
"""Odds for the reverse at which a candidate (or a solid case) counts as worse."""


class Verdict(StrEnum):
    """What is to be done with a candidate."""

    PROMOTE = "PROMOTE"
    HOLD = "HOLD"
    REJECT = "REJECT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of the gates. `alpha` bounds false promotions over the whole history."""

    min_samples: int = 3
    variance: float = 0.0025
    restraint: float = 0.80
    extended_min_accuracy: float = 0.30
    max_error_share: float = 0.05
    dispersion_chance: float = 0.05
    alpha: Fraction = ALPHA


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """One gate's answer: its number, its limit and a sentence; `asks` is the verdict it asks for when it fails."""

    name: str
    passed: bool
    value: float | None
    limit: float | None
    sentence: str
    asks: Verdict = Verdict.HOLD


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict on one candidate, with everything it rests on."""

    spec: str
    phase: str
    verdict: Verdict
    gates: tuple[GateResult, ...]
    tally: Tally
    bar: Fraction
    comparison: int
    grounds: str
    """What the verdict rests on, in words."""

    @property
    def sentence(self) -> str:
        """The verdict with its grounds."""
        return f"{self.verdict} {self.phase}: {self.grounds}"


def judge(
    spec: str,
    *,
    phase: str,
    candidate: Metrics,
    baseline: Metrics,
    tally: Tally,
    bar: Fraction,
    comparison: int,
    limits: Limits,
    missing: int = 0,
) -> Judgement:
    """Apply all gates to a candidate. `missing` planned trials that never arrived make the evidence incomparable."""
    gates = (
        _comparable(candidate, baseline, limits, missing),
        _min_samples(tally.passes, limits),
        _variance(candidate, limits),
        _no_regression(tally, bar, limits),
        *_absolute(candidate, phase, limits),
        _veto(tally),
    )
    verdict = _worst(gates)
    return Judgement(
        spec=spec,
        phase=phase,
        verdict=verdict,
        gates=gates,
        tally=tally,
        bar=bar,
        comparison=comparison,
        grounds=_grounds(verdict, gates, tally, bar, comparison),
    )


def _worst(gates: Sequence[GateResult]) -> Verdict:
    """The verdict of all gates; evidence that cannot be compared, or is too little, rejects nobody."""
    failed = {gate.name: gate.asks for gate in gates if not gate.passed}
    if not failed:
        return Verdict.PROMOTE
    unfounded = "comparable" in failed or "min_samples" in failed
    return Verdict.REJECT if Verdict.REJECT in failed.values() and not unfounded else Verdict.HOLD


def absolute_gates(metrics: Metrics, phase: str, limits: Limits) -> tuple[GateResult, ...]:
    """The gates that a spec has to pass for itself, such as the one in force after a cycle."""
    return (
        _errors(metrics, limits),
        _min_samples(len(metrics.runs), limits),
        _variance(metrics, limits),
        *_absolute(metrics, phase, limits),
    )


def may_promote(phase: str, metrics: Metrics, tally: Tally, limits: Limits) -> bool:
    """Whether no gate besides the number of passes and the odds stands in the way: who may lead the race."""
    gates = (_errors(metrics, limits), *_absolute(metrics, phase, limits), _veto(tally))
    return all(gate.passed for gate in gates)


def _comparable(candidate: Metrics, baseline: Metrics, limits: Limits, missing: int) -> GateResult:
    share = max(candidate.error_share, baseline.error_share)
    passed = missing == 0 and share <= limits.max_error_share
    sentence = f"{share:.1%} of the calls gave no answer, at most {limits.max_error_share:.0%} may"
    if missing:
        sentence = f"{missing} planned trials never arrived"
    return GateResult(name="comparable", passed=passed, value=share, limit=limits.max_error_share, sentence=sentence)


def _errors(metrics: Metrics, limits: Limits) -> GateResult:
    kinds = ", ".join(f"{number} {kind}" for kind, number in metrics.errors_by_kind.items())
    return GateResult(
        name="errors",
        passed=metrics.error_share <= limits.max_error_share,
        value=metrics.error_share,
        limit=limits.max_error_share,
        sentence=f"{metrics.errors} of {metrics.trials} calls gave no answer" + (f" ({kinds})" if kinds else ""),
    )


def _min_samples(passes: int, limits: Limits) -> GateResult:
    return GateResult(
        name="min_samples",
        passed=passes >= limits.min_samples,
        value=passes,
        limit=limits.min_samples,
        sentence=f"{passes} whole passes, at least {limits.min_samples} are needed",
    )


def _variance(metrics: Metrics, limits: Limits) -> GateResult:
    spread = metrics.spread
    passed = spread.excess <= limits.variance or spread.chance >= limits.dispersion_chance
    return GateResult(
        name="variance",
        passed=passed,
        value=spread.excess,
        limit=limits.variance,
        sentence=f"variance between runs {spread.variance:.4f}, of it {spread.excess:.4f} beyond the coin flips of the "
        f"cases (limit {limits.variance:g}, chance {spread.chance:.2g})",
    )


def _no_regression(tally: Tally, bar: Fraction, limits: Limits) -> GateResult:
    reached = tally.odds
    worse = odds(tally.losses, tally.wins) >= REVERSE_ODDS
    behind = tally.wins <= tally.losses and tally.passes >= limits.min_samples
    return GateResult(
        name="no_regression",
        passed=reached >= bar,
        value=float(min(reached, Fraction(10**300))),
        limit=float(bar),
        sentence=f"fixed {tally.wins} answers, broke {tally.losses}: odds {show_odds(reached)}:1 against luck, "
        f"needed {show_odds(bar)}:1",
        asks=Verdict.REJECT if worse or behind else Verdict.HOLD,
    )


def _absolute(metrics: Metrics, phase: str, limits: Limits) -> tuple[GateResult, ...]:
    gates = [_restraint(metrics, limits)]
    if phase == "extended":
        gates.append(_extended_minimum(metrics, limits))
    return tuple(gates)


def _restraint(metrics: Metrics, limits: Limits) -> GateResult:
    if metrics.restraint is None:
        return GateResult(
            name="restraint",
            passed=True,
            value=None,
            limit=limits.restraint,
            sentence="no case needs restraint",
        )
    passed = metrics.restraint >= limits.restraint
    sentence = f"called a tool in {metrics.restraint_calls} of {metrics.restraint_trials} answers that need none"
    return GateResult(
        name="restraint",
        passed=passed,
        value=metrics.restraint,
        limit=limits.restraint,
        sentence=f"{sentence}: restraint {metrics.restraint:.2f}, at least {limits.restraint:.2f} is needed",
        asks=Verdict.REJECT,
    )


def _extended_minimum(metrics: Metrics, limits: Limits) -> GateResult:
    return GateResult(
        name="extended_phase_min_accuracy",
        passed=metrics.accuracy >= limits.extended_min_accuracy,
        value=metrics.accuracy,
        limit=limits.extended_min_accuracy,
        sentence=f"accuracy {metrics.accuracy:.2f}, the extended phase needs {limits.extended_min_accuracy:.2f}",
        asks=Verdict.REJECT,
    )


def _veto(tally: Tally) -> GateResult:
    broken = sorted(name for name, case in tally.cases.items() if _is_broken(case))
    named = ", ".join(name.rpartition("/")[2] for name in broken[:3]) + (" …" if len(broken) > 3 else "")
    return GateResult(
        name="veto",
        passed=not broken,
        value=len(broken),
        limit=0,
        sentence=f"breaks {len(broken)} that the baseline always solves: {named}"
        if broken
        else "no case that the baseline always solves is broken",
    )


def _is_broken(case: CaseTally) -> bool:
    solid = case.common >= SOLID_PASSES and case.baseline_passes == case.common
    return solid and (case.candidate_passes == 0 or odds(case.losses, case.wins) >= REVERSE_ODDS)


def _grounds(verdict: Verdict, gates: Sequence[GateResult], tally: Tally, bar: Fraction, comparison: int) -> str:
    counts = (
        f"fixed {tally.wins} answers, broke {tally.losses} in {tally.passes} passes "
        f"over the same {len(tally.cases)} prompts"
    )
    if verdict is Verdict.PROMOTE:
        return f"{counts}; {_odds_words(tally, bar, comparison)}. {_gain_words(tally)}"
    asking = [gate for gate in gates if not gate.passed and gate.asks is verdict]
    reasons = "; ".join(f"{gate.name}: {gate.sentence}" for gate in asking if gate.name != "no_regression")
    weak = any(gate.name == "no_regression" for gate in asking)
    parts = [counts]
    if weak and verdict is Verdict.HOLD:
        parts.append(f"{_odds_words(tally, bar, comparison)}; {_what_it_takes(tally, bar)}")
    elif weak:
        parts.append("not better than the baseline")
    return "; ".join([*parts, *([reasons] if reasons else [])])


def _odds_words(tally: Tally, bar: Fraction, comparison: int) -> str:
    return (
        f"odds {show_odds(tally.odds)}:1 against luck, needed {show_odds(bar)}:1 "
        f"(comparison {comparison} of this history)"
    )


def _gain_words(tally: Tally) -> str:
    least, new = least_gain(tally), new_prompts(tally)
    at_least = f", at least {least:+.2f}" if least is not None else ""
    shown = f"shown (p = {new.chance:.2g})" if new.chance < 0.05 else "not shown"
    return f"Gain {tally.gain:+.3f}{at_least}. On new prompts: {shown} ({new.up} up, {new.down} down of {new.cases})."


def _what_it_takes(tally: Tally, bar: Fraction) -> str:
    more = passes_to_decide(tally, bar)
    return f"about {more} more passes at this difference" if more else "no number of passes at this difference"
