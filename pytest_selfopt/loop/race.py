"""The race: which candidates continue to the next pass.

After every pass a candidate continues only if it is ahead and can still reach its bar. Until enough passes are made for
a promotion (`min_samples`), all such candidates continue; from then on only the one furthest ahead.

Leaving early costs nothing of the guarantee. If a candidate is no better, the odds of its comparison are a nonnegative
supermartingale over the passes that it is asked (`evidence.odds`), and whether it is asked in a pass depends only on
earlier passes. A supermartingale that stands still in some steps, chosen by the past alone, remains one; so by Ville's
inequality the chance that the odds ever reach the bar B is at most 1/B, whenever the candidate pauses, leaves or comes
back. Only promotions can be false, and they need the bar: what leaving costs is power, where better ones begin badly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from pytest_selfopt.console.quantities import format_odds
from pytest_selfopt.loop.evidence.bets import Bets
from pytest_selfopt.loop.evidence.forecast import within_reach
from pytest_selfopt.loop.gates.gate_result import GateInput, GateResult, Verdict, lasting_reason

FULL_PASSES = 7
"""The number of passes for every spec without a race."""
HORIZON = 10
"""Passes ahead within which a candidate must be able to reach its bar, in this cycle or later ones."""
MOST_HELD_PASSES = 30
"""Passes after which an undecided comparison is abandoned: three cycles of ten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceState:
    """The state of a candidate after some passes, and the odds it must reach.

    `passes` are those of its comparison, earlier cycles included. `out` means that a gate other than the odds rejects
    it or, for the reason `lasting`, holds it for ever; `waits` that one holds it, which more passes may change;
    `repeats` that no answer has differed between its passes. One that is `patient` may win although it is not ahead
    yet: what it cures, such as time-outs, has perhaps not come up.
    """

    wins: int
    losses: int
    passes: int
    bar: Fraction
    out: bool = False
    waits: bool = False
    lasting: str = ""
    repeats: bool = False
    patient: bool = False
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
    def is_unknown(self) -> bool:
        """Whether nothing is known yet that speaks against the candidate."""
        silent = not self.passes or (self.patient and self.wins >= self.losses)
        return silent and not self.out

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


def most_asked(candidates: int, least: int = 3) -> int:
    """Return the passes that all specs of a phase may get together: least + 4 for each, seven where least is 3."""
    return (least + 4) * (candidates + 1)


def most_passes(candidates: int, least: int = 3) -> int:
    """Return the leader's maximum of passes, if all others leave after the first: 1 + 3(M+1) where least is 3."""
    if not candidates:
        return least
    return 1 + passes_left(candidates + 1, candidates, least)


def passes_left(asked: int, candidates: int, least: int = 3) -> int:
    """Return how many passes are left for a leader and the baseline, once all specs have `asked` passes together."""
    return max(0, most_asked(candidates, least) - asked) // 2


def race_state(measured: GateInput, results: Sequence[GateResult], *, early: bool = False) -> RaceState:
    """Return the state of a candidate by its measurements and the results of its gates.

    Before there are enough passes for a promotion (`early`), only results that are certain put it out.

    Raises:
        ValueError: if it was measured without a baseline, or not by odds.
    """
    evidence, needed = measured.evidence, measured.needed
    if evidence is None or needed is None:
        raise ValueError(f"{measured.spec} has no pairs that are judged by odds")
    if early:
        results = [result for result in results if result.certain]
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
        rejects = result.certain or result.asks is Verdict.REJECT
        out = out or rejects or result.name in _LASTING or bool(result.lasting)
        held = held or result.asks is Verdict.HOLD
    return out, held


_COUNTED = ("no_regression", "min_samples")
_LASTING = ("comparable", "independent", "errors", "together", "cost", "cost_ratio")
"""Gates that more passes do not help to pass: missing answers, a cache that copies them, groups that are not named,
unknown prices, and prices that are too high."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """How far a race is: the passes made, and those `left` in this cycle for a leader.

    A promotion takes `least` passes. Where later cycles continue a comparison, it may get up to `horizon` more passes
    there.
    """

    passes: int
    left: int
    least: int = 3
    horizon: int = HORIZON

    def reach(self, standing: RaceState) -> int:
        """Return how many more passes a candidate may get, in this cycle or in later ones."""
        if not self.left:
            return 0
        return max(self.left, min(self.horizon, MOST_HELD_PASSES - standing.passes))

    def may_win(self, standing: RaceState) -> bool:
        """Whether the passes that it may get can still bring a candidate over its bar."""
        return standing.may_win(self.reach(standing))


def step(standings: Mapping[str, RaceState], stage: Stage) -> RaceStep:
    """Decide which candidates continue.

    `standings` are by spec id, in the order of the plan. Those continue that can still reach their bar: all of them
    before there are enough passes for a promotion, then the one furthest ahead; if it falls back, the next one does.
    None continues once there is a winner. Pauses of a candidate leave the evidence valid: whether it is asked in a pass
    depends only on earlier passes.
    """
    winners: list[str] = []
    live: list[str] = []
    if stage.passes >= stage.least:
        winners = [spec for spec, standing in standings.items() if standing.won]
    if not winners and stage.left:
        live = _hopeful(standings, stage)
    ahead = None
    foremost = winners or live
    if foremost:
        ahead = standings[foremost[0]]
    stopped = {}
    for spec, standing in standings.items():
        if spec not in winners and spec not in live:
            stopped[spec] = f"stopped: {_why(standing, ahead, stage)}"
    return RaceStep(live=tuple(live), stopped=stopped)


def _hopeful(standings: Mapping[str, RaceState], stage: Stage) -> list[str]:
    """Return the candidates that can still reach their bar; once there are enough passes only the one furthest ahead.

    A candidate whose passes were all lost to an outage may still be any, and so may a patient one that is not behind.
    """
    hopeful = [spec for spec, standing in standings.items() if stage.may_win(standing)]
    if stage.passes >= stage.least:
        # Ties go to the first in the order of the plan.
        return sorted(hopeful, key=lambda spec: -standings[spec].lead)[:1]
    unknown = [spec for spec, standing in standings.items() if standing.is_unknown]
    return [spec for spec in standings if spec in hopeful or spec in unknown]


def _why(standing: RaceState, ahead: RaceState | None, stage: Stage) -> str:
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
    if not stage.left:
        return f"{stage.passes} passes are all a cycle gives ({beside_bar})"
    more = stage.reach(standing)
    if standing.repeats and not standing.may_win(more):
        return f"its answers repeat, and {more} more passes of them will not show it ({beside_bar})"
    if not standing.may_win(more) or ahead is None:
        return f"{more} more passes will not show it ({beside_bar})"
    return f"another candidate is further ahead ({score}; that one {_score(ahead)})"


def _score(standing: RaceState) -> str:
    return f"fixed {standing.wins}, broke {standing.losses}"
