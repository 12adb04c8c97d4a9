"""Formats of quantities for people, one for each kind of quantity."""

from __future__ import annotations

import math
from fractions import Fraction

UNKNOWN_COST = "unknown"
_TINY_USD = 1e-6
_RARE = 1e-9
_LIKELY = 0.5
"""The probability above which luck explains a finding more often than not."""


def counted(number: int, noun: str) -> str:
    """Return a number with its noun in the right number, such as "1 pass", "3 whole passes" and "1,234 answers"."""
    if number == 1:
        return f"1 {noun}"
    plural = f"{noun}s"
    if noun.endswith("s"):
        plural = f"{noun}es"
    return f"{number:,} {plural}"


def format_clock(seconds: float) -> str:
    """Format a running clock in whole seconds, such as 1:05 or 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d}"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def format_duration(seconds: float) -> str:
    """Format a duration, such as "4.2 s", "5:50 min" or "1:02:03 h"."""
    # Round before the unit is chosen: 59.96 s are a minute, never "60.0 s".
    if round(seconds, 1) < 60:
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{format_clock(whole)} min"
    return f"{format_clock(whole)} h"


def format_cost(usd: float | None) -> str:
    """Format USD: two decimals from one dollar, four decimals below, and two significant digits below one cent."""
    if usd is None:
        return UNKNOWN_COST
    if usd <= 0:
        return "$0.0000"
    if round(usd, 4) >= 1:
        return f"${usd:,.2f}"
    if usd >= 0.01:
        return f"${usd:.4f}"
    if usd < _TINY_USD:
        return f"${usd:.1e}"
    decimals = 1 - math.floor(math.log10(usd))
    return f"${usd:.{decimals}f}"


def format_known_cost(known_usd: float, unpriced: int) -> str:
    """Format the cost of calls in USD; that of `unpriced` calls is reported as unknown, never counted as zero."""
    known = format_cost(known_usd)
    if not unpriced:
        return known
    if not known_usd:
        return UNKNOWN_COST
    return f"at least {known} and that of {unpriced:,} calls of unknown cost"


def describe_chance(share: float | None) -> str:
    """Say how probable a finding is by luck; empty if that is unknown, or so probable that it says nothing."""
    if share is None or share > _LIKELY:
        return ""
    return f"by chance {format_chance(share)}"


def format_chance(share: float) -> str:
    """Format a probability, such as 1.2% or 1 in 13,007."""
    if share >= 0.001:
        return f"{share:.1%}"
    if share < _RARE:
        return "less than 1 in 10^9"
    return f"1 in {round(1 / share):,}"


def format_odds(value: Fraction | float) -> str:
    """Format the first number of odds to 1: whole from ten, as a power of ten from a million."""
    if value < 10:
        return f"{float(value):.1f}"
    if value < 10**6:
        return f"{int(value):,}"
    return f"10^{len(str(int(value))) - 1}"
