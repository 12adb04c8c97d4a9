"""The attempts of a call that others make: how many it may take, and those that were lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pytest_selfopt.runners.runner import Call
from pytest_selfopt.trial import CallError, ErrorKind, FailedAttempt

LOST = "lost with the worker that made it"


def most_attempts(call: Call) -> int:
    """Return the maximum number of attempts of a call."""
    attempts = 1 + call.options.retries + call.options.rate_limit_retries
    if call.dialogue is None:
        return attempts
    case = call.dialogue.case
    return case.steps * (len(case.turns) + 1) * attempts


def limited(call: Call, attempts: int) -> Call:
    """Return a call limited to `attempts` attempts."""
    retries = min(call.options.retries, attempts - 1)
    turned_away = min(call.options.rate_limit_retries, attempts - 1 - retries)
    options = replace(call.options, retries=retries, rate_limit_retries=turned_away)
    return replace(call, options=options)


def lost_attempts(began: Iterable[float], following: float) -> Iterable[FailedAttempt]:
    """Return an attempt for each beginning whose worker was lost, since it may have been billed."""
    error = CallError(kind=ErrorKind.WORKER_LOST, message=LOST)
    for at in began:
        yield FailedAttempt(error=error, started=at, ended=max(at, following))
