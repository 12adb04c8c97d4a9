"""What the actions of diagnoses change of a spec, and which errors such a change can cure."""

from __future__ import annotations

from dataclasses import replace

from pytest_selfopt.specs.neighbours import SearchSpace
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.trial import TRANSIENT, ErrorKind

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
    more_retries = [value for value in space.retries if value > spec.retries]
    if action == RETRY and more_retries:
        return replace(spec, retries=min(more_retries))
    longer = [value for value in space.timeouts_s if value > spec.timeout_s]
    if action == LONGER_TIMEOUT and longer:
        return replace(spec, timeout_s=min(longer))
    return None


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
