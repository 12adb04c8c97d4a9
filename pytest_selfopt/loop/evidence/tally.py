"""The tally of a comparison: outcomes of two specs, paired by case and pass."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from itertools import chain
from types import MappingProxyType
from typing import TypeAlias

from pytest_selfopt.loop.evidence.bets import Bets
from pytest_selfopt.loop.evidence.copies import copies, replies
from pytest_selfopt.trial import SILENT, ErrorKind, Outcome, Trial

NO_GROUPS: Mapping[str, str] = MappingProxyType({})
"""No case names a group."""
REPEATING_PASSES = 3
"""Passes from which on answers without any difference count as repeating."""
DRIFTS_S = 10.0
"""Seconds within which load and other conditions count as equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTally:
    """One case: the pairs that differ, by direction, and each side's passes over the `common` pairs."""

    wins: int = 0
    losses: int = 0
    common: int = 0
    baseline_passes: int = 0
    candidate_passes: int = 0

    @property
    def difference(self) -> float:
        """The candidate's pass rate minus the baseline's; 0 without pairs."""
        if not self.common:
            return 0.0
        return (self.candidate_passes - self.baseline_passes) / self.common

    @property
    def repeats(self) -> bool:
        """Whether either spec was right in all of its pairs or in none."""
        passes = (self.baseline_passes, self.candidate_passes)
        return all(number in (0, self.common) for number in passes)


@dataclass(frozen=True, kw_only=True)
class Tally:
    """A candidate paired with the baseline, over the whole passes in which at least half of the pairs count.

    In a pass that counts, at least half of the pairs also have an answer on at least one side: whatever a change can
    cure, nothing is learnt from a server that is down.

    `passes` is their number; `excluded` of their pairs have an error, on either side, that the candidate's change
    cannot cure. Passes of an outage, with fewer pairs, are `left_out`: they are not evidence, and do not spoil that of
    other passes. Of the `replies` of all whole passes, on both sides, `copied` are copies from a cache: a pair with one
    does not count, and neither does a pass in which fewer than half of the pairs are new.
    """

    cases: dict[str, CaseTally]
    passes: int
    excluded: int
    left_out: int = 0
    rescued: int = 0
    """The number of wins in which the baseline gave no answer."""
    apart: int = 0
    """The number of passes that asked one spec after the other, so that load and drift may have hit only one."""
    replies: int = 0
    copied: int = 0
    families: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The groups of two or more of the cases, by name; the other cases are groups of their own."""
    means: Mapping[Fraction, int] = field(default_factory=dict)
    """How often a family had which mean difference in a pass: the mean over its pairs that count."""
    broken_off: int = 0
    """The number of passes that were stopped midway while the candidate was not ahead: their pairs count, too."""

    @property
    def wins(self) -> int:
        """Pairs that the candidate passed and the baseline missed."""
        return sum(case.wins for case in self.cases.values())

    @property
    def losses(self) -> int:
        """Pairs that the baseline passed and the candidate missed."""
        return sum(case.losses for case in self.cases.values())

    @property
    def pairs(self) -> int:
        """Pairs that count: those with an answer on both sides, or an error that the candidate's change can cure."""
        return sum(case.common for case in self.cases.values())

    @property
    def gain(self) -> float:
        """The difference of accuracies over the pairs; 0 without pairs."""
        pairs = self.pairs
        if not pairs:
            return 0.0
        return (self.wins - self.losses) / pairs

    @property
    def excluded_share(self) -> float:
        """The share of pairs that lack an answer on one side."""
        if not self.excluded:
            return 0.0
        return self.excluded / (self.excluded + self.pairs)

    @property
    def repeats(self) -> bool:
        """Whether the answers repeat: in several passes no case had two outcomes with one spec."""
        return self.passes >= REPEATING_PASSES and all(case.repeats for case in self.cases.values())

    @property
    def groups(self) -> int:
        """The number of groups, cases of their own included."""
        return len(self.cases) - len(self._in_families) + len(self.families)

    @cached_property
    def bets(self) -> Bets:
        """What the odds bet on: each family's mean difference in each pass, and the pairs of all other cases."""
        together = self._in_families
        alone = [case for name, case in self.cases.items() if name not in together]
        return Bets(
            wins=sum(case.wins for case in alone),
            losses=sum(case.losses for case in alone),
            means={mean: times for mean, times in self.means.items() if mean},
        )

    @property
    def ties(self) -> int:
        """The number of bets without a difference: pairs of cases on their own, and families in a pass."""
        together = self._in_families
        alone = [case for name, case in self.cases.items() if name not in together]
        tied = sum(case.common - case.wins - case.losses for case in alone)
        return tied + self.means.get(Fraction(0), 0)

    @property
    def odds(self) -> Fraction:
        """The odds against luck that the candidate is better; each group counts once a pass."""
        return self.bets.odds

    def reaches(self, needed: Fraction) -> bool:
        """Whether the odds are at least `needed`, and the candidate fixed more answers than it broke.

        Groups of different sizes can be better on the mean while fewer answers are right: that is no promotion.
        """
        return self.wins > self.losses and self.bets.reaches(needed)

    @property
    def differences(self) -> list[float]:
        """The difference of each group that has pairs, the mean of its cases' differences."""
        together = self._in_families
        groups = [*self.families.values(), *((name,) for name in self.cases if name not in together)]
        differences = []
        for group in groups:
            counted = [self.cases[name].difference for name in group if self.cases[name].common]
            if counted:
                differences.append(math.fsum(counted) / len(counted))
        return differences

    @property
    def _in_families(self) -> set[str]:
        return {case for family in self.families.values() for case in family}


def tally(
    baseline: Sequence[Trial],
    candidate: Sequence[Trial],
    cases: Sequence[str],
    *,
    curable: Collection[ErrorKind] = (),
    groups: Mapping[str, str] = NO_GROUPS,
    broken_off: bool = False,
) -> Tally:
    """Pair two specs' trials by case and run. Only runs with trials of every case on both sides count.

    With `broken_off`, other runs count too, unless the candidate is ahead in them: otherwise somebody who stops passes
    that begin badly, and asks anew, would be left with those that began well. `groups` names the group of each case
    that has one.

    A pair with an error on either side is left out, unless the error is of a `curable` kind, which the candidate's
    change may prevent, such as time-outs if it waits longer: such an error counts as not passed. The kinds follow from
    the two specs and are fixed before the first trial, so the bound on the odds still holds.
    """
    before, after = _by_run(baseline), _by_run(candidate)
    whole = [_split(pairs, curable) for pairs in _whole_passes(before, after, cases)]
    kept = [one for one in whole if 2 * len(one.counted) >= len(cases) and not one.is_outage]
    stopped = []
    if broken_off:
        stopped = _not_ahead(before, after, cases, curable)
    counted = [*(one.counted for one in kept), *stopped]
    trials = [trial for one in whole for trial in chain.from_iterable(one.pairs.values())]
    families = families_of(cases, groups)
    return Tally(
        cases={case: _case_tally([pairs[case] for pairs in counted if case in pairs]) for case in cases},
        passes=len(kept),
        excluded=sum(len(cases) - one.answered for one in kept),
        left_out=sum(one.is_outage for one in whole),
        rescued=sum(map(_is_rescue, chain.from_iterable(one.counted.values() for one in kept))),
        apart=sum(_apart(list(one.pairs.values())) for one in kept),
        replies=replies(trials),
        copied=copies(trials),
        broken_off=len(stopped),
        families=families,
        means=Counter(chain.from_iterable(_family_means(families.values(), pairs) for pairs in counted)),
    )


def families_of(cases: Iterable[str], groups: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the groups of two or more of these cases, by name."""
    members: defaultdict[str, list[str]] = defaultdict(list)
    for case in cases:
        if case in groups:
            members[groups[case]].append(case)
    return {name: tuple(family) for name, family in members.items() if len(family) > 1}


_Pair: TypeAlias = tuple[Trial, Trial]
"""The baseline's and the candidate's trial of one case in one pass."""
_Pairs: TypeAlias = Mapping[str, _Pair]
"""The pairs of one pass, by case."""
_Runs: TypeAlias = Mapping[int, Mapping[str, Trial]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pass:
    """The pairs of a pass. `answered` is the number of those with answers; those of them without a copy are counted.

    `heard` is the number of those in which a server answered on at least one side.
    """

    pairs: _Pairs
    answered: int
    heard: int
    counted: _Pairs

    @property
    def is_outage(self) -> bool:
        """Whether fewer than half of the pairs can be evidence, or had a server that answered."""
        return 2 * min(self.answered, self.heard) < len(self.pairs)


def _split(pairs: _Pairs, curable: Collection[ErrorKind]) -> _Pass:
    answered = {case: pair for case, pair in pairs.items() if _counts(pair, curable) or copies(pair)}
    counted = {case: pair for case, pair in answered.items() if not copies(pair)}
    heard = sum(not (_is_silent(before) and _is_silent(after)) for before, after in pairs.values())
    return _Pass(pairs=pairs, answered=len(answered), heard=heard, counted=counted)


def _is_silent(trial: Trial) -> bool:
    return trial.outcome is Outcome.ERROR and trial.error_kind in SILENT


def _by_run(trials: Sequence[Trial]) -> _Runs:
    """Return the trials by run and case; the first of each cell counts."""
    runs: defaultdict[int, dict[str, Trial]] = defaultdict(dict)
    for trial in trials:
        runs[trial.run].setdefault(trial.case, trial)
    return runs


def _whole_passes(baseline: _Runs, candidate: _Runs, cases: Sequence[str]) -> list[_Pairs]:
    """Return the pairs by case of each run with trials of every case on both sides, in ascending order."""
    every_case = set(cases)
    passes: list[_Pairs] = []
    for run in sorted(baseline.keys() & candidate.keys()):
        before, after = baseline[run], candidate[run]
        if before.keys() >= every_case and after.keys() >= every_case:
            passes.append({case: (before[case], after[case]) for case in cases})
    return passes


def _not_ahead(baseline: _Runs, candidate: _Runs, cases: Sequence[str], curable: Collection[ErrorKind]) -> list[_Pairs]:
    """Return the pairs that count of each run that lacks some, if the candidate is not ahead in it."""
    passes = []
    for run in sorted(baseline.keys() & candidate.keys()):
        before, after = baseline[run], candidate[run]
        pairs = {case: (before[case], after[case]) for case in cases if case in before and case in after}
        counted = _split(pairs, curable).counted
        if len(pairs) < len(cases) and sum(map(_difference, counted.values())) <= 0:
            passes.append(counted)
    return passes


def _counts(pair: _Pair, curable: Collection[ErrorKind]) -> bool:
    before, after = pair
    return _is_evidence(before, curable) and _is_evidence(after, curable)


def _is_evidence(trial: Trial, curable: Collection[ErrorKind]) -> bool:
    """Whether a trial has an answer, or an error that the candidate's change can cure."""
    return trial.outcome is not Outcome.ERROR or trial.error_kind in curable


def _is_rescue(pair: _Pair) -> bool:
    before, after = pair
    return before.outcome is Outcome.ERROR and after.outcome is Outcome.PASS


def _apart(pairs: Sequence[_Pair]) -> bool:
    """Whether all calls of one side began before the first of the other, early enough for drift."""
    before = [trial.started for trial, _ in pairs]
    after = [trial.started for _, trial in pairs]
    in_turns = max(before) < min(after) or max(after) < min(before)
    if len(pairs) < 2 or not in_turns:
        return False
    # Not the mean of `statistics`, whose import takes longer than a command needs for all else.
    distance = (math.fsum(before) - math.fsum(after)) / len(pairs)
    return abs(distance) > DRIFTS_S


def _case_tally(pairs: Sequence[_Pair]) -> CaseTally:
    counts = Counter(map(_passed, pairs))
    wins, losses, both = counts[False, True], counts[True, False], counts[True, True]
    return CaseTally(
        wins=wins,
        losses=losses,
        common=len(pairs),
        baseline_passes=losses + both,
        candidate_passes=wins + both,
    )


def _family_means(families: Iterable[Sequence[str]], counted: _Pairs) -> Iterable[Fraction]:
    """Yield each family's mean difference in a pass, over its pairs that count; none for a family without any."""
    for family in families:
        differences = [_difference(counted[case]) for case in family if case in counted]
        if differences:
            yield Fraction(sum(differences), len(differences))


def _difference(pair: _Pair) -> int:
    before, after = _passed(pair)
    return after - before


def _passed(pair: _Pair) -> tuple[bool, bool]:
    """Return whether the baseline passed, and whether the candidate did."""
    before, after = pair
    return before.outcome is Outcome.PASS, after.outcome is Outcome.PASS
