"""A spec as a route changes it."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from pytest_selfopt.routing.resolve import Route
from pytest_selfopt.specs.spec import Spec

_T = TypeVar("_T")


def apply_route(start: Spec, route: Route) -> Spec:
    """Apply a route to the spec `start`: the effective model, and the settings that its rule does not leave open."""
    sampling = start.sampling
    if route.sampling is not None:
        sampling = replace(sampling, **route.sampling)
    return replace(
        start,
        model=route.model,
        variant=route.variant or start.variant,
        timeout_s=_value_or(route.timeout_s, start.timeout_s),
        retries=_value_or(route.retries, start.retries),
        isolated=_value_or(route.isolated, start.isolated),
        warmup=_value_or(route.enable_warmup, start.warmup),
        sampling=sampling,
    )


def _value_or(value: _T | None, default: _T) -> _T:
    """Return the value, even 0 or False; the default if it is None."""
    if value is None:
        return default
    return value
