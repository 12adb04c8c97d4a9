"""The search space: all configurations one change away from a spec."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_selfopt.specs.spec import Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSpace:
    """The values that each dimension of a spec may take; an empty dimension is not searched.

    `timeouts_s` are seconds; `retries` are attempts after the first; `max_tokens` limit an answer.
    """

    variants: tuple[str, ...] = ("native_api", "atomic", "schema", "few_shot")
    models: tuple[str, ...] = ()
    timeouts_s: tuple[float, ...] = (15.0, 30.0, 60.0, 120.0, 300.0)
    retries: tuple[int, ...] = (0, 1, 2, 3)
    isolation: tuple[bool, ...] = (False, True)
    warmup: tuple[bool, ...] = (False, True)
    # Not among the neighbours: a limit changes nothing as long as no answer reaches it, so that trying another would
    # spend passes, and a share of the error budget, on a difference that cannot show. The diagnosis asks for it.
    max_tokens: tuple[int, ...] = (256, 1024, 4096, 16384)
    exhaustive: bool = False
    """Whether what cures no measured trouble is tried, too, once nothing else is left."""


USUAL_SPACE = SearchSpace()


def neighbours(spec: Spec, space: SearchSpace) -> tuple[Spec, ...]:
    """Return all specs that differ from `spec` in one dimension, the most promising dimension first.

    Numbers move only to the nearest value on either side, so that each change is a small step.
    """
    retries = map(int, _adjacent(spec.retries, space.retries))
    timeouts_s = map(float, _adjacent(spec.timeout_s, space.timeouts_s))
    specs = [
        *_changed(spec, "variant", space.variants),
        *_changed(spec, "model", space.models),
        *_changed(spec, "warmup", space.warmup),
        *_changed(spec, "retries", retries),
        *_changed(spec, "timeout_s", timeouts_s),
        # Last, because asking without the prompt cache costs most.
        *_changed(spec, "isolated", space.isolation),
    ]
    return tuple(dict.fromkeys(specs))


def differs_in_warmup(spec: Spec, other: Spec) -> bool:
    """Whether two specs differ in their warm-up, and in nothing else."""
    return spec.warmup != other.warmup and replace(spec, warmup=other.warmup) == other


def _changed(spec: Spec, dimension: str, values: Iterable[Any]) -> list[Spec]:
    """Return the spec with each of these values in one dimension, except its present value."""
    specs = []
    for value in values:
        changed = replace(spec, **{dimension: value})
        if changed != spec:
            specs.append(changed)
    return specs


def _adjacent(value: float, allowed: Sequence[float]) -> list[float]:
    """Return the nearest greater and the nearest smaller allowed value, if any."""
    above = [candidate for candidate in allowed if candidate > value]
    below = [candidate for candidate in allowed if candidate < value]
    adjacent = []
    if above:
        adjacent.append(min(above))
    if below:
        adjacent.append(max(below))
    return adjacent
