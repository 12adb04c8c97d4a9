"""Diagnoses of whole runs that differ: cold start, drift, or correlated runs; each checks its own premises."""

from __future__ import annotations

import math
import operator
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from pytest_selfopt.loop.diagnosis.kinds import Diagnosis, DiagnosisKind, Matrix
from pytest_selfopt.loop.diagnosis.remedies import LOADING, WARM_UP
from pytest_selfopt.loop.evaluate import known, median, served_models
from pytest_selfopt.trial import Trial

RUN_EFFECT_CHANCE = 0.001
RUN_EFFECT_Z = 3.5
"""The z from which a shape is a run effect even if the chi-square test, which ignores shape, is not significant."""
RUN_EFFECT_RANGE = 0.2
COLD_LOAD_S = 0.25
COLD_LOAD_FACTOR = 3.0
COLD_LATENCY_FACTOR = 1.8
MOST_COLD_RUNS = 3
LATER_ERRORS = 0.05
"""The share of errors in later runs up to which errors in early runs are a separate effect."""
ORDER_CHANCE = 0.05
"""The probability up to which failures that all come first are significant in suites too small for chi-square."""
EXPLAINED = 0.5
"""The share of the chi-square that a pattern must explain to count as the cause of a run effect."""


def run_effect(matrix: Matrix) -> Diagnosis | None:
    """Diagnose runs that differ by more than chance, by the shape that explains it best."""
    if len(matrix.runs) < 3 or not _is_wide(matrix):
        return _all_or_nothing(matrix)
    dispersion = matrix.spread
    scores = _scores(matrix)
    best = max(scores, key=scores.__getitem__)
    score = scores[best]
    if dispersion.chance >= RUN_EFFECT_CHANCE and score < RUN_EFFECT_Z:
        return _all_or_nothing(matrix)
    if score <= 0 or score**2 < EXPLAINED * dispersion.chi_square:
        return _correlated(matrix)
    if best != _DECLINE:
        return _cold_start(matrix, best, matrix.totals, matrix.said())
    # The best of several shapes was taken, so its chance is multiplied by their number.
    of_shape = len(scores) * math.erfc(score / math.sqrt(2)) / 2
    return Diagnosis(
        kind=DiagnosisKind.DRIFT,
        sentence=f"it got steadily worse ({matrix.said()}){_changed_models(matrix)}",
        chance=min(dispersion.chance, of_shape),
    )


_DECLINE = 0
"""The key of a steady decline among the numbers of cold runs."""


def _is_wide(matrix: Matrix) -> bool:
    """Whether the best and the worst run lie `RUN_EFFECT_RANGE` or more apart."""
    if not matrix.rows:
        return False
    width = max(matrix.totals) - min(matrix.totals)
    return width / len(matrix.rows) >= RUN_EFFECT_RANGE


def _scores(matrix: Matrix) -> dict[int, float]:
    """Return the z of each possible shape by its number of cold first runs, the decline last."""
    runs, totals = len(matrix.runs), matrix.totals
    flips = matrix.flips
    scores = {}
    for cold in _cold_lengths(totals):
        scores[cold] = _fit(_first_runs(runs, cold), totals, flips)
    scores[_DECLINE] = _fit(_decline(runs), totals, flips)
    return scores


def _correlated(matrix: Matrix) -> Diagnosis:
    changed_models = _changed_models(matrix)
    return Diagnosis(
        kind=DiagnosisKind.CORRELATED,
        sentence=(
            f"whole runs differ without a pattern ({matrix.said()}); "
            f"something besides the prompts changed{changed_models}"
        ),
        chance=matrix.spread.chance,
    )


def cold_errors(matrix: Matrix) -> Diagnosis | None:
    """Diagnose a cold start that shows as errors: the first runs time out and later ones answer."""
    answered, shares = [], []
    for number, run in matrix.by_run.items():
        errors = matrix.errors_by_run[number]
        answered.append(len(run) - errors)
        shares.append(errors / len(run))
    cold = _leading(shares, RUN_EFFECT_RANGE)
    most = min(MOST_COLD_RUNS, len(shares) - 1)
    if not 1 <= cold <= most or max(shares[cold:]) > LATER_ERRORS:
        return None
    if not _loading_prevails(matrix.errors, matrix.runs[:cold]):
        return None
    answers = ", ".join(map(str, answered))
    return _cold_start(matrix, cold, answered, f"answers by run: {answers} of {len(matrix.cases)}")


def _loading_prevails(errors: Sequence[Trial], runs: Sequence[int]) -> bool:
    """Whether most errors of these runs are those of a model that is still loading."""
    number = loading = 0
    for trial in errors:
        if trial.run in runs:
            number += 1
            loading += trial.error_kind in LOADING
    return loading > number / 2


def _leading(shares: Sequence[float], least: float) -> int:
    """Return the number of leading shares that are at least `least`."""
    for place, share in enumerate(shares):
        if share < least:
            return place
    return len(shares)


def order_chance(totals: Sequence[int], first: int) -> float:
    """Return the probability that the `first` runs are together at least this bad if the order of runs is random.

    Exact: the share of all sets of that many runs whose total is at most that of the first ones.
    """
    # The number of sets of runs by size and total.
    ways: defaultdict[int, Counter[int]] = defaultdict(Counter)
    ways[0][0] = 1
    for total in totals:
        # Downwards, so that a set contains each run at most once.
        for size in range(first, 0, -1):
            for smaller, number in ways[size - 1].items():
                ways[size][smaller + total] += number
    seen = sum(totals[:first])
    as_bad = 0
    for total, number in ways[first].items():
        if total <= seen:
            as_bad += number
    return as_bad / math.comb(len(totals), first)


def _all_or_nothing(matrix: Matrix) -> Diagnosis | None:
    """Diagnose a cold start from few cases: in every case, the first runs fail and all later ones pass.

    With fewer than four cases no pattern of runs makes the chi-square significant, so the order decides.
    """
    cold = matrix.totals.count(0)
    warm = len(matrix.runs) - cold
    step = (0,) * cold + (len(matrix.rows),) * warm
    if not 1 <= cold <= MOST_COLD_RUNS or matrix.totals != step:
        return None
    if order_chance(step, cold) > ORDER_CHANCE:
        return None
    return _cold_start(matrix, cold, matrix.totals, matrix.said())


def _cold_start(matrix: Matrix, cold: int, totals: Sequence[int], totals_words: str) -> Diagnosis:
    """Diagnose worse first runs as a cold start only if they really came first and, for a single run, were slow."""
    chance, early = order_chance(totals, cold), matrix.runs[:cold]
    first = f"the first {cold} of {len(matrix.runs)} runs are worse ({totals_words})"
    if cold == 1:
        first = f"the first run is worse ({totals_words})"
    finding = Diagnosis(
        kind=DiagnosisKind.COLD_START,
        sentence=f"{first}; by chance in 1 of {round(1 / chance)} orders",
        chance=chance,
        runs=early,
        action=WARM_UP,
    )
    if not _called_first(matrix.trials, early):
        sentence = f"{first}, but not in every lane were those calls the first ones"
        return replace(finding, kind=DiagnosisKind.UNKNOWN, sentence=sentence, action=None)
    if cold == 1 and not _began_slowly(matrix.trials):
        sentence = f"{first}, but its first call was not slow: no sign of a cold model"
        return replace(finding, kind=DiagnosisKind.CORRELATED, sentence=sentence, action=None)
    return finding


def _called_first(trials: Sequence[Trial], early: Sequence[int]) -> bool:
    """Whether in each lane the calls of the `early` runs came before all others, and each lane has both.

    A lane restarted after a crash has later runs only; how warm its model was is unknown.
    """
    last_early: dict[str, tuple[int, float]] = {}
    first_later: dict[str, tuple[int, float]] = {}
    for trial in trials:
        lane, place = trial.lane, _place(trial)
        if trial.run in early:
            last_early[lane] = max(place, last_early.get(lane, place))
        else:
            first_later[lane] = min(place, first_later.get(lane, place))
    if last_early.keys() != first_later.keys():
        return False
    return all(last_early[lane] < first_later[lane] for lane in last_early)


def _by_lane(trials: Sequence[Trial]) -> Iterable[list[Trial]]:
    """Return the trials of each lane, in the order of their calls."""
    lanes: defaultdict[str, list[Trial]] = defaultdict(list)
    for trial in sorted(trials, key=_place):
        lanes[trial.lane].append(trial)
    return lanes.values()


def _place(trial: Trial) -> tuple[int, float]:
    return trial.lane_seq, trial.started


def _began_slowly(trials: Sequence[Trial]) -> bool:
    """Whether each lane's first call shows that the model was loading: by load time, latency or time-out."""
    return all(map(_first_was_slow, _by_lane(trials)))


def _first_was_slow(calls: Sequence[Trial]) -> bool:
    first, *later = calls
    if first.error_kind in LOADING:
        return True
    # Ollama reports some milliseconds of loading even for a loaded model.
    warm = median(known(trial.load_s for trial in later)) or 0.0
    if first.load_s is not None and first.load_s >= max(COLD_LOAD_S, COLD_LOAD_FACTOR * warm):
        return True
    if first.latency_s is None:
        return False
    # If answers take milliseconds, opening a connection alone makes the first several times as long.
    usual = median(known(trial.latency_s for trial in later)) or 0.0
    return first.latency_s >= max(COLD_LATENCY_FACTOR * usual, usual + COLD_LOAD_S)


def _changed_models(matrix: Matrix) -> str:
    """Name the models that the server reported, if they changed between runs."""
    served = served_models(matrix.trials)
    if len(served) < 2:
        return ""
    return f"; the server answered as {' and as '.join(served)}"


def _cold_lengths(totals: Sequence[int]) -> list[int]:
    """Return the possible numbers of cold first runs: each must be below the mean of all later runs."""
    most = min(MOST_COLD_RUNS, len(totals) - 1)
    return [cold for cold in range(1, most + 1) if max(totals[:cold]) < statistics.fmean(totals[cold:])]


def _first_runs(runs: int, cold: int) -> list[float]:
    return [-1 / cold] * cold + [1 / (runs - cold)] * (runs - cold)


def _decline(runs: int) -> list[float]:
    return [(runs - 1) / 2 - run for run in range(runs)]


def _fit(shape: Sequence[float], totals: Sequence[int], flips: float) -> float:
    """Return the z of a contrast over the runs; its square is the part of the chi-square that it explains."""
    length = math.sqrt(flips * _product(shape, shape))
    if not length:
        return 0.0
    return _product(shape, totals) / length


def _product(weights: Sequence[float], values: Sequence[float]) -> float:
    return math.fsum(map(operator.mul, weights, values))
