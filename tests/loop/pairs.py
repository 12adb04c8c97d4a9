"""Pairs of simulated answers, counted as the product counts those of trials."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from pytest_selfopt.loop.evidence.tally import CaseTally, Tally, families_of
from tests.loop.worlds import names


@dataclass(slots=True)
class Pairs:
    """A comparison: the answers of both sides by pass; `number` is that of its test."""

    number: int
    cases: int
    groups: Mapping[str, str] = field(default_factory=dict)
    before: list[Sequence[bool]] = field(default_factory=list)
    after: list[Sequence[bool]] = field(default_factory=list)
    _counts: list[list[int]] = field(default_factory=list)

    @property
    def passes(self) -> int:
        """How many there were."""
        return len(self.before)

    def add(self, before: Sequence[bool], after: Sequence[bool]) -> None:
        """Take in one pass."""
        self.before.append(before)
        self.after.append(after)
        self._counts = self._counts or [[0, 0, 0, 0] for _ in range(self.cases)]
        for count, old, new in zip(self._counts, before, after, strict=True):
            count[0] += new > old
            count[1] += old > new
            count[2] += old
            count[3] += new

    def tally(self) -> Tally:
        """The evidence, as the product counts it."""
        keys = names(self.cases)
        cases = {
            case: CaseTally(wins=wins, losses=losses, common=self.passes, baseline_passes=old, candidate_passes=new)
            for case, (wins, losses, old, new) in zip(keys, self._counts, strict=True)
        }
        families = families_of(keys, self.groups)
        place = {case: index for index, case in enumerate(keys)}
        means: Counter[Fraction] = Counter()
        for family in families.values():
            places = [place[case] for case in family]
            for old, new in zip(self.before, self.after, strict=True):
                means[Fraction(sum(new[at] - old[at] for at in places), len(places))] += 1
        return Tally(cases=cases, passes=self.passes, excluded=0, families=families, means=means)
