"""Whole runs that differ: cold start, drift, or correlated runs; each checks its premises before it is said."""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from pytest_selfopt.loop.diagnosis.kinds import Diagnosis, DiagnosisKind, Matrix
from pytest_selfopt.loop.diagnosis.remedies import LOADING, WARM_UP
from pytest_selfopt.loop.evaluate import coin_flips
from pytest_selfopt.trial import Trial

RUN_EFFECT_CHANCE = 0.001
RUN_EFFECT_Z = 3.5
"""A shape that fits so well is a run effect even where the chi-square, which knows no shape, is not sure."""
RUN_EFFECT_RANGE = 0.2
COLD_LOAD_S = 0.25
COLD_LOAD_FACTOR = 3.0
COLD_LATENCY_FACTOR = 1.8
MOST_COLD_RUNS = 3
LATER_ERRORS = 0.05
"""The share of errors in later runs up to which the early ones are something of their own."""
ORDER_CHANCE = 0.05
"""In suites too small for the chi-square, failures that all come first have to be at least so unlikely."""
EXPLAINED = 0.5
"""A pattern counts as the cause of a run effect when it explains this share of the chi-square."""


def run_effect(matrix: Matrix) -> Diagnosis | None:
    """Whole runs differ by more than chance: the shape that explains it best."""
    dispersion, runs = matrix.spread, matrix.runs
    wide = bool(matrix.rows) and (max(matrix.totals) - min(matrix.totals)) / len(matrix.rows) >= RUN_EFFECT_RANGE
    if len(runs) < 3 or not wide:
        return _all_or_nothing(matrix)
    flips = coin_flips(matrix.rows.values())
    shapes = {cold: _first_runs(len(runs), cold) for cold in _cold_lengths(matrix.totals)}
    scores = {cold: _fit(shape, matrix.totals, flips) for cold, shape in shapes.items()}
    scores[0] = _fit(_decline(len(runs)), matrix.totals, flips)
    best = max(scores, key=lambda shape: scores[shape])
    if dispersion.chance >= RUN_EFFECT_CHANCE and scores[best] < RUN_EFFECT_Z:
        return _all_or_nothing(matrix)
    if scores[best] <= 0 or scores[best] ** 2 < EXPLAINED * dispersion.chi_square:
        return Diagnosis(
            kind=DiagnosisKind.CORRELATED,
            sentence=f"whole runs differ without a pattern ({matrix.said()}); something besides the prompts changed"
            f"{_changed_models(matrix)}",
            chance=dispersion.chance,
        )
    if best == 0:
        return Diagnosis(
            kind=DiagnosisKind.DRIFT,
            sentence=f"it got steadily worse ({matrix.said()}){_changed_models(matrix)}",
            # The best of several shapes was taken.
            chance=min(dispersion.chance, len(scores) * math.erfc(scores[best] / math.sqrt(2)) / 2),
        )
    return _cold_start(matrix, best, matrix.totals, matrix.said())


def cold_errors(matrix: Matrix) -> Diagnosis | None:
    """The first runs time out and later ones answer: a cold start that shows as errors instead of wrong answers."""
    answered = [len(run) - _errors(matrix, number) for number, run in matrix.by_run.items()]
    shares = [_errors(matrix, number) / len(run) for number, run in matrix.by_run.items()]
    cold = next((place for place, share in enumerate(shares) if share < RUN_EFFECT_RANGE), len(shares))
    if not 1 <= cold <= min(MOST_COLD_RUNS, len(shares) - 1) or max(shares[cold:]) > LATER_ERRORS:
        return None
    early = [trial for trial in matrix.errors if trial.run in matrix.runs[:cold]]
    kinds = Counter(trial.error_kind for trial in early)
    if sum(kinds[kind] for kind in LOADING) <= len(early) / 2:
        return None
    said = f"answers by run: {', '.join(map(str, answered))} of {len(matrix.cases)}"
    return _cold_start(matrix, cold, answered, said)


def order_chance(totals: Sequence[int], first: int) -> float:
    """The probability that the `first` runs are as bad together as they were, if the order of the runs is chance.

    Exact: the share of all sets of so many runs whose total is at most that of the first ones.
    """
    ways: list[Counter[int]] = [Counter({0: 1}), *(Counter[int]() for _ in range(first))]
    for total in totals:
        for size in range(first, 0, -1):
            for known, number in ways[size - 1].items():
                ways[size][known + total] += number
    seen = sum(totals[:first])
    return sum(number for known, number in ways[first].items() if known <= seen) / math.comb(len(totals), first)


def _all_or_nothing(matrix: Matrix) -> Diagnosis | None:
    """The first runs fail and all later ones pass, in every case: a cold start that two or three cases can show.

    With fewer than four cases no pattern of runs makes the chi-square significant, so the order has to speak.
    """
    runs, cold = len(matrix.runs), matrix.totals.count(0)
    step = (*[0] * cold, *[len(matrix.rows)] * (runs - cold))
    if not 1 <= cold <= MOST_COLD_RUNS or matrix.totals != step or order_chance(step, cold) > ORDER_CHANCE:
        return None
    return _cold_start(matrix, cold, matrix.totals, matrix.said())


def _cold_start(matrix: Matrix, cold: int, totals: Sequence[int], said: str) -> Diagnosis:
    """The first runs are worse: a cold start only if they really came first and, for one run alone, were slow."""
    chance, early = order_chance(totals, cold), matrix.runs[:cold]
    first = "the first run is" if cold == 1 else f"the first {cold} of {len(matrix.runs)} runs are"
    found = Diagnosis(
        kind=DiagnosisKind.COLD_START,
        sentence=f"{first} worse ({said}); by chance in 1 of {round(1 / chance)} orders",
        chance=chance,
        runs=early,
        action=WARM_UP,
    )
    if not _called_first(matrix.trials, early):
        return replace(
            found,
            kind=DiagnosisKind.UNKNOWN,
            sentence=f"{first} worse ({said}), but not in every lane were those calls the first ones",
            action=None,
        )
    if cold == 1 and not _began_slowly(matrix.trials):
        return replace(
            found,
            kind=DiagnosisKind.CORRELATED,
            sentence=f"{first} worse ({said}), but its first call was not slow: no sign of a cold model",
            action=None,
        )
    return found


def _called_first(trials: Sequence[Trial], early: Sequence[int]) -> bool:
    """Whether in each lane the calls of the `early` runs came before all others, and each lane saw both.

    A lane that a crash began anew has later runs only: what warmth they met is unknown.
    """
    lanes: defaultdict[str, tuple[list[tuple[int, float]], list[tuple[int, float]]]] = defaultdict(lambda: ([], []))
    for trial in trials:
        lanes[trial.lane][trial.run not in early].append((trial.lane_seq, trial.started))
    return all(first and later and max(first) < min(later) for first, later in lanes.values())


def _began_slowly(trials: Sequence[Trial]) -> bool:
    """Whether every lane's first call says that the model was being loaded: by its load time, latency or time-out."""
    lanes: defaultdict[str, list[Trial]] = defaultdict(list)
    for trial in sorted(trials, key=lambda trial: (trial.lane_seq, trial.started)):
        lanes[trial.lane].append(trial)
    return all(_was_slow(first, later) for first, *later in lanes.values())


def _was_slow(first: Trial, later: Sequence[Trial]) -> bool:
    if first.error_kind in LOADING:
        return True
    loads = [trial.load_s for trial in later if trial.load_s is not None]
    # Ollama tells some milliseconds of loading for a model that is loaded, too.
    warm = statistics.median(loads) if loads else 0.0
    if first.load_s is not None and first.load_s >= max(COLD_LOAD_S, COLD_LOAD_FACTOR * warm):
        return True
    latencies = [trial.latency_s for trial in later if trial.latency_s is not None]
    usual = statistics.median(latencies) if latencies else 0.0
    # Where answers take milliseconds, opening a connection makes the first of them several times as long.
    return first.latency_s is not None and first.latency_s >= max(COLD_LATENCY_FACTOR * usual, usual + COLD_LOAD_S)


def _errors(matrix: Matrix, run: int) -> int:
    return sum(trial.run == run for trial in matrix.errors)


def _changed_models(matrix: Matrix) -> str:
    """What the server said of itself, if that was not the same in all runs."""
    served = sorted({trial.served_model for trial in matrix.trials if trial.served_model})
    return f"; the server answered as {' and as '.join(served)}" if len(served) > 1 else ""


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
