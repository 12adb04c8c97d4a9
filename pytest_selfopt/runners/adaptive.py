"""How many calls a server is given at a time: fewer when it says that there are too many, more again when it copes.

Additive increase, multiplicative decrease, as in TCP (Chiu and Jain 1989). The limit begins at its ceiling, because
that is what the user configured. A rate limit lowers it once for all the calls that were under way; what those calls
come to afterwards says nothing about the new limit and is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

CUT = 0.7
GROWTH = 0.1
SATURATED = 0.8
"""A success only counts towards more room when at least this share of the room was used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How many calls may be under way: `allowed` now, `ceiling` at most.

    `clean` counts the successes since the last change, which was at `changed_at` (seconds of a monotonic clock).
    """

    allowed: int
    ceiling: int
    clean: int = 0
    changed_at: float = float("-inf")


def after_rate_limit(limit: Limit, *, sent_at: float, now: float) -> Limit:
    """Give the server less, unless the refused call was sent before the limit was last lowered or raised."""
    if sent_at < limit.changed_at:
        return limit
    return replace(limit, allowed=max(1, int(limit.allowed * CUT)), clean=0, changed_at=now)


def after_success(limit: Limit, *, sent_at: float, in_flight: int, now: float) -> Limit:
    """Give the server more after as many successes in a row as it was allowed, all at nearly full use."""
    if limit.allowed == limit.ceiling or sent_at < limit.changed_at or in_flight < SATURATED * limit.allowed:
        return limit
    if limit.clean + 1 < limit.allowed:
        return replace(limit, clean=limit.clean + 1)
    more = max(1, round(limit.allowed * GROWTH))
    return replace(limit, allowed=min(limit.ceiling, limit.allowed + more), clean=0, changed_at=now)
