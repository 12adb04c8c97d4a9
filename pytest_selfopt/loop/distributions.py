"""Tails of the chi-square and binomial-proportion distributions, from the standard library only.

The incomplete gamma and beta functions follow Numerical Recipes, 3rd edition, sections 6.2 and 6.4 (series where it
converges fast, continued fractions elsewhere).
"""

from __future__ import annotations

import math

_TINY = 1e-300
_PRECISION = 1e-14
_MOST_STEPS = 10_000


def chi_square_tail(value: float, degrees: int) -> float:
    """Return the probability that a chi-square variable with `degrees` of freedom is at least `value`."""
    if value <= 0 or degrees <= 0:
        return 1.0
    a, x = degrees / 2, value / 2
    scale = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        return 1.0 - scale * _gamma_series(a, x)
    return scale * _gamma_fraction(a, x)


def binomial_tail(successes: int, trials: int, share: float) -> float:
    """Return the probability of at most `successes` in `trials` independent trials that succeed with `share`."""
    if successes >= trials:
        return 1.0
    return incomplete_beta(trials - successes, successes + 1, 1 - share)


def at_least(successes: int, trials: int, share: float) -> float:
    """Return the probability of at least that many successes in `trials`, each with probability `share`."""
    return binomial_tail(trials - successes, trials, 1 - share)


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b)."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    # Sum from left to right: another order of the terms changes the last digits.
    log_scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    scale = math.exp(log_scale)
    if x < (a + 1) / (a + b + 2):
        return scale * _beta_fraction(a, b, x) / a
    return 1.0 - scale * _beta_fraction(b, a, 1 - x) / b


def wilson(successes: float, trials: float, z: float = 1.959964) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion (Wilson 1927); 95 % by default, (0, 1) without trials.

    For dependent trials, `trials` is the effective number of independent ones, which need not be whole.
    """
    if trials == 0:
        return 0.0, 1.0
    share = successes / trials
    centre = share + z * z / (2 * trials)
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    low, high = (centre - spread) / scale, (centre + spread) / scale
    # At 0 and 1, rounding alone would exclude the share itself.
    return max(0.0, min(share, low)), min(1.0, max(share, high))


def _gamma_series(a: float, x: float) -> float:
    term = total = 1.0 / a
    for step in range(1, _MOST_STEPS):
        term *= x / (a + step)
        total += term
        if term < total * _PRECISION:
            break
    return total


def _gamma_fraction(a: float, x: float) -> float:
    b = x + 1 - a
    c, d = 1 / _TINY, 1 / b
    total = d
    for step in range(1, _MOST_STEPS):
        factor = -step * (step - a)
        b += 2
        d = 1 / _away_from_zero(factor * d + b)
        c = _away_from_zero(b + factor / c)
        total *= d * c
        if abs(d * c - 1) < _PRECISION:
            break
    return total


def _beta_fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    total = d
    for step in range(1, _MOST_STEPS):
        twice = a + 2 * step
        even = step * (b - step) * x / ((twice - 1) * twice)
        odd = -(a + step) * (a + b + step) * x / (twice * (twice + 1))
        # A race takes thousands of these steps: a call for each value would double their time.
        for factor in (even, odd):
            d = 1 + factor * d
            d = 1 / (d if d > _TINY or d < -_TINY else _TINY)
            c = 1 + factor / c
            c = c if c > _TINY or c < -_TINY else _TINY
            total *= d * c
        if abs(d * c - 1) < _PRECISION:
            break
    return total


def _away_from_zero(value: float) -> float:
    if abs(value) > _TINY:
        return value
    return _TINY
