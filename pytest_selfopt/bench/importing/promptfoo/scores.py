"""What promptfoo makes of several assertions: all of them, or a score with a threshold."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_selfopt.bench.importing.promptfoo.assertions import ANY_ANSWER, Expectation, expectation_in
from pytest_selfopt.bench.importing.promptfoo.templates import Variables

_SET = "assert-set"
_MOST_SCORED = 10
"""Assertions whose combinations are tried."""
_MOST_WAYS = 12
"""Ways to reach a threshold that a case may list."""


@dataclass(frozen=True, slots=True)
class _Single:
    expectation: Expectation
    weight: float


@dataclass(frozen=True, slots=True)
class _Set:
    members: tuple[_Single, ...]
    weight: float
    threshold: Any


def expectation_of(
    assertions: Sequence[Any], threshold: Any, variables: Variables, folder: Path = Path()
) -> tuple[Expectation, int]:
    """Return the expectation that a test's assertions amount to, and how many were left out as mere metrics.

    Files that assertions name are in `folder`.

    Raises:
        ValueError: with the reason, if a case cannot hold it.
    """
    reading = _Reading(variables, folder)
    by_score = _is_threshold(threshold)
    parts: list[_Single | _Set] = []
    for assertion in assertions:
        part = reading.read(assertion, by_score=by_score)
        if part is not None:
            parts.append(part)
    if not parts:
        raise ValueError("it asserts nothing")
    expectation = _whole(parts, threshold)
    if expectation == ANY_ANSWER:
        raise ValueError("it passes whatever the answer")
    if expectation == {"not": ANY_ANSWER}:
        raise ValueError("no answer passes")
    return expectation, reading.dropped


def _whole(parts: Sequence[_Single | _Set], threshold: Any) -> Expectation:
    if _is_threshold(threshold):
        return _scored(parts, threshold)
    return _all(list(map(_needed, parts)))


@dataclass(slots=True)
class _Reading:
    variables: Variables
    folder: Path
    dropped: int = 0
    """Assertions that cannot fail a test."""

    def read(self, assertion: Any, *, by_score: bool) -> _Single | _Set | None:
        """Read an assertion; None if it cannot fail a test."""
        if not isinstance(assertion, Mapping):
            raise ValueError(f"an assertion is no object with a type but {assertion!r}")
        if assertion.get("type") != _SET:
            return self._single(assertion)
        weight = _weight(assertion)
        members = self._members(assertion.get("assert"))
        threshold = assertion.get("threshold")
        if by_score and weight == 0:
            self.dropped += 1
            return None
        if not members and not (by_score or _is_threshold(threshold)):
            return None
        return _Set(tuple(members), weight, threshold)

    def _members(self, assertions: Any) -> list[_Single]:
        if not isinstance(assertions, list):
            raise ValueError(f"an {_SET} has no list of assertions")
        members: list[_Single] = []
        for assertion in assertions:
            if not isinstance(assertion, Mapping):
                raise ValueError(f"an assertion is no object with a type but {assertion!r}")
            if assertion.get("type") == _SET:
                raise ValueError(f"an {_SET} is inside another one, which promptfoo does not judge")
            member = self._single(assertion)
            if member is not None:
                members.append(member)
        return members

    def _single(self, assertion: Mapping[str, Any]) -> _Single | None:
        weight = _weight(assertion)
        if weight == 0:
            self.dropped += 1
            return None
        return _Single(expectation_in(assertion, self.variables, self.folder), weight)


def _weight(assertion: Mapping[str, Any]) -> float:
    weight = assertion.get("weight", 1)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or weight < 0:
        raise ValueError(f"the weight {weight!r} of an assertion is no number from 0 on")
    return weight


def _is_threshold(value: Any) -> bool:
    if isinstance(value, str | bool | list | dict):
        raise ValueError(f"its threshold {value!r} is no number")
    return value is not None


def _needed(part: _Single | _Set) -> Expectation:
    """Return the expectation of a part that has to be met."""
    if isinstance(part, _Single):
        return part.expectation
    return _whole(part.members, part.threshold)


def _scored(parts: Sequence[_Single | _Set], threshold: float) -> Expectation:
    """Return the expectation that a score is high enough; a set counts by its own score, whatever its threshold."""
    singles = [single for part in parts for single in _singles(part)]
    if threshold <= 0:
        raise ValueError(f"with a threshold of {threshold} it passes whatever the answer")
    if len(singles) > _MOST_SCORED:
        raise ValueError(f"its threshold {threshold} is about more than {_MOST_SCORED} assertions")
    ways: list[frozenset[int]] = []
    for count in range(len(singles) + 1):
        for chosen in itertools.combinations(range(len(singles)), count):
            met = frozenset(chosen)
            if not any(way <= met for way in ways) and _score(parts, met) >= threshold:
                ways.append(met)
    if not ways:
        raise ValueError(f"with a threshold of {threshold} no answer passes")
    if len(ways) > _MOST_WAYS:
        raise ValueError(f"its threshold {threshold} can be reached in {len(ways)} ways, more than {_MOST_WAYS}")
    return _any_of([single.expectation for single in singles], ways)


def _singles(part: _Single | _Set) -> Sequence[_Single]:
    if isinstance(part, _Single):
        return [part]
    return part.members


def _score(parts: Sequence[_Single | _Set], met: Collection[int]) -> float:
    """Return the score if these single assertions are met, counted through all parts."""
    first = 0
    scores: list[tuple[float, float]] = []
    later: list[tuple[float, float]] = []
    for part in parts:
        if isinstance(part, _Single):
            scores.append((float(first in met), part.weight))
        else:
            inside = [(float(first + index in met), member.weight) for index, member in enumerate(part.members)]
            later.append((_mean(inside), part.weight))
        first += len(_singles(part))
    return _mean([*scores, *later])


def _mean(scores: Iterable[tuple[float, float]]) -> float:
    total = weights = 0.0
    for score, weight in scores:
        total += score * weight
        weights += weight
    if weights > 0:
        return total / weights
    return 0.0


def _any_of(expectations: Sequence[Expectation], ways: Sequence[frozenset[int]]) -> Expectation:
    """Return the expectation that one of the ways is met; what is in all of them stands before them."""
    common = frozenset.intersection(*ways)
    needed = [expectations[index] for index in sorted(common)]
    if len(ways) > 1:
        rests = [sorted(way - common) for way in ways]
        needed.append({"any": [_all([expectations[index] for index in rest]) for rest in rests]})
    return _all(needed)


def _all(expectations: Sequence[Expectation]) -> Expectation:
    parts: list[Expectation] = []
    for expectation in expectations:
        parts.extend(expectation.get("all", [expectation]))
    if len(parts) == 1:
        return parts[0]
    first = parts[0].get("ignore_case")
    texts: list[str] = []
    for part in parts:
        if "contains" not in part or part["ignore_case"] != first:
            return {"all": parts}
        texts.extend(part["contains"])
    return {"contains": texts, "ignore_case": first, "strict": True}
