"""The race: which specs continue to the next pass; all for three passes, then one candidate and the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from pytest_selfopt.console.quantities import format_odds
from pytest_selfopt.loop.evidence.bets import Bets
from pytest_selfopt.loop.evidence.forecast import within_reach
from pytest_selfopt.loop.gates.gate_result import GateInput, GateResult, Verdict, lasting_reason


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceState:
    """The state of a candidate after some passes, and the odds it must reach.

    `out` means that a gate other than the odds rejects it or, for the reason `lasting`, holds it for ever; `waits` that
    one holds it, which more passes may change; `repeats` that no answer has differed between its passes.
    """

    wins: int
    losses: int
    passes: int
    bar: Fraction
    out: bool = False
    waits: bool = False
    lasting: str = ""
    repeats: bool = False
    grouped: Bets | None = None
    """What the odds bet on if cases are in groups; None: each pair of outcomes."""

    @property
    def bets(self) -> Bets:
        """What the odds bet on."""
        return self.grouped or Bets(wins=self.wins, losses=self.losses)

    @property
    def over_bar(self) -> bool:
        """Whether the odds reach the bar, with more answers fixed than broken."""
        return self.wins > self.losses and self.bets.reaches(self.bar)

    @property
    def won(self) -> bool:
        """Whether the candidate would be promoted now."""
        return not self.out and not self.waits and self.over_bar

    @property
    def lead(self) -> float:
        """(W − L)/√(W + L), or likewise over groups; 0 if no pair differs, or fewer answers are right."""
        if self.wins <= self.losses:
            return min(0.0, self.bets.lead)
        return self.bets.lead

    def may_win(self, more: int) -> bool:
        """Whether `more` passes can still bring the candidate over its bar."""
        if self.out or self.lead <= 0:
            return False
        return within_reach(self.bets, self.passes, more=more, needed=self.bar, repeats=self.repeats)


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceStep:
    """The candidates that continue (with the baseline), and why the others do not."""

    live: tuple[str, ...]
    stopped: Mapping[str, str]


def most_passes(candidates: int, least: int = 3) -> int:
    """Return the leader's maximum of passes: least + 2(M+1), so never more calls than seven passes for all."""
    if not candidates:
        return least
    return least + 2 * (candidates + 1)


FULL_PASSES = 7
"""The number of passes for every spec without a race."""


def race_state(measured: GateInput, results: Sequence[GateResult]) -> RaceState:
    """Return the state of a candidate by its measurements and the results of its gates.

    Raises:
        ValueError: if it was measured without a baseline, or not by odds.
    """
    evidence, needed = measured.evidence, measured.needed
    if evidence is None or needed is None:
        raise ValueError(f"{measured.spec} has no pairs that are judged by odds")
    out, waits = obstacles(results)
    return RaceState(
        wins=evidence.wins,
        losses=evidence.losses,
        passes=evidence.passes,
        bar=needed,
        out=out,
        waits=waits,
        lasting=lasting_reason(results),
        repeats=evidence.repeats,
        grouped=evidence.bets,
    )


def obstacles(results: Sequence[GateResult]) -> tuple[bool, bool]:
    """Return whether the gates other than the odds and the number of passes reject a candidate, or hold it."""
    out = held = False
    for result in results:
        if result.passed or result.name in _COUNTED:
            continue
        rejects = result.asks is Verdict.REJECT
        out = out or rejects or result.name in _LASTING or bool(result.lasting)
        held = held or result.asks is Verdict.HOLD
    return out, held


_COUNTED = ("no_regression", "min_samples")
_LASTING = ("comparable", "independent", "errors", "together", "cost", "cost_ratio")
"""Gates that more passes do not help to pass: missing answers, a cache that copies them, groups that are not named,
unknown prices, and prices that are too high."""


def step(standings: Mapping[str, RaceState], *, passes: int, most: int) -> RaceStep:
    """Decide after `passes` passes which candidate continues; `standings` are by spec id, in the order of the plan.

    Of those that can still reach their bar, the one furthest ahead continues; if it falls back, the next one does. None
    continues once there is a winner. Pauses of a candidate leave the evidence valid: whether it is asked in a pass
    depends only on earlier passes.
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
    """Return the candidate furthest ahead among those that `more` passes can bring over their bar, if any."""
    hopeful = [spec for spec, standing in standings.items() if standing.may_win(more)]
    # Ties go to the first in the order of the plan.
    return sorted(hopeful, key=lambda spec: -standings[spec].lead)[:1]


def _why(standing: RaceState, ahead: RaceState | None, passes: int, most: int) -> str:
    """Say why a candidate does not continue, and how far it is behind `ahead`, which wins or continues."""
    score = _score(standing)
    if standing.lasting:
        return f"{standing.lasting} ({score})"
    if standing.out:
        return f"a gate besides accuracy keeps it from being promoted ({score})"
    if standing.lead <= 0:
        return f"not ahead ({score})"
    reached = format_odds(standing.bets.odds)
    beside_bar = f"{score}, odds {reached}:1 of {format_odds(standing.bar)}:1"
    if standing.waits and standing.over_bar:
        return f"a gate besides accuracy holds it ({beside_bar})"
    if passes >= most:
        return f"{most} passes are all a cycle gives ({beside_bar})"
    if standing.repeats and not standing.may_win(most - passes):
        return f"its answers repeat, and {most - passes} more passes of them will not show it ({beside_bar})"
    if not standing.may_win(most - passes) or ahead is None:
        return f"{most - passes} more passes will not show it ({beside_bar})"
    return f"another candidate is further ahead ({score}; that one {_score(ahead)})"


def _score(standing: RaceState) -> str:
    return f"fixed {standing.wins}, broke {standing.losses}"
