"""The decision rule as a whole, over simulated worlds: its claimed bounds, its worked example, its speed."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence

from pytest_selfopt.loop.diagnose import diagnose
from pytest_selfopt.loop.evaluate import evaluate
from pytest_selfopt.loop.evidence import CaseTally, Tally, bar, tally
from pytest_selfopt.loop.gate import Limits, Verdict, judge
from pytest_selfopt.loop.race import Standing, most_passes, step
from tests.loop.worlds import flaky, matrix, names

BASELINE = "baseline"
LEAST = 3


class Cycle:
    """One race of candidates against a baseline, drawn from pass rates by case."""

    def __init__(self, rng: random.Random, rates: Mapping[str, Sequence[float]], first_number: int) -> None:
        self._rng = rng
        self._rates = rates
        self._cases = len(rates[BASELINE])
        candidates = [name for name in rates if name != BASELINE]
        self._bars = {name: bar(first_number + place) for place, name in enumerate(candidates)}
        self._score = {name: [0, 0] for name in candidates}
        self._most = most_passes(len(candidates))
        self.spec_passes = 0
        self.passes = 0
        self.winners: list[str] = []

    def run(self) -> Cycle:
        """Race to the end."""
        live = tuple(self._bars)
        while live:
            self._ask(live)
            if self.passes >= LEAST:
                standings = {name: self._standing(name) for name in live}
                self.winners = [name for name, standing in standings.items() if standing.won]
                live = step(standings, passes=self.passes, most=self._most).live
        return self

    def _ask(self, live: Sequence[str]) -> None:
        self.passes += 1
        self.spec_passes += 1 + len(live)
        before = list(self._answers(BASELINE))
        for name in live:
            for old, new in zip(before, self._answers(name), strict=True):
                self._score[name][0] += new and not old
                self._score[name][1] += old and not new

    def _answers(self, name: str) -> Iterator[bool]:
        return (self._rng.random() < rate for rate in self._rates[name])

    def _standing(self, name: str) -> Standing:
        wins, losses = self._score[name]
        case = CaseTally(wins=wins, losses=losses, common=self.passes * self._cases)
        evidence = Tally(cases={"all": case}, passes=self.passes, excluded=0)
        return Standing(evidence=evidence, bar=self._bars[name], promotable=True)


def test_two_of_twelve_fixed_take_six_passes_and_eighteen_of_twenty_eight_spec_passes() -> None:
    old = [0.0] * 2 + [1.0] * 10
    # The third candidate opens comparison 3 of the history.
    cycle = Cycle(random.Random(0), {BASELINE: old, "same": old, "also": old, "better": [1.0] * 12}, 1).run()
    assert cycle.winners == ["better"]
    assert (cycle.passes, cycle.spec_passes) == (6, 18)


def test_equal_candidates_stop_after_three_passes() -> None:
    old = [0.0] * 2 + [1.0] * 10
    cycle = Cycle(random.Random(0), {BASELINE: old, "a": old, "b": old, "c": old}, 1).run()
    assert (cycle.winners, cycle.passes, cycle.spec_passes) == ([], 3, 12)


def test_histories_without_a_better_candidate_promote_something_in_at_most_five_percent() -> None:
    rng = random.Random(20)
    rates = [rng.choice((0.0, 0.3, 0.5, 0.7, 1.0)) for _ in range(12)]
    rates[:3] = [0.3, 0.5, 0.7]
    everyone = dict.fromkeys((BASELINE, "a", "b", "c"), rates)
    histories = 100
    false = 0
    for _ in range(histories):
        cycles = (Cycle(rng, everyone, 1 + 3 * cycle).run() for cycle in range(20))
        false += any(cycle.winners for cycle in cycles)
    assert false <= 0.05 * histories


def test_a_tenth_gained_on_a_hundred_cases_is_found_at_three_fifths_of_the_calls() -> None:
    rng = random.Random(21)
    times, found, asked = 40, 0, 0
    for _ in range(times):
        old = [float(rng.random() < 0.7) for _ in range(100)]
        failing = [case for case, rate in enumerate(old) if not rate]
        fixed = set(rng.sample(failing, 10))
        better = [1.0 if case in fixed else rate for case, rate in enumerate(old)]
        cycle = Cycle(rng, {BASELINE: old, "a": old, "b": old, "c": better}, 1).run()
        found += cycle.winners == ["c"]
        asked += cycle.spec_passes
    assert found >= 0.95 * times
    assert asked <= 0.60 * 28 * times


def test_a_hundred_thousand_trials_are_judged_within_a_second() -> None:
    cases, specs = 300, 48
    rng = random.Random(22)
    drawn = [matrix(flaky(rng, cases), spec=f"s{spec}") for spec in range(specs)]
    assert sum(map(len, drawn)) >= 100_000
    planned, limits = names(cases), Limits()
    started = time.process_time()
    metrics = [evaluate(trials[0].spec, trials, planned) for trials in drawn]
    for number in range(1, specs):
        judge(
            drawn[number][0].spec,
            phase="atomic",
            candidate=metrics[number],
            baseline=metrics[0],
            tally=tally(drawn[0], drawn[number], planned),
            bar=bar(number),
            comparison=number,
            limits=limits,
        )
    diagnose(drawn[0], planned, "atomic", limits)
    assert time.process_time() - started < 1.0


def test_what_the_race_stops_for_the_gates_promote() -> None:
    """The race and the gates apply the same rule, so that no call is spent on a candidate that has won."""
    baseline, candidate = matrix(["FFFFFF"] * 2 + ["PPPPPP"] * 10), matrix(["PPPPPP"] * 12)
    evidence = tally(baseline, candidate, names(12))
    assert Standing(evidence=evidence, bar=bar(3), promotable=True).won
    found = judge(
        "candidate",
        phase="atomic",
        candidate=evaluate("candidate", candidate, names(12)),
        baseline=evaluate(BASELINE, baseline, names(12)),
        tally=evidence,
        bar=bar(3),
        comparison=3,
        limits=Limits(),
    )
    assert found.verdict is Verdict.PROMOTE
