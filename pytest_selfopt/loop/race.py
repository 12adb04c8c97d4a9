"""Who goes on to the next pass: three passes for all, then one candidate beside the baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from pytest_selfopt.loop.evidence import odds, reaches, show_odds, within_reach
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
        return (self.wins - self.losses) / math.sqrt(differing) if differing else 0.0

    def may_win(self, more: int) -> bool:
        """Whether `more` passes can still bring it over its bar."""
        return (
            not self.out
            and self.lead > 0
            and within_reach(self.wins, self.losses, self.passes, more=more, needed=self.bar)
        )


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


def obstacles(results: Sequence[GateResult]) -> tuple[bool, bool]:
    """Whether the gates besides the odds and the number of passes put a candidate out of the race, and hold it."""
    failed = [result for result in results if not result.passed and result.name not in _COUNTED]
    out = any(result.asks is Verdict.REJECT or result.name in _LASTING for result in failed)
    return out, any(result.asks is Verdict.HOLD for result in failed)


_COUNTED = ("no_regression", "min_samples")
_LASTING = ("comparable", "errors", "cost")
"""Gates that more passes of the same kind do not help to pass: missing answers, and prices that nobody knows."""


def step(standings: Mapping[str, RaceState], *, passes: int, most: int) -> Step:
    """Decide after `passes` passes who goes on; `standings` are all candidates by spec id, in the order of the plan.

    The one that is furthest ahead goes on, of those that can still reach their bar; when it falls back, the next one
    does. Nobody goes on when there is a winner. That a candidate pauses and returns leaves the evidence valid:
    whether it is asked in a pass depends on earlier passes only.
    """
    winners = [spec for spec, standing in standings.items() if standing.won]
    over = bool(winners) or passes >= most
    hopeful = [spec for spec, one in standings.items() if not over and one.may_win(most - passes)]
    leaders = sorted(hopeful, key=lambda spec: -standings[spec].lead)[:1]
    ahead = standings[(winners or leaders)[0]] if winners or leaders else None
    return Step(
        live=tuple(leaders),
        stopped={
            spec: f"stopped: {_why(standing, ahead, passes, most)}"
            for spec, standing in standings.items()
            if spec not in winners and spec not in leaders
        },
    )


def _why(standing: RaceState, ahead: RaceState | None, passes: int, most: int) -> str:
    """Why a candidate does not go on, and how far it is behind; `ahead` is who wins or goes on."""
    score = _score(standing)
    if standing.out:
        return f"a gate besides accuracy keeps it from being promoted ({score})"
    if standing.lead <= 0:
        return f"not ahead ({score})"
    reached = f"{score}, odds {show_odds(odds(standing.wins, standing.losses))}:1 of {show_odds(standing.bar)}:1"
    if standing.waits and reaches(standing.wins, standing.losses, standing.bar):
        return f"a gate besides accuracy holds it ({reached})"
    if passes >= most:
        return f"{most} passes are all a cycle gives ({reached})"
    if not standing.may_win(most - passes) or ahead is None:
        return f"{most - passes} more passes will not show it ({reached})"
    return f"another candidate is further ahead ({score}; that one {_score(ahead)})"


def _score(standing: RaceState) -> str:
    return f"fixed {standing.wins}, broke {standing.losses}"
