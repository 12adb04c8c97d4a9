"""The space of configurations: everything one change away from a spec."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pytest_selfopt.specs.spec import Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSpace:
    """Which values each dimension of a spec may take; an empty dimension is not searched.

    `timeouts_s` in seconds, `retries` as attempts after the first.
    """

    variants: tuple[str, ...] = ("native_api", "atomic", "schema", "few_shot")
    models: tuple[str, ...] = ()
    timeouts_s: tuple[float, ...] = (15.0, 30.0, 60.0, 120.0, 300.0)
    retries: tuple[int, ...] = (0, 1, 2, 3)
    isolation: tuple[bool, ...] = (False, True)
    warmup: tuple[bool, ...] = (False, True)


USUAL_SPACE = SearchSpace()


def neighbours(spec: Spec, space: SearchSpace) -> tuple[Spec, ...]:
    """All specs that differ from `spec` in one dimension, the most telling dimension first.

    Numbers move to the nearest value on either side only, so that a step stays a step.
    """
    found = [replace(spec, variant=variant) for variant in space.variants]
    found += [replace(spec, model=model) for model in space.models]
    found += [replace(spec, warmup=value) for value in space.warmup]
    found += [replace(spec, retries=int(value)) for value in _adjacent(spec.retries, space.retries)]
    found += [replace(spec, timeout_s=float(value)) for value in _adjacent(spec.timeout_s, space.timeouts_s)]
    # Last, because asking without the prompt cache costs the most.
    found += [replace(spec, isolated=value) for value in space.isolation]
    return tuple(dict.fromkeys(one for one in found if one != spec))


def _adjacent(value: float, allowed: Sequence[float]) -> list[float]:
    above = [one for one in allowed if one > value]
    below = [one for one in allowed if one < value]
    return ([min(above)] if above else []) + ([max(below)] if below else [])
