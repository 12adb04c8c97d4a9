"""Phase 4, diagnose: what went wrong with a spec, read off its matrix of runs × cases."""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pytest_selfopt.loop.distributions import binomial_tail, wilson
from pytest_selfopt.loop.evaluate import answered_rows, coin_flips, outcomes_by_run, spread
from pytest_selfopt.loop.limits import Limits
from pytest_selfopt.trial import ErrorKind, Outcome, Trial

INFRASTRUCTURE_SHARE = 0.05
PERFECT_SHARE = 0.003
INCAPABLE_SHARE = 0.02
RUN_EFFECT_CHANCE = 0.001
RUN_EFFECT_RANGE = 0.2
FLAKY_MEAN = 0.08
CEILING_SHARE = 0.75
NEVER_PASSES = 0.10
COLD_LOAD_S = 0.25
COLD_LOAD_FACTOR = 3.0
COLD_LATENCY_FACTOR = 1.8
MOST_COLD_RUNS = 3
ORDER_CHANCE = 0.05
"""In suites too small for the chi-square, failures that all come first have to be at least so unlikely."""
EXPLAINED = 0.5
"""A pattern counts as the cause of a run effect when it explains this share of the chi-square."""


class DiagnosisKind(StrEnum):
    """What a diagnosis says."""

    INFRASTRUCTURE = "infrastructure trouble"
    TIMEOUTS = "time-outs"
    PERFECT = "perfect"
    CAPABILITY = "capability limit"
    COLD_START = "cold start"
    DRIFT = "drift"
    FLAKY = "flaky"
    CEILING = "prompts that always fail"
    SUBOPTIMAL = "clean but suboptimal"
    UNKNOWN = "cannot tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One finding. `chance` is how likely it is by chance (None: it is a plain count, not a test).

    `runs` and `cases` name the trials it rests on (empty: all of them); `action` is what it asks for.
    """

    kind: DiagnosisKind
    sentence: str
    chance: float | None = None
    runs: tuple[int, ...] = ()
    cases: tuple[str, ...] = ()
    action: str | None = None


def diagnose(trials: Sequence[Trial], cases: Sequence[str], phase: str, limits: Limits) -> tuple[Diagnosis, ...]:
    """Find out what is wrong with one spec, the main finding first; a second one names prompts that always fail."""
    if not trials:
        return (Diagnosis(kind=DiagnosisKind.UNKNOWN, sentence="there are no trials to look at"),)
    by_run = outcomes_by_run(trials)
    rows = answered_rows(by_run)
    main = (
        _trouble(trials)
        or _perfect(trials)
        or _incapable(trials, phase, limits)
        or _run_effect(trials, by_run, rows)
        or _all_or_nothing(trials, by_run, rows)
        or _flaky(rows)
    )
    ceiling = _ceiling(rows, cases)
    if main is None:
        return (ceiling or _steady(trials, by_run, limits),)
    named = main.kind in (DiagnosisKind.FLAKY, DiagnosisKind.COLD_START, DiagnosisKind.DRIFT)
    return (main, ceiling) if named and ceiling else (main,)


def _trouble(trials: Sequence[Trial]) -> Diagnosis | None:
    errors = Counter(trial.error_kind for trial in trials if trial.outcome is Outcome.ERROR)
    if errors.total() < INFRASTRUCTURE_SHARE * len(trials) or not errors:
        return None
    kinds = ", ".join(f"{number} {kind}" for kind, number in errors.most_common())
    said = f"{errors.total()} of {len(trials)} calls gave no answer ({kinds})"
    runs = tuple(sorted({trial.run for trial in trials if trial.outcome is Outcome.ERROR}))
    if errors[ErrorKind.TIMEOUT] > errors.total() / 2:
        return Diagnosis(
            kind=DiagnosisKind.TIMEOUTS,
            sentence=f"{said}; most of them ran out of time",
            runs=runs,
            action="longer_timeout",
        )
    return Diagnosis(
        kind=DiagnosisKind.INFRASTRUCTURE,
        sentence=f"{said}; that says nothing about the model, so no rule follows from it{_most_said(trials)}",
        runs=runs,
    )


def _most_said(trials: Sequence[Trial]) -> str:
    """What most of the errors say, because that is what somebody has to look into."""
    reasons = Counter(trial.reason for trial in trials if trial.outcome is Outcome.ERROR and trial.reason)
    return f"; most often: {reasons.most_common(1)[0][0]}" if reasons else ""


def _perfect(trials: Sequence[Trial]) -> Diagnosis | None:
    failed = sum(trial.outcome is not Outcome.PASS for trial in trials)
    if failed > PERFECT_SHARE * len(trials):
        return None
    return Diagnosis(kind=DiagnosisKind.PERFECT, sentence=f"{len(trials) - failed} of {len(trials)} answers are right")


def _incapable(trials: Sequence[Trial], phase: str, limits: Limits) -> Diagnosis | None:
    passed = sum(trial.outcome is Outcome.PASS for trial in trials)
    _, upper = wilson(passed, len(trials))
    minimum = limits.extended_phase_min_accuracy
    if passed > INCAPABLE_SHARE * len(trials) or upper >= minimum:
        return None
    return Diagnosis(
        kind=DiagnosisKind.CAPABILITY,
        sentence=f"{passed} of {len(trials)} answers are right, with 95 % confidence at most {upper:.0%}; "
        f"{minimum:.0%} is needed",
        chance=binomial_tail(passed, len(trials), minimum),
        action="disable_for_stateful" if phase != "atomic" else None,
    )


def _run_effect(
    trials: Sequence[Trial], by_run: Mapping[int, Mapping[str, Outcome]], rows: Mapping[str, Sequence[bool]]
) -> Diagnosis | None:
    """Whole runs differ by more than chance: find the shape that explains it best."""
    dispersion = spread(by_run)
    runs = list(by_run)
    totals = [sum(row[column] for row in rows.values()) for column in range(len(runs))]
    wide = bool(rows) and (max(totals) - min(totals)) / len(rows) >= RUN_EFFECT_RANGE
    if len(runs) < 3 or dispersion.chance >= RUN_EFFECT_CHANCE or not wide:
        return None
    flips = coin_flips(rows.values())
    shapes = {cold: _first_runs(len(runs), cold) for cold in _cold_lengths(totals)}
    scores = {cold: _fit(shape, totals, flips) for cold, shape in shapes.items()}
    scores[0] = _fit(_decline(len(runs)), totals, flips)
    best = max(scores, key=lambda shape: scores[shape])
    said = f"passes by run: {', '.join(map(str, totals))} of {len(rows)}"
    if scores[best] <= 0 or scores[best] ** 2 < EXPLAINED * dispersion.chi_square:
        return Diagnosis(
            kind=DiagnosisKind.INFRASTRUCTURE,
            sentence=f"whole runs differ without a pattern ({said}); something besides the model changed",
            chance=dispersion.chance,
        )
    if best == 0:
        return Diagnosis(kind=DiagnosisKind.DRIFT, sentence=f"it got steadily worse ({said})", chance=dispersion.chance)
    return _cold_start(trials, runs, best, said)


def _all_or_nothing(
    trials: Sequence[Trial], by_run: Mapping[int, Mapping[str, Outcome]], rows: Mapping[str, Sequence[bool]]
) -> Diagnosis | None:
    """The first runs fail and all later ones pass, in every case: a cold start that two or three cases can show.

    With fewer than four cases no pattern of runs makes the chi-square significant, so the order has to speak.
    """
    runs = list(by_run)
    totals = [sum(row[column] for row in rows.values()) for column in range(len(runs))]
    cold = totals.count(0)
    step = [0] * cold + [len(rows)] * (len(runs) - cold)
    if not 1 <= cold <= MOST_COLD_RUNS or totals != step or math.comb(len(runs), cold) * ORDER_CHANCE < 1:
        return None
    return _cold_start(trials, runs, cold, f"passes by run: {', '.join(map(str, totals))} of {len(rows)}")


def _cold_start(trials: Sequence[Trial], runs: Sequence[int], cold: int, said: str) -> Diagnosis:
    """The first runs are worse: a cold start only if they really came first and, for one run alone, were slow."""
    chance = 1 / math.comb(len(runs), cold)
    if not _called_first(trials, runs[:cold]):
        return Diagnosis(
            kind=DiagnosisKind.UNKNOWN,
            sentence=f"the first {cold} runs are worse ({said}), but they were not called first",
            chance=chance,
        )
    if cold == 1 and not _began_slowly(trials):
        return Diagnosis(
            kind=DiagnosisKind.INFRASTRUCTURE,
            sentence=f"the first run is worse ({said}), but its first call was not slow: no sign of a cold model",
            chance=chance,
        )
    return Diagnosis(
        kind=DiagnosisKind.COLD_START,
        sentence=f"the first {cold} of {len(runs)} runs are worse ({said}); "
        f"by chance in 1 of {round(1 / chance)} orders",
        chance=chance,
        runs=tuple(runs[:cold]),
        action="allow_for_bounded_tasks",
    )


def _called_first(trials: Sequence[Trial], early: Sequence[int]) -> bool:
    """Whether in each lane the calls of the `early` runs came before all others, and each lane saw both.

    A lane that a crash began anew has later runs only: what warmth they met is unknown.
    """
    lanes: defaultdict[str, tuple[list[tuple[int, float]], list[tuple[int, float]]]] = defaultdict(lambda: ([], []))
    for trial in trials:
        lanes[trial.lane][trial.run not in early].append((trial.lane_seq, trial.started))
    return all(first and later and max(first) < min(later) for first, later in lanes.values())


def _began_slowly(trials: Sequence[Trial]) -> bool:
    first = min(trials, key=lambda trial: (trial.lane_seq, trial.started))
    loads = [trial.load_s for trial in trials if trial.load_s is not None and trial is not first]
    # Ollama tells some milliseconds of loading for a model that is loaded, too.
    warm = statistics.median(loads) if loads else 0.0
    if first.load_s is not None and first.load_s >= max(COLD_LOAD_S, COLD_LOAD_FACTOR * warm):
        return True
    latencies = [trial.latency_s for trial in trials if trial.latency_s is not None]
    usual = statistics.median(latencies) if latencies else 0.0
    return first.latency_s is not None and first.latency_s >= COLD_LATENCY_FACTOR * usual > 0


def _flaky(rows: Mapping[str, Sequence[bool]]) -> Diagnosis | None:
    runs = max((len(row) for row in rows.values()), default=0)
    if runs < 2 or coin_flips(rows.values()) / len(rows) < FLAKY_MEAN:
        return None
    wavering = {name: row for name, row in rows.items() if 0 < sum(row) < len(row)}
    return Diagnosis(
        kind=DiagnosisKind.FLAKY,
        sentence=f"{len(wavering)} of {len(rows)} prompts sometimes pass and sometimes fail: {_named(wavering)}",
        cases=tuple(wavering),
        action="retry",
    )


def _ceiling(rows: Mapping[str, Sequence[bool]], cases: Sequence[str]) -> Diagnosis | None:
    failures = sum(len(row) - sum(row) for row in rows.values())
    never = {name: row for name, row in rows.items() if row and sum(row) <= NEVER_PASSES * len(row)}
    from_never = sum(len(row) - sum(row) for row in never.values())
    if not failures or from_never < CEILING_SHARE * failures:
        return None
    return Diagnosis(
        kind=DiagnosisKind.CEILING,
        sentence=f"{len(never)} of {len(cases)} prompts fail every time and make {from_never / failures:.0%} of the "
        f"failures: {_named(never)}",
        cases=tuple(never),
    )


def _steady(trials: Sequence[Trial], by_run: Mapping[int, object], limits: Limits) -> Diagnosis:
    passed = sum(trial.outcome is Outcome.PASS for trial in trials)
    if len(by_run) < limits.min_samples:
        return Diagnosis(
            kind=DiagnosisKind.UNKNOWN,
            sentence=f"{passed} of {len(trials)} answers are right; {len(by_run)} runs are too few to see a pattern",
        )
    return Diagnosis(
        kind=DiagnosisKind.SUBOPTIMAL,
        sentence=f"steady, with {passed} of {len(trials)} answers right and no pattern in what fails",
    )


def _cold_lengths(totals: Sequence[int]) -> list[int]:
    """For how many first runs a cold start can be meant: each of them lies below the average of all later runs."""
    most = min(MOST_COLD_RUNS, len(totals) - 1)
    return [cold for cold in range(1, most + 1) if max(totals[:cold]) < statistics.fmean(totals[cold:])]


def _first_runs(runs: int, cold: int) -> list[float]:
    return [-1 / cold] * cold + [1 / (runs - cold)] * (runs - cold)


def _decline(runs: int) -> list[float]:
    return [(runs - 1) / 2 - run for run in range(runs)]


def _fit(shape: Sequence[float], totals: Sequence[int], flips: float) -> float:
    """The z of a contrast over the runs: its square is the part of the chi-square that it explains."""
    length = math.sqrt(flips * math.fsum(weight * weight for weight in shape))
    return math.fsum(weight * total for weight, total in zip(shape, totals, strict=True)) / length if length else 0.0


def _named(rows: Mapping[str, object]) -> str:
    names = [name.rpartition("/")[2] for name in rows]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
