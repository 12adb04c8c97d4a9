"""Phase 4, diagnose: what went wrong with a spec, read off its matrix of runs × cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pytest_selfopt.loop.diagnosis.kinds import Diagnosis, DiagnosisKind, Matrix
from pytest_selfopt.loop.diagnosis.remedies import FALL_BACK, LONGER_TIMEOUT, RETRIED, RETRY
from pytest_selfopt.loop.diagnosis.run_effects import cold_errors, run_effect
from pytest_selfopt.loop.distributions import binomial_tail, wilson
from pytest_selfopt.loop.evaluate import coin_flips
from pytest_selfopt.loop.thresholds import Limits
from pytest_selfopt.trial import ErrorKind, Outcome, Trial

INFRASTRUCTURE_SHARE = 0.05
STRAY_SHARE = 0.01
"""How many calls fail, or answers go the other way, where nothing is wrong: what chances are reckoned against."""
PERFECT_SHARE = 0.003
GOOD_SHARE = 0.05
"""A model that fails so often is good and not perfect: what a clean sheet is compared with."""
INCAPABLE_SHARE = 0.02
FLAKY_MEAN = 0.08
CEILING_SHARE = 0.75
NEVER_PASSES = 0.10


def diagnose(trials: Sequence[Trial], cases: Sequence[str], phase: str, limits: Limits) -> tuple[Diagnosis, ...]:
    """Find out what is wrong with one spec, the main finding first; a second one names prompts that always fail."""
    if not trials:
        return (Diagnosis(kind=DiagnosisKind.UNKNOWN, sentence="there are no trials to look at"),)
    matrix = Matrix(trials=trials, cases=cases)
    main = (
        _trouble(matrix)
        or _perfect(matrix)
        or _incapable(matrix, phase, limits)
        or run_effect(matrix)
        or _flaky(matrix)
    )
    ceiling = _ceiling(matrix)
    if main is None:
        found = [ceiling or _steady(matrix, limits)]
    else:
        named = main.kind in (DiagnosisKind.FLAKY, DiagnosisKind.COLD_START, DiagnosisKind.DRIFT)
        found = [main, ceiling] if named and ceiling else [main]
    return tuple(replace(one, trials=matrix.count(one.runs, one.cases)) for one in found)


def _trouble(matrix: Matrix) -> Diagnosis | None:
    errors = Counter(trial.error_kind for trial in matrix.errors)
    trials = len(matrix.trials)
    if not errors or errors.total() < INFRASTRUCTURE_SHARE * trials:
        return None
    cold = cold_errors(matrix)
    if cold is not None:
        return cold
    kinds = ", ".join(f"{number} {kind}" for kind, number in errors.most_common())
    said = f"{errors.total()} of {trials} calls gave no answer ({kinds})"
    chance = _at_least(errors.total(), trials, STRAY_SHARE)
    runs = tuple(sorted({trial.run for trial in matrix.errors}))
    if errors[ErrorKind.TIMEOUT] > errors.total() / 2:
        return Diagnosis(
            kind=DiagnosisKind.TIMEOUTS,
            sentence=f"{said}; most of them ran out of time",
            chance=chance,
            runs=runs,
            action=LONGER_TIMEOUT,
        )
    return Diagnosis(
        kind=DiagnosisKind.INFRASTRUCTURE,
        sentence=f"{said}; that says nothing about the model, so no rule follows from it{_most_said(matrix.errors)}",
        chance=chance,
        runs=runs,
    )


def _most_said(errors: Sequence[Trial]) -> str:
    """What most of the errors say, because that is what somebody has to look into."""
    reasons = Counter(trial.reason for trial in errors if trial.reason)
    return f"; most often: {reasons.most_common(1)[0][0]}" if reasons else ""


def _perfect(matrix: Matrix) -> Diagnosis | None:
    trials = len(matrix.trials)
    failed = trials - matrix.passed
    if failed > PERFECT_SHARE * trials:
        return None
    return Diagnosis(
        kind=DiagnosisKind.PERFECT,
        sentence=f"{matrix.passed} of {trials} answers are right",
        chance=binomial_tail(failed, trials, GOOD_SHARE),
    )


def _incapable(matrix: Matrix, phase: str, limits: Limits) -> Diagnosis | None:
    passed, trials = matrix.passed, len(matrix.trials)
    _, upper = wilson(passed, trials)
    minimum = limits.extended_phase_min_accuracy
    if passed > INCAPABLE_SHARE * trials or upper >= minimum:
        return None
    return Diagnosis(
        kind=DiagnosisKind.CAPABILITY,
        sentence=f"{passed} of {trials} answers are right, with 95 % confidence at most {upper:.0%}; "
        f"{minimum:.0%} is needed",
        chance=binomial_tail(passed, trials, minimum),
        action=FALL_BACK if phase != "atomic" else None,
    )


def _flaky(matrix: Matrix) -> Diagnosis | None:
    rows, runs = matrix.rows, len(matrix.runs)
    if runs < 2 or not rows or coin_flips(rows.values()) / len(rows) < FLAKY_MEAN:
        return None
    wavering = {name: row for name, row in rows.items() if 0 < sum(row) < len(row)}
    unanswered = sum(trial.error_kind in RETRIED for trial in matrix.errors)
    return Diagnosis(
        kind=DiagnosisKind.FLAKY,
        sentence=f"{len(wavering)} of {len(rows)} prompts sometimes pass and sometimes fail: {_named(wavering)}; "
        + _retry_helps(unanswered, len(matrix.trials)),
        chance=_at_least(len(wavering), len(rows), 1 - (1 - STRAY_SHARE) ** runs),
        cases=tuple(wavering),
        action=RETRY if unanswered else None,
    )


def _retry_helps(unanswered: int, trials: int) -> str:
    """Whether another retry can help, and at what cost: it repeats calls without an answer, never wrong answers."""
    if not unanswered:
        return "a retry would not help, for the answers came and were wrong"
    return (
        f"another retry can help the {unanswered} of {trials} calls that gave no answer, and costs up to as many calls "
        f"({unanswered / trials:.1%} more)"
    )


def _ceiling(matrix: Matrix) -> Diagnosis | None:
    rows = matrix.rows
    answers = sum(map(len, rows.values()))
    failures = answers - sum(map(sum, rows.values()))
    never = {name: row for name, row in rows.items() if sum(row) <= NEVER_PASSES * len(row)}
    from_never = sum(len(row) - sum(row) for row in never.values())
    if not failures or from_never < CEILING_SHARE * failures:
        return None
    return Diagnosis(
        kind=DiagnosisKind.CEILING,
        sentence=f"{len(never)} of {len(matrix.cases)} prompts fail every time and make {from_never / failures:.0%} of "
        f"the failures: {_named(never)}",
        # If the failures fell on prompts at random, each prompt failed every time with this probability.
        chance=_at_least(len(never), len(rows), (failures / answers) ** len(matrix.runs)),
        cases=tuple(never),
    )


def _steady(matrix: Matrix, limits: Limits) -> Diagnosis:
    passed, trials = matrix.passed, len(matrix.trials)
    if len(matrix.runs) < limits.min_samples:
        return Diagnosis(
            kind=DiagnosisKind.UNKNOWN,
            sentence=f"{passed} of {trials} answers are right; {len(matrix.runs)} runs are too few to see a pattern",
        )
    failed = sum(trial.outcome is Outcome.MISS for trial in matrix.trials)
    return Diagnosis(
        kind=DiagnosisKind.SUBOPTIMAL,
        sentence=f"steady, with {passed} of {trials} answers right and no pattern in what fails",
        chance=_at_least(failed, trials, PERFECT_SHARE),
    )


def _at_least(number: int, trials: int, share: float) -> float:
    """The probability of at least `number` of `trials` where each comes with probability `share`."""
    return binomial_tail(trials - number, trials, 1 - share)


def _named(rows: Mapping[str, object]) -> str:
    names = [name.rpartition("/")[2] for name in rows]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
