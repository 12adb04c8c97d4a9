"""The CI gate: the spec in force must reach the thresholds, and must not be worse than its recorded results.

A threshold is reached, missed for certain (the whole 95 % interval is on the wrong side), or missed so narrowly that
the evidence is insufficient. All of it is about answers. If too many calls gave none, nothing is missed for certain:
those that failed need not be like those that did not, so that the answers may not be those of a usual build.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction

from pytest_selfopt.console.quantities import counted, format_odds
from pytest_selfopt.loop.distributions import wilson
from pytest_selfopt.loop.evaluate import Metrics, known
from pytest_selfopt.loop.evidence.tally import Tally
from pytest_selfopt.loop.gates.gate_result import GateInput, GateResult, Verdict, reject_or_hold
from pytest_selfopt.loop.gates.measures import cost_of_answers, errors, independent
from pytest_selfopt.loop.gates.pairs import veto
from pytest_selfopt.loop.thresholds import Limits

WORSE_ODDS = 20
"""Odds for "worse than recorded" that fail a build: an unchanged model reaches them in at most 1 of 20 builds."""


class Compare(StrEnum):
    """The trials with which a gate's trials are paired."""

    STORED = "stored"
    """The last stored answers, of each case, of the spec that the last cycle left in force."""
    BESIDE = "beside"
    """New trials, in the same session, of that spec, if it is a different one and answers; else the stored ones."""
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateThresholds:
    """The thresholds of a build (None: not set). `max_p95_latency` in seconds, `max_cost` in USD per 1,000 answers."""

    min_accuracy: float | None = None
    min_restraint: float | None = None
    max_p95_latency: float | None = None
    max_cost: float | None = None
    passes: int = 3
    compare: Compare = Compare.STORED


def against_bars(
    metrics: Metrics, recorded: Tally | None, bars: GateThresholds, limits: Limits, *, missing: int
) -> tuple[GateResult, ...]:
    """Judge a build: by the thresholds that are set, and against the recorded trials, if any.

    `recorded` pairs the recorded trials (as baseline) with the new ones; `missing` counts planned trials without a
    judgement. The gate `errors` comes first: if it fails, no other rejects.
    """
    measured = GateInput(spec=metrics.spec, phase="", metrics=metrics, evidence=recorded, missing=missing)
    answered = errors(measured, limits)
    results = (
        answered,
        _complete(missing),
        _independent(metrics, limits),
        _accuracy(metrics, bars),
        _restraint(metrics, bars),
        _latency(metrics, bars),
        _cost(metrics, bars),
        _no_worse(recorded),
        veto(measured, limits),
    )
    gates = tuple(known(results))
    if answered.passed:
        return gates
    return tuple(replace(gate, asks=Verdict.HOLD) for gate in gates)


def status_of(gates: Sequence[GateResult]) -> Verdict:
    """Return PROMOTE if all passed, REJECT if one failed for certain, HOLD if the evidence is insufficient."""
    failed = {gate.asks for gate in gates if not gate.passed}
    if not failed:
        return Verdict.PROMOTE
    return reject_or_hold(reject=Verdict.REJECT in failed)


def _complete(missing: int) -> GateResult:
    sentence = "every planned trial arrived"
    if missing:
        sentence = f"{missing} planned trials have no judgement"
    return GateResult(name="complete", passed=not missing, value=missing, limit=0, sentence=sentence)


def _independent(metrics: Metrics, limits: Limits) -> GateResult | None:
    """Whether enough answers are new, if some are copies."""
    if not metrics.copied:
        return None
    return independent(GateInput(spec=metrics.spec, phase="", metrics=metrics), limits)


def _accuracy(metrics: Metrics, bars: GateThresholds) -> GateResult | None:
    limit = bars.min_accuracy
    if limit is None:
        return None
    _, high = metrics.accuracy_interval
    return GateResult(
        name="min_accuracy",
        passed=metrics.answers > 0 and metrics.accuracy >= limit,
        value=metrics.known_accuracy,
        limit=limit,
        sentence=f"{_accuracy_words(metrics)}, at least {limit:.3f} is asked for",
        asks=reject_or_hold(reject=metrics.answers > 0 and high < limit),
    )


def _accuracy_words(metrics: Metrics) -> str:
    if not metrics.answers:
        return "the accuracy is unknown, because nothing was answered"
    weighted = ""
    if metrics.weighted is not None:
        weighted = ", weighted"
    low, high = metrics.accuracy_interval
    counts = f"{metrics.passes} of {metrics.answers}{weighted}; {low:.3f} to {high:.3f}"
    return f"accuracy {metrics.accuracy:.3f} ({counts})"


def _restraint(metrics: Metrics, bars: GateThresholds) -> GateResult | None:
    limit, of = bars.min_restraint, metrics.restraint_trials
    if limit is None:
        return None
    kept, share = of - metrics.restraint_calls, metrics.restraint
    low, high = wilson(kept, of)
    measured = "restraint is unknown, because no prompt that needs no tool was answered"
    if share is not None:
        measured = f"restraint {share:.3f} ({kept} of {of}; {low:.3f} to {high:.3f})"
    return GateResult(
        name="min_restraint",
        passed=share is not None and share >= limit,
        value=share,
        limit=limit,
        sentence=f"{measured}, at least {limit:.3f} is asked for",
        asks=reject_or_hold(reject=share is not None and high < limit),
    )


def _latency(metrics: Metrics, bars: GateThresholds) -> GateResult | None:
    limit, p95, low = bars.max_p95_latency, metrics.latency_p95_s, metrics.latency_p95_low_s
    if limit is None:
        return None
    measured, bound = "the latency is unknown, because nothing was answered", ""
    if p95 is not None:
        measured = f"95% of the answers took at most {p95:.2f} s"
    if low is not None:
        bound = f" (at least {low:.2f} s with 95% confidence)"
    return GateResult(
        name="max_p95_latency",
        passed=p95 is not None and p95 <= limit,
        value=p95,
        limit=limit,
        sentence=f"{measured}{bound}, at most {limit:g} s are allowed",
        asks=reject_or_hold(reject=low is not None and low > limit),
    )


def _cost(metrics: Metrics, bars: GateThresholds) -> GateResult | None:
    if bars.max_cost is None:
        return None
    cost = metrics.cost_of_1000_usd
    return GateResult(
        name="max_cost",
        passed=cost is not None and cost <= bars.max_cost,
        value=cost,
        limit=bars.max_cost,
        sentence=f"{cost_of_answers(metrics)}, at most ${bars.max_cost:g} is allowed",
        asks=reject_or_hold(reject=cost is not None),
    )


def _no_worse(recorded: Tally | None) -> GateResult | None:
    if recorded is None or not recorded.pairs:
        return None
    against = recorded.bets.reverse.odds
    return GateResult(
        name="no_regression",
        passed=against < WORSE_ODDS,
        value=float(min(against, Fraction(10**15))),
        limit=WORSE_ODDS,
        sentence=(
            f"beside what was recorded: "
            f"fixed {counted(recorded.wins, 'answer')}, broke {recorded.losses} of {recorded.pairs}; "
            f"odds {format_odds(against)}:1 that it is worse, {WORSE_ODDS}:1 fail the build"
        ),
        asks=Verdict.REJECT,
    )
