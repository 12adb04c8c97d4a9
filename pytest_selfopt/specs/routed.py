"""A spec as a route changes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pytest_selfopt.bounded_text import brief
from pytest_selfopt.errors import SpecError
from pytest_selfopt.routing.resolve import Route
from pytest_selfopt.specs.request import Sampling
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.suggest import did_you_mean

_T = TypeVar("_T")

_WHOLE = ("max_tokens", "seed")
_SAMPLING = ("temperature", "top_p", *_WHOLE)


def apply_route(start: Spec, route: Route) -> Spec:
    """Apply a route to the spec `start`: the effective model, and the settings that its rule does not leave open.

    Raises:
        SpecError: if the rule has a value that no spec can have.
    """
    try:
        return replace(
            start,
            model=route.model,
            variant=route.variant or start.variant,
            timeout_s=_value_or(route.timeout_s, start.timeout_s),
            retries=_value_or(route.retries, start.retries),
            isolated=_value_or(route.isolated, start.isolated),
            warmup=_value_or(route.enable_warmup, start.warmup),
            sampling=_sampling(start.sampling, route.sampling or {}),
        )
    except SpecError as problem:
        raise SpecError(f"the rule for {route.model} in {route.phase}: {problem}") from None


def _sampling(start: Sampling, values: Mapping[str, Any]) -> Sampling:
    """Return the sampling with the values of a rule; the spec checks their ranges."""
    for name, value in values.items():
        if name not in _SAMPLING:
            raise SpecError(f"unknown parameter {brief(name)} of sampling{did_you_mean(name, _SAMPLING)}")
        kinds: tuple[type, ...] = (int,) if name in _WHOLE else (int, float)
        left_open = value is None and name != "temperature"
        if not left_open and (isinstance(value, bool) or not isinstance(value, kinds)):
            wanted = " or ".join(kind.__name__ for kind in kinds)
            raise SpecError(f"sampling: {name} must be {wanted}, not {brief(value)}")
    return replace(start, **values)


def _value_or(value: _T | None, default: _T) -> _T:
    """Return the value, even 0 or False; the default if it is None."""
    if value is None:
        return default
    return value
