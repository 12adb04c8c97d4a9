"""The profile of a model from all its trials: accuracy, speed, reliability, cost and trend.

A phase is judged by the spec in force: averages over all specs ever tried would punish a model for the candidates that
lost.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from pytest_selfopt.economy.measures import (
    answer_cost,
    grouped,
    last_whole_cycle,
    like_cycles,
    restraint_score,
    score_of_cases,
    suite_scores,
    token_price,
    totals_of,
)
from pytest_selfopt.economy.score import Score
from pytest_selfopt.economy.tiers import BANDS, tier_of
from pytest_selfopt.economy.trend import Trend, trend
from pytest_selfopt.ledger.aggregates import CaseCount, Counts, InForce
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.specs.spec import parse_spec

PER = 1_000
"""The number of answers to which a cost refers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A cycle's diagnosis of a spec in force."""

    kind: str
    spec: str
    cycle: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A diagnosis of a model in a phase, its number of times and its last cycle."""

    kind: str
    phase: str
    times: int
    last_cycle: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """A model's rank in a phase by average accuracy; equal models share a rank.

    By the intervals, the true rank may be from `best` to `worst`. `same_questions` tells whether all models were asked
    the same.
    """

    place: int
    of: int
    best: int
    worst: int
    same_questions: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseProfile:
    """A model in a phase with `spec`. Times are in seconds, money in USD; None is unknown."""

    phase: str
    spec: str
    latest: Score
    latest_cycle: int
    average: Score
    trend: Trend
    suites: Mapping[str, Score]
    restraint: Score | None
    """The share of the answers to prompts that need no tool in which none was called."""
    latency_median_s: float | None
    latency_p95_s: float | None
    trials: int
    """All trials, including those without an answer."""
    errors: Mapping[str, int]
    """Trials without an answer, by kind."""
    ends: Mapping[str, int]
    """Replies that ended neither by themselves nor with a call, by finish reason."""
    cost: float | None
    """The cost of `PER` answers: the mean of the known costs, if nearly all are known."""
    unpriced: int
    price: float | None
    """USD per million tokens, at the observed mix of in and out."""
    score_per_price: float | None
    """The average accuracy over `price`; None also if the price is zero."""
    others: Mapping[str, Score]
    """The average of each other spec tried."""
    questions: frozenset[str]
    """The hashes of the cases."""
    rank: Rank | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """All that is known of a model; trials, cycles and errors cover all phases and specs.

    Prices are USD per million tokens; `first` and `last` are seconds since the epoch.
    """

    model: str
    tier: str
    price_in: float | None
    price_out: float | None
    free: bool
    trials: int
    cycles: int
    first: float
    last: float
    errors: Mapping[str, int]
    findings: tuple[Finding, ...]
    phases: tuple[PhaseProfile, ...]


def profiles_of(counts: Counts, seen: Sequence[Observation], models: Mapping[str, ModelConfig]) -> tuple[Profile, ...]:
    """Return the profiles of all models in the ledger, by name. A model not in `models` has no known price.

    Raises:
        SpecError: if the ledger contains a spec that does not parse.
    """
    owners: dict[str, str] = {}
    by_model: defaultdict[str, list[CaseCount]] = defaultdict(list)
    for count in counts.cases:
        if count.spec not in owners:
            owners[count.spec] = parse_spec(count.spec).model
        by_model[owners[count.spec]].append(count)
    profiles = []
    for name in sorted(by_model):
        config = models.get(name)
        profiles.append(_profile(name, by_model[name], counts, seen, config))
    return _ranked(profiles)


def tier_name(model: ModelConfig | None) -> str:
    """Return the cost tier of a model for display, even if its price is in no tier."""
    if model is None:
        return "unpriced"
    if model.members:
        return "swarm"
    named = tier_of(model)
    if named is not None:
        return named
    if model.free or model.price_in == model.price_out == 0:
        return "free"
    if model.price_in is None:
        return "unpriced"
    if model.price_in < BANDS["tier1"].least:
        return "below tier1"
    return "above tier3"


def _profile(
    name: str, cases: Sequence[CaseCount], counts: Counts, seen: Sequence[Observation], config: ModelConfig | None
) -> Profile:
    price_in, price_out, free = _prices(config)
    return Profile(
        model=name,
        tier=tier_name(config),
        price_in=price_in,
        price_out=price_out,
        free=free,
        trials=totals_of(cases).trials,
        cycles=len(set(map(attrgetter("cycle"), cases))),
        first=min(map(attrgetter("first"), cases)),
        last=max(map(attrgetter("last"), cases)),
        errors=_errors(counts, set(map(attrgetter("spec"), cases))),
        findings=_findings(name, seen),
        phases=_phases(cases, counts, config),
    )


def _prices(config: ModelConfig | None) -> tuple[float | None, float | None, bool]:
    """Return USD per million tokens in and out, and whether the model is free."""
    if config is None:
        return None, None, False
    return config.price_in, config.price_out, config.free


def _phases(cases: Sequence[CaseCount], counts: Counts, config: ModelConfig | None) -> tuple[PhaseProfile, ...]:
    by_phase: dict[str, list[CaseCount]] = grouped(cases, attrgetter("phase"))
    return tuple(_phase(phase, by_phase[phase], counts, config) for phase in sorted(by_phase))


def _phase(phase: str, cases: Sequence[CaseCount], counts: Counts, config: ModelConfig | None) -> PhaseProfile:
    by_spec: dict[str, list[CaseCount]] = grouped(cases, attrgetter("spec"))
    averages = {spec: score_of_cases(by_spec[spec]) for spec in sorted(by_spec)}
    spec = _standing(phase, averages, counts.in_force)
    others = dict(averages)
    average = others.pop(spec)
    ours = by_spec[spec]
    last = last_whole_cycle(ours)
    latest = [count for count in ours if count.cycle == last]
    # A promotion selects cycles that went well, so these would fake a trend.
    unpicked = [count for count in ours if (spec, count.cycle) not in counts.picked]
    median_s, p95_s = _latencies(spec, counts)
    price = token_price(ours, config)
    return PhaseProfile(
        phase=phase,
        spec=spec,
        latest=score_of_cases(latest),
        latest_cycle=last,
        average=average,
        trend=trend(like_cycles(unpicked)),
        suites=suite_scores(ours),
        restraint=restraint_score(ours),
        latency_median_s=median_s,
        latency_p95_s=p95_s,
        trials=totals_of(ours).trials,
        errors=_errors(counts, {spec}),
        ends=_ends(counts, spec),
        cost=_cost(ours),
        unpriced=totals_of(ours).unpriced,
        price=price,
        score_per_price=_per_price(average, price),
        others=others,
        questions=frozenset(map(attrgetter("case_hash"), ours)),
    )


def _standing(phase: str, averages: Mapping[str, Score], in_force: Sequence[InForce]) -> str:
    """Return the spec last in force for a phase, or else the one with the highest lower bound of accuracy."""
    for standing in reversed(in_force):
        if standing.phase == phase and standing.spec in averages:
            return standing.spec
    return max(averages, key=lambda spec: (averages[spec].low, spec))


def _latencies(spec: str, counts: Counts) -> tuple[float | None, float | None]:
    """Return median and 95th percentile of a spec's latencies in seconds; None without answers."""
    for latency in counts.latencies:
        if latency.spec == spec:
            return latency.median_s, latency.p95_s
    return None, None


def _cost(cases: Sequence[CaseCount]) -> float | None:
    each = answer_cost(cases)
    if each is None:
        return None
    return each * PER


def _per_price(average: Score, price: float | None) -> float | None:
    if not price:
        return None
    return average.accuracy / price


def _errors(counts: Counts, specs: set[str]) -> dict[str, int]:
    kinds: Counter[str] = Counter()
    for error in counts.errors:
        if error.spec in specs:
            kinds[error.kind] += error.count
    return dict(kinds.most_common())


def _ends(counts: Counts, spec: str) -> dict[str, int]:
    reasons = Counter({end.reason: end.count for end in counts.ends if end.spec == spec})
    return dict(reasons.most_common())


def _findings(name: str, seen: Sequence[Observation]) -> tuple[Finding, ...]:
    cycles: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for diagnosis in seen:
        spec = parse_spec(diagnosis.spec)
        if spec.model == name:
            cycles[spec.phase, diagnosis.kind].append(diagnosis.cycle)
    findings = []
    for phase, kind in sorted(cycles):
        known = cycles[phase, kind]
        finding = Finding(kind=kind, phase=phase, times=len(known), last_cycle=max(known))
        findings.append(finding)
    return tuple(findings)


def _ranked(profiles: Sequence[Profile]) -> tuple[Profile, ...]:
    rivals: defaultdict[str, list[PhaseProfile]] = defaultdict(list)
    for profile in profiles:
        for measured in profile.phases:
            rivals[measured.phase].append(measured)
    ranked = []
    for profile in profiles:
        phases = []
        for measured in profile.phases:
            rank = _rank(measured, rivals[measured.phase])
            phases.append(replace(measured, rank=rank))
        ranked.append(replace(profile, phases=tuple(phases)))
    return tuple(ranked)


def _rank(ours: PhaseProfile, all_of_them: Sequence[PhaseProfile]) -> Rank:
    mine = ours.average
    above = surely_above = surely_below = 0
    same_questions = True
    for rival in all_of_them:
        theirs = rival.average
        above += theirs.accuracy > mine.accuracy
        surely_above += theirs.low > mine.high
        surely_below += theirs.high < mine.low
        if rival.questions != ours.questions:
            same_questions = False
    return Rank(
        place=1 + above,
        of=len(all_of_them),
        best=1 + surely_above,
        worst=len(all_of_them) - surely_below,
        same_questions=same_questions,
    )
