"""Simulated histories: the real gates, race and generator over models whose true pass rates are known."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from pytest_selfopt.loop.evaluate import Metrics
from pytest_selfopt.loop.evidence.moved import rows_differ
from pytest_selfopt.loop.evidence.odds import bar
from pytest_selfopt.loop.evidence.spread import group_rows, spread_of
from pytest_selfopt.loop.evidence.together import Rows, moving_together
from pytest_selfopt.loop.gate import comparing_gates, worst
from pytest_selfopt.loop.gates.gate_result import GateInput, GateResult, Verdict, lasting_reason
from pytest_selfopt.loop.generate import generate
from pytest_selfopt.loop.race import (
    FULL_PASSES,
    MOST_HELD_PASSES,
    RaceState,
    Stage,
    passes_left,
    race_state,
    step,
)
from pytest_selfopt.loop.thresholds import DecisionRule, Limits
from pytest_selfopt.specs.neighbours import SearchSpace
from pytest_selfopt.specs.spec import Spec, parse_spec
from tests.loop.luck import ALONE, Luck
from tests.loop.pairs import Pairs
from tests.loop.worlds import names

CYCLES = 20
MEAN = 0.7
"""The mean pass rate of the first baseline over all prompts there could be."""
EFFECTS = ((-0.10, 0.15), (-0.05, 0.20), (0.0, 0.40), (0.05, 0.12), (0.10, 0.08), (0.20, 0.05))
"""What a candidate changes on new prompts, and how often."""
EQUAL = ((0.0, 1.0),)
"""Candidates that change nothing at all."""
UNMEASURED: dict[str, Any] = {
    **dict.fromkeys(("latency_median_s", "latency_p95_s", "latency_p95_low_s", "tokens_in", "tokens_out")),
    **dict.fromkeys(("errors", "restraint_trials", "restraint_calls", "silent_misses", "wrong_calls", "unpriced"), 0),
}
CALIBRATED, CLASSIC = Limits(), Limits(profile=DecisionRule.CLASSIC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A configuration as it truly is: the pass rate of each case, and over all prompts there could be."""

    rates: tuple[float, ...]
    population: float

    @property
    def truth(self) -> float:
        """The true accuracy on the cases of the suite."""
        return sum(self.rates) / len(self.rates)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """How models answer: how the pass rates of prompts are drawn, and how a change moves them."""

    name: str
    rate: Callable[[random.Random], float]
    strength: float
    """How much of the way to always right (or wrong) a changed prompt goes; 0: all prompts shift by a little."""

    def baseline(self, rng: random.Random, cases: int) -> Model:
        """A first configuration over a new suite."""
        return Model(rates=tuple(self.rate(rng) for _ in range(cases)), population=MEAN)

    def changed(self, rng: random.Random, model: Model, effect: float, against: float | None = None) -> Model:
        """A configuration that differs by `effect` on new prompts; a share (drawn if None) changes `against` it."""
        if not self.strength:
            rates = (min(1.0, max(0.0, rate + rng.gauss(effect, 0.05 + (against or 0) / 4))) for rate in model.rates)
            return Model(rates=tuple(rates), population=model.population + effect)
        if against is None:
            against = rng.choice((0.0, 0.0, 0.02, 0.05))
        up, down = self._shares(model.population, effect, against)
        return Model(
            rates=tuple(self._moved(rng, rate, up, down) for rate in model.rates),
            population=model.population + effect,
        )

    def _shares(self, mean: float, effect: float, against: float) -> tuple[float, float]:
        """Which shares of prompts get better and worse, so that together they make the effect."""
        for_it = abs(effect) / self.strength
        if effect > 0:
            return min(1.0, (for_it + against * mean) / max(1 - mean, 0.05)), against
        return against, min(1.0, (for_it + against * (1 - mean)) / mean)

    def _moved(self, rng: random.Random, rate: float, up: float, down: float) -> float:
        drawn = rng.random()
        if drawn < up:
            return rate + self.strength * (1 - rate)
        return rate * (1 - self.strength) if drawn < up + down else rate


WORLDS = {
    world.name: world
    for world in (
        World(name="deterministic", rate=lambda rng: float(rng.random() < MEAN), strength=1.0),
        World(name="bimodal", rate=lambda rng: rng.betavariate(0.35, 0.15), strength=0.8),
        World(name="noisy", rate=lambda rng: rng.uniform(0.5, 0.9), strength=0.0),
    )
}


class Cycle:
    """One cycle: the candidates' comparisons with the baseline under the rule of `limits`."""

    def __init__(
        self,
        rng: random.Random,
        baseline: Model,
        limits: Limits,
        luck: Luck = ALONE,
        *,
        known: Sequence[list[bool]] = (),
    ) -> None:
        self._rng = rng
        self._luck = luck
        self._baseline = baseline
        self._limits = limits
        self._models: dict[str, Model] = {}
        self._pairs: dict[str, Pairs] = {}
        self._rows: dict[str, list[list[bool]]] = {"": []}
        """The answers of this cycle by spec, pass and case."""
        self._metrics, self._gates = cache(self._metrics_of), cache(self._gates_of)  # until the next pass
        self.spec_passes = 0
        self.passes = 0
        self._known = known
        """The baseline's answers of earlier cycles, by pass and case, if they are enough."""
        self._has_left = False

    def add(self, name: str, model: Model, pairs: Pairs) -> None:
        """Let a candidate take part."""
        self._models[name], self._pairs[name], self._rows[name] = model, pairs, []

    def run(self) -> dict[str, Verdict]:
        """Race, or ask everybody in full under the classic rule; the verdict on each candidate."""
        if self._limits.profile is DecisionRule.CLASSIC:
            for _ in range(FULL_PASSES):
                self.ask(tuple(self._models))
            return {name: self.verdict(name) for name in self._models}
        least, candidates = self._limits.min_samples, len(self._models)
        standings: dict[str, RaceState] = {}
        live: Sequence[str] = tuple(self._models)
        while live:
            self.ask(live)
            early = self.passes < least
            # Whoever is not asked stands as before, unless certainty is not asked for any more.
            changed = live if standings and self.passes != least else self._models
            standings |= {name: race_state(*self._gates(name), early=early) for name in changed}
            left = passes_left(self.spec_passes, candidates, least)
            live = step(standings, Stage(passes=self.passes, left=left, least=least)).live
        self._has_left = True
        self._gates.cache_clear()
        if not self._known or self.has_moved():
            self.watch(least - self.passes)
        return {name: self.verdict(name) for name in self._models}

    def has_moved(self) -> bool:
        """Whether the baseline answers otherwise than it did before."""
        return rows_differ(_counted(self._known), _counted(self.rows))

    def rows_of(self, name: str) -> list[list[bool]]:
        """A candidate's answers of this cycle, by pass and case."""
        return self._rows[name]

    @property
    def rows(self) -> list[list[bool]]:
        """The baseline's answers of this cycle, by pass and case."""
        return self._rows[""]

    def watch(self, passes: int) -> None:
        """Ask the baseline alone, so that enough is known of what stays in force."""
        for _ in range(passes):
            self.passes += 1
            self.spec_passes += 1
            self._rows[""].append(self._answers("", self._baseline))

    def verdict(self, name: str) -> Verdict:
        """What the gates say of a candidate now."""
        return worst(self._gates(name)[1])

    def accuracy(self, name: str) -> float:
        """What was measured of a candidate in this cycle."""
        return self._metrics(name).accuracy

    def is_exhausted(self, name: str) -> bool:
        """Whether more passes cannot help a candidate."""
        return bool(lasting_reason(self._gates(name)[1]))

    def ask(self, live: Sequence[str]) -> None:
        """Ask the baseline and these candidates one pass."""
        self._metrics.cache_clear()
        self._gates.cache_clear()
        self.passes += 1
        self.spec_passes += 1 + len(live)
        before = self._answers("", self._baseline)
        self._rows[""].append(before)
        for name in live:
            after = self._answers(name, self._models[name])
            self._rows[name].append(after)
            self._pairs[name].add(before, after)

    def _answers(self, name: str, model: Model) -> list[bool]:
        return self._luck.draw(self._rng, model.rates, self._rows[name])

    def _gates_of(self, name: str) -> tuple[GateInput, Sequence[GateResult]]:
        measured = self._measured(name)
        return measured, comparing_gates(measured, self._limits)

    def _measured(self, name: str) -> GateInput:
        pairs, needed = self._pairs[name], bar(self._pairs[name].number)
        measured = GateInput(
            spec=name,
            phase="atomic",
            metrics=self._metrics(name),
            baseline=self._metrics(""),
            evidence=pairs.tally(),
            needed=needed,
            early=True,
            has_left=self._has_left,
        )
        if pairs.groups or not pairs.tally().reaches(needed):
            return measured
        return replace(measured, together=moving_together(self._seen(), level=self._limits.together))

    def _seen(self) -> list[Rows]:
        """The passes of each spec by case, those of earlier cycles of the same comparisons apart."""
        earlier = [pairs.after[: pairs.passes - len(self._rows[name])] for name, pairs in self._pairs.items()]
        cases = names(len(self._baseline.rates))
        specs: list[Sequence[Sequence[bool]]] = [*self._rows.values(), *earlier]
        return [dict(zip(cases, zip(*passes, strict=True), strict=True)) for passes in specs if passes]

    def _metrics_of(self, name: str) -> Metrics:
        passes = self._rows[name]
        right = [sum(one) for one in passes]
        cases = len(self._baseline.rates)
        rows = dict(zip(names(cases), zip(*passes, strict=True), strict=True))
        return Metrics(
            spec=name,
            runs=tuple(range(len(passes))),
            cases=cases,
            trials=cases * len(passes),
            passes=sum(right),
            misses=cases * len(passes) - sum(right),
            run_accuracies=tuple(one / cases for one in right),
            spread=spread_of(list(rows.values()), len(passes), group_rows(rows, self._luck.groups(cases))),
            cost_usd=0.0,
            known_cost_usd=0.0,
            errors_by_kind={},
            unusual_ends={},
            first_attempt_passes=sum(right),
            attempts=cases * len(passes),
            most_in_flight=1,
            served_models=(),
            **UNMEASURED,
        )


def _counted(passes: Sequence[Sequence[bool]]) -> dict[str, Counter[bool]]:
    """How many of the answers of each case are right, and how many wrong."""
    rows = zip(*passes, strict=True)
    return {case: Counter(row) for case, row in zip(names(len(passes[0])), rows, strict=True)}


@dataclass(slots=True)
class Ended:
    """What a history came to."""

    spec_passes: int = 0
    promotions: int = 0
    false_promotions: int = 0
    """Promotions of what is in truth no better on these cases."""
    falls: int = 0
    """Promotions of what is in truth worse on new prompts."""
    false_claims: int = 0
    """Promotions of what is in truth no better on new prompts."""
    gain: float = 0.0
    """By how much the true accuracy on these cases rose in all."""
    claimed: float = 0.0
    """By how much it would have risen by the measured differences."""


class History:
    """Cycle after cycle over one suite, until `CYCLES` are done.

    In an `endless` space every cycle has new candidates; else it is the space of the product, with its plateau.
    """

    def __init__(
        self,
        rng: random.Random,
        world: World,
        cases: int,
        *,
        limits: Limits,
        candidates: int = 4,
        endless: bool = False,
        effects: Sequence[tuple[float, float]] = EFFECTS,
        against: float | None = None,
        luck: Luck = ALONE,
    ) -> None:
        self._rng = rng
        self._world = world
        self._cases = cases
        self._limits = limits
        self._candidates = candidates
        self._endless = endless
        self._effects = effects
        self._against = against
        self._luck = luck
        start = Spec(model="m", phase="atomic", variant="native_api")
        self._baseline = start.id
        self._models = {start.id: world.baseline(rng, cases)}
        self._pairs: dict[tuple[str, str], Pairs] = {}
        self._verdicts: dict[tuple[str, str], Verdict] = {}
        self._exhausted: set[tuple[str, str]] = set()
        self._known: dict[str, Sequence[list[bool]]] = {}
        """The last answers of the baselines that were measured in enough passes, by pass and case."""
        self.ended = Ended()

    def run(self) -> Ended:
        """Live through all cycles."""
        for cycle in range(CYCLES):
            self._cycle(self._fresh(cycle) if self._endless else self._neighbours())
        return self.ended

    def _cycle(self, candidates: Sequence[str]) -> None:
        classic = self._limits.profile is DecisionRule.CLASSIC
        baseline, known = self._models[self._baseline], self._known.get(self._baseline, ())
        if not candidates:
            # A plateau: the baseline alone is watched over.
            self.ended.spec_passes += FULL_PASSES if classic else self._watched(baseline)
            return
        cycle = Cycle(self._rng, baseline, self._limits, self._luck, known=known)
        for name in candidates:
            if name not in self._models:
                effect = self._drawn_effect()
                same = effect == 0 and self._against is None and (self._effects is EQUAL or self._rng.random() < 0.5)
                changed = baseline if same else self._world.changed(self._rng, baseline, effect, self._against)
                self._models[name] = changed
            key = (self._baseline, name)
            if classic or key not in self._pairs:
                number = self._pairs[key].number if key in self._pairs else len(self._pairs) + 1
                groups = self._luck.groups(self._cases)
                self._pairs[key] = Pairs(number=number, cases=self._cases, groups=groups)
            cycle.add(name, self._models[name], self._pairs[key])
        verdicts = cycle.run()
        self.ended.spec_passes += cycle.spec_passes
        self._know(self._baseline, cycle.rows, moved=bool(known) and cycle.has_moved())
        self._verdicts |= {(self._baseline, name): verdict for name, verdict in verdicts.items()}
        self._exhausted |= {(self._baseline, name) for name in verdicts if cycle.is_exhausted(name)}
        promoted = [name for name, verdict in verdicts.items() if verdict is Verdict.PROMOTE]
        if promoted:
            winner = max(promoted, key=cycle.accuracy)
            self._book(baseline, self._models[winner], cycle.accuracy(winner) - cycle.accuracy(""))
            self._baseline = winner
            self._know(winner, cycle.rows_of(winner), moved=False)

    def _watched(self, baseline: Model) -> int:
        """Watch over the baseline alone; return the passes that takes."""
        known = self._known.get(self._baseline, ())
        cycle = Cycle(self._rng, baseline, self._limits, self._luck, known=known)
        cycle.watch(1)
        moved = bool(known) and cycle.has_moved()
        if not known or moved:
            cycle.watch(self._limits.min_samples - 1)
        self._know(self._baseline, cycle.rows, moved=moved and cycle.has_moved())
        return cycle.spec_passes

    def _know(self, name: str, rows: Sequence[list[bool]], *, moved: bool) -> None:
        """Note the answers of a cycle; if they moved, what was known before is so no longer."""
        before: Sequence[list[bool]] = ()
        if not moved:
            before = self._known.get(name, ())
        self._known[name] = [*before, *rows][-FULL_PASSES:]

    def _book(self, before: Model, after: Model, claimed: float) -> None:
        self.ended.promotions += 1
        self.ended.false_promotions += after.truth <= before.truth + 1e-12
        self.ended.falls += after.population < before.population - 1e-12
        self.ended.false_claims += after.population <= before.population + 1e-12
        self.ended.gain += after.truth - before.truth
        self.ended.claimed += claimed

    def _drawn_effect(self) -> float:
        values, weights = zip(*self._effects, strict=True)
        return float(self._rng.choices(values, weights)[0])

    def _held(self) -> list[str]:
        return [
            candidate
            for (baseline, candidate), verdict in self._verdicts.items()
            if baseline == self._baseline
            and verdict is Verdict.HOLD
            and (baseline, candidate) not in self._exhausted
            and self._pairs[baseline, candidate].passes < MOST_HELD_PASSES
        ]

    def _fresh(self, cycle: int) -> list[str]:
        new = [f"{cycle}-{place}" for place in range(self._candidates)]
        # The classic rule starts over with everything it did not promote; new candidates are the better bet.
        held = [] if self._limits.profile is DecisionRule.CLASSIC else self._held()
        return (held + new)[: self._candidates]

    def _neighbours(self) -> list[str]:
        held = self._held()
        tried = {candidate for baseline, candidate in self._verdicts if baseline == self._baseline}
        chosen = generate(
            parse_spec(self._baseline),
            SearchSpace(),
            held=held,
            rejected=tried - set(held),
            measured=set(self._models),
            limit=self._candidates,
        )
        names = [candidate.spec.id for candidate in chosen.candidates]
        if not names and self._limits.profile is DecisionRule.CLASSIC:
            # Without evidence that lasts, everything is tried again and again.
            return self._rng.sample(sorted(tried), min(self._candidates, len(tried)))
        return names


@dataclass(frozen=True, slots=True, kw_only=True)
class OneCycle:
    """What a single cycle came to, one of whose candidates is better."""

    found: bool
    share_of_calls: float
    """Of what seven passes for all would take."""


def one_cycle(
    rng: random.Random,
    world: World,
    cases: int,
    gain: float,
    *,
    candidates: int,
    limits: Limits = CALIBRATED,
    luck: Luck = ALONE,
) -> OneCycle:
    """A cycle whose last candidate gains `gain` on these cases and breaks none, and whose others change nothing."""
    baseline = world.baseline(rng, cases)
    cycle = Cycle(rng, baseline, limits, luck)
    better = candidates - 1
    for place in range(candidates):
        model = improved(rng, baseline, gain) if place == better else baseline
        cycle.add(str(place), model, Pairs(number=place + 1, cases=cases, groups=luck.groups(cases)))
    verdicts = cycle.run()
    promoted = {name for name, verdict in verdicts.items() if verdict is Verdict.PROMOTE}
    return OneCycle(
        found=bool(promoted) and max(promoted, key=cycle.accuracy) == str(better),
        share_of_calls=cycle.spec_passes / (FULL_PASSES * (candidates + 1)),
    )


def improved(rng: random.Random, model: Model, gain: float) -> Model:
    """The model with its weakest prompts fixed, some at random first, until its accuracy has risen by `gain`."""
    rates, missing = list(model.rates), gain * len(model.rates)
    for place in rng.sample(range(len(rates)), len(rates)):
        step_up = min(1 - rates[place], missing)
        # A prompt that a deterministic model fails is fixed whole or not at all.
        if rates[place] == 0 and step_up < 1:
            step_up = float(rng.random() < step_up)
            missing = step_up
        rates[place] += step_up
        missing -= step_up
    return Model(rates=tuple(rates), population=model.population + gain)
