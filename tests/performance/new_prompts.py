"""How often a gain is claimed on new prompts that is none: a table of `python -m tests.performance.decisions`.

The candidates are identical to the baseline on average: one in ten of all prompts is fixed and one in ten broken, so
that a suite may show a gain by chance of its prompts; or slightly worse on average; or mixed, as in the other tables.
Beside the claim on new prompts stands the usual claim on the prompts of the suite, which is true where it promotes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pytest_selfopt.loop.thresholds import Claim, Limits
from tests.loop.histories import EFFECTS, EQUAL, MEAN, WORLDS, Ended, History

SIZES = (12, 30, 100)
SEED = 20_261_130
TIMES = 400
ONE_IN_TEN = 0.1 / (1 - MEAN)
"""The share of failing prompts to fix, so that they are one in ten of all."""
KINDS: dict[str, tuple[Sequence[tuple[float, float]], float | None]] = {
    "equal on average": (EQUAL, ONE_IN_TEN),
    "slightly worse": (((-0.02, 1.0),), ONE_IN_TEN),
    "mixed": (EFFECTS, None),
}
"""The candidates' effects on new prompts, and the share of prompts that change against them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Many histories of one kind of candidates in one world under one claim."""

    kind: str
    world: str
    cases: int
    claim: Claim
    times: int

    def run(self) -> list[Ended]:
        """Live through all of them."""
        return [self._live(number) for number in range(self.times)]

    def _live(self, number: int) -> Ended:
        effects, against = KINDS[self.kind]
        return History(
            random.Random(f"{SEED}/{self.kind}/{self.world}/{self.cases}/{number}"),
            WORLDS[self.world],
            self.cases,
            limits=Limits(claim=self.claim),
            endless=True,
            effects=effects,
            against=against,
        ).run()


def table(run: Callable[[Sequence[Claims]], list[object]], scale: int) -> Iterable[str]:
    """Yield the rows: both claims for each kind, world and size; `scale` divides the number of histories."""
    yield "Histories of 20 cycles, always new candidates: claim on new prompts / on the suite"
    yield "  no better: histories with a promotion of what is no better on new prompts; falls: of what is worse"
    heads = f"{'no better':>16}{'falls':>16}{'promoted':>14}{'spec passes':>14}"
    yield f"{'candidates':<18}{'world':<15}{'cases':>5}{heads}"
    jobs = [
        Claims(kind=kind, world=world, cases=cases, claim=claim, times=max(1, TIMES // scale))
        for kind in KINDS
        for world in WORLDS
        for cases in SIZES
        for claim in (Claim.NEW_PROMPTS, Claim.SUITE)
    ]
    ends = run(jobs)
    for job, ours, usual in zip(jobs[::2], ends[::2], ends[1::2], strict=True):
        assert isinstance(ours, list)
        assert isinstance(usual, list)
        columns = (
            _both(ours, usual, lambda end: end.false_claims > 0, ".1%", 16),
            _both(ours, usual, lambda end: end.falls > 0, ".1%", 16),
            _both(ours, usual, lambda end: end.promotions, ".1f", 14),
            _both(ours, usual, lambda end: end.spec_passes, ".0f", 14),
        )
        yield f"{job.kind:<18}{job.world:<15}{job.cases:>5}{''.join(columns)}"


def _both(
    ours: Sequence[Ended], usual: Sequence[Ended], number: Callable[[Ended], float], form: str, width: int
) -> str:
    means = (sum(map(number, ends)) / len(ends) for ends in (ours, usual))
    text = " / ".join(f"{mean:{form}}" for mean in means)
    return f"{text:>{width}}"
