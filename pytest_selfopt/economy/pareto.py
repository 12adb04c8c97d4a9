"""Maps over all models: the Pareto front of each phase, and the elite of each phase and cost tier."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_selfopt.economy.profile import PhaseProfile, Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Where a model stands: median latency in seconds, cost in USD of 1,000 answers; None is unknown."""

    model: str
    accuracy: float
    latency_s: float | None
    cost: float | None

    @property
    def compared_on(self) -> tuple[str, ...]:
        """What is known of it."""
        known = {"accuracy": self.accuracy, "latency": self.latency_s, "cost": self.cost}
        return tuple(name for name, value in known.items() if value is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """The models of a phase that no other one beats, most accurate first, and those that one of them does."""

    phase: str
    members: tuple[Point, ...]
    beaten: tuple[tuple[Point, str], ...]
    """Each with the most accurate member that beats it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elite:
    """The most accurate model of a tier in a phase, and the `level` ones, whose intervals leave open who is better."""

    phase: str
    tier: str
    best: PhaseProfile
    model: str
    of: int
    level: tuple[str, ...]


def dominates(one: Point, other: Point) -> bool:
    """Whether `one` is nowhere worse than `other`, and somewhere better, as far as is known.

    What is unknown of the `other` does not count. What is known of it, `one` has to match: a model does not push
    another one out by hiding what it costs.
    """
    if one.accuracy < other.accuracy:
        return False
    better = one.accuracy > other.accuracy
    for ours, theirs in ((one.latency_s, other.latency_s), (one.cost, other.cost)):
        if theirs is None:
            continue
        if ours is None or ours > theirs:
            return False
        better = better or ours < theirs
    return better


def pareto(phase: str, points: Sequence[Point]) -> Front:
    """The front of a phase: nobody beats a member, and a member beats everybody else."""
    ordered = sorted(points, key=lambda point: (-point.accuracy, point.model))
    members = [point for point in ordered if not any(dominates(one, point) for one in ordered)]
    return Front(
        phase=phase,
        members=tuple(members),
        beaten=tuple(
            (point, next(one.model for one in members if dominates(one, point)))
            for point in ordered
            if point not in members
        ),
    )


def fronts(profiles: Sequence[Profile]) -> tuple[Front, ...]:
    """The front of each phase."""
    points: defaultdict[str, list[Point]] = defaultdict(list)
    for profile, one in _by_phase(profiles):
        points[one.phase].append(
            Point(model=profile.model, accuracy=one.average.accuracy, latency_s=one.latency_median_s, cost=one.cost)
        )
    return tuple(pareto(phase, points[phase]) for phase in sorted(points))


def elites(profiles: Sequence[Profile]) -> tuple[Elite, ...]:
    """The elite of each phase and cost tier; of equal accuracy, the one whose interval lies highest."""
    cells: defaultdict[tuple[str, str], list[tuple[Profile, PhaseProfile]]] = defaultdict(list)
    for profile, one in _by_phase(profiles):
        cells[one.phase, profile.tier].append((profile, one))
    return tuple(_elite(phase, tier, cells[phase, tier]) for phase, tier in sorted(cells))


def _elite(phase: str, tier: str, cell: Sequence[tuple[Profile, PhaseProfile]]) -> Elite:
    winner, best = min(cell, key=lambda one: (-one[1].average.accuracy, -one[1].average.low, one[0].model))
    return Elite(
        phase=phase,
        tier=tier,
        best=best,
        model=winner.model,
        of=len(cell),
        level=tuple(
            profile.model for profile, one in cell if profile is not winner and one.average.overlaps(best.average)
        ),
    )


def _by_phase(profiles: Sequence[Profile]) -> Iterator[tuple[Profile, PhaseProfile]]:
    return ((profile, one) for profile in profiles for one in profile.phases)
