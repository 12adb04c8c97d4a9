"""Adaptive concurrency of a server: lowered when it reports too many requests, raised again on success.

Additive increase, multiplicative decrease, as in TCP (Chiu and Jain 1989). The limit begins at its ceiling, which the
user configured. A rate limit lowers it once for all calls in flight; later results of those calls say nothing about
the new limit and do not count.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

CUT = 0.7
GROWTH = 0.1
SATURATED = 0.8
"""The share of the limit that must be in use for a success to count towards raising it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The limit on calls in flight: `allowed` now, `ceiling` at most.

    `clean` counts the successes since the last change at `changed_at` (seconds of a monotonic clock).
    """

    allowed: int
    ceiling: int
    clean: int = 0
    changed_at: float = float("-inf")


def after_rate_limit(limit: Limit, *, sent_at: float, now: float) -> Limit:
    """Lower the limit, unless the rejected call was sent before the last change."""
    if sent_at < limit.changed_at:
        return limit
    return replace(limit, allowed=max(1, int(limit.allowed * CUT)), clean=0, changed_at=now)


def after_success(limit: Limit, *, sent_at: float, in_flight: int, now: float) -> Limit:
    """Raise the limit after as many successes in a row as were allowed, all at nearly full use."""
    if limit.allowed == limit.ceiling or sent_at < limit.changed_at or in_flight < SATURATED * limit.allowed:
        return limit
    if limit.clean + 1 < limit.allowed:
        return replace(limit, clean=limit.clean + 1)
    more = max(1, round(limit.allowed * GROWTH))
    return replace(limit, allowed=min(limit.ceiling, limit.allowed + more), clean=0, changed_at=now)
