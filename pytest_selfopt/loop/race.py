"""Who goes on to the next pass: three passes for all, then only the leader beside the baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from pytest_selfopt.loop.evidence import Tally, show_odds


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a candidate stands: its evidence, the odds it has to reach, and whether its other gates would let it by."""

    evidence: Tally
    bar: Fraction
    promotable: bool

    @property
    def won(self) -> bool:
        """Whether it would be promoted now."""
        return self.promotable and self.evidence.odds >= self.bar

    @property
    def lead(self) -> float:
        """(W − L)/√(W + L); 0 when nothing differs."""
        differing = self.evidence.wins + self.evidence.losses
        return (self.evidence.wins - self.evidence.losses) / math.sqrt(differing) if differing else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The candidates that go on (with the baseline), and why the others do not."""

    live: tuple[str, ...]
    stopped: Mapping[str, str]


def most_passes(candidates: int, least: int = 3) -> int:
    """How many passes the leader may get: least + 2(M+1), so never more calls than seven passes for all."""
    return least + 2 * (candidates + 1) if candidates else least


FULL_PASSES = 7
"""How many passes every spec gets where nobody is stopped early."""


def step(standings: Mapping[str, Standing], *, passes: int, most: int) -> Step:
    """Decide after `passes` passes who goes on; `standings` are the candidates still in the race, by spec id."""
    winners = [spec for spec, standing in standings.items() if standing.won]
    if winners:
        return Step(live=(), stopped={spec: _beaten(standings[spec]) for spec in standings if spec not in winners})
    ahead = [spec for spec, standing in standings.items() if standing.promotable and standing.lead > 0]
    leader = max(ahead, key=lambda spec: standings[spec].lead, default=None)
    if leader is None or passes >= most:
        return Step(live=(), stopped={spec: _left(standings[spec], passes, most) for spec in standings})
    return Step(
        live=(leader,),
        stopped={spec: _beaten(standing) for spec, standing in standings.items() if spec != leader},
    )


def _beaten(standing: Standing) -> str:
    if not standing.promotable:
        return f"stopped: a gate besides accuracy keeps it from being promoted ({_score(standing)})"
    return f"stopped: another candidate is further ahead ({_score(standing)})"


def _score(standing: Standing) -> str:
    return f"fixed {standing.evidence.wins}, broke {standing.evidence.losses}"


def _left(standing: Standing, passes: int, most: int) -> str:
    evidence = standing.evidence
    if standing.promotable and standing.lead > 0 and passes >= most:
        return f"stopped: {most} passes are all a cycle gives; odds {show_odds(evidence.odds)}:1"
    if not standing.promotable:
        return f"stopped: a gate besides accuracy keeps it from being promoted ({_score(standing)})"
    return f"stopped: not ahead ({_score(standing)})"
