"""Who goes on to the next pass: three passes for all, then one candidate beside the baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from pytest_selfopt.console.quantities import format_odds
from pytest_selfopt.loop.evidence import odds, reaches, within_reach
from pytest_selfopt.loop.gates import GateResult, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceState:
    """Where a candidate stands after some passes, and the odds it has to reach.

    `out` says that a gate besides the odds bars it, `waits` that one holds it, which more passes may change.
    """

    wins: int
    losses: int
    passes: int
    bar: Fraction
    out: bool = False
    waits: bool = False

    @property
    def won(self) -> bool:
        """Whether it would be promoted now."""
        return not self.out and not self.waits and reaches(self.wins, self.losses, self.bar)

    @property
    def lead(self) -> float:
        """(W − L)/√(W + L); 0 when nothing differs."""
        differing = self.wins + self.losses
        if not differing:
            return 0.0
        return (self.wins - self.losses) / math.sqrt(differing)

    def may_win(self, more: int) -> bool:
        """Whether `more` passes can still bring it over its bar."""
        if self.out or self.lead <= 0:
            return False
        return within_reach(self.wins, self.losses, self.passes, more=more, needed=self.bar)


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceStep:
    """The candidates that go on (with the baseline), and why the others do not."""

    live: tuple[str, ...]
    stopped: Mapping[str, str]


def most_passes(candidates: int, least: int = 3) -> int:
    """How many passes the leader may get: least + 2(M+1), so never more calls than seven passes for all."""
    if not candidates:
        return least
    return least + 2 * (candidates + 1)


FULL_PASSES = 7
"""How many passes every spec gets where nobody is stopped early."""


def obstacles(results: Sequence[GateResult]) -> tuple[bool, bool]:
    """Whether the gates besides the odds and the number of passes put a candidate out of the race, and hold it."""
    out = held = False
    for result in results:
        if result.passed or result.name in _COUNTED:
            continue
        rejects = result.asks is Verdict.REJECT
        out = out or rejects or result.name in _LASTING
        held = held or result.asks is Verdict.HOLD
    return out, held


_COUNTED = ("no_regression", "min_samples")
_LASTING = ("comparable", "errors", "cost")
"""Gates that more passes of the same kind do not help to pass: missing answers, and prices that nobody knows."""


def step(standings: Mapping[str, RaceState], *, passes: int, most: int) -> RaceStep:
    """Decide after `passes` passes who goes on; `standings` are all candidates by spec id, in the order of the plan.

    The one that is furthest ahead goes on, of those that can still reach their bar; when it falls back, the next one
    does. Nobody goes on when there is a winner. That a candidate pauses and returns leaves the evidence valid:
    whether it is asked in a pass depends on earlier passes only.
    """
    winners = [spec for spec, standing in standings.items() if standing.won]
    live: list[str] = []
    if not winners and passes < most:
        live = _leader(standings, most - passes)
    ahead = None
    foremost = winners or live
    if foremost:
        ahead = standings[foremost[0]]
    stopped = {}
    for spec, standing in standings.items():
        if spec not in winners and spec not in live:
            stopped[spec] = f"stopped: {_why(standing, ahead, passes, most)}"
    return RaceStep(live=tuple(live), stopped=stopped)


def _leader(standings: Mapping[str, RaceState], more: int) -> list[str]:
    """The candidate that is furthest ahead of those that `more` passes can bring over their bar; empty without one."""
    hopeful = [spec for spec, standing in standings.items() if standing.may_win(more)]
    # Of equals the first in the order of the plan leads.
    return sorted(hopeful, key=lambda spec: -standings[spec].lead)[:1]


def _why(standing: RaceState, ahead: RaceState | None, passes: int, most: int) -> str:
    """Why a candidate does not go on, and how far it is behind; `ahead` is who wins or goes on."""
    score = _score(standing)
    if standing.out:
        return f"a gate besides accuracy keeps it from being promoted ({score})"
    if standing.lead <= 0:
        return f"not ahead ({score})"
    reached = format_odds(odds(standing.wins, standing.losses))
    beside_bar = f"{score}, odds {reached}:1 of {format_odds(standing.bar)}:1"
    if standing.waits and reaches(standing.wins, standing.losses, standing.bar):
        return f"a gate besides accuracy holds it ({beside_bar})"
    if passes >= most:
        return f"{most} passes are all a cycle gives ({beside_bar})"
    if not standing.may_win(most - passes) or ahead is None:
        return f"{most - passes} more passes will not show it ({beside_bar})"
    return f"another candidate is further ahead ({score}; that one {_score(ahead)})"


def _score(standing: RaceState) -> str:
    return f"fixed {standing.wins}, broke {standing.losses}"
