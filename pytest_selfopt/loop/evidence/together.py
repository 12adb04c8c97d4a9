"""Whether cases pass and fail together within passes, although no group says so.

Repeats of a case with one spec pass s of R times. If cases are independent within a pass, each arrangement of these s
passes over the R passes is equally likely, whatever the other cases do: a permutation test. For two cases,
z = (n₁₁ − E)/√V, summed over all specs before dividing, where n₁₁ counts passes in which both passed, E = s·s'/R and
V = s(R−s)·s'(R−s')/(R²(R−1)). The statistic is the sum over cases of the largest z with another case, if it is above 0:
of seven that were simulated it finds pairs best, and larger families as well as any. What moves all cases a little,
such as drift, hardly raises it; what moves them much is found by the gate `variance`.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

SHUFFLES = 99
"""Arrangements that are drawn, so that the smallest probability is 1/100."""
MOST_LISTED = 2000
"""Ways to place passes among runs up to which one is drawn from a list of all."""
MOST_SPECS = 12
"""Specs that are looked at, those with most passes: more would take long and show no more."""
CLOSE, ALIKE = 2.0, 1.5
"""The z of two cases that make one family, and the mean z between all cases of two families that become one."""

Rows: TypeAlias = Mapping[str, Sequence[bool]]
"""The passes by run of each case, of one spec."""
_Pair: TypeAlias = tuple[int, int, float, float]
"""The places of two cases, E, and 1/√V."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """Whether cases move together: `chance` is the probability of such rows if they do not, at least 1/100.

    `moving` says whether that is little enough. `families` are the cases that seem to move together, if any, which the
    user may name as groups. All are the same for the same rows.
    """

    chance: float
    moving: bool
    families: tuple[tuple[str, ...], ...]


def moving_together(specs: Sequence[Rows], *, level: float) -> Together | None:
    """Test whether cases move together; None if no two cases vary.

    `level` is the chance up to which they count as moving together: once it is out of reach, fewer arrangements are
    drawn, and the chance is an estimate.
    """
    most = sorted(specs, key=_passes, reverse=True)[:MOST_SPECS]
    rows = _varying(most)
    pairs = list(_pairs(rows))
    if not pairs:
        return None
    seen = _statistic(_joined(rows), pairs)
    source = _Source()
    as_high = drawn = 0
    while drawn < SHUFFLES and as_high + 1 <= level * (SHUFFLES + 1):
        drawn += 1
        as_high += _statistic(_joined(_shuffled(rows, source)), pairs) >= seen - 1e-9
    chance = (as_high + 1) / (drawn + 1)
    if chance > level:
        return Together(chance=chance, moving=False, families=())
    return Together(chance=chance, moving=True, families=_families(rows, pairs))


_Marks: TypeAlias = tuple[int, int, int]
"""Passes as the bits of a number, how many there are, and of how many runs."""


class _Source:
    """A source of numbers in [0, 1), always the same: a linear congruential generator with Knuth's multiplier.

    A decision that is taken again from the same trials must be the same.
    """

    def __init__(self) -> None:
        self._state = 1

    def random(self) -> float:
        """Return the next number, from the upper bits, which have the long period."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self._state >> 11) / 2**53


def _passes(rows: Rows) -> int:
    return max(map(len, rows.values()), default=0)


def _varying(specs: Sequence[Rows]) -> dict[str, list[_Marks]]:
    """Return the passes of each case by spec, of those cases that do not always do the same."""
    rows: dict[str, list[_Marks]] = {}
    for case in sorted(set(itertools.chain.from_iterable(specs))):
        marks = [_marks(spec.get(case, ())) for spec in specs]
        if any(0 < passed < runs for _, passed, runs in marks):
            rows[case] = marks
    return rows


def _marks(row: Sequence[bool]) -> _Marks:
    number = sum(1 << place for place, passed in enumerate(row) if passed)
    return number, sum(row), len(row)


def _pairs(rows: Mapping[str, Sequence[_Marks]]) -> Iterator[_Pair]:
    """Yield the pairs of cases that both vary with one spec at least."""
    moments = [[(passed, passed * (runs - passed), runs) for _, passed, runs in marks] for marks in rows.values()]
    for first, second in itertools.combinations(range(len(moments)), 2):
        expected = variance = 0.0
        for (passed, spread, runs), (other, other_spread, _) in zip(moments[first], moments[second], strict=True):
            if spread and other_spread:
                variance += spread * other_spread / (runs * runs * (runs - 1))
            if runs:
                expected += passed * other / runs
        if variance:
            yield first, second, expected, 1 / math.sqrt(variance)


def _joined(rows: Mapping[str, Sequence[_Marks]]) -> list[int]:
    """Return the passes of each case with all specs, as the bits of one number."""
    joined = []
    for marks in rows.values():
        number = 0
        for bits, _, runs in marks:
            number = (number << runs) | bits
        joined.append(number)
    return joined


def _statistic(joined: Sequence[int], pairs: Sequence[_Pair]) -> float:
    """Return the sum over cases of the largest z with another case, where that is above 0."""
    highest = [0.0] * len(joined)
    for first, second, expected, scale in pairs:
        z = ((joined[first] & joined[second]).bit_count() - expected) * scale
        if z > highest[first]:
            highest[first] = z
        if z > highest[second]:
            highest[second] = z
    return math.fsum(highest)


def _shuffled(rows: Mapping[str, Sequence[_Marks]], source: _Source) -> dict[str, list[_Marks]]:
    """Return as many passes of each case with each spec, in runs drawn at random."""
    return {case: [(_drawn(passed, runs, source), passed, runs) for _, passed, runs in rows[case]] for case in rows}


def _drawn(number: int, places: int, source: _Source) -> int:
    """Return a set of so many of these places as bits, each equally likely."""
    ways = math.comb(places, number)
    if ways <= MOST_LISTED:
        return _every(number, places)[int(source.random() * ways)]
    return _sampled(number, places, source)


@cache
def _every(number: int, places: int) -> tuple[int, ...]:
    """Return every set of so many of these places, as bits."""
    return tuple(sum(1 << place for place in chosen) for chosen in itertools.combinations(range(places), number))


def _sampled(number: int, places: int, source: _Source) -> int:
    """Return a set of so many of these places as bits, by Floyd's algorithm."""
    if number > places - number:
        return ((1 << places) - 1) ^ _sampled(places - number, places, source)
    bits = 0
    for last in range(places - number, places):
        bit = 1 << int(source.random() * (last + 1))
        if bits & bit:
            bit = 1 << last
        bits |= bit
    return bits


def _families(rows: Mapping[str, Sequence[_Marks]], pairs: Sequence[_Pair]) -> tuple[tuple[str, ...], ...]:
    """Return families of cases: the closest two first, and two families become one if all their cases are alike."""
    joined, names = _joined(rows), list(rows)
    between: defaultdict[int, dict[int, float]] = defaultdict(dict)
    edges = []
    for first, second, expected, scale in pairs:
        z = ((joined[first] & joined[second]).bit_count() - expected) * scale
        between[first][second] = between[second][first] = z
        if z >= CLOSE:
            edges.append((-z, first, second))
    family_of = {place: [place] for place in range(len(names))}
    for _, first, second in sorted(edges):
        one, other = family_of[first], family_of[second]
        if one is not other and _mean_between(one, other, between) >= ALIKE:
            one.extend(other)
            family_of |= dict.fromkeys(other, one)
    families = []
    for place, family in family_of.items():
        if place == min(family) and len(family) > 1:
            families.append(tuple(names[member] for member in sorted(family)))
    return tuple(families)


def _mean_between(one: Sequence[int], other: Sequence[int], between: Mapping[int, Mapping[int, float]]) -> float:
    total = math.fsum(between[a].get(b, 0.0) for a in one for b in other)
    return total / (len(one) * len(other))
