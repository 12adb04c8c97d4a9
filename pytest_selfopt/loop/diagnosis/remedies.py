"""The changes to a spec that diagnoses ask for, and the errors that such changes can cure."""

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
MORE_TOKENS = "more_tokens"

RETRIED = TRANSIENT - {ErrorKind.RATE_LIMIT}
"""Errors that consume retries; rate limits are waited out separately."""


LOADING = frozenset({ErrorKind.TIMEOUT, ErrorKind.SERVER})
"""Errors of a model that is still loading; a refused connection means that there is no server."""


def remedy(action: str, spec: Spec, space: SearchSpace, *, max_tokens: int | None = None) -> Spec | None:
    """Return the neighbour of a spec that an action asks for; None if the space has none or the action is another.

    `max_tokens` is the limit of tokens to exceed: the present one (the spec's own, or else its model's), or a higher
    one that was tried in vain. None is unknown, so that no limit is known to be higher.
    """
    if action == WARM_UP and True in space.warmup and not spec.warmup:
        return replace(spec, warmup=True)
    retries = _next_above(spec.retries, space.retries)
    if action == RETRY and retries is not None:
        return replace(spec, retries=retries)
    timeout_s = _next_above(spec.timeout_s, space.timeouts_s)
    if action == LONGER_TIMEOUT and timeout_s is not None:
        return replace(spec, timeout_s=timeout_s)
    if action == MORE_TOKENS and max_tokens is not None:
        return _with_more_tokens(spec, _next_above(max_tokens, space.max_tokens))
    return None


def _with_more_tokens(spec: Spec, max_tokens: int | None) -> Spec | None:
    if max_tokens is None:
        return None
    return replace(spec, sampling=replace(spec.sampling, max_tokens=max_tokens))


def _next_above(value: float, allowed: Sequence[_Number]) -> _Number | None:
    """Return the smallest allowed value above a value, or None."""
    above = (candidate for candidate in allowed if candidate > value)
    return min(above, default=None)


def curable(baseline: Spec, candidate: Spec) -> frozenset[ErrorKind]:
    """Return the kinds of errors that the difference between two specs can affect.

    The time-out decides which answers arrive in time, as may a warm-up if loading takes long; retries decide which
    errors are final, and the limit of tokens which answers are cut off before they begin. A trial that ends in such an
    error is evidence about the change.
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
    if baseline.sampling.max_tokens != candidate.sampling.max_tokens:
        kinds |= {ErrorKind.CUT_OFF}
    return kinds
