"""Comparisons of all models: the Pareto front of each phase, and the elite of each phase and cost tier."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pytest_selfopt.economy.profile import PhaseProfile, Profile

_Entry: TypeAlias = tuple[Profile, PhaseProfile]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A model's accuracy, median latency in seconds and cost in USD per 1,000 answers; None is unknown."""

    model: str
    accuracy: float
    latency_s: float | None
    cost: float | None

    @property
    def compared_on(self) -> tuple[str, ...]:
        """The names of its known measures."""
        known = {"accuracy": self.accuracy, "latency": self.latency_s, "cost": self.cost}
        names = [name for name, value in known.items() if value is not None]
        return tuple(names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """The models of a phase that no other model dominates, most accurate first, and the dominated ones."""

    phase: str
    members: tuple[Point, ...]
    beaten: tuple[tuple[Point, str], ...]
    """Each with the most accurate member that dominates it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elite:
    """The most accurate model of a tier in a phase, and the `level` ones, whose intervals overlap with its own."""

    phase: str
    tier: str
    best: PhaseProfile
    model: str
    of: int
    level: tuple[str, ...]


def dominates(point: Point, other: Point) -> bool:
    """Whether `point` is no worse than `other` in any known measure, and better in one.

    Measures unknown for `other` do not count. `point` must know all measures that `other` does: a model cannot
    dominate another by hiding its cost.
    """
    if point.accuracy < other.accuracy:
        return False
    better = point.accuracy > other.accuracy
    for ours, theirs in ((point.latency_s, other.latency_s), (point.cost, other.cost)):
        if theirs is None:
            continue
        if ours is None or ours > theirs:
            return False
        better = better or ours < theirs
    return better


def pareto(phase: str, points: Sequence[Point]) -> Front:
    """Return the front of a phase: no model dominates a member, and some member dominates every other model."""
    ordered = sorted(points, key=lambda point: (-point.accuracy, point.model))
    members = [point for point in ordered if _winner(ordered, point) is None]
    beaten = []
    for point in ordered:
        winner = _winner(members, point)
        if winner is not None:
            beaten.append((point, winner.model))
    return Front(phase=phase, members=tuple(members), beaten=tuple(beaten))


def _winner(rivals: Sequence[Point], point: Point) -> Point | None:
    """Return the first rival that dominates a point, or None."""
    for rival in rivals:
        if dominates(rival, point):
            return rival
    return None


def fronts(profiles: Sequence[Profile]) -> tuple[Front, ...]:
    """Return the front of each phase."""
    points: defaultdict[str, list[Point]] = defaultdict(list)
    for profile, measured in _by_phase(profiles):
        point = Point(
            model=profile.model,
            accuracy=measured.average.accuracy,
            latency_s=measured.latency_median_s,
            cost=measured.cost,
        )
        points[measured.phase].append(point)
    return tuple(pareto(phase, points[phase]) for phase in sorted(points))


def elites(profiles: Sequence[Profile]) -> tuple[Elite, ...]:
    """Return the elite of each phase and cost tier; ties in accuracy go to the highest interval."""
    cells: defaultdict[tuple[str, str], list[_Entry]] = defaultdict(list)
    for profile, measured in _by_phase(profiles):
        cells[measured.phase, profile.tier].append((profile, measured))
    return tuple(_elite(phase, tier, cells[phase, tier]) for phase, tier in sorted(cells))


def _elite(phase: str, tier: str, cell: Sequence[_Entry]) -> Elite:
    winner, best = min(cell, key=_standing)
    level = []
    for profile, measured in cell:
        if profile is not winner and measured.average.overlaps(best.average):
            level.append(profile.model)
    return Elite(
        phase=phase,
        tier=tier,
        best=best,
        model=winner.model,
        of=len(cell),
        level=tuple(level),
    )


def _standing(entry: _Entry) -> tuple[float, float, str]:
    """Return the sort key of a cell's entries, best first."""
    profile, measured = entry
    return -measured.average.accuracy, -measured.average.low, profile.model


def _by_phase(profiles: Sequence[Profile]) -> Iterator[_Entry]:
    for profile in profiles:
        for measured in profile.phases:
            yield profile, measured
