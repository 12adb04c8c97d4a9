"""The profile of a model: what all its trials say of how good, fast, reliable and dear it is, and where it is heading.

A phase is judged by the manner of asking that is in force: averages over all that was ever tried would punish a model
for the candidates that lost.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_selfopt.economy.score import Score, score_of
from pytest_selfopt.economy.tiers import BANDS, tier_of
from pytest_selfopt.economy.trend import Trend, trend
from pytest_selfopt.ledger.aggregates import CaseCount, Counts, InForce
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.specs.spec import parse_spec

MOST_ERRORS = 0.05
"""The share of missing answers at which a cycle says more of the way to a model than of the model."""
MOST_UNPRICED = 0.05
"""The share of answers of unknown cost at which the mean of the others says nothing."""
PER = 1_000
"""Answers that a cost is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A diagnosis that a cycle made of a spec in force."""

    kind: str
    spec: str
    cycle: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A diagnosis that a model has had in a phase: how many times, and in which cycle last."""

    kind: str
    phase: str
    times: int
    last_cycle: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """The place of a model among those that were asked in a phase, by average accuracy; equal ones share a place.

    By the intervals it may be anything from `best` to `worst`. Not all were asked `same_questions`.
    """

    place: int
    of: int
    best: int
    worst: int
    same_questions: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseProfile:
    """A model in a phase, asked as `spec` says. Times in seconds, money in USD; None is unknown."""

    phase: str
    spec: str
    latest: Score
    latest_cycle: int
    average: Score
    trend: Trend
    suites: Mapping[str, Score]
    restraint: Score | None
    """Of the answers that should call no tool, how many did not."""
    latency_median_s: float | None
    latency_p95_s: float | None
    errors: Mapping[str, int]
    """Trials without an answer, by kind."""
    cost: float | None
    """Of `PER` answers: the mean of those whose cost is known, if nearly all are."""
    unpriced: int
    price: float | None
    """Of a million tokens, in and out as they were used."""
    score_per_price: float | None
    """The average accuracy over `price`; None as well when it costs nothing."""
    others: Mapping[str, Score]
    """The average of every other spec that was tried."""
    questions: frozenset[str]
    """The hashes of the cases."""
    rank: Rank | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Everything that is known of a model; trials, cycles and errors are those of all phases and specs.

    Prices are USD per million tokens, `first` and `last` seconds since the epoch.
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


def profiles_of(counts: Counts, seen: Sequence[Seen], models: Mapping[str, ModelConfig]) -> tuple[Profile, ...]:
    """The profiles of all models in the ledger, by name. One that is not in `models` is of unknown price.

    Raises:
        SpecError: when the ledger holds a spec that does not parse.
    """
    by_model: defaultdict[str, list[CaseCount]] = defaultdict(list)
    owners = {spec: parse_spec(spec).model for spec in {one.spec for one in counts.cases}}
    for one in counts.cases:
        by_model[owners[one.spec]].append(one)
    found = [_profile(name, by_model[name], counts, seen, models.get(name)) for name in sorted(by_model)]
    return _ranked(found)


def tier_name(model: ModelConfig | None) -> str:
    """The cost tier of a model in a word, also of one whose price is in no tier."""
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
    return "below tier1" if model.price_in < BANDS["tier1"].least else "above tier3"


def _profile(
    name: str, cases: Sequence[CaseCount], counts: Counts, seen: Sequence[Seen], config: ModelConfig | None
) -> Profile:
    specs = {one.spec for one in cases}
    return Profile(
        model=name,
        tier=tier_name(config),
        price_in=config.price_in if config is not None else None,
        price_out=config.price_out if config is not None else None,
        free=config is not None and config.free,
        trials=sum(one.trials for one in cases),
        cycles=len({one.cycle for one in cases}),
        first=min(one.first for one in cases),
        last=max(one.last for one in cases),
        errors=_errors(counts, specs),
        findings=_findings(name, seen),
        phases=tuple(
            _phase(phase, [one for one in cases if one.phase == phase], counts, config)
            for phase in sorted({one.phase for one in cases})
        ),
    )


def _phase(phase: str, cases: Sequence[CaseCount], counts: Counts, config: ModelConfig | None) -> PhaseProfile:
    by_spec: defaultdict[str, list[CaseCount]] = defaultdict(list)
    for one in cases:
        by_spec[one.spec].append(one)
    averages = {spec: _score(by_spec[spec]) for spec in sorted(by_spec)}
    spec = _standing(phase, averages, counts.in_force)
    ours, average = by_spec[spec], averages[spec]
    last = _last_whole(ours)
    latency = next((one for one in counts.latencies if one.spec == spec), None)
    price = _price(ours, config)
    return PhaseProfile(
        phase=phase,
        spec=spec,
        latest=_score([one for one in ours if one.cycle == last]),
        latest_cycle=last,
        average=average,
        trend=trend(_like_cycles([one for one in ours if (spec, one.cycle) not in counts.picked])),
        suites=_suites(ours),
        restraint=_restraint(ours),
        latency_median_s=latency.median_s if latency else None,
        latency_p95_s=latency.p95_s if latency else None,
        errors=_errors(counts, {spec}),
        cost=_cost(ours),
        unpriced=sum(one.unpriced for one in ours),
        price=price,
        score_per_price=average.accuracy / price if price else None,
        others={other: score for other, score in averages.items() if other != spec},
        questions=frozenset(one.case_hash for one in ours),
    )


def _standing(phase: str, averages: Mapping[str, Score], in_force: Sequence[InForce]) -> str:
    """The spec that was last in force for a phase, or the one whose accuracy is surely the highest."""
    stood = [one.spec for one in in_force if one.phase == phase and one.spec in averages]
    return stood[-1] if stood else max(averages, key=lambda spec: (averages[spec].low, spec))


def _score(cases: Iterable[CaseCount]) -> Score:
    return score_of((one.case, one.passes, one.trials) for one in cases)


def _last_whole(cases: Sequence[CaseCount]) -> int:
    """The last cycle that asked at least half as many cases as any: one that was cut off says little."""
    asked = Counter(one.cycle for one in cases)
    return max(cycle for cycle, number in asked.items() if 2 * number >= max(asked.values()))


def _suites(cases: Iterable[CaseCount]) -> dict[str, Score]:
    """The score of each suite: a case is named SUITE/ID."""
    by_suite: defaultdict[str, list[CaseCount]] = defaultdict(list)
    for one in cases:
        by_suite[one.case.partition("/")[0]].append(one)
    return {suite: _score(by_suite[suite]) for suite in sorted(by_suite)}


def _restraint(cases: Iterable[CaseCount]) -> Score | None:
    answered = [(one.case, one.passes, one.answers) for one in cases if one.restraint and one.answers]
    return score_of(answered) if answered else None


def _like_cycles(cases: Sequence[CaseCount]) -> list[float]:
    """The share of right answers in each cycle that asked the same cases, oldest first.

    That is the longest such series, of equal ones the later one. Cycles with too many errors are left out.
    """
    by_cycle: defaultdict[int, list[CaseCount]] = defaultdict(list)
    for one in cases:
        by_cycle[one.cycle].append(one)
    series: defaultdict[frozenset[tuple[str, str]], list[float]] = defaultdict(list)
    for _, asked in sorted(by_cycle.items()):
        trials, errors = sum(one.trials for one in asked), sum(one.errors for one in asked)
        if errors < MOST_ERRORS * trials:
            address = frozenset((one.case, one.case_hash) for one in asked)
            series[address].append(sum(one.passes for one in asked) / (trials - errors))
    return max(reversed(series.values()), key=len, default=[])


def _cost(cases: Sequence[CaseCount]) -> float | None:
    answers, unpriced = sum(one.answers for one in cases), sum(one.unpriced for one in cases)
    if not answers or unpriced > MOST_UNPRICED * answers:
        return None
    return sum(one.cost_usd for one in cases) / (answers - unpriced) * PER


def _price(cases: Sequence[CaseCount], config: ModelConfig | None) -> float | None:
    if config is None:
        return None
    if config.free:
        return 0.0
    tokens_in, tokens_out = sum(one.tokens_in for one in cases), sum(one.tokens_out for one in cases)
    if config.price_in is None or config.price_out is None or not tokens_in + tokens_out:
        return None
    return (config.price_in * tokens_in + config.price_out * tokens_out) / (tokens_in + tokens_out)


def _errors(counts: Counts, specs: set[str]) -> dict[str, int]:
    kinds: Counter[str] = Counter()
    for one in counts.errors:
        if one.spec in specs:
            kinds[one.kind] += one.count
    return dict(kinds.most_common())


def _findings(name: str, seen: Sequence[Seen]) -> tuple[Finding, ...]:
    cycles: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for one in seen:
        spec = parse_spec(one.spec)
        if spec.model == name:
            cycles[spec.phase, one.kind].append(one.cycle)
    return tuple(
        Finding(kind=kind, phase=phase, times=len(known), last_cycle=max(known))
        for (phase, kind), known in sorted(cycles.items())
    )


def _ranked(found: Sequence[Profile]) -> tuple[Profile, ...]:
    rivals: defaultdict[str, list[PhaseProfile]] = defaultdict(list)
    for profile in found:
        for one in profile.phases:
            rivals[one.phase].append(one)
    return tuple(
        replace(profile, phases=tuple(replace(one, rank=_rank(one, rivals[one.phase])) for one in profile.phases))
        for profile in found
    )


def _rank(ours: PhaseProfile, all_of_them: Sequence[PhaseProfile]) -> Rank:
    mine = ours.average
    return Rank(
        place=1 + sum(one.average.accuracy > mine.accuracy for one in all_of_them),
        of=len(all_of_them),
        best=1 + sum(one.average.low > mine.high for one in all_of_them),
        worst=len(all_of_them) - sum(one.average.high < mine.low for one in all_of_them),
        same_questions=all(one.questions == ours.questions for one in all_of_them),
    )
