"""What the actions of diagnoses change of a spec, and which errors such a change can cure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from pytest_selfopt.specs.neighbours import SearchSpace
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.trial import TRANSIENT, ErrorKind

_Number = TypeVar("_Number", int, float)

WARM_UP = "allow_for_bounded_tasks"
FALL_BACK = "disable_for_stateful"
RETRY = "retry"
LONGER_TIMEOUT = "longer_timeout"

RETRIED = TRANSIENT - {ErrorKind.RATE_LIMIT}
"""Kinds of errors that use up retries; a rate limit is waited out apart from them."""


LOADING = frozenset({ErrorKind.TIMEOUT, ErrorKind.SERVER})
"""The errors by which a model shows that it is still being loaded; a refused connection is no model at all."""


def remedy(action: str, spec: Spec, space: SearchSpace) -> Spec | None:
    """The neighbour of a spec that an action asks for; None when the space has none, or it is no change of settings."""
    if action == WARM_UP and True in space.warmup and not spec.warmup:
        return replace(spec, warmup=True)
    retries = _next_above(spec.retries, space.retries)
    if action == RETRY and retries is not None:
        return replace(spec, retries=retries)
    timeout_s = _next_above(spec.timeout_s, space.timeouts_s)
    if action == LONGER_TIMEOUT and timeout_s is not None:
        return replace(spec, timeout_s=timeout_s)
    return None


def _next_above(value: float, allowed: Sequence[_Number]) -> _Number | None:
    """The smallest of the allowed values above a value; None without one."""
    above = (candidate for candidate in allowed if candidate > value)
    return min(above, default=None)


def curable(baseline: Spec, candidate: Spec) -> frozenset[ErrorKind]:
    """The kinds of errors that the difference of two specs is about.

    Another time-out decides which answers come in time, and so may a warm-up where loading takes long; retries decide
    which errors are final. A trial that ends in one of these is evidence on the change, and no accident.
    """
    if baseline.model != candidate.model:
        return frozenset()
    kinds: frozenset[ErrorKind] = frozenset()
    if baseline.timeout_s != candidate.timeout_s:
        kinds |= {ErrorKind.TIMEOUT}
    if baseline.warmup != candidate.warmup:
        kinds |= LOADING
    if baseline.retries != candidate.retries:
        kinds |= RETRIED
    return kinds
