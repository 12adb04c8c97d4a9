"""The accuracy that people would find, from what a judge passes and how often it is wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_selfopt.judging.calibration import Calibration, Proportion

_Z = 1.959964
"""The standard normal quantile of a two-sided interval of 95 %."""
_SMOOTHING = 0.25
"""Labels of each kind that are added to either rate: a judge without a known error is not taken for free of errors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedAccuracy:
    """The share of answers that a judge passes, and that which people would pass, with its 95 % interval."""

    judged: float
    estimate: float
    low: float
    high: float


def correct_accuracy(judged: Proportion, calibration: Calibration) -> CorrectedAccuracy | None:
    """Return the corrected accuracy; None without answers or labels of both kinds, or if the judge shows nothing.

    `judged` counts the answers that the judge decided, and those it passed; they are not those of the `calibration`.
    The estimate is (p + TNR − 1)/(TPR + TNR − 1), kept within 0 and 1 (Rogan and Gladen 1978; for judges Lee et al.
    2025, arXiv:2511.21140). The interval has each accuracy θ for which p is within 1.96 standard errors of what θ and
    the rates make expected, (1 − TNR) + θ·(TPR + TNR − 1): the standard errors are those at this θ, as in Wilson's
    interval, with both rates smoothed by a quarter of a label. Solved as a quadratic equation (Fieller 1954). Simulated
    with 36 to 300 answers, 30 to 100 labels of each kind and rates of 0.75 to 0.98, it contains the truth in 93 to 98 %
    of cases, on average 95.0 %; the interval of Lee et al. in up to 99 %, because it smooths more.
    """
    passes, fails = calibration.true_positive_rate, calibration.true_negative_rate
    if not judged.trials or not passes.trials or not fails.trials:
        return None
    share = judged.successes / judged.trials
    gain = passes.successes / passes.trials + fails.successes / fails.trials - 1
    if gain <= 0:
        return None
    estimate = (share + fails.successes / fails.trials - 1) / gain
    low, high = _interval(share, judged.trials, passes, fails)
    return CorrectedAccuracy(judged=share, estimate=_clipped(estimate), low=low, high=high)


def _interval(share: float, number: int, passes: Proportion, fails: Proportion) -> tuple[float, float]:
    """Return the θ with (share − f − θ·g)² ≤ z²·V(θ), where f is the rate of false passes and g = TPR − f.

    V(θ) = (f + θg)(1 − f − θg)/n + (1 − θ)²·v + θ²·w, with the variances v of f and w of TPR.
    """
    right, wrong = _smoothed(passes), 1 - _smoothed(fails)
    gain = right - wrong
    variance_right = right * (1 - right) / passes.trials
    variance_wrong = wrong * (1 - wrong) / fails.trials
    squares = _Z * _Z
    distance = share - wrong
    quadratic = gain * gain - squares * (variance_right + variance_wrong - gain * gain / number)
    linear = -2 * distance * gain - squares * (gain * (1 - 2 * wrong) / number - 2 * variance_wrong)
    constant = distance * distance - squares * (wrong * (1 - wrong) / number + variance_wrong)
    # Without a positive quadratic term the labels do not even show that the judge is better than chance.
    if quadratic <= 0 or gain <= 0:
        return 0.0, 1.0
    root = math.sqrt(max(0.0, linear * linear - 4 * quadratic * constant))
    return _clipped((-linear - root) / (2 * quadratic)), _clipped((-linear + root) / (2 * quadratic))


def _smoothed(rate: Proportion) -> float:
    return (rate.successes + _SMOOTHING) / (rate.trials + 2 * _SMOOTHING)


def _clipped(share: float) -> float:
    return max(0.0, min(1.0, share))
