"""Simulated comparisons whose answers a judge decides, people label, and whose truth is known."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TypeAlias

from pytest_selfopt.judging.ask_labels import answers_to_label
from pytest_selfopt.judging.calibration import Calibration
from pytest_selfopt.judging.evidence import Sight, judged_evidence, sight
from pytest_selfopt.judging.pairs import JudgedAnswer, JudgedPair
from pytest_selfopt.loop.evidence.odds import bar, reaches

MIN_PASSES, MAX_PASSES = 3, 7
LABELS = 40
"""Labels that people give in one comparison."""

Rates: TypeAlias = tuple[float, float]
"""How often a judge passes what people pass, and fails what people fail."""
Truth: TypeAlias = tuple[float, float]
"""How often people pass the baseline and the candidate, of one case."""
Cases: TypeAlias = Callable[[random.Random, int], list[Truth]]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedWorld:
    """A judge with rates for each spec; if answers `repeat`, each case has one reply and verdict in all passes."""

    cases: Sequence[Truth]
    baseline: Rates
    candidate: Rates
    repeat: bool

    def passes(self, rng: random.Random) -> Passes:
        """Draw the pairs of `MAX_PASSES` passes, with what people say of each answer."""
        truths: dict[str, bool] = {}
        drawn: list[list[JudgedPair]] = []
        for run in range(MAX_PASSES):
            if self.repeat and drawn:
                drawn.append([_again(pair, run) for pair in drawn[0]])
                continue
            pairs = []
            for place, (before, after) in enumerate(self.cases):
                case = f"c{place}"
                baseline = _answer(rng, f"{case}-b{run}", before, self.baseline, truths)
                candidate = _answer(rng, f"{case}-c{run}", after, self.candidate, truths)
                pairs.append(JudgedPair(case=case, run=run, baseline=baseline, candidate=candidate))
            drawn.append(pairs)
        return Passes(pairs=drawn, truths=truths)

    def bounds(self, rng: random.Random, labels: int) -> Sight:
        """Calibrate the judge on `labels` answers of each kind and spec."""
        return sight(*(_calibration(rng, rates, labels) for rates in (self.baseline, self.candidate)))


@dataclass(frozen=True, kw_only=True)
class Passes:
    """The passes of one comparison, and the labels that people would give."""

    pairs: list[list[JudgedPair]]
    truths: dict[str, bool]

    @cached_property
    def is_better(self) -> bool:
        """Whether people pass more answers of the candidate than of the baseline, of those that were given."""
        return sum(pair.difference(self.truths) for pair in self.pairs[0]) > 0

    def promoted_by_judge(self, needed: Fraction) -> int | None:
        """After how many passes the verdicts of the judge reach the threshold uncorrected."""
        return _first(self.pairs, lambda pairs: _plain(pairs, _verdicts(pairs), needed))

    def promoted_exactly(self, needed: Fraction) -> int | None:
        """After how many passes people's labels of all answers do."""
        return _first(self.pairs, lambda pairs: _plain(pairs, self.truths, needed))

    def promoted_by_labels(self, needed: Fraction, bounds: Sight) -> int | None:
        """After how many passes the judge and `LABELS` labels do, asked for when they can decide."""
        labels: dict[str, bool] = {}

        def decided(pairs: Sequence[JudgedPair]) -> bool:
            keys = answers_to_label(pairs, labels, bounds, needed)
            # People disagree with the judge now and then, so more labels may be needed.
            while keys and len(labels) + len(keys) <= LABELS:
                labels.update((key, self.truths[key]) for key in keys)
                keys = answers_to_label(pairs, labels, bounds, needed)
            return judged_evidence(pairs, labels, bounds).reaches(needed)

        return _first(self.pairs, decided)


def false_promotions(
    world: Callable[[random.Random], JudgedWorld], *, seed: int, histories: int, comparisons: int = 4, labels: int = 60
) -> tuple[float, float]:
    """Return the shares of histories in which something no better is promoted: corrected, and uncorrected."""
    rng = random.Random(seed)
    corrected = uncorrected = 0
    for _ in range(histories):
        wrong = plain = False
        for number in range(1, comparisons + 1):
            drawn = world(rng)
            needed = bar(number)
            bounds = drawn.bounds(rng, labels)
            passes = drawn.passes(rng)
            if drawn.repeat and passes.is_better:
                continue
            wrong = wrong or passes.promoted_by_labels(needed, bounds) is not None
            plain = plain or passes.promoted_by_judge(needed) is not None
        corrected += wrong
        uncorrected += plain
    return corrected / histories, uncorrected / histories


def no_better(size: int, baseline: Rates, candidate: Rates, *, repeat: bool) -> Callable[[random.Random], JudgedWorld]:
    """Worlds whose candidate is no better: it breaks as many cases as it fixes, or is the same."""

    def world(rng: random.Random) -> JudgedWorld:
        changed = rng.choice((0, size // 12, size // 4))
        cases = [(0.1, 0.9)] * changed + [(0.9, 0.1)] * changed
        while len(cases) < size:
            rate = rng.choice((0.1, 0.5, 0.9))
            cases.append((rate, rate))
        return JudgedWorld(cases=cases, baseline=baseline, candidate=candidate, repeat=repeat)

    return world


def better(size: int, rates: Rates, gain: float, *, repeat: bool) -> JudgedWorld:
    """Return a world whose candidate fixes a share of the cases and breaks none."""
    fixed = round(size * gain)
    cases = [(0.05, 0.95)] * fixed + [(0.95, 0.95)] * (size // 2) + [(0.05, 0.05)] * (size - fixed - size // 2)
    return JudgedWorld(cases=cases, baseline=rates, candidate=rates, repeat=repeat)


def _first(passes: Sequence[Sequence[JudgedPair]], decided: Callable[[list[JudgedPair]], bool]) -> int | None:
    pairs: list[JudgedPair] = []
    for number, each in enumerate(passes, 1):
        pairs.extend(each)
        if number >= MIN_PASSES and decided(pairs):
            return number
    return None


def _plain(pairs: Sequence[JudgedPair], truths: dict[str, bool], needed: Fraction) -> bool:
    differences = [pair.difference(truths) for pair in pairs]
    return reaches(differences.count(1), differences.count(-1), needed)


def _verdicts(pairs: Sequence[JudgedPair]) -> dict[str, bool]:
    return {answer.key: answer.passed is True for pair in pairs for answer in (pair.baseline, pair.candidate)}


def _answer(rng: random.Random, key: str, rate: float, judge: Rates, truths: dict[str, bool]) -> JudgedAnswer:
    right = truths[key] = rng.random() < rate
    agrees = rng.random() < judge[not right]
    return JudgedAnswer(key=key, passed=right is agrees)


def _again(pair: JudgedPair, run: int) -> JudgedPair:
    return JudgedPair(case=pair.case, run=run, baseline=pair.baseline, candidate=pair.candidate)


def _calibration(rng: random.Random, rates: Rates, labels: int) -> Calibration:
    passed, failed = (sum(rng.random() < rate for _ in range(labels)) for rate in rates)
    return Calibration(true_passes=passed, false_fails=labels - passed, true_fails=failed, false_passes=labels - failed)
